"""The one bounded look at the world: own orders out, ten levels a side, whole-book figures beside them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core import scenes
from tests.core.strategies import (
    DECI_CENT,
    LEGS,
    NOW,
    books,
    counts,
    histories,
    mirrored,
    mirrored_history,
    own_orders,
    prices,
)

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Ladders, Leg, OwnOrder, ladders
from depthwalker.core.depth import reach
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import NO_HISTORY, History, flow, gather
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.units import CONTRACT, DOLLAR, SECOND, Count, Micros, Price
from depthwalker.core.view import LEVELS, Conditions, Passage, View, Waiting, look, queue_at

YES, NO = Leg.YES, Leg.NO
STALE = Micros(5 * SECOND)
CALM = Conditions(CENT_GRID, STANDARD, tokens=90, walkers=0, max_walkers=5, ema_slippage=10_000, open=True)
QUOTED = Book(((Price(4700), Count(300)), (Price(4600), Count(500))), ((Price(4800), Count(400)),), NOW)


def seen(
    book: Book = QUOTED,
    history: History = NO_HISTORY,
    leg: Leg = YES,
    cap: int = 9900,
    own: tuple[OwnOrder, ...] = (),
    waiting: tuple[Waiting, ...] = (),
    now: Micros = NOW,
) -> View:
    return look(book, history, leg, Price(cap), own, waiting, CALM, now)


@given(st.sampled_from((CENT_GRID, DECI_CENT)).flatmap(books), LEGS, prices(CENT_GRID))
def test_the_view_agrees_with_a_plain_reading_of_the_whole_book(book: Book, leg: Leg, cap: Price) -> None:
    view, whole = seen(book, leg=leg, cap=cap), ladders(book, leg)
    assert view.ladders == Ladders(whole.queue[:LEVELS], whole.offers[:LEVELS])
    assert view.reach == reach(whole.offers, cap) == sum(count for price, count in whole.offers if price <= cap)
    assert view.queue_near == sum(count for price, count in whole.queue if whole.queue[0][0] - price <= 500)
    assert view.offers_near == sum(count for price, count in whole.offers if price - whole.offers[0][0] <= 500)
    assert view.best_bid() == max((price for price, _ in whole.queue), default=None)
    assert view.best_offer() == min((price for price, _ in whole.offers), default=None)
    assert (view.now, view.book_at, view.conditions) == (NOW, book.at, CALM)


@given(books(CENT_GRID), histories(CENT_GRID), LEGS, own_orders(CENT_GRID), prices(CENT_GRID), prices(CENT_GRID))
def test_a_leg_sees_what_the_other_leg_sees_in_the_mirror(
    book: Book, history: History, leg: Leg, own: tuple[OwnOrder, ...], cap: Price, price: Price
) -> None:
    waiting = (Waiting(1, price, CONTRACT, Micros(NOW - SECOND)),)
    swapped = tuple(replace(order, leg=order.leg.other()) for order in own)
    view = seen(book, history, leg, cap, own, waiting)
    assert view == seen(mirrored(book), mirrored_history(history), leg.other(), cap, swapped, waiting)
    assert view.flow == flow(history, leg, NOW)


@given(books(CENT_GRID), LEGS, LEGS, st.data())
def test_with_our_own_order_in_the_book_we_see_what_we_would_see_without_it(
    book: Book, leg: Leg, acquired: Leg, data: st.DataObject
) -> None:
    others = [price for price, _ in book.bids(acquired)]
    if not others:
        return
    order = OwnOrder(acquired, data.draw(st.sampled_from(others)), data.draw(counts()))
    mixed = tuple((price, Count(count + order.count * (price == order.price))) for price, count in book.bids(acquired))
    with_ours = replace(book, yes=mixed) if acquired is YES else replace(book, no=mixed)
    assert seen(with_ours, leg=leg, own=(order,)) == seen(book, leg=leg)


@given(books(CENT_GRID), histories(CENT_GRID), LEGS, prices(CENT_GRID), counts(), st.integers(0, 150 * SECOND))
def test_the_queue_before_us_is_never_more_than_it_was_nor_than_what_rests_there(
    book: Book, history: History, leg: Leg, price: Price, ahead: Count, ago: int
) -> None:
    waiting = Waiting(3, price, ahead, Micros(NOW - ago))
    view = seen(book, history, leg, waiting=(waiting,))
    ((split, left),) = view.ahead
    assert split == 3
    assert 0 <= left <= min(ahead, queue_at(ladders(book, leg).queue, price))


@pytest.mark.parametrize(
    ("taker", "yes_price", "ahead"),
    [(NO, 4700, 200), (NO, 4600, 200), (NO, 4800, 250), (YES, 4700, 250)],
    ids=["at our price", "below it", "above it", "taken from the offers"],
)
def test_trades_at_our_price_or_lower_shorten_the_queue_before_us(taker: Leg, yes_price: int, ahead: int) -> None:
    trades = (TradePrint("a", taker, Price(yes_price), Count(50), Micros(NOW - 1)),)
    waiting = (Waiting(1, Price(4700), Count(250), Micros(NOW - SECOND)),)
    assert seen(history=gather((), trades), waiting=waiting).ahead == ((1, ahead),)


@pytest.mark.parametrize("ahead", [59, 60, 61])
def test_what_trades_past_the_queue_before_us_is_told_with_the_time_of_the_latest_trade(ahead: int) -> None:
    trades = tuple(TradePrint(str(ago), NO, Price(4700), Count(20), Micros(NOW - ago)) for ago in (9, 5, 2))
    waiting = (Waiting(1, Price(4700), Count(ahead), Micros(NOW - SECOND)),)
    told = (Passage(1, Count(1), Micros(NOW - 2)),) if ahead < 60 else ()
    assert seen(history=gather((), trades), waiting=waiting).passages == told


def test_cancels_shorten_the_queue_only_to_what_is_still_there() -> None:
    joined = Micros(NOW - SECOND)
    deep, gone = Waiting(1, Price(4700), Count(900), joined), Waiting(2, Price(4500), Count(900), joined)
    assert seen(waiting=(deep, gone)).ahead == ((1, 300), (2, 0))


def test_an_order_waits_for_what_is_bid_above_it_and_for_what_is_before_it_in_its_queue() -> None:
    seen = scenes.view(queue=((48, 500), (47, 300), (46, 100)), ahead=((1, scenes.contracts(20)),))
    waits = {
        (split, price): seen.before(split, scenes.cents(price)) // 100 for split in (1, 2) for price in (49, 48, 47, 45)
    }
    assert waits == {
        (1, 49): 20,  # where the order is, what was before it is known
        (1, 48): 20,
        (1, 47): 520,
        (1, 45): 920,
        (2, 49): 0,  # an order that is not there yet joins behind what is
        (2, 48): 500,
        (2, 47): 800,
        (2, 45): 900,
    }


def test_a_view_says_from_which_price_on_we_would_meet_an_order_of_the_account() -> None:
    assert (seen().own_offer, seen().own_after, seen().own_waits) == (None, 0, False)
    stands = (Waiting(1, Price(5200), Count(0), NOW), Waiting(1, Price(5100), Count(900), NOW))
    faced = look(QUOTED, NO_HISTORY, YES, Price(9900), (), (), CALM, NOW, stands, own_waits=True)
    assert (faced.own_offer, faced.own_after, faced.own_waits) == (4800, 0, True)


def test_what_others_offer_before_ours_is_what_came_before_the_first_and_is_there() -> None:
    def after_own(*ahead: int) -> tuple[Price | None, Count]:
        stands = tuple(Waiting(1, price, Count(count), NOW) for count in ahead)
        faced = look(QUOTED, NO_HISTORY, YES, Price(9900), (), (), CALM, NOW, stands)
        return faced.own_offer, faced.own_after

    price, there = QUOTED.bids(Leg.NO)[0]
    assert after_own(there - 1) == (DOLLAR - price, there - 1)
    assert after_own(there + 1, there + 2) == (DOLLAR - price, there), "the others have gone"
    assert after_own(there, 7) == (DOLLAR - price, 7)

    stands = (Waiting(1, price, Count(5), NOW), Waiting(2, Price(price - 100), Count(3), NOW))
    assert look(QUOTED, NO_HISTORY, YES, Price(9900), (), (), CALM, NOW, stands).own_after == 5, "of the nearest alone"


def test_a_level_that_is_all_ours_is_not_there() -> None:
    view = seen(own=(OwnOrder(YES, Price(4700), Count(300)),))
    assert (view.best_bid(), view.queue_near) == (4600, 500)


@pytest.mark.parametrize(
    ("book", "age", "trouble"),
    [
        (QUOTED, 0, ""),
        (QUOTED, STALE, ""),
        (QUOTED, STALE + 1, "stale book"),
        (replace(QUOTED, at=Micros(0)), 0, "no book yet"),
        (replace(QUOTED, no=((Price(5300), Count(1)),)), 0, "crossed book"),
        (replace(QUOTED, no=((Price(5200), Count(1)),)), 0, ""),
        (replace(QUOTED, no=((Price(5300), Count(1)),)), STALE + 1, "stale book"),
        (Book((), (), NOW), 0, ""),
    ],
    ids=["live", "just live", "stale", "never read", "locked", "one cent wide", "stale before crossed", "empty"],
)
def test_a_book_in_trouble_says_why(book: Book, age: int, trouble: str) -> None:
    assert seen(book, now=Micros(NOW + age)).trouble(STALE) == trouble


def test_ten_levels_a_side_are_kept_and_the_figures_are_of_the_whole_book() -> None:
    deep = Book(tuple((Price(4700 - 10 * step), CONTRACT) for step in range(12)), (), NOW)
    bought, sold = seen(deep, leg=YES), seen(deep, leg=NO)
    assert bought.ladders == Ladders(deep.yes[:10], ())
    assert [price for price, _ in sold.ladders.offers] == [5300 + 10 * step for step in range(10)]
    assert bought.queue_near == sold.offers_near == sold.reach == 12 * CONTRACT


def test_an_empty_book_has_no_best_prices() -> None:
    view = seen(Book((), (), NOW))
    assert (view.best_bid(), view.best_offer(), view.reach) == (None, None, 0)


def test_what_rests_at_a_price() -> None:
    ours = ladders(QUOTED, YES)
    assert (queue_at(ours.queue, Price(4600)), queue_at(ours.queue, Price(4650))) == (500, 0)
