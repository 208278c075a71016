"""An event loop in virtual time beside a real database: time stands still while the database is asked, and jumps otherwise."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

from typing_extensions import override

from depthwalker.core.rollout import Entry
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.journal import Pulled
from depthwalker.shell.pool import Connection, Database
from depthwalker.shell.store import PostgresStore

T = TypeVar("T")
PATIENCE_S = 0.05
ASKED_EVERY = Micros(5 * SECOND)


class Pause:
    """How many real things are under way; time waits for them."""

    def __init__(self) -> None:
        self.things = 0

    def __enter__(self) -> None:
        self.things += 1

    def __exit__(self, *_: object) -> None:
        self.things -= 1


class Selector(selectors.DefaultSelector):
    """Waits for sockets while something real is under way, and otherwise lets the time to the next timer pass at once."""

    def __init__(self, pause: Pause) -> None:
        super().__init__()
        self.passed = 0.0
        self._pause = pause

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._pause.things or timeout is None:
            return super().select(PATIENCE_S)
        self.passed += timeout
        return []


class Loop(asyncio.SelectorEventLoop):
    """The loop; `now` is its time in UTC microseconds, from `epoch` on."""

    def __init__(self, epoch: Micros) -> None:
        self.pause = Pause()
        self._virtual = Selector(self.pause)
        self._epoch = epoch
        super().__init__(self._virtual)

    @override
    def time(self) -> float:
        return self._virtual.passed

    def now(self) -> Micros:
        return Micros(self._epoch + round(self._virtual.passed * SECOND))


class PausingDatabase(Database):
    """A database that holds the time while it is asked."""

    def __init__(self, dsn: str, pause: Pause) -> None:
        super().__init__(dsn)
        self._pause = pause

    @override
    async def open(self) -> None:
        with self._pause:
            await super().open()

    @override
    async def close(self) -> None:
        with self._pause:
            await super().close()

    @override
    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        with self._pause:
            return await super().run(work)


class PausingStore(PostgresStore):
    """A store on such a database. What every process asks for twice a second, it asks for every few seconds of the week."""

    def __init__(self, dsn: str, loop: Loop) -> None:
        super().__init__(dsn)
        self._database = PausingDatabase(dsn, loop.pause)
        self._loop = loop
        self._switch: tuple[Micros, Pulled | None] = (Micros(0), None)
        self._entries: tuple[Micros, tuple[Entry, ...]] = (Micros(0), ())

    @override
    async def switch(self) -> Pulled | None:
        if self._loop.now() - self._switch[0] >= ASKED_EVERY:
            self._switch = self._loop.now(), await super().switch()
        return self._switch[1]

    @override
    async def rollout(self, account: str) -> tuple[Entry, ...]:
        if self._loop.now() - self._entries[0] >= ASKED_EVERY:
            self._entries = self._loop.now(), await super().rollout(account)
        return self._entries[1]

    @override
    async def move(self, account: str, entry: Entry, evidence: str) -> bool:
        self._entries = Micros(0), ()
        return await super().move(account, entry, evidence)
