"""`execute` and `paper` on a real terminal: an execution is drawn while it works, and the terminal is given back with the result."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from tests.shell.command_line import FAST, PROGRAM, Venue, method, order, running_exchange

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"  # the screen that a program draws on, and the one that was there before
SIZE = 24, 80
CODES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


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


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], str]) -> Mapping[str, Ran]:
    """The same order on a small terminal, with plain lines, and as JSON; where it is not drawn it is filled at once."""
    folder = tmp_path_factory.mktemp("terminal")
    walks = order(method=method(folder / "walks.json", FAST))
    at_once = order(method=method(folder / "at-once.json", FAST | {"algorithm": "simple_limit"}), target="0.52")
    with running_exchange(folder) as venue:
        venue.environment["DATABASE_URL"] = new_database()
        return {
            "drawn": on_a_terminal(venue, walks),
            "plain": on_a_terminal(venue, [*at_once, "--plain"]),
            "json": on_a_terminal(venue, [*at_once, "--json"], piped=True),
            "paper": on_a_terminal(
                venue,
                [
                    *("paper", "OPEN-1", "--venue=exchange", "--parents=2", "--every=1", "--count=150"),
                    *(f"--method={folder / 'walks.json'}", f"--html={folder / 'paper.html'}"),
                ],
            ),
        }


def on_a_terminal(venue: Venue, words: list[str], *, piped: bool = False) -> Ran:
    """Run a command with a small terminal; `piped` gives it a pipe as its standard output."""
    environment = {**os.environ, **venue.environment, "TERM": "xterm-256color"}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
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


def test_an_execution_is_drawn_while_it_works(runs: Mapping[str, Ran]) -> None:
    ran = runs["drawn"]

    assert ran.code == 0
    assert ran.shown.count(ENTERED) == ran.shown.count(LEFT) == 1
    drawn = ran.drawn()
    for sign in ("OPEN-1", "depthwalker execute OPEN-1, request key", "cap 0.58", "s left", "resting", "placed"):
        assert sign in drawn, sign
    assert re.search(r"0/10\s+0 %", drawn), "progress"
    assert re.search(r"\* *\d|\d *\*", drawn), "our own contracts in the book"
    assert re.search(r"execution \d completed: 10.00 contracts", ran.after())
    assert re.search(r"depthwalker report \d draws it", ran.after())


def test_it_fits_the_terminal(runs: Mapping[str, Ran]) -> None:
    ran = runs["drawn"]

    assert ran.code == 0
    frames = ran.shown.partition(ENTERED)[2].partition(LEFT)[0].split(b"\x1b[H")
    assert len(frames) > 3, "it is drawn again and again"
    for drawn in frames[1:]:
        lines = CODES.sub(b"", drawn).decode(errors="replace").splitlines()
        assert len(lines) <= SIZE[0]
        assert all(len(line) <= SIZE[1] for line in lines)


def test_a_paper_run_is_drawn_with_how_far_it_is(runs: Mapping[str, Ran]) -> None:
    ran = runs["paper"]

    assert ran.code == 0
    assert ran.shown.count(ENTERED) == ran.shown.count(LEFT) == 1
    drawn = ran.drawn()
    for sign in ("1 OPEN-1", "2 OPEN-1", "run week: parent 2 of 2", "s left", "resting"):
        assert sign in drawn, sign
    assert "run week: 2 of 2 parents begun; 2 executed here" in ran.after()
    assert "paper.html" in ran.after()


def test_plain_lines_where_they_are_asked_for(runs: Mapping[str, Ran]) -> None:
    ran = runs["plain"]

    assert ran.code == 0
    assert ENTERED not in ran.shown + ran.piped
    assert re.search(rb"OPEN-1 +\d+\.\d filled +split 1", ran.shown + ran.piped)


def test_json_is_alone_on_standard_output_and_nothing_is_drawn(runs: Mapping[str, Ran]) -> None:
    ran = runs["json"]

    assert json.loads(ran.piped)["quantity"] == "10.00"
    assert ENTERED not in ran.shown
    assert b" filled " in ran.shown, "what happens is told beside it"
