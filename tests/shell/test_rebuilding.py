"""`depthwalker db rebuild`: rows follow from the journal again, a trade that was refused is written once it can be."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.rows import TupleRow
from tests.shell.journals import TTL, folded, journal, origin, parent_of, replay

from depthwalker.core.fact import FORMAT
from depthwalker.core.projection import project
from depthwalker.shell.cli import main
from depthwalker.shell.journal import Begun
from depthwalker.shell.store import PostgresStore

SPOILED = "UPDATE execution_state SET filled_quantity = 999, split_configs = NULL; DELETE FROM execution_metrics"
SHOWN = """
    SELECT e.filled_quantity, e.split_configs, e.updated_at, e.trade_error, m.filled_value, m.fees, t.quantity, t.price
    FROM execution_state e JOIN execution_metrics m USING (execution_id) LEFT JOIN trades t USING (execution_id)
"""


@pytest.fixture
def sql(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[TupleRow]]:
    monkeypatch.setenv("DATABASE_URL", postgres)
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


async def kept_at_once(dsn: str) -> None:
    started, rest = journal("walk_with_partial_fills")
    async with PostgresStore(dsn) as store:
        begun = await store.begin(origin(), started, "w", TTL)
        assert isinstance(begun, Begun)
        await store.append(begun.execution_id, begun.epoch, 2, rest, project(folded(started, *rest)))


def test_what_the_tables_show_follows_from_the_journal_again(
    postgres: str, sql: psycopg.Connection[TupleRow], capsys: pytest.CaptureFixture[str]
) -> None:
    async def keep() -> None:
        async with PostgresStore(postgres) as store:
            await replay(store, "walk_with_partial_fills")

    asyncio.run(keep())
    before = sql.execute(SHOWN).fetchall()
    sql.execute(SPOILED)
    assert main(["db", "rebuild"]) == 0
    assert capsys.readouterr().out == "1 execution rebuilt\n"
    assert sql.execute(SHOWN).fetchall() == before
    assert main(["db", "rebuild", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"rebuilt": 1, "lacking": {}}


def test_a_trade_that_the_engines_table_refused_is_written_once_it_can_be(
    postgres: str, sql: psycopg.Connection[TupleRow], capsys: pytest.CaptureFixture[str]
) -> None:
    sql.execute("ALTER TABLE trades ADD CONSTRAINT too_small CHECK (quantity > 1000)")
    asyncio.run(kept_at_once(postgres))
    assert main(["db", "rebuild"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("0 executions rebuilt\nexecution 1: the table trades refuses its row: ")
    assert "too_small" in told
    sql.execute("ALTER TABLE trades DROP CONSTRAINT too_small")
    assert main(["db", "rebuild"]) == 0
    [(quantity, filled, refused)] = sql.execute(
        "SELECT t.quantity, e.filled_quantity, e.trade_error FROM trades t JOIN execution_state e USING (execution_id)"
    ).fetchall()
    assert (quantity == filled, refused) == (True, None)


def test_a_refused_trade_that_somebody_entered_is_missing_no_more(
    postgres: str, sql: psycopg.Connection[TupleRow], capsys: pytest.CaptureFixture[str]
) -> None:
    sql.execute("ALTER TABLE trades ADD CONSTRAINT too_small CHECK (quantity > 1000)")
    asyncio.run(kept_at_once(postgres))
    sql.execute(
        "INSERT INTO trades (execution_id, market_id, side, action, quantity, price) "
        "SELECT execution_id, market_id, side, action, 2000, 0.5 FROM execution_state"
    )
    assert main(["db", "rebuild"]) == 0
    assert capsys.readouterr().out == "1 execution rebuilt\n"
    assert sql.execute(
        "SELECT quantity, trade_error FROM trades JOIN execution_state USING (execution_id)"
    ).fetchall() == [(2000, None)]


def test_a_trade_that_the_engine_has_deleted_stays_so(postgres: str, sql: psycopg.Connection[TupleRow]) -> None:
    asyncio.run(kept_at_once(postgres))
    assert sql.execute("DELETE FROM trades").rowcount == 1
    assert main(["db", "rebuild"]) == 0
    assert sql.execute("SELECT count(*) FROM trades").fetchall() == [(0,)]


def test_what_a_newer_version_wrote_is_left_to_it(
    postgres: str, sql: psycopg.Connection[TupleRow], capsys: pytest.CaptureFixture[str]
) -> None:
    async def keep() -> None:
        started, _ = journal("simple_fill")
        async with PostgresStore(postgres) as store:
            newer = replace(parent_of(started, 9), format=FORMAT + 1)
            assert isinstance(await store.begin(origin(), newer, "w", TTL), Begun)

    asyncio.run(keep())
    sql.execute("UPDATE execution_state SET ending = 'as the newer one says'")
    assert main(["db", "rebuild", "--json"]) == 1
    lacks = f"it is left to the version that wrote it: its journal has format {FORMAT + 1}, which only a newer version reads"
    assert json.loads(capsys.readouterr().out) == {"rebuilt": 0, "lacking": {"1": lacks}}
    assert sql.execute("SELECT ending FROM execution_state").fetchall() == [("as the newer one says",)]
