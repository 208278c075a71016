"""The markets of one process: a feed for each, read the first time somebody asks, followed while somebody watches."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, Protocol, TypeVar, assert_never

from depthwalker.core.answer import Market, MarketStatus, Rejected, Trouble
from depthwalker.core.book import OwnOrder
from depthwalker.core.execution import State
from depthwalker.core.fees import FeeRates
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.reply import describe
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import ExchangeTrouble
from depthwalker.shell.feed import Feed, Line
from depthwalker.shell.ports import Clock, Venue
from depthwalker.shell.wire import AUTO_SHARD

T = TypeVar("T")
# A feed that nobody watches or asks for: its history says nothing after two minutes.
KEPT: Final = Micros(3_600 * SECOND)


class Follower(Line, Protocol):
    """The websocket as the markets need it."""

    def want(self, tickers: Iterable[str]) -> None: ...


class NoSuchMarket(ExchangeTrouble):
    """The exchange knows no market of that ticker."""


class Markets:
    """Feeds by ticker. `own` gives what a market's book may show of our own orders."""

    def __init__(
        self, venue: Venue, clock: Clock, interval: Micros, own: Callable[[str], tuple[OwnOrder, ...]]
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._interval = interval
        self._own = own
        self._follower: Follower | None = None
        self._feeds: dict[str, Feed] = {}
        self._presumed: set[str] = set()  # the feeds whose market and fees have not been read
        self._asked: dict[str, Micros] = {}  # when each was last asked for
        self._watched: dict[str, Feed] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # a slow market holds up no other

    @property
    def feeds(self) -> Mapping[str, Feed]:
        """Return the feeds there are."""
        return self._feeds

    def follow_by(self, follower: Follower) -> None:
        """Use a websocket for the feeds made from now on."""
        self._follower = follower

    async def feed(self, ticker: str) -> Feed:
        """Return the market's feed, reading the market and its fees the first time. Raises ExchangeTrouble."""
        self._asked[ticker] = self._clock.now()
        async with self._locks[ticker]:
            feed = self._feeds.get(ticker)
            if feed is not None and ticker not in self._presumed:
                await feed.refresh_market()
                return feed
            market = there_is(ticker, await self._venue.market(ticker))
            rates = succeeded(ticker, await self._venue.fee_rates(market))
            feed = self._feeds.get(ticker) or self._open(market, rates)
            feed.rates = rates
            feed.take_market(market)
            self._presumed.discard(ticker)
            return feed

    def resumed(self, state: State) -> Feed:
        """Return the feed of an execution's market at once: as its journal last had it, until `feed` has read it."""
        parent = state.parent
        self._asked[parent.ticker] = self._clock.now()
        feed = self._feeds.get(parent.ticker)
        if feed is not None:
            return feed
        self._presumed.add(parent.ticker)
        grid = state.grid.of(parent.leg)
        # Taken to be open: only the exchange can refuse what it takes no more, and a cancel needs no open market.
        market = Market(parent.ticker, "", MarketStatus.ACTIVE, grid, parent.deadline, AUTO_SHARD)
        # The fees of its start may have been lower: a cap that came down with them since must not rise again.
        return self._open(market, parent.rates if state.latest is None else state.latest.conditions.rates)

    def keep(self, feed: Feed) -> None:
        """Keep a market current until it is over, whether or not anything is executed in it."""
        ticker = feed.market.ticker
        if ticker not in self._watched:
            feed.watch(_nothing)
            self._watched[ticker] = feed

    async def close(self) -> None:
        """Keep no market current any more."""
        while self._watched:
            _, feed = self._watched.popitem()
            await feed.leave(_nothing)

    def _open(self, market: Market, rates: FeeRates) -> Feed:
        self._forget()
        feed = Feed(
            market,
            rates,
            self._venue,
            self._clock,
            self._interval,
            partial(self._own, market.ticker),
            self._follower,
            self._follow,
        )
        self._feeds[market.ticker] = feed
        return feed

    def _forget(self) -> None:
        """Forget markets that are of no use any more: an engine that runs for weeks meets new ones every quarter of an hour."""
        now = self._clock.now()
        for ticker in [ticker for ticker, at in self._asked.items() if now - at > KEPT]:
            feed = self._feeds.get(ticker)
            if feed is None or not feed.wanted:
                self._feeds.pop(ticker, None)
                self._watched.pop(ticker, None)  # it is over
                self._presumed.discard(ticker)
                self._locks.pop(ticker, None)
                del self._asked[ticker]

    def _follow(self) -> None:
        if self._follower is not None:
            self._follower.want(ticker for ticker, feed in self._feeds.items() if feed.wanted)


def there_is(ticker: str, outcome: Outcome[T, Trouble]) -> T:
    """Return a market that was read. Raises NoSuchMarket where an exchange knows none of that ticker, else ExchangeTrouble.

    A 404 without an exchange's words is anybody's, such as of a wrong base_url: it says nothing of the market.
    """
    match outcome:
        case Failure(Rejected(404, "not_found" | "market_not_found", _)):
            raise NoSuchMarket(f"there is no market {ticker}: check the ticker and the exchange (base_url)")
        case _:
            return succeeded(ticker, outcome)


def succeeded(ticker: str, outcome: Outcome[T, Trouble]) -> T:
    """Return what the exchange told of a market. Raises ExchangeTrouble."""
    match outcome:
        case Success(found):
            return found
        case Failure(trouble):
            raise ExchangeTrouble(f"{ticker}: {describe(trouble)}")
        case _ as never:
            assert_never(never)


def _nothing() -> None:
    """Watch a feed for its history alone."""
