"""A client's desk at a paper exchange, over real sockets: what the tests of the exchange share."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from depthwalker.core.book import Book
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.tape import Event, Flow, Tape
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Money, Price
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange
from depthwalker.shell.signing import PrivateKey, Signer

START = Micros(1_781_159_360_000_000)
TICKER = "PAPER-26-A"
ROOT = "/trade-api/v2"
ORDERS = "/portfolio/events/orders"
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ME, OTHER = "me", "other"
USUAL = Options()
CASH = Money(100 * MILLION)

Json = dict[str, Any]  # type: ignore[explicit-any,unused-ignore]  # what a test reads from the wire


class HandClock:
    """Time that moves when the test says so."""

    def __init__(self) -> None:
        self._now = START
        self._moved = asyncio.Condition()

    def now(self) -> Micros:
        return self._now

    async def sleep_until(self, when: Micros) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._now >= when)

    async def move(self, seconds: int) -> None:
        async with self._moved:
            self._now = Micros(self._now + seconds * SECOND)
            self._moved.notify_all()


class SeededChance:
    """Ids that are the same in every run."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def jitter(self) -> int:
        return 0


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Json:
        read: Json = json.loads(self.body)
        return read


def unnoted(*_: object) -> None:
    """Take no note of an answer."""


@dataclass
class Desk:
    """A client of one account, and the exchange behind the socket."""

    exchange: PaperExchange
    session: aiohttp.ClientSession
    clock: HandClock
    signer: Signer
    note: Callable[[str, str, Answer], None] = unnoted

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        signed = dict(self.signer.sign(method, ROOT + path, self.clock.now()) if headers is None else headers)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        signed |= {} if data is None else {"Content-Type": content_type}
        url = URL(self.exchange.url + path, encoded=True)  # as signed: not quoted anew
        async with self.session.request(method, url, data=data, headers=signed) as response:
            answer = Answer(response.status, await response.read())
        self.note(method, path, answer)
        return answer

    def other(self) -> "Desk":
        """The desk of the other account at the same exchange."""
        return Desk(self.exchange, self.session, self.clock, Signer("key-2", RSA), self.note)

    async def control(self, method: str, path: str, body: object = None) -> Answer:
        """Tell the exchange what to do; such requests are not of the contract and not noted."""
        async with self.session.request(method, self.exchange.control_url + path, json=body) as response:
            return Answer(response.status, await response.read())

    async def get(self, path: str) -> Json:
        answer = await self.send("GET", path)
        assert answer.status == 200, answer
        return answer.json()

    async def create(self, **changes: object) -> Answer:
        return await self.send("POST", ORDERS, order(**changes))

    async def placed(self, **changes: object) -> str:
        answer = await self.create(**changes)
        assert answer.status == 201, answer
        return str(answer.json()["order_id"])


def order(**changes: object) -> Json:
    body: Json = {
        "ticker": TICKER,
        "side": "bid",
        "count": "2.00",
        "price": "0.4700",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": False,
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def tape(*flow: tuple[int, Flow], ticker: str = TICKER) -> Tape:
    """A market at 0.47 x 3, 0.45 x 10 against 0.52 x 3, 0.55 x 10, with flow at whole seconds."""
    opening = Book(_levels((4_700, 3), (4_500, 10)), _levels((4_800, 3), (4_500, 10)), Micros(0))
    events = tuple(Event(Micros(second * SECOND), one) for second, one in flow)
    return Tape(ticker, CENT_GRID, opening, events, Micros(60 * SECOND))


def _levels(*levels: tuple[int, int]) -> tuple[tuple[Price, Count], ...]:
    return tuple((Price(price), Count(count * 100)) for price, count in levels)


@asynccontextmanager
async def desk(
    *listings: Listing,
    options: Options = USUAL,
    key: PrivateKey = ED,
    cash: Money = CASH,
    note: Callable[[str, str, Answer], None] = unnoted,
    account: Account | None = None,
) -> AsyncIterator[Desk]:
    clock = HandClock()
    accounts = [
        account or Account(ME, "key-1", key.public_key(), cash),
        Account(OTHER, "key-2", RSA.public_key(), CASH),
    ]
    markets = listings or (Listing(tape()),)
    async with (
        PaperExchange(markets, accounts, clock, SeededChance(), options) as exchange,
        aiohttp.ClientSession() as session,
    ):
        yield Desk(exchange, session, clock, Signer("key-1", key), note)


def error(code: str, message: str = "", **details: str) -> bytes:
    body = {"error": {"code": code, "message": message or code.replace("_", " "), **details}}
    return json.dumps(body, separators=(",", ":")).encode()
