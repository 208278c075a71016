"""What is told is told in text: nothing that comes from outside is obeyed by the terminal."""

import json
from pathlib import Path

import pytest

from depthwalker.shell.cli import main
from depthwalker.shell.voice import complain, say

HOSTILE = "a\x1b]0;title\x07\x9b2J\rb\tc\u00e9"
PLAIN = r"a\u001b]0;title\u0007\u009b2J\u000db" + "\tc\u00e9"


def test_what_a_terminal_would_obey_is_written_out(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE, "and")
    complain(HOSTILE)

    told = capsys.readouterr()
    assert told.out == f"{PLAIN}\nand\n"
    assert told.err == f"{PLAIN}\n"


def test_a_recording_that_is_refused_does_not_speak_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"ts": "2026-07-01T00:00:00Z", "type": "snapshot", "ticker": "T\x1b[2J", "yes": [], "no": []}
    other = {**line, "ticker": "U"}
    recording = tmp_path / "sent.jsonl"
    recording.write_text(f"{json.dumps(line)}\n{json.dumps(other)}\n", encoding="utf-8")

    assert main(["backtest", str(recording)]) == 2
    told = capsys.readouterr()
    assert r"T\u001b[2J" in told.err
    assert "\x1b" not in told.err + told.out
