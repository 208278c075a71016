"""`depthwalker exchange`: what is played, how fast, and what goes wrong, all from the command line."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from depthwalker.core.book import Book, Leg
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.tape import Event, Tape, Withdraw
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.cli import main
from depthwalker.shell.recording import save


def recorded(folder: Path, ticker: str) -> str:
    """A recording of ten seconds, whose YES bid is half withdrawn after eight."""
    book = Book(((Price(4_400), Count(1_000)),), ((Price(5_300), Count(1_000)),), Micros(0))
    events = (
        Event(Micros(8 * SECOND), Withdraw(Leg.YES, Price(4_400), Count(500))),
        Event(Micros(10 * SECOND), Withdraw(Leg.NO, Price(5_300), Count(1))),
    )
    file = folder / f"{ticker}.jsonl"
    save(Tape(ticker, CENT_GRID, book, events, Micros(10 * SECOND)), file)
    return str(file)


@contextmanager
def serving(*words: str) -> Iterator[tuple[str, list[str]]]:
    """Run the command and give the exchange's base URL and its welcome."""
    command = [sys.executable, "-m", "depthwalker.shell", "exchange", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip()]
        try:
            while lines[-1] != "# Ctrl-C ends it":
                lines.append(process.stdout.readline().strip())
                assert lines[-1]
            yield lines[0].partition("=")[2], lines
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def book(url: str, ticker: str) -> object:
    with urllib.request.urlopen(f"{url}/markets/{ticker}/orderbook") as response:
        return json.load(response)["orderbook_fp"]["yes_dollars"]


def control(url: str) -> dict[str, object]:
    root = url.removesuffix("/trade-api/v2")
    with urllib.request.urlopen(f"{root}/control/faults") as response:
        found: dict[str, object] = json.load(response)
    return found


def test_several_recordings_are_several_markets(tmp_path: Path) -> None:
    with serving("--data", recorded(tmp_path, "A-1"), recorded(tmp_path, "B-1")) as (url, welcome):
        assert book(url, "A-1") == book(url, "B-1") == [["0.4400", "10.00"]]
        assert sum("opens with the best YES bid 0.44 x 10.00" in line for line in welcome) == 2


def test_the_flow_is_played_as_fast_as_asked_for(tmp_path: Path) -> None:
    with serving("--data", recorded(tmp_path, "A-1"), "--speed", "1000") as (url, welcome):
        assert any("plays for 0 s" in line for line in welcome)
        give_up = time.monotonic() + 5  # at its own pace it would take eight
        while book(url, "A-1") != [["0.4400", "5.00"]]:
            assert time.monotonic() < give_up


def test_a_market_is_open_for_as_long_as_it_is_said_to_play(tmp_path: Path) -> None:
    """A thousand seconds, a thousandth as fast, are eleven days."""
    book_of_both = Book(((Price(4_400), Count(1_000)),), ((Price(5_300), Count(1_000)),), Micros(0))
    late = Event(Micros(1_000 * SECOND), Withdraw(Leg.YES, Price(4_400), Count(500)))
    save(Tape("A-1", CENT_GRID, book_of_both, (late,), late.at), tmp_path / "A-1.jsonl")
    with serving("--data", str(tmp_path / "A-1.jsonl"), "--speed", "0.001") as (url, welcome):
        assert any("plays for 1000000 s" in line for line in welcome)
        with urllib.request.urlopen(f"{url}/markets/A-1") as response:
            market = json.load(response)["market"]
    opened, closes = (datetime.fromisoformat(market[name]) for name in ("open_time", "close_time"))
    assert (closes - opened).total_seconds() == 1_000_000


def test_what_goes_wrong_is_planned_before_anybody_asks(tmp_path: Path) -> None:
    faults = ("--fault", "create:answer_lost", "--fault", "frame.trade:drop,nth=2", "--fault", "market:delay,ms=7")
    with serving("--data", recorded(tmp_path, "A-1"), *faults, "--skew", "-1500") as (url, _):
        told = control(url)
    assert told["skew_ms"] == -1500
    planned = told["planned"]
    assert isinstance(planned, dict)
    assert planned["create"] == [{"fault": "Lost", "applied": True}]
    assert planned["frame.trade"] == [None, {"fault": "Lost", "applied": True}]
    assert planned["market"][0]["by"] == 7_000


def test_a_partition_loses_every_answer(tmp_path: Path) -> None:
    alone = serving("--data", recorded(tmp_path, "A-1"), "--partition", "answers")
    with alone as (url, _), pytest.raises((urllib.error.URLError, ConnectionError)):
        book(url, "A-1")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--fault", "create"), "is not KIND:FAULT[,NAME=VALUE]"),
        (("--fault", "create:delay,ms"), "is not KIND:FAULT[,NAME=VALUE]"),
        (("--speed", "0"), "is not a speed"),
        (("--speed", "nan"), "is not a speed"),
        (("--speed", "fast"), "is not a speed"),
        (("--skew", "1.5"), "is not a number of milliseconds"),
    ],
)
def test_wrong_words_are_named(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exchange", *words]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("creat:answer_lost", "kind is one of"),
        (
            "create:explode",
            "no such fault: explode; there are request_lost, answer_lost, answer_cut, delay, duplicate, answer",
        ),
        ("frame.trade:explode", "there are drop, delay, duplicate, hold, overflow, reset, close, silence"),
        ("create:delay,nth=0", "nth is 1 or more"),
    ],
)
def test_a_fault_that_there_is_not_is_named(fault: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exchange", "--seconds", "5", "--fault", fault]) == 2
    assert says in capsys.readouterr().err


def test_a_market_is_played_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = recorded(tmp_path, "A-1")
    assert main(["exchange", "--data", twice, twice]) == 2
    assert "two of the recordings are of A-1" in capsys.readouterr().err


def test_what_to_set_can_be_had_as_json(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "depthwalker.shell", "exchange", "--data", recorded(tmp_path, "M-1"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            assert book(told["environment"]["DEPTHWALKER_BASE_URL"], "M-1")
            assert told["markets"] == [{"ticker": "M-1", "seconds": 10}]
            assert Path(told["environment"]["DEPTHWALKER_KEY_FILE"]).exists()
        finally:
            process.send_signal(signal.SIGINT)
            rest, said = process.communicate(timeout=10)

    assert (rest, process.returncode) == ("", 0)
    assert "nothing was resting" in said
