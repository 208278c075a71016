"""`depthwalker recover` after a kill -9: what rested is gone, and it says what became of the execution."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.shell.command_line import SLOW, Venue, method, order, started, trading_at

from depthwalker.shell.cli import main


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def venue(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    with trading_at(tmp_path, monkeypatch, database) as opened:
        assert main(["db", "load"]) == 0
        yield opened


def test_a_killed_execution_is_wound_down_and_told(
    venue: Venue, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = method(tmp_path / "slow.json", SLOW)
    with started(order(method=slow, target="0.40"), "placed") as process:
        give_up = time.monotonic() + 10
        while not venue.resting():
            assert time.monotonic() < give_up
        process.kill()
    capsys.readouterr()
    assert main(["recover"]) == 0
    said = capsys.readouterr().out
    assert "run by another worker, or until a moment ago: execution" in said
    assert "it lets go in 15 s: run this again then" in said
    assert venue.resting(), "its lease has not run out: somebody may run it still"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE execution_leases SET expires_at = clock_timestamp()")
    assert main(["recover", "--wind-down", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [trade["result"]["reason"].partition("; ")[2] for trade in found["trades"]] == ["recovered"]
    assert (found["troubles"], found["held"], found["strays"]) == ([], [], [])
    assert venue.resting() == 0
    assert main(["recover"]) == 0
    assert capsys.readouterr().out == "nothing was left\n"


def test_without_a_key_or_an_exchange_it_says_what_is_missing(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "http://127.0.0.1:9/trade-api/v2")
    assert main(["recover"]) == 1
    assert "resting orders cannot be read" in capsys.readouterr().err
    monkeypatch.delenv("DEPTHWALKER_KEY_ID")
    monkeypatch.delenv("DEPTHWALKER_KEY_FILE")
    assert main(["recover"]) == 2
    assert "no API key" in capsys.readouterr().err
