"""An engine against a paper exchange over real sockets: what the tests of the shell's loop stand on.

Everything is the real thing; faults come from the exchange's own plan, from a transport that hands requests on, and from a
store that hands calls on. What is checked in the end is what the exchange's books say.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial, reduce
from pathlib import Path
from types import MappingProxyType

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from depthwalker.core.answer import OrderRecord
from depthwalker.core.book import Book, Leg
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Fact, Filled
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ids import parse_client_id
from depthwalker.core.projection import project
from depthwalker.core.row import Projection
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.tape import Arrive, Event, Flow, Take, Tape, play
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Money, Price
from depthwalker.shell.api import Trade
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.engine import Engine
from depthwalker.shell.journal import Store, StoreUnavailable
from depthwalker.shell.paper import Account, Answered, Listing, Lost, Options, PaperExchange, Reply
from depthwalker.shell.ports import Clock, HttpRequest, HttpResponse
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.transport import AioHttpTransport

NONE: Mapping[str, object] = MappingProxyType({})
TICKER = "RIG-26-A"
ME = "me"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("kid", KEY)
A_DAY = Micros(86_400 * SECOND)
CASH = Money(10_000 * 1_000_000)
CENTS = dict(STRUCTURES)["linear_cent"]
LOST = Lost(applied=True)
NEVER_CAME = Lost(applied=False)
PAGE = Answered(Reply(502, b"<html>Bad Gateway</html>", "text/html"))
ACCEPTED_500 = Answered(Reply(500, b'{"error":{"code":"internal_server_error"}}'), applied=True)
TOO_MANY = Answered(Reply(429, b'{"error":{"code":"too_many_requests"}}'))


@dataclass(frozen=True)
class AMarket:
    market_id: str = TICKER
    ticker: str = TICKER


@dataclass(frozen=True)
class AnEdge:
    edge_id: int
    target_price: Decimal | float | str = "0.45"
    position_size: Decimal | float | int | str = 60
    side: str = "yes"
    action: str = "buy"
    market: AMarket = AMarket()


@dataclass(frozen=True)
class AMethod:
    execution_config: Mapping[str, object]
    method_id: int = 1


def simple(seconds: float = 60, **keys: object) -> AMethod:
    """A plain limit order; what the market offers at the target is taken, the rest waits for `seconds`.

    It ends once it is filled, however slow the machine is: less time is for what is not to be filled.
    """
    given = {"algorithm": "simple_limit", "max_slippage_dollars": "0.05", "max_slippage_percent": None}
    return AMethod({**given, "order_timeout_seconds": seconds, **keys})


def walker(seconds: float = 2, *, interval: float = 0.3, policy: str = "tuned", **keys: object) -> AMethod:
    """The walker in two orders, with a tick every `interval` seconds."""
    inner = {
        "walk_interval_seconds": interval,
        "policy": policy,
        "base_increment": "0.01",
        "split_ratios": [0.6, 0.4],
        **keys,
    }
    given = {"algorithm": "dynamic_depth_walker", "max_slippage_dollars": "0.05", "max_slippage_percent": None}
    return AMethod(
        {**given, "order_timeout_seconds": seconds, "dynamic_depth_walker": {"aggressive_increment": "0.02", **inner}}
    )


def ladder(best: int, step: int, counts: Iterable[int]) -> tuple[tuple[Price, Count], ...]:
    """Bids from `best` (1e-4 dollar) down, in contracts."""
    return tuple((Price(best - step * at), Count(100 * count)) for at, count in enumerate(counts))


def quiet(
    *flows: tuple[float, Flow],
    yes: tuple[tuple[Price, Count], ...] = ladder(4_400, 100, (200, 300, 400)),
    no: tuple[tuple[Price, Count], ...] = ladder(5_300, 100, (200, 300, 400)),
    grid: PriceGrid = CENTS,
) -> Tape:
    """A market of 44 bid, 47 offered, in which nothing happens but `flows`, by second."""
    events = tuple(Event(Micros(round(at * SECOND)), flow) for at, flow in flows)
    return Tape(TICKER, grid, Book(yes, no, Micros(0)), events, Micros(3_600 * SECOND))


def sellers(price: int, count: int, *seconds: float) -> tuple[tuple[float, Flow], ...]:
    """Others sell YES (buy NO) down to a YES price, so many contracts at each of these seconds."""
    return tuple((at, Take(Leg.NO, Price(DOLLAR - price), Count(100 * count))) for at in seconds)


class Hurried:
    """The machine's clock, so many times as fast, for what takes long."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._wall = time.time_ns() // 1_000
        self._since = time.monotonic_ns() // 1_000

    def now(self) -> Micros:
        return Micros(self._wall + (time.monotonic_ns() // 1_000 - self._since) * self._times)

    def leap(self, span: Micros) -> None:
        """Let so much time have passed; who sleeps sleeps on for as long as he had left."""
        self._wall += span

    async def sleep_until(self, when: Micros) -> None:
        await asyncio.sleep(0)
        while (left := when - self.now()) > 0:  # noqa: ASYNC110 - nothing signals that the clock got there
            await asyncio.sleep(left / self._times / SECOND)


class Wire:
    """A transport that hands requests on. `before` may raise or wait; every request is checked against the books.

    `told` may change what the exchange answered.
    """

    def __init__(self, inner: AioHttpTransport, check: Callable[[], None]) -> None:
        self.sent: list[HttpRequest] = []
        self.before: Callable[[HttpRequest], Awaitable[None]] | None = None
        self.after: Callable[[HttpRequest], Awaitable[None]] | None = None
        self.told: Callable[[HttpRequest, HttpResponse], HttpResponse] = lambda _, answer: answer
        self.closed = False
        self._inner = inner
        self._check = check

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        if self.before is not None:
            await self.before(request)
        try:
            answer = await self._inner.send(request)
            if self.after is not None:
                await self.after(request)
            return self.told(request, answer)
        finally:
            self._check()

    async def close(self) -> None:
        self.closed = True
        await self._inner.close()


class Shaky:
    """A store that hands calls on; while `down`, or where `fail` says so, it raises StoreUnavailable."""

    def __init__(self, inner: PostgresStore) -> None:
        self.down = False
        self.fail: Callable[[str], str] = lambda _: ""
        self.calls: Counter[str] = Counter()
        self.hang: asyncio.Event | None = None
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., object]:
        real = getattr(self._inner, name)
        if name == "admission":
            return lambda *given: self._admission(real(*given))
        return lambda *given, **named: self._call(name, partial(real, **named), given)

    async def _call(self, name: str, real: Callable[..., Awaitable[object]], given: tuple[object, ...]) -> object:
        self.calls[name] += 1
        if self.hang is not None and name == "append":
            await self.hang.wait()
        mode = "before" if self.down else self.fail(name)
        if mode == "before":
            raise StoreUnavailable("pulled out")
        done = await real(*given)
        if mode == "after":
            raise StoreUnavailable("the answer was lost")
        return done

    @asynccontextmanager
    async def _admission(self, real: AbstractAsyncContextManager[object]) -> AsyncIterator[object]:
        if self.down:
            raise StoreUnavailable("pulled out")
        async with real as admission:
            yield admission
        if self.fail("admission") == "after":
            raise StoreUnavailable("the answer was lost")


def as_store(store: Shaky) -> Store:
    """The same object under the protocol's name: every method it has not, it hands on."""
    return store  # type: ignore[return-value]  # __getattr__ gives them


@dataclass
class Rig:
    """An exchange, a database, and how to open engines on them."""

    exchange: PaperExchange
    dsn: str
    folder: Path
    clock: Clock
    peak: Counter[str] = field(default_factory=Counter)
    wires: list[Wire] = field(default_factory=list)

    def settings(self, keys: Mapping[str, object] = NONE) -> Settings:
        quick: dict[str, object] = {
            "account": ME,
            "book_interval_seconds": "0.2",
            "thin_contracts": 100,
            "liquid_contracts": 3_000,
            "wind_down_seconds": 2,
            "recovery": "off",
            "order_groups": False,
        }
        return Settings.of(
            base_url=self.exchange.url,
            installation="0123abcd",
            state_directory=self.folder,
            **(quick | dict(keys)),
        )

    @asynccontextmanager
    async def engine(
        self,
        keys: Mapping[str, object] = NONE,
        *,
        store: Store | None = None,
        on_turn: Callable[[State, object], None] | None = None,
    ) -> AsyncIterator[Engine]:
        """An engine whose every request is followed by a look at the books."""
        settings = self.settings(keys)
        wire = Wire(AioHttpTransport(settings.base_url), self._look)
        self.wires.append(wire)
        opening = Engine.open(
            settings,
            dsn=self.dsn,
            signer=SIGNER,
            transport=wire,
            store=store,
            clock=self.clock,
            on_turn=on_turn,
        )
        async with opening as engine:
            yield engine
        assert wire.closed

    @asynccontextmanager
    async def shaky(self) -> AsyncIterator[Shaky]:
        """A store that can be pulled out, on the rig's database."""
        async with PostgresStore(self.dsn) as real:
            yield Shaky(real)

    def own(self, execution: str = "") -> tuple[OrderRecord, ...]:
        """Our orders at the exchange, of one execution (its uuid) or of all."""
        return tuple(
            record
            for record in self.exchange.orders(ME)
            if not execution or record.client_order_id.split("-")[2] == execution
        )

    def _look(self) -> None:
        """Keep the most that an execution ever had filled and resting, as the exchange sees it (invariant 1)."""
        could: Counter[str] = Counter()
        for record in self.exchange.orders(ME):
            identity = parse_client_id(record.client_order_id)
            assert identity is not None, record
            could[identity.execution] += record.filled + record.remaining
        self.peak |= could

    # The database, by a connection of our own

    async def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            return list(await (await connection.execute(query.encode(), values)).fetchall())

    async def shows(self, query: str, seconds: float = 10) -> None:
        """Wait until a query finds something."""
        async with asyncio.timeout(seconds):
            while not await self.rows(query):  # noqa: ASYNC110 - nothing signals what is durable
                await asyncio.sleep(0.01)

    async def journal(self, execution_id: int) -> tuple[Fact, ...]:
        async with PostgresStore(self.dsn) as store:
            return await store.load(execution_id)

    async def fold(self, execution_id: int) -> State:
        return reduce(evolve, await self.journal(execution_id), START)

    async def the_state(self) -> State:
        """The fold of the only execution there is."""
        ((execution_id,),) = await self.rows("SELECT execution_id FROM execution_state")
        assert isinstance(execution_id, int)
        return await self.fold(execution_id)

    def sell(self, price: int, *counts: int) -> None:
        """Have others sell so many contracts of YES (buy NO) down to a YES price, now, one after the other."""
        self._happens(*(Take(Leg.NO, Price(DOLLAR - price), Count(100 * count)) for count in counts))

    def buy(self, price: int, count: int) -> None:
        """Have others buy so many contracts of YES up to a price, now."""
        self._happens(Take(Leg.YES, Price(price), Count(100 * count)))

    def bid(self, price: int, count: int) -> None:
        """Have others bid for so many contracts of YES at a price, now."""
        self._happens(Arrive(Leg.YES, Price(price), Count(100 * count)))

    def _happens(self, *flows: Flow) -> None:
        floor, now = self.exchange.exchange.floor(TICKER), self.exchange.exchange.advance()
        for flow in flows:
            self.exchange.exchange.book(floor, floor.do(play(floor.pit, flow, now)), now)

    async def settled(self, trade: Trade, *, alone: bool = True) -> State:
        """Check a finished execution against the exchange's books, and every row against the journal; return its fold."""
        state = await self.fold(trade.execution_id)
        self._look()
        assert self.peak[state.parent.execution] <= state.parent.count, "invariant 1"
        assert state.finished is not None
        assert all(order.phase.value == "closed" for order in state.orders)
        own = self.own(state.parent.execution)
        assert not [record for record in self.exchange.resting(ME) if record in own], "something rests"
        self._ids_are_used_once(own)
        filled = sum(record.filled for record in own)
        assert trade.quantity == Decimal(filled) / 100
        assert trade.result.filled_quantity == trade.quantity
        if alone:
            position = self.exchange.position(ME, TICKER)
            assert position == (filled if state.parent.leg is Leg.YES else -filled)
        await self._fills_agree(trade, state)
        await self._rows_agree(trade, state)
        return state

    def _ids_are_used_once(self, own: Sequence[OrderRecord]) -> None:
        ids = [record.client_order_id for record in own]
        assert len(set(ids)) == len(ids)

    async def _fills_agree(self, trade: Trade, state: State) -> None:
        ours = {record.order_id for record in self.own(state.parent.execution)}
        fills = [fill for fill in self.exchange.fills(ME) if fill.order_id in ours]
        told = [fact.fill for fact in await self.journal(trade.execution_id) if isinstance(fact, Filled)]
        assert {(fill.order_id, fill.trade_id) for fill in told} == {(fill.order_id, fill.trade_id) for fill in fills}
        assert sum(fill.fee for fill in fills) == int(trade.result.fees * 1_000_000)
        assert all(fill.price <= state.parent.cap for fill in fills), "past the cap"
        count = await self.rows("SELECT count(*) FROM execution_fills WHERE execution_id = %s", trade.execution_id)
        assert count == [(len(fills),)]

    async def _rows_agree(self, trade: Trade, state: State) -> None:
        which = trade.execution_id
        row = project(state)
        assert isinstance(row, Projection)
        ((status, filled, rate, fees, error),) = await self.rows(
            "SELECT status, filled_quantity, fill_rate, fees, error_message FROM execution_state WHERE execution_id = %s",
            which,
        )
        assert (status, filled, fees) == (trade.result.status, trade.quantity, trade.result.fees)
        assert error == trade.result.error_message
        assert rate == trade.result.fill_rate
        ((quantity, price),) = await self.rows("SELECT quantity, price FROM trades WHERE execution_id = %s", which)
        assert (quantity, price) == (trade.quantity, trade.price)
        splits = await self.rows("SELECT level, quantity FROM split_orders WHERE execution_id = %s ORDER BY 1", which)
        assert splits == [(part.level, Decimal(part.count) / 100) for part in row.splits]
        orders = await self.rows(
            "SELECT split, birth, filled_quantity, phase FROM child_orders WHERE execution_id = %s ORDER BY 1, 2", which
        )
        assert orders == sorted(
            (one.key.split, one.key.birth, Decimal(one.filled) / 100, one.phase.value) for one in row.orders
        )


@asynccontextmanager
async def rigged(
    dsn: str,
    folder: Path,
    tape: Tape | None = None,
    *,
    clock: Clock | None = None,
    options: Options | None = None,
    cash: Money = CASH,
    closes_after: Micros = A_DAY,
) -> AsyncIterator[Rig]:
    """An exchange with one market and one account, open for as long as the context is."""
    time_ = clock or Hurried(3)
    account = Account(ME, "kid", KEY.public_key(), cash)
    listing = Listing(tape or quiet(), closes_after=closes_after)
    exchange = PaperExchange([listing], [account], time_, SystemChance(), options or Options())
    async with exchange:
        yield Rig(exchange, dsn, folder, time_)


class Moment:
    """Waits for something that a callback sees."""

    def __init__(self) -> None:
        self._seen = asyncio.Event()

    def when(self, holds: Callable[[State], bool]) -> Callable[[State, object], None]:
        def look(state: State, _: object) -> None:
            if holds(state):
                self._seen.set()

        return look

    def set(self) -> None:
        self._seen.set()

    async def come(self) -> None:
        async with asyncio.timeout(10):
            await self._seen.wait()


def rests(state: State) -> bool:
    """Whether an order of the execution is known to rest."""
    return any(order.phase.value == "live" for order in state.orders)


async def abandon(engine: Engine) -> None:
    """End an engine's executions as a dying process does: at once, without a word to the exchange or the store."""
    conducts = tuple(engine._conducts.values())
    for conduct in conducts:
        if conduct.runner is not None:
            conduct.runner._stopping = True
        conduct.task.cancel()
    await asyncio.gather(*(conduct.task for conduct in conducts), return_exceptions=True)


@asynccontextmanager
async def of_another_version(rig: Rig, execution_id: int) -> AsyncIterator[None]:
    """Meanwhile a journal ends with a fact that this version does not know."""
    await rig.rows(
        """
        INSERT INTO execution_journal (execution_id, seq, at, kind, body, epoch)
        SELECT execution_id, max(seq) + 1, clock_timestamp(), 'OfTomorrow', '{"fact": "OfTomorrow", "at": 1}', max(epoch)
        FROM execution_journal WHERE execution_id = %s GROUP BY execution_id RETURNING 1
        """,
        execution_id,
    )
    yield
    async with await psycopg.AsyncConnection.connect(rig.dsn) as connection:
        await connection.execute("ALTER TABLE execution_journal DISABLE TRIGGER execution_journal_append_only")
        await connection.execute("DELETE FROM execution_journal WHERE kind = 'OfTomorrow'")
        await connection.execute("ALTER TABLE execution_journal ENABLE TRIGGER execution_journal_append_only")


def once_fast(hours: int) -> SystemClock:
    """A clock that was fast as its process began, and is right by now: a chip that keeps local time, until the time is set."""
    ahead = hours * 3_600 * 10**9
    clock = SystemClock(lambda: time.time_ns() + ahead)
    clock.now()
    ahead = 0
    return clock


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something outside: the exchange's books, a file."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)
