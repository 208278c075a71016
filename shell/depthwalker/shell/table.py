"""The comparison at the end of a demo: one query over the rows that its executions wrote, one line an execution."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Final, LiteralString

from psycopg.rows import class_row
from rich.box import SIMPLE_HEAD
from rich.table import Table

from depthwalker.core.units import MILLION
from depthwalker.shell.db import connected
from depthwalker.shell.figures import share, signed_percent

QUERY: Final[LiteralString] = """\
SELECT split_part(e.request_key, ' ', 4) AS execution, m.algorithm,
       m.liquidity_category AS liquidity, m.filled_quantity AS filled,
       m.target_quantity AS wanted, m.fill_rate, m.target_price AS target,
       m.average_fill_price AS average, m.slippage_percent AS slippage,
       m.fees, m.walks_executed AS walks, j.calls,
       m.total_execution_time AS seconds, e.status
FROM execution_state e
JOIN execution_metrics m USING (execution_id)
JOIN (
    SELECT execution_id, sum(CASE
        WHEN kind IN ('PlaceIntended', 'AmendIntended', 'Requested') THEN 1
        WHEN kind = 'LookedUp' THEN (body ->> 'reads')::int
        ELSE 0 END) AS calls
    FROM execution_journal GROUP BY execution_id
) j USING (execution_id)
WHERE e.request_key LIKE %s
ORDER BY e.request_key"""
HEADINGS: Final = ("filled", "rate", "average", "slippage", "fees $", "walks", "calls", "s")
WIDE: Final = 110


@dataclass(frozen=True, slots=True)
class Row:
    """One execution's figures. `fill_rate` and `slippage` are fractions, `fees` dollars; positive slippage is worse."""

    execution: str
    algorithm: str
    liquidity: str | None
    filled: Decimal
    wanted: Decimal
    fill_rate: Decimal
    target: Decimal
    average: Decimal | None
    slippage: Decimal | None
    fees: Decimal
    walks: int
    calls: int
    seconds: Decimal
    status: str

    def plain(self) -> dict[str, object]:
        """Return the row for JSON: exact numbers as texts."""
        return {key: str(value) if isinstance(value, Decimal) else value for key, value in asdict(self).items()}


def request_key(run: str, number: int, name: str) -> str:
    """Return the request key of a demo's execution; the query finds a run by its beginning."""
    return f"demo {run} {number:02} {name}"


def query_text(run: str) -> str:
    """Return the query as it can be pasted."""
    return f"{QUERY.replace('%s', _quoted(run))};"


def comparison(dsn: str, run: str) -> tuple[Row, ...]:
    """Return the rows of a run. Raises psycopg.Error."""
    with connected(dsn) as connection, connection.cursor(row_factory=class_row(Row)) as cursor:
        return tuple(cursor.execute(QUERY, (f"demo {run} %",)).fetchall())


def table(rows: Sequence[Row], width: int) -> Table:
    """Return the rows as they are shown, with two columns more where `width` has room for them."""
    wide = width >= WIDE
    title = "the same parent orders, by both algorithms"
    shown = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1 if wide else 0, 0, 0), pad_edge=False
    )
    shown.add_column("execution", no_wrap=True)
    for heading in (*(("class", "target") if wide else ()), *HEADINGS):
        shown.add_column(heading, justify="right", no_wrap=True)
    for index, row in enumerate(rows):
        market = row.execution.partition("/")[0]
        following = rows[index + 1].execution.partition("/")[0] if index + 1 < len(rows) else ""
        cells = _cells(row)
        shown.add_row(cells[0], *(cells[1:] if wide else cells[3:]), end_section=market != following)
    return shown


def _cells(row: Row) -> tuple[str, ...]:
    ran = "" if _short(row.algorithm) == row.execution.partition("/")[2] else f" ran {row.algorithm}"
    return (
        row.execution + ran,
        row.liquidity or "-",
        f"{row.target:.4f}",
        f"{_trimmed(row.filled)}/{_trimmed(row.wanted)}",
        f"{row.fill_rate * 100:.0f} %" if row.fill_rate in (0, 1) else share(_ppm(row.fill_rate), MILLION),
        "-" if row.average is None else f"{row.average:.4f}",
        "-" if row.slippage is None else signed_percent(_ppm(row.slippage)),
        f"{row.fees:.2f}",
        str(row.walks),
        str(row.calls),
        f"{row.seconds:.1f}",
    )


def _ppm(ratio: Decimal) -> int:
    return int(ratio.scaleb(6))  # the tables keep no finer ones


def _short(algorithm: str) -> str:
    return {"simple_limit": "simple", "dynamic_depth_walker": "walker"}.get(algorithm, algorithm)


def _trimmed(count: Decimal) -> str:
    return f"{count:.2f}".rstrip("0").rstrip(".")


def _quoted(run: str) -> str:
    return f"'demo {run} %'"
