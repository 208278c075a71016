"""Markets of our own exchange that follow another exchange's: real market data, and orders that are filled here.

Nothing but market data is asked for there, without a signature, and `MarketData` lets nothing else pass. What others do there
is done here too, as it is seen (core `mirror`); our own orders meet it in the core's matching, last in their queues, and
move nobody there.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from depthwalker.core import mirror
from depthwalker.core.book import EMPTY, Book
from depthwalker.core.channel import Channel
from depthwalker.core.tape import Replace, Tape
from depthwalker.core.units import Micros
from depthwalker.shell.clock import SystemChance
from depthwalker.shell.dialler import AioHttpDialler, socket_url
from depthwalker.shell.feed import Feed
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.markets import Markets
from depthwalker.shell.news import NewsRoom
from depthwalker.shell.opening import load_key
from depthwalker.shell.paper import Listing, PaperExchange
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.ports import Clock, HttpRequest, HttpResponse, NotSent, Transport
from depthwalker.shell.settings import Settings
from depthwalker.shell.socket import Socket
from depthwalker.shell.transport import AioHttpTransport

PUBLIC: Final = tuple(f"/trade-api/v2/{what}" for what in ("markets/", "events/", "series/"))
# Seconds: a trade and the change of its level are told one after the other, in either order, within a millisecond.
SETTLE: Final = 0.05
STALE_INTERVALS: Final = 4  # of polling: a book not heard of for longer counts as unknown


class MarketData:
    """A transport for public market data alone: no order, and nothing signed, can leave by it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request for market data; raises NotSent for any other."""
        signed = any(name.upper().startswith("KALSHI-ACCESS") for name in request.headers)
        if request.method != "GET" or signed or not request.path.startswith(PUBLIC):
            raise NotSent(f"{request.method} {request.path}: only market data is asked for here")
        return await self._inner.send(request)

    async def close(self) -> None:
        """Close what is behind it."""
        await self._inner.close()


class Mirrors:
    """The markets that are followed, as the `Place` of a paper run."""

    def __init__(self, exchange: PaperExchange, clock: Clock, stale_after: Micros) -> None:
        self._exchange = exchange
        self._clock = clock
        self._stale_after = stale_after
        self._feeds: dict[str, Feed] = {}
        self._seen: dict[str, mirror.Mirror] = {}
        self._listeners: dict[str, Callable[[], None]] = {}
        self._looks: dict[str, asyncio.TimerHandle] = {}

    async def tickers(self) -> tuple[str, ...]:
        """Return the markets that are followed."""
        return tuple(self._feeds)

    async def book(self, ticker: str) -> Book:
        """Return a market's book here."""
        return self._exchange.book(ticker)

    def follow(self, feed: Feed) -> None:
        """List a market here and follow it from now on."""
        market, ticker = feed.market, feed.market.ticker
        fees = Fees.of(feed.rates)
        tape = Tape(ticker, market.grid, EMPTY, (), Micros(0))
        lasting = Micros(max(0, market.close_time - self._clock.now()))
        self._exchange.enlist(Listing(tape, fees.kind, fees.multiplier, lasting, market.shard))
        self._feeds[ticker], self._seen[ticker] = feed, mirror.UNSEEN
        listener = self._listeners[ticker] = partial(self._look_soon, ticker)
        feed.watch(listener)
        self.look(ticker)

    async def leave(self) -> None:
        """Follow nothing any more."""
        while self._feeds:
            ticker, feed = self._feeds.popitem()
            look = self._looks.pop(ticker, None)
            if look is not None:
                look.cancel()
            await feed.leave(self._listeners[ticker])

    def look(self, ticker: str) -> None:
        """Have happen here what has happened there."""
        self._looks.pop(ticker, None)
        feed, now = self._feeds[ticker], self._clock.now()
        self._seen[ticker], flows = mirror.look(
            self._seen[ticker], feed.book, feed.history.trades, now, self._stale_after
        )
        anew = self._exchange.follow(ticker, feed.market, feed.rates)
        whole = (Replace(feed.book.yes, feed.book.no),) if anew else ()
        self._exchange.play(ticker, (*flows, *whole))

    def _look_soon(self, ticker: str) -> None:
        """Look once what belongs together has come: a trade after its change would take from the queue a second time."""
        if self._seen[ticker].recorder.book is None:
            self.look(ticker)
        elif ticker not in self._looks:
            self._looks[ticker] = asyncio.get_running_loop().call_later(SETTLE, self.look, ticker)


async def mirrored(
    stack: AsyncExitStack, exchange: PaperExchange, settings: Settings, tickers: Iterable[str], clock: Clock
) -> Mirrors:
    """Follow these markets of the settings' exchange for as long as the stack is open. Raises ExchangeTrouble.

    With a key their books and trades come by websocket, which takes no orders; else, and where it fails, by polling.
    """
    wire = MarketData(AioHttpTransport(settings.base_url))
    stack.push_async_callback(wire.close)
    venue = KalshiVenue(wire, None, clock)
    Limiter(clock, settings.calls_per_minute, lambda: 0).govern(venue.rest)
    markets = Markets(venue, clock, settings.book_interval, lambda _: ())
    key = load_key(settings)
    if key is not None and settings.websocket:
        newsroom = NewsRoom(markets.feeds, tuple, clock)
        dialler = AioHttpDialler(socket_url(settings.base_url), key, venue.rest.their_now)
        socket = Socket(dialler, clock, SystemChance(), newsroom.hear, (Channel.LIFECYCLE,))
        markets.follow_by(socket)
        socket.start()
        stack.push_async_callback(socket.close)
    mirrors = Mirrors(exchange, clock, Micros(STALE_INTERVALS * settings.book_interval))
    stack.push_async_callback(mirrors.leave)
    for ticker in tickers:
        mirrors.follow(await markets.feed(ticker))
    return mirrors
