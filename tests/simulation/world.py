"""One simulated world at work; the exchange's own books are the judge."""

import asyncio
import gc
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import lru_cache, partial, reduce
from pathlib import Path
from random import Random

from tests.shell.rig import CASH, KEY, SIGNER, TICKER, AnEdge
from tests.simulation.circumstances import Circumstances
from tests.simulation.line import SimulatedDialler
from tests.simulation.loop import PROCESS, Loop, Process, VirtualClock, nobody, outside
from tests.simulation.store import Row, SimulatedStore, broken
from tests.simulation.wire import WRITING, Bell, Desk, SeededChance, SimulatedTransport

from depthwalker.core.answer import OrderRecord
from depthwalker.core.book import Leg
from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import Filled
from depthwalker.core.ids import ClientId, parse_client_id
from depthwalker.core.ledger import Ending
from depthwalker.core.replay import Replayed, replay
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import DatabaseTrouble, ExchangeTrouble, OrderRefused, Trade, Unresolved
from depthwalker.shell.engine import Engine
from depthwalker.shell.journal import StoreError
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange, Reply, lifecycle
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.ports import HttpRequest
from depthwalker.shell.settings import Settings

ME = "me"
INSTALLATION = "0123abcd"
BY_HAND = "by-hand-1"
ORDERS = "/trade-api/v2/portfolio/events/orders"
MOST_TRIES = 12
CALM_TRIES = 4
SETTLED_AFTER_S = 20.0  # a market that has closed
BETWEEN_TRIES_S = 20.0
LONGEST_S = 3_600.0
TARGETS = {"yes": "0.45", "no": "0.55"}
CAPS = {Leg.YES: 5_000, Leg.NO: 6_000}  # the target of 0.45 and five cents, buying and selling, and of NO at 0.55
_identity = lru_cache(maxsize=1_000)(parse_client_id)  # the books are looked at after each request
CLIENT_ID = re.compile(r'"(?:updated_)?client_order_id":"([^"]+)"')
INTERRUPTIONS: dict[str, tuple[Callable[[Exchange], None], Callable[[Exchange], None]]] = {
    "trading pause": (lifecycle.pause, lifecycle.resume),
    "exchange pause": (
        partial(lifecycle.pause, what=lifecycle.Pause.EXCHANGE),
        partial(lifecycle.resume, what=lifecycle.Pause.EXCHANGE),
    ),
    "reactivation sweep": (
        partial(lifecycle.deactivate, ticker=TICKER),
        partial(lifecycle.activate, ticker=TICKER),
    ),
}


@dataclass
class World:
    """Circumstances at work. `met` counts faults by command, `trace` tells what took effect at the exchange.

    `touched` are the executions that met a fault between an intent and its answer, `steps` those of the longest process,
    `lapsed` counts the orders that never came before their market was over.
    """

    seed: int
    given: Circumstances
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    steps: int = 0
    executions: int = 0
    lapsed: int = 0
    touched: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Run to the end. Raises AssertionError where an invariant does not hold."""
        loop = Loop()
        try:
            with tempfile.TemporaryDirectory() as folder:
                loop.run_until_complete(asyncio.wait_for(self._live(loop, Path(folder)), LONGEST_S))
        finally:
            # Tasks that a dead coroutine makes while it is closed would stay in a loop that never runs.
            asyncio.set_event_loop(None)
            loop.end()
            gc.collect()  # what dead processes left must not be finalised in the middle of another world

    async def _live(self, loop: Loop, folder: Path) -> None:
        self._random = Random(self.seed)
        self._clock = VirtualClock(loop)
        self._folder = folder
        self._parents = {f"parent {number}": parent for number, parent in enumerate(self.given.parents, 1)}
        self._trades: dict[str, Trade] = {}
        self._refused: set[str] = set()
        self._stopped: set[str] = set()
        self._given_up = False
        self._odds = self.given.odds
        self._losses = dict(self.given.losses)
        self._open_exchange()
        self._store = SimulatedStore(self._clock, self._random, self.given.odds / 8, self.met, self.touched)
        self._interrupt()
        self._bell.ring()
        workers = [self._process(self.given.dies_at)]
        if self.given.second_worker:
            workers.append(self._process(None))
            self.met["two workers", "execute"] += 1
        await asyncio.gather(*workers)
        for left in reversed(range(MOST_TRIES)):
            if not self._untold():
                break
            await asyncio.sleep(BETWEEN_TRIES_S)
            self._odds = self.given.odds * max(0, left - CALM_TRIES) / MOST_TRIES  # whatever fails comes back some time
            self._store.odds = self._odds / 8
            self.met["called again", "execute"] += 1
            await self._process(None)
        await asyncio.sleep(3 * BETWEEN_TRIES_S)  # what was delayed arrives
        self._judge()

    def _open_exchange(self) -> None:
        options = Options(read_lag=Micros(round(self.given.read_lag * SECOND)), read_rate=100_000, write_rate=100_000)
        account = Account(ME, "kid", KEY.public_key(), CASH)
        listing = Listing(self.given.tape, closes_after=Micros(round(self.given.closes * SECOND)))
        self._paper = PaperExchange([listing], [account], self._clock, SeededChance(Random(self.seed + 1)), options)
        self._exchange = self._paper.exchange
        self._bell = Bell(self._exchange, self._clock, self._look)
        self._desk = Desk(self._paper, options, KEY.public_key(), self._clock)
        if self.given.held:
            body = {
                "ticker": TICKER,
                "client_order_id": BY_HAND,
                "side": "bid",
                "price": "0.4700",
                "count": f"{self.given.held}.00",
                "time_in_force": "immediate_or_cancel",
                "self_trade_prevention_type": "taker_at_cross",
            }
            headers = SIGNER.sign("POST", ORDERS, self._clock.now())
            reply = self._desk.answer(HttpRequest("POST", ORDERS, (), headers, json.dumps(body).encode()))
            assert reply.status == 201, reply

    def _interrupt(self) -> None:
        """Have trading, the exchange or the market stop for a while, some time."""
        if self.given.moves_close is not None:
            at, by = self.given.moves_close
            outside(at, partial(self._change, partial(_move_close, seconds=by)))
        if self.given.last_close < LONGEST_S:
            outside(self.given.last_close + SETTLED_AFTER_S, partial(self._change, _settle))
        for one in self.given.interruptions:
            begin, finish = INTERRUPTIONS[one.what]
            outside(one.at, partial(self._change, begin, partial(self._stopped.add, one.what)))
            outside(one.at + one.seconds, partial(self._change, finish, partial(self._stopped.discard, one.what)))

    def _change(self, how: Callable[[Exchange], None], note: Callable[[], None] | None = None) -> None:
        if note is not None:
            note()
        how(self._exchange)
        self._bell.ring()

    def _untold(self) -> frozenset[str]:
        """Return the parents of which the caller does not know yet what became of them."""
        begun = {row.origin.request_key for row in self._store.rows.values()}
        return frozenset(self._parents) - frozenset(self._trades) - (self._refused - begun)

    async def _process(self, dies_at: int | None) -> None:
        """Run a process until it ends or dies."""
        process, ended = Process(dies_at), asyncio.Event()
        context = copy_context()
        context.run(PROCESS.set, process)
        task = asyncio.get_running_loop().create_task(self._caller(), context=context)

        def died() -> None:
            self._touch_what_waits()
            self._store.hang_up(process)
            self._look()
            asyncio.get_running_loop().call_soon(ended.set, context=nobody())

        process.on_death = died
        task.add_done_callback(lambda _: ended.set(), context=nobody())
        await ended.wait()
        self.steps = max(self.steps, process.steps)
        if not process.dead and task.cancelled():
            self.met["call cancelled from within", "execute"] += 1
        if not process.dead and not task.cancelled():
            task.result()

    async def _caller(self) -> None:
        settings = Settings.of(
            base_url="http://127.0.0.1:1/trade-api/v2",
            installation=INSTALLATION,
            account=ME,
            state_directory=self._folder,
            book_interval_seconds="0.2",
            thin_contracts=100,
            liquid_contracts=3_000,
            wind_down_seconds=2,
            recovery="continue",
            order_groups=self.given.groups,
            calls_per_minute=100_000,
        )
        wire = SimulatedTransport(
            self._desk, self._clock, self._random, self._odds, self._losses, self.met, self._heard, self._touch
        )
        chance = SeededChance(Random(self._random.getrandbits(64)))
        dialler = SimulatedDialler(self._exchange, ME, self._clock, self._random, self._odds, self.met)
        opening = Engine.open(
            settings,
            signer=SIGNER,
            transport=wire,
            store=self._store,
            clock=self._clock,
            chance=chance,
            dialler=dialler if self.given.socket else None,
        )
        with suppress(DatabaseTrouble, ExchangeTrouble, StoreError):
            async with opening as engine:
                calls = [asyncio.create_task(self._execute(engine, key)) for key in sorted(self._untold())]
                if self.given.gives_up_at is not None and not self._given_up:
                    self._given_up = True
                    await asyncio.wait(calls, timeout=self.given.gives_up_at)
                    for call in calls:
                        self.met["caller gives up", "execute"] += call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)

    async def _execute(self, engine: Engine, key: str) -> None:
        parent = self._parents[key]
        edge = AnEdge(1, TARGETS[parent.side], parent.size, parent.side, parent.action)
        with suppress(Unresolved, DatabaseTrouble, ExchangeTrouble, StoreError):
            try:
                self._trades[key] = await engine.execute_trade(edge, parent.method, request_key=key)
            except OrderRefused:
                self._refused.add(key)

    def _heard(self, request: HttpRequest, reply: Reply) -> None:
        """Look at the books after everything that took effect."""
        kind = self._desk.route(request)[0].kind
        if kind in WRITING:
            closed = self._clock.now() >= self._exchange.floor(TICKER).close_time
            self.met.update((stop, kind) for stop in self._stopped | ({"market closed"} if closed else set()))
        if request.method != "GET":
            at = (self._clock.now() - self._paper.exchange.start) / SECOND
            self.trace.append(f"{at:9.3f} {request.method} {request.path} {request.body!r} -> {reply.status}")
        assert reply.status != 429, "a 429 of our own making"
        self._bell.ring()

    def _touch(self, request: HttpRequest) -> None:
        """Note the execution whose order's request meets a fault."""
        named = [parse_client_id(text) for text in CLIENT_ID.findall((request.body or b"").decode())]
        named += [
            parse_client_id(one.client_order_id) for one in self._paper.orders(ME) if one.order_id in request.path
        ]
        self.touched.update(one.execution for one in named if one is not None)

    def _touch_what_waits(self) -> None:
        """Note the executions that have an intent without its answer."""
        for row in self._store.rows.values():
            state = reduce(evolve, row.facts, START)
            waiting = [order.request.kind for order in state.orders if order.request is not None]
            self.met.update(("process killed", kind.value) for kind in waiting)
            if waiting:
                self.touched.add(state.parent.execution)

    def _look(self) -> None:
        rows = self._store.rows.values()
        most = {row.parent.execution: self._parents[row.origin.request_key].size * 100 for row in rows}
        assert len({row.origin.request_key for row in rows}) == len(most), "one key, one execution"
        could: Counter[str] = Counter()
        names: set[str] = set()
        for order in self._own_orders():
            identity = _identity(order.client_order_id)
            assert identity is not None
            assert order.client_order_id not in names, "an id twice"
            names.add(order.client_order_id)
            could[identity.execution] += order.filled + order.remaining
            assert order.price <= CAPS[order.leg], "invariant 2: an order past the cap"
        assert could.keys() <= most.keys(), "an order of nothing that was begun"
        for execution, count in could.items():
            assert count <= most[execution], f"invariant 1: {count} of {most[execution]}"
        assert all(fill.price <= CAPS[fill.leg] for fill in self._paper.fills(ME)), "invariant 2: a fill past the cap"

    def _own_orders(self) -> list[OrderRecord]:
        return [order for order in self._paper.orders(ME) if order.client_order_id != BY_HAND]

    def _judge(self) -> None:
        """Compare how it ended with the exchange's books."""
        self._look()
        assert not self._paper.resting(ME), "something rests"
        assert not self._untold(), f"never told: {self._untold()}"
        own = {order.order_id for order in self._own_orders()}
        fills = [fill for fill in self._paper.fills(ME) if fill.order_id in own]
        self.executions = len(self._store.rows)
        told = [fill for row in self._store.rows.values() for fill in self._judge_one(row)]
        assert sorted(told) == sorted((fill.order_id, fill.trade_id) for fill in fills), "the journals' fills"
        bought = sum(fill.count if fill.leg is Leg.YES else -fill.count for fill in fills)
        over = self._exchange.floor(TICKER).settled_at is not None
        assert self._paper.position(ME, TICKER) == (0 if over else self.given.held * 100 + bought)

    def _judge_one(self, row: Row) -> list[tuple[str, str]]:
        """Judge one execution and return the fills that its journal tells."""
        state = reduce(evolve, row.facts, START)
        assert state.finished is not None, "never ended"
        assert not [order for order in state.orders if order.phase.value != "closed"], "final with an order open"
        heard = {order.client_order_id for order in self._paper.orders(ME)}
        mine = state.parent.installation, state.parent.execution
        lapsed = [order for order in state.orders if order.ending is Ending.LAPSED]
        self.lapsed += len(lapsed)
        assert not heard & {ClientId(*mine, one.key.split, one.key.birth).text() for one in lapsed}, (
            "lapsed, and it came"
        )
        told = {
            (fact.fill.order_id, fact.fill.trade_id): fact.fill.count for fact in row.facts if isinstance(fact, Filled)
        }
        assert not broken(row), f"invariants {broken(row)} in the rows"
        assert isinstance(replay(tuple(row.facts)), Replayed), "a decision that is not recomputed"
        trade = self._trades.get(row.origin.request_key)
        assert trade is None or trade.quantity * 100 == sum(told.values()), "what the caller was told"
        return list(told)


def _settle(exchange: Exchange) -> None:
    """Settle the market for good."""
    lifecycle.determine(exchange, TICKER, "yes")
    lifecycle.finalize(exchange, TICKER)


def _move_close(exchange: Exchange, seconds: float) -> None:
    """Move the market's closing time, which may have passed; it closes now at the earliest."""
    closes = exchange.floor(TICKER).close_time
    lifecycle.move_close(exchange, TICKER, Micros(closes + round(seconds * SECOND)))
