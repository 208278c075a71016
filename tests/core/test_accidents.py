"""What went wrong for others, directed at this engine: it survives each. The links are to the accidents.

Each is one of those that the field reported (or that were reproduced in its code); what has to be true in the end is what
the exchange's own books say. docs/accidents.md lists them all, with those of the shell and those that cannot happen here.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.core import scenes
from tests.core.scenes import FIRST, cents, contracts, fold, live, match, name, record
from tests.core.stage import Stage
from tests.core.world import GRIDS, Tape, Working

from depthwalker.core import crowd, matching
from depthwalker.core.algorithms.table import production
from depthwalker.core.answer import NotApplied, OrderStatus, Rejected
from depthwalker.core.book import Leg
from depthwalker.core.budget import BASIC, CREATE_COST, bucket_of, ready_at, spend
from depthwalker.core.command import Amend, Burn, Cancel, Claim, Lookup, Place
from depthwalker.core.execution import open_order, total_exposure, total_filled, total_walks
from depthwalker.core.fact import Filled, LookedUp, OutcomeUnknown, Requested, StopRequested
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Ending, Kind, Phase, Style, filled
from depthwalker.core.outcome import Success
from depthwalker.core.pit import NewOrder, Pit, Rules, TimeInForce, find, queue_ahead
from depthwalker.core.reply import lookup_reply
from depthwalker.core.reports import Ended, EndReason, Event, Matched
from depthwalker.core.tape import Take, Withdraw, play
from depthwalker.core.units import DOLLAR, SECOND, Count, Price

REJECTED = Rejected(400, "invalid_order", "")
OFF_TICK = Rejected(400, "invalid_price", "")
POOR = Rejected(400, "insufficient_balance", "")


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
    """github.com/freqtrade/freqtrade/issues/11212: what is left has to go on moving.

    github.com/bassuaz24/kalshi_bets, in its own analysis: 50 of 100 filled, and 50 in limbo.
    """
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
    """github.com/nkaz001/hftbacktest/pull/323: the echo of a refused modify, counted twice, made 1,792 of 1,000."""
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


def test_an_accepted_modification_leaves_the_order_as_it_was() -> None:
    """github.com/nkaz001/hftbacktest/issues/286: told to be done, and price and size were still the old ones.

    Named beside it, by its number alone: github.com/nkaz001/hftbacktest/issues/239.
    """
    stage = Stage()
    stage.settle()
    stage.prices[1] = 50
    stage.act()
    stage.answer(stage.out(Amend))
    (order,) = stage.exchange.resting()
    order.price = cents(49)
    stage.exchange._note()
    stage.settle()
    assert order.price == cents(49), "not seen before the next read"
    stage.pass_time(20)
    stage.settle()
    assert (order.price, order.total) == (cents(50), contracts(100))


def test_an_order_is_replaced_at_every_flicker_of_the_book() -> None:
    """github.com/enarjord/passivbot/pull/1351: a place in the queue is worth more than following what flickers."""
    stage = Stage()
    stage.strategy_of = production
    sent = 0
    for flicker in range(400):
        if stage.state.finished is not None:
            break
        up = flicker % 2
        stage.exchange.offers = {cents(51 + up): contracts(5_000)}
        stage.pace.shown = dict(stage.exchange.offers)
        stage.pace.queue = {cents(47 + up): contracts(5_000), cents(46): contracts(5_000)}
        stage.act(0.1)
        sent += len(stage.out(Place, Amend, Cancel))
        stage.answer(stage.out())
    assert stage.state.finished is not None
    assert 0 < total_walks(stage.state) <= sent <= 8, "of some 250 changes"


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


def test_a_cancel_is_turned_away_and_its_order_forgotten() -> None:
    """github.com/hummingbot/hummingbot/pull/7636: 429s, then cancels whose order's status is not found."""
    stage = Stage()
    stage.settle()
    stage.prices.clear()
    stage.act()
    for _ in range(4):
        stage.answer(stage.out(Cancel), NotApplied("429"))
        stage.answer(stage.out(Lookup))
        stage.act(5)
    assert total_exposure(stage.state) == contracts(100)
    stage.trade(30)
    stage.settle()
    assert stage.exchange.resting() == []
    assert total_filled(stage.state) == stage.exchange.filled() == contracts(30)


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


def test_orders_that_the_list_does_not_show_yet_are_placed_again() -> None:
    """github.com/hummingbot/hummingbot/issues/493: three orders a side, and many duplicates of each."""
    stage = Stage(40, 30, 30)
    stage.act()
    stage.lose(stage.out(Place), arrived=True)
    for _ in range(6):
        stage.act(0.5)
        stage.tape = Tape([0, 4] * len(stage.out(Lookup)))  # what is read is older than the orders
        stage.arrive(stage.out(Lookup))
        stage.answer(stage.out())
    assert [order.total for order in stage.exchange.orders.values()] == [contracts(40), contracts(30), contracts(30)]
    stage.settle()
    assert [order.phase for order in stage.state.orders] == [Phase.LIVE] * 3
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
    """github.com/nkaz001/hftbacktest/issues/299, github.com/nkaz001/hftbacktest/issues/316.

    And github.com/scrtlabs/catalyst/issues/317.
    """
    state = live(49, 100, Filled(match("a", 30), scenes.NOW), Filled(match("b", 25), scenes.NOW))
    assert total_filled(state) == contracts(55)
    assert total_exposure(state) == contracts(100)


def test_a_fill_that_nobody_told_of_leaves_its_order_open_for_ever() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/4024: accepted, filled, and nothing more was ever heard of it.

    github.com/nautechsystems/nautilus_trader/issues/3869: the cancel is refused, the order is not found, its fill is missing.
    github.com/pmxt-dev/pmxt/issues/779: there is no stream that would tell.
    Named beside them, by its number alone: github.com/nautechsystems/nautilus_trader/issues/4991.
    """
    stage = Stage(60, 40)
    stage.settle()
    first, second = stage.exchange.resting()
    stage.exchange.hit(first, contracts(60))
    stage.exchange.hit(second, contracts(10))
    assert total_filled(stage.state) == 0
    stage.act(10)
    stage.settle()
    assert total_filled(stage.state) == contracts(70)
    assert [order.ending for order in stage.state.orders] == [Ending.EXECUTED, Ending.OPEN]
    assert total_exposure(stage.state) == contracts(100)


def test_an_order_that_ends_a_hundredth_short_is_never_over() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/3797: fills that do not add up to the order keep it open."""
    stage = Stage()
    stage.settle()
    (order,) = stage.exchange.resting()
    stage.exchange.hit(order, Count(contracts(100) - 1))
    order.status = OrderStatus.EXECUTED
    stage.exchange._note()
    stage.act(10)
    stage.settle()
    first, rest = stage.state.orders
    assert (first.ending, filled(first)) == (Ending.EXECUTED, contracts(100) - 1)
    assert (rest.phase, rest.total) == (Phase.LIVE, 1)
    stage.finish()


def test_a_fill_that_a_record_told_of_counts_again_when_it_is_told_itself() -> None:
    """github.com/nautechsystems/nautilus_trader/pull/3493: a fill inferred, then the real one: overfilled."""
    seen = live(49, 100, record(OrderStatus.RESTING, 30))
    assert total_filled(seen) == contracts(30)
    told = fold(Filled(match("a", 30), scenes.NOW), Filled(match("b", 20), scenes.NOW), state=seen)
    assert total_filled(told) == contracts(50)
    assert total_filled(fold(record(OrderStatus.RESTING, 50), state=told)) == contracts(50)
    assert total_exposure(told) == contracts(100)


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
    """github.com/nautechsystems/nautilus_trader/issues/4736, github.com/OpenByteInc/QuantDinger/issues/231."""
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


@pytest.mark.parametrize("fate", ["stayed", "filled", "cancelled", "placed"])
def test_what_became_of_an_order_while_nobody_was_connected(fate: str) -> None:
    """github.com/bitfinexcom/bitfinex-api-node/issues/247 asks for each of these; no message about any ever comes.

    github.com/nautechsystems/nautilus_trader/issues/4876: the stream does not repeat what was missed.
    """
    stage = Stage()
    stage.act()
    if fate == "placed":
        stage.lose(stage.out(Place), arrived=True)
    else:
        stage.settle()
    (order,) = stage.exchange.resting()
    if fate == "filled":
        stage.trade(100)
    elif fate == "cancelled":
        stage.exchange.withdraw(order)
    stage.act(20)
    stage.settle()
    assert total_filled(stage.state) == stage.exchange.filled()
    assert total_exposure(stage.state) == contracts(100)
    assert sum(one.total - one.filled for one in stage.exchange.resting()) == contracts(100) - stage.exchange.filled()
    assert len(stage.exchange.orders) == (2 if fate == "cancelled" else 1)


def test_orders_of_another_session_are_taken_for_ours_and_block_them() -> None:
    """github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/232: nor could they be cancelled."""
    stage = Stage()
    stage.settle()
    others = (
        "by hand",
        ClientId("89abcdef", scenes.EXECUTION, 1, 0).text(),
        ClientId(scenes.INSTALLATION, "f" * 32, 1, 0).text(),
    )
    foreign = tuple(
        stage.exchange.record(Working(f"y{at}", client_id, FIRST, cents(48), contracts(40), immediate=False))
        for at, client_id in enumerate(others)
    )
    assert lookup_reply(stage.state, Success(foreign), Success(()), stage.now) == (LookedUp("", stage.now, 2),)
    stage.prices[1] = 50
    stage.settle()
    assert [(order.price, order.total) for order in stage.exchange.resting()] == [(cents(50), contracts(100))]


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


def test_an_order_that_the_balance_does_not_bear_is_sent_again_for_ever() -> None:
    """github.com/Polymarket/py-clob-client/issues/287: not enough balance, at every attempt, with enough of it there."""
    stage = Stage(60, 40)
    stage.act()
    first, second = stage.out(Place)
    stage.answer([first], POOR)
    stage.answer([second])
    stage.finish()
    assert stage.state.finished is not None
    assert "insufficient_balance" in stage.state.finished.reason
    assert len(stage.exchange.orders) == 1
    assert stage.exchange.resting() == []


def test_how_a_rate_limit_counts_is_not_known() -> None:
    """github.com/Polymarket/py-clob-client/issues/147: by fixed windows or by sliding ones? Here it is kept in every window."""
    rate, sent = BASIC.write, []
    now = scenes.NOW
    bucket = bucket_of(rate, now)
    for _ in range(300):
        now = ready_at(bucket, CREATE_COST, 0, now)
        bucket = spend(bucket, CREATE_COST, now)
        sent.append(now)
    for seconds in (1, 10, 20):
        most = max(sum(start <= at < start + seconds * SECOND for at in sent) for start in sent)
        assert most * CREATE_COST <= rate.capacity + rate.refill * seconds
    assert sent[-1] - sent[0] <= 30 * SECOND, "and used"


def test_an_exchange_that_turns_requests_away_is_asked_ever_more_slowly() -> None:
    """github.com/hummingbot/hummingbot/issues/5696: too many requests beget more of them."""
    stage = Stage()
    instants = []
    for _ in range(200):
        if stage.act(0.1):
            instants.append(stage.now)
            stage.answer(stage.out(), NotApplied("rate limited"))
    gaps = [(later - earlier) / SECOND for earlier, later in pairwise(instants)]
    assert gaps == [0.5, 1, 2, *[4] * (len(gaps) - 3)]
    assert len(gaps) > 5


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
    """github.com/nautechsystems/nautilus_trader/issues/3596, but live: a book from before a trade is not there to be met."""
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


# Simulated fills: the paper exchange, replay and the laboratory stand on the same matching


def pit(order: str = "", count: int = 100, *, offered: int = 0) -> Pit:
    """Return a market of 10 contracts bid at 47, and behind them ours; `offered` at 52."""
    opened = crowd.seed([(cents(47), contracts(10))], [(cents(48), contracts(offered))], Rules())
    return joined(opened, order, count) if order else opened


def joined(market: Pit, order: str, count: int) -> Pit:
    ours = NewOrder(order, "us", Leg.YES, cents(47), contracts(count), expires=scenes.after(60))
    return matching.submit(market, ours, scenes.NOW)[0]


def sold(market: Pit, count: int) -> tuple[Pit, tuple[Event, ...]]:
    """Let somebody sell down to 47."""
    return play(market, Take(Leg.NO, Price(DOLLAR - cents(47)), contracts(count)), scenes.after(1))


def fills(events: tuple[Event, ...]) -> list[tuple[str, int]]:
    return [(event.maker_order, event.count // 100) for event in events if isinstance(event, Matched)]


def test_the_same_liquidity_fills_two_orders() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/2564."""
    market, events = sold(joined(pit("a", 30), "b", 30), 50)
    assert fills(events) == [("", 10), ("a", 30), ("b", 10)]
    assert fills(sold(market, 50)[1]) == [("b", 20)]


def test_an_order_meets_what_a_trade_has_taken_already() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/3596: 8 of 10 are traded, and the fill is reckoned with all 10."""
    market, _ = play(pit(offered=10), Take(Leg.YES, cents(52), contracts(8)), scenes.NOW)
    ours = NewOrder("a", "us", Leg.YES, cents(52), contracts(10), time_in_force=TimeInForce.IOC)
    _, events = matching.submit(market, ours, scenes.after(1))
    assert [event.count for event in events if isinstance(event, Matched)] == [contracts(2)]


def test_a_second_trade_like_the_first_fills_nothing() -> None:
    """github.com/nautechsystems/nautilus_trader/issues/5017: what is taken once is not there again, what comes anew is."""
    market, first = sold(pit("a", 30), 20)
    market, second = sold(market, 20)
    assert fills(first) + fills(second) == [("", 10), ("a", 10), ("a", 20)]


@pytest.mark.parametrize("behind", [False, True])
def test_any_cancel_clears_the_queue_before_us(behind: bool) -> None:
    """github.com/nautechsystems/nautilus_trader/issues/4370: one stranger's cancel, and the order is the first."""
    market = pit("a", 30)
    if behind:
        market, _ = crowd.arrive(market, Leg.YES, cents(47), contracts(4), scenes.NOW)
    market, _ = play(market, Withdraw(Leg.YES, cents(47), contracts(4)), scenes.NOW)
    assert queue_ahead(market, "a") == contracts(10 if behind else 6)


def test_a_fill_of_exactly_what_is_left_stops_the_simulation() -> None:
    """github.com/nkaz001/hftbacktest/issues/301, github.com/nkaz001/hftbacktest/issues/312."""
    market, _ = sold(pit("a", 30), 25)
    market, events = sold(market, 15)
    assert [(event.reason, event.filled) for event in events if isinstance(event, Ended)] == [
        (EndReason.FILLED, contracts(30))
    ]
    assert find(market, "a") is None
    assert fills(sold(market, 15)[1]) == []


def test_an_order_is_filled_by_what_was_there_before_it() -> None:
    """github.com/QuantConnect/Lean/issues/2547: no new trade, and a fill.

    Named beside it, by its number alone: github.com/QuantConnect/Lean/issues/7136.
    """
    market, _ = sold(pit(), 50)
    market = joined(market, "a", 30)
    for second in range(1, 30):
        market, events = play(market, Withdraw(Leg.NO, cents(48), contracts(1)), scenes.after(second))
        assert fills(events) == []
    found = find(market, "a")
    assert found is not None
    assert found.remaining == contracts(30)


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


@pytest.mark.parametrize("sold", [0, 30, 100])
def test_an_order_that_the_exchange_has_lost_ends_once_its_market_is_settled(sold: int) -> None:
    """The exchange has restarted without it; what it filled before is still listed among the fills."""
    stage = Stage()
    stage.settle()
    (lost,) = stage.exchange.resting()
    if sold:
        stage.trade(sold)
    stage.exchange.lose(lost)
    for _ in range(30):
        stage.answer(stage.act(5))
    assert total_exposure(stage.state) == contracts(100)
    stage.exchange.settle()
    stage._fresh_book()
    for _ in range(15):
        stage.answer(stage.act())
    (order,) = stage.state.orders
    assert (order.ending, filled(order), total_exposure(stage.state)) == (
        Ending.LAPSED,
        contracts(sold),
        contracts(sold),
    )
    assert stage.state.finished is not None
    stage.replays()


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


# Orders that cannot be read while one is in doubt (none of the field's accidents: our own)


def amend_lost() -> Stage:
    stage = Stage()
    stage.settle()
    stage.prices[1] = 50
    stage.act()
    stage.lose(stage.out(Amend), arrived=True)
    return stage


def taken_partly() -> Stage:
    stage = Stage()
    stage.settle()
    stage.offer((52, 30))
    stage.direct({1: 52})
    stage.style = Style.TAKE
    stage.act()
    stage.answer(stage.out(Amend))
    return stage


def taken_up() -> Stage:
    stage = Stage()
    stage.settle()
    stage.durable = len(stage.journal)
    stage.restart()
    return stage


@pytest.mark.parametrize("doubt", [amend_lost, taken_partly, taken_up])
def test_an_order_in_doubt_rests_until_it_expires_because_orders_cannot_be_read(doubt: Callable[[], Stage]) -> None:
    stage = doubt()
    assert stage.state.orders[0].doubt
    stage._remember(StopRequested("enough", stage.now))
    for _ in range(10):
        stage.act()
        stage.lose(stage.out(Lookup), arrived=False)
        stage.lose(stage.out(Cancel), arrived=bool(stage.exchange.resting()))
    (order,) = stage.state.orders
    assert stage.exchange.resting() == []
    assert (order.phase, total_exposure(stage.state)) == (Phase.LIVE, contracts(100)), "its record alone closes it"
    assert 2 <= order.cancels <= 6, "repeated, and ever more slowly"
    stage.finish()
    assert total_filled(stage.state) == stage.exchange.filled()
    assert len(stage.exchange.orders) == 1
    stage.replays()


def test_an_amend_that_comes_after_the_cancel_of_its_order_changes_nothing() -> None:
    stage = Stage()
    stage.settle()
    stage.prices[1] = 50
    stage.act()
    stage.lose(stage.out(Amend), arrived=False, late=True)
    stage.prices.clear()
    stage.act()
    stage.lose(stage.out(Lookup), arrived=False)
    stage.answer([wire for wire in stage.act() if isinstance(wire.command, Cancel)])
    stage.prices[1] = 49
    stage.arrive([wire for wire in stage.wires if wire.lost])
    assert stage.exchange.resting() == []
    stage.settle()
    assert [order.total - order.filled for order in stage.exchange.resting()] == [contracts(100)]
    assert total_exposure(stage.state) == contracts(100)


# The account's owner has a hand in it (none of the field's accidents: our own)


@pytest.mark.parametrize("sold", [0, 30, 100])
def test_an_order_that_its_owner_amends_from_elsewhere_is_never_recognised_again(sold: int) -> None:
    stage = Stage()
    stage.settle()
    (order,) = stage.exchange.resting()
    order.client_id, order.price = "web-4711", cents(48)
    stage.exchange._note()
    if sold:
        stage.trade(sold)
    stage.act(20)
    stage.settle()
    assert total_filled(stage.state) == contracts(sold)
    stage.finish()
    assert stage.exchange.filled() == total_filled(stage.state) == contracts(sold)


# Clocks (none of the field's accidents: our own)


@pytest.mark.parametrize("under_way", [False, True])
def test_an_execution_taken_up_where_the_clock_is_a_minute_behind_waits_for_the_minute(under_way: bool) -> None:
    stage = Stage()
    stage.settle()
    stage.act(20)
    stage.settle()
    if under_way:
        stage.prices.clear()
        stage.act()
        stage.answer(stage.out(Cancel), Rejected(404, "not_found", ""))
    stage.durable = len(stage.journal)
    stage.pass_time(-60)
    stage.restart()
    stage._remember(StopRequested("enough", stage.now))
    for _ in range(5):
        stage.answer(stage.act())
    assert stage.exchange.resting() == []
    assert stage.state.finished is not None
