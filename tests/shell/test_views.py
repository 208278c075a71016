"""What is watched in the database: the comparison, what is in flight, what fell back, and rows that break an invariant."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from bench.snapshots import COMPARED, DAILY, FALLBACKS, LOAD_EXECUTIONS
from psycopg.rows import DictRow, dict_row
from tests.shell.rig import AnEdge, rigged, simple, walker

BREAKS = {
    1: "UPDATE execution_state SET filled_quantity = target_quantity + 1 WHERE execution_id = %s",
    2: "UPDATE child_orders SET price = 0.99 WHERE execution_id = %s",
    4: "UPDATE child_orders SET phase = 'live', ending = NULL WHERE execution_id = %s",
    5: "UPDATE execution_fills SET quantity = quantity + 1 WHERE execution_id = %s",
    6: "UPDATE split_orders SET quantity = quantity + 1 WHERE execution_id = %s",
    9: "UPDATE execution_fills SET price = price + 0.01 WHERE execution_id = %s",
}


@contextmanager
def undone(dsn: str) -> Iterator[psycopg.Cursor[DictRow]]:
    """Give a cursor whose changes are rolled back."""
    with psycopg.connect(dsn) as connection, connection.cursor(row_factory=dict_row) as cursor:
        yield cursor
        connection.rollback()


async def test_what_ended_is_compared_and_what_runs_is_in_flight(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await engine.execute_trade(AnEdge(1, "0.47", 10), simple())
        await engine.execute_trade(
            AnEdge(2, "0.47", 10), walker(60, min_volume_threshold=1_000_000), request_key="falls back"
        )
        call = asyncio.create_task(engine.execute_trade(AnEdge(3, "0.40", 10), simple(60)))
        await rig.shows("SELECT 1 FROM executions_in_flight WHERE open_orders = 1")
        with undone(postgres) as connection:
            (flying,) = connection.execute("SELECT * FROM executions_in_flight").fetchall()
            (oldest,) = connection.execute("SELECT * FROM oldest_unfinished").fetchall()
            compared = connection.execute("SELECT * FROM execution_comparison").fetchall()
            daily = connection.execute("SELECT * FROM execution_quality_daily").fetchall()
            fallen = connection.execute("SELECT reason, ran, executions FROM execution_fallbacks").fetchall()
            buckets = connection.execute("SELECT bucket, level, leased FROM rate_limit_use").fetchall()
        engine.stop()
        await call
    assert (flying["execution_id"], flying["held"], flying["algorithm"]) == (3, True, "simple_limit")
    assert (oldest["execution_id"], oldest["overdue"]) == (3, False)
    assert list(compared[0]) == [
        "algorithm",
        "liquidity_category",
        "executions",
        "avg_slippage_pct",
        "avg_fill_rate",
        "avg_time_seconds",
        "avg_walks",
    ], "the specification's columns, in its order"
    assert [(one["algorithm"], one["executions"], one["avg_fill_rate"]) for one in compared] == [
        ("simple_limit", 2, 100)
    ]
    assert [(one["executions"], one["failed"], one["fill_rate"]) for one in daily] == [(2, 0, 1)]
    assert fallen == [{"reason": "thin market", "ran": "simple_limit", "executions": 1}]
    assert {one["bucket"] for one in buckets} >= {"write"}


@pytest.fixture(scope="module")
def executed(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    async def run(dsn: str, folder: Path) -> int:
        async with rigged(dsn, folder) as rig, rig.engine() as engine:
            return (await engine.execute_trade(AnEdge(1, "0.47", 10), simple())).execution_id

    dsn = new_database()
    return dsn, asyncio.run(run(dsn, tmp_path_factory.mktemp("views")))


@pytest.mark.parametrize("invariant", BREAKS)
def test_a_row_that_breaks_an_invariant_is_shown(invariant: int, executed: tuple[str, int]) -> None:
    dsn, execution = executed
    with undone(dsn) as connection:
        assert connection.execute("SELECT * FROM broken_invariants").fetchall() == []
        connection.execute(BREAKS[invariant].encode(), (execution,))
        shown = connection.execute("SELECT execution_id, invariant FROM broken_invariants").fetchall()
        assert {"execution_id": execution, "invariant": invariant} in shown


def test_the_views_of_the_last_days_read_no_large_table_whole(postgres: str) -> None:
    with undone(postgres) as connection:
        connection.execute("INSERT INTO markets SELECT 'M' || i, 'T' || i FROM generate_series(0, 9) AS i")
        for statement in LOAD_EXECUTIONS:
            connection.execute(statement, {"markets": 10, "count": 10_000, "entries": 0})
        connection.execute("UPDATE execution_state SET source = 'paper' WHERE execution_id % 3 = 0")
        connection.execute("ANALYZE")
        for query in (COMPARED, DAILY, FALLBACKS):
            lines = connection.execute("EXPLAIN " + query).fetchall()
            plan = "\n".join(str(line["QUERY PLAN"]) for line in lines)
            assert "Seq Scan on execution_" not in plan, plan
            assert "Index Scan" in plan
