"""A process of the week: it goes on with the run where the database says that it stands, in virtual time, until it is killed.

Every hour a burst of parents, as if the command were started by the hour: an engine is opened, executes them and closes. What
it does is told as lines of JSON on standard output, and every fill of its exchange is in a file before anybody hears of it.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import psycopg
from rich.console import Console
from tests.paper_week.loop import Loop, PausingStore
from tests.paper_week.market import A_BURST, EVERY, SPAN_S, tapes
from tests.shell.rig import CASH, KEY, ME, SIGNER
from tests.simulation.line import SimulatedDialler
from tests.simulation.loop import VirtualClock, outside
from tests.simulation.wire import Desk, SeededChance, SimulatedTransport
from typing_extensions import override

from depthwalker.core.outcome import Success
from depthwalker.core.parent import Ticket
from depthwalker.core.rollout import Move
from depthwalker.core.schedule import Schedule
from depthwalker.core.tape import Tape
from depthwalker.core.units import CONTRACT, SECOND, Count, Micros, Money
from depthwalker.shell.board import Board
from depthwalker.shell.config import parse_config
from depthwalker.shell.engine import Engine
from depthwalker.shell.follow import Follower
from depthwalker.shell.lane import Lane
from depthwalker.shell.paper import Account, Options, PaperExchange, lifecycle
from depthwalker.shell.paper.notices import Filled, Notice
from depthwalker.shell.paper_markets import Draw, Sessions, session_of
from depthwalker.shell.paper_run import PaperRun, left_by, prefix
from depthwalker.shell.rollout import look_at, make
from depthwalker.shell.settings import PAPER, Settings

RUN = "week"
ACCOUNT = "default"
HOUR, DAY = Micros(3_600 * SECOND), Micros(86_400 * SECOND)
DAYS = 7
HARMFUL_DAY = 4  # the fifth
# One an hour for a week; then, to see what becomes of harm that lasts, three a day for three days, and one on the day after.
BURSTS = (*range(24 * DAYS), *range(24 * DAYS, 24 * (DAYS + 3), 8), 24 * (DAYS + 3))
PAUSED_HOUR, PAUSED_AT_S, PAUSED_FOR_S = 60, 65.0, 60.0
COUNT = Count(20 * CONTRACT)
METHOD: dict[str, object] = {
    "algorithm": "dynamic_depth_walker",
    "max_slippage_percent": "0.045",
    "order_timeout_seconds": 40,
}
PLENTY = 100_000  # requests, a minute or a second: the shared budget refills by the database's clock, which is not the week's


class Process:
    """One life."""

    def __init__(self, dsn: str, folder: Path, seed: int, begin: Micros, bursts: Sequence[int] = BURSTS) -> None:
        """`begin`: the midnight at which the week began; `bursts`: the hours at which parents are executed."""
        self._bursts = bursts
        self._dsn = dsn
        self._folder = folder
        self._begin = begin
        self._random = Random(f"{seed} {os.getpid()}")
        self._loop = Loop(_resumed_at(dsn) or begin)
        self._clock = VirtualClock(self._loop)
        self._store = PausingStore(dsn, self._loop)
        self._alarm: asyncio.TimerHandle | None = None
        self._options = Options(read_rate=PLENTY, write_rate=PLENTY)
        account = Account(ME, "kid", KEY.public_key(), Money(CASH * 1_000))
        self._paper = PaperExchange((), [account], self._clock, SeededChance(self._random), self._options)
        self._desk = Desk(self._paper, self._options, KEY.public_key(), self._clock)
        self._fills = os.open(folder / "fills.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._paper.notices.subscribe(self._keep)

    def run(self) -> None:
        """Live to the end of the week."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        async with self._store:
            await self._wait_for_leases()
            if not (await self._store.rollout(ACCOUNT)):
                await make(self._store, ACCOUNT, Move.ADVANCE, "the week begins", self._clock.now(), anyway=False)
            sessions = Sessions(self._paper, self._clock, self._draw, HOUR, Micros(SPAN_S * SECOND), _at_once)
            for one in await left_by(self._store, ACCOUNT + PAPER, RUN):
                await sessions.open(session_of(one.state.parent.ticker))
                self._paper.inherit(ME, one.state, one.fills)
            for fill in self._paper.fills(ME):
                self._write(fill.order_id, fill.trade_id, fill.count, inherited=True)
            for number, hour in enumerate(self._bursts, 1):
                await self._burst(number, hour, sessions)
        _say(end=True)

    async def _burst(self, number: int, hour: int, sessions: Sessions) -> None:
        """Execute the parents of an hour that are not executed yet."""
        _, last, _ = await self._store.paper_run(prefix(RUN))
        left = await left_by(self._store, ACCOUNT + PAPER, RUN)
        if last >= A_BURST * number and not left:
            return
        await self._clock.sleep_until(Micros(self._begin + hour * HOUR))
        if hour % 24 == 0 and hour:
            await self._tell_day(hour // 24)
        if hour == PAUSED_HOUR:
            outside(PAUSED_AT_S, lambda: self._change(pause=True))
            outside(PAUSED_AT_S + PAUSED_FOR_S, lambda: self._change(pause=False))
        self._pump()
        settings = replace(
            Settings.of(
                base_url="http://127.0.0.1:1/trade-api/v2",
                installation="0123abcd",
                account=ACCOUNT,
                state_directory=self._folder,
                thin_contracts=100,
                liquid_contracts=3_000,
                calls_per_minute=PLENTY,
                recovery="off",
            ),
            account=ACCOUNT + PAPER,
        )
        board = Telling(Follower("", Console(quiet=True), live=False, brief=True))
        opening = Engine.open(
            settings,
            signer=SIGNER,
            transport=SimulatedTransport(
                self._desk, self._clock, self._random, 0.0, {}, _MET, lambda *_: self._pump(), lambda _: None
            ),
            store=self._store,
            clock=self._clock,
            chance=SeededChance(self._random),
            dialler=SimulatedDialler(self._paper.exchange, ME, self._clock, self._random, 0.0, _MET),
            on_turn=board.turn,
        )
        config = parse_config(METHOD)
        assert isinstance(config, Success)
        async with opening as engine:
            schedule = Schedule(A_BURST * number, EVERY, COUNT)
            run = PaperRun(RUN, schedule, config.unwrap(), engine, sessions, self._clock, board, 5)
            await run.run(last + 1, left)
        _say(hour=hour, ends=len(run.ends), skipped=run.skipped, resting=len(self._paper.resting(ME)))

    def _draw(self, session: int) -> tuple[Tape, ...]:
        day = (session * HOUR - self._begin) // DAY
        found = tapes(RUN, session, harmful=day == HARMFUL_DAY or day >= DAYS)
        self._loop.call_soon(self._pump)
        return found

    def _pump(self) -> None:
        """Let the exchange do what is due, now and whenever something is."""
        self._paper.exchange.advance()
        if self._alarm is not None:
            self._alarm.cancel()
        due = self._paper.exchange.due()
        self._alarm = None if due is None else outside((due - self._clock.now()) / SECOND, self._pump)

    def _change(self, *, pause: bool) -> None:
        (lifecycle.pause if pause else lifecycle.resume)(self._paper.exchange)
        _say(paused=pause)
        self._pump()

    def _keep(self, notice: Notice) -> None:
        if isinstance(notice, Filled):
            self._write(notice.fill.order_id, notice.fill.trade_id, notice.fill.count, inherited=False)

    def _write(self, order_id: str, trade_id: str, count: Count, *, inherited: bool) -> None:
        fields = {"order": order_id, "trade": trade_id, "count": count, "inherited": inherited}
        os.write(self._fills, f"{json.dumps(fields)}\n".encode())

    async def _wait_for_leases(self) -> None:
        """Wait, while the week stands still, until the leases of a process that was killed have run out."""
        since = time.monotonic()
        while any(not one.expired for one in await self._store.unfinished(ACCOUNT + PAPER)):
            time.sleep(0.25)  # noqa: ASYNC251 - real time, which the week does not have
        _say(waited=round(time.monotonic() - since, 1))

    async def _tell_day(self, day: int) -> None:
        found = await look_at(self._store, ACCOUNT, self._clock.now())
        _say(
            day=day,
            advice=found.advised.advice.value,
            reason=found.advised.reason,
            danger="" if found.danger is None else found.danger.reason,
            stopped=found.rollout.stopped,
        )


class Telling(Board):
    """Tells which parent begins."""

    @override
    def begin(self, name: str, ticker: str, ticket: Ticket) -> Lane:
        _say(began=int(name.split(maxsplit=1)[0]))
        return super().begin(name, ticker, ticket)


async def _at_once(draw: Draw, session: int) -> tuple[Tape, ...]:
    return draw(session)


def _resumed_at(dsn: str) -> Micros | None:
    """Return a second after the last thing that any journal tells: that is when this process begins, after a kill."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT (extract(epoch FROM max(at)) * 1000000)::bigint + 1000000 FROM execution_journal"
        ).fetchone()
    assert row is not None
    return None if row[0] is None else Micros(row[0])


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


_MET: Counter[tuple[str, str]] = Counter()


def main() -> None:
    """Run a process."""
    logging.disable(logging.CRITICAL)
    dsn, folder, seed, begin = sys.argv[1:]
    Process(dsn, Path(folder), int(seed), Micros(int(begin))).run()


if __name__ == "__main__":
    main()
