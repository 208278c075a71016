"""`depthwalker record`: what it writes can be replayed, also after it was killed; what is not its own it leaves alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.shell.command_line import Venue, trading_at

from depthwalker.core.outcome import Success
from depthwalker.core.units import SECOND
from depthwalker.shell.cli import main
from depthwalker.shell.recording import load

TICKER = "OPEN-1"


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    with trading_at(tmp_path, monkeypatch) as started:
        yield started


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(text) for text in file.read_text().splitlines()]


def test_it_records_until_the_time_is_up_and_says_what_it_wrote(
    venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", TICKER, "--out", str(tmp_path / "out"), "--seconds", "1", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    file = tmp_path / "out" / f"{TICKER}.jsonl"
    assert told == [{"ticker": TICKER, "file": str(file), "lines": 2, "trades": 0}]
    assert [line["type"] for line in lines(file)] == ["snapshot", "snapshot"]  # the book, and the end of knowing it
    assert lines(file)[1]["yes"] == []
    assert isinstance(load(file), Success)


def test_without_a_key_it_polls(venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEPTHWALKER_KEY_ID")
    monkeypatch.delenv("DEPTHWALKER_KEY_FILE")
    assert main(["record", TICKER, "--out", str(tmp_path), "--seconds", "1"]) == 0
    assert len(lines(tmp_path / f"{TICKER}.jsonl")) == 2


def test_killed_it_goes_on_in_the_same_file_and_the_gap_has_no_book(venue: Venue, tmp_path: Path) -> None:
    file = tmp_path / f"{TICKER}.jsonl"
    command = [sys.executable, "-m", "depthwalker.shell", "record", TICKER, "--out", str(tmp_path)]
    with subprocess.Popen(command, env={**os.environ, **venue.environment}) as process:
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up and not (file.exists() and file.stat().st_size):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    with file.open("a") as torn:
        torn.write('{"ts": "2026-')
    assert main(["record", TICKER, "--out", str(tmp_path), "--seconds", "3"]) == 0  # polls come once a second
    first, gap, again, end = lines(file)
    assert first["yes"] == again["yes"] != []
    assert gap["yes"] == end["yes"] == []
    assert str(gap["ts"]) == str(first["ts"]) < str(again["ts"])
    played = load(file)
    assert isinstance(played, Success)
    assert played.unwrap().span >= SECOND // 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("my notes\n", "is no recording", id="some file"),
        pytest.param("notes without an end", "is no recording", id="some file, no newline"),
        pytest.param(
            '{"ts":"2026-01-01T00:00:00Z","type":"snapshot","ticker":"B","yes":[],"no":[]}\n',
            "is a recording of B",
            id="another market's",
        ),
    ],
)
def test_a_file_that_is_something_else_is_left_as_it_is(
    text: str, says: str, venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"{TICKER}.jsonl"
    file.write_text(text)
    assert main(["record", TICKER, "--out", str(tmp_path), "--seconds", "1"]) == 2
    assert says in capsys.readouterr().err
    assert file.read_text() == text


def test_a_market_that_is_not_there_is_named(venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "NOWHERE", "--out", str(tmp_path), "--seconds", "1"]) == 1
    assert "there is no market NOWHERE" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.jsonl"))
