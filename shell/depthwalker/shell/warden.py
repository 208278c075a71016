"""Keeps a rollout while the engine runs: assigns arms, disables the walker when the guard says so, ends walkers of a stopped one.

It watches from the first execution of a rollout's arm that runs here on; each execution is inspected as it ends, once a rollout
has begun. A parent whose arm the database cannot tell does not begin.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from depthwalker.core.config import Algorithm
from depthwalker.core.execution import State
from depthwalker.core.guard import Trip, day_of, inspect, review
from depthwalker.core.projection import project
from depthwalker.core.rollout import Arm, Entry, Move, Rollout, Stage, assign, compare, read
from depthwalker.shell.evidence import evidence, parents
from depthwalker.shell.journal import Store, StoreError
from depthwalker.shell.ports import Clock
from depthwalker.shell.sentinel import keep_looking
from depthwalker.shell.settings import Settings, trades_live
from depthwalker.shell.tasks import end
from depthwalker.shell.ticket import Job

LOG: Final = logging.getLogger("depthwalker")
GUARD: Final = "guard"


class Warden:
    """A rollout as one process sees it. `stop` asks the walker's running executions to end, for the reason given."""

    def __init__(self, settings: Settings, store: Store, clock: Clock, stop: Callable[[str], object]) -> None:
        self._account = settings.rollout_account
        self._paper = settings.paper
        self._limit = settings.guard_slippage
        self._live = trades_live(settings.base_url)
        self._store = store
        self._clock = clock
        self._stop = stop
        self._reviewed = 0
        self._watch: asyncio.Task[None] | None = None

    async def assign(self, job: Job) -> Arm | None:
        """Return the arm of a parent that is about to begin. Raises StoreError.

        A parent of `depthwalker paper` is an edge of its own, and has an arm at the paper stage alone: later ones rest on trades.
        """
        edge = job.request_key if self._paper else None if job.edge_id is None else str(job.edge_id)
        if not job.config.rollout or job.config.algorithm is Algorithm.SIMPLE_LIMIT or edge is None:
            return None
        rollout = await self._rollout()
        if self._paper and rollout.stage is not Stage.PAPER:
            return None
        return assign(edge, rollout, live=self._live)

    def watch(self) -> None:
        """Begin to obey the rollout, once: an execution of one of its arms runs here, begun or taken up."""
        if self._watch is None:
            self._watch = asyncio.create_task(keep_looking(self.look, self._clock, "the rollout"), name="rollout")

    async def ended(self, execution_id: int, state: State) -> None:
        """Have the guard inspect a finished execution, of an arm or of none, once a rollout has begun."""
        metrics = project(state).metrics
        if metrics is None:
            return
        try:
            if state.arm is None and (await self._rollout()).stage is None:
                return
            breaches = await self._store.breaches(execution_id)
            trip = inspect(state.arm, metrics.slippage, self._limit, breaches)
            if trip is not None:
                await self._disable(trip)
        except StoreError as error:
            LOG.warning("execution %s: the guard cannot inspect it (%s)", execution_id, error)

    async def look(self) -> None:
        """Obey a rollout that was stopped, and review the whole days once each day. Raises StoreError."""
        rollout = await self._rollout()
        today = day_of(self._clock.now())
        if today > self._reviewed and rollout.stage is not None and not rollout.stopped:
            trip = review(await parents(self._store.assigned, self._account, rollout), today)
            self._reviewed = today
            if trip is not None:
                await self._disable(trip)
                rollout = await self._rollout()
        if rollout.stopped:
            self._stop(f"rollout stopped: {rollout.stopped}")

    async def close(self) -> None:
        """End the watch."""
        if self._watch is not None:
            await end(self._watch)

    async def _disable(self, trip: Trip) -> None:
        """Journal the trip, unless the rollout is stopped already; every process obeys within a second."""
        while True:
            rollout = await self._rollout()
            if rollout.stage is None or rollout.stopped:
                return
            found = compare(await parents(self._store.assigned, self._account, rollout))
            entry = Entry(rollout.entries + 1, self._clock.now(), Move.DISABLE, rollout.stage, GUARD, trip.reason)
            if await self._store.move(self._account, entry, evidence(found)):
                LOG.error("the walker is disabled: %s", trip.reason)
                return

    async def _rollout(self) -> Rollout:
        return read(await self._store.rollout(self._account))
