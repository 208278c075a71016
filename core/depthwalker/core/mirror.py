"""Another exchange's market as flow into one of our own: look after look, what others did there, as far as it shows.

Each look is what a recorder would write of it, read back as a replay would read it; a look that does not fit what was seen
before replaces the whole book.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book
from depthwalker.core.recorder import Recorder, begin, record_look
from depthwalker.core.recording import BLANK, Reel, follow
from depthwalker.core.tape import Flow, Replace, Unplayable
from depthwalker.core.units import Micros


@dataclass(frozen=True, slots=True)
class Mirror:
    """What has been shown so far, and what it led to."""

    recorder: Recorder
    reel: Reel


UNSEEN: Final = Mirror(begin(Micros(0)), BLANK)


def look(
    mirror: Mirror, book: Book, trades: tuple[TradePrint, ...], now: Micros, stale_after: Micros
) -> tuple[Mirror, tuple[Flow, ...]]:
    """Return the mirror after a look at `now`, and what others did since; a book that is too old empties it."""
    recorder, lines = record_look(mirror.recorder, book, trades, now, stale_after)
    found = follow(mirror.reel, lines, now)
    if isinstance(found, Unplayable):
        return Mirror(recorder, Reel(book, (), (), now)), (Replace(book.yes, book.no),)
    reel, flows = found
    return Mirror(recorder, reel), flows
