"""`execute` on a real terminal: its execution is drawn while it works, and the terminal is given back with the result."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.shell.test_cli import FAST, PROGRAM, Venue, method, order, running_exchange

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"  # the screen that a program draws on, and the one that was there before
CODES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def venue(tmp_path: Path, new_database: Callable[[], str]) -> Iterator[Venue]:
    with running_exchange(tmp_path) as opened:
        opened.environment["DATABASE_URL"] = new_database()
        yield opened


@pytest.fixture
def fast(tmp_path: Path) -> str:
    return method(tmp_path / "fast.json", FAST)


@pytest.fixture
def at_once(tmp_path: Path) -> str:
    """What is offered at the target is taken, and that is the end."""
    return method(tmp_path / "at-once.json", FAST | {"algorithm": "simple_limit"})


@dataclass(frozen=True)
class Ran:
    """What a program wrote to its terminal, what beside it to a pipe, and its exit code."""

    shown: bytes
    piped: bytes
    code: int

    def drawn(self) -> str:
        """What was drawn between entering and leaving, without the codes that place and colour it."""
        return CODES.sub(b" ", self.shown.partition(ENTERED)[2].partition(LEFT)[0]).decode(errors="replace")

    def after(self) -> str:
        return CODES.sub(b"", self.shown.rpartition(LEFT)[2]).decode()


def on_a_terminal(venue: Venue, words: list[str], *, size: tuple[int, int] = (40, 120), piped: bool = False) -> Ran:
    """Run a command with a terminal of so many lines and columns; `piped` gives it a pipe as its standard output."""
    environment = {**os.environ, **venue.environment, "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    output = subprocess.PIPE if piped else theirs
    with subprocess.Popen([*PROGRAM, *words], stdin=theirs, stdout=output, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b"".join(_read(ours))
        beside = process.stdout.read() if process.stdout is not None else b""
    os.close(ours)
    return Ran(shown, beside, process.returncode)


def _read(end: int) -> Iterator[bytes]:
    while True:
        try:
            read = os.read(end, 65_536)
        except OSError:  # so Linux says that the other end is closed
            return
        if not read:
            return
        yield read


def test_an_execution_is_drawn_while_it_works(venue: Venue, fast: str) -> None:
    ran = on_a_terminal(venue, order(method=fast))

    assert ran.code == 0
    assert ran.shown.count(ENTERED) == ran.shown.count(LEFT) == 1
    drawn = ran.drawn()
    for sign in ("OPEN-1", "depthwalker execute OPEN-1, request key", "cap 0.58", "s left", "resting", "placed"):
        assert sign in drawn, sign
    assert re.search(r"0/10\s+0 %", drawn), "progress"
    assert re.search(r"\* *\d|\d *\*", drawn), "our own contracts in the book"
    assert "execution 1 completed: 10.00 contracts" in ran.after()
    assert "depthwalker report 1 draws it" in ran.after()


def test_it_fits_a_small_terminal(venue: Venue, fast: str) -> None:
    size = 12, 40
    ran = on_a_terminal(venue, order(method=fast), size=size)

    assert ran.code == 0
    frames = ran.shown.partition(ENTERED)[2].partition(LEFT)[0].split(b"\x1b[H")
    assert len(frames) > 3, "it is drawn again and again"
    for drawn in frames[1:]:
        lines = CODES.sub(b"", drawn).decode(errors="replace").splitlines()
        assert len(lines) <= size[0]
        assert all(len(line) <= size[1] for line in lines)


def test_plain_lines_where_they_are_asked_for_or_there_is_no_terminal(venue: Venue, at_once: str) -> None:
    plain, piped = [*order(method=at_once, target="0.52"), "--plain"], order(method=at_once, target="0.52")
    for ran in (on_a_terminal(venue, plain), on_a_terminal(venue, piped, piped=True)):
        assert ran.code == 0
        assert ENTERED not in ran.shown + ran.piped
        assert re.search(rb"OPEN-1 +\d+\.\d filled +split 1", ran.shown + ran.piped)


def test_json_is_alone_on_standard_output_and_nothing_is_drawn(venue: Venue, at_once: str) -> None:
    ran = on_a_terminal(venue, [*order(method=at_once, target="0.52"), "--json"], piped=True)

    assert json.loads(ran.piped)["quantity"] == "10.00"
    assert ENTERED not in ran.shown
    assert b" filled " in ran.shown, "what happens is told beside it"
