"""A market to replay: an opening book, and the anonymous flow that changes it, on a time axis that starts at zero.

The flow is what others do and knows nothing of our own orders: matching puts both together. `after` says what the flow
alone leads to, so a tape can be cut, searched and written down without an exchange.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import TypeAlias, assert_never

from depthwalker.core import crowd
from depthwalker.core.book import Book, Delta, Gap, Ladder, Leg, Level, apply
from depthwalker.core.crossing import Step
from depthwalker.core.grid import PriceGrid
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.pit import Pit
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price


@dataclass(frozen=True, slots=True)
class Arrive:
    """Others add a resting bid for a leg; it never crosses."""

    leg: Leg
    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Others cancel resting bids for a leg; no more leaves than rests there."""

    leg: Leg
    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Take:
    """Others buy a leg at once, at `limit` (a price of that leg) or better; what finds no offer is lost."""

    leg: Leg
    limit: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Replace:
    """The whole book of the others anew, each leg's bids best first."""

    yes: Ladder
    no: Ladder


Flow: TypeAlias = Arrive | Withdraw | Take | Replace


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of flow, `at` microseconds after the tape's start."""

    at: Micros
    flow: Flow


@dataclass(frozen=True, slots=True)
class Tape:
    """A market's flow for `span` microseconds; `opening` is the book at its start, `grid` that of the YES leg.

    `guessed` and `untold` count trades of the recording that it is read from: those whose taker's side was inferred, and
    those of which not even the book tells it, which are no part of the flow.
    """

    ticker: str
    grid: PriceGrid
    opening: Book
    events: tuple[Event, ...]
    span: Micros
    guessed: int = 0
    untold: int = 0


@dataclass(frozen=True, slots=True)
class Unplayable:
    """Why a recording, or a stretch of it, cannot be replayed."""

    reason: str


def play(pit: Pit, flow: Flow, now: Micros) -> Step:
    """Return the pit after others did this, with what it did to our orders."""
    match flow:
        case Arrive(leg, price, count):
            return crowd.arrive(pit, leg, price, count, now)
        case Withdraw(leg, price, count):
            return crowd.withdraw(pit, leg, price, count, now)
        case Take(leg, limit, count):
            return crowd.take(pit, leg, limit, count, now)
        case Replace(yes, no):
            return crowd.replace(pit, yes, no, now)
        case _ as never:
            assert_never(never)


def books(tape: Tape) -> Iterator[Book]:
    """Yield the others' book before the first event and after each one."""
    book = tape.opening
    yield book
    for event in tape.events:
        book = after(book, event)
        yield book


def after(book: Book, event: Event) -> Book:
    """Return the others' book after an event, as if nobody else traded."""
    match event.flow:
        case Arrive(leg, price, count):
            return _moved(book, leg, price, count, event.at)
        case Withdraw(leg, price, count):
            return _moved(book, leg, price, Count(-min(count, resting(book, leg, price))), event.at)
        case Take() as taken:
            return _emptied(book, taken.leg.other(), hit(book, taken), event.at)
        case Replace(yes, no):
            return Book(yes, no, event.at)
        case _ as never:
            assert_never(never)


def window(tape: Tape, start: Micros, span: Micros) -> Tape:
    """Return the `span` microseconds of a tape from `start` on, as a tape of its own."""
    past = tuple(event for event in tape.events if event.at <= start)
    opening = tape.opening
    for event in past:
        opening = after(opening, event)
    kept = tuple(
        Event(Micros(event.at - start), event.flow) for event in tape.events[len(past) :] if event.at <= start + span
    )
    return replace(tape, opening=Book(opening.yes, opening.no, Micros(0)), events=kept, span=span)


def hastened(tape: Tape, permille: int) -> Tape:
    """Return a tape that plays `permille` thousandths as fast: the same flow, sooner where that is over a thousand."""
    events = tuple(Event(Micros(event.at * 1_000 // permille), event.flow) for event in tape.events)
    return replace(tape, events=events, span=Micros(tape.span * 1_000 // permille))


def drawn_window(tape: Tape, span: Micros, draw: int) -> Outcome[Tape, Unplayable]:
    """Return a window whose book has both sides throughout; `draw`, any whole number, chooses among all of them."""
    stretches = two_sided(tape)
    rooms = tuple((start, end - span - start + 1) for start, end in stretches if end - start >= span)
    if not rooms:
        longest = max((end - start for start, end in stretches), default=0)
        return Failure(
            Unplayable(
                f"its book has both sides for at most {longest // SECOND} s on end; {span // SECOND} s are needed"
            )
        )
    ends = tuple(accumulate(room for _, room in rooms))
    offset = draw % ends[-1]
    start, room = rooms[bisect_right(ends, offset)]
    return Success(window(tape, Micros(start + room - 1 - offset % room), span))


def two_sided(tape: Tape) -> tuple[tuple[Micros, Micros], ...]:
    """Return the stretches in which bids of both legs rest, as (start, end)."""
    times = [Micros(0), *(event.at for event in tape.events), tape.span]
    moments = [
        (start, end, bool(book.yes and book.no))
        for start, end, book in zip(times, times[1:], books(tape), strict=False)
        if start < end
    ]
    stretches = [tuple(group) for both, group in groupby(moments, key=_both) if both]
    return tuple((stretch[0][0], stretch[-1][1]) for stretch in stretches)


def resting(book: Book, leg: Leg, price: Price) -> Count:
    """Return how many contracts are bid for a leg at a price."""
    return next((count for level, count in book.bids(leg) if level == price), Count(0))


def hit(book: Book, taken: Take) -> Ladder:
    """Return the bids for the other leg that a take consumes, best first, each with the count it loses."""
    left, floor = int(taken.count), DOLLAR - taken.limit
    consumed: list[Level] = []
    for price, count in book.bids(taken.leg.other()):
        if left <= 0 or price < floor:
            break
        consumed.append((price, Count(min(left, count))))
        left -= count
    return tuple(consumed)


def _both(moment: tuple[Micros, Micros, bool]) -> bool:
    return moment[2]


def _moved(book: Book, leg: Leg, price: Price, change: Count, at: Micros) -> Book:
    moved = apply(book, Delta(leg, price, change, at))
    assert not isinstance(moved, Gap)
    return moved


def _emptied(book: Book, leg: Leg, consumed: Ladder, at: Micros) -> Book:
    for price, count in consumed:
        book = _moved(book, leg, price, Count(-count), at)
    return Book(book.yes, book.no, at)
