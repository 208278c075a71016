"""Turns what a market shows, look after look, into the lines of a recording.

A look is a whole book and the trades known by then; what changed since the last one is written: trades at their own times
but never before a line already written, then the levels that changed. A stretch in which the book was not known, because the
exchange fell silent or the recorder was down, begins with an empty book, so that a replay samples nothing there, and ends
with a whole one. (Recordings: docs/recordings.md.)
"""

from dataclasses import dataclass

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Delta, Ladder, Leg, Snapshot
from depthwalker.core.recording import Body, Line, Print
from depthwalker.core.units import Count, Micros


@dataclass(frozen=True, slots=True)
class Recorder:
    """Where a recording stands: the book last written, None in a stretch without one; its last line's time; known trades."""

    book: Book | None
    at: Micros
    known: frozenset[str]


def begin(at: Micros) -> Recorder:
    """Return the recorder of a file whose last line is of `at` (0: a new file). Trades up to then are its own already."""
    return Recorder(None, at, frozenset())


def close(recorder: Recorder) -> tuple[Line, ...]:
    """Return the lines that end what is known: an empty book from the moment on at which it was last seen."""
    if recorder.book is None:
        return ()
    return (unknown_from(max(recorder.at, recorder.book.at)),)


def unknown_from(at: Micros) -> Line:
    """Return the line that says that the book is not known from `at` on."""
    return Line(Snapshot((), (), at), None)


def record_look(
    recorder: Recorder, book: Book, trades: tuple[TradePrint, ...], now: Micros, stale_after: Micros
) -> tuple[Recorder, tuple[Line, ...]]:
    """Return the recorder after a look at `now`, and the lines to write. `book.at` is when it was known to be so."""
    known = frozenset(trade.trade_id for trade in trades)
    if book.at == 0 or now - book.at > stale_after:
        lines = close(recorder)
        at = lines[0].body.at if lines else recorder.at
        return Recorder(None, at, recorder.known | known), lines
    if recorder.book is None:
        at = max(recorder.at, book.at)
        return Recorder(book, at, known), (Line(Snapshot(book.yes, book.no, at), None),)
    prints = tuple(_print(trade, recorder.at, book.at) for trade in trades if trade.trade_id not in recorder.known)
    at = max((recorder.at, book.at, *(print_.at for print_ in prints)))
    changes = tuple(delta for leg in Leg for delta in _changes(leg, recorder.book.bids(leg), book.bids(leg), at))
    bodies: tuple[Body, ...] = (*sorted(prints, key=_when), *changes)
    written = at if bodies else recorder.at
    return Recorder(book, written, known), tuple(Line(body, None) for body in bodies)


def _print(trade: TradePrint, earliest: Micros, latest: Micros) -> Print:
    """Return a trade as a line: its time is the exchange's, the book's is ours, and lines stand in one order."""
    return Print(trade.yes_price, trade.count, trade.taker, max(earliest, min(trade.at, latest)))


def _changes(leg: Leg, before: Ladder, after: Ladder, at: Micros) -> tuple[Delta, ...]:
    old, new = dict(before), dict(after)
    changed = sorted(price for price in old.keys() | new.keys() if old.get(price) != new.get(price))
    return tuple(Delta(leg, price, Count(new.get(price, 0) - old.get(price, 0)), at) for price in changed)


def _when(print_: Print) -> Micros:
    return print_.at
