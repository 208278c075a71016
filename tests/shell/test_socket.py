"""The websocket kept open, against real sockets on the loopback that fail at real moments. Time is the test's own."""

import asyncio
import json
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import pytest
from aiohttp import WSMsgType, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from depthwalker.core.book import Book
from depthwalker.core.channel import Channel, FillFrame, Trade, UserOrder
from depthwalker.core.line import BookChanged, BookLost, Missed
from depthwalker.core.subscriptions import News
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Price
from depthwalker.shell.dialler import LONGEST_MESSAGE, PATH, AioHttpDialler, Connection, Dropped, socket_url
from depthwalker.shell.listener import Listener
from depthwalker.shell.signing import Signer
from depthwalker.shell.socket import USUAL, Socket, pause

T = TypeVar("T")

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY_ID: Final = "the-key-id"
PATIENCE: Final = 10  # seconds of real time, never waited for unless something is broken
STAMP: Final = 1_781_159_489_957
FILL: Final = {
    "trade_id": "t1",
    "order_id": "o1",
    "market_ticker": "A",
    "is_taker": False,
    "outcome_side": "yes",
    "book_side": "bid",
    "yes_price_dollars": "0.4700",
    "count_fp": "1.00",
    "fee_cost": "0.000000",
    "ts_ms": STAMP,
}
ORDER: Final = {
    "order_id": "o1",
    "client_order_id": "c1",
    "ticker": "A",
    "status": "resting",
    "outcome_side": "yes",
    "book_side": "bid",
    "yes_price_dollars": "0.4700",
    "initial_count_fp": "2.00",
    "fill_count_fp": "1.00",
    "remaining_count_fp": "1.00",
    "created_ts_ms": STAMP,
}
PRINT: Final = {
    "trade_id": "t1",
    "market_ticker": "A",
    "yes_price_dollars": "0.4700",
    "count_fp": "1.00",
    "taker_outcome_side": "no",
    "taker_book_side": "ask",
    "ts_ms": STAMP,
}


class HandClock:
    """Time stands still until the test moves it to the next instant for which somebody waits."""

    def __init__(self) -> None:
        self._now = Micros(1_790_000_000 * SECOND)
        self._sleepers: list[tuple[Micros, asyncio.Event]] = []
        self._slept = asyncio.Event()

    def now(self) -> Micros:
        return self._now

    async def sleep_until(self, when: Micros) -> None:
        sleeper = (when, asyncio.Event())
        self._sleepers.append(sleeper)
        self._slept.set()
        try:
            await sleeper[1].wait()
        finally:
            self._sleepers.remove(sleeper)

    async def forward(self) -> None:
        """Move to the next instant for which somebody waits, once somebody does."""
        while not (waiting := [sleeper for sleeper in self._sleepers if not sleeper[1].is_set()]):
            self._slept.clear()
            await self._slept.wait()
        when, alarm = min(waiting, key=lambda sleeper: sleeper[0])
        self._now = max(self._now, when)
        alarm.set()

    async def forward_until(self, awaited: Awaitable[T]) -> T:
        """Let time pass until something has come about."""
        coming = asyncio.ensure_future(awaited)
        async with asyncio.timeout(PATIENCE):
            while not coming.done():
                passing = asyncio.ensure_future(self.forward())
                await asyncio.wait({coming, passing}, return_when=asyncio.FIRST_COMPLETED)
                passing.cancel()
        return coming.result()


class Dice:
    """Always the same throw."""

    def hex(self, digits: int) -> str:
        return "0" * digits

    def jitter(self) -> int:
        return MILLION // 2


class Line:
    """One connection at the exchange's end."""

    def __init__(self, request: web.Request, opened: web.WebSocketResponse) -> None:
        self.headers = request.headers
        self.opened = opened
        self.transport = request.transport
        self.heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.pings: asyncio.Queue[bytes] = asyncio.Queue()
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.answers_pings = True

    async def tell(self, kind: str, msg: object = None, **others: object) -> None:
        body = {"type": kind, **others, **({} if msg is None else {"msg": msg})}
        await self.opened.send_str(json.dumps(body) + "\n")

    async def subscribe(self, first_sid: int, *channels: str) -> None:
        """Take one subscribe command a channel and acknowledge it, the sids counted on."""
        for sid, channel in enumerate(channels, first_sid):
            command = await soon(self.heard.get())
            params = command["params"]
            assert command["cmd"] == "subscribe"
            assert isinstance(params, dict)
            assert (params["channels"], params["use_yes_price"]) == ([channel], True)
            await self.tell("subscribed", {"channel": channel, "sid": sid}, id=command["id"])

    async def snapshot(self, sid: int, seq: int, yes: str = "3.00", ticker: str = "A") -> None:
        sides = {"market_ticker": ticker, "yes_dollars_fp": [["0.4700", yes]], "no_dollars_fp": [["0.5200", "2.00"]]}
        await self.tell("orderbook_snapshot", sides, sid=sid, seq=seq)

    async def delta(self, sid: int, seq: int, change: str) -> None:
        msg = {"market_ticker": "A", "price_dollars": "0.4700", "delta_fp": change, "side": "yes"}
        await self.tell("orderbook_delta", msg, sid=sid, seq=seq)

    def reset(self) -> None:
        """End the connection without a word of the protocol."""
        assert self.transport is not None
        self.transport.abort()


class Exchange:
    """A websocket server on the loopback; `refusals` are the statuses with which the next upgrades are answered.

    `moved_to`: where all upgrades are sent on to.
    """

    def __init__(self) -> None:
        self.refusals: list[int] = []
        self.moved_to = ""
        self.dialled = 0
        self.lines: asyncio.Queue[Line] = asyncio.Queue()
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.dialled += 1
        if self.refusals:
            return web.Response(status=self.refusals.pop(0), text="<html>Bad Gateway</html>")
        if self.moved_to:
            return web.Response(status=302, headers={"Location": self.moved_to})
        opened = web.WebSocketResponse(autoping=False)
        await opened.prepare(request)
        line = Line(request, opened)
        self.lines.put_nowait(line)
        try:
            async for message in opened:
                if message.type is WSMsgType.TEXT:
                    line.heard.put_nowait(json.loads(message.data))
                elif message.type is WSMsgType.PING:
                    line.pings.put_nowait(bytes(message.data))
                    if line.answers_pings:
                        await opened.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    line.pongs.put_nowait(bytes(message.data))
        finally:
            line.ended.set()
        return opened


class Owner:
    """Who listens: the news in order, and the clock."""

    def __init__(self, socket: Socket, clock: HandClock, exchange: Exchange, news: "asyncio.Queue[News]") -> None:
        self.socket = socket
        self.clock = clock
        self.exchange = exchange
        self.news = news

    async def told(self) -> News:
        return await soon(self.news.get())

    async def line(self) -> Line:
        return await soon(self.exchange.lines.get())


async def soon(awaited: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE):
        return await awaited


@asynccontextmanager
async def exchanging() -> AsyncIterator[Exchange]:
    exchange = Exchange()
    app = web.Application()
    app.router.add_get(PATH, exchange.serve)
    listener = Listener(app, linger=0.1)
    exchange.url = socket_url(f"http://127.0.0.1:{await listener.listen('127.0.0.1', 0)}/trade-api/v2")
    try:
        yield exchange
    finally:
        await listener.close()


@asynccontextmanager
async def listening(
    *tickers: str, channels: tuple[Channel, ...] = (), meddle: Callable[[News], None] | None = None
) -> AsyncIterator[Owner]:
    """A socket that follows markets, started; on leaving, nothing of it is left over."""
    before = asyncio.all_tasks()
    async with exchanging() as exchange:
        clock = HandClock()
        news: asyncio.Queue[News] = asyncio.Queue()

        def hear(each: News) -> None:
            news.put_nowait(each)
            if meddle is not None:
                meddle(each)

        socket = Socket(AioHttpDialler(exchange.url, Signer(KEY_ID, KEY), clock.now), clock, Dice(), hear, channels)
        socket.want(tickers)
        socket.start()
        try:
            yield Owner(socket, clock, exchange, news)
        finally:
            await socket.close()
            assert not socket.connected
            assert not any(task.get_name().startswith("websocket") for task in asyncio.all_tasks() - before)


def standing(yes: int, at: Micros) -> Book:
    rows = ((Price(4_700), Count(yes)),) if yes else ()
    return Book(rows, ((Price(4_800), Count(200)),), at)


MARKET: Final = ("orderbook_delta", "trade")


async def test_the_upgrade_is_signed_and_what_is_wanted_is_followed() -> None:
    async with listening("A") as owner:
        line = await owner.line()
        stamp = line.headers["KALSHI-ACCESS-TIMESTAMP"]
        KEY.public_key().verify(b64decode(line.headers["KALSHI-ACCESS-SIGNATURE"]), f"{stamp}GET{PATH}".encode())
        assert (line.headers["KALSHI-ACCESS-KEY"], stamp) == (KEY_ID, "1790000000000")
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        await line.delta(1, 2, "-3.00")
        await line.tell("trade", PRINT, sid=2)
        now = owner.clock.now()
        assert await owner.told() == Missed(Channel.TRADE)
        assert await owner.told() == BookChanged("A", standing(300, now))
        assert await owner.told() == BookChanged("A", standing(0, now))
        assert isinstance(await owner.told(), Trade)
        assert owner.socket.connected
        assert owner.socket.following(Channel.TRADE)
        assert not owner.socket.following(Channel.FILL)
        assert (owner.socket.book("A"), owner.socket.book("B")) == (standing(0, now), None)
        owner.socket.want("AB")
        assert [(await soon(line.heard.get()))["params"] for _ in range(2)] == [
            {"sids": [sid], "action": "add_markets", "market_tickers": ["B"]} for sid in (1, 2)
        ]
    await soon(line.ended.wait())


@pytest.mark.parametrize("seq", [4, 1], ids=["lost", "twice"])
async def test_a_gap_is_mended_by_the_books_asked_for(seq: int) -> None:
    async with listening("A") as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        await line.delta(1, seq, "1.00")
        command = await soon(line.heard.get())
        assert command["params"] == {"sids": [1], "action": "get_snapshot", "market_tickers": ["A"]}
        await line.delta(1, seq + 1, "1.00")
        await line.snapshot(1, seq + 2, "9.00")
        await line.delta(1, seq + 3, "1.00")
        news = [await owner.told() for _ in range(5)]
        now = owner.clock.now()
        assert news[1:] == [
            BookChanged("A", standing(300, now)),
            BookLost("A"),
            BookChanged("A", standing(900, now)),
            BookChanged("A", standing(1_000, now)),
        ]


async def test_a_subscription_that_overflowed_is_opened_again() -> None:
    async with listening("A") as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        await line.tell("error", {"code": 25, "msg": "buffer overflow"}, sid=1)
        await line.subscribe(3, "orderbook_delta")
        await line.snapshot(3, 1, "5.00")
        news = [await owner.told() for _ in range(4)]
        assert news[2:] == [BookLost("A"), BookChanged("A", standing(500, owner.clock.now()))]


async def test_after_a_reset_and_two_bad_gateways_everything_is_subscribed_anew_and_to_be_read_again() -> None:
    channels = (Channel.FILL, Channel.ORDER)
    async with listening("A", channels=channels) as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET, "fill", "user_orders")
        await line.snapshot(1, 1)
        first = [await owner.told() for _ in range(4)]
        assert first[-1] == BookChanged("A", standing(300, owner.clock.now()))
        owner.exchange.refusals = [502, 502]
        line.reset()
        assert await owner.told() == BookLost("A")
        assert not owner.socket.connected
        assert owner.socket.book("A") is None
        lost = owner.clock.now()
        again = await owner.clock.forward_until(owner.exchange.lines.get())
        assert owner.exchange.dialled == 4
        assert owner.clock.now() - lost >= sum(pause(attempt, MILLION // 2) for attempt in range(3))
        await again.subscribe(11, *MARKET, "fill", "user_orders")
        await again.delta(1, 2, "1.00")
        await again.snapshot(11, 1, "8.00")
        assert [await owner.told() for _ in range(3)] == [Missed(each) for each in (Channel.TRADE, *channels)]
        told = await owner.told()
        assert isinstance(told, BookChanged)
        assert (told.ticker, told.book.yes) == ("A", ((4_700, 800),))


async def test_a_silent_connection_is_asked_for_a_sign_of_life_and_then_given_up() -> None:
    async with listening("A") as owner:
        line = await owner.line()
        line.answers_pings = False
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        assert [type(await owner.told()) for _ in range(2)] == [Missed, BookChanged]
        heard = owner.socket.heard_at
        await owner.clock.forward_until(line.pings.get())
        assert owner.clock.now() >= heard + USUAL.ping
        book = owner.socket.book("A")
        assert book is not None
        assert book.at == heard
        assert await owner.clock.forward_until(owner.news.get()) == BookLost("A")
        assert owner.clock.now() - heard >= USUAL.silence
        again = await owner.clock.forward_until(owner.exchange.lines.get())
        await again.subscribe(1, *MARKET)


async def test_a_quiet_market_s_book_is_as_current_as_the_last_sign_of_life() -> None:
    async with listening("A") as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        assert [type(await owner.told()) for _ in range(2)] == [Missed, BookChanged]
        before = owner.socket.heard_at
        while owner.socket.heard_at == before:
            await owner.clock.forward_until(line.pings.get())
        book = owner.socket.book("A")
        assert book == standing(300, owner.socket.heard_at)
        await line.opened.ping(b"heartbeat")
        assert await soon(line.pongs.get()) == b"heartbeat"


async def test_fill_trade_and_order_are_told_in_the_order_in_which_they_come() -> None:
    async with listening("A", channels=(Channel.FILL, Channel.ORDER)) as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET, "fill", "user_orders")
        for _ in range(3):
            assert isinstance(await owner.told(), Missed)
        frames = (("fill", FILL, 3), ("user_order", ORDER, 4), ("trade", PRINT, 2))
        for kind, msg, sid in (*frames, *reversed(frames)):
            await line.tell(kind, msg, sid=sid)
        kinds = [type(await owner.told()) for _ in range(6)]
        assert kinds == [FillFrame, UserOrder, Trade, Trade, UserOrder, FillFrame]


async def test_what_cannot_be_read_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    async with listening("A") as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        await line.opened.send_str('{"type":"orderbook_delta","sid":1,"seq":2,"msg":7}')
        assert (await soon(line.heard.get()))["cmd"] == "update_subscription"
        await line.opened.send_bytes(b"\xff\xfe")
        await line.snapshot(1, 3, "4.00")
        news = [await owner.told() for _ in range(5)]
        assert news[2:] == [BookLost("A"), Missed(Channel.TRADE), BookChanged("A", standing(400, owner.clock.now()))]
        assert "cannot be read" in caplog.text


async def test_a_command_that_is_not_answered_ends_the_connection() -> None:
    async with listening("A") as owner:
        line = await owner.line()
        await soon(line.heard.get())
        began = owner.clock.now()
        again = await owner.clock.forward_until(owner.exchange.lines.get())
        assert owner.clock.now() - began > 10 * SECOND
        await again.subscribe(1, *MARKET)


async def test_a_listener_that_raises_is_told_the_rest_and_may_change_its_wishes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def meddle(news: News) -> None:
        if isinstance(news, BookChanged):
            raise TypeError(news.ticker)

    async with listening("A", meddle=meddle) as owner:
        line = await owner.line()
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1)
        await line.delta(1, 2, "1.00")
        assert [type(await owner.told()) for _ in range(3)] == [Missed, BookChanged, BookChanged]
    assert caplog.text.count("whoever listens raised") == 2


async def test_a_flood_does_not_keep_others_from_their_turn() -> None:
    turns = 0
    seen: dict[int, int] = {}  # news by turn of another task

    async def bystander() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def count(_: News) -> None:
        seen[turns] = seen.get(turns, 0) + 1

    async with listening("A", meddle=count) as owner:
        standing_by = asyncio.create_task(bystander())
        line = await owner.line()
        await line.subscribe(1, *MARKET)
        await line.snapshot(1, 1, "999.00")
        for seq in range(2, 1_002):
            await line.delta(1, seq, "0.01")
        news = [await owner.told() for _ in range(1_002)]
        standing_by.cancel()
        assert 8 < max(seen.values()) <= 64
        assert news[-1] == BookChanged("A", standing(100_900, owner.clock.now()))


async def test_who_is_refused_learns_why_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with exchanging() as exchange:
        exchange.refusals = [401]
        clock = HandClock()
        dialler = AioHttpDialler(exchange.url, Signer(KEY_ID, KEY), clock.now)
        with pytest.raises(Dropped, match="the upgrade was answered with 401") as refused:
            await dialler.dial()
        assert refused.value.__context__ is None
        connection: Connection = await dialler.dial()
        await connection.close()
        with pytest.raises(Dropped):
            await connection.receive()
        with pytest.raises(Dropped):
            await connection.ping()
        await dialler.close()
    nobody = AioHttpDialler(exchange.url, Signer(KEY_ID, KEY), clock.now)
    with pytest.raises(Dropped, match="ClientConnectorError"):
        await nobody.dial()
    await nobody.close()
    assert KEY_ID not in caplog.text


async def test_a_redirect_is_not_followed_to_whoever_it_names() -> None:
    """There would be the signature, and fills that anybody could tell."""
    async with exchanging() as elsewhere, exchanging() as exchange:
        exchange.moved_to = elsewhere.url
        dialler = AioHttpDialler(exchange.url, Signer(KEY_ID, KEY), HandClock().now)
        with pytest.raises(Dropped, match="the upgrade was answered with 302") as refused:
            await dialler.dial()
        await dialler.close()
        assert refused.value.__context__ is None
        assert (exchange.dialled, elsewhere.dialled) == (1, 0)


MEGABYTE: Final = b"\x7f" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)


@pytest.mark.parametrize(
    "frames",
    [[b"\x82\x7f" + LONGEST_MESSAGE.to_bytes(8, "big")], [b"\x02" + MEGABYTE, *[b"\x00" + MEGABYTE] * 63]],
    ids=["announced", "in pieces"],
)
async def test_a_message_that_is_too_long_ends_the_connection(frames: list[bytes]) -> None:
    async with exchanging() as exchange:
        dialler = AioHttpDialler(exchange.url, Signer(KEY_ID, KEY), HandClock().now)
        connection: Connection = await dialler.dial()
        line = await soon(exchange.lines.get())
        await line.opened.send_bytes(b"fits")
        assert await soon(connection.receive()) == b"fits"
        assert line.transport is not None
        line.transport.writelines(frames)
        with pytest.raises(Dropped, match="closed with code 1009"):
            await soon(connection.receive())
        await connection.close()
        await dialler.close()


async def test_closing_what_was_never_started_and_closing_twice_is_fine() -> None:
    clock = HandClock()
    socket = Socket(AioHttpDialler("ws://127.0.0.1:1", Signer(KEY_ID, KEY), clock.now), clock, Dice(), lambda _: None)
    await socket.close()
    socket.start()
    socket.start()
    await socket.close()
    await socket.close()


def test_pauses_double_up_to_half_a_minute_and_are_jittered_by_half() -> None:
    assert [pause(attempt, 0) for attempt in (0, 1, 2)] == [125_000, 250_000, 500_000]
    assert pause(0, MILLION - 1) == 249_999
    assert [pause(attempt, MILLION // 2) for attempt in (7, 8, 1_000)] == [22_500_000] * 3


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://external-api.kalshi.com/trade-api/v2", "wss://external-api-ws.kalshi.com/trade-api/ws/v2"),
        ("https://external-api.demo.kalshi.co", "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"),
        ("https://api.elections.kalshi.com/trade-api/v2/", "wss://api.elections.kalshi.com/trade-api/ws/v2"),
        ("https://demo-api.kalshi.co/trade-api/v2", "wss://demo-api.kalshi.co/trade-api/ws/v2"),
        ("http://127.0.0.1:8123/trade-api/v2", "ws://127.0.0.1:8123/trade-api/ws/v2"),
    ],
)
def test_the_socket_s_address_follows_from_the_base_url(base: str, url: str) -> None:
    assert socket_url(base) == url
