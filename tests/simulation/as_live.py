"""The engine beside the laboratory: the same parents on the same market, executed by the real shell in virtual time, and replayed.

`python -m tests.simulation.as_live [RECORDING...] [--algorithm NAME] [--every S] [--most N] [--keep]`

The engine has its feed by websocket, its store, limiter and recovery, and meets the paper exchange's own handlers; each
parent has an exchange to itself that opens shortly before, and all of a market share one store, so that what an engine
learns from earlier parents bears on later ones. Both have the same latency.
"""

import argparse
import asyncio
import gc
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import islice
from pathlib import Path
from random import Random
from typing import Final

from tests.page import DOCS, commit, put
from tests.shell.rig import CASH, KEY, SIGNER, AMarket, AMethod, AnEdge
from tests.simulation.line import SimulatedDialler
from tests.simulation.loop import Loop, VirtualClock
from tests.simulation.store import SimulatedStore
from tests.simulation.wire import Bell, Desk, SeededChance, SimulatedTransport
from tools import lab

from depthwalker.core.algorithms.table import production
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import START, State, evolve, total_cost, total_filled, total_walks
from depthwalker.core.parent import Parent
from depthwalker.core.policy import policy_for
from depthwalker.core.tape import Tape, window
from depthwalker.core.units import CENT, SECOND, Count, Micros, Money, format_count, format_price
from depthwalker.shell.engine import Engine
from depthwalker.shell.lab.asked import names_of, tape_of
from depthwalker.shell.lab.experiment import indexed
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import ORIGIN, QueueModel
from depthwalker.shell.lab.parents import Sampled, sample
from depthwalker.shell.lab.replay import Replay
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.settings import Settings

PAGE: Final = DOCS / "as-live.md"
NAME: Final = "as-live"
BEFORE_S: Final = 125  # of the market an engine has seen when the parent comes
AFTER_S: Final = 80
A_DAY: Final = Micros(86_400 * SECOND)
LATENCY: Final = Micros(30_000)  # the market's way to the engine and a request's way back, in the mean
ME: Final = "me"
WALKER: Final = Algorithm.DYNAMIC_DEPTH_WALKER


@dataclass(frozen=True)
class End:
    """What a parent came to. Money in microdollars."""

    filled: Count
    cost: Money
    fees: Money
    walks: int
    calls: int


@dataclass(frozen=True)
class Pair:
    """One parent, as the laboratory replayed it and as the engine executed it."""

    parent: Parent
    replayed: End
    executed: End

    @property
    def alike(self) -> bool:
        """Return whether both bought as many contracts for the same money."""
        return (self.replayed.filled, self.replayed.cost) == (self.executed.filled, self.executed.cost)


def pairs(source: str, every: Micros, algorithm: Algorithm = WALKER, seed: int = 1) -> Iterator[Pair]:
    """Yield the parents of a recording, or of a synthetic market, both ways. Raises Wrong."""
    tape = tape_of(source, seed)
    index, wanted = indexed(tape), lab.design(every).sampling
    policy = policy_for(replace(wanted.config, algorithm=algorithm))
    replayed: list[tuple[Parent, End]] = []
    for sampled in sample(index, wanted):
        if isinstance(sampled, Sampled):
            run = Replay(Indexed(index, sampled.parent, QueueModel.WORST), policy, production, LATENCY).run()
            replayed.append((sampled.parent, _end(run.state)))
    with Desktop(tape, _method(algorithm)) as engines:
        for parent, end in replayed:
            yield Pair(parent, end, engines.execute(parent))


class Desktop:
    """An engine's computer in virtual time: its store stays, its processes come and go with each parent."""

    def __init__(self, tape: Tape, method: AMethod) -> None:
        self._tape = tape
        self._method = method
        self._loop = Loop()
        self._clock = VirtualClock(self._loop)
        self._store = SimulatedStore(self._clock, Random(1), 0.0, Counter(), set())
        self._folder = tempfile.TemporaryDirectory()
        self._number = 0

    def __enter__(self) -> "Desktop":
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.set_event_loop(None)
        self._loop.end()
        self._folder.cleanup()
        gc.collect()

    def execute(self, parent: Parent) -> End:
        """Return what an engine makes of a parent at the same moment of the market."""
        self._number += 1
        return self._loop.run_until_complete(self._execute(parent, f"parent {self._number}"))

    async def _execute(self, parent: Parent, key: str) -> End:
        random = Random(self._number)
        begins = max(0, parent.started - ORIGIN - BEFORE_S * SECOND)
        seen = parent.started - ORIGIN - begins
        tape = window(self._tape, Micros(begins), Micros(seen + AFTER_S * SECOND))
        options = Options(read_rate=100_000, write_rate=100_000)
        opened = self._clock.now()
        account, listing = Account(ME, "kid", KEY.public_key(), CASH), Listing(tape, closes_after=A_DAY)
        paper = PaperExchange([listing], [account], self._clock, SeededChance(random), options)
        bell = Bell(paper.exchange, self._clock)
        bell.ring()
        desk = Desk(paper, options, KEY.public_key(), self._clock)
        wire = SimulatedTransport(desk, self._clock, random, 0.0, {}, Counter(), lambda *_: bell.ring(), lambda _: None)
        async with Engine.open(
            self._settings(),
            signer=SIGNER,
            transport=wire,
            store=self._store,
            clock=self._clock,
            chance=SeededChance(random),
            dialler=SimulatedDialler(paper.exchange, ME, self._clock, random, 0.0, Counter()),
        ) as engine:
            await engine.watch([tape.ticker])
            await self._clock.sleep_until(Micros(opened + seen))
            trade = await engine.execute_trade(_edge(parent, tape.ticker), self._method, request_key=key)
        bell.stop()
        assert not paper.resting(ME), "something rests"
        return _end(reduce(evolve, self._store.rows[trade.execution_id].facts, START))

    def _settings(self) -> Settings:
        return Settings.of(
            base_url="http://127.0.0.1:1/trade-api/v2",
            installation="0123abcd",
            account=ME,
            state_directory=Path(self._folder.name),
            thin_contracts=100,
            liquid_contracts=3_000,
            calls_per_minute=100_000,
        )


def _method(algorithm: Algorithm) -> AMethod:
    given = {"algorithm": algorithm.value, "order_timeout_seconds": lab.HORIZON // SECOND}
    return AMethod({**given, "max_slippage_percent": "0.025", "max_slippage_dollars": "0.03"})


def _edge(parent: Parent, ticker: str) -> AnEdge:
    ticket = parent.ticket
    return AnEdge(
        1,
        format_price(ticket.target),
        format_count(ticket.count),
        ticket.outcome.value,
        ticket.action.value,
        AMarket(ticker, ticker),
    )


def _end(state: State) -> End:
    filled, cost, fees = total_cost(state)
    assert filled == total_filled(state), "every fill is itemised in the end"
    return End(filled, cost, fees, total_walks(state), state.calls)


HEAD: Final = (
    "| market | parents | alike | filled | | price | | fees | | walks | | calls | |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)


def row(market: str, found: Sequence[Pair]) -> str:
    """Return a market's line: means over its parents, each of the laboratory and of the engine; cents a contract."""
    alike = sum(pair.alike for pair in found)
    both = [[pair.replayed for pair in found], [pair.executed for pair in found]]
    counts = [pair.parent.count for pair in found]
    cells = [
        *(f"{_mean(end.filled / count for end, count in zip(ends, counts, strict=True)):.1%}" for ends in both),
        *(f"{_mean(end.cost / end.filled / CENT for end in ends if end.filled):.3f}" for ends in both),
        *(f"{_mean(end.fees / end.filled / CENT for end in ends if end.filled):.3f}" for ends in both),
        *(f"{_mean(end.walks for end in ends):.2f}" for ends in both),
        *(f"{_mean(end.calls for end in ends):.2f}" for ends in both),
    ]
    return f"| {market} | {len(found):,} | {alike:,} | {' | '.join(cells)} |"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the parents of each market both ways, print a line a market, and keep them if that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.as_live")
    parser.add_argument("data", nargs="*", help="recordings; without any, the synthetic markets")
    parser.add_argument("--algorithm", type=Algorithm, choices=Algorithm, default=WALKER, metavar="NAME")
    parser.add_argument("--every", type=int, default=120, help="seconds from a parent to the next")
    parser.add_argument("--most", type=int, default=100, help="parents of a market")
    parser.add_argument("--keep", action="store_true", help="put the lines into docs/as-live.md")
    given = parser.parse_args(argv)
    logging.disable(logging.WARNING)
    told = [f"At commit {commit()}:", "", *HEAD] if given.keep else [*HEAD]
    markets = list(given.data or PROFILES)
    for source, name in zip(markets, names_of([(one, lab.SEED) for one in markets], lab.ENDINGS), strict=True):
        found = list(islice(pairs(source, Micros(given.every * SECOND), given.algorithm), given.most))
        told.append(row(name, found))
        print(told[-1], flush=True)
    if given.keep:
        put(PAGE, NAME, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
