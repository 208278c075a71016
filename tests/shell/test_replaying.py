"""`depthwalker replay`: a journal is read again from the database, and one that was altered by a tick is told."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.conftest import replay_everything
from tests.shell.journals import NAMES, TTL, journal, origin, parent_of
from tests.shell.journals import replay as kept
from tests.shell.rig import AnEdge, rigged, walker

from depthwalker.core.fact import FORMAT
from depthwalker.shell.cli import main
from depthwalker.shell.journal import Begun
from depthwalker.shell.store import PostgresStore

MOVED = b"""
    UPDATE execution_journal
    SET body = jsonb_set(body, '{view,ladders,queue,0,0}', to_jsonb((body #>> '{view,ladders,queue,0,0}')::int + %s))
    WHERE execution_id = %s AND seq = (SELECT min(seq) FROM execution_journal WHERE kind = 'Viewed')
"""


async def executed(dsn: str, folder: Path) -> int:
    async with rigged(dsn, folder) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.46", 60), walker(2))
        return trade.execution_id


def move_the_bid(dsn: str, execution: int, ticks: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE execution_journal DISABLE TRIGGER execution_journal_append_only")
        connection.execute(MOVED, (100 * ticks, execution))
        connection.execute("ALTER TABLE execution_journal ENABLE TRIGGER execution_journal_append_only")


def test_what_was_executed_replays_and_a_view_altered_by_a_tick_is_found(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres)
    number = asyncio.run(executed(postgres, tmp_path))
    assert main(["replay", str(number)]) == 0
    assert "decisions come out as journalled; " in capsys.readouterr().out
    assert main(["replay", "--all", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["execution"], told["result"], told["not_compared"]) == (number, "same", 0)
    assert told["compared"] >= 3
    move_the_bid(postgres, number, -1)
    try:
        assert main(["replay", str(number)]) == 1
        assert f"execution {number}: the decision at entry 2 comes out otherwise" in capsys.readouterr().out
        assert main(["replay", "--all", "--json"]) == 1
        (told,) = json.loads(capsys.readouterr().out)
        assert (told["result"], told["entry"]) == ("different", 2)
        assert told["journalled"] != told["recomputed"]
        with pytest.raises(AssertionError, match=f"execution {number}"):
            replay_everything([postgres])
    finally:
        move_the_bid(postgres, number, 1)


def test_an_unknown_execution_is_refused_and_a_newer_journal_not_judged(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres)

    async def begin_a_newer_one() -> int:
        started, _ = journal("simple_fill")
        async with PostgresStore(postgres) as store:
            newer = replace(parent_of(started, 9), format=FORMAT + 1)
            begun = await store.begin(origin("newer"), newer, "w", TTL)
            assert isinstance(begun, Begun)
            return begun.execution_id

    assert main(["replay", "7"]) == 2
    assert "there is no execution 7" in capsys.readouterr().err
    number = asyncio.run(begin_a_newer_one())
    assert main(["replay", str(number)]) == 1
    assert f"has format {FORMAT + 1}, which only a newer version reads" in capsys.readouterr().out
    assert main(["replay", str(number), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [{"execution": number, "result": "newer", "format": FORMAT + 1}]


def test_the_journals_kept_of_earlier_versions_still_replay(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres)

    async def keep() -> None:
        async with PostgresStore(postgres) as store:
            for name in NAMES:
                await kept(store, name)

    asyncio.run(keep())
    assert main(["replay", "--all", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["result"] for one in told} == {"same"}
    assert {one["compared"] for one in told} == {0}, "decided by a policy that this version has no more"
