"""Turns what a market shows, look after look, into the lines of a recording.

A look is a whole book and the trades known by then; what changed since the last one is written: trades at their own times
but never before a line already written, then the levels that changed. A stretch in which the book was not known, because the
exchange fell silent or the recorder was down, begins with an empty book, so that a replay samples nothing there, and ends
with a whole one, which holds what was traded before. Of a trade and the change that it made either may be told first: a change
is numbered, and a trade that comes after it names it. (Recordings: docs/recordings.md.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Delta, Ladder, Leg, Snapshot
from depthwalker.core.recording import PATIENCE, Line, Print
from depthwalker.core.units import SECOND, Count, Micros, Price

LATEST: Final = Micros(10 * SECOND)  # after its change; a trade that the websocket missed is read back sooner


@dataclass(frozen=True, slots=True)
class Part:
    """What one of two reports says that a level lost and the other has not said yet; `seq` is the change's, 0 of a trade."""

    seq: int
    leg: Leg
    price: Price
    count: Count
    until: Micros  # when the other report is not waited for any more


@dataclass(frozen=True, slots=True)
class Recorder:
    """Where a recording stands: the book last written, None in a stretch without one; its last line's time; known trades.

    `since` is when the book came to be known, `seq` the last change's number; `sunk` are changes without a trade yet, `owed`
    trades without a change, each oldest first.
    """

    book: Book | None
    at: Micros
    known: frozenset[str]
    since: Micros = Micros(0)  # noqa: RUF009 - an int
    seq: int = 0
    sunk: tuple[Part, ...] = ()
    owed: tuple[Part, ...] = ()


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
        return Recorder(None, at, recorder.known | known, seq=recorder.seq), lines
    if recorder.book is None:
        at = max(recorder.at, book.at)
        return Recorder(book, at, known, book.at, recorder.seq), (Line(Snapshot(book.yes, book.no, at), None),)
    fresh = (trade for trade in trades if trade.trade_id not in recorder.known and trade.at >= recorder.since)
    prints, sunk, owed = _told(recorder, sorted(fresh, key=_when), book.at)
    at = max((recorder.at, book.at, *(line.body.at for line in prints)))
    changes = tuple(delta for leg in Leg for delta in _changes(leg, recorder.book.bids(leg), book.bids(leg), at))
    seq = recorder.seq + bool(changes)
    for delta in changes:
        part = Part(seq, delta.leg, delta.price, Count(-delta.change), Micros(book.at + LATEST))
        owed, left = _settled(owed, part)
        sunk = (*sunk, left) if left.count > 0 else sunk
    lines = (*prints, *(Line(delta, seq) for delta in changes))
    return Recorder(book, at if lines else recorder.at, known, recorder.since, seq, sunk, owed), lines


def _told(
    recorder: Recorder, trades: Iterable[TradePrint], now: Micros
) -> tuple[tuple[Line, ...], tuple[Part, ...], tuple[Part, ...]]:
    """Return the lines of trades, each naming the change that told of it first; and what is still told by one report alone."""
    sunk = tuple(part for part in recorder.sunk if part.until > now)
    owed = tuple(part for part in recorder.owed if part.until > now)
    lines: list[Line] = []
    for trade in trades:
        leg = trade.taker.other()
        took = Part(0, leg, leg.framed(trade.yes_price), trade.count, Micros(now + PATIENCE))
        of = next((part for part in sunk if _same(part, took) and part.count >= took.count), None)
        if of is None:
            owed = (*owed, took)
        else:
            sunk, _ = _settled(sunk, took, of.seq)
        lines.append(Line(_print(trade, recorder.at, now), None if of is None else of.seq))
    return tuple(lines), sunk, owed


def _settled(parts: tuple[Part, ...], other: Part, seq: int = 0) -> tuple[tuple[Part, ...], Part]:
    """Return the parts less what the other report says of them (of those of `seq`), and what it says beyond them."""
    left, kept = int(other.count), list[Part]()
    for part in parts:
        pays = max(0, min(left, part.count)) if _same(part, other) and part.seq == seq else 0
        left -= pays
        if pays < part.count:
            kept.append(Part(part.seq, part.leg, part.price, Count(part.count - pays), part.until))
    return tuple(kept), Part(other.seq, other.leg, other.price, Count(left), other.until)


def _same(one: Part, other: Part) -> bool:
    return (one.leg, one.price) == (other.leg, other.price)


def _print(trade: TradePrint, earliest: Micros, latest: Micros) -> Print:
    """Return a trade as a line: its time is the exchange's, the book's is ours, and lines stand in one order."""
    return Print(trade.yes_price, trade.count, trade.taker, max(earliest, min(trade.at, latest)))


def _changes(leg: Leg, before: Ladder, after: Ladder, at: Micros) -> tuple[Delta, ...]:
    old, new = dict(before), dict(after)
    changed = sorted(price for price in old.keys() | new.keys() if old.get(price) != new.get(price))
    return tuple(Delta(leg, price, Count(new.get(price, 0) - old.get(price, 0)), at) for price in changed)


def _when(trade: TradePrint) -> Micros:
    return trade.at
