"""`depthwalker stop`: what runs anywhere ends, what a dead process left is taken up and ended, and it can be released."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from tests.shell.command_line import SLOW, Venue, method, order, started, trading_at

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.cli import main
from depthwalker.shell.journal import StoreUnavailable
from depthwalker.shell.store import PostgresStore


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def venue(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    with trading_at(tmp_path, monkeypatch, database) as opened:
        assert main(["db", "load"]) == 0
        yield opened


def wait_until_it_rests(venue: Venue) -> None:
    give_up = time.monotonic() + 10
    while not venue.resting():
        assert time.monotonic() < give_up


def test_another_process_obeys_and_nothing_begins_until_it_is_released(
    venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = order(method=method(tmp_path / "slow.json", SLOW), target="0.40")
    with started(slow, "placed") as process:
        wait_until_it_rests(venue)
        capsys.readouterr()
        assert main(["stop", "--reason", "rehearsal"]) == 0
        shown = capsys.readouterr()
        assert process.wait(10) == 1
    assert "the kill switch is pulled: rehearsal" in shown.err
    assert "everything has ended and nothing rests" in shown.out
    assert venue.resting() == 0
    assert main(["stop", "--reason", "once more"]) == 0
    again = capsys.readouterr().err
    assert "the kill switch was pulled already, by " in again
    assert "rehearsal" in again
    assert "once more" not in again
    assert main(slow) == 1
    assert "trading is stopped (rehearsal): `depthwalker stop --release` lets it go on" in capsys.readouterr().err
    assert main(["stop", "--release", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"released": True}
    assert main(["stop", "--release"]) == 0
    assert capsys.readouterr().out == "the kill switch is not pulled\n"


def kill_one_whose_order_rests(venue: Venue, database: str, folder: Path) -> None:
    """Kill a process with an order resting, and have its lease run out."""
    with started(order(method=method(folder / "slow.json", SLOW), target="0.40"), "placed") as process:
        wait_until_it_rests(venue)
        process.kill()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE execution_leases SET expires_at = clock_timestamp()")


def test_what_a_killed_process_left_is_ended_too(
    venue: Venue, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_one_whose_order_rests(venue, database, tmp_path)
    with monkeypatch.context() as without:
        without.delenv("DEPTHWALKER_KEY_ID")
        without.delenv("DEPTHWALKER_KEY_FILE")
        capsys.readouterr()
        assert main(["stop", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["reason"], found["unfinished"], found["recovered"]) == ("by hand", [1], None)
    assert "without an API key" in found["trouble"]
    assert main(["stop", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [trade["result"]["status"] for trade in found["recovered"]["trades"]] == ["cancelled"]
    assert (found["unfinished"], found["trouble"]) == ([], "")
    assert venue.resting() == 0


def test_what_does_not_end_in_time_is_said_with_its_order_and_what_to_do(
    venue: Venue, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_one_whose_order_rests(venue, database, tmp_path)
    monkeypatch.setenv("DEPTHWALKER_WIND_DOWN_SECONDS", "1")
    monkeypatch.setattr("depthwalker.shell.engine.TAKEN_UP", Micros(SECOND))
    monkeypatch.setattr("depthwalker.shell.engine.ALLOWANCE", Micros(SECOND))
    asyncio.run_coroutine_threadsafe(venue.exchange.stop(), venue.loop).result()
    capsys.readouterr()
    assert main(["stop"]) == 3
    said = capsys.readouterr().out
    assert "execution 1 is not confirmed ended: 0.00 to " in said
    assert "when it expires: run this again, or cancel it at the exchange" in said
    assert "execution 1 has not ended: `depthwalker stop` again, or look" in said
    assert "nothing rests" not in said


def test_a_reason_of_any_letters_pulls_it_whatever_encoding_the_connection_is_told(
    venue: Venue, database: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{database}&client_encoding=LATIN1")
    assert main(["stop", "--reason", "halt — at once"]) == 0
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 1
    found = {one["piece"]: one["found"] for one in json.loads(capsys.readouterr().out)}
    assert found["switch"].endswith(": halt — at once")


def test_a_stop_without_a_reason_or_a_database_says_so(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--reason", " "]) == 2
    assert "say why" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert main(["stop"]) == 1
    said = capsys.readouterr().err
    assert "THE KILL SWITCH IS NOT PULLED, what trades goes on: connection failed" in said
    assert "until then interrupt the processes that trade" in said
    monkeypatch.setenv("DEPTHWALKER_MAX_CONCURRENT", "many")
    assert main(["stop"]) == 1
    assert "THE KILL SWITCH IS NOT PULLED, what trades goes on: connection failed" in capsys.readouterr().err
    monkeypatch.setenv("DATABASE_URL", "mysql://nobody@127.0.0.1:9/none")
    assert main(["stop"]) == 2
    assert "THE KILL SWITCH IS NOT PULLED, what trades goes on: settings.database_url" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEPTHWALKER_MAX_CONCURRENT", "many", "settings.max_concurrent: "),
        ("DEPTHWALKER_STATE_DIRECTORY", "/dev/null/nowhere", "settings.state_directory: "),
        ("DEPTHWALKER_CONFIG", "/dev/null/nowhere", "/dev/null/nowhere: it cannot be read"),
    ],
)
def test_a_wrong_setting_keeps_no_switch_from_being_pulled(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert main(["stop"]) == 3
    shown = capsys.readouterr()
    assert "the kill switch is pulled: by hand" in shown.err
    assert f"whether an order rests is not known: {said}" in shown.out
    assert "nothing rests" not in shown.out
    monkeypatch.delenv(name)
    assert main(["stop"]) == 0
    assert "the kill switch was pulled already" in capsys.readouterr().err


def test_a_database_that_goes_while_it_is_asked_leaves_the_switch_unknown_and_one_that_goes_later_pulled(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def gone(*_: object) -> NoReturn:
        raise StoreUnavailable("server closed the connection")

    with monkeypatch.context() as asking:
        asking.setattr(PostgresStore, "pull_switch", gone)
        capsys.readouterr()
        assert main(["stop"]) == 1
    said = capsys.readouterr().err
    assert "WHETHER THE KILL SWITCH IS PULLED IS NOT KNOWN: server closed the connection; mend it, or run this" in said
    monkeypatch.setattr(PostgresStore, "unfinished", gone)
    assert main(["stop"]) == 3
    shown = capsys.readouterr()
    assert "the kill switch is pulled: by hand" in shown.err
    assert "NOT KNOWN" not in shown.err
    assert "server closed the connection: mend it, and `depthwalker stop` again" in shown.out
    assert "nothing rests" not in shown.out


def test_an_interrupt_does_not_leave_the_impression_that_it_was_pulled(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(PostgresStore, "pull_switch", interrupted)
    capsys.readouterr()
    assert main(["stop"]) == 130
    assert capsys.readouterr().err == "interrupted: the kill switch is pulled only if a line above says so\n"


def test_a_reason_in_another_encoding_pulls_it_all_the_same(venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "--reason", os.fsdecode(b"caf\xe9")]) == 0
    assert "the kill switch is pulled: caf?" in capsys.readouterr().err


def test_on_the_embedded_database_it_says_that_it_stops_nothing_else(
    venue: Venue, open_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    folder = open_folder / "stop"
    monkeypatch.setenv("DEPTHWALKER_STATE_DIRECTORY", str(folder))
    assert main(["stop"]) == 0
    assert f"this stops what is on the embedded database in {folder}, nothing else" in capsys.readouterr().err


def test_without_a_key_whether_anything_rests_is_not_known(
    venue: Venue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEPTHWALKER_KEY_ID")
    monkeypatch.delenv("DEPTHWALKER_KEY_FILE")
    capsys.readouterr()
    assert main(["stop"]) == 3
    said = capsys.readouterr().out
    assert "whether an order rests is not known" in said
    assert "nothing rests" not in said


def test_what_a_process_of_another_account_name_left_is_told(
    venue: Venue, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_one_whose_order_rests(venue, database, tmp_path)
    before = os.environ.get("DEPTHWALKER_ACCOUNT", "default")
    monkeypatch.setenv("DEPTHWALKER_ACCOUNT", "renamed")
    capsys.readouterr()
    assert main(["recover", "--cancel-strays", "--json"]) == 3
    (trouble,) = json.loads(capsys.readouterr().out)["troubles"]
    assert f"execution 1 of account '{before}' is left by its workers" in trouble
    assert venue.resting() == 1, "it is for an engine of its account to end it"
    monkeypatch.setenv("DEPTHWALKER_ACCOUNT", before)
    assert main(["stop"]) == 0
    assert venue.resting() == 0


def test_the_switch_is_pulled_although_the_schema_cannot_be_brought_up(
    venue: Venue, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(database) as reading:
        reading.execute("COMMENT ON TABLE depthwalker_installation IS 'an older version'")
        reading.commit()
        reading.execute("LOCK TABLE broken_invariants IN ACCESS SHARE MODE")
        capsys.readouterr()
        assert main(["stop", "--reason", "now"]) == 3
        reading.rollback()
    shown = capsys.readouterr()
    assert "the kill switch is pulled: now" in shown.err
    assert "lock timeout" in shown.out
    assert "`depthwalker stop` again" in shown.out
    assert main(["stop", "--reason", "again"]) == 0
    assert "the kill switch was pulled already" in capsys.readouterr().err
