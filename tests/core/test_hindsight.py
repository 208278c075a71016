"""What snapshots tell of the market that an execution met, and what they do not."""

from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import books

from depthwalker.core.answer import FillRecord, TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.hindsight import (
    AFTERWARDS,
    PATIENCE,
    Sight,
    mids,
    needed_until,
    since,
    tape,
    unseen,
    without_takes,
)
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.quality import Mid
from depthwalker.core.tape import Take, Unplayable, Withdraw
from depthwalker.core.units import SECOND, Count, Micros, Money, Price


def at(second: float) -> Micros:
    return Micros(1_000 * SECOND + round(second * SECOND))


def sight(second: float, *trades: TradePrint, bid: int = 44, offer: int = 47, offered: int = 1000) -> Sight:
    no = ((Price(10_000 - 100 * offer), Count(offered)),) if offered else ()
    return Sight(Book(((Price(100 * bid), Count(1000)),), no, at(second)), trades)


def trade(name: str, second: float, taker: Leg = Leg.NO, price: int = 44) -> TradePrint:
    return TradePrint(name, taker, Price(100 * price), Count(300), at(second))


def fill(second: float, *, taker: bool, leg: Leg = Leg.YES, price: int = 47, name: str = "ours") -> FillRecord:
    return FillRecord("o", name, "T", leg, Price(100 * price), Count(300), Money(0), taker, at(second))


def test_a_market_is_needed_to_the_deadline_and_a_minute_after_the_last_fill() -> None:
    assert needed_until(at(40), Micros(0)) == at(40)
    assert needed_until(at(40), at(1)) == at(1) + AFTERWARDS
    assert needed_until(at(100), at(1)) == at(100)


def test_what_was_seen_long_before_is_left_out() -> None:
    seen = (sight(0), sight(5), sight(9))
    assert since(seen, at(6)) == seen[1:]
    assert since(seen, at(5)) == seen[1:]
    assert since(seen[1:], at(0)) == seen[1:]
    assert since((), at(0)) == ()


def test_a_gap_is_told() -> None:
    seen = (sight(0), sight(10), sight(20))
    assert unseen(seen, at(1), at(25)) == ""
    assert unseen(seen, at(0), at(25)) == "", "the first book is of its beginning"
    assert unseen((), at(1), at(2)) == "no book from its beginning"
    assert unseen(seen, at(-1), at(2)) == "no book from its beginning"
    assert unseen(seen, at(1), at(36)) == "no book for 16 s, from 19 s on"
    assert unseen((sight(0), sight(16)), at(1), at(17)) == "no book for 16 s, from 0 s on"
    assert unseen(seen, at(1), Micros(at(20) + PATIENCE)) == ""


def test_a_mid_needs_both_sides_of_a_book_that_is_not_crossed() -> None:
    seen = (sight(0), sight(1, offered=0), sight(2, bid=48), sight(3, offer=46))
    assert mids(seen, Leg.YES) == (Mid(at(0), Price(9100)), Mid(at(3), Price(9000)))
    assert mids(seen[:1], Leg.NO) == (Mid(at(0), Price(10_900)),)


def test_what_we_took_is_still_there_and_no_trade() -> None:
    seen = (sight(0), sight(1, trade("ours", 0.5, Leg.YES, 47), trade("theirs", 0.6), offered=700))
    alone = without_takes(seen, (fill(0.5, taker=True),))
    assert alone == (sight(0), sight(1, trade("theirs", 0.6)))
    assert without_takes((sight(1, offered=700),), (fill(1, taker=True),)) == (sight(1),), "in the book of its instant"
    assert without_takes(seen, (fill(0.5, taker=False),)) == seen, "whoever sold to us would have sold to somebody"


def test_a_level_that_we_emptied_is_back_unless_the_market_has_gone_through_it() -> None:
    emptied = (sight(1, offered=0), sight(2, bid=47, offer=49), sight(3, bid=46, offer=49))
    there, through, behind = without_takes(emptied, (fill(0.5, taker=True),))
    assert there.book.no == ((Price(5300), Count(300)),)
    assert through == emptied[1]
    assert behind.book.no == ((Price(5300), Count(300)), (Price(5100), Count(1000)))


def test_what_was_taken_of_the_other_leg_is_back_too() -> None:
    (back,) = without_takes((sight(1),), (fill(0.5, taker=True, leg=Leg.NO, price=57),))
    assert back.book.yes == ((Price(4400), Count(1000)), (Price(4300), Count(300)))
    (empty,) = without_takes((Sight(Book((), (), at(1)), ()),), (fill(0.5, taker=True),))
    assert empty.book.no == ((Price(5300), Count(300)),)


def test_the_tape_has_the_trades_once_and_the_books_changes() -> None:
    seen = (sight(0, trade("before", -1)), sight(1, trade("a", 0.5)), sight(2, trade("a", 0.5), offered=600))
    found = tape("T", CENT_GRID, seen)
    assert isinstance(found, Success)
    flows = [(event.at, event.flow) for event in found.unwrap().events]
    assert (500_000, Take(Leg.NO, Price(5600), Count(300))) in flows
    assert sum(isinstance(flow, Take) for _, flow in flows) == 1
    assert (2_000_000, Withdraw(Leg.NO, Price(5300), Count(400))) in flows
    assert found.unwrap().grid == CENT_GRID


@given(st.lists(books(CENT_GRID), min_size=1, max_size=5))
def test_a_tape_ends_in_the_last_book_that_was_seen(shown: list[Book]) -> None:
    seen = tuple(Sight(Book(book.yes, book.no, at(second)), ()) for second, book in enumerate(shown))
    found = tape("T", CENT_GRID, seen)
    if isinstance(found, Success):
        assert found.unwrap().span <= at(len(shown)) - at(0)
    else:
        assert found.failure().reason == "its book never has both sides"


def test_a_market_without_both_sides_is_no_tape() -> None:
    assert tape("T", CENT_GRID, (sight(0, offered=0),)) == Failure(Unplayable("its book never has both sides"))
