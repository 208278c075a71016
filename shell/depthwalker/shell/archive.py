"""What has happened, read from the database and never written: journals, and where executions stand."""

from types import TracebackType
from typing import Final, LiteralString, Self

from depthwalker.core.fact import Fact
from depthwalker.shell import codec
from depthwalker.shell.journal import NoSuchExecution
from depthwalker.shell.pool import Database
from depthwalker.shell.queries import LOAD

RECENT: Final[LiteralString] = "SELECT execution_id FROM execution_state ORDER BY execution_id DESC LIMIT %s"


class Archive:
    """A database as its readers see it. Raises the errors of journal.py."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn, read_only=True)

    async def __aenter__(self) -> Self:
        await self._database.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._database.close()

    async def facts(self, execution_id: int) -> tuple[Fact, ...]:
        """Return the journal of an execution. Raises NoSuchExecution, which names the latest ones, and codec.Unreadable."""
        found = tuple(codec.decode(row[0]) for row in await self._database.all(LOAD, execution_id))
        if found:
            return found
        latest = ", ".join(str(row[0]) for row in reversed(await self._database.all(RECENT, 5)))
        raise NoSuchExecution(
            f"there is no execution {execution_id}"
            + (f"; the latest are {latest}" if latest else "; there is none yet")
        )
