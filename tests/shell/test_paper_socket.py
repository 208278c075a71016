"""The websocket's end at the exchange, over real sockets: its replies, its frames, its numbering, and what goes wrong."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.shell.paper_desk import ED, ORDERS, RSA, START, TICKER, Desk, Json, desk, tape
from tests.shell.paper_document import reshaped

from depthwalker.core.book import EMPTY, Book, Leg, apply
from depthwalker.core.channel import BookDelta, BookSnapshot, Channel
from depthwalker.core.line import BookChanged, BookLost
from depthwalker.core.subscriptions import News
from depthwalker.core.tape import Arrive, Flow, Take, Withdraw
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Money, Price
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.dialler import AioHttpDialler, Dropped
from depthwalker.shell.frames import read_frame
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.paper import (
    FRAME,
    HANDSHAKE,
    Answered,
    Blow,
    Delayed,
    Duplicated,
    Held,
    Listing,
    Lost,
    Notice,
    Options,
    Reply,
    Side,
)
from depthwalker.shell.paper.channels import CHANNELS, TYPES
from depthwalker.shell.paper.notices import LevelChanged
from depthwalker.shell.paper.socket import PATH
from depthwalker.shell.signing import Signer
from depthwalker.shell.socket import Pace, Socket
from depthwalker.shell.transport import AioHttpTransport

PATIENCE: Final = 10  # seconds of real time, never waited for unless something is broken
OTHER_TICKER: Final = "PAPER-26-B"
GONE: Final = {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


class Ear:
    """A client of the websocket that writes down what it hears."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self.opened = opened
        self.texts: list[str] = []
        self._commands = 0

    async def next(self) -> Json:
        async with asyncio.timeout(PATIENCE):
            text = await self.opened.receive_str()
        assert text.endswith("\n")
        self.texts.append(text)
        frame: Json = json.loads(text)
        return frame

    async def say(self, cmd: str, **params: object) -> int:
        self._commands += 1
        await self.opened.send_json({"id": self._commands, "cmd": cmd, "params": params})
        return self._commands

    async def heard(self) -> list[Json]:
        """All frames up to now: what follows on them is the answer to a command sent now."""
        number = await self.say("list_subscriptions")
        frames: list[Json] = []
        while True:
            frame = await self.next()
            if frame.get("id") == number:
                return frames
            frames.append(frame)

    async def asked(self, cmd: str, **params: object) -> list[Json]:
        await self.say(cmd, **params)
        return await self.heard()

    async def subscribed(self, *channels: str, **params: object) -> list[Json]:
        return await self.asked("subscribe", channels=list(channels), **params)


@asynccontextmanager
async def listening(me: Desk, *, autoping: bool = True, compress: int = 0) -> AsyncIterator[Ear]:
    headers = me.signer.sign("GET", PATH, me.clock.now())
    url = me.exchange.socket_url
    async with me.session.ws_connect(url, headers=headers, autoping=autoping, compress=compress) as opened:
        yield Ear(opened)


def kinds(frames: list[Json]) -> list[str]:
    return [str(frame["type"]) for frame in frames]


def messages(frames: list[Json], kind: str) -> list[Json]:
    return [frame["msg"] for frame in frames if frame["type"] == kind]


def errors(frames: list[Json]) -> list[tuple[int, str]]:
    return [(msg["code"], msg["msg"]) for msg in messages(frames, "error")]


# The connection


async def test_an_upgrade_without_a_valid_signature_is_refused_in_the_recorded_words() -> None:
    async with desk() as me:
        wrong = me.signer.sign("GET", "/trade-api/ws/v2/margin", me.clock.now())
        for headers in ({}, wrong):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await me.session.ws_connect(me.exchange.socket_url, headers=headers)
            assert refused.value.status == 401
        async with me.session.get(me.exchange.socket_url.replace("ws", "http", 1)) as plain:
            assert await plain.read() == b'{"code":"token_authentication_failure"}'
        async with me.session.get(
            me.exchange.socket_url.replace("ws", "http", 1), headers=me.signer.sign("GET", PATH, me.clock.now())
        ) as plain:
            assert plain.status == 400
        assert me.exchange.socket_url.endswith(PATH)
        assert len(me.exchange.sockets) == 0


async def test_a_heartbeat_comes_every_ten_seconds_and_pings_are_answered() -> None:
    async with desk() as me, listening(me, autoping=False) as ear:
        await ear.heard()
        for _ in range(2):
            await me.clock.move(10)
            ping = await ear.opened.receive()
            assert (ping.type, bytes(ping.data)) == (aiohttp.WSMsgType.PING, b"heartbeat")
            await ear.opened.pong(ping.data)
            await ear.opened.ping(b"x")
            pong = await ear.opened.receive()
            assert (pong.type, bytes(pong.data)) == (aiohttp.WSMsgType.PONG, b"x")


async def test_open_connections_are_closed_when_the_exchange_stops() -> None:
    async with desk() as me, listening(me) as ear, listening(me) as deaf:
        await deaf.heard()
        me.exchange.sockets.strike(Blow.SILENCE)
        async with listening(me) as third:
            await third.heard()
            assert len(me.exchange.sockets) == 3
            await me.exchange.stop()
            goodbye = await third.opened.receive()
            assert (goodbye.type, goodbye.data) == (aiohttp.WSMsgType.CLOSE, 1_001)
        assert (await ear.opened.receive()).type in GONE
        assert len(me.exchange.sockets) == 0


async def test_frames_are_compressed_for_who_asks_for_it() -> None:
    async with desk() as me, listening(me, compress=15) as ear:
        frames = await ear.subscribed("orderbook_delta", market_ticker=TICKER)
        assert kinds(frames) == ["subscribed", "orderbook_snapshot"]
        assert ear.opened.compress == 15


# Commands


async def test_each_channel_is_acknowledged_with_its_own_sid_before_anything_else() -> None:
    async with desk() as me, listening(me) as ear:
        frames = await ear.subscribed(*CHANNELS, market_tickers=[TICKER])
        assert frames[:-1] == [
            {"type": "subscribed", "id": 1, "msg": {"channel": channel, "sid": sid}}
            for sid, channel in enumerate(CHANNELS, 1)
        ]
        assert (frames[-1]["type"], frames[-1]["sid"], frames[-1]["seq"]) == ("orderbook_snapshot", 1, 1)
        number = await ear.say("list_subscriptions")
        listed = [{"channel": channel, "sid": sid} for sid, channel in enumerate(CHANNELS, 1)]
        assert await ear.next() == {"id": number, "type": "ok", "msg": listed}


async def test_the_numbering_is_shared_by_markets_and_by_what_answers_commands() -> None:
    async with desk(Listing(tape()), Listing(tape(ticker=OTHER_TICKER))) as me, listening(me) as ear:
        frames = await ear.subscribed("orderbook_delta", market_ticker=TICKER)
        frames += await ear.asked(
            "update_subscription", sids=[1], action="add_markets", market_tickers=[TICKER, OTHER_TICKER]
        )
        await me.placed()
        await me.placed(ticker=OTHER_TICKER)
        frames += await ear.asked(
            "update_subscription", sid=1, action="get_snapshot", market_tickers=[OTHER_TICKER, TICKER]
        )
        frames += await ear.asked("update_subscription", sids=[1], action="delete_markets", market_ticker=TICKER)
        await me.placed()
        await me.placed(ticker=OTHER_TICKER)
        frames += await ear.asked("unsubscribe", sids=[1])
        assert [(frame["type"], frame.get("id"), frame["seq"]) for frame in frames[1:]] == [
            ("orderbook_snapshot", None, 1),
            ("ok", 3, 2),
            ("orderbook_snapshot", None, 3),
            ("orderbook_delta", None, 4),
            ("orderbook_delta", None, 5),
            ("orderbook_snapshot", 5, 6),
            ("orderbook_snapshot", 5, 7),
            ("ok", 7, 8),
            ("orderbook_delta", None, 9),
            ("unsubscribed", 9, 10),
        ]
        assert messages(frames, "ok") == [
            {"market_tickers": [TICKER, OTHER_TICKER]},
            {"market_tickers": [OTHER_TICKER]},
        ]
        assert frames[-1] == {"type": "unsubscribed", "id": 9, "sid": 1, "seq": 10}
        await me.placed()
        assert await ear.heard() == []


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("{", 1, "Unable to process message"),
        ("[]", 1, "Unable to process message"),
        ('{"id":0,"cmd":"subscribe"}', 1, "Unable to process message"),
        ('{"id":7,"cmd":"subscribe"}', 2, "Params required"),
        ('{"id":7,"cmd":"subscribe","params":{}}', 3, "Channels required"),
        ('{"id":7,"cmd":"unsubscribe","params":{}}', 4, "Subscription IDs required"),
        ('{"id":7,"cmd":"subscribed","params":{}}', 5, "Unknown command"),
        ('{"id":7,"cmd":["subscribe"],"params":{}}', 5, "Unknown command"),
        ('{"id":7,"cmd":"unsubscribe","params":{"sids":[9]}}', 7, "Unknown subscription ID"),
        ('{"id":7,"cmd":"subscribe","params":{"channels":["order"]}}', 8, "Unknown channel name"),
        ('{"id":7,"cmd":"subscribe","params":{"channels":["orderbook_delta"]}}', 14, "Market Ticker required"),
        ('{"id":7,"cmd":"subscribe","params":{"channels":["trade"],"market_tickers":[1]}}', 11, "Invalid parameter"),
        ('{"id":7,"cmd":"subscribe","params":{"channels":["trade"],"use_yes_price":1}}', 11, "Invalid parameter"),
        ('{"id":7,"cmd":"update_subscription","params":{"sids":[1,2]}}', 12, "Exactly one subscription ID is required"),
        ('{"id":7,"cmd":"update_subscription","params":{"sids":[1]}}', 15, "Action required"),
        ('{"id":7,"cmd":"update_subscription","params":{"sids":[9],"action":"x"}}', 7, "Unknown subscription ID"),
        ('{"id":7,"cmd":"update_subscription","params":{"sids":[1],"action":"x"}}', 13, "Unsupported action"),
        ('{"id":7,"cmd":"update_subscription","params":{"sids":[1],"action":"get_snapshot"}}', 13, "Unsupported action"),
        ('{"id":7,"cmd":"update_subscription","params":{"sids":[1],"action":"add_markets"}}', 14, "Market Ticker required"),
    ],
)  # fmt: skip
async def test_a_command_that_cannot_be_carried_out_is_answered_with_its_code(text: str, code: int, words: str) -> None:
    async with desk() as me, listening(me) as ear:
        await ear.subscribed("trade")
        await ear.opened.send_str(text)
        (frame,) = await ear.heard()
        assert (frame["type"], frame.get("id")) == ("error", None if code == 1 else 7)
        assert errors([frame]) == [(code, words)]


async def test_an_unknown_market_is_named_and_the_other_channels_are_opened() -> None:
    async with desk() as me, listening(me) as ear:
        frames = await ear.subscribed("orderbook_delta", "market_lifecycle_v2", market_tickers=[TICKER, "NONE"])
        assert frames[0]["msg"] == {"code": 11, "msg": "Invalid parameter", "market_ticker": "NONE"}
        assert frames[1]["msg"] == {"channel": "market_lifecycle_v2", "sid": 1}
        frames = await ear.asked("update_subscription", sids=[1], action="add_markets", market_tickers=[TICKER])
        assert errors(frames) == [(13, "Unsupported action")]


async def test_markets_may_be_named_by_id_on_the_ticker_channel_which_begins_with_them_if_asked() -> None:
    async with desk(Listing(tape()), Listing(tape(ticker=OTHER_TICKER))) as me, listening(me) as ear:
        frames = await ear.subscribed("ticker", market_ticker=TICKER, send_initial_snapshot=True, skip_ticker_ack=True)
        (msg,) = messages(frames, "ticker")
        assert (msg["market_ticker"], msg["yes_bid_dollars"], msg["yes_ask_dollars"]) == (TICKER, "0.4700", "0.5200")
        frames = await ear.subscribed("ticker", market_ids=[msg["market_id"]])
        assert kinds(frames) == ["subscribed"]
        frames = await ear.asked("update_subscription", sids=[1], action="add_markets", market_tickers=[OTHER_TICKER])
        assert messages(frames, "ok") == [{}]
        await me.placed(price="0.48")
        await me.placed(price="0.20")
        told = messages(await ear.heard(), "ticker")
        assert [(one["market_ticker"], one["yes_bid_dollars"]) for one in told] == [(TICKER, "0.4800")] * 2


# What the channels say


async def everything(me: Desk) -> list[Json]:
    """What all channels say of a session in which everything happens that they tell of."""
    async with listening(me) as ear:
        frames = await ear.subscribed(*CHANNELS, market_tickers=[TICKER], send_initial_snapshot=True)
        frames += await ear.asked("update_subscription", sids=[1], action="add_markets", market_tickers=[OTHER_TICKER])
        made = await me.send("POST", "/portfolio/order_groups/create", {"contracts_limit": 10})
        group = f"/portfolio/order_groups/{made.json()['order_group_id']}"
        await me.placed(order_group_id=made.json()["order_group_id"], expiration_time=START // SECOND + 900)
        await me.send("PUT", group + "/limit", {"contracts_limit": 5})
        for verb in ("trigger", "reset"):
            await me.send("PUT", f"{group}/{verb}")
        await me.send("DELETE", group)
        first = await me.placed(price="0.55", count="5", client_order_id="c")
        await me.placed(side="ask", price="0.56", client_order_id="d")
        await me.other().placed(price="0.56", count="9")
        await me.send("DELETE", f"{ORDERS}/{first}")
        for verb, body in (
            ("deactivate", {}),
            ("activate", {}),
            ("regrid", {"structure": "deci_cent"}),
            ("close", {"in_ms": 1_000}),
            ("determine", {"result": "yes"}),
            ("settle", {}),
        ):
            await me.control("POST", f"/markets/{TICKER}/{verb}", body)
        for fees in ({"fee_type": "flat", "fee_multiplier": "0.5"}, {}):
            assert (await me.control("POST", "/fees", {"event_ticker": "PAPER-26", **fees})).status == 200
        frames += await ear.heard()
        frames += await ear.asked("unsubscribe", sids=[1, 99])
        return frames


def two() -> tuple[Listing, Listing]:
    return Listing(tape()), Listing(tape(ticker=OTHER_TICKER))


async def test_every_frame_is_as_the_document_has_it(shared: Path) -> None:
    checked = Frames(shared)
    async with desk(*two()) as me:
        frames = await everything(me)
    assert [fault for frame in frames for fault in checked.faults(frame)] == []
    assert set(kinds(frames)) == TYPES
    assert checked.faults({"type": "trade", "sid": 1, "msg": {}})


@pytest.mark.parametrize("name", ["noleg", "yes"])
async def test_the_frames_of_a_market_have_the_recorded_keys(shared: Path, name: str) -> None:
    recorded = recording(shared, f"fortuna_demo_2026-06-11/ws__orderbook_trade_{name}")
    async with desk() as me, listening(me) as ear:
        frames = await ear.subscribed("orderbook_delta", "trade", market_tickers=[TICKER], use_yes_price=name == "yes")
        await me.other().placed()
        frames += await ear.heard()
        assert shapes(frames) == shapes(recorded)
        assert kinds(frames[:4]) == kinds(recorded[:4])
        assert [list(frame["msg"]) for frame in frames[:3]] == [list(frame["msg"]) for frame in recorded[:3]]


async def test_all_frames_have_the_recorded_heads_and_order_groups_the_recorded_life(shared: Path) -> None:
    folder = "fortuna_perps_demo_2026-06"
    recorded = recording(shared, f"{folder}/ws__private_lifecycle")
    public = recording(shared, f"{folder}/ws__public_orderbook_ticker")
    async with desk(*two()) as me:
        frames = await everything(me)
    for kind in ("user_order", "fill", "order_group_updates", "ticker", "trade", "orderbook_delta", "subscribed"):
        heads = [{frozenset(frame) for frame in some if frame["type"] == kind} for some in (frames, recorded + public)]
        assert heads[0] == heads[1]
    groups = [
        [(msg["event_type"], set(msg), msg.get("contracts_limit_fp")) for msg in messages(some, "order_group_updates")]
        for some in (frames, recorded)
    ]
    assert groups[0] == groups[1]


async def test_an_account_hears_of_itself_alone_and_everybody_of_the_market() -> None:
    async with desk() as me, listening(me) as mine, listening(me.other()) as theirs:
        for ear in (mine, theirs):
            await ear.subscribed(*CHANNELS, market_tickers=[TICKER])
        await me.placed(price="0.52", count="1", client_order_id="c")
        frames, others = await mine.heard(), await theirs.heard()
        public = ["orderbook_delta", "ticker", "trade", "ticker"]
        assert sorted(kinds(others)) == sorted(public)
        assert sorted(kinds(frames)) == sorted([*public, "fill", "user_order", "market_position"])
        assert messages(frames, "orderbook_delta")[0]["client_order_id"] == "c"
        assert "client_order_id" not in messages(others, "orderbook_delta")[0]
        (fill,), (trade,) = messages(frames, "fill"), messages(frames, "trade")
        assert fill["trade_id"] == trade["trade_id"]
        assert (fill["client_order_id"], fill["is_taker"], fill["post_position_fp"]) == ("c", True, "1.00")
        (order,) = messages(frames, "user_order")
        assert (order["status"], order["fill_count_fp"], order["last_update_reason"]) == ("executed", "1.00", "")
        (position,) = messages(frames, "market_position")
        assert (position["position_fp"], position["volume_fp"]) == ("1.00", "1.00")


async def test_reasons_and_fee_changes_are_told() -> None:
    async with desk(*two()) as me:
        frames = await everything(me)
    reasons = [msg["last_update_reason"] for msg in messages(frames, "user_order")]
    assert reasons == ["", "Decrease", "", "", "Trade", "HaltCancel"]
    assert messages(frames, "event_fee_update") == [
        {"event_ticker": "PAPER-26", "fee_type_override": "flat", "fee_multiplier_override": 0.5},
        {"event_ticker": "PAPER-26", "fee_type_override": None, "fee_multiplier_override": None},
    ]


# The books


def flow() -> list[tuple[int, Flow]]:
    return [
        (5, Take(Leg.NO, Price(5_300), Count(400))),
        (9, Arrive(Leg.YES, Price(4_800), Count(700))),
        (12, Withdraw(Leg.YES, Price(4_800), Count(200))),
        (20, Arrive(Leg.NO, Price(4_900), Count(900))),
        (30, Take(Leg.YES, Price(5_600), Count(1_500))),
    ]


def folded(texts: list[str], *, yes_scale: bool) -> dict[str, Book]:
    """The books to which the frames of the one subscription lead, none of them missing."""
    books: dict[str, Book] = {}
    last = 0
    for text in texts:
        seq = json.loads(text).get("seq")
        assert seq in {None, last + 1}
        last = seq or last
        match read_frame(text, START, yes_scale=yes_scale):
            case BookSnapshot(_, _, ticker, snapshot):
                book = apply(EMPTY, snapshot)
            case BookDelta(_, _, ticker, delta):
                book = apply(books[ticker], delta)
            case _:
                continue
        assert isinstance(book, Book)
        books[ticker] = book
    return books


async def meddle(me: Desk, chance: random.Random, mine: list[str]) -> None:
    """Do something to the market, of which it is no matter whether it is refused."""
    price, ticker = f"0.{chance.randint(40, 59)}", chance.choice([TICKER, OTHER_TICKER])
    side, count = chance.choice(["bid", "ask"]), f"{chance.randint(1, 9)}.{chance.choice(['00', '25'])}"
    roll = chance.random()
    if roll < 0.6 or not mine:
        who = me if chance.random() < 0.7 else me.other()
        placed = await who.create(ticker=ticker, side=side, price=price, count=count)
        mine += [str(placed.json()["order_id"])] if who is me and placed.status == 201 else []
    elif roll < 0.75:
        await me.send("DELETE", f"{ORDERS}/{mine.pop(chance.randrange(len(mine)))}")
    elif roll < 0.85:
        await me.send("POST", f"{ORDERS}/{chance.choice(mine)}/decrease", {"reduce_by": "0.50"})
    elif roll < 0.95:
        terms = {"ticker": ticker, "side": side, "price": price, "count": count}
        await me.send("POST", f"{ORDERS}/{chance.choice(mine)}/amend", terms)
    else:
        await me.clock.move(1)


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_hundreds_of_operations_the_frames_lead_to_the_exchanges_own_books_on_both_scales(
    seed: int,
) -> None:
    chance, mine = random.Random(seed), list[str]()
    listings = (Listing(tape(*flow())), Listing(tape(*flow(), ticker=OTHER_TICKER)))
    wealth = Money(10_000 * MILLION)
    async with (
        desk(*listings, options=Options(write_rate=MILLION), cash=wealth) as me,
        listening(me) as legs,
        listening(me) as yes,
    ):
        for ear, scale in ((legs, False), (yes, True)):
            await ear.subscribed("orderbook_delta", market_tickers=[TICKER, OTHER_TICKER], use_yes_price=scale)
        for number in range(600):
            await meddle(me, chance, mine)
            if number % 50 == 0:
                await yes.say("update_subscription", sids=[1], action="get_snapshot", market_tickers=[TICKER])
        await legs.heard()
        await yes.heard()
        for ear, scale in ((legs, False), (yes, True)):
            books = folded(ear.texts, yes_scale=scale)
            for ticker in (TICKER, OTHER_TICKER):
                true = me.exchange.book(ticker)
                assert (books[ticker].yes, books[ticker].no) == (true.yes, true.no)
        assert len(legs.texts) > 300


# What goes wrong


async def test_a_frame_is_dropped_comes_twice_or_is_held_back() -> None:
    async with desk() as me, listening(me) as ear:
        await ear.subscribed("orderbook_delta", "trade", "fill", "user_orders", market_tickers=[TICKER])
        me.exchange.faults.add(FRAME + "orderbook_delta", Lost(applied=True), nth=2)
        me.exchange.faults.add(FRAME + "orderbook_delta", Duplicated(), nth=3)
        for _ in range(3):
            await me.placed(price="0.20")
        frames = [frame for frame in await ear.heard() if frame["type"] == "orderbook_delta"]
        assert [frame["seq"] for frame in frames] == [2, 4, 4]
        await me.placed(price="0.52", count="1")
        usual = kinds(await ear.heard())
        assert usual == ["orderbook_delta", "trade", "fill", "user_order"]
        me.exchange.faults.add(FRAME + "trade", Held())
        me.exchange.faults.add(FRAME + "fill", Held())
        await me.placed(price="0.52", count="1")
        assert [(await ear.next())["type"] for _ in range(4)] == ["orderbook_delta", "user_order", "trade", "fill"]


async def test_an_overflow_ends_the_subscription_and_nothing_else() -> None:
    async with desk() as me, listening(me) as ear:
        await ear.subscribed("orderbook_delta", "user_orders", market_tickers=[TICKER])
        me.exchange.faults.add(FRAME + "orderbook_delta", Blow.OVERFLOW)
        await me.placed()
        await me.placed()
        frames = await ear.heard()
        assert kinds(frames) == ["error", "user_order", "user_order"]
        assert frames[0] == {"type": "error", "sid": 1, "msg": {"code": 25, "msg": "Subscription buffer overflow"}}
        assert errors(await ear.asked("unsubscribe", sids=[1])) == [(7, "Unknown subscription ID")]
        assert kinds(await ear.subscribed("orderbook_delta", market_ticker=TICKER)) == [
            "subscribed",
            "orderbook_snapshot",
        ]


async def test_who_does_not_read_loses_the_subscription_in_the_end() -> None:
    async with desk() as me:
        me.exchange.sockets.buffer = 4
        async with listening(me) as ear:
            await ear.subscribed("orderbook_delta", market_ticker=TICKER)
            me.exchange.faults.add(FRAME + "orderbook_delta", Delayed(Micros(SECOND)))
            for _ in range(8):
                await me.placed(price="0.20", count="1")
            await me.clock.move(1)
            frames = await ear.heard()
            assert kinds(frames) == [*(["orderbook_delta"] * (len(frames) - 1)), "error"]
            assert 4 <= len(frames) - 1 < 8
            assert errors(frames) == [(25, "Subscription buffer overflow")]


async def test_a_reset_ends_the_connection_without_a_close_frame_and_redialling_meets_a_gateway() -> None:
    async with desk() as me, listening(me) as ear:
        await ear.subscribed("orderbook_delta", market_ticker=TICKER)
        me.exchange.faults.add(FRAME + "orderbook_delta", Blow.RESET)
        me.exchange.faults.add(HANDSHAKE, Answered(Reply(502, b"<html>", "text/html")))
        await me.placed()
        assert (await ear.opened.receive()).type in GONE
        assert ear.opened.close_code == 1_006
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with listening(me):
                pass
        assert refused.value.status == 502
        async with listening(me) as again:
            assert await again.heard() == []
        assert me.exchange.answers[HANDSHAKE, 502] == 1


async def test_a_silent_connection_stays_open_and_says_nothing() -> None:
    async with desk() as me, listening(me, autoping=False) as ear, listening(me) as other:
        await ear.subscribed("orderbook_delta", market_ticker=TICKER)
        me.exchange.faults.add(FRAME + "orderbook_delta", Blow.SILENCE)
        await me.placed()
        await me.clock.move(10)
        await ear.opened.ping()
        await ear.say("list_subscriptions")
        await other.heard()
        await other.heard()
        with pytest.raises(TimeoutError):
            await ear.opened.receive(timeout=0.05)
        assert not ear.opened.closed
        assert len(me.exchange.sockets) == 2


async def test_a_delay_holds_up_everything_after_it() -> None:
    async with desk() as me, listening(me) as ear:
        await ear.subscribed("orderbook_delta", "user_orders", market_tickers=[TICKER])
        me.exchange.faults.add(FRAME + "orderbook_delta", Delayed(Micros(2 * SECOND)))
        await me.placed()
        await ear.say("list_subscriptions")
        with pytest.raises(TimeoutError):
            await ear.opened.receive(timeout=0.05)
        await me.clock.move(2)
        assert [(await ear.next())["type"] for _ in range(3)] == ["orderbook_delta", "user_order", "ok"]


async def test_a_partition_loses_frames_or_commands_of_its_key() -> None:
    async with desk() as me, listening(me) as ear, listening(me.other()) as other:
        for one in (ear, other):
            await one.subscribed("orderbook_delta", market_ticker=TICKER)
        me.exchange.faults.partition(Side.ANSWERS, "key-1")
        await me.other().placed()
        assert kinds(await other.heard()) == ["orderbook_delta"]
        me.exchange.faults.heal()
        await me.placed()
        assert [frame["seq"] for frame in await ear.heard()] == [3]
        me.exchange.faults.partition(Side.REQUESTS, "key-1")
        await ear.say("unsubscribe", sids=[1])
        await ear.say("unsubscribe", sids=[1])
        await other.heard()
        with pytest.raises(TimeoutError):
            await ear.opened.receive(timeout=0.05)


async def test_the_control_endpoint_plans_faults_of_frames_and_strikes_connections() -> None:
    async with desk() as me, listening(me) as ear, listening(me.other()) as other:
        await ear.subscribed("orderbook_delta", "user_orders", market_tickers=[TICKER])
        for fault in ("drop", "hold", "delay", "duplicate", "overflow"):
            plan = {"kind": "frame.orderbook_delta", "fault": fault, "nth": 2}
            assert (await me.control("POST", "/faults", plan)).status == 200
        assert (await me.control("POST", "/faults", {"kind": "socket", "fault": "answer", "status": 502})).status == 200
        for wrong in ({"kind": "frame.x", "fault": "drop"}, {"kind": "frame.trade", "fault": "answer"}):
            assert (await me.control("POST", "/faults", wrong)).status == 400
        told = (await me.control("GET", "/faults")).json()
        assert told["planned"]["frame.orderbook_delta"] == [None, {"fault": "overflow"}]
        assert {"socket", "frame.user_order", "create"} <= set(told["kinds"])
        assert (await me.control("POST", "/sockets", {"fault": "drop"})).status == 400
        struck = await me.control("POST", "/sockets", {"fault": "overflow", "key_id": "key-1"})
        assert struck.json() == {"connections": 1}
        assert [frame["sid"] for frame in await ear.heard()] == [1, 2]
        assert (await me.control("POST", "/sockets", {"fault": "close"})).json() == {"connections": 2}
        for one in (ear, other):
            assert (await one.opened.receive()).type is aiohttp.WSMsgType.CLOSE


# The client against the server


def client(me: Desk, listener: Callable[[News], None]) -> Socket:
    """Our own client, on real time but in a hurry; its signatures bear the exchange's time."""
    pace = Pace(*(Micros(ms * 1_000) for ms in (20, 1_000, 30_000, 10, 50)))
    dialler = AioHttpDialler(me.exchange.socket_url, Signer("key-1", ED), me.clock.now)
    return Socket(dialler, SystemClock(), Still(), listener, (Channel.FILL, Channel.ORDER), pace)


async def test_our_own_client_ends_in_the_true_book_after_a_gap_a_reset_and_a_bad_gateway() -> None:
    async with desk() as me:
        news: asyncio.Queue[News] = asyncio.Queue()
        owner = client(me, news.put_nowait)
        owner.want([TICKER])
        owner.start()
        try:
            await book_told(news, me)
            me.exchange.faults.add(FRAME + "orderbook_delta", Lost(applied=True))
            await me.placed(price="0.30")
            await me.placed(price="0.31")
            assert await told(news, BookLost) == BookLost(TICKER)
            await book_told(news, me)
            me.exchange.faults.add(HANDSHAKE, Answered(Reply(502, b"<html>", "text/html")))
            me.exchange.sockets.strike(Blow.RESET)
            assert await told(news, BookLost) == BookLost(TICKER)
            await me.placed(price="0.32")
            await book_told(news, me)
            me.exchange.sockets.strike(Blow.OVERFLOW)
            await me.placed(price="0.33")
            assert await told(news, BookLost) == BookLost(TICKER)
            await book_told(news, me)
            assert me.exchange.answers[HANDSHAKE, 101] == 2
            assert me.exchange.answers[HANDSHAKE, 502] == 1
        finally:
            await owner.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_our_own_client_ends_in_the_true_book_whatever_befalls_the_frames(seed: int) -> None:
    chance, mine = random.Random(seed), list[str]()
    faults = (Lost(applied=True), Duplicated(), Held(), Blow.OVERFLOW, Blow.RESET)
    listings = (Listing(tape(*flow())), Listing(tape(ticker=OTHER_TICKER)))
    async with desk(*listings, options=Options(write_rate=MILLION)) as me:
        news: asyncio.Queue[News] = asyncio.Queue()
        claimed: set[Book] = set()

        def hear(each: News) -> None:
            news.put_nowait(each)
            claimed.update({undated(each.book)} if isinstance(each, BookChanged) and each.ticker == TICKER else ())

        true = history(me)
        owner = client(me, hear)
        owner.want([TICKER, OTHER_TICKER])
        owner.start()
        try:
            await book_told(news, me)
            for number in range(200):
                if number % 10 == 0:
                    me.exchange.faults.add(FRAME + "orderbook_delta", chance.choice(faults))
                if number % 70 == 0:
                    me.exchange.faults.add(HANDSHAKE, Answered(Reply(502, b"<html>", "text/html")))
                await meddle(me, chance, mine)
            me.exchange.faults.heal()
            await me.placed(price="0.01")
            await book_told(news, me)
            assert claimed <= set(true)
            assert len(claimed) > 1
        finally:
            await owner.close()


async def test_an_upgrade_is_signed_at_the_time_that_the_exchanges_answers_have_told() -> None:
    async with desk() as me, AsyncExitStack() as stack:
        me.exchange.faults.skew = Micros(60 * SECOND)
        signer, wire = Signer("key-1", ED), AioHttpTransport(me.exchange.url)
        stack.push_async_callback(wire.close)
        venue = KalshiVenue(wire, signer, me.clock)
        (await venue.balance()).unwrap()
        ours, theirs = (
            AioHttpDialler(me.exchange.socket_url, signer, now) for now in (me.clock.now, venue.rest.their_now)
        )
        stack.push_async_callback(ours.close)
        stack.push_async_callback(theirs.close)
        with pytest.raises(Dropped, match="401"):
            await ours.dial()
        await (await theirs.dial()).close()


async def test_a_client_that_others_wrote_hears_it_too(tmp_path: Path) -> None:
    pykalshi = pytest.importorskip("pykalshi")
    file = tmp_path / "key.pem"
    file.write_bytes(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    async with desk() as me:
        me.exchange.faults.skew = Micros(SystemClock().now() - START)  # it signs in its own time
        names = {"api_key_id": "key-2", "private_key_path": str(file), "api_base": me.exchange.url}
        async with pykalshi.AsyncKalshiClient(**names, max_retries=0) as theirs:
            feed = theirs.feed()
            feed._ws_url = me.exchange.socket_url
            for channel in ("orderbook_delta", "fill", "user_orders", "market_positions", "trade"):
                feed.subscribe(channel, market_ticker=TICKER)
            async with feed, asyncio.timeout(PATIENCE):
                frames = aiter(feed)
                first = await anext(frames)
                assert (first.market_ticker, first.yes_dollars[-1]) == (TICKER, ("0.4700", "3.00"))
                await theirs.portfolio.place_order(TICKER, book_side="bid", price_dollars="0.5200", count_fp="1.00")
                heard = {type(each).__name__: each for each in [await anext(frames) for _ in range(5)]}
                await frames.aclose()
    assert set(heard) == {f"{each}Message" for each in ("OrderbookDelta", "Trade", "Fill", "Position", "UserOrder")}
    assert (heard["FillMessage"].post_position_fp, heard["UserOrderMessage"].status) == ("1.00", "executed")


def undated(book: Book) -> Book:
    return replace(book, at=START)


def history(me: Desk) -> list[Book]:
    """Every book that the market has from now on."""
    books = [undated(me.exchange.book(TICKER))]

    def follow(notice: Notice) -> None:
        if isinstance(notice, LevelChanged) and notice.ticker == TICKER:
            book = apply(books[-1], notice.delta)
            assert isinstance(book, Book)
            books.append(undated(book))

    me.exchange.notices.subscribe(follow)
    return books


class Still:
    """No chance at all."""

    def hex(self, digits: int) -> str:
        return "0" * digits

    def jitter(self) -> int:
        return 0


async def told(news: "asyncio.Queue[News]", kind: type[News]) -> News:
    async with asyncio.timeout(PATIENCE):
        while True:
            each = await news.get()
            if isinstance(each, kind):
                return each


async def book_told(news: "asyncio.Queue[News]", me: Desk) -> None:
    """Wait until the client's book is the exchange's."""
    true = me.exchange.book(TICKER)
    while True:
        changed = await told(news, BookChanged)
        assert isinstance(changed, BookChanged)
        if (changed.ticker, undated(changed.book)) == (TICKER, undated(true)):
            return


# The reference material


def recording(shared: Path, name: str) -> list[Json]:
    file = shared / "kalshi/recordings" / f"{name}.jsonl"
    if not file.exists():
        pytest.skip("the recordings are not here")
    return [json.loads(line) for line in file.read_text().splitlines() if line]


def shapes(frames: list[Json]) -> dict[str, set[tuple[frozenset[str], frozenset[str]]]]:
    """The keys of each type of frame and of its message."""
    found: dict[str, set[tuple[frozenset[str], frozenset[str]]]] = {}
    for frame in frames:
        found.setdefault(frame["type"], set()).add((frozenset(frame), frozenset(frame["msg"])))
    return found


class Frames:
    """The exchange's AsyncAPI document, by type of frame."""

    def __init__(self, shared: Path) -> None:
        yaml, jsonschema = pytest.importorskip("yaml"), pytest.importorskip("jsonschema")
        file = shared / "kalshi/asyncapi-2026-07.yaml"
        if not file.exists():
            pytest.skip("the document is not here")
        loaded = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        document = reshaped(loaded, type_or_null)
        assert isinstance(document, dict)
        schemas = document["components"]["schemas"]
        self._validators = {
            schema["properties"]["type"]["const"]: jsonschema.Draft7Validator(
                {**document, "$ref": f"#/components/schemas/{name}"},
                format_checker=jsonschema.FormatChecker(),
            )
            for name, schema in schemas.items()
            if "const" in schema.get("properties", {}).get("type", {}) and name != "listSubscriptionsResponsePayload"
        }

    def faults(self, frame: Json) -> list[str]:
        errors = self._validators[frame["type"]].iter_errors(frame)
        return [f"{frame['type']}: {error.json_path} {error.message}" for error in errors]


def type_or_null(table: Json) -> Json:
    """Allow null where a table says `nullable`, which is no word of its schema language."""
    if table.get("nullable") is True and "type" in table:
        return table | {"type": [table["type"], "null"]}
    return table
