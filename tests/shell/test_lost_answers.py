"""A create whose first two answers get lost: exactly one order is live, and the caller is told that it is live.

The exchange here is a raw socket that takes a request in, does what it says and then answers, hangs up or keeps silent. The
caller is the core: it decides, the client sends, the reply becomes a fact. No other client passes this (two orders, or an error).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.shell.clocks import SteppingClock

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import EMPTY, Book, Leg, Snapshot, apply
from depthwalker.core.command import Burn, Claim, Command, Lookup, Place, intents
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Fact, Planned, Started
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import NO_HISTORY
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Kind, OrderKey, Phase, Style
from depthwalker.core.parent import Action, Holding, Identity, Parent, Ticket, admit
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.reply import create_reply, itemisation_due, lookup_reply
from depthwalker.core.split import Split
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.core.view import Conditions, look
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.ports import PlaceRequest
from depthwalker.shell.reading import EPOCH, MICROSECOND
from depthwalker.shell.signing import Signer
from depthwalker.shell.transport import AioHttpTransport, Timeouts

NOW = Micros(1_781_159_360 * SECOND)
QUICK = Timeouts(connect=SECOND, send=SECOND, answer=Micros(50_000))
TURN = Micros(SECOND // 2)
MOST_TURNS = 60

Fate = Literal["answered", "hung up on", "not answered", "not taken in"]


@dataclass
class Wire:
    """An exchange at the other end of a socket; each create meets the next of its fates, and the last for ever."""

    fates: tuple[Fate, ...]
    creates: list[str] = field(default_factory=list)
    orders: dict[str, dict[str, object]] = field(default_factory=dict)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"):
                lengths = [int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")]
                body = await reader.readexactly(lengths[0] if lengths else 0)
                method, target, _ = head[0].split(" ")
                if not self._serve(method, target, body, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _serve(self, method: str, target: str, body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Do what was asked and answer if that is its fate; return whether the connection stays."""
        if method == "GET":
            rows: object = list(self.orders.values()) if "/portfolio/orders" in target else []
            _answer(writer, 200, {"orders" if "/portfolio/orders" in target else "fills": rows, "cursor": ""})
            return True
        asked = json.loads(body)
        fate = self.fates[min(len(self.creates), len(self.fates) - 1)]
        self.creates.append(asked["client_order_id"])
        if fate == "not taken in":
            return False
        status, said = self._create(asked)
        if fate == "answered":
            _answer(writer, status, said)
        return fate != "hung up on"

    def _create(self, asked: dict[str, str]) -> tuple[int, object]:
        client_id = asked["client_order_id"]
        if client_id in self.orders:
            return 409, {"error": {"code": "order_already_exists", "message": "order already exists"}}
        order_id, rests = f"o{len(self.orders) + 1}", asked["time_in_force"] == "good_till_canceled"
        self.orders[client_id] = {
            "order_id": order_id,
            "client_order_id": client_id,
            "ticker": asked["ticker"],
            "book_side": asked["side"],
            "status": "resting" if rests else "canceled",
            "yes_price_dollars": asked["price"],
            "initial_count_fp": asked["count"],
            "fill_count_fp": "0.00",
            "remaining_count_fp": asked["count"] if rests else "0.00",
            "taker_fees_dollars": "0.000000",
            "maker_fees_dollars": "0.000000",
            "created_time": (EPOCH + NOW * MICROSECOND).isoformat(),
        }
        ids = {"order_id": order_id, "client_order_id": client_id}
        return 201, {**ids, "fill_count": "0.00", "remaining_count": asked["count"] if rests else "0.00"}

    def resting(self) -> list[object]:
        return [order["order_id"] for order in self.orders.values() if order["status"] == "resting"]


def _answer(writer: asyncio.StreamWriter, status: int, body: object) -> None:
    text = json.dumps(body).encode()
    writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)


@asynccontextmanager
async def connected(*fates: Fate) -> AsyncIterator[tuple[Wire, KalshiVenue, SteppingClock]]:
    wire, clock = Wire(fates), SteppingClock(NOW)
    listener = await asyncio.start_server(wire, "127.0.0.1", 0)
    transport = AioHttpTransport(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", QUICK)
    try:
        yield wire, KalshiVenue(transport, Signer("key-1", Ed25519PrivateKey.generate()), clock), clock
    finally:
        await transport.close()
        listener.close()
        await listener.wait_closed()


class Caller:
    """The core with the client for a hand: one split of ten contracts that shall rest at the best bid."""

    def __init__(self, venue: KalshiVenue, clock: SteppingClock) -> None:
        self.venue, self.clock = venue, clock
        market = Market("T", "E", MarketStatus.ACTIVE, CENT_GRID, Micros(NOW * 2), 0)
        ticket = Ticket(Leg.YES, Action.BUY, Count(1_000), Price(4_800))
        identity = Identity("0123abcd", "0123456789abcdef" * 2)
        self.parent: Parent = admit(
            ticket, market, STANDARD, DEFAULT_EXECUTION, Holding(Count(0), Count(0)), identity, NOW, SECOND
        ).unwrap()
        self.policy: Policy = policy_for(DEFAULT_EXECUTION)
        self.state: State = START
        self.sent: list[str] = []
        split = Split(1, Price(4_700), self.parent.count)
        self.note(Started(self.parent, self.policy, NOW), Planned(Algorithm.SIMPLE_LIMIT, "", (split,), NOW))

    def note(self, *facts: Fact) -> None:
        for fact in facts:
            self.state = evolve(self.state, fact)

    async def work(self) -> None:
        """Decide and act until an order is known to be live."""
        for _ in range(MOST_TURNS):
            if any(order.phase is Phase.LIVE for order in self.state.orders):
                return
            now = self.clock.now()
            conditions = Conditions(self.parent.grid, STANDARD, 90, 0, 5, 10_000, True)
            view = look(book(now), NO_HISTORY, self.parent.leg, self.state.cap, (), (), conditions, now)
            commands = decide(self.state, view, self.policy)
            self.note(*intents(commands, view))
            for command in commands:
                self.note(*await self.act(command))
            await self.clock.sleep_until(Micros(now + TURN))
        pytest.fail(f"no order is known to be live: {self.state.orders}")

    async def act(self, command: Command) -> tuple[Fact, ...]:
        match command:
            case Place(key, price, count, style):
                return (await self.create(key, Kind.PLACE, price, count, style),)
            case Claim(key, price, count, style):
                return (await self.create(key, Kind.CLAIM, price, count, style),)
            case Burn(key, price):
                return (await self.create(key, Kind.BURN, price, Count(1), Style.TAKE),)
            case Lookup():
                orders = await self.venue.orders("T", NOW)
                fills = await self.venue.fills("T", NOW, ()) if itemisation_due(self.state, orders) else None
                return lookup_reply(self.state, orders, fills, self.clock.now())
            case _:
                return ()

    async def create(self, key: OrderKey, kind: Kind, price: Price, count: Count, style: Style) -> Fact:
        self.sent.append(kind.value)
        rests = style is Style.REST
        request = PlaceRequest(
            ticker="T",
            client_order_id=ClientId(self.parent.installation, self.parent.execution, key.split, key.birth).text(),
            leg=self.parent.leg,
            price=price,
            count=count,
            immediate=not rests,
            post_only=rests,
            expires=self.parent.expires if rests else None,
        )
        return create_reply(key, kind, await self.venue.place(request), self.clock.now())


def book(now: Micros) -> Book:
    """Return a quiet book: bid 0.47, offer 0.53."""
    seen = apply(EMPTY, Snapshot(((Price(4_700), Count(50_000)),), ((Price(4_700), Count(50_000)),), now))
    assert isinstance(seen, Book)
    return seen


@pytest.mark.parametrize(
    "fates",
    [
        ("hung up on", "hung up on", "answered"),
        ("not answered", "not answered", "answered"),
        ("not taken in", "hung up on", "answered"),
    ],
    ids=" then ".join,
)
async def test_with_the_first_two_answers_lost_one_order_is_live_and_known_to_be(fates: tuple[Fate, ...]) -> None:
    async with connected(*fates) as (wire, venue, clock):
        caller = Caller(venue, clock)
        await caller.work()

    assert len(wire.creates) == 3
    assert len(set(wire.creates)) == 1, "a retry sends the id that it retries"
    (order,) = caller.state.orders
    assert (order.phase, [order.order_id]) == (Phase.LIVE, wire.resting())


async def test_an_order_that_never_arrived_is_spent_before_another_is_sent() -> None:
    async with connected("not taken in", "not taken in", "answered") as (wire, venue, clock):
        caller = Caller(venue, clock)
        await caller.work()

    spent, live = caller.state.orders
    assert caller.sent == ["place", "claim", "burn", "place"]
    assert len(set(wire.creates)) == 2, "the first id is burned, the order that replaces it has its own"
    assert (spent.phase, live.phase, [live.order_id]) == (Phase.CLOSED, Phase.LIVE, wire.resting())


async def test_with_every_answer_lost_the_list_tells_of_the_one_live_order() -> None:
    async with connected("hung up on") as (wire, venue, clock):
        caller = Caller(venue, clock)
        await caller.work()

    assert len(set(wire.creates)) == 1
    assert [order.order_id for order in caller.state.orders] == wire.resting()
