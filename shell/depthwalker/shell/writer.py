"""Writes one execution's journal: facts in order, once, fenced by the lease; in a spool file while the store is away."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

from depthwalker.core.execution import State
from depthwalker.core.fact import Fact
from depthwalker.core.projection import project
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.aside import Aside
from depthwalker.shell.journal import Appended, Store, StoreError, StoreRefused, StoreUnavailable, Superseded
from depthwalker.shell.ports import Clock
from depthwalker.shell.spool import Seat, Spool

LOG: Final = logging.getLogger("depthwalker")
STORE_RETRY: Final = Micros(SECOND)
# Not asyncio's own threads, in which hosts' names are looked up: a disk that hangs would take them all. One, so that of two who
# had the same execution each writes its file whole.
ASIDE: Final = Aside(1, "spool")
STORE_PATIENCE: Final = Micros(2 * SECOND)  # a store that takes longer counts as away: cancels must not wait for it


class LeaseLost(Exception):
    """Another worker has taken the execution over: this one writes and sends nothing more."""


class Durability:
    """Whether the facts up to some moment are durable: told once, to everyone who waits."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._durable = False

    def tell(self, *, durable: bool) -> None:
        """Tell; what was told first holds."""
        if not self._told.is_set():
            self._durable = durable
            self._told.set()

    async def known(self) -> bool:
        """Return it, once it is known."""
        await self._told.wait()
        return self._durable


class Writer:
    """Holds the facts that are not durable yet. `trouble` is the store's last failure, until an append succeeds."""

    def __init__(
        self,
        seat: Seat,
        store: Store,
        spool: Spool,
        clock: Clock,
        state: Callable[[], State],
        own: Callable[["asyncio.Task[None]"], None],
        changed: Callable[[], None],
    ) -> None:
        """`state` gives the state after every fact added; `own` keeps a task alive; `changed` is called on the first trouble."""
        self.lost: LeaseLost | None = None
        self.trouble: StoreError | None = None
        self._seat = seat
        self._store = store
        self._spool = spool
        self._clock = clock
        self._state = state
        self._own = own
        self._changed = changed
        self._unwritten: list[Fact] = []
        self._lock = asyncio.Lock()
        self._failed_at = Micros(0)
        self._spooling: asyncio.Task[None] | None = None
        self._spool_due = False

    @property
    def execution_id(self) -> int:
        """Return the execution's number in the database."""
        return self._seat.execution_id

    def add(self, fact: Fact) -> None:
        """Take in a fact; it is written with the next append."""
        self._unwritten.append(fact)

    def write_soon(self) -> None:
        """Start an append of what there is, unless one is under way or has just failed."""
        failed_lately = self.trouble is not None and self._clock.now() - self._failed_at < STORE_RETRY
        if not self._unwritten or failed_lately:
            return
        if not self._lock.locked():
            self.write_durably()
        elif self.trouble is not None:
            self._failed(self.trouble)  # it still hangs, and there are newer facts to keep

    def write_durably(self) -> Durability:
        """Start an append of all facts so far; a store that is too slow counts as away."""
        durability = Durability()
        writing = asyncio.create_task(self._write(durability))
        alarm = asyncio.create_task(self._give_up(durability))
        writing.add_done_callback(lambda _: alarm.cancel())
        self._own(writing)
        self._own(alarm)
        return durability

    async def write_all(self) -> None:
        """Return when the journal holds everything, however long the store is away.

        Raises LeaseLost, and what the store refused for good.
        """
        try:
            while not await self._append() or self._unwritten:
                if self.trouble is not None and not isinstance(self.trouble, StoreUnavailable):
                    raise self.trouble
                await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))
        finally:
            if self._spooling is not None:
                await self._spooling

    async def _write(self, durability: Durability) -> None:
        durable = False
        try:
            durable = await self._append()
        except LeaseLost as lost:
            self.lost = lost
            self._changed()
        finally:
            durability.tell(durable=durable)

    async def _give_up(self, durability: Durability) -> None:
        await self._clock.sleep_until(Micros(self._clock.now() + STORE_PATIENCE))
        durability.tell(durable=False)
        self._failed(StoreUnavailable(f"no answer within {STORE_PATIENCE // SECOND} s"))

    async def _append(self) -> bool:
        """Return whether all facts so far are durable now. Raises LeaseLost."""
        async with self._lock:
            facts, seat = tuple(self._unwritten), self._seat
            if not facts:
                return True
            try:
                rows = project(self._state())
                appended = await self._store.append(seat.execution_id, seat.epoch, seat.next_seq, facts, rows)
            except StoreError as error:
                self._failed(error)
                return False
            except Exception as bug:
                LOG.exception("execution %s: its facts cannot be written", seat.execution_id)
                self._failed(StoreRefused(f"{type(bug).__name__}: {bug}"))
                return False
            match appended:
                case Appended(last, _):
                    self._seat = Seat(seat.execution_id, seat.epoch, last + 1)
                case Superseded():
                    raise LeaseLost(f"execution {seat.execution_id} was taken over by another worker")
                case _ as never:
                    assert_never(never)
            del self._unwritten[: len(facts)]
            self._recovered()
            return True

    def _failed(self, error: StoreError) -> None:
        """Keep the facts locally until the store is back."""
        first, self.trouble, self._failed_at = self.trouble is None, error, self._clock.now()
        if first:
            LOG.warning("execution %s: the store failed (%s); winding down", self.execution_id, error)
            self._changed()
        self._spool_soon()

    def _recovered(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._spool_soon()

    def _spool_soon(self) -> None:
        """Bring the spool file up to date, in a thread: the disk may hang with a store that is on it, and no cancel waits for that."""
        self._spool_due = True
        if self._spooling is None or self._spooling.done():
            self._spooling = asyncio.create_task(self._keep_spool(), name=f"spool {self.execution_id}")

    async def _keep_spool(self) -> None:
        while self._spool_due:
            self._spool_due = False
            uuid, journalled = self._state().parent.execution, self.trouble is None
            try:
                if journalled:
                    await ASIDE.run(partial(self._spool.drop, uuid))
                else:
                    await ASIDE.run(partial(self._spool.keep, uuid, self._seat, tuple(self._unwritten)))
            except OSError as error:
                what = "its spool file stays" if journalled else "its facts cannot be spooled either"
                LOG.warning("execution %s: %s (%s)", self.execution_id, what, error)
