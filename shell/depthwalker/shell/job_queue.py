"""Parents that wait for a worker, in the database: put there once by their request key, held by leases, told when they have ended."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from depthwalker.core.parent import Refusal, RefusalKind
from depthwalker.core.units import Micros
from depthwalker.shell import codec
from depthwalker.shell.api import OrderRefused
from depthwalker.shell.pool import Database
from depthwalker.shell.queries import END, ENQUEUE, HOLD, PUT_BACK, QUEUED, TAKE, WAITING
from depthwalker.shell.rows import span
from depthwalker.shell.ticket import Job, refuse_another

CHANGED: Final = b"LISTEN depthwalker_queue"


class Standing(Enum):
    """How a queued parent stands."""

    QUEUED = "queued"
    TAKEN = "taken"
    DONE = "done"
    REFUSED = "refused"
    LATE = "late"


ENDED: Final = frozenset({Standing.DONE, Standing.REFUSED, Standing.LATE})


@dataclass(frozen=True, slots=True)
class Taken:
    """A parent that this worker holds. `late`: it has not begun, and is not to begin any more."""

    request_id: int
    request_key: str
    body: str
    tries: int
    late: bool

    def job(self) -> Job:
        """Read what to execute. Raises codec.Unreadable on what another version has queued."""
        return _read_job(self.body)


@dataclass(frozen=True, slots=True)
class Entry:
    """A parent in the account's queue: `worker` who holds or held it, `message` why it was refused or put back."""

    request_id: int
    standing: Standing
    tries: int
    worker: str
    execution_id: int | None
    message: str
    account: str
    body: str


class JobQueue:
    """One account's queue. Raises the errors of journal.py."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    async def put(self, job: Job, start_within: Micros | None) -> Entry:
        """Queue a parent, once: where its request key is queued already that entry is returned.

        Raises OrderRefused where that entry is another account's, or an order in another market, outcome or direction.
        """
        within = None if start_within is None else span(start_within)
        body = msgspec.json.encode(job).decode()
        # Asked for its number last, so that a repetition after a lost connection finds it.
        await self._database.run(
            lambda connection: connection.execute(ENQUEUE, (job.request_key, self._account, body, within))
        )
        entry = await self.find(job.request_key)
        assert entry is not None
        self._refuse_another(job, entry)
        return entry

    async def find(self, request_key: str) -> Entry | None:
        """Return how a parent stands."""
        row = await self._database.one(QUEUED, request_key)
        if row is None:
            return None
        number, standing, *rest = row
        return Entry(number, Standing(standing), *rest)

    async def take(self, worker: str, most: int, ttl: Micros) -> tuple[Taken, ...]:
        """Hold at most so many that are due, the oldest first; also those whose holder has let its lease run out."""
        rows = await self._database.all(TAKE, self._account, most, worker, span(ttl))
        return tuple(Taken(*row) for row in sorted(rows))

    async def hold(self, worker: str, requests: Sequence[int], ttl: Micros) -> None:
        """Hold these for another while."""
        await self._database.all(HOLD, span(ttl), worker, list(requests))

    async def end(self, worker: str, request_id: int, execution_id: int) -> None:
        """Note which execution a parent has ended with, unless somebody else holds it by now."""
        await self._database.one(END, Standing.DONE.value, execution_id, None, request_id, worker, False)

    async def turn_down(
        self, worker: str, request_id: int, standing: Standing, message: str, *, unless_begun: bool = True
    ) -> bool:
        """Note that a parent is not executed, unless somebody else holds it by now or has begun it; return whether."""
        row = await self._database.one(END, standing.value, None, message, request_id, worker, unless_begun)
        return row is not None and bool(row[0])

    async def put_back(self, worker: str, request_id: int, after: Micros, message: str) -> None:
        """Let anybody take it again, after a while."""
        await self._database.all(PUT_BACK, span(after), message, request_id, worker)

    async def waiting(self) -> int:
        """Return how many have not ended."""
        row = await self._database.sole(WAITING, self._account)
        return int(row[0])

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
        """Give what returns when something in the queue has changed, or after so many seconds."""
        async with self._database.alone() as connection:
            await connection.execute(CHANGED)

            async def changed(within_s: float) -> None:
                async for _ in connection.notifies(timeout=within_s, stop_after=1):
                    pass

            yield changed

    def _refuse_another(self, job: Job, entry: Entry) -> None:
        if entry.account != self._account:
            told = f"request key {job.request_key!r} is queued for account {entry.account!r}: give another key"
            raise OrderRefused(Refusal(RefusalKind.KEY_TAKEN, told))
        with suppress(codec.Unreadable):  # another version's
            refuse_another(job, _read_job(entry.body))


_read_job: Final = codec.reader(Job)
