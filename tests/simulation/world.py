"""One simulated world: a seed draws the market, the parent and what goes wrong; the exchange's books are the judge.

`python -m tests.simulation.world --seeds N [--first SEED] [--jobs N]` runs N of them, and says how to run a failing one again.
"""

import argparse
import asyncio
import gc
import secrets
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from random import Random

from tests.shell.rig import CASH, KEY, SIGNER, AnEdge, quiet, sellers, simple, walker
from tests.simulation.loop import PROCESS, Loop, Process, VirtualClock
from tests.simulation.store import SimulatedStore
from tests.simulation.wire import Desk, SeededChance, SimulatedTransport

from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import Filled
from depthwalker.core.ids import ClientId, parse_client_id
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import DatabaseTrouble, ExchangeTrouble, OrderRefused, Trade, Unresolved
from depthwalker.shell.engine import Engine
from depthwalker.shell.journal import StoreError
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange, Reply
from depthwalker.shell.ports import HttpRequest
from depthwalker.shell.settings import Settings

ME = "me"
KEY_OF_PARENT = "the parent"
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
        self._refused = False
        self._random = random = Random(self.seed)
        self._clock = clock = VirtualClock(loop)
        odds = 0.0 if self.faultless else random.choice((0.02, 0.1, 0.25))
        self._size = random.randint(1, 120)
        times = sorted(random.uniform(0, 4) for _ in range(random.randint(0, 4)))
        tape = quiet(*sellers(random.choice((4_300, 4_500)), random.randint(1, 80), *times))
        options = Options(read_lag=Micros(random.choice((0, 0, 300_000))), read_rate=100_000, write_rate=100_000)
        closes = Micros(round(random.choice((2.0, 86_400.0, 86_400.0)) * SECOND))
        self._closes = closes
        account = Account(ME, "kid", KEY.public_key(), CASH)
        chance = SeededChance(Random(self.seed + 1))
        self._paper = PaperExchange([Listing(tape, closes_after=closes)], [account], clock, chance, options)
        self._desk = Desk(self._paper, options, KEY.public_key(), clock)
        self._store = SimulatedStore(clock, random, odds / 4, self.met)
        self._odds = odds
        self._folder = folder
        seconds = random.randint(1, 3)
        self._method = simple(seconds) if random.random() < 0.5 else walker(seconds)
        dies_at = self.dies_at
        if dies_at is None and not self.faultless and random.random() < 0.5:
            dies_at = random.randint(1, 1_500)
        workers = [self._process(dies_at)]
        if not self.faultless and random.random() < 0.3:
            workers.append(self._process(None))  # two workers for one execution
            self.met["two workers", "execute"] += 1
        ends = await asyncio.gather(*workers)
        trade = next((end for end in ends if end is not None), None)
        if dies_at is not None and trade is None:
            self.met["crash", "process"] += 1
        for _ in range(MOST_TRIES):  # the caller calls again
            if trade is not None or (self._store.rows == {} and self._refused):
                break
            await asyncio.sleep(BETWEEN_TRIES_S)
            trade = await self._process(None)
        await asyncio.sleep(3 * BETWEEN_TRIES_S)  # what was delayed arrives
        self._judge(trade)

    async def _process(self, dies_at: int | None) -> Trade | None:
        """Run a process until it ends or dies; return the trade that it told."""
        process, ended = Process(dies_at), asyncio.Event()
        context = copy_context()
        context.run(PROCESS.set, process)
        task = asyncio.get_running_loop().create_task(self._caller(), context=context)
        process.on_death = lambda: asyncio.get_running_loop().call_soon(ended.set, context=copy_context_of_nobody())
        task.add_done_callback(lambda _: ended.set(), context=copy_context_of_nobody())
        await ended.wait()
        self.steps = max(self.steps, process.steps)
        if not process.dead and task.cancelled():
            self.met["call cancelled from within", "execute"] += 1
        return None if process.dead or task.cancelled() else task.result()

    async def _caller(self) -> Trade | None:
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
            order_groups=False,
            calls_per_minute=100_000,
        )
        wire = SimulatedTransport(self._desk, self._clock, self._random, self._odds, self.met, self._heard)
        chance = SeededChance(Random(self._random.getrandbits(64)))
        opening = Engine.open(
            settings, signer=SIGNER, transport=wire, store=self._store, clock=self._clock, chance=chance
        )
        edge, method = AnEdge(1, position_size=self._size), self._method
        with suppress(Unresolved, DatabaseTrouble, ExchangeTrouble, StoreError):
            async with opening as engine:
                try:
                    return await engine.execute_trade(edge, method, request_key=KEY_OF_PARENT)
                except OrderRefused:
                    self._refused = True
        return None

    def _heard(self, request: HttpRequest, reply: Reply) -> None:
        """Look at the books after everything that took effect."""
        if request.method != "GET":
            at = (self._clock.now() - self._paper.exchange.start) / SECOND
            self.trace.append(f"{at:9.3f} {request.method} {request.path} {request.body!r} -> {reply.status}")
        assert reply.status != 429, "a 429 of our own making"
        self._look()

    def _look(self) -> None:
        could: Counter[str] = Counter()
        names: set[str] = set()
        for order in self._paper.orders(ME):
            identity = parse_client_id(order.client_order_id)
            assert identity is not None
            assert order.client_order_id not in names, "an id twice"
            names.add(order.client_order_id)
            could[identity.execution] += order.filled + order.remaining
        assert len(could) <= 1, "one request key, one execution"
        for most in could.values():
            assert most <= self._size * 100, f"invariant 1: {most} of {self._size * 100}"
        assert all(fill.price <= 5_000 for fill in self._paper.fills(ME)), "past the cap"

    def _judge(self, trade: Trade | None) -> None:
        """Compare how it ended with the exchange's books."""
        self._look()
        assert not self._paper.resting(ME), "something rests"
        fills = self._paper.fills(ME)
        if not self._store.rows:
            assert not self._paper.orders(ME), "orders of nothing"
            return
        (row,) = self._store.rows.values()
        self.executions = 1
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
        assert sorted((f.order_id, f.trade_id) for f in told) == sorted((f.order_id, f.trade_id) for f in fills)
        assert self._paper.position(ME, "RIG-26-A") == sum(fill.count for fill in fills)
        assert trade is None or trade.quantity * 100 == sum(fill.count for fill in fills)


def copy_context_of_nobody() -> Context:
    """Return a context that belongs to no process."""
    context = copy_context()
    context.run(PROCESS.set, None)
    return context


@dataclass(frozen=True)
class Outcome:
    """What a seed came to."""

    seed: int
    executions: int
    met: Counter[tuple[str, str]]
    failure: str


def killed(step: int) -> Outcome:
    """Run the scripted execution, killed at a step and started again."""
    return outcome(SCRIPTED, step)


def prepare() -> None:
    """Leave what is imported out of every collection to come."""
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
    return Outcome(seed, world.executions, world.met, failure)


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
    since, met, executions, faulty, failed = time.monotonic(), Counter[tuple[str, str]](), 0, 0, 0
    with ProcessPoolExecutor(given.jobs, initializer=prepare) as pool:
        for one in pool.map(outcome, range(first, first + given.seeds), chunksize=10):
            met.update(one.met)
            executions += one.executions
            faulty += bool(one.met)
            if one.failure:
                failed += 1
                print(f"seed {one.seed} failed:\n{one.failure}\nagain: make simulate SEEDS=1 SEED={one.seed}")
    for (fault, command), times in sorted(met.items()):
        print(f"{fault:28} {command:20} {times:8}")
    rate = given.seeds / (time.monotonic() - since)
    print(f"{executions} executions, {faulty} of {given.seeds} seeds met a fault, {failed} failed, {rate:.0f} seeds/s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
