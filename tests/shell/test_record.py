"""`depthwalker record`: what it writes can be replayed, also after it was killed; what is not its own it leaves alone."""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.shell.command_line import Venue, trading_at

from depthwalker.core.book import Leg
from depthwalker.core.outcome import Success
from depthwalker.core.tape import Arrive, Flow, Replace, Take, Tape
from depthwalker.core.units import SECOND, Count, Price
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
        pytest.param(
            f'{{"ts":"2999-01-01T00:00:00Z","type":"snapshot","ticker":"{TICKER}","yes":[],"no":[]}}\n',
            "ends later than this machine's clock shows",
            id="of a clock that was fast",
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


def recorded(file: Path) -> Tape:
    played = load(file)
    assert isinstance(played, Success), played
    return played.unwrap()


def until(what: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 30
    while not what():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def do(venue: Venue, *flows: Flow) -> None:
    async def play() -> None:
        venue.exchange.play(TICKER, flows)

    asyncio.run_coroutine_threadsafe(play(), venue.loop).result()


@contextmanager
def recording(venue: Venue, folder: Path, first: Callable[[], None] | None = None) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "depthwalker.shell", "record", TICKER, "--out", str(folder)]
    environment = {**os.environ, **venue.environment}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: (folder / f"{TICKER}.jsonl").exists() or process.poll() is not None)
            yield process
        finally:
            process.send_signal(signal.SIGINT)


def test_a_file_is_one_recorders_at_a_time(venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"{TICKER}.jsonl"
    with recording(venue, tmp_path):
        until(lambda: file.stat().st_size > 0)
        assert main(["record", TICKER, "--out", str(tmp_path), "--seconds", "1"]) == 2
        assert "is being recorded by another process" in capsys.readouterr().err
    assert main(["record", TICKER, "--out", str(tmp_path), "--seconds", "1"]) == 0
    assert len(lines(file)) == 5  # two runs, and where the second begins that nothing is known since the first


def test_a_full_disk_ends_the_recording_with_whole_lines(venue: Venue, tmp_path: Path) -> None:
    file = tmp_path / f"{TICKER}.jsonl"
    with recording(venue, tmp_path) as process:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1_000, 1_000))
        until(lambda: file.stat().st_size > 0)
        for cents in range(1, 40):
            do(venue, Arrive(Leg.YES, Price(100 * cents), Count(100)))
            time.sleep(0.05)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"{file} cannot be written: File too large" in said
    assert 500 < file.stat().st_size < 1_000
    assert lines(file)[-1]["type"] == "delta"
    recorded(file)
    assert main(["record", TICKER, "--out", str(tmp_path), "--seconds", "1"]) == 0
    recorded(file)


def test_trades_of_before_the_book_are_not_recorded_after_it(venue: Venue, tmp_path: Path) -> None:
    """The websocket shows the book before the trades of late are read."""
    file = tmp_path / f"{TICKER}.jsonl"
    do(venue, Take(Leg.NO, Price(5_500), Count(300)))
    time.sleep(0.1)
    venue.exchange.plan({"kind": "trades", "fault": "delay", "ms": 1_000})
    with recording(venue, tmp_path):
        until(lambda: file.stat().st_size > 0)
        do(venue, Arrive(Leg.YES, Price(4_000), Count(100)))
        time.sleep(2)
    assert [line["type"] for line in lines(file)] == ["snapshot", "delta", "snapshot"]


def test_a_trade_that_the_websocket_missed_is_told_once_though_the_book_went_on(venue: Venue, tmp_path: Path) -> None:
    file = tmp_path / f"{TICKER}.jsonl"
    with recording(venue, tmp_path):
        until(lambda: file.stat().st_size > 0)
        time.sleep(1.5)
        venue.exchange.plan({"kind": "frame.trade", "fault": "drop"})
        do(venue, Take(Leg.NO, Price(5_500), Count(300)))
        time.sleep(0.1)
        do(venue, Arrive(Leg.YES, Price(4_000), Count(100)))
        time.sleep(0.1)
        do(venue, Take(Leg.YES, Price(5_100), Count(200)))
        until(lambda: [line["type"] for line in lines(file)].count("trade") == 2)
        time.sleep(2.5)
    flows = [event.flow for event in recorded(file).events if not isinstance(event.flow, Replace)]
    assert flows == [
        Take(Leg.NO, Price(5_500), Count(300)),
        Arrive(Leg.YES, Price(4_000), Count(100)),
        Take(Leg.YES, Price(5_100), Count(200)),
    ]
