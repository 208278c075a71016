"""The market that an execution met, as the snapshots kept meanwhile show it: its mids, and the tape that another would have met.

Our resting orders are in no snapshot. What we took is put back from then on, wherever that crosses nothing: had another
algorithm executed the parent, nobody had taken it. That favours the other one, so what is gained over it is not overstated.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from depthwalker.core.answer import FillRecord, TradePrint
from depthwalker.core.book import Book, Leg, ladders
from depthwalker.core.grid import PriceGrid
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.quality import MARKOUTS, Mid
from depthwalker.core.recorder import begin, record_look
from depthwalker.core.recording import Line, tape_of
from depthwalker.core.tape import Arrive, Event, Tape, Unplayable, after
from depthwalker.core.units import DOLLAR, SECOND, Micros, Price

AFTERWARDS: Final = MARKOUTS[-1]  # the longest markout
PATIENCE: Final = Micros(15 * SECOND)  # how long a snapshot says what the market is


@dataclass(frozen=True, slots=True)
class Sight:
    """A snapshot: the others' book as of `book.at`, and what had traded since the one before."""

    book: Book
    trades: tuple[TradePrint, ...]


def needed_until(deadline: Micros, last_fill: Micros) -> Micros:
    """Return until when a market must be seen to measure an execution in it; `last_fill` 0: it has none."""
    return max(deadline, Micros(last_fill + AFTERWARDS) if last_fill else deadline)


def since(sights: tuple[Sight, ...], start: Micros) -> tuple[Sight, ...]:
    """Return the sights from the last one at or before `start` on."""
    before = sum(sight.book.at <= start for sight in sights)
    return sights[max(0, before - 1) :]


def unseen(sights: tuple[Sight, ...], start: Micros, until: Micros) -> str:
    """Return why these sights do not show the market from `start` until an instant, or nothing."""
    if not sights or sights[0].book.at > start:
        return "no book from its beginning"
    times = (*(sight.book.at for sight in sights if sight.book.at < until), until)
    for one, other in pairwise(times):
        if other - one > PATIENCE:
            return f"no book for {(other - one) // SECOND} s, from {max(0, one - start) // SECOND} s on"
    return ""


def mids(sights: Iterable[Sight], leg: Leg) -> tuple[Mid, ...]:
    """Return the mids of a leg, where the book has both sides and is not crossed."""
    seen = ((sight.book.at, ladders(sight.book, leg)) for sight in sights)
    doubled = ((at, None if both.crossed() else both.twice_mid()) for at, both in seen)
    return tuple(Mid(at, twice) for at, twice in doubled if twice is not None)


def without_takes(sights: Iterable[Sight], fills: Iterable[FillRecord]) -> tuple[Sight, ...]:
    """Return the market as if we had taken nothing: our takes are no trades, and what they removed is still there."""
    takes = tuple(fill for fill in fills if fill.taker)
    own = frozenset(fill.trade_id for fill in takes)
    return tuple(
        Sight(
            _restored(sight.book, tuple(take for take in takes if take.at <= sight.book.at)),
            tuple(trade for trade in sight.trades if trade.trade_id not in own),
        )
        for sight in sights
    )


def tape(ticker: str, grid: PriceGrid, sights: Iterable[Sight]) -> Outcome[Tape, Unplayable]:
    """Return the flow behind sights; its time starts at the first one. `grid` is that of the YES leg."""
    recorder, lines = begin(Micros(0)), tuple[Line, ...]()
    known: frozenset[str] = frozenset()
    for sight in sights:
        fresh = {trade.trade_id: trade for trade in sight.trades if trade.trade_id not in known}
        recorder, more = record_look(recorder, sight.book, tuple(fresh.values()), sight.book.at, PATIENCE)
        known |= fresh.keys()
        lines += more
    found = tape_of(ticker, lines)
    return found if isinstance(found, Failure) else Success(replace(found.unwrap(), grid=grid))


def _restored(book: Book, takes: tuple[FillRecord, ...]) -> Book:
    for take in takes:
        own = book.bids(take.leg)
        if own and own[0][0] >= take.price:
            continue  # the market has gone through it
        offered = Arrive(take.leg.other(), Price(DOLLAR - take.price), take.count)
        book = after(book, Event(book.at, offered))
    return book
