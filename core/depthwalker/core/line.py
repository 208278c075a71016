"""One subscription: its sequence and, on the book channel, the books that it keeps.

The law of this module: a book that stands in a line is the exchange's own book after the frame numbered `seq`. Whatever does
not follow on that frame leaves no book behind, and the books are asked for again (fact sheet, section 7.3: there is no
replay).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from depthwalker.core.book import EMPTY, Book, apply
from depthwalker.core.channel import BookDelta, BookSnapshot, Channel
from depthwalker.core.units import SECOND, Micros

SPACING: Final = Micros(SECOND // 4)  # between two requests for books: a broken numbering must not become a storm
PATIENCE: Final = Micros(2 * SECOND)  # for books that were asked for
NEVER: Final = Micros(2**62)


@dataclass(frozen=True, slots=True)
class BookChanged:
    """A market's book is this now; `book.at` is when its frame came in."""

    ticker: str
    book: Book


@dataclass(frozen=True, slots=True)
class BookLost:
    """A market's book is not known any more; BookChanged follows when it is."""

    ticker: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Something of this channel was, or may have been, missed: what it tells is to be read by other means, from now on."""

    channel: Channel


Upset: TypeAlias = BookChanged | BookLost | Missed


@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed on a line. `due` is when missing books are asked for, after `asks` requests without an answer.

    `asked` is the id of the latest request for books, sent at `asked_at`; 0 before the first.
    """

    channel: Channel
    tickers: frozenset[str]
    due: Micros
    asked: int
    asked_at: Micros
    asks: int


@dataclass(frozen=True, slots=True)
class Line:
    """A live subscription: the number of the last frame, and the books after it."""

    seq: int
    books: Mapping[str, Book]
    terms: Terms


Turn: TypeAlias = tuple[Line, tuple[Upset, ...]]


def begin(channel: Channel, tickers: frozenset[str], now: Micros) -> Line:
    """Return a line that has just been acknowledged; its books are on their way."""
    return scheduled(Line(0, {}, Terms(channel, tickers, NEVER, 0, Micros(0), 0)), Micros(now + PATIENCE))


def changed(line: Line, frame: BookDelta, now: Micros) -> Turn:
    """Return the line after a delta; one that does not fit breaks it, one to a book that is awaited only counts."""
    if frame.seq != line.seq + 1:
        return broken(line, frame.seq, now)
    book = line.books.get(frame.ticker)
    if book is None:
        awaited = frame.ticker in line.terms.tickers
        return (Line(frame.seq, line.books, line.terms), ()) if awaited else broken(line, frame.seq, now)
    after = apply(book, frame.body)
    if not isinstance(after, Book):
        return broken(line, frame.seq, now)
    return Line(frame.seq, {**line.books, frame.ticker: after}, line.terms), (BookChanged(frame.ticker, after),)


def opened(line: Line, frame: BookSnapshot, now: Micros) -> Turn:
    """Return the line after a snapshot: itself always true, though a gap before it ends every other book."""
    kept, news = counted(line, frame.seq, now)
    if frame.ticker not in line.terms.tickers:
        return kept, news
    book = apply(EMPTY, frame.body)
    assert isinstance(book, Book)
    terms = replace(kept.terms, asks=0)
    whole = Line(kept.seq, {**kept.books, frame.ticker: book}, terms)
    told = tuple(each for each in news if each != BookLost(frame.ticker))
    return scheduled(whole, terms.due), (*told, BookChanged(frame.ticker, book))


def counted(line: Line, seq: int | None, now: Micros) -> Turn:
    """Return the line after any other frame that has, or has not, a number."""
    if seq is None:
        return line, ()
    return (Line(seq, line.books, line.terms), ()) if seq == line.seq + 1 else broken(line, seq, now)


def broken(line: Line, seq: int, now: Micros) -> Turn:
    """Return the line after a gap: without books, its numbering taken up from `seq`."""
    if line.terms.channel is not Channel.BOOK:
        return Line(seq, line.books, line.terms), (Missed(line.terms.channel),)
    due = max(now, Micros(line.terms.asked_at + SPACING))
    return scheduled(Line(seq, {}, line.terms), due), losses(line)


def losses(line: Line) -> tuple[BookLost, ...]:
    """Return that all books of a line are gone."""
    return tuple(BookLost(ticker) for ticker in sorted(line.books))


def missing(line: Line) -> frozenset[str]:
    """Return the markets of a line whose book is not known."""
    return line.terms.tickers.difference(line.books) if line.terms.channel is Channel.BOOK else frozenset()


def added(line: Line, tickers: frozenset[str], now: Micros) -> Line:
    """Return the line with markets that were asked for; their books are on their way."""
    wider = Line(line.seq, line.books, replace(line.terms, tickers=line.terms.tickers | tickers))
    return scheduled(wider, min(line.terms.due, Micros(now + PATIENCE)))


def removed(line: Line, tickers: frozenset[str]) -> Turn:
    """Return the line without markets and their books."""
    books = {ticker: book for ticker, book in line.books.items() if ticker not in tickers}
    fewer = Line(line.seq, books, replace(line.terms, tickers=line.terms.tickers - tickers))
    gone = tuple(loss for loss in losses(line) if loss.ticker in tickers)
    return scheduled(fewer, line.terms.due), gone


def asked(line: Line, command: int, now: Micros) -> Line:
    """Return the line after a request for its missing books."""
    terms = line.terms
    renewed = replace(terms, asked=command, asked_at=now, asks=terms.asks + 1, due=Micros(now + PATIENCE))
    return Line(line.seq, line.books, renewed)


def scheduled(line: Line, due: Micros) -> Line:
    """Return the line with its missing books due, if there are any."""
    at = due if missing(line) else NEVER
    return line if line.terms.due == at else Line(line.seq, line.books, replace(line.terms, due=at))
