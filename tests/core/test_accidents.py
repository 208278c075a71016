"""What went wrong for others, directed at this engine: it survives each. The links are to the accidents.

Each is one of those that the field reported (or that were reproduced in its code); what has to be true in the end is what
the exchange's own books say.
"""

from dataclasses import replace

import pytest
from tests.core import scenes
from tests.core.scenes import FIRST, cents, contracts, fold, live, match, name, record
from tests.core.stage import Stage
from tests.core.world import GRIDS, Tape

from depthwalker.core.answer import NotApplied, OrderStatus, Rejected
from depthwalker.core.command import Amend, Burn, Cancel, Claim, Lookup, Place
from depthwalker.core.execution import open_order, total_exposure, total_filled
from depthwalker.core.fact import Filled, LookedUp, OutcomeUnknown, Requested
from depthwalker.core.ledger import Ending, Kind, Phase, Style, filled
from depthwalker.core.units import Count, Price

REJECTED = Rejected(400, "invalid_order", "")
OFF_TICK = Rejected(400, "invalid_price", "")


def requests(stage: Stage) -> int:
    return stage.state.calls


# Replacing and cancelling


@pytest.mark.parametrize("in_flight", [False, True])
def test_a_chaser_fills_130_or_170_of_a_parent_of_100(in_flight: bool) -> None:
    """github.com/hummingbot/hummingbot/tree/2bfaccc/hummingbot/strategy_v2/executors/order_executor: renew_order().

    30 are filled before each of two refreshes, and with `in_flight` more while the refresh is under way.
    """
    stage = Stage()
    stage.settle()
    for price in (50, 51):
        stage.trade(30)
        stage.prices[1] = price
        stage.act()
        stage.arrive(stage.out(Amend))
        if in_flight:
            stage.trade(20)
        stage.settle()
    assert len(stage.exchange.orders) == 1
    stage.finish()
    assert stage.exchange.filled() == (contracts(100) if in_flight else contracts(60))
    assert total_filled(stage.state) == stage.exchange.filled()


def test_a_cancel_loses_to_a_fill_and_the_order_is_placed_once_more() -> None:
    """github.com/freqtrade/freqtrade/issues/11461, github.com/enarjord/passivbot/issues/514."""
    stage = Stage()
    stage.settle()
    stage.prices.clear()
    stage.act()
    assert [type(wire.command) for wire in stage.out()] == [Cancel]
    stage.trade(100)
    stage.answer(stage.out(Cancel))
    stage.prices[1] = 49
    stage.act()
    assert stage.out(Place) == []
    stage.finish()
    assert stage.exchange.filled() == total_filled(stage.state) == contracts(100)


def test_a_partial_fill_stops_the_replacement() -> None:
    """github.com/freqtrade/freqtrade/issues/11212: what is left has to go on moving."""
    stage = Stage()
    stage.settle()
    stage.trade(30)
    stage.prices[1] = 51
    stage.settle()
    (order,) = stage.exchange.resting()
    assert (order.price, order.total, order.filled) == (cents(51), contracts(100), contracts(30))


def test_the_count_of_an_amend_is_what_is_left() -> None:
    """github.com/ArshKA/pykalshi, fixed in 2.0.0: an amend's count is a total; the remainder as count buys too little."""
    stage = Stage()
    stage.settle()
    stage.trade(30)
    stage.answer(stage.act(5))
    stage.prices[1] = 50
    (wire,) = stage.act()
    assert isinstance(wire.command, Amend)
    assert wire.command.total == contracts(100)


def test_a_fill_is_lost_while_an_order_is_modified() -> None:
    """github.com/QuantConnect/Lean.Brokerages.TradeStation/issues/84."""
    stage = Stage()
    stage.settle()
    stage.prices[1] = 50
    stage.act()
    stage.trade(30)
    stage.answer(stage.out(Amend))
    stage.finish()
    assert total_filled(stage.state) == stage.exchange.filled() == contracts(30)


def test_the_outcome_of_a_replacement_is_not_known() -> None:
    """github.com/chrisleekr/binance-trading-bot/issues/775: cancelled or not, replaced or not."""
    for arrived in (True, False):
        stage = Stage()
        stage.settle()
        stage.prices[1] = 51
        stage.act()
        stage.lose(stage.out(Amend), arrived=arrived)
        assert total_exposure(stage.state) == contracts(100)
        stage.settle()
        assert [order.price for order in stage.exchange.resting()] == [cents(51)]
        assert len(stage.exchange.orders) == 1


def test_a_refused_modification_is_counted_as_a_fill() -> None:
    """github.com/nkaz001/hftbacktest/issues/316: the echo of a refused modify, counted twice, made 1,792 of 1,000."""
    stage = Stage()
    stage.settle()
    stage.trade(40)
    for price in (50, 51):
        stage.prices[1] = price
        stage.act()
        stage.answer(stage.out(Amend), REJECTED)
        stage.answer(stage.out(Lookup))
        stage.answer(stage.act(5))
    assert total_filled(stage.state) <= stage.exchange.filled() == contracts(40)
    stage.finish()
    assert total_filled(stage.state) == contracts(40)


def test_an_answer_to_a_cancel_describes_another_order() -> None:
    """Kalshi's change log of 2026-05-21: a cancel's answer closes nothing, only the order's own record does."""
    stage = Stage(60, 40)
    stage.settle()
    first, second = stage.exchange.resting()
    stage.exchange.withdraw(second)
    stage.prices.clear()
    stage.act()
    stage.answer(stage.out(Cancel), Rejected(404, "not_found", ""))
    assert stage.exchange.resting() == [first]
    assert all(order.phase is not Phase.CLOSED for order in stage.state.orders)
    stage.finish()
    assert stage.exchange.resting() == []


# Lost answers


def test_a_retry_leaves_three_live_orders() -> None:
    """github.com/Kalshi/kalshi-starter-code-python/issues/135, github.com/Polymarket/py-clob-client/issues/273."""
    stage = Stage()
    for _ in range(3):
        stage.act(5)
        stage.lose(stage.out(Place, Claim, Burn), arrived=True)
    stage.settle()
    assert len([order for order in stage.exchange.orders.values() if order.total == contracts(100)]) == 1
    assert [order.order_id for order in stage.exchange.resting()] == [stage.state.orders[0].order_id]
    assert total_exposure(stage.state) == contracts(100)


def test_orders_lost_in_network_errors_fill_later() -> None:
    """github.com/hummingbot/hummingbot/issues/3374: six dead buys filled."""
    stage = Stage(10, 10, 10, 10, 10, 10)
    stage.act()
    stage.lose(stage.out(Place), arrived=True)
    for order in stage.exchange.resting():
        stage.exchange.hit(order, order.total)
    stage.finish()
    assert total_filled(stage.state) == stage.exchange.filled() == contracts(60)
    assert len(stage.exchange.orders) == 6


def test_requests_in_flight_are_resolved_as_failed_after_five_tries() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/3879: rejected after five retries, and orders stack up."""
    stage = Stage()
    stage.act()
    stage.lose(stage.out(Place), arrived=False)
    for _ in range(8):
        stage.act(5)
        stage.lose(stage.out(Claim, Burn), arrived=False)
        stage.answer(stage.out(Lookup))
    (order,) = stage.state.orders
    assert (order.phase, order.ending) == (Phase.UNKNOWN, Ending.OPEN)
    assert total_exposure(stage.state) == contracts(100)
    stage.settle()
    assert sum(order.total - order.filled for order in stage.exchange.resting()) <= contracts(100)
    stage.finish()


def test_six_live_orders_are_marked_failed_in_an_outage_and_their_cancels_answer_404_while_they_fill() -> None:
    """github.com/hummingbot/hummingbot/issues/8454."""
    stage = Stage(10, 10, 10, 10, 10, 10)
    stage.settle()
    stage.prices.clear()
    stage.act()
    for order in stage.exchange.resting():
        stage.exchange.hit(order, order.total)
    stage.answer(stage.out(Cancel))
    assert {order.phase for order in stage.state.orders} == {Phase.LIVE}
    assert total_exposure(stage.state) == contracts(60)
    stage.finish()
    assert total_filled(stage.state) == contracts(60)


def test_an_immediate_order_is_told_to_be_live_and_then_fills() -> None:
    """github.com/Polymarket/clob-client/issues/317: an order that takes has ended only when its record says so."""
    taking = replace(scenes.intended(), style=Style.TAKE)
    told = fold(taking, replace(scenes.accepted(), filled=None), state=scenes.planned((49, 100)))
    assert open_order(told, 1) is not None
    assert total_exposure(told) == contracts(100)
    later = fold(Filled(match("a", 70), scenes.NOW), record(OrderStatus.CANCELED, 70), state=told)
    assert (open_order(later, 1), total_filled(later)) == (None, contracts(70))


# Fills


def test_partial_fills_are_ignored_by_the_position() -> None:
    """github.com/nkaz001/hftbacktest/issues/299."""
    state = live(49, 100, Filled(match("a", 30), scenes.NOW), Filled(match("b", 25), scenes.NOW))
    assert total_filled(state) == contracts(55)
    assert total_exposure(state) == contracts(100)


def test_an_order_fills_after_its_cancel_was_acknowledged() -> None:
    """github.com/hummingbot/hummingbot/issues/3374: a fill that comes after the end is booked like any other."""
    state = live(49, 100, record(OrderStatus.CANCELED, 0), Filled(match("late", 30), scenes.NOW))
    assert total_filled(state) == contracts(30)


def test_an_overfill_is_dropped_from_the_books() -> None:
    """NautilusTrader and Fortuna reject the event, and their position is wrong. Here it is booked, and nothing is added."""
    state = live(49, 100, Filled(match("a", 100), scenes.NOW), Filled(match("b", 20), scenes.NOW))
    assert total_filled(state) == contracts(120)
    assert total_exposure(state) == contracts(120)


# Restarts


def test_a_restart_flattens_or_doubles() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/4736 and 3493, github.com/OpenByteInc/QuantDinger/issues/231."""
    stage = Stage()
    stage.settle()
    stage.trade(30)
    for _ in range(3):
        stage.restart()
        stage.settle()
    assert total_filled(stage.state) == contracts(30)
    assert len(stage.exchange.orders) == 1
    assert [order.total - order.filled for order in stage.exchange.resting()] == [contracts(70)]


def test_starting_up_drops_working_orders() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/5000, github.com/hummingbot/hummingbot/issues/6107."""
    stage = Stage()
    stage.act()
    stage.arrive(stage.out(Place))
    stage.restart()
    assert total_exposure(stage.state) == contracts(100)
    stage.settle()
    assert len(stage.exchange.orders) == 1
    assert stage.state.orders[0].phase is Phase.LIVE
    stage.prices.clear()
    stage.finish()
    assert stage.exchange.resting() == []


def test_trades_are_told_again_after_a_restart() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/3046: duplicate trade ids."""
    stage = Stage()
    stage.settle()
    stage.trade(30)
    stage.answer(stage.act(5))
    stage.restart()
    for _ in range(3):
        for made in stage.exchange.fills:
            stage._tell(made)
        stage.settle()
    assert total_filled(stage.state) == contracts(30)


# Ticks, budgets, books


def test_a_price_off_the_tick_is_replaced_for_ever() -> None:
    """github.com/freqtrade/freqtrade/issues/8013: the exchange rounds, the price differs, the order is replaced again."""
    stage = Stage()
    stage.settle()
    stage.exchange.grid = stage.shown_grid = GRIDS[3]  # five cents
    before = requests(stage)
    for _ in range(10):
        stage.settle()
    assert requests(stage) - before <= 12  # reads, one every four seconds: no replacement
    stage.prices.clear()
    stage.finish()
    assert len(stage.exchange.orders) == 1


def test_an_exchange_that_refuses_is_asked_100_000_times_a_day() -> None:
    """github.com/hummingbot/hummingbot/issues/462, github.com/chrisleekr/binance-trading-bot/issues/742."""
    stage = Stage()
    for _ in range(30):
        if stage.state.finished is not None:
            break
        stage.answer(stage.act(), OFF_TICK)
    assert stage.state.finished is not None
    assert requests(stage) <= 3


def test_an_exchange_that_turns_requests_away_is_asked_ever_more_slowly() -> None:
    """github.com/hummingbot/hummingbot/issues/5696: too many requests beget more of them."""
    stage = Stage()
    instants = []
    for _ in range(200):
        if stage.act(0.1):
            instants.append(stage.now)
            stage.answer(stage.out(), NotApplied("rate limited"))
    assert 10 < len(instants) <= 45, "a quarter of a second at the least, not every time it is asked"


@pytest.mark.parametrize("age", [6, 20])
def test_a_stale_book_is_believed(age: int) -> None:
    """github.com/hummingbot/hummingbot/issues/8454: deltas 19.8 seconds old."""
    stage = Stage()
    stage.settle()
    stage.prices[1] = 52
    stage.pass_time(age, fresh=False)
    while not stage.turn():
        pass
    assert stage.out(Amend, Place) == []
    stage.book_at = stage.now
    stage.turn()
    assert len(stage.out(Amend)) == 1


def test_the_book_after_a_take_still_shows_what_was_taken() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/5017: liquidity is consumed once."""
    stage = Stage(style=Style.TAKE, price=52)
    stage.offer((52, 40))
    stage.act()
    stage.answer(stage.out(Place))
    stage.answer(stage.out(Lookup))
    stage.pass_time(1, fresh=False)
    while not stage.turn():
        pass
    assert stage.out(Place) == []
    assert filled(stage.state.orders[0]) == contracts(40)


def test_a_404_and_an_absence_close_nothing() -> None:
    """github.com/hummingbot/hummingbot/issues/8454: cancel sent at 15.469 s, filled at 15.507, 404 at 15.689."""
    state = live(49, 100, Requested(FIRST, Kind.CANCEL, scenes.NOW))
    state = fold(OutcomeUnknown(FIRST, Kind.CANCEL, "time-out", scenes.NOW), LookedUp("", scenes.NOW), state=state)
    assert open_order(state, 1) is not None
    assert (name(FIRST), total_exposure(state)) == ("order-1-0", Count(100 * 100))
    assert state.cap == Price(5_300)


# A market that closes while an order is in doubt (none of the field's accidents: our own)


def doubtful() -> Stage:
    """Return a stage whose only order was lost on its way, and whose market has closed since."""
    stage = Stage()
    stage.act()
    stage.lose(stage.out(Place), arrived=False, late=True)
    stage.exchange.close()
    stage._fresh_book()
    return stage


def test_an_order_lost_before_its_market_closed_is_in_doubt_until_the_market_is_settled() -> None:
    stage = doubtful()
    for _ in range(30):
        stage.act(60)
        stage.answer(stage.out(Claim, Burn, Lookup))
    assert (total_exposure(stage.state), stage.state.finished) == (contracts(100), None)
    stage.exchange.settle()
    stage.arrive([wire for wire in stage.wires if wire.lost])
    stage.finish()
    (order,) = stage.state.orders
    assert (order.ending, total_exposure(stage.state)) == (Ending.LAPSED, 0)
    stage.replays()


def test_a_closed_market_opens_again_and_the_order_comes_after_all() -> None:
    stage = doubtful()
    for _ in range(30):
        stage.act(60)
        stage.answer(stage.out(Claim, Burn, Lookup))
    stage.exchange.open()
    stage.arrive([wire for wire in stage.wires if wire.lost])
    stage.exchange.hit(stage.exchange.resting()[0], contracts(30))
    stage.finish()
    assert total_filled(stage.state) == stage.exchange.filled() == contracts(30)


def test_an_order_that_came_just_before_the_close_is_found_however_late_it_is_shown() -> None:
    stage = Stage()
    stage.act()
    stage.lose(stage.out(Place), arrived=True)
    stage.trade(40)
    stage.exchange.settle()
    stage.tape = Tape([0, 4] * 40)  # every read is four changes old, for as long as reads may lag
    stage.finish()
    (order,) = stage.state.orders
    assert (order.ending, filled(order)) == (Ending.CANCELED, contracts(40))
