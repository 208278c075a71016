"""A worker: takes parents off the queue, executes them at once, and tells how each ended.

What it holds it holds by leases. Should it die, another worker takes its parents and joins the executions that have begun,
which are taken up as any that nobody runs; one that has not begun is executed from the start. Stopping it winds its
executions down and leaves the rest in the queue.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from depthwalker.core.parent import RefusalKind
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import DepthwalkerError, InvalidEdge, InvalidMethod, OrderRefused, Trade, TradingStopped
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.engine import Engine
from depthwalker.shell.job_queue import JobQueue, Standing, Taken
from depthwalker.shell.journal import StoreError
from depthwalker.shell.logs import Lasting
from depthwalker.shell.ports import Clock
from depthwalker.shell.tasks import beside, end

LOG: Final = logging.getLogger("depthwalker")
LEASE: Final = Micros(30 * SECOND)
RENEWAL: Final = Micros(10 * SECOND)
LOOK_S: Final = 1.0  # for what no notification tells: a lease that has run out, a pause that is over
PAUSE: Final = Micros(5 * SECOND)  # before what could not begin is tried again


class Worker:
    """One worker process. `told` hears of every parent that has ended here: its number, and its trade or the reason."""

    def __init__(
        self,
        engine: Engine,
        queue: JobQueue,
        clock: Clock,
        name: str,
        slots: int,
        told: Callable[[Taken, Trade | str], None],
    ) -> None:
        """`slots`: how many executions run here at once."""
        self._engine = engine
        self._queue = queue
        self._clock = clock
        self._name = name
        self._slots = slots
        self._told = told
        self._held: dict[int, asyncio.Task[None]] = {}
        self._stopping = False
        self._paused_until = Micros(0)
        self._awake = asyncio.Event()

    def stop(self) -> None:
        """Take nothing more, wind down what runs, and end."""
        self._stopping = True
        self._awake.set()
        self._engine.stop("the worker is stopping")

    async def run(self, *, drain: bool = False) -> None:
        """Work until stopped, or with `drain` until the queue is empty."""
        away = Lasting(LOG)
        async with beside(self._hold()), beside(self._listen()):
            while not self._stopping:
                self._awake.clear()
                try:
                    await self._take()
                    if drain and not self._held and not await self._queue.waiting():
                        break
                    away.over()
                except StoreError as error:
                    away.tell("the queue cannot be read (%s)", error)
                await self._awake.wait()
            await self._leave()

    async def _leave(self) -> None:
        """Wait for what winds down; what another worker executes is left to it."""
        held = tuple(self._held.values())
        if held:
            _, left = await asyncio.wait(held, timeout=self._engine.wind_down_s)
            await end(*left)

    async def _take(self) -> None:
        free = self._slots - len(self._held)
        if free <= 0 or self._clock.now() < self._paused_until:
            return
        for taken in await self._queue.take(self._name, free, LEASE):
            task = asyncio.create_task(self._execute(taken), name=f"request {taken.request_id}")
            self._held[taken.request_id] = task
            task.add_done_callback(self._ending(taken.request_id))

    def _ending(self, number: int) -> Callable[[asyncio.Task[None]], None]:
        def ended(_: asyncio.Task[None]) -> None:
            self._held.pop(number, None)
            self._awake.set()

        return ended

    async def _listen(self) -> None:
        """Wake up when the queue has changed, and every now and then."""
        away = Lasting(LOG)
        while True:
            try:
                async with self._queue.listening() as changed:
                    away.over()
                    while True:
                        await changed(LOOK_S)
                        self._awake.set()
            except StoreError as error:
                away.tell("the queue cannot be listened to (%s)", error)
                await asyncio.sleep(LOOK_S)
                self._awake.set()

    async def _execute(self, taken: Taken) -> None:
        try:
            if self._stopping:  # it was asked for before, and has come since
                await self._queue.put_back(self._name, taken.request_id, Micros(0), "the worker is stopping")
            else:
                await self._end(taken)
        except StoreError as error:  # its lease runs out, and whoever takes it finds what has become of it
            LOG.warning("request %s: how it ended could not be noted (%s)", taken.request_id, error)

    async def _end(self, taken: Taken) -> None:
        number, queue = taken.request_id, self._queue
        if taken.late:
            await self._turn_down(taken, Standing.LATE, "it was not to begin any more", "late")
            return
        try:
            trade = await self._engine.execute_job(taken.job())
        except (OrderRefused, InvalidEdge, InvalidMethod) as refused:
            another = isinstance(refused, OrderRefused) and refused.refusal.kind is RefusalKind.KEY_TAKEN
            await self._turn_down(taken, Standing.REFUSED, str(refused), str(refused), unless_begun=not another)
        except TradingStopped as stopped:
            self._paused_until = Micros(self._clock.now() + PAUSE)  # all the others would be put back, too
            await queue.put_back(self._name, number, PAUSE, str(stopped))
        # Nothing was sent, or another worker has to see it to its end.
        except (DepthwalkerError, Unreadable) as trouble:
            level = logging.DEBUG if taken.tries > 1 else logging.WARNING  # the queue tells it, however long it lasts
            LOG.log(level, "request %s: %s; it is tried again", number, trouble)
            await queue.put_back(self._name, number, Micros(0) if self._stopping else PAUSE, str(trouble))
        else:
            await queue.end(self._name, number, trade.execution_id)
            self._told(taken, trade)

    async def _turn_down(
        self, taken: Taken, standing: Standing, message: str, told: str, *, unless_begun: bool = True
    ) -> None:
        """End a request that was not executed; where it has begun meanwhile it is tried again, and leads to its execution."""
        number = taken.request_id
        if await self._queue.turn_down(self._name, number, standing, message, unless_begun=unless_begun):
            self._told(taken, told)
        else:
            await self._queue.put_back(self._name, number, Micros(0), "it has begun meanwhile")

    async def _hold(self) -> None:
        away = Lasting(LOG)
        while True:
            await self._clock.sleep_until(Micros(self._clock.now() + RENEWAL))
            try:
                await self._queue.hold(self._name, list(self._held), LEASE)
                away.over()
            except StoreError as error:
                away.tell("leases could not be renewed (%s)", error)
