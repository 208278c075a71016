"""One simulated world: a seed draws the market, the parent and what goes wrong; the exchange's books are the judge.

`python -m tests.simulation.world --seeds N [--first SEED] [--jobs N]` runs N of them, and says how to run a failing one again.
"""

import argparse
import asyncio
import gc
import logging
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from random import Random

from tests.shell.rig import CASH, KEY, SIGNER, TICKER, AMethod, AnEdge, quiet, sellers, simple, walker
from tests.simulation.line import SimulatedDialler
from tests.simulation.loop import PROCESS, Loop, Process, VirtualClock, nobody, outside
from tests.simulation.store import Row, SimulatedStore
from tests.simulation.wire import Desk, SeededChance, SimulatedTransport

from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import Filled
from depthwalker.core.ids import ClientId, parse_client_id
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import DatabaseTrouble, ExchangeTrouble, OrderRefused, Trade, Unresolved
from depthwalker.shell.engine import Engine
from depthwalker.shell.journal import StoreError
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange, Reply, lifecycle
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.ports import HttpRequest
from depthwalker.shell.settings import Settings

ME = "me"
MOST_PARENTS = 4
MARKET = "market"
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
MOST_TRIES = 12
BETWEEN_TRIES_S = 20.0
TRACE = 25
SCRIPTED = 1
LONGEST_S = 3_600.0


@dataclass
class World:
    """A seed at work. `met` counts faults by command, `trace` tells what took effect at the exchange."""

    seed: int
    dies_at: int | None = None  # instead of a step that the seed draws
    faultless: bool = False
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    steps: int = 0
    executions: int = 0
    touched: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Run to the end. Raises AssertionError where an invariant does not hold."""
        loop = Loop()
        try:
            with tempfile.TemporaryDirectory() as folder:
                loop.run_until_complete(asyncio.wait_for(self._live(loop, Path(folder)), LONGEST_S))
        finally:
            loop.end()
            gc.collect()  # what dead processes left must not be finalised in the middle of another world

    async def _live(self, loop: Loop, folder: Path) -> None:
        self._random = random = Random(self.seed)
        self._clock = clock = VirtualClock(loop)
        odds = 0.0 if self.faultless else random.choice((0.05, 0.2, 0.5))
        parents = 1 if self.faultless else random.randint(1, MOST_PARENTS)
        self._sizes = {f"parent {number}": random.randint(1, 120) for number in range(1, parents + 1)}
        self._trades: dict[str, Trade] = {}
        self._refused: set[str] = set()
        times = sorted(random.uniform(0, 4) for _ in range(random.randint(0, 4)))
        tape = quiet(*sellers(random.choice((4_300, 4_500)), random.randint(1, 80), *times))
        options = Options(read_lag=Micros(random.choice((0, 0, 300_000))), read_rate=100_000, write_rate=100_000)
        closes = Micros(round(random.choice((2.0, 86_400.0, 86_400.0)) * SECOND))
        self._closes = closes
        account = Account(ME, "kid", KEY.public_key(), CASH)
        chance = SeededChance(Random(self.seed + 1))
        self._paper = PaperExchange([Listing(tape, closes_after=closes)], [account], clock, chance, options)
        self._desk = Desk(self._paper, options, KEY.public_key(), clock)
        self._store = SimulatedStore(clock, random, odds / 8, self.met, self.touched)
        self._odds = odds
        self._folder = folder
        self._groups, self._socket = random.random() < 0.5, random.random() < 0.5
        self._alarm: asyncio.TimerHandle | None = None
        self._exchange = self._paper.exchange
        if not self.faultless:
            self._interrupt()
        self._go_on()
        self._methods = {key: self._draw_method() for key in self._sizes}
        dies_at = self.dies_at
        if dies_at is None and not self.faultless and random.random() < 0.5:
            dies_at = random.randint(1, 1_500)
        workers = [self._process(dies_at)]
        if not self.faultless and random.random() < 0.3:
            workers.append(self._process(None))  # two workers for one execution
            self.met["two workers", "execute"] += 1
        died = await asyncio.gather(*workers)
        self.met["crash", "process"] += sum(died)
        for _ in range(MOST_TRIES):
            if not self._open():
                break
            await asyncio.sleep(BETWEEN_TRIES_S)
            self.met["called again", "execute"] += 1
            await self._process(None)
        await asyncio.sleep(3 * BETWEEN_TRIES_S)  # what was delayed arrives
        self._judge()

    def _go_on(self) -> None:
        """Let the exchange do what is due, now and whenever something is."""
        self._exchange.advance()
        if self._alarm is not None:
            self._alarm.cancel()
        due = self._exchange.due()
        self._alarm = None if due is None else outside((due - self._clock.now()) / SECOND, self._go_on)

    def _interrupt(self) -> None:
        """Have trading, the exchange or the market stop for a while, some time."""
        if self._closes < LONGEST_S * SECOND:
            self.met["market closes", MARKET] += 1
        for name, (begin, finish) in INTERRUPTIONS.items():
            if self._random.random() < 0.1:
                at, seconds = self._random.uniform(0, 4), self._random.uniform(0.1, 6)
                self.met[name, MARKET] += 1
                outside(at, partial(self._change, begin))
                outside(at + seconds, partial(self._change, finish))

    def _change(self, how: Callable[[Exchange], None]) -> None:
        how(self._exchange)
        self._go_on()

    def _draw_method(self) -> AMethod:
        seconds = self._random.randint(1, 3)
        return simple(seconds) if self._random.random() < 0.5 else walker(seconds)

    def _open(self) -> frozenset[str]:
        """Return the parents of which the caller does not know yet what became of them."""
        begun = {row.origin.request_key for row in self._store.rows.values()}
        return frozenset(self._sizes) - frozenset(self._trades) - (self._refused - begun)

    async def _process(self, dies_at: int | None) -> bool:
        """Run a process until it ends or dies; return whether it died."""
        process, ended = Process(dies_at), asyncio.Event()
        context = copy_context()
        context.run(PROCESS.set, process)
        task = asyncio.get_running_loop().create_task(self._caller(), context=context)

        def died() -> None:
            self._touch_what_waits()
            asyncio.get_running_loop().call_soon(ended.set, context=nobody())

        process.on_death = died
        task.add_done_callback(lambda _: ended.set(), context=nobody())
        await ended.wait()
        self.steps = max(self.steps, process.steps)
        if not process.dead and task.cancelled():
            self.met["call cancelled from within", "execute"] += 1
        if not process.dead and not task.cancelled():
            task.result()
        return process.dead

    async def _caller(self) -> None:
        settings = Settings.of(
            base_url="http://127.0.0.1:1/trade-api/v2",
            installation="0123abcd",
            account=ME,
            state_directory=self._folder,
            book_interval_seconds="0.2",
            thin_contracts=100,
            liquid_contracts=3_000,
            wind_down_seconds=2,
            recovery="continue",
            order_groups=self._groups,
            calls_per_minute=100_000,
        )
        wire = SimulatedTransport(self._desk, self._clock, self._random, self._odds, self.met, self._heard, self._touch)
        chance = SeededChance(Random(self._random.getrandbits(64)))
        dialler = SimulatedDialler(self._exchange, ME, self._clock, self._random, self._odds, self.met)
        opening = Engine.open(
            settings,
            signer=SIGNER,
            transport=wire,
            store=self._store,
            clock=self._clock,
            chance=chance,
            dialler=dialler if self._socket else None,
        )
        with suppress(DatabaseTrouble, ExchangeTrouble, StoreError):
            async with opening as engine:
                await asyncio.gather(*(self._execute(engine, key) for key in sorted(self._open())))

    async def _execute(self, engine: Engine, key: str) -> None:
        edge = AnEdge(1, position_size=self._sizes[key])
        with suppress(Unresolved, DatabaseTrouble, ExchangeTrouble, StoreError):
            try:
                self._trades[key] = await engine.execute_trade(edge, self._methods[key], request_key=key)
            except OrderRefused:
                self._refused.add(key)

    def _heard(self, request: HttpRequest, reply: Reply) -> None:
        """Look at the books after everything that took effect."""
        if request.method != "GET":
            at = (self._clock.now() - self._paper.exchange.start) / SECOND
            self.trace.append(f"{at:9.3f} {request.method} {request.path} {request.body!r} -> {reply.status}")
        assert reply.status != 429, "a 429 of our own making"
        self._look()
        self._go_on()

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
            if any(order.request is not None for order in state.orders):
                self.touched.add(state.parent.execution)

    def _look(self) -> None:
        most = {row.parent.execution: self._sizes[row.origin.request_key] * 100 for row in self._store.rows.values()}
        assert len({row.origin.request_key for row in self._store.rows.values()}) == len(most), "one key, one execution"
        could: Counter[str] = Counter()
        names: set[str] = set()
        for order in self._paper.orders(ME):
            identity = parse_client_id(order.client_order_id)
            assert identity is not None
            assert order.client_order_id not in names, "an id twice"
            names.add(order.client_order_id)
            could[identity.execution] += order.filled + order.remaining
        assert could.keys() <= most.keys(), "an order of nothing that was begun"
        for execution, count in could.items():
            assert count <= most[execution], f"invariant 1: {count} of {most[execution]}"
        assert all(fill.price <= 5_000 for fill in self._paper.fills(ME)), "past the cap"

    def _judge(self) -> None:
        """Compare how it ended with the exchange's books."""
        self._look()
        assert not self._paper.resting(ME), "something rests"
        assert not self._open() or self._closes < LONGEST_S * SECOND, f"never told: {self._open()}"
        fills = self._paper.fills(ME)
        self.executions = len(self._store.rows)
        told = [fill for row in self._store.rows.values() for fill in self._judge_one(row)]
        assert sorted(told) == sorted((fill.order_id, fill.trade_id) for fill in fills), "the journals' fills"
        assert self._paper.position(ME, TICKER) == sum(fill.count for fill in fills)

    def _judge_one(self, row: Row) -> list[tuple[str, str]]:
        """Judge one execution and return the fills that its journal tells."""
        state = reduce(evolve, row.facts, START)
        left = [order for order in state.orders if order.phase.value != "closed"]
        if state.finished is None:
            # An id that the exchange never heard of cannot be burned in a closed market: that alone may stay unresolved.
            assert self._closes < LONGEST_S * SECOND, "never ended"
            heard = {order.client_order_id for order in self._paper.orders(ME)}
            mine = state.parent.installation, state.parent.execution
            assert left, "never ended, with nothing open"
            assert not heard & {ClientId(*mine, one.key.split, one.key.birth).text() for one in left}, "never resolved"
        else:
            assert not left, "final with an order open"
        told = [fact.fill for fact in row.facts if isinstance(fact, Filled)]
        trade = self._trades.get(row.origin.request_key)
        assert trade is None or trade.quantity * 100 == sum(fill.count for fill in told)
        return [(fill.order_id, fill.trade_id) for fill in told]


@dataclass(frozen=True)
class Outcome:
    """What a seed came to."""

    seed: int
    executions: int
    touched: int
    met: Counter[tuple[str, str]]
    failure: str


def killed(step: int) -> Outcome:
    """Run the scripted execution, killed at a step and started again."""
    return outcome(SCRIPTED, step)


def prepare() -> None:
    """Leave what is imported out of every collection to come, and say nothing of troubles that are meant."""
    logging.disable(logging.CRITICAL)
    gc.collect()
    gc.freeze()


def outcome(seed: int, dies_at: int | None = None) -> Outcome:
    """Run a seed; without its faults where a step to die at is given."""
    world = World(seed, dies_at, faultless=dies_at is not None)
    failure = ""
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed failed
        failure = "\n".join([*world.trace[-TRACE:], f"{type(error).__name__}: {error}"])
    return Outcome(seed, world.executions, len(world.touched), world.met, failure)


def crash(jobs: int) -> int:
    """Kill the scripted execution at each of its steps, start it again, and print what came of it."""
    whole = World(SCRIPTED, faultless=True)
    whole.run()
    with ProcessPoolExecutor(jobs, initializer=prepare) as pool:
        ends = list(pool.map(killed, range(1, whole.steps + 1), chunksize=10))
    failures = [f"step {step}:\n{end.failure}" for step, end in enumerate(ends, 1) if end.failure]
    print(*failures, f"killed at each of {whole.steps} steps, {len(failures)} failed", sep="\n")
    return 1 if failures else 0


def main() -> int:
    """Run seeds and print what they met."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=None)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--crash", action="store_true", help="kill one scripted execution at every step")
    given = parser.parse_args()
    if given.crash:
        return crash(given.jobs)
    first = secrets.randbelow(10**9) if given.first is None else given.first
    print(f"seeds {first} to {first + given.seeds - 1}")
    since, met, executions, touched, failed = time.monotonic(), Counter[tuple[str, str]](), 0, 0, 0
    with ProcessPoolExecutor(given.jobs, initializer=prepare) as pool:
        for one in pool.map(outcome, range(first, first + given.seeds), chunksize=10):
            met.update(one.met)
            executions += one.executions
            touched += one.touched
            if one.failure:
                failed += 1
                print(f"seed {one.seed} failed:\n{one.failure}\nagain: make simulate SEEDS=1 SEED={one.seed}")
    for (fault, command), times in sorted(met.items()):
        print(f"{fault:28} {command:20} {times:8}")
    rate = given.seeds / (time.monotonic() - since)
    print(
        f"{executions} executions, {touched} of them met a fault between an intent and its answer, {failed} seeds failed, {rate:.0f} seeds/s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
