"""Keeps what a market shows while an execution is in it, and for a minute after: snapshots of the book, and what traded.

At most one a market and interval, by whichever executions of this process are there; our own orders are taken out. What
cannot be kept is not measured later, and harms nothing else.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from depthwalker.core.book import Book, OwnOrder, without
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.feed import Feed
from depthwalker.shell.journal import Store, StoreError
from depthwalker.shell.logs import Lasting
from depthwalker.shell.ports import Clock
from depthwalker.shell.tasks import end

LOG: Final = logging.getLogger("depthwalker")
STALE: Final = Micros(5 * SECOND)  # an older book says nothing of now
UNCHANGED: Final = Micros(5 * SECOND)  # how often a market that stands still is kept all the same


@dataclass(slots=True)
class _Watch:
    """One market that is kept."""

    feed: Feed
    market_id: str | None
    until: Micros
    since: Micros
    kept: Book | None = None
    known: frozenset[str] = frozenset()
    trouble: Lasting = field(default_factory=lambda: Lasting(LOG))
    task: "asyncio.Task[None] | None" = None


class Observer:
    """The markets that are kept, by ticker. `polls`: whether a market that nobody else reads any more is still read."""

    def __init__(
        self, store: Store, clock: Clock, interval: Micros, own: Callable[[str], tuple[OwnOrder, ...]], *, polls: bool
    ) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval
        self._own = own
        self._polls = polls
        self._watches: dict[str, _Watch] = {}

    def follow(self, feed: Feed, market_id: str | None, until: Micros) -> None:
        """Keep a market until an instant; where it is kept already, at least until then."""
        ticker = feed.market.ticker
        watch = self._watches.get(ticker)
        if watch is not None:
            watch.until = max(watch.until, until)
            return
        watch = self._watches[ticker] = _Watch(feed, market_id, until, self._clock.now())
        watch.task = asyncio.create_task(self._keep(watch), name=f"snapshots {ticker}")

    async def close(self) -> None:
        """Keep nothing any more."""
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        await end(*tasks)

    async def _keep(self, watch: _Watch) -> None:
        if self._polls:
            watch.feed.watch(_nothing)
        try:
            while self._clock.now() < watch.until:
                await self._look(watch)
                await self._clock.sleep_until(Micros(self._clock.now() + self._interval))
        finally:
            del self._watches[watch.feed.market.ticker]
            if self._polls:
                await watch.feed.leave(_nothing)

    async def _look(self, watch: _Watch) -> None:
        """Keep a snapshot, if there is anything to tell."""
        now, feed = self._clock.now(), watch.feed
        ticker, history = feed.market.ticker, feed.history
        if now - feed.book.at > STALE:
            return
        seen = without(feed.book, self._own(ticker))
        book = Book(seen.yes, seen.no, now)
        fresh = tuple(
            trade for trade in history.trades if trade.at >= watch.since and trade.trade_id not in watch.known
        )
        kept = watch.kept
        if kept is not None and not fresh and _same(kept, book) and now - kept.at < UNCHANGED:
            return
        try:
            await self._store.snapshot(ticker, book, now, watch.market_id, fresh)
        except StoreError as error:
            watch.trouble.tell("%s: a snapshot could not be kept (%s)", ticker, error)
            return
        watch.trouble.over()
        watch.kept, watch.known = book, frozenset(trade.trade_id for trade in history.trades)


def _same(one: Book, other: Book) -> bool:
    return (one.yes, one.no) == (other.yes, other.no)


def _nothing() -> None:
    """Watch a feed for its book alone."""
