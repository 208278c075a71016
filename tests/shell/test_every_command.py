"""What holds for every command: how it explains itself, answers in JSON, is interrupted, and ends where nobody reads it."""

import argparse
import json
import os
import pty
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.shell.command_line import FAST, PROGRAM, SLOW, Venue, method, order, started, trading_at

from depthwalker.shell.cli import main, parser_of_all
from depthwalker.shell.commands import TABLE
from depthwalker.shell.ending import EXIT_CODES

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")
AWAY = "postgresql://me:secret@127.0.0.1:9/nothing"
ON_THE_DATABASE = (
    ["demo", "--seconds", "5"],
    order(),
    [*order(), "--queue"],
    ["worker", "--drain"],
    ["recover"],
    ["assess"],
    ["replay", "--all"],
    ["report", "1"],
    ["report", "--since", "1h"],
    ["serve", "--port", "0"],
    ["paper", "--parents", "1"],
    ["rollout", "status"],
    ["stop"],
    ["stop", "--release"],
    ["db", "load"],
    ["db", "measure"],
    ["db", "rebuild"],
    ["db", "retain"],
)
AT_THE_EXCHANGE = (
    order(),
    ["recover"],
    ["record", "OPEN-1"],
    ["paper", "OPEN-1", "--venue", "exchange", "--parents", "1"],
    ["paper", "OPEN-1", "--venue", "feed", "--parents", "1"],
)
WITH_THE_KEY = (order(), ["worker"], ["recover"], ["record", "OPEN-1"], ["paper", "OPEN-1", "--venue", "exchange"])


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def venue(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    monkeypatch.chdir(tmp_path)
    with trading_at(tmp_path, monkeypatch, database) as running:
        yield running


def named(words: list[str]) -> str:
    return " ".join(word for word in words if "=" not in word)


def actions() -> Iterator[tuple[str, argparse.Action]]:
    """Return every option and operand of every command."""
    (choices,) = (one for one in parser_of_all()._actions if isinstance(one, argparse._SubParsersAction))
    for name, parser in choices.choices.items():
        yield from ((name, action) for action in parser._actions)


# Help


def test_everything_that_can_be_given_is_explained() -> None:
    assert [(name, action.dest) for name, action in actions() if not action.help] == []


def test_what_may_be_left_out_says_what_it_is_then() -> None:
    silent = {
        (name, action.option_strings[0])
        for name, action in actions()
        if action.option_strings and action.nargs != 0 and not action.required and "(default: " not in str(action.help)
    }
    written_only_if_asked = {("demo", "--save"), ("demo", "--picture"), ("report", "--png")}
    one_of_them_has_to_be = {("report", "--backtest"), ("report", "--since")}
    what_goes_wrong = {("exchange", "--fault"), ("exchange", "--data"), ("paper", "--data"), ("sweep", "--dask")}
    assert silent == written_only_if_asked | one_of_them_has_to_be | what_goes_wrong


def test_an_option_is_the_same_in_every_command() -> None:
    found: dict[str, set[tuple[bool, object]]] = defaultdict(set)
    for _, action in actions():
        for option in action.option_strings:
            found[option].add((action.nargs == 0, None if action.choices else action.metavar))
    assert {option for option, ways in found.items() if len(ways) > 1} == {
        "--target",  # dollars, or a side of a recorded book
        "--out",  # a folder of recordings, or a file
        "--json",  # the laboratory also keeps it in a file
        "--queue",  # leave it to workers, or the laboratory's model of a queue
        "--algorithm",  # what executes an order, or who competes
    }


def test_every_command_and_every_exit_code_stands_in_the_documents() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert all(f"\n## {name}\n" in page for name in TABLE)
    assert all(f"| {code} | {meaning} |" in page for code, meaning in EXIT_CODES.items())


def test_it_names_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("depthwalker ")


# Errors, in words and as JSON


def refusal(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command says that fails, once it has said the same as one JSON document."""
    assert main([*words, "--json"]) == code
    seen = capsys.readouterr()
    assert json.loads(seen.out) == {"error": json.loads(seen.out)["error"], "exit_code": code}
    error: str = json.loads(seen.out)["error"]
    assert seen.err.endswith(f"{error}\n")
    assert "Traceback" not in seen.err
    assert "secret" not in seen.err
    return error


@pytest.mark.parametrize("name", TABLE)
def test_a_wrong_option_is_answered_in_json_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"usage: depthwalker {name} " in refusal([name, "--sideways"], 2, capsys)


@pytest.mark.parametrize("words", ON_THE_DATABASE, ids=named)
def test_a_database_that_is_away_is_told_alike(
    words: list[str], venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", AWAY)

    said = refusal(words, 1, capsys)

    if words[0] == "stop" and "--release" not in words:
        assert said.startswith("THE KILL SWITCH IS NOT PULLED, what trades goes on: ")
        assert "interrupt the processes that trade" in said
        assert "cancel the orders at the exchange" in said
    else:
        assert said.startswith("the database cannot be used: ")
    assert "unset DATABASE_URL" not in said, "another database would say that nothing rests"


@pytest.mark.parametrize("words", AT_THE_EXCHANGE, ids=named)
def test_an_exchange_that_is_away_is_told_alike(
    words: list[str], venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "http://127.0.0.1:9/trade-api/v2")

    assert "asked at http://127.0.0.1:9/trade-api/v2; `depthwalker doctor`" in refusal(words, 1, capsys)


@pytest.mark.parametrize("words", WITH_THE_KEY, ids=named)
def test_a_key_that_cannot_be_used_is_told_alike(
    words: list[str], venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPTHWALKER_KEY_FILE", "nowhere.pem")

    assert refusal(words, 2, capsys) == (
        "the key file nowhere.pem cannot be read: No such file or directory; name a file that you own"
    )


@pytest.mark.parametrize("name", ["demo --html", "paper --html", "report 1 --html", "backtest thin --html"])
def test_a_file_that_cannot_be_written_is_told_before_the_work(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no folder absent" in refusal([*name.split(), "absent/page.html"], 2, capsys)
    assert "it is a folder" in refusal([*name.split(), str(ROOT)], 2, capsys)


def test_the_database_that_a_file_names_is_meant_everywhere(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "depthwalker.toml"
    file.write_text(f'database_url = "{postgres}"', encoding="utf-8")
    monkeypatch.setenv("DEPTHWALKER_CONFIG", str(file))
    monkeypatch.delenv("DATABASE_URL", raising=False)

    assert main(["db", "url"]) == 0
    assert capsys.readouterr().out == f"{postgres}\n"


@pytest.mark.parametrize(("what", "option"), [("shell", "--json"), ("load", "--dry-run")])
def test_an_option_that_says_nothing_is_refused(what: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", what, option]) == 2
    assert f"db {what}: " in capsys.readouterr().err


def test_an_old_schema_says_how_it_is_brought_up(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP FUNCTION depthwalker_trade_quality")
    monkeypatch.setenv("DATABASE_URL", postgres)

    assert "another version's" in refusal(["assess"], 1, capsys)
    assert main(["db", "load"]) == 0
    assert main(["assess"]) == 0


# Progress


def test_a_terminal_sees_what_is_waited_for_and_a_pipe_does_not(venue: Venue) -> None:
    shown, end = pty.openpty()
    done = subprocess.run([*PROGRAM, "replay", "--all", "--json"], stdout=subprocess.PIPE, stderr=end, check=True)
    os.close(end)
    seen = os.read(shown, 10_000)
    os.close(shown)
    assert b"replaying" in seen
    assert json.loads(done.stdout) == []

    done = subprocess.run([*PROGRAM, "replay", "--all", "--json"], capture_output=True, check=True)
    assert (json.loads(done.stdout), done.stderr) == ([], b"")


# Standard streams that take nothing


@pytest.mark.skipif(not FULL.exists(), reason="no device here is always full")
def test_what_an_execution_bought_is_told_on_standard_error_where_the_disk_is_full(
    venue: Venue, tmp_path: Path
) -> None:
    words = [*order(method=method(tmp_path / "fast.json", FAST), target="0.52"), "--json"]
    with FULL.open("w") as full:
        done = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert '"filled_quantity": "10.00"' in done.stderr
    assert "\nstandard output: No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no device here is always full")
@pytest.mark.parametrize(
    ("words", "code"), [(["assess", "--sideways"], 2), (["exchange"], 1), (["serve", "--port", "0"], 1)], ids=str
)
def test_a_full_disk_is_not_taken_for_anything_else(words: list[str], code: int, venue: Venue) -> None:
    with FULL.open("w") as full:
        run = [*PROGRAM, *words, "--json"]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30)

    assert done.returncode == code
    assert json.loads(done.stderr.splitlines()[-1])["exit_code"] == code
    assert "Traceback" not in done.stderr
    assert "port" not in done.stderr.splitlines()[-1]


def test_what_the_terminal_cannot_write_is_written_otherwise(venue: Venue, tmp_path: Path) -> None:
    words = [*order(method=method(tmp_path / "fast.json", FAST), target="0.52", key="schlüssel")]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False, env=ascii_only)

    assert (done.returncode, done.stderr) == (0, "")
    assert "request key schl\\xfcssel" in done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_keeps_no_command_from_its_work(
    closed: str, venue: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {closed}', *PROGRAM, "stop"], check=False)

    assert done.returncode == 0
    assert main(["stop", "--release"]) == 0
    assert capsys.readouterr().out == "trading may go on\n", "it was pulled"


# Ctrl-C, and whoever stops reading


def test_an_interrupt_is_quiet_from_the_first_import() -> None:
    script = (
        "import os, signal, sys\n"
        "from depthwalker.shell.__main__ import program\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'depthwalker.shell.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.exit(program())"
    )
    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_interrupted_program_ends_in_order_with_its_own_exit_code(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(
        "import atexit, sys\n"
        "from depthwalker.shell import cli\n"
        "from depthwalker.shell.__main__ import program\n"
        "atexit.register(print, 'what it held is given back')\n"
        "cli.main = lambda: exec('raise KeyboardInterrupt')\n"
        "sys.exit(program())"
    )
    words = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "what it held is given back\n", "")


def test_an_interrupt_after_the_answer_changes_neither_it_nor_the_exit_code() -> None:
    script = (
        "import atexit, os, signal, sys\n"
        "from depthwalker.shell.__main__ import program\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGINT)\n"
        "sys.exit(program())"
    )
    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "ready", "code"),
    [
        (["exchange"], "Ctrl-C", 0),
        (["serve", "--port", "0"], "Ctrl-C", 0),
        (["worker"], "Ctrl-C", 130),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_runs_long_ends_quietly_when_interrupted(words: list[str], ready: str, code: int, venue: Venue) -> None:
    with started(words, ready) as process:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)

    assert process.returncode == code
    assert "Traceback" not in said


def test_whoever_reads_an_execution_and_goes_stops_it(venue: Venue, tmp_path: Path) -> None:
    words = order(method=method(tmp_path / "slow.json", SLOW), target="0.40")
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()

    assert (process.returncode, said) == (141, "")
    assert venue.resting() == 0


@pytest.mark.parametrize("words", [["exchange"], ["serve", "--port", "0"]], ids=named)
def test_output_that_nobody_reads_is_not_taken_for_a_port_that_cannot_be_had(words: list[str], venue: Venue) -> None:
    with subprocess.Popen([*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read()

    assert (process.returncode, said) == (141, "")


@pytest.fixture
def not_under_nohup() -> Iterator[None]:
    """What is started hears SIGHUP, even where whoever runs the tests does not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("not_under_nohup")
def test_a_terminal_that_is_closed_stops_an_execution(venue: Venue, tmp_path: Path) -> None:
    slow = method(tmp_path / "slow.json", SLOW)
    with started(order(method=slow, target="0.40"), "placed") as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=20)

    assert process.returncode == 130
    assert venue.resting() == 0
