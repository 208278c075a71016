"""What the database and the wire are measured with: a server of its own for the run, and the shell's parts, timed."""

import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg.rows import TupleRow
from typing_extensions import override

from depthwalker.core.execution import State
from depthwalker.core.fact import Fact, Started
from depthwalker.core.row import Projection
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.journal import Appended, Begun, Origin, Source, Superseded
from depthwalker.shell.postgres import Cluster
from depthwalker.shell.spool import Seat
from depthwalker.shell.store import PostgresStore

LEASE: Final = Micros(60 * SECOND)
PROBE: Final = (
    "CREATE TABLE IF NOT EXISTS bench_probe (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Append:
    """One append: when it was asked for and when it was durable (nanoseconds), and what it wrote."""

    begun_ns: int
    ended_ns: int
    facts: tuple[Fact, ...]
    projection: Projection


class TimedStore(PostgresStore):
    """The store, with a note of every append."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.appends: list[Append] = []

    @override
    async def append(
        self, execution_id: int, epoch: int, first_seq: int, facts: Sequence[Fact], projection: Projection
    ) -> Appended | Superseded:
        begun = time.perf_counter_ns()
        appended = await super().append(execution_id, epoch, first_seq, facts, projection)
        self.appends.append(Append(begun, time.perf_counter_ns(), tuple(facts), projection))
        return appended


class Probe:
    """The least that a durable write can cost here: one row in one statement on a connection that is there."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow]) -> None:
        self._connection = connection

    async def insert_ns(self, body: str) -> int:
        """Return how long a row of JSON took to be durable."""
        begun = time.perf_counter_ns()
        await self._connection.execute("INSERT INTO bench_probe (body) VALUES (%s)", (body,))
        return time.perf_counter_ns() - begun


@contextmanager
def folder() -> Iterator[Path]:
    """Give a temporary folder that every user can enter: root runs PostgreSQL as somebody else."""
    made = Path(tempfile.mkdtemp(prefix="depthwalker-bench-"))
    try:
        made.chmod(0o755)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def server(inside: Path, given: str) -> Iterator[str]:
    """Give the connection string of a fresh embedded PostgreSQL with its usual, durable settings, or the one given."""
    if given:
        yield given
        return
    with Cluster(inside / "postgres") as cluster:
        yield cluster.dsn()


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[tuple[TimedStore, Probe]]:
    """Give the store over a database with schema.sql in it, and the probe beside it."""
    async with (
        TimedStore(dsn) as store,
        await psycopg.AsyncConnection[TupleRow].connect(dsn, autocommit=True) as connection,
    ):
        await store.migrate()
        await connection.execute(PROBE)
        yield store, Probe(connection)


async def seat(store: PostgresStore, started: Started) -> Seat:
    """Begin an execution and return the right to write its journal."""
    origin = Origin(request_key=started.parent.execution, source=Source.TERMINAL)
    begun = await store.begin(origin, started, "bench", LEASE)
    assert isinstance(begun, Begun)
    return Seat(begun.execution_id, begun.epoch, 2)


def admitted(state: State) -> Started:
    """Return the fact that a state began with."""
    assert state.policy is not None
    return Started(state.parent, state.policy, state.parent.started)
