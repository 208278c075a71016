"""A pool of connections to PostgreSQL, and what goes wrong there under the names of journal.py.

The server's own limits (`OPTIONS`) are worth nothing once it is frozen or has vanished without a word, so a connection has
one too: whoever is waited for in vain is hung up on, and the statement ends as one whose connection was lost.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, LiteralString, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout
from typing_extensions import override

from depthwalker.shell.journal import (
    JournalConflict,
    MissingRow,
    NoSuchExecution,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    SwitchPulled,
    TurnedDown,
    Unfit,
)

T = TypeVar("T")

# An order is sent once its intent is durable: no setting of the server, database or role may make a commit less than that.
OPTIONS: Final = "-c statement_timeout=10s -c lock_timeout=5s -c synchronous_commit=on"
READ_ONLY: Final = "-c default_transaction_read_only=on"
CONNECT_S: Final = 5
# The pool doubles its pauses between two attempts to connect, to minutes; whoever asks after it has given up begins anew.
RECONNECT_S: Final = 10.0
ANSWER_S: Final = 12.0  # more than the server allows a statement: it is the one to say so while it can
CANCEL_S: Final = 0.25  # for a server to cancel a statement that nobody waits for any more
# PostgreSQL's classes of errors in a value itself, and of one beyond its limits (psycopg counts these among what may pass).
DATA_EXCEPTION: Final = ("22", "54")
# What the connection string does not say itself. The kernel gives up on a host that has vanished as soon as we do.
SETTINGS: Final[dict[str, str | int]] = {
    "connect_timeout": CONNECT_S,
    "tcp_user_timeout": 12_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
# What none of server, database, role or connection string may make another: texts would not be those that were written.
ENCODING: Final = "UTF8"


class Silence(psycopg.OperationalError):
    """The server has not answered in time; whether it did what was asked is unknown."""


class Connection(psycopg.AsyncConnection[TupleRow]):
    """A connection that waits for an answer for `patience_s` at most, and for a cancellation even less."""

    patience_s: float = ANSWER_S
    _alarm: asyncio.TimerHandle | None = None
    _hung_up: bool = False

    @override
    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's, for every statement. Raises Silence; with a `timeout`, which is for notifications, it keeps to that."""
        if timeout is None:
            self._hang_up_in(self.patience_s)
        try:
            return await super().wait(gen, interval, timeout)
        except psycopg.OperationalError as lost:
            if self._hung_up:
                raise Silence(f"the database has not answered within {self.patience_s:g} s") from lost
            raise
        finally:
            if self._alarm is not None:
                self._alarm.cancel()

    @override
    async def cancel_safe(self, *, timeout: float = CANCEL_S) -> None:
        """Ask the server to cancel, as psycopg does when a task is cancelled; it would wait for ten seconds in all."""
        self._hang_up_in(CANCEL_S)
        await super().cancel_safe(timeout=CANCEL_S)

    def _hang_up_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._hang_up)

    def _hang_up(self) -> None:
        """Let psycopg see the end of the connection, which it then closes in its own way."""
        self._hung_up = True
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)


class Database:
    """A small pool; every statement commits by itself. Raises the errors of journal.py, and nothing of psycopg."""

    def __init__(self, dsn: str, *, read_only: bool = False) -> None:
        """Where `read_only`, the server refuses whatever would write."""
        self._dsn = _with_settings(dsn, READ_ONLY if read_only else "")
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            self._dsn,
            connection_class=Connection,
            min_size=1,
            max_size=8,
            open=False,
            timeout=CONNECT_S,
            reconnect_timeout=RECONNECT_S,
            kwargs={"autocommit": True},
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

    async def sole(self, query: LiteralString, *values: object) -> TupleRow:
        """Return the row of a statement that always has one."""
        (row,) = await self.all(query, *values)
        return row

    async def all(self, query: LiteralString, *values: object) -> list[TupleRow]:
        """Return the rows. The statement may run twice: once more on another connection, when the first one is lost."""

        async def work(connection: Connection) -> list[TupleRow]:
            return await (await connection.execute(query, values)).fetchall()

        return await self.run(work)

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what `work` does with a connection, or does once more when the first one is lost; not after a silence."""
        try:
            return await self._once(work)
        except StoreUnavailable as lost:
            if isinstance(lost.__cause__, PoolTimeout | PoolClosed):
                raise
            await self._pool.drain()  # whatever ended that connection has probably ended the idle ones, too
            if isinstance(lost.__cause__, Silence):
                raise
            return await self._once(work)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Connection]:
        """Give a connection outside the pool."""
        try:
            async with await Connection.connect(self._dsn, autocommit=True) as connection:
                yield connection
        except psycopg.Error as error:
            raise _named(error) from error

    async def _once(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            async with self._pool.connection() as connection:
                return await work(connection)
        except psycopg.Error as error:
            raise _named(error) from error


def _with_settings(dsn: str, last: str) -> str:
    """Return a connection string with our settings wherever it says nothing itself; an unreadable one fails as it connects."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return dsn
    options = " ".join(filter(None, (OPTIONS, str(given.pop("options", "") or ""), last)))
    return make_conninfo("", **(SETTINGS | given | {"client_encoding": ENCODING}), options=options)


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
        case "DW006":
            return TurnedDown(text)
        case "DW010":
            table, _, row = (error.diag.message_detail or "").partition(" ")
            return MissingRow(table, row)
        # It only reads since a failover, or has hung up: psycopg counts these among bugs.
        case "25006" | "25P03" | "25P04":
            return StoreUnavailable(text)
        case str(state) if state.startswith(DATA_EXCEPTION):
            return Unfit(text)
        case _ if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return StoreUnavailable(text)
        case _:
            return StoreRefused(text)
