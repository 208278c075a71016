"""A database that says nothing more, or only reads since a failover: what is asked ends, and is asked anew elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool.base import AttemptWithBackoff
from tests.shell.journals import TTL
from tests.shell.relay import Wire, relayed

from depthwalker.core.book import Leg
from depthwalker.shell import pool
from depthwalker.shell.journal import StoreRefused, StoreUnavailable
from depthwalker.shell.pool import ANSWER_S, OPTIONS, READ_ONLY, SETTINGS, Connection, Database
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.tasks import end

SHORT_S = 0.2
LONG_S = 4.0  # for a busy machine; psycopg alone takes ten seconds to cancel, and for ever to wait


@pytest.fixture
async def wired(postgres: str, tmp_path: Path) -> AsyncIterator[tuple[PostgresStore, Wire]]:
    async with relayed(postgres, tmp_path) as (dsn, wire), PostgresStore(dsn) as opened:
        yield opened, wire


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "patience_s", SHORT_S)


def test_the_server_is_the_first_to_end_a_statement_that_takes_long() -> None:
    assert "statement_timeout=10s" in OPTIONS
    assert ANSWER_S > 10


async def test_no_statement_waits_long_for_a_frozen_database(hasty: None, wired: tuple[PostgresStore, Wire]) -> None:
    store, wire = wired
    wire.freeze()
    since = monotonic()
    async with asyncio.timeout(LONG_S):
        with pytest.raises(StoreUnavailable, match=r"has not answered within 0\.2 s"):
            await store.switch()
    assert monotonic() - since >= SHORT_S
    wire.thaw()
    assert await store.switch() is None


async def test_nor_does_one_on_a_connection_of_its_own(hasty: None, wired: tuple[PostgresStore, Wire]) -> None:
    store, wire = wired

    async def admit() -> None:
        async with store.admission("a", "KX") as admission:
            wire.freeze()
            await admission.promised_sells(Leg.YES)

    async with asyncio.timeout(LONG_S):
        with pytest.raises(StoreUnavailable, match="has not answered"):
            await admit()


async def test_one_silence_replaces_all_connections_to_a_host_that_has_vanished(
    hasty: None, wired: tuple[PostgresStore, Wire]
) -> None:
    store, wire = wired
    await asyncio.gather(*(store.switch() for _ in range(8)))
    wire.freeze()
    wire.fail_over()
    with pytest.raises(StoreUnavailable, match="has not answered"):
        await store.switch()
    assert await asyncio.gather(*(store.switch() for _ in range(8))) == 8 * [None]


async def test_a_task_that_asks_a_frozen_database_can_be_cancelled(wired: tuple[PostgresStore, Wire]) -> None:
    store, wire = wired
    wire.freeze()
    asking = asyncio.create_task(store.renew(1, 1, TTL))
    await asyncio.wait({asking}, timeout=SHORT_S)
    async with asyncio.timeout(LONG_S):
        asking.cancel()
        await asyncio.wait({asking})
    assert asking.cancelled()
    wire.thaw()


async def test_a_cancelled_statement_leaves_its_connection_to_the_next_one(postgres: str) -> None:
    database = Database(postgres)
    await database.open()
    before = await database.one("SELECT pg_backend_pid()")
    sleeping = asyncio.create_task(database.all("SELECT pg_sleep(60)"))
    await asyncio.wait({sleeping}, timeout=SHORT_S)
    await end(sleeping)
    assert await database.one("SELECT pg_backend_pid()") == before
    await database.close()


async def test_a_server_that_only_reads_is_unavailable_and_its_connection_is_replaced(postgres: str) -> None:
    database = Database(make_conninfo(postgres, options=READ_ONLY))
    await database.open()
    before = await database.one("SELECT pg_backend_pid()")
    with pytest.raises(StoreUnavailable, match="read-only"):
        await database.all("CREATE TABLE x ()")
    assert await database.one("SELECT pg_backend_pid()") != before
    await database.close()


async def test_a_database_that_was_away_for_long_is_there_again_soon_after(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool doubles its pauses; here they are a twentieth of the usual ones."""
    monkeypatch.setattr(AttemptWithBackoff, "INITIAL_DELAY", AttemptWithBackoff.INITIAL_DELAY / 20)
    monkeypatch.setattr(pool, "RECONNECT_S", pool.RECONNECT_S / 20)
    name = conninfo_to_dict(postgres)["dbname"]
    database = Database(postgres)
    await database.open()
    outside = make_conninfo(postgres, dbname="postgres")
    async with await psycopg.AsyncConnection.connect(outside, autocommit=True) as server:

        async def allow(word: LiteralString) -> None:
            await server.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS " + word).format(sql.Identifier(str(name)))
            )

        async def asks() -> bool:
            try:
                async with asyncio.timeout(SHORT_S):
                    return await database.one("SELECT 1") is not None
            except (StoreUnavailable, TimeoutError):
                return False

        await allow("false")
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        since = monotonic()
        while monotonic() - since < LONG_S:
            assert not await asks()
        await allow("true")
        since = monotonic()
        while not await asks():
            assert monotonic() - since < LONG_S / 3
    await database.close()


async def test_what_the_connection_string_says_holds_and_the_rest_is_ours(postgres: str) -> None:
    own = {"tcp_user_timeout": "700", "keepalives_idle": "70", "options": "-c lock_timeout=7s -c work_mem=7MB"}
    async with Database(make_conninfo(postgres, **own)).alone() as connection:
        chosen = conninfo_to_dict(connection.info.dsn)
        shown = [
            await (await connection.execute("SELECT current_setting(%s)", (name,))).fetchone()
            for name in ("lock_timeout", "work_mem", "statement_timeout")
        ]
    assert shown == [("7s",), ("7MB",), ("10s",)]
    assert {name: str(chosen[name]) for name in SETTINGS} == {
        "connect_timeout": "5",
        "tcp_user_timeout": "700",
        "keepalives_idle": "70",
        "keepalives_interval": "2",
        "keepalives_count": "3",
    }


async def test_a_connection_string_that_cannot_be_read_is_told_when_it_is_used() -> None:
    with pytest.raises(StoreRefused):
        async with Database("postgresql://[").alone():
            pass


async def test_an_intent_is_durable_whatever_the_server_is_set_to(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as sql:
        sql.execute(f"ALTER DATABASE {sql.info.dbname} SET synchronous_commit = off".encode())
    database = Database(dsn)
    await database.open()
    try:
        assert await database.one("SHOW synchronous_commit") == ("on",)
    finally:
        await database.close()
