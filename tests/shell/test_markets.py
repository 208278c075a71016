"""The markets of a process: each read once, followed by the websocket exactly while somebody watches it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from tests.core import scenes
from tests.shell.rig import Hurried, until
from tests.shell.test_feed import FAST, Changes, Told, market
from typing_extensions import override

from depthwalker.core.answer import Market, MarketStatus, NotApplied, Rejected, Trouble, Unknown
from depthwalker.core.book import Book
from depthwalker.core.channel import Channel
from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import Started, Viewed
from depthwalker.core.fees import STANDARD, WITH_MAKER_FEES, FeeRates
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import Micros
from depthwalker.shell.api import ExchangeTrouble
from depthwalker.shell.markets import KEPT, Markets, NoSuchMarket

A, B = "RIG-26-A", "RIG-26-B"


class Several(Told):
    """An exchange with any number of markets."""

    refuses: Trouble | None = None

    @override
    async def market(self, ticker: str) -> Outcome[Market, Trouble]:
        if self.refuses is not None:
            return Failure(self.refuses)
        self.markets += 1
        await self._pass("market")
        return Success(replace(market(), ticker=ticker))


@dataclass
class Wished:
    """A websocket that remembers what was wanted of it."""

    wanted: list[list[str]] = field(default_factory=list)

    def want(self, tickers: Iterable[str]) -> None:
        self.wanted.append(sorted(tickers))

    def book(self, ticker: str) -> Book | None:
        assert ticker in {A, B}
        return None

    def following(self, channel: Channel) -> bool:
        assert channel is Channel.TRADE
        return False


def some(follower: Wished | None = None) -> tuple[Markets, Several]:
    clock = Hurried(1)
    venue = Several(clock)
    markets = Markets(venue, clock, FAST, lambda _: ())
    if follower is not None:
        markets.follow_by(follower)
    return markets, venue


async def test_a_market_and_its_fees_are_read_once_however_many_ask_at_a_time() -> None:
    markets, venue = some()
    feeds = await asyncio.gather(*(markets.feed(A) for _ in range(5)))
    assert len({id(feed) for feed in feeds}) == 1
    assert (venue.markets, venue.fees) == (1, 1)
    assert list(markets.feeds) == [A]
    assert await markets.feed(B) is not feeds[0]


@pytest.mark.parametrize(
    ("refuses", "says"),
    [
        pytest.param(Rejected(404, "not_found", ""), f"there is no market {A}", id="no such market"),
        pytest.param(NotApplied("no connection"), f"{A}: no connection", id="no exchange"),
    ],
)
async def test_a_market_that_cannot_be_read_is_told_and_may_be_asked_for_again(refuses: Trouble, says: str) -> None:
    markets, venue = some()
    venue.refuses = refuses
    with pytest.raises(ExchangeTrouble, match=says):
        await markets.feed(A)
    assert not markets.feeds
    venue.refuses = None
    assert (await markets.feed(A)).market.ticker == A


@pytest.mark.parametrize(("code", "knows"), [("not_found", True), ("market_not_found", True), ("http_404", False)])
async def test_only_an_exchange_s_own_words_say_that_there_is_no_market(code: str, knows: bool) -> None:
    markets, venue = some()
    venue.refuses = Rejected(404, code, "")
    with pytest.raises(ExchangeTrouble) as refused:
        await markets.feed(A)
    assert isinstance(refused.value, NoSuchMarket) is knows


async def test_fees_that_are_not_found_do_not_say_that_the_market_is_not_there() -> None:
    markets, venue = some()
    venue.no_fees = Rejected(404, "not_found", "")
    with pytest.raises(ExchangeTrouble) as refused:
        await markets.feed(A)
    assert not isinstance(refused.value, NoSuchMarket)


async def test_a_market_that_does_not_answer_holds_up_no_other() -> None:
    markets, venue = some()
    venue.gate["market"] = asyncio.Event()
    slow = asyncio.create_task(markets.feed(A))
    await asyncio.sleep(0)
    del venue.gate["market"]
    async with asyncio.timeout(5):
        assert (await markets.feed(B)).market.ticker == B
    assert not slow.done()
    slow.cancel()


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"refuses": Rejected(404, "not_found", "")}, id="a market that only the archive has"),
        pytest.param({"no_fees": Unknown("unreadable fees: a type that is none of ours")}, id="unknown fees"),
    ],
)
async def test_the_market_of_what_is_taken_up_is_as_its_journal_had_it_until_it_is_read(
    trouble: dict[str, Trouble],
) -> None:
    markets, venue = some()
    for name, what in trouble.items():
        setattr(venue, name, what)
    parent = replace(scenes.parent(), ticker=A, rates=WITH_MAKER_FEES)
    begun = evolve(START, Started(parent, scenes.policy(), parent.started))
    feed = markets.resumed(begun)
    assert feed is markets.resumed(begun)
    assert (feed.market.grid, feed.rates, feed.open()) == (begun.grid, WITH_MAKER_FEES, True)
    with pytest.raises(ExchangeTrouble):
        await markets.feed(A)
    venue.refuses = venue.no_fees = None
    assert await markets.feed(A) is feed
    assert (feed.market.event_ticker, feed.rates) == (market().event_ticker, venue.rates)


def test_what_is_taken_up_pays_the_fees_that_it_was_last_seen_to_pay_not_those_of_its_start() -> None:
    seen = scenes.view(scenes.after(5))
    dearer = replace(seen, conditions=replace(seen.conditions, rates=FeeRates(140_000, 0)))
    parent = replace(scenes.parent(), ticker=A)
    begun = scenes.fold(Started(parent, scenes.policy(), parent.started), Viewed(dearer, True, scenes.after(5)))
    assert (parent.rates, some()[0].resumed(begun).rates) == (STANDARD, FeeRates(140_000, 0))


async def test_a_market_is_followed_from_the_first_watcher_to_the_last() -> None:
    wished = Wished()
    markets, _ = some(wished)
    a, b = await markets.feed(A), await markets.feed(B)
    assert wished.wanted == []
    one, two = Changes(), Changes()
    a.watch(one)
    a.watch(two)
    b.watch(one)
    assert wished.wanted == [[A], [A, B]]
    await a.leave(one)
    assert len(wished.wanted) == 2
    await a.leave(two)
    await b.leave(one)
    assert wished.wanted[2:] == [[B], []]
    assert not a.wanted
    assert not b.wanted
    a.watch(one)
    assert wished.wanted[-1] == [A]
    await a.leave(one)


async def test_a_market_that_is_kept_is_followed_until_the_end() -> None:
    wished = Wished()
    markets, _ = some(wished)
    feed = await markets.feed(A)
    markets.keep(feed)
    markets.keep(feed)
    watcher = Changes()
    feed.watch(watcher)
    await feed.leave(watcher)
    assert wished.wanted == [[A]]
    await markets.close()
    assert wished.wanted == [[A], []]
    await markets.close()


async def test_a_market_that_nobody_watches_or_asks_for_is_forgotten_after_an_hour() -> None:
    clock = Hurried(1)
    venue = Several(clock)
    markets = Markets(venue, clock, FAST, lambda _: ())
    watcher = Changes()
    watched = await markets.feed(A)
    watched.watch(watcher)
    await markets.feed(B)
    clock.leap(KEPT)
    await markets.feed("RIG-26-C")
    assert set(markets.feeds) == {A, "RIG-26-C"}
    assert await markets.feed(A) is watched
    await watched.leave(watcher)
    clock.leap(Micros(KEPT // 2))
    await markets.feed(B)
    assert set(markets.feeds) == {A, B, "RIG-26-C"}
    clock.leap(Micros(KEPT // 2))
    await markets.feed("RIG-26-D")
    assert set(markets.feeds) == {B, "RIG-26-D"}


async def test_a_market_that_is_kept_and_over_is_followed_no_more_and_forgotten() -> None:
    wished = Wished()
    markets, venue = some(wished)
    feed = await markets.feed(A)
    markets.keep(feed)
    feed.take_market(replace(feed.market, status=MarketStatus.FINALIZED))
    feed.hurry()
    await until(lambda: wished.wanted == [[A], []])
    assert isinstance(venue.time, Hurried)
    venue.time.leap(KEPT)
    await markets.feed(B)
    assert set(markets.feeds) == {B}
    assert not markets._watched


async def test_without_a_websocket_watching_asks_nobody() -> None:
    markets, venue = some()
    feed = await markets.feed(A)
    heard = Changes()
    feed.watch(heard)
    await heard.next()
    await feed.leave(heard)
    assert venue.books == 1
