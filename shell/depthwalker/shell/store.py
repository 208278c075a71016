"""The store in PostgreSQL: one call of a schema.sql function a method, so that each is one statement and one commit.

Every statement commits by itself, and every one may be repeated: an append is numbered, request keys and the installation
are kept once, a claim only raises the epoch. A lost connection is therefore tried once more on another one, before
StoreUnavailable tells the caller that the outcome is unknown.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import reduce
from types import TracebackType
from typing import Final, Self

import msgspec
from psycopg.rows import TupleRow

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.budget import Bucket
from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import FORMAT, Fact, Started, Status
from depthwalker.core.projection import project
from depthwalker.core.rollout import Arm, Assigned, Entry, Move, Stage
from depthwalker.core.row import Projection
from depthwalker.core.units import Count, Micros
from depthwalker.shell import codec
from depthwalker.shell.job_queue import JobQueue
from depthwalker.shell.journal import (
    Appended,
    Attached,
    Begun,
    Claimed,
    HeldBy,
    NoSuchExecution,
    Origin,
    Promised,
    Pulled,
    Superseded,
    TokenAsk,
    TokenBlock,
    TradeRecord,
    Unfinished,
    WorkerGroup,
)
from depthwalker.shell.pool import Connection, Database
from depthwalker.shell.postgres import schema_mark, schema_marking, schema_path
from depthwalker.shell.queries import (
    ASSIGNED,
    BEGIN,
    BREACHES,
    CLAIM,
    EXECUTIONS,
    FIND,
    FORGET_GROUP,
    GROUP_TRIGGERED,
    GROUPS,
    KEEP_GROUP,
    LEASE_TOKENS,
    LOAD,
    MOVE,
    PAPER_RUN,
    PROMISED,
    PULL,
    REFUSED,
    RELEASE,
    ROLLOUT,
    SCHEMA_MARK,
    SLIPPAGES,
    SPENT_GROUPS,
    SWITCH,
    TRADE,
    TROUBLES,
    UNFINISHED,
    USE_GROUPS,
    WALKERS,
)
from depthwalker.shell.rows import instant, rows, snapshot_row, span

SCHEMA_S: Final = 600.0  # hundreds of statements at once, each of which the server limits
ADMISSIONS: Final = 16  # at once, each on a connection: the lowest tier reads hardly more positions a second


class PostgresStore:
    """The `Store` over a database's connection string. Raises what journal.py names, and nothing of psycopg."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn)
        self._admissions = asyncio.Semaphore(ADMISSIONS)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable."""
        await self._database.open()

    async def close(self) -> None:
        """Close the connections; what is under way comes to an end first."""
        await self._database.close()

    async def migrate(self) -> None:
        """Load schema.sql: makes what is absent, changes nothing else."""
        async with self._database.alone() as connection:
            # Loading locks tables that running executions write: a database that has this very schema is left alone.
            row = await (await connection.execute(SCHEMA_MARK)).fetchone()
            if row is None or row[0] != schema_mark():
                connection.patience_s = SCHEMA_S
                await connection.execute("SET statement_timeout = 0")  # of a large table an upgrade may take minutes
                await connection.execute(schema_path().read_bytes())
                await connection.execute(schema_marking())

    async def begin(self, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached:
        """Make an execution whose journal holds `started`, or find the one that the request key has.

        Raises MissingRow and SwitchPulled.
        """
        return await self._database.run(lambda connection: _begin(connection, origin, started, owner, ttl))

    async def find(self, request_key: str) -> Attached | None:
        """Return the execution of a request key."""
        row = await self._database.one(FIND, request_key)
        return None if row is None else _attached(*row)

    async def claim(self, execution_id: int, owner: str, ttl: Micros) -> Claimed | HeldBy:
        """Take an execution over, under the next epoch, if its lease is free, expired or already this owner's.

        Raises codec.Unreadable, and leaves it to others, where another version wrote its journal.
        """
        claimed, epoch, holder, until, former = await self._database.sole(CLAIM, execution_id, owner, span(ttl))
        if not claimed:
            return HeldBy(holder, until)
        try:
            return Claimed(execution_id, epoch, await self.load(execution_id), former)
        except codec.Unreadable:
            await self.release(execution_id, epoch)
            raise

    async def renew(self, execution_id: int, epoch: int, ttl: Micros) -> bool:
        """Hold the lease for another `ttl`; False when it is somebody else's."""
        return await self._lease(execution_id, epoch, ttl)

    async def release(self, execution_id: int, epoch: int) -> bool:
        """Give the lease up, so that anybody may claim the execution at once."""
        return await self._lease(execution_id, epoch, Micros(0))

    async def append(
        self, execution_id: int, epoch: int, first_seq: int, facts: Sequence[Fact], projection: Projection
    ) -> Appended | Superseded:
        """Make facts durable as entries `first_seq` and on, with the rows of the state after them."""
        entries, after = codec.encode_all(facts).decode(), rows(projection, facts).decode()
        row = await self._database.sole(
            "SELECT depthwalker_append(%s, %s, %s, %s, %s)", execution_id, epoch, first_seq, entries, after
        )
        if row[0] == "superseded":
            return Superseded()
        return Appended(first_seq + len(facts) - 1, repeated=row[0] == "already")

    async def load(self, execution_id: int) -> tuple[Fact, ...]:
        """Return the journal of an execution. Raises NoSuchExecution."""
        facts = await self._database.run(lambda connection: _load(connection, execution_id))
        if not facts:
            raise NoSuchExecution(f"there is no execution {execution_id}")
        return facts

    async def executions(self) -> tuple[int, ...]:
        """Return the numbers of all executions, oldest first."""
        return tuple(row[0] for row in await self._database.all(EXECUTIONS))

    async def rebuild(self, execution_id: int) -> None:
        """Write the rows of an execution anew from its journal. Raises NoSuchExecution.

        Raises codec.Unreadable, and changes nothing, where a newer version wrote it: its facts may mean more than is known here.
        """

        async def work(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(
                    "SELECT FROM execution_leases WHERE execution_id = %s FOR UPDATE", (execution_id,)
                )
                facts = await _load(connection, execution_id)
                if not facts:
                    raise NoSuchExecution(f"there is no execution {execution_id}")
                if isinstance(facts[0], Started) and facts[0].format > FORMAT:
                    raise codec.Unreadable(
                        f"its journal has format {facts[0].format}, which only a newer version reads"
                    )
                after = rows(project(reduce(evolve, facts, START)), facts).decode()
                await connection.execute("SELECT depthwalker_project(%s, %s)", (execution_id, after))

        await self._database.run(work)

    async def trade(self, execution_id: int) -> TradeRecord | None:
        """Return the trade of an execution, or None while it executes. Raises NoSuchExecution."""
        row = await self._database.one(TRADE, execution_id)
        if row is None:
            raise NoSuchExecution(f"there is no execution {execution_id}")
        return None if row[0] is None else _read_trade(row[0])

    async def snapshot(
        self,
        ticker: str,
        book: Book,
        at: Micros,
        market_id: str | None = None,
        trades: Sequence[TradePrint] = (),
    ) -> int:
        """Keep the book, ten levels a side; return the snapshot's number. Raises MissingRow."""
        row = await self._database.sole(
            "SELECT depthwalker_snapshot(%s)", _json(snapshot_row(ticker, market_id, book, at, trades))
        )
        return int(row[0])

    async def refused(self, account: str, ticker: str, request_key: str, kind: str, message: str) -> None:
        """Keep that a parent was not admitted, and why."""
        await self._database.all(REFUSED, account, ticker, request_key, kind, message)

    async def unfinished(self, account: str | None = None) -> tuple[Unfinished, ...]:
        """Return an account's executions that are not finished, or everybody's, oldest first."""
        return tuple(Unfinished(*row) for row in await self._database.all(UNFINISHED, account, account))

    async def recent_slippages(self, ticker: str, since: Micros, *, paper: bool = False) -> tuple[int, ...]:
        """Return the slippages of the market's finished executions, oldest first, in parts per million: real ones or paper's."""
        return tuple(row[0] for row in await self._database.all(SLIPPAGES, ticker, instant(since), paper))

    async def paper_run(self, prefix: str) -> tuple[int, int, Micros | None]:
        """Return how many parents of a paper run there are, the last one's number, and when the first began."""
        row = await self._database.sole(PAPER_RUN, prefix, prefix, prefix)
        return row[0], row[1], row[2]

    @asynccontextmanager
    async def admission(self, account: str, ticker: str) -> AsyncIterator["PostgresAdmission"]:
        """Hold one account's market while a position is read and a sell admitted; others wait up to lock_timeout.

        It has a connection of its own: waiting for an exchange must not keep appends waiting for the pool. How many there may be
        at once is limited: a server's connections are few, and not ours alone.
        """
        async with self._admissions, self._database.alone() as connection:
            name = f"depthwalker admission {account} {ticker}"
            await connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
            yield PostgresAdmission(connection, account, ticker)

    async def installation(self) -> str:
        """Return eight hex digits, drawn once for this database and kept."""
        row = await self._database.sole("SELECT depthwalker_installation_id()")
        return str(row[0])

    async def _lease(self, execution_id: int, epoch: int, ttl: Micros) -> bool:
        row = await self._database.one(
            "UPDATE execution_leases SET expires_at = clock_timestamp() + %s "
            "WHERE execution_id = %s AND epoch = %s RETURNING true",
            span(ttl),
            execution_id,
            epoch,
        )
        return row is not None

    async def pull_switch(self, reason: str, by: str) -> Pulled:
        """Pull the kill switch; where it is pulled already that pull stays."""
        while True:

            async def work(connection: Connection) -> TupleRow | None:
                await connection.execute(PULL, (reason, by))
                return await (await connection.execute(SWITCH)).fetchone()

            row = await self._database.run(work)
            if row is not None:  # else somebody has released it in between
                return Pulled(*row)

    async def release_switch(self, by: str) -> bool:
        """Release it; False where it is not pulled."""
        return await self._database.one(RELEASE, by) is not None

    async def switch(self) -> Pulled | None:
        """Return how the kill switch is pulled, if it is."""
        row = await self._database.one(SWITCH)
        return None if row is None else Pulled(*row)

    async def rollout(self, account: str) -> tuple[Entry, ...]:
        """Return the journal of an account's rollout, oldest first."""
        found = await self._database.all(ROLLOUT, account)
        return tuple(Entry(number, at, Move(move), Stage(stage), *rest) for number, at, move, stage, *rest in found)

    async def move(self, account: str, entry: Entry, evidence: str) -> bool:
        """Add a line to it, with a JSON object; False where another one has that number already."""
        values = (entry.move.value, entry.stage.value, entry.by, entry.reason, evidence)
        return bool(await self._database.all(MOVE, account, entry.number, entry.at, *values)) or entry in (
            await self.rollout(account)
        )

    async def assigned(self, account: str, since: Micros) -> tuple[Assigned, ...]:
        """Return the finished parents of the account's arms since an instant, oldest first."""
        found = await self._database.all(ASSIGNED, account, since)
        return tuple(Assigned(Arm(arm), *rest) for arm, *rest in found)

    async def breaches(self, execution_id: int) -> tuple[str, ...]:
        """Return which invariants the rows of an execution break."""
        return tuple(row[0] for row in await self._database.all(BREACHES, execution_id))

    def queue(self, account: str) -> JobQueue:
        """Return an account's queue in the same database."""
        return JobQueue(self._database, account)

    async def walkers(self, account: str, before: int) -> int:
        """Return how many executions of the account walk, or may, that began before this one."""
        row = await self._database.sole(WALKERS, account, before)
        return int(row[0])

    async def troubles(self, account: str, worker: str, since: Micros) -> int:
        """Return how many requests of the account's other workers have failed since an instant, by their journals."""
        row = await self._database.sole(TROUBLES, account, worker, since, since, since)
        return int(row[0])

    async def keep_group(self, account: str, group: WorkerGroup) -> None:
        """Remember an order group, for whoever takes over from its worker."""
        await self._database.all(KEEP_GROUP, account, group.group_id, group.shard, group.worker)

    async def groups(self, account: str, worker: str | None = None) -> tuple[WorkerGroup, ...]:
        """Return the order groups of a worker, or of all, that were not triggered, the oldest first."""
        found = await self._database.all(GROUPS, account, worker, worker)
        return tuple(WorkerGroup(*row) for row in found)

    async def use_groups(self, account: str, worker: str) -> None:
        """Note that a worker's groups are in use."""
        await self._database.all(USE_GROUPS, account, worker)

    async def spent_groups(self, account: str, triggered: Micros, unused: Micros) -> tuple[WorkerGroup, ...]:
        """Return those triggered so long ago, and those unused for so long whose worker runs nothing."""
        found = await self._database.all(SPENT_GROUPS, account, span(triggered), span(unused))
        return tuple(WorkerGroup(*row) for row in found)

    async def group_triggered(self, account: str, group_id: str) -> None:
        """Note that a group was triggered."""
        await self._database.all(GROUP_TRIGGERED, account, group_id)

    async def forget_group(self, account: str, group_id: str) -> None:
        """Forget a group that the exchange has no more."""
        await self._database.all(FORGET_GROUP, account, group_id)

    async def lease_tokens(
        self, account: str, bucket: str, worker: str, ask: TokenAsk, rate: Bucket, ttl: Micros
    ) -> TokenBlock:
        """As the protocol says; it refills by the database's clock, and only beside what is leased."""
        row = await self._database.sole(
            LEASE_TOKENS,
            account,
            bucket,
            worker,
            ask.kept,
            ask.left,
            ask.least,
            ask.wanted,
            rate.tokens,
            span(rate.period),
            rate.capacity,
            span(ttl),
        )
        return TokenBlock(row[0], row[1], Micros(row[2]), row[3])


class PostgresAdmission:
    """An `Admission`: the lock is the connection's, so losing it is never papered over by another one."""

    def __init__(self, connection: Connection, account: str, ticker: str) -> None:
        self._connection = connection
        self._key = (account, ticker)

    async def promised_sells(self, outcome: Leg) -> Promised:
        """Return what the sell executions of this outcome may still sell."""
        row = await (await self._connection.execute(PROMISED, (*self._key, outcome.value))).fetchone()
        assert row is not None
        return Promised(Count(row[0]), lately=row[1])

    async def begin(self, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached:
        """As the store's; the execution is durable when it returns."""
        return await _begin(self._connection, origin, started, owner, ttl)


async def _begin(connection: Connection, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached:
    facts = (started,)
    fields = {key: value for key, value in msgspec.to_builtins(origin).items() if key != "snapshot_id"}
    fields |= {
        "uuid": started.parent.execution,
        "ticker": started.parent.ticker,
        "initial_snapshot_id": origin.snapshot_id,
    }
    after = rows(project(evolve(START, started)), facts).decode()
    values = (_json(fields), codec.encode_all(facts).decode(), after, owner, span(ttl))
    row = await (await connection.execute(BEGIN, values)).fetchone()
    assert row is not None
    begun, execution_id, uuid, *rest = row
    # Ours, too, when an earlier try committed without our knowing: nobody else draws this uuid.
    if begun or uuid == started.parent.execution:
        return Begun(execution_id, 1)
    return _attached(execution_id, uuid, *rest)


def _attached(execution_id: int, uuid: str, status: str, account: str, exchange: str) -> Attached:
    return Attached(execution_id, uuid, Status(status), account, exchange)


async def _load(connection: Connection, execution_id: int) -> tuple[Fact, ...]:
    found = await (await connection.execute(LOAD, (execution_id,))).fetchall()
    return tuple(codec.decode(row[0]) for row in found)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_read_trade: Final = codec.reader(TradeRecord)
