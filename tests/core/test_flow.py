"""What happened in the market lately: the window, the aggregates, and each trade once."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import (
    LEGS,
    NOW,
    any_books,
    grids,
    histories,
    instants,
    mirrored,
    mirrored_history,
    raw_prices,
)

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.flow import (
    MOST_TRADES,
    NO_HISTORY,
    SAMPLE_SPACING,
    TRADES_KEPT,
    WINDOW,
    Flow,
    History,
    Sample,
    flow,
    gather,
    observe,
    record,
    supplied,
)
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price

YES, NO = Leg.YES, Leg.NO
HISTORIES = grids().flatmap(histories)


def trade(name: str, taker: Leg = YES, yes_price: int = 5000, count: int = 100, ago: int = 0) -> TradePrint:
    return TradePrint(name, taker, Price(yes_price), Count(count), Micros(NOW - ago))


def sample(yes: int, no: int, total: int, ago: int = 0) -> Sample:
    return Sample(Micros(NOW - ago), Count(yes), Count(no), Count(total))


@given(HISTORIES, LEGS, instants(NOW, 10 * SECOND))
def test_the_aggregates_agree_with_a_plain_reading_of_the_window(history: History, leg: Leg, now: Micros) -> None:
    seen = flow(history, leg, now)
    recent = [one for one in history.trades if now - one.at < 120 * SECOND]
    assert seen.rivals == sum(one.count for one in recent if one.taker is leg)
    assert seen.suppliers == sum(one.count for one in recent if one.taker is leg.other())
    window = [one for one in history.samples if now - one.at < 120 * SECOND]
    assert seen.volumes == tuple(one.total for one in window)
    ladders = [(one.yes_near, one.no_near) if leg is YES else (one.no_near, one.yes_near) for one in window]
    assert (seen.queue_now, seen.offers_now) == (ladders[-1] if ladders else (0, 0))
    earlier = ladders[:-1]
    assert seen.queue_mean == (sum(queue for queue, _ in earlier) // len(earlier) if earlier else 0)
    assert seen.offers_mean == (sum(offers for _, offers in earlier) // len(earlier) if earlier else 0)


@given(HISTORIES, LEGS, instants(NOW, 10 * SECOND), raw_prices(), instants(NOW - WINDOW))
def test_a_leg_sees_what_the_other_leg_sees_in_the_mirror(
    history: History, leg: Leg, now: Micros, price: Price, since: Micros
) -> None:
    mirror = mirrored_history(history)
    assert flow(history, leg, now) == flow(mirror, leg.other(), now)
    assert supplied(history, leg, price, since) == supplied(mirror, leg.other(), price, since)


@given(HISTORIES, LEGS, raw_prices(), instants(NOW - WINDOW))
def test_what_takers_supplied_at_a_price_is_what_they_sold_there_or_lower_afterwards(
    history: History, leg: Leg, price: Price, since: Micros
) -> None:
    sold = [
        one.count
        for one in history.trades
        if one.taker is leg.other() and one.at > since
        if (one.yes_price if leg is YES else DOLLAR - one.yes_price) <= price
    ]
    assert supplied(history, leg, price, since) == sum(sold)


@pytest.mark.parametrize(("leg", "at"), [(YES, 4_700), (NO, 5_300)])
def test_a_trade_exactly_at_a_price_comes_out_of_its_queue(leg: Leg, at: int) -> None:
    history = gather((), (trade("a", leg.other(), yes_price=4_700),))
    waiting = Micros(NOW - 1)
    assert [supplied(history, leg, Price(price), waiting) for price in (at - 1, at)] == [0, 100]
    assert supplied(history, leg, Price(at), NOW) == 0, "it had traded before"


@given(HISTORIES, st.lists(st.integers(0, 5), max_size=8))
def test_a_trade_counts_once_however_often_it_is_reported(history: History, redelivered: list[int]) -> None:
    fresh = tuple(trade(f"n{number}", ago=number) for number in redelivered)
    again = history.trades[:2]
    after = record(history, (*fresh, *again))
    ids = [one.trade_id for one in after.trades]
    assert len(ids) == len(set(ids))
    assert set(ids) == {one.trade_id for one in (*history.trades, *fresh)}
    assert [one.at for one in after.trades] == sorted(one.at for one in after.trades)
    assert record(after, fresh) is after
    assert after.samples == history.samples


def test_every_trade_of_the_window_is_kept_and_of_older_ones_the_latest() -> None:
    busy = tuple(trade(f"b{number}", ago=number * SECOND // 10) for number in range(1_200))
    older = tuple(trade(f"o{number}", ago=WINDOW + number) for number in range(5))
    assert record(NO_HISTORY, (*busy, *older)).trades == busy[::-1]
    quiet = tuple(trade(f"q{number}", ago=number * SECOND) for number in range(TRADES_KEPT + 7))
    after = record(NO_HISTORY, quiet)
    assert after.trades == quiet[:TRADES_KEPT][::-1]
    assert record(after, quiet[-7:]) == after


def test_a_market_that_never_stops_trading_is_remembered_in_bounded_space() -> None:
    many = tuple(trade(f"t{number}", ago=number) for number in range(MOST_TRADES + 7))
    assert record(NO_HISTORY, many).trades == many[:MOST_TRADES][::-1]


@given(HISTORIES, HISTORIES, LEGS, instants(NOW, 10 * SECOND))
def test_the_aggregates_do_not_depend_on_the_order_in_which_trades_are_told(
    told: History, late: History, leg: Leg, now: Micros
) -> None:
    one_by_one = told
    for one in late.trades:
        one_by_one = record(one_by_one, (one,))
    at_once = record(told, late.trades)
    plain = gather(at_once.samples, at_once.trades)
    assert flow(one_by_one, leg, now) == flow(at_once, leg, now) == flow(plain, leg, now)


@given(grids().flatmap(any_books))
def test_a_sample_counts_both_legs_near_their_best_and_in_all(book: Book) -> None:
    (seen,) = observe(NO_HISTORY, book, NOW).samples
    assert seen.yes_near == sum(count for price, count in book.yes if book.yes[0][0] - price <= 500)
    assert seen.no_near == sum(count for price, count in book.no if book.no[0][0] - price <= 500)
    assert seen.total == sum(count for _, count in (*book.yes, *book.no))
    assert observe(NO_HISTORY, mirrored(book), NOW).samples == mirrored_history(gather((seen,), ())).samples


@given(any_books(CENT_GRID), st.lists(st.integers(-SECOND, 100 * SECOND), max_size=20))
def test_a_half_second_has_one_sample_and_none_is_older_than_the_window(book: Book, steps: list[int]) -> None:
    history, now = NO_HISTORY, NOW
    for step in steps:
        now = Micros(now + step)
        history = observe(history, book, now)
        instants_seen = [one.at for one in history.samples]
        assert all(later // SAMPLE_SPACING > one // SAMPLE_SPACING for one, later in pairwise(instants_seen))
        assert instants_seen[-1] - instants_seen[0] < WINDOW


def test_the_first_book_of_a_half_second_of_the_clock_is_its_sample() -> None:
    book = Book(((Price(4700), Count(300)),), (), NOW)
    begun = Micros(NOW - NOW % SAMPLE_SPACING)
    assert SAMPLE_SPACING * 2 == SECOND
    for first in (begun, Micros(begun + 1), Micros(begun + SAMPLE_SPACING - 1)):
        once = observe(NO_HISTORY, book, first)
        assert observe(once, book, Micros(begun + SAMPLE_SPACING - 1)) is once
        assert len(observe(once, book, Micros(begun + SAMPLE_SPACING)).samples) == 2


def test_observing_keeps_the_trades() -> None:
    history = record(NO_HISTORY, (trade("a"),))
    assert observe(history, Book((), (), NOW), NOW).trades == history.trades


def test_without_history_there_is_no_flow() -> None:
    nothing = Count(0)
    assert flow(NO_HISTORY, YES, NOW) == Flow(nothing, nothing, nothing, nothing, nothing, nothing, ())


@pytest.mark.parametrize(("ago", "counted"), [(WINDOW - 1, 100), (WINDOW, 0)])
def test_the_window_is_two_minutes(ago: int, counted: int) -> None:
    history = gather((sample(100, 100, 200, ago),), (trade("a", ago=ago),))
    seen = flow(history, YES, NOW)
    assert WINDOW == 120 * SECOND
    assert (seen.rivals, seen.queue_now) == (counted, counted)


def test_the_latest_sample_is_now_and_the_mean_is_of_those_before_it() -> None:
    history = gather((sample(100, 10, 110, 3), sample(200, 20, 220, 2), sample(900, 90, 990, 1)), ())
    seen = flow(history, NO, NOW)
    assert (seen.queue_now, seen.queue_mean) == (90, 15)
    assert (seen.offers_now, seen.offers_mean) == (900, 150)
    assert seen.volumes == (110, 220, 990)


@given(HISTORIES, grids().flatmap(any_books), st.lists(st.integers(0, 180), max_size=4))
def test_a_history_that_grew_reads_as_one_that_was_gathered(history: History, book: Book, agos: list[int]) -> None:
    fresh = tuple(trade(f"g{number}", NO, ago=ago * SECOND) for number, ago in enumerate(agos))
    grown = observe(record(history, fresh), book, Micros(NOW + SECOND))
    whole = gather(grown.samples, grown.trades)
    for leg in Leg:
        assert flow(grown, leg, Micros(NOW + SECOND)) == flow(whole, leg, Micros(NOW + SECOND))
