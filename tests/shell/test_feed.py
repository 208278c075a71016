"""The feed: current while somebody watches, silent when nobody does, and never ended by a poll that fails."""

import asyncio
from dataclasses import replace

import pytest
from tests.shell.rig import CENTS, TICKER, Hurried, ladder, until
from typing_extensions import override

from depthwalker.core.answer import Market, MarketStatus, NotApplied, TradePrint, Trouble
from depthwalker.core.book import Book, Leg
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import WINDOW
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.feed import MARKET_INTERVAL, Feed
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.ports import Clock
from depthwalker.shell.transport import AioHttpTransport

FAST = Micros(SECOND // 2)


class Told(KalshiVenue):
    """An exchange that says what the test says."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(AioHttpTransport("http://127.0.0.1:1"), None, clock)
        self.time = clock
        self.books = 0
        self.markets = 0
        self.since: list[Micros] = []
        self.fails: Exception | Trouble | None = None
        self.status = MarketStatus.ACTIVE

    @override
    async def market(self, ticker: str) -> Outcome[Market, Trouble]:
        self.markets += 1
        return Success(replace(market(), status=self.status))

    @override
    async def book(self, ticker: str) -> Outcome[Book, Trouble]:
        self.books += 1
        match self.fails:
            case None:
                return Success(Book(ladder(4_400, 100, (5,)), (), self.time.now()))
            case Exception() as raised:
                raise raised
            case trouble:
                return Failure(trouble)

    @override
    async def trades(self, ticker: str, since: Micros) -> Outcome[tuple[TradePrint, ...], Trouble]:
        self.since.append(since)
        return Success((TradePrint(str(len(self.since)), Leg.YES, Price(4_500), Count(100), self.time.now()),))


def market() -> Market:
    return Market(TICKER, "RIG-26", MarketStatus.ACTIVE, CENTS, Micros(1 << 60), 0)


def a_feed(times: int = 20) -> tuple[Feed, Told]:
    clock = Hurried(times)
    venue = Told(clock)
    return Feed(market(), STANDARD, venue, clock, Limiter(clock, None, lambda: 0), FAST), venue


class Changes:
    """A listener that can be waited for."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def __call__(self) -> None:
        self._heard.set()

    async def next(self, times: int = 1) -> None:
        for _ in range(times):
            self._heard.clear()
            async with asyncio.timeout(5):
                await self._heard.wait()


async def test_it_polls_while_watched_and_stops_with_the_last_watcher() -> None:
    feed, venue = a_feed()
    one, two = Changes(), Changes()
    feed.watch(one)
    feed.watch(two)
    await one.next(2)
    await feed.leave(one)
    await two.next()
    await feed.leave(two)
    polled = venue.books
    assert f"feed {TICKER}" not in {task.get_name() for task in asyncio.all_tasks()}
    feed.watch(one)
    await one.next()
    await feed.leave(one)
    assert venue.books > polled
    assert feed.history.samples
    assert feed.history.trades


@pytest.mark.parametrize("fails", [NotApplied("429"), RuntimeError("a bug in the client")], ids=["trouble", "bug"])
async def test_a_poll_that_fails_leaves_the_old_book_and_the_next_one_reads_again(
    fails: Exception | Trouble,
) -> None:
    feed, venue = a_feed()
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    venue.fails = fails
    failed_from = venue.books
    await until(lambda: venue.books >= failed_from + 2)
    old = feed.book
    venue.fails = None
    await heard.next(2)
    assert feed.book.at > old.at
    await feed.leave(heard)


async def test_a_listener_that_raises_ends_nobody_elses_polls() -> None:
    feed, _ = a_feed()

    def broken() -> None:
        raise ZeroDivisionError

    heard = Changes()
    feed.watch(heard)
    feed.watch(broken)
    await heard.next(3)
    await feed.leave(broken)
    await feed.leave(heard)


async def test_hurrying_reads_before_the_interval_has_passed() -> None:
    feed, _ = a_feed(times=1)
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    first = feed.book.at
    feed.hurry()
    await heard.next()
    assert feed.book.at - first < FAST
    await feed.leave(heard)


async def test_a_fresh_book_is_not_read_again_within_the_interval() -> None:
    feed, venue = a_feed(times=1)
    book = await feed.fresh_book()
    assert await feed.fresh_book() is book
    assert venue.books == 1


async def test_the_market_itself_is_read_now_and_then_and_when_something_speaks_for_it() -> None:
    feed, venue = a_feed(times=100)
    heard = Changes()
    feed.watch(heard)
    start = venue.time.now()
    await heard.next()
    venue.status = MarketStatus.CLOSED
    async with asyncio.timeout(5):
        while feed.open():
            await heard.next()
    assert venue.time.now() - start >= MARKET_INTERVAL
    read = venue.markets
    feed.reread_market()
    await heard.next(2)
    assert venue.markets == read + 1
    await feed.leave(heard)


async def test_what_traded_long_before_anybody_watched_is_not_read() -> None:
    feed, venue = a_feed()
    feed._traded_until = Micros(0)
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    await feed.leave(heard)
    assert venue.time.now() - venue.since[0] < WINDOW + 30 * SECOND
