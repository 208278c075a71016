"""Executes the parents of a paper run, one when each is due, on whatever engine and markets it is given.

Where it stands is in the store alone: a parent's request key holds the run's name and the parent's number, so a run that was
stopped or killed goes on with the number after the last one, and joins what was left unfinished.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, TypeAlias

from depthwalker.core.config import ExecutionConfig
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Filled
from depthwalker.core.ledger import Fill
from depthwalker.core.schedule import Schedule, due, place, ticket_at
from depthwalker.core.units import Micros
from depthwalker.shell.api import DepthwalkerError, Trade, TradingStopped
from depthwalker.shell.board import Board
from depthwalker.shell.engine import Engine
from depthwalker.shell.journal import Source, Store
from depthwalker.shell.paper_markets import Place
from depthwalker.shell.ports import Clock
from depthwalker.shell.scene import terminal_job
from depthwalker.shell.ticket import Job, job_of

NAMES: Final = r"[A-Za-z0-9_.-]{1,64}"

End: TypeAlias = Trade | DepthwalkerError


@dataclass(frozen=True, slots=True)
class Left:
    """A parent that another process of the run began and did not end: what its journal comes to, and its fills."""

    request_key: str
    state: State
    fills: tuple[Fill, ...]


class PaperRun:
    """One process of a run. `ends` are its parents' ends, `skipped` counts those for which nothing was offered."""

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        config: ExecutionConfig,
        engine: Engine,
        place: Place,
        clock: Clock,
        board: Board,
        most: int,
    ) -> None:
        """`most`: so many are executed at once; more would not be walked (`max_concurrent`)."""
        self.ends: list[End] = []
        self.skipped = 0
        self._name = name
        self._schedule = schedule
        self._config = replace(config, rollout=True)
        self._engine = engine
        self._place = place
        self._clock = clock
        self._board = board
        self._most = most
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self, reason: str) -> None:
        """Begin nothing more, and wind down what runs."""
        self._stopping.set()
        self._engine.stop(reason)

    async def run(self, first: int, left: Sequence[Left]) -> None:
        """Execute the parents from number `first` on, and to their ends those that were left."""
        async with asyncio.TaskGroup() as group:
            for one in left:
                self._begin(group, _resumed(one))
            begun = self._clock.now()
            for number in range(first, self._schedule.parents + 1):
                await self._wait_until(due(self._schedule, number, first, begun))
                if self._stopping.is_set():
                    break
                job = await self._job(number)
                if job is None:
                    self.skipped += 1
                elif not self._stopping.is_set():
                    self._board.head(heading(self._name, f"parent {number} of {self._schedule.parents}"))
                    self._begin(group, job)

    async def _wait_until(self, when: Micros) -> None:
        """Return at `when`, with room for one more; or at once when it is to stop."""
        stopped = asyncio.ensure_future(self._stopping.wait())
        alarm = asyncio.ensure_future(self._clock.sleep_until(when))
        try:
            await asyncio.wait({stopped, alarm}, return_when=asyncio.FIRST_COMPLETED)
            while len(self._tasks) >= self._most and not self._stopping.is_set():
                await asyncio.wait({stopped, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            alarm.cancel()

    async def _job(self, number: int) -> Job | None:
        ticker, leg = place(number, await self._place.tickers())
        book = await self._place.book(ticker)
        ticket = None if book is None else ticket_at(book, leg, self._schedule.count)
        if ticket is None:
            return None
        return terminal_job(f"{prefix(self._name)}{number}", ticket, self._config, ticker, Source.PAPER)

    def _begin(self, group: asyncio.TaskGroup, job: Job) -> None:
        task = group.create_task(self._execute(job), name=job.request_key)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _execute(self, job: Job) -> None:
        number = job.request_key.rpartition(" ")[2]
        lane = self._board.begin(f"{number} {job.ticker}", job.ticker, job.ticket)
        try:
            end: End = await self._engine.execute_job(job)
        except DepthwalkerError as error:
            end = error
            if isinstance(error, TradingStopped):
                self.stop(str(error))
        self._board.end(lane, end if isinstance(end, Trade) else str(end))
        self.ends.append(end)


def prefix(name: str) -> str:
    """Return what the request keys of a run begin with; the parent's number follows."""
    return f"paper {name} "


def heading(name: str, progress: str) -> str:
    """Return what stands above a run's executions."""
    return f"depthwalker paper, run {name}: {progress}; Ctrl-C cancels what rests and stops"


async def left_by(store: Store, account: str, run: str) -> tuple[Left, ...]:
    """Return what processes of a run left unfinished. Raises StoreError."""
    found = [one for one in await store.unfinished(account) if one.request_key.startswith(prefix(run))]
    journals = [await store.load(one.execution_id) for one in found]
    return tuple(
        Left(
            one.request_key,
            reduce(evolve, facts, START),
            tuple(fact.fill for fact in facts if isinstance(fact, Filled)),
        )
        for one, facts in zip(found, journals, strict=True)
    )


def _resumed(one: Left) -> Job:
    assert one.state.policy is not None, "its journal holds it"
    return replace(job_of(one.request_key, one.state, one.state.policy), source=Source.PAPER)
