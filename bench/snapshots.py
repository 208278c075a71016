"""A million snapshots: loaded, looked up among executions of two months, retired; and by which indexes the look-ups go."""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Jsonb

from bench import bed
from bench.measure import Effort, Table
from depthwalker.core.book import Book
from depthwalker.core.units import Count, Micros, Price
from depthwalker.shell.db import load_schema
from depthwalker.shell.queries import (
    FIND,
    LOAD,
    PROMISED,
    SIGHTS,
    SLIPPAGES,
    UNFINISHED,
    UNMEASURED,
)
from depthwalker.shell.retaining import retain
from depthwalker.shell.rows import snapshot_row
from depthwalker.shell.store import PostgresStore

Connection = psycopg.Connection[TupleRow]

MARKETS: Final = 100
WEEKS: Final = (5, 4, 3, 2)  # so many weeks ago: over for more than seven days
ENTRIES: Final = 10  # of each journal
LOOKS: Final = 5
BOOK: Final = Book(
    tuple((Price(4_400 - 100 * at), Count(100 * (250 + 37 * at))) for at in range(10)),
    tuple((Price(5_300 - 100 * at), Count(100 * (190 + 53 * at))) for at in range(10)),
    Micros(0),
)
LOAD_SNAPSHOTS: Final[LiteralString] = """
    INSERT INTO order_book_snapshots (
        market_id, timestamp, yes_depth, no_depth, yes_total_volume, no_total_volume, spread, yes_best_bid, no_best_bid, trades
    )
    SELECT 'M' || i %% %(markets)s, %(start)s::timestamptz + i * (%(span)s::interval / %(count)s), r.yes_depth, r.no_depth,
        r.yes_total_volume, r.no_total_volume, r.spread, r.yes_best_bid, r.no_best_bid,
        CASE WHEN i %% 10 = 0 THEN jsonb_build_array(jsonb_build_object(
            'trade_id', i::text, 'taker', 'yes', 'yes_price', 4700, 'count', 500, 'at', 0)) ELSE '[]' END
    FROM generate_series(0, %(count)s - 1) AS i, jsonb_populate_record(NULL::order_book_snapshots, %(row)s) AS r
"""
LOAD_EXECUTIONS: Final[tuple[LiteralString, ...]] = (
    """
    INSERT INTO execution_state (
        uuid, request_key, source, account, ticker, market_id, algorithm, policy, policy_version, side, action, target_price,
        cap_price, target_quantity, status, created_at, deadline_at, completed_at
    )
    SELECT md5(i::text), 'key ' || i, 'terminal', 'default', 'T' || i %% %(markets)s, 'M' || i %% %(markets)s,
        CASE WHEN i %% 2 = 0 THEN 'simple_limit' ELSE 'dynamic_depth_walker' END, 'tuned', 1, 'yes',
        CASE WHEN i %% 5 = 0 THEN 'sell' ELSE 'buy' END, 0.47, 0.5, 100,
        CASE WHEN i < 5 THEN 'executing' ELSE 'completed' END, at, at + interval '40 seconds',
        CASE WHEN i < 5 THEN NULL ELSE at + interval '40 seconds' END
    FROM generate_series(0, %(count)s - 1) AS i,
        LATERAL (SELECT now() - i * (interval '60 days' / %(count)s) - interval '2 minutes') AS t (at)
    """,
    """
    INSERT INTO execution_leases
    SELECT execution_id, 1, 'bench', now() + interval '1 hour' FROM execution_state WHERE %(count)s > 0 AND %(markets)s > 0
    """,
    """
    INSERT INTO child_orders (
        execution_id, split, birth, client_order_id, current_client_order_id, revision, style, side, price, quantity,
        filled_quantity, itemised_quantity, filled_value, fees, phase, ending, placed_at
    )
    SELECT execution_id, 1, 0, request_key, request_key, %(markets)s * 0, 'rest', side, 0.47, 100 + %(count)s * 0, 0, 0, 0, 0,
        CASE WHEN completed_at IS NULL THEN 'live' ELSE 'closed' END, CASE WHEN completed_at IS NULL THEN NULL ELSE 'canceled' END,
        created_at
    FROM execution_state
    """,
    """
    INSERT INTO execution_metrics (
        execution_id, target_price, target_quantity, filled_quantity, filled_value, average_fill_price, fees, fill_rate,
        slippage_percent, total_execution_time, time_to_last_fill, algorithm, walks_executed, splits_used, liquidity_category,
        measured_at, created_at
    )
    SELECT execution_id, 0.47, 100, 100, 47, 0.47, 0, 1, 0.01, 40, 12, algorithm, 0, 1, 'liquid',
        CASE WHEN execution_id %% 1000 > 4 AND %(markets)s > 0 THEN now() END, completed_at
    FROM execution_state WHERE completed_at IS NOT NULL AND %(count)s > 0
    """,
    """
    INSERT INTO execution_journal
    SELECT execution_id, seq, created_at, 'Viewed', jsonb_build_object('at', 0, 'book', repeat('x', 1500 + %(markets)s * 0)), 1
    FROM execution_state, generate_series(1, %(entries)s) AS seq WHERE %(count)s > 0
    """,
)
LATEST: Final[LiteralString] = """
    SELECT timestamp, yes_depth, no_depth FROM order_book_snapshots WHERE market_id = %s ORDER BY timestamp DESC LIMIT 1
"""
HOURS: Final[LiteralString] = "SELECT * FROM order_book_hours WHERE market_id = %s AND hour >= %s AND hour < %s"
IN_FLIGHT: Final[LiteralString] = "SELECT * FROM executions_in_flight"
FALLBACKS: Final[LiteralString] = "SELECT * FROM execution_fallbacks WHERE day > current_date - 7"
DAILY: Final[LiteralString] = "SELECT * FROM execution_quality_daily WHERE day > current_date - 7"
COMPARED: Final[LiteralString] = "SELECT * FROM execution_comparison"


def tables(effort: Effort, dsn: str) -> tuple[Table, ...]:
    """Return what a database of a server of our own, or of the one given, takes for all of it."""
    with bed.folder() as inside, bed.server(inside, dsn) as server, _database(server) as ours:
        load_schema(ours)
        with psycopg.connect(ours, autocommit=True) as connection:
            loaded = tuple(_loading(connection, ours, effort))
            plans = _plans(connection)
            retired = tuple(_retiring(connection))
            return (
                Table(
                    "Snapshots: loading and retiring",
                    "Ten levels a side, a trade in every tenth; four weeks that are over, each of a quarter of them, and a tenth as "
                    f"many of today. {MARKETS} markets, with executions of two months beside them. Seconds of one run.",
                    ("what", "rows", "seconds", "rows a second"),
                    (*loaded, *retired),
                ),
                Table(
                    "The hot queries",
                    f"Milliseconds on a warm cache, median of {LOOKS}, before the retirement, and every access to a table in the "
                    "plan of EXPLAIN ANALYZE that was made; a week that it does not name is not touched.",
                    ("query", "milliseconds", "how tables are read"),
                    (*plans, _plan(connection, "hourly aggregates of a market", HOURS, _hours(connection))),
                ),
            )


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield make_conninfo(server, dbname=name)
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def _loading(connection: Connection, dsn: str, effort: Effort) -> Iterator[tuple[str, ...]]:
    """Load everything, and yield a row of figures each."""
    connection.execute("INSERT INTO markets SELECT 'M' || i, 'T' || i FROM generate_series(0, %s) AS i", (MARKETS,))
    each = effort.snapshots // len(WEEKS)
    row = Jsonb(snapshot_row("T0", "M0", BOOK, Micros(0)))
    spans = [(*_week(connection, ago), each) for ago in WEEKS]
    today = (datetime.now(UTC) - timedelta(minutes=90), timedelta(minutes=90), max(1, effort.snapshots // 10))

    def bulk() -> int:
        for start, span, count in (*spans, today):
            given: Mapping[str, object] = {"markets": MARKETS, "start": start, "span": span, "count": count, "row": row}
            connection.execute(LOAD_SNAPSHOTS, given)
        return each * len(WEEKS) + today[2]

    yield _timed("loaded in bulk", bulk)
    yield _timed("written one by one, as an engine does", lambda: asyncio.run(_one_by_one(dsn, effort.inserts)))
    count = max(10, effort.snapshots // 50)
    for statement in LOAD_EXECUTIONS:
        connection.execute(statement, {"markets": MARKETS, "count": count, "entries": ENTRIES})
    connection.execute("VACUUM ANALYZE")


def _week(connection: Connection, ago: int) -> tuple[datetime, timedelta]:
    """Make the partition of so many weeks ago, and return its start and length."""
    now = datetime.now(UTC)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=now.weekday(), weeks=ago)
    year, week, _ = start.isocalendar()
    connection.execute(
        SQL("CREATE TABLE {} PARTITION OF order_book_snapshots FOR VALUES FROM ({}) TO ({})").format(
            Identifier(f"order_book_snapshots_{year}w{week:02d}"), Literal(start), Literal(start + timedelta(weeks=1))
        )
    )
    return start, timedelta(weeks=1)


async def _one_by_one(dsn: str, count: int) -> int:
    async with PostgresStore(dsn) as store:
        for at in range(count):
            now = Micros(time.time_ns() // 1_000)
            await store.snapshot(f"T{at % MARKETS}", BOOK, now, f"M{at % MARKETS}")
    return count


def _retiring(connection: Connection) -> Iterator[tuple[str, ...]]:
    def retire() -> int:
        return sum(one.snapshots for one in retain(connection).retired)

    def again() -> int:
        return len(retain(connection).retired)

    yield _timed("retired: folded into hours and dropped", retire)
    yield _timed("retired once more: nothing to do", again)


def _timed(what: str, action: Callable[[], int]) -> tuple[str, str, str, str]:
    begun = time.perf_counter()
    count = action()
    spent = time.perf_counter() - begun
    return what, f"{count:,}", f"{spent:.2f}", f"{count / spent:,.0f}"


def _plans(connection: Connection) -> tuple[tuple[str, ...], ...]:
    found = connection.execute(
        "SELECT max(execution_id) FROM execution_state WHERE completed_at IS NOT NULL"
    ).fetchone()
    assert found is not None
    execution = found[0]
    recent = connection.execute("SELECT min(execution_id) + 7 FROM execution_state").fetchone()
    assert recent is not None
    lately, now = datetime.now(UTC) - timedelta(minutes=10), time.time_ns() // 1_000
    asked: tuple[tuple[str, LiteralString, tuple[object, ...]], ...] = (
        ("snapshots of a market during an execution", SIGHTS, (recent[0],)),
        ("latest book of a market", LATEST, ("M7",)),
        ("an execution by its request key", FIND, ("key 7",)),
        ("the journal of an execution", LOAD, (execution,)),
        ("unfinished executions of an account", UNFINISHED, ("default", "default")),
        ("recent slippages of a market", SLIPPAGES, ("T7", lately, False)),
        ("what open sells have promised", PROMISED, ("default", "T0", "yes")),
        ("executions to be measured", UNMEASURED, (now,)),
        ("executions in flight (view)", IN_FLIGHT, ()),
        ("comparison of the last seven days (view)", COMPARED, ()),
        ("quality of the last seven days by day (view)", DAILY, ()),
        ("fallbacks of the last seven days (view)", FALLBACKS, ()),
    )
    return tuple(_plan(connection, name, query, given) for name, query, given in asked)


def _hours(connection: Connection) -> tuple[object, ...]:
    """Return the arguments of a day of hours, once there are any."""
    connection.execute("ANALYZE order_book_hours")
    found = connection.execute("SELECT min(hour) FROM order_book_hours").fetchone()
    assert found is not None
    return "M7", found[0], found[0] + timedelta(days=1)


def _plan(connection: Connection, name: str, query: LiteralString, given: tuple[object, ...]) -> tuple[str, str, str]:
    explained = [
        connection.execute(SQL("EXPLAIN (ANALYZE, FORMAT JSON) {}").format(SQL(query)), given).fetchone()
        for _ in range(LOOKS)
    ]
    plans = [row[0][0] for row in explained if row is not None]
    return name, f"{median(plan['Execution Time'] for plan in plans):.2f}", _told(_accesses(plans[-1]["Plan"]))


def _told(accesses: list[str]) -> str:
    """Return accesses in a line, the weeks of one table as one."""
    alike = Counter(re.sub(r"_(\d{4}w\d{2}|default)(?=[_`])", "_<week>", access) for access in accesses)
    return "; ".join(f"{access} ({count} of them)" if count > 1 else access for access, count in alike.items())


def _accesses(node: Mapping[str, object]) -> list[str]:
    """Return how each table in a plan is read; what was planned but never run is left out."""
    inner = node.get("Plans")
    below = [line for one in inner for line in _accesses(one)] if isinstance(inner, list) else []
    if node["Actual Loops"] == 0:
        return []
    kind, table, index = str(node["Node Type"]), node.get("Relation Name"), node.get("Index Name")
    if kind == "Bitmap Index Scan":
        return [f"bitmap by `{index}`"]
    if table is None or kind == "Bitmap Heap Scan":
        return below
    return [f"`{table}` by `{index}`" if index else f"`{table}` whole", *below]
