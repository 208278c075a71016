"""The feed: current while somebody watches, silent when nobody does, and never ended by a poll that fails."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest
from tests.shell.rig import CENTS, TICKER, Hurried, ladder, until
from typing_extensions import override

from depthwalker.core.answer import Market, MarketStatus, NotApplied, TradePrint, Trouble
from depthwalker.core.book import Book, Leg
from depthwalker.core.channel import Channel
from depthwalker.core.fees import STANDARD, FeeRates
from depthwalker.core.flow import WINDOW
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.feed import FEES_INTERVAL, FEES_POLLED, FLOW_WAIT, LONGEST_GAP, MARKET_INTERVAL, Feed
from depthwalker.shell.kalshi import KalshiVenue
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
        self.rates = STANDARD
        self.fees = 0
        self.gate: dict[str, asyncio.Event] = {}
        self.fails: Exception | Trouble | None = None
        self.no_fees: Trouble | None = None
        self.status = MarketStatus.ACTIVE

    @override
    async def market(self, ticker: str) -> Outcome[Market, Trouble]:
        self.markets += 1
        told = replace(market(), status=self.status)
        await self._pass("market")
        return Success(told)

    @override
    async def fee_rates(self, market: Market) -> Outcome[FeeRates, Trouble]:
        self.fees += 1
        told = self.rates
        await self._pass("fees")
        return Success(told) if self.no_fees is None else Failure(self.no_fees)

    @override
    async def book(self, ticker: str) -> Outcome[Book, Trouble]:
        self.books += 1
        asked = self.time.now()
        await self._pass("book")
        match self.fails:
            case None:
                return Success(Book(ladder(4_400, 100, (5,)), (), asked))
            case Exception() as raised:
                raise raised
            case trouble:
                return Failure(trouble)

    @override
    async def trades(self, ticker: str, since: Micros) -> Outcome[tuple[TradePrint, ...], Trouble]:
        self.since.append(since)
        await self._pass("trades")
        if isinstance(self.fails, NotApplied):
            return Failure(self.fails)
        return Success((TradePrint(str(len(self.since)), Leg.YES, Price(4_500), Count(100), self.time.now()),))

    async def _pass(self, what: str) -> None:
        """Answer as things were when it was asked, but only once the test lets it."""
        if what in self.gate:
            async with asyncio.timeout(5):
                await self.gate[what].wait()


@dataclass
class Wires:
    """A websocket of which the test says what it keeps."""

    held: Book | None = None
    followed: set[Channel] = field(default_factory=lambda: set(Channel))

    def book(self, ticker: str) -> Book | None:
        assert ticker == TICKER
        return self.held

    def following(self, channel: Channel) -> bool:
        return channel in self.followed


def market() -> Market:
    return Market(TICKER, "RIG-26", MarketStatus.ACTIVE, CENTS, Micros(1 << 60), 0)


def a_feed(times: int = 20, line: Wires | None = None, interval: Micros = FAST) -> tuple[Feed, Told]:
    clock = Hurried(times)
    venue = Told(clock)
    return Feed(market(), STANDARD, venue, clock, interval, line=line), venue


def a_trade(name: str, at: int) -> TradePrint:
    return TradePrint(name, Leg.NO, Price(4_600), Count(300), Micros(at))


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


async def test_a_market_that_is_over_is_asked_no_more_however_long_it_is_watched() -> None:
    feed, venue = a_feed()
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    venue.status = MarketStatus.FINALIZED
    await until(feed.over)
    await until(lambda: f"feed {TICKER}" not in {task.get_name() for task in asyncio.all_tasks()})
    assert not feed.wanted
    asked = (venue.books, venue.markets, len(venue.since))
    await venue.time.sleep_until(Micros(venue.time.now() + 2 * MARKET_INTERVAL))
    assert (venue.books, venue.markets, len(venue.since)) == asked
    await feed.leave(heard)


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
    book = await feed.arrival()
    assert await feed.arrival() is book
    assert venue.books == 1


async def test_the_market_itself_is_read_now_and_then_and_when_something_speaks_for_it() -> None:
    clock = Hurried(100)
    start, venue = clock.now(), Told(clock)
    feed = Feed(market(), STANDARD, venue, clock, FAST)  # knows the market from here on
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    venue.status = MarketStatus.CLOSED
    async with asyncio.timeout(5):
        while feed.open():
            await heard.next()
    assert clock.now() - start >= MARKET_INTERVAL
    read = venue.markets
    feed.reread_market()
    await heard.next(2)
    assert venue.markets == read + 1
    await feed.leave(heard)


async def test_what_traded_longer_ago_than_the_window_is_not_read() -> None:
    feed, venue = a_feed()
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    await feed.leave(heard)
    assert venue.time.now() - venue.since[0] < WINDOW + 30 * SECOND


async def test_of_a_gap_of_hours_no_more_is_read_back_than_can_be() -> None:
    clock = Hurried(20)
    venue = Told(clock)
    feed = Feed(market(), STANDARD, venue, clock, FAST)
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    clock.leap(Micros(10 * 3_600 * SECOND))
    await heard.next(2)
    await feed.leave(heard)
    assert LONGEST_GAP <= clock.now() - venue.since[1] < LONGEST_GAP + 30 * SECOND


async def test_the_first_book_comes_with_the_trades_of_the_window() -> None:
    feed, venue = a_feed()
    start = venue.time.now()
    await feed.arrival()
    assert (venue.books, len(feed.history.trades)) == (1, 1)
    assert start - WINDOW - 3 * SECOND < venue.since[0] <= venue.time.now() - WINDOW
    await feed.arrival()
    assert (venue.books, len(venue.since)) == (1, 1), "both are still fresh"


async def test_trades_that_are_long_in_coming_do_not_keep_the_book() -> None:
    feed, venue = a_feed()
    venue.gate["trades"] = asyncio.Event()
    start = venue.time.now()
    book = await feed.arrival()
    assert book.yes
    assert venue.time.now() - start >= FLOW_WAIT
    assert feed.history.trades == ()
    del venue.gate["trades"]
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    await feed.leave(heard)
    assert feed.history.trades, "the first poll reads them"


# With the websocket


LONG = Micros(60 * SECOND)  # an interval that ends in no test: what is read then, is read for another reason


async def test_a_live_book_is_used_and_nothing_is_polled_beside_it() -> None:
    line = Wires()
    feed, venue = a_feed(1, line)
    line.held = Book(ladder(4_300, 100, (7,)), (), venue.time.now())
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    feed.hurry()
    await heard.next()
    await feed.leave(heard)
    assert feed.book == line.held
    assert (venue.books, len(venue.since)) == (0, 1), "the trades before the subscription are read once"


@pytest.mark.parametrize(("age", "polls"), [(2 * FAST - SECOND // 10, 0), (2 * FAST + 1, 1)], ids=["young", "old"])
async def test_a_live_book_counts_for_two_intervals_after_its_last_sign_of_life(age: int, polls: int) -> None:
    line = Wires()
    feed, venue = a_feed(1, line)
    line.held = Book((), (), Micros(venue.time.now() - age))
    await feed.arrival()
    assert venue.books == polls
    assert (feed.book is line.held) is not polls


async def test_trades_are_polled_while_nothing_is_heard_although_the_subscription_stands() -> None:
    line = Wires()
    feed, venue = a_feed(1, line, LONG)
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    line.held = Book((), (), Micros(0))
    feed.hurry()
    await heard.next()
    assert (venue.books, len(venue.since)) == (2, 2)
    line.held = Book((), (), venue.time.now())
    feed.hurry()
    await heard.next()
    line.followed = {Channel.BOOK}
    feed.hurry()
    await heard.next()
    await feed.leave(heard)
    assert (venue.books, len(venue.since)) == (2, 3)


async def test_trades_missed_are_read_from_before_the_gap_even_if_later_ones_came_first() -> None:
    line = Wires()
    feed, venue = a_feed(1, line, LONG)
    line.held = Book((), (), venue.time.now())
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    known = Micros(feed.history.trades[-1].at + SECOND)
    feed.take_trade(a_trade("before", known))
    venue.fails = NotApplied("429")
    feed.miss_trades()
    feed.take_trade(a_trade("after", known + 20 * SECOND))
    await heard.next(2)
    venue.fails = None
    feed.take_trade(a_trade("later", known + 30 * SECOND))
    feed.hurry()
    await heard.next(2)
    await feed.leave(heard)
    assert len(venue.since) == 3
    assert all(since < known for since in venue.since), "a gap that could not be read stays to be read"
    assert {"before", "after", "later", "3"} <= {trade.trade_id for trade in feed.history.trades}


async def test_a_trade_that_is_told_twice_counts_once() -> None:
    feed, venue = a_feed(1)
    trade = a_trade("one", venue.time.now())
    feed.take_trade(trade)
    feed.take_trade(trade)
    assert feed.history.trades == (trade,)


async def test_what_comes_in_at_one_time_is_told_at_one_time() -> None:
    feed, venue = a_feed(1, Wires(), LONG)
    heard, told = Changes(), list[Book]()
    feed.watch(heard)
    feed.watch(lambda: told.append(feed.book))
    await heard.next()
    told.clear()
    for count in range(1, 9):
        feed.take_book(Book(ladder(4_400, 100, (count,)), (), venue.time.now()))
        feed.take_trade(a_trade(str(count), venue.time.now()))
    last = feed.book
    await heard.next()
    assert told == [last]
    feed.take_market(replace(market(), status=MarketStatus.INACTIVE))
    await heard.next()
    assert told == [last, last]
    await feed.leave(heard)


async def test_a_listener_that_raises_keeps_no_other_from_hearing_what_the_websocket_tells() -> None:
    feed, venue = a_feed(1, Wires(), LONG)

    def broken() -> None:
        raise ZeroDivisionError

    heard = Changes()
    feed.watch(broken)
    feed.watch(heard)
    await heard.next()
    for _ in range(2):
        feed.take_book(Book((), (), venue.time.now()))
        await heard.next()
    await feed.leave(broken)
    await feed.leave(heard)


async def test_an_answer_that_comes_after_a_frame_does_not_put_the_older_book_back() -> None:
    feed, venue = a_feed(1, Wires(), LONG)
    venue.gate["book"] = asyncio.Event()
    heard = Changes()
    feed.watch(heard)
    await until(lambda: venue.books == 1)
    newer = Book(ladder(4_100, 100, (1,)), (), venue.time.now())
    feed.take_book(newer)
    await heard.next()
    venue.gate["book"].set()
    await heard.next()
    await feed.leave(heard)
    assert feed.book is newer


async def test_what_speaks_for_a_change_while_it_is_being_read_has_it_read_again() -> None:
    feed, venue = a_feed(1, Wires(), LONG)
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    for what in ("market", "fees"):
        venue.gate[what] = asyncio.Event()
    feed.reread_market()
    await until(lambda: venue.markets == 1)
    venue.status = MarketStatus.CLOSED
    feed.reread_market()
    venue.gate["market"].set()
    await until(lambda: not feed.open())
    feed.reread_fees()
    await until(lambda: venue.fees == 1)
    venue.rates = FeeRates(1, 1)
    feed.reread_fees()
    venue.gate["fees"].set()
    await until(lambda: feed.rates == venue.rates)
    await feed.leave(heard)
    assert (venue.markets, venue.fees) == (2, 2)


async def test_fees_are_read_again_once_they_are_a_minute_old() -> None:
    feed, venue = a_feed()
    venue.rates = FeeRates(140_000, 0)
    assert (await feed.fees()).unwrap() == STANDARD
    clock = venue.time
    assert isinstance(clock, Hurried)
    clock.leap(FEES_INTERVAL)
    assert (await feed.fees()).unwrap() == FeeRates(140_000, 0)
    assert (await feed.fees()).unwrap() == feed.rates
    assert venue.fees == 1


async def test_of_a_watched_market_fees_are_read_now_and_then_though_nobody_tells_of_a_change() -> None:
    feed, venue = a_feed(1)
    clock, heard = venue.time, Changes()
    assert isinstance(clock, Hurried)
    feed.watch(heard)
    await heard.next()
    venue.rates = FeeRates(140_000, 0)
    feed.hurry()
    await heard.next()
    assert (feed.rates, venue.fees) == (STANDARD, 0)
    clock.leap(FEES_POLLED)
    feed.hurry()
    await heard.next()
    assert (feed.rates, venue.fees) == (FeeRates(140_000, 0), 1)
    feed.hurry()
    await heard.next()
    await feed.leave(heard)
    assert venue.fees == 1


async def test_fees_that_cannot_be_read_are_asked_for_no_more_often() -> None:
    feed, venue = a_feed(1)
    clock, heard = venue.time, Changes()
    assert isinstance(clock, Hurried)
    feed.watch(heard)
    await heard.next()
    venue.no_fees = NotApplied("no connection")
    clock.leap(FEES_POLLED)
    for _ in range(3):
        feed.hurry()
        await heard.next()
    await feed.leave(heard)
    assert (feed.rates, venue.fees) == (STANDARD, 1)
    assert isinstance(await feed.fees(), Failure), "who needs those of now is not given old ones"
