"""What has happened, read from the database and never written: journals, and where executions stand."""

from types import TracebackType
from typing import Final, LiteralString, Self

from psycopg.rows import TupleRow

from depthwalker.core.config import Algorithm
from depthwalker.core.depth import Liquidity
from depthwalker.core.fact import Fact
from depthwalker.core.period import Sample
from depthwalker.core.units import Micros
from depthwalker.shell import codec
from depthwalker.shell.journal import NoSuchExecution
from depthwalker.shell.period_page import Ended, Period
from depthwalker.shell.pool import Database
from depthwalker.shell.queries import LOAD, NOW

RECENT: Final[LiteralString] = "SELECT execution_id FROM execution_state ORDER BY execution_id DESC LIMIT %s"

ENDED: Final[LiteralString] = """
    SELECT e.execution_id, (extract(epoch FROM m.created_at) * 1000000)::bigint, e.status, m.algorithm,
        m.liquidity_category, e.ticker, to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
        (m.target_quantity * 100)::bigint, (m.filled_quantity * 100)::bigint, (m.shortfall_cents * 10000)::bigint,
        (m.slippage_percent * 1000000)::bigint, (m.fees * 1000000)::bigint, m.walks_executed, m.calls_used,
        (m.time_to_last_fill * 1000000)::bigint
    FROM execution_metrics m JOIN execution_state e USING (execution_id)
    WHERE m.created_at >= depthwalker_instant(%s) AND (e.source = 'paper') = %s
    ORDER BY m.created_at DESC, m.metric_id DESC LIMIT %s
"""
MOST: Final = 100_000  # executions of a period


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

    async def rows(self, query: LiteralString, *values: object) -> list[TupleRow]:
        """Return what a query finds."""
        return await self._database.all(query, *values)

    async def period(self, span: Micros, *, paper: bool = False) -> Period:
        """Return what ended within a span until now, by the database's clock: of real trades, or on paper."""
        (now,) = await self._database.sole(NOW)
        since = Micros(now - span)
        found = await self._database.all(ENDED, since, paper, MOST + 1)
        ended = tuple(_ended(row) for row in found[:MOST])
        return Period(since, Micros(now), ended, cut=len(found) > MOST, paper=paper)


def _ended(row: TupleRow) -> Ended:
    number, at, status, algorithm, liquidity, market, day, *figures = row
    wanted, filled, cost, slippage, fees, walks, calls, last = figures
    sample = Sample(
        algorithm=Algorithm(algorithm),
        liquidity=None if liquidity is None else Liquidity(liquidity),
        market=market,
        day=day,
        wanted=wanted,
        filled=filled,
        cost=cost,
        slippage=slippage,
        fees=fees,
        walks=walks,
        calls=calls,
        last_fill=last,
    )
    return Ended(number, at, status, sample)
