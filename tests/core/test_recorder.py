"""What the recorder writes leads back to what it saw: the same books, each trade once, in one order of time."""

from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import EMPTY, Book, Delta, Gap, Leg, Snapshot, apply
from depthwalker.core.outcome import Success
from depthwalker.core.recorder import LATEST, Recorder, begin, record_look
from depthwalker.core.recording import PATIENCE, Line, Print, tape_of
from depthwalker.core.tape import Arrive, Flow, Take, Withdraw
from depthwalker.core.units import SECOND, Count, Micros, Price

STALE = Micros(4 * SECOND)
LADDERS = st.dictionaries(st.integers(1, 49), st.integers(1, 900), max_size=6).map(
    lambda levels: tuple((Price(100 * price), Count(levels[price])) for price in sorted(levels, reverse=True))
)


def at(second: float) -> Micros:
    return Micros(round(second * SECOND))


def book(second: float, yes: int = 44, no: int = 53, count: int = 1000) -> Book:
    return Book(((Price(100 * yes), Count(count)),), ((Price(100 * no), Count(count)),), at(second))


def trade(name: str, second: float) -> TradePrint:
    return TradePrint(name, Leg.NO, Price(4_400), Count(300), at(second))


def seen(recorder: Recorder, shown: Book, *trades: TradePrint, now: float) -> tuple[Recorder, tuple[Line, ...]]:
    return record_look(recorder, shown, trades, at(now), STALE)


@given(st.lists(st.tuples(LADDERS, LADDERS), min_size=1, max_size=8))
def test_replaying_the_lines_gives_every_book_that_was_seen(books: list[tuple[object, object]]) -> None:
    recorder, replayed = begin(Micros(0)), EMPTY
    for second, (yes, no) in enumerate(books, 1):
        shown = Book(yes, no, at(second))  # type: ignore[arg-type]  # the strategy makes ladders
        recorder, lines = seen(recorder, shown, now=second)
        for line in lines:
            assert isinstance(line.body, Snapshot | Delta)
            after = apply(replayed, line.body)
            assert not isinstance(after, Gap)
            replayed = after
        assert (replayed.yes, replayed.no) == (shown.yes, shown.no)


def test_a_recording_begins_with_the_whole_book_and_earlier_trades_are_not_of_it() -> None:
    recorder, lines = seen(begin(Micros(0)), book(10), trade("before", 9), now=10)
    assert lines == (Line(Snapshot(book(10).yes, book(10).no, at(10)), None),)
    assert seen(recorder, book(11), trade("before", 9), now=11)[1] == ()


def test_a_trade_is_written_once_before_the_level_that_it_emptied() -> None:
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, lines = seen(recorder, book(11, count=700), trade("a", 10.8), now=11)
    assert lines == (
        Line(Print(Price(4_400), Count(300), Leg.NO, at(10.8)), None),
        Line(Delta(Leg.YES, Price(4_400), Count(-300), at(11)), 1),
        Line(Delta(Leg.NO, Price(5_300), Count(-300), at(11)), 1),
    )
    assert seen(recorder, book(12, count=700), trade("a", 10.8), now=12)[1] == ()


def test_times_never_run_back_whatever_the_exchanges_clock_says() -> None:
    recorder, _ = seen(begin(at(20)), book(10), now=10)
    assert recorder.at == at(20)
    _, lines = seen(recorder, book(21, yes=45), trade("late", 12), trade("early", 99), now=21)
    assert [line.body.at for line in lines] == [at(20), at(21), at(21), at(21)]


def test_a_book_not_heard_of_for_long_is_unknown_until_it_is_seen_again() -> None:
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, lines = seen(recorder, book(10), trade("in the dark", 13), now=14.5)
    assert lines == (Line(Snapshot((), (), at(10)), None),)
    recorder, lines = seen(recorder, book(10), now=15)
    assert lines == ()
    recorder, lines = seen(recorder, book(16), trade("in the dark", 13), now=16)
    assert lines == (Line(Snapshot(book(16).yes, book(16).no, at(16)), None),)


def test_a_look_that_shows_nothing_new_is_not_written_yet_the_book_is_known_until_then() -> None:
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, lines = seen(recorder, book(12), now=12)
    assert (lines, recorder.at) == ((), at(10))
    unknown, lines = seen(recorder, book(12), now=16.5)
    assert (lines, unknown.at) == ((Line(Snapshot((), (), at(12)), None),), at(12))
    recorder, lines = seen(recorder, book(16, no=52), now=16)
    assert ([line.body.at for line in lines], recorder.at) == ([at(16), at(16)], at(16))


def test_a_book_is_believed_as_long_as_it_may_be_and_not_before_it_was_ever_read() -> None:
    assert seen(begin(Micros(0)), book(10), now=14)[1] != ()
    assert seen(begin(Micros(0)), EMPTY, now=1)[1] == ()


def test_before_the_first_book_there_is_nothing_to_write() -> None:
    recorder, lines = seen(begin(at(5)), EMPTY, trade("a", 6), now=7)
    assert lines == ()
    assert recorder.known == {"a"}


TOOK_THREE = Take(Leg.NO, Price(5_600), Count(300))


def left(second: float, count: int) -> Book:
    """The book with so much left where the trades are."""
    return Book(((Price(4_400), Count(count)),), book(second).no, at(second))


def flows(*shown: tuple[Book, tuple[TradePrint, ...]]) -> list[Flow]:
    """The flow behind what a recorder writes of these looks, after the first."""
    recorder, written = begin(Micros(0)), list[Line]()
    for seen_book, trades in shown:
        recorder, lines = record_look(recorder, seen_book, trades, seen_book.at, STALE)
        written += lines
    tape = tape_of("T", written)
    assert isinstance(tape, Success)
    return [event.flow for event in tape.unwrap().events]


def test_a_trade_heard_of_after_its_change_is_the_change_though_the_book_went_on_meanwhile() -> None:
    traded = (trade("a", 11),)
    assert flows(
        (book(10), ()), (left(11, 700), ()), (left(12, 900), ()), (left(13, 900), traded), (left(16, 800), traded)
    ) == [TOOK_THREE, Arrive(Leg.YES, Price(4_400), Count(200)), Withdraw(Leg.YES, Price(4_400), Count(100))]


def test_a_change_is_one_trades_alone_and_what_it_lost_beyond_was_withdrawn() -> None:
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, _ = seen(recorder, book(11, count=500), now=11)
    one, other = trade("a", 11), trade("b", 11)
    recorder, lines = seen(recorder, book(12, count=500), one, other, now=12)
    assert [line.seq for line in lines] == [1, None]  # 500 went, which are not two trades of 300


def test_a_change_that_an_earlier_trade_told_of_is_no_other_trades() -> None:
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, _ = seen(recorder, book(11), trade("a", 11), now=11)
    recorder, _ = seen(recorder, book(12, count=700), trade("a", 11), now=12)
    _, lines = seen(recorder, book(13, count=700), trade("a", 11), trade("b", 13), now=13)
    assert [line.seq for line in lines] == [None]


def test_a_change_waits_for_its_trade_only_so_long() -> None:
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, _ = seen(recorder, book(11, count=700), now=11)
    for late, number in ((LATEST - 1, 1), (LATEST, None)):
        then = at(11) + late
        shown = Book(book(11, count=700).yes, book(11, count=700).no, Micros(then))
        _, lines = record_look(recorder, shown, (trade("a", 11),), shown.at, STALE)
        assert [line.seq for line in lines] == [number]


def test_what_was_traded_before_the_book_was_known_is_in_it_already_however_late_it_is_heard_of() -> None:
    before, since = trade("before", 9), trade("since", 10)
    recorder, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, _ = seen(recorder, book(11, yes=45), now=11)
    _, lines = seen(recorder, book(11, yes=45), before, since, now=11)
    assert [line.body for line in lines] == [Print(Price(4_400), Count(300), Leg.NO, at(11))]
    recorder, _ = seen(recorder, book(11, yes=45), now=20)  # it fell silent
    recorder, _ = seen(recorder, book(21), now=21)
    assert seen(recorder, book(21), trade("in the dark", 15), now=21)[1] == ()


def test_what_both_have_told_of_is_waited_for_no_more() -> None:
    began, _ = seen(begin(Micros(0)), book(10), now=10)
    changed, _ = seen(began, left(11, 700), now=11)
    traded, _ = seen(began, book(11), trade("a", 11), now=11)
    assert (len(changed.sunk), len(traded.owed)) == (1, 1)
    for first in (changed, traded):
        both, _ = seen(first, left(12, 700), trade("a", 11), now=12)
        assert (both.sunk, both.owed) == ((), ())


def test_two_trades_name_the_change_that_both_made_and_two_changes_are_of_the_trades_before_them() -> None:
    traded = trade("a", 11), trade("b", 11)
    began, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, _ = seen(began, left(11, 400), now=11)
    for number in (1, 2):
        recorder, lines = seen(recorder, left(12, 400), *traded[:number], now=12)
        assert [line.seq for line in lines] == [1]
    recorder, _ = seen(began, book(11), *traded, now=11)
    for count in (700, 400):
        recorder, _ = seen(recorder, left(12, count), *traded, now=12)
    assert (recorder.sunk, recorder.owed) == ((), ())


def test_a_trade_names_the_change_of_its_own_level_to_the_hundredth() -> None:
    levels = (Price(4_400), Price(4_300))
    whole, less = (Book(tuple((price, Count(count)) for price in levels), (), at(11)) for count in (10, 9))
    recorder, _ = seen(begin(Micros(0)), whole, now=11)
    recorder, _ = seen(recorder, less, now=11)
    for price in levels:
        one = TradePrint(str(price), Leg.NO, price, Count(1), at(11))
        recorder, lines = seen(recorder, less, one, now=11)
        assert [line.seq for line in lines] == [1]


def test_a_trade_waits_for_its_change_only_so_long() -> None:
    began, _ = seen(begin(Micros(0)), book(10), now=10)
    recorder, _ = seen(began, book(11), trade("a", 11), now=11)
    then = Micros(at(11) + PATIENCE)
    shown = Book(left(11, 700).yes, book(11).no, then)
    recorder, _ = record_look(recorder, shown, (trade("a", 11),), then, STALE)
    _, lines = record_look(recorder, shown, (trade("a", 11), trade("b", 11)), then, STALE)
    assert [line.seq for line in lines] == [1]
