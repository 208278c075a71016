"""A pool of connections to PostgreSQL, and what goes wrong there under the names of journal.py."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, LiteralString, TypeAlias, TypeVar

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from depthwalker.shell.journal import (
    JournalConflict,
    MissingRow,
    NoSuchExecution,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    SwitchPulled,
)

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
T = TypeVar("T")

OPTIONS: Final = "-c statement_timeout=10s -c lock_timeout=5s"
READ_ONLY: Final = "-c default_transaction_read_only=on"
CONNECT_S: Final = 5


class Database:
    """A small pool; every statement commits by itself. Raises the errors of journal.py, and nothing of psycopg."""

    def __init__(self, dsn: str, *, read_only: bool = False) -> None:
        """Where `read_only`, the server refuses whatever would write."""
        self._dsn = dsn
        self._options = f"{OPTIONS} {READ_ONLY}" if read_only else OPTIONS
        settings = {"autocommit": True, "options": self._options, "connect_timeout": CONNECT_S}
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn, min_size=1, max_size=8, open=False, timeout=CONNECT_S, kwargs=settings
        )

    async def open(self) -> None:
        """Connect. Raises StoreUnavailable."""
        try:
            await self._pool.open(wait=True, timeout=CONNECT_S)
        except psycopg.Error as error:
            await self._pool.close()
            raise _named(error) from error

    async def close(self) -> None:
        """Close the connections; what is under way comes to an end first."""
        await self._pool.close()

    async def one(self, query: LiteralString, *values: object) -> TupleRow | None:
        """Return the first row."""
        return next(iter(await self.all(query, *values)), None)

    async def all(self, query: LiteralString, *values: object) -> list[TupleRow]:
        """Return the rows. The statement may run twice: once more on another connection, when the first one is lost."""

        async def work(connection: Connection) -> list[TupleRow]:
            return await (await connection.execute(query, values)).fetchall()

        return await self.run(work)

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what `work` does with a connection, or does once more when the first one is lost."""
        try:
            return await self._once(work)
        except StoreUnavailable as lost:
            if isinstance(lost.__cause__, PoolTimeout | PoolClosed):
                raise
            await self._pool.check()  # whatever ended that connection has probably ended the idle ones, too
            return await self._once(work)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """Give a connection outside the pool."""
        try:
            async with await psycopg.AsyncConnection.connect(
                self._dsn, autocommit=True, options=self._options, connect_timeout=CONNECT_S
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise _named(error) from error

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            async with self._pool.connection() as connection:
                return await work(connection)
        except psycopg.Error as error:
            raise _named(error) from error


def _named(error: psycopg.Error) -> StoreError:
    """Return the store's name for what went wrong."""
    text = error.diag.message_primary or str(error)
    match error.sqlstate:
        case "DW001" | "DW002":
            return JournalConflict(text)
        case "DW003":
            return NoSuchExecution(text)
        case "DW005":
            return SwitchPulled(text)
        case "DW010":
            table, _, row = (error.diag.message_detail or "").partition(" ")
            return MissingRow(table, row)
        case _ if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return StoreUnavailable(text)
        case _:
            return StoreRefused(text)
