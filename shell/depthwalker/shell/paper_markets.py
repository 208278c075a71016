"""The markets of a paper run: those of an exchange of our own, new ones each session, or some of another exchange."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol
from zlib import crc32

from depthwalker.core.book import Book
from depthwalker.core.outcome import Success
from depthwalker.core.tape import Tape
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.paper import Listing, PaperExchange
from depthwalker.shell.ports import Clock, Venue
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.synthetic import synthesize

SESSION: Final = Micros(1_800 * SECOND)  # how long a synthetic market is traded, before another one takes its place

Draw = Callable[[int], tuple[Tape, ...]]


class Place(Protocol):
    """Where a paper run trades."""

    async def tickers(self) -> tuple[str, ...]:
        """Return the markets that are traded now."""
        ...

    async def book(self, ticker: str) -> Book | None:
        """Return a market's book, or None where it cannot be had."""
        ...


class Sessions:
    """Markets of our own exchange. Each session has its own: a synthetic market and a recording come to an end.

    `draw` gives the tapes of a session; those of one that is over stay until no execution can be in them any more.
    """

    def __init__(
        self,
        exchange: PaperExchange,
        clock: Clock,
        draw: Draw,
        length: Micros,
        longest: Micros,
        aside: Callable[[Draw, int], Awaitable[tuple[Tape, ...]]] | None = None,
    ) -> None:
        """`longest` is how long an execution may take; drawing is done `aside`, because it takes a while."""
        self._exchange = exchange
        self._clock = clock
        self._draw = draw
        self._length = length
        self._kept = 2 + longest // length
        self._aside = aside or _aside
        self._open: dict[int, tuple[str, ...]] = {}

    async def tickers(self) -> tuple[str, ...]:
        """Return this session's markets, opening them with its first question."""
        session = self._clock.now() // self._length
        for old in [one for one in self._open if one < session - self._kept]:
            for ticker in self._open.pop(old):
                self._exchange.delist(ticker)
        return await self.open(session)

    async def book(self, ticker: str) -> Book:
        """Return a market's book."""
        return self._exchange.book(ticker)

    async def open(self, session: int) -> tuple[str, ...]:
        """Open the markets of a session, unless they are open."""
        if session not in self._open:
            tapes = await self._aside(self._draw, session)
            for tape in tapes:
                self._exchange.enlist(Listing(tape))
            self._open[session] = tuple(tape.ticker for tape in tapes)
        return self._open[session]


class Elsewhere:
    """Markets of an exchange that runs already."""

    def __init__(self, tickers: Sequence[str], venue: Venue) -> None:
        self._tickers = tuple(tickers)
        self._venue = venue

    async def tickers(self) -> tuple[str, ...]:
        """Return the markets."""
        return self._tickers

    async def book(self, ticker: str) -> Book | None:
        """Ask for a market's book."""
        found = await self._venue.book(ticker)
        return found.unwrap() if isinstance(found, Success) else None


def synthetic(run: str, profiles: Sequence[str], length: Micros, longest: Micros) -> Draw:
    """Return what draws synthetic markets: the same ones for the same run and session; they outlast what runs in them."""

    def draw(session: int) -> tuple[Tape, ...]:
        return tuple(
            synthesize(
                PROFILES[name],
                crc32(f"{run} {session}".encode()),
                (length + longest) // SECOND,
                f"PAPER-{name.upper()}-{session}",
            )
            for name in profiles
        )

    return draw


def recorded(tapes: Sequence[Tape]) -> Draw:
    """Return what plays recordings from their beginning each session."""

    def draw(session: int) -> tuple[Tape, ...]:
        return tuple(replace(tape, ticker=f"{tape.ticker}-{session}") for tape in tapes)

    return draw


async def _aside(draw: Draw, session: int) -> tuple[Tape, ...]:
    return await asyncio.to_thread(draw, session)


def session_of(ticker: str) -> int:
    """Return the session of one of these markets."""
    return int(ticker.rpartition("-")[2])
