"""An event loop in virtual time: one thread, no sockets, time jumps to the next timer, and a process can die at any step.

What a process does runs under its context; every step of every task and every callback of it is counted here, so that
awaits are found by the loop. A process that is dead has no further steps: nothing of it is cleaned up.
"""

from __future__ import annotations  # a wrapper is made for each callback: its annotations must cost nothing

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Never, Protocol, TypeVar, TypeVarTuple

from typing_extensions import override

from depthwalker.core.units import SECOND, Micros

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
EPOCH = Micros(1_790_000_000 * SECOND)
_SERIALS = count(1)


class Deadlock(AssertionError):
    """Nothing is ready and no timer is set, yet somebody waits."""


class Process:
    """Something that can be killed: at the step `dies_at`, or never."""

    def __init__(self, dies_at: int | None = None) -> None:
        self.steps = 0
        self.dead = False
        self.on_death: Callable[[], object] = lambda: None
        self._dies_at = dies_at

    def steps_on(self) -> bool:
        """Count a step; return whether it is made."""
        if self.dead:
            return False
        self.steps += 1
        if self.steps == self._dies_at:
            self.dead = True
            self.on_death()
        return not self.dead


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class Task(asyncio.Task[T]):
    """A task whose place in a set does not depend on where it lies in memory."""

    def __init__(
        self, coro: Coroutine[object, Never, T], loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._serial = next(_SERIALS)
        super().__init__(coro, loop=loop, context=context)

    @override
    def __hash__(self) -> int:
        return self._serial

    @override
    def __eq__(self, other: object) -> bool:
        return self is other


class Selector:
    """Waits for nothing but time."""

    def __init__(self) -> None:
        self.passed = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise Deadlock("everything waits, and for nothing")
        self.passed += timeout
        return []


class Loop(asyncio.BaseEventLoop):
    """The loop; `now` is its time in UTC microseconds."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = Selector()
        self._made: list[asyncio.Task[object]] = []
        self.set_task_factory(self._make)
        self.set_exception_handler(lambda *_: None)

    @override
    def time(self) -> float:
        return self._selector.passed

    def now(self) -> Micros:
        return Micros(EPOCH + round(self._selector.passed * SECOND))

    @override
    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(_counted(callback, context), *args, context=context)

    @override
    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when, _counted(callback, context), *args, context=context)

    @override
    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Do at once what a thread would do: there are none, and time stands still meanwhile."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whoever awaits it gets it
            done.set_exception(error)
        return done

    def end(self) -> None:
        """Close what dead processes and whoever still waits have left open."""
        for task in self._made:
            coro = task.get_coro()
            for _ in range(20):  # one that awaits while it is closed is closed again
                if isinstance(coro, Coroutine) and not _closed(coro):
                    continue
                break
        self._made.clear()
        self.close()

    def _make(
        self,
        _: asyncio.AbstractEventLoop,
        coro: Coroutine[object, Never, T] | Generator[object, Never, T],
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        assert isinstance(coro, Coroutine), "no generator of the old kind is run as a task"
        task = Task(coro, self, context)
        self._made = [one for one in self._made if not one.done()] if len(self._made) > 500 else self._made
        self._made.append(task)
        return task

    def _process_events(self, event_list: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


def outside(seconds: float, what: Callable[[], object]) -> asyncio.TimerHandle:
    """Have something happen in the world: it does whether or not the process that caused it lives on."""
    return asyncio.get_running_loop().call_later(seconds, what, context=nobody())


def nobody() -> Context:
    """Return a context that belongs to no process."""
    context = copy_context()
    context.run(PROCESS.set, None)
    return context


def _closed(coro: Coroutine[object, Never, object]) -> bool:
    with suppress(BaseException):
        coro.close()
        return True
    return False


def _counted(callback: Callable[[*Ts], object], context: Context | None) -> Callable[[*Ts], object]:
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is None:
        return callback

    def step(*args: *Ts) -> object:
        return callback(*args) if process.steps_on() else None

    return step


class Timekeeper(Protocol):
    """Whatever knows its own time."""

    def now(self) -> Micros: ...


class VirtualClock:
    """The `Clock` of a loop."""

    def __init__(self, loop: Timekeeper) -> None:
        self._loop = loop

    def now(self) -> Micros:
        return self._loop.now()

    async def sleep_until(self, when: Micros) -> None:
        await asyncio.sleep(0)
        while (left := when - self.now()) > 0:  # noqa: ASYNC110 - virtual time is all there is to wait for
            await asyncio.sleep(left / SECOND)
