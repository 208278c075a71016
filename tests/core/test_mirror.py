"""A mirror of another market: the flow between two looks leads from one book to the other, and a trade happens once."""

from dataclasses import replace
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import EMPTY, Book, Ladder, Leg
from depthwalker.core.mirror import UNSEEN, Mirror, look
from depthwalker.core.recording import PATIENCE
from depthwalker.core.tape import Arrive, Event, Flow, Replace, Take, Withdraw, after
from depthwalker.core.units import SECOND, Count, Micros, Price

STALE = Micros(4 * SECOND)
LADDERS = st.dictionaries(st.integers(1, 49), st.integers(1, 900), max_size=6).map(
    lambda levels: tuple((Price(100 * price), Count(levels[price])) for price in sorted(levels, reverse=True))
)
FIVE_AT_44 = TradePrint("t", Leg.NO, Price(4_400), Count(500), Micros(2 * SECOND))


def book(second: int, at_44: int = 1_000, at_53: int = 1_000) -> Book:
    return Book(((Price(4_400), Count(at_44)),), ((Price(5_300), Count(at_53)),), Micros(second * SECOND))


def seen(mirror: Mirror, shown: Book, *trades: TradePrint, now: int | None = None) -> tuple[Mirror, tuple[Flow, ...]]:
    return look(mirror, shown, trades, shown.at if now is None else Micros(now * SECOND), STALE)


def led_to(start: Book, flows: tuple[Flow, ...]) -> tuple[Ladder, Ladder]:
    end = reduce(lambda so_far, flow: after(so_far, Event(Micros(0), flow)), flows, start)
    return end.yes, end.no


@given(st.lists(st.tuples(LADDERS, LADDERS), min_size=1, max_size=8))
def test_the_flow_leads_from_each_book_to_the_next(books: list[tuple[Ladder, Ladder]]) -> None:
    mirror, before = UNSEEN, EMPTY
    for second, (yes, no) in enumerate(books, 1):
        shown = Book(yes, no, Micros(second * SECOND))
        mirror, flows = seen(mirror, shown)
        assert led_to(before, flows) == (yes, no)
        before = shown


def test_what_was_added_arrives_and_what_was_cancelled_is_withdrawn() -> None:
    mirror, flows = seen(UNSEEN, book(1))
    assert flows == (Replace(book(1).yes, book(1).no),)
    _, flows = seen(mirror, book(2, 1_300, 400))
    assert flows == (Arrive(Leg.YES, Price(4_400), Count(300)), Withdraw(Leg.NO, Price(5_300), Count(600)))


def test_a_trade_and_the_level_that_it_lowered_are_one_take() -> None:
    mirror, _ = seen(UNSEEN, book(1))
    _, flows = seen(mirror, book(2, 500), FIVE_AT_44)
    assert flows == (Take(Leg.NO, Price(5_600), Count(500)),)


def test_a_trade_shown_before_its_level_takes_once_and_is_given_back_if_the_level_never_falls() -> None:
    mirror, _ = seen(UNSEEN, book(1))
    traded, flows = seen(mirror, book(2), FIVE_AT_44)
    assert flows == (Take(Leg.NO, Price(5_600), Count(500)),)
    _, flows = seen(traded, book(3, 500), FIVE_AT_44)
    assert flows == ()
    _, flows = seen(traded, book(5), FIVE_AT_44)
    assert flows == (Arrive(Leg.YES, Price(4_400), Count(500)),)


def test_what_is_given_back_is_given_back_when_patience_ends_and_not_a_microsecond_sooner() -> None:
    mirror, _ = seen(UNSEEN, book(1))
    traded, _ = seen(mirror, book(2), FIVE_AT_44)
    for early, flows in ((1, ()), (0, (Arrive(Leg.YES, Price(4_400), Count(500)),))):
        now = Micros(FIVE_AT_44.at + PATIENCE - early)
        assert look(traded, replace(book(2), at=now), (FIVE_AT_44,), now, STALE)[1] == flows


def test_a_book_that_is_too_old_shows_nothing_until_it_is_known_again() -> None:
    mirror, _ = seen(UNSEEN, book(1))
    mirror, flows = seen(mirror, book(1), now=6)
    assert flows == (Replace((), ()),)
    _, flows = seen(mirror, book(7))
    assert flows == (Replace(book(7).yes, book(7).no),)


def test_a_book_that_cannot_follow_from_the_last_replaces_it() -> None:
    mirror, _ = seen(UNSEEN, book(1))
    crossed = Book(((Price(4_800), Count(100)),), ((Price(5_300), Count(100)),), Micros(2 * SECOND))
    mirror, flows = seen(mirror, crossed)
    assert flows == (Replace(crossed.yes, crossed.no),)
    _, flows = seen(mirror, book(3))
    assert led_to(crossed, flows) == (book(3).yes, book(3).no)


def test_what_traded_before_the_book_was_known_again_is_played_no_more_however_late_it_is_heard_of() -> None:
    mirror, _ = seen(UNSEEN, book(1))
    mirror, _ = seen(mirror, book(1), now=6)
    mirror, _ = seen(mirror, book(7))
    _, flows = seen(mirror, book(8, 1_300), FIVE_AT_44)
    assert flows == (Arrive(Leg.YES, Price(4_400), Count(300)),)
