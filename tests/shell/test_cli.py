"""The command line: help is quick, mistakes are named, exit codes mean something, and Ctrl-C leaves nothing behind."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.shell.command_line import ACCOUNT, FAST, PROGRAM, SLOW, Venue, method, order, started, trading_at

from depthwalker.core.config import Algorithm
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import ExecutionResult, Trade
from depthwalker.shell.cli import main, parser_of_all
from depthwalker.shell.commands import TABLE
from depthwalker.shell.commands.arguments import ALGORITHMS
from depthwalker.shell.ending import EXPLAINED
from depthwalker.shell.execute import summary
from depthwalker.shell.paper import Delayed

HEAVY = ("aiohttp", "psycopg", "pydantic", "rich", "cryptography", "msgspec", "numpy", "joblib", "pyarrow")


@pytest.fixture(scope="module")
def database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def venue(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    with trading_at(tmp_path, monkeypatch, database) as started:
        yield started


@pytest.fixture
def fast(tmp_path: Path) -> str:
    return method(tmp_path / "fast.json", FAST)


def test_what_was_executed_is_told_with_the_figures_of_its_report() -> None:
    slipped, price = Decimal("0.001250"), Decimal("0.8010")
    result = ExecutionResult(
        7, "completed", Decimal(3), price, slipped, 1, Decimal(1), Decimal("0.01"), "twap", "filled"
    )
    trade = Trade(7, 1, 1, None, None, "M", "yes", "buy", Decimal(3), price, Decimal("0.8000"), slipped, result)
    assert " at 0.8010 on average, +0.13 % of the target, fees 0.0100 $, 1 walk (filled)" in summary(trade, "k")
    level = replace(trade, slippage_percent=Decimal("-0.000004"))
    assert " on average, +0.00 % of the target" in summary(level, "k")


# Help


@pytest.mark.parametrize("words", [[], *([name] for name in TABLE)])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from depthwalker.shell.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script, *words, "--help"], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    assert EXPLAINED in done.stdout


# What argparse refuses


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["demo", "--seconds", "4"], "'4' is not a whole number from 5 to 3600"),
        (["demo", "--seconds", "ten"], "'ten' is not a whole number"),
        (["demo", "--seed", "-1"], "--seed"),
        (["execute"], "TICKER"),
        (order(outcome="maybe"), "invalid choice: 'maybe'"),
        (order(action="hold"), "invalid choice: 'hold'"),
        (order(algorithm="walker"), "invalid choice: 'walker'"),
        (["execute", "X", "--outcome", "yes"], "--action, --count, --target"),
        (["exchange", "--profile", "deep"], "invalid choice: 'deep'"),
        (["exchange", "--port", "65536"], "from 0 to 65535"),
        (["exchange", "--profile", "thin", "--data", "x"], "not allowed with"),
        (["db", "drop"], "invalid choice: 'drop'"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 2


# What is wrong with an order, before and after the exchange is asked


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (order(count="0"), 2, "--count 0: it must be at least 0.01 contracts"),
        (order(count="0.001"), 2, "--count 0.001: it must be contracts with at most 2 decimals"),
        (order(count="-1"), 2, "--count -1: it must be at least 0.01"),
        (order(count="many"), 2, "--count many: it must be contracts"),
        (order(target="0"), 2, "--target 0: it must lie between 0.0001 and 0.9999"),
        (order(target="1"), 2, "--target 1: it must lie between 0.0001 and 0.9999"),
        (order(target="abc"), 2, "--target abc: it must be dollars"),
        (order(key=" "), 2, "--key is empty"),
        (order(key=os.fsdecode(b"caf\xe9")), 2, "TICKER and --key must be in UTF-8"),
        (order(target="0.005"), 2, "OPEN-1 has no such price"),
        (order("NOWHERE-1"), 1, "there is no market NOWHERE-1"),
        (order("CLOSED-1"), 1, "market CLOSED-1 is closed"),
        (order(action="sell"), 1, "cannot sell 10.00 yes contracts of OPEN-1: 0.00 are free"),
        (order(method="absent.toml"), 2, "absent.toml cannot be read: No such file or directory"),
    ],
)
def test_a_bad_order_is_named(
    words: list[str], code: int, said: str, venue: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code

    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert venue.resting() == 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.toml", "algorithm = ", "is not TOML"),
        ("m.json", "{", "is not JSON"),
        (
            "m.json",
            '{"max_slippage_dollars": 0.01, "max_slippage_dollars": 0.5}',
            "max_slippage_dollars stands there twice",
        ),
        ("m.json", "[]", "holds no table"),
        ("m.toml", "max_walks = 3", "execution_config.max_walks"),
        ("m.toml", "[dynamic_depth_walker]\nmax_walks = 3", "execution_config.algorithm: it is left out"),
        ("m.toml", "max_slippage_percent = 50", "allowed is a fraction of the target from 0 to 1"),
    ],
)
def test_a_bad_method_is_named(
    name: str, text: str, said: str, venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text(text)

    assert main(order(method=str(file))) == 2
    assert said in capsys.readouterr().err


def test_an_order_without_a_key_says_what_to_set(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DEPTHWALKER_KEY_ID")
    monkeypatch.delenv("DEPTHWALKER_KEY_FILE")

    assert main(order()) == 2
    assert "no API key: set DEPTHWALKER_KEY_ID and DEPTHWALKER_KEY_FILE" in capsys.readouterr().err


def test_a_key_that_others_can_read_is_refused(venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(os.environ["DEPTHWALKER_KEY_FILE"])
    file.chmod(0o644)

    assert main(order()) == 2

    error = capsys.readouterr().err
    assert "chmod 600" in error
    assert "PRIVATE" not in error


def test_an_exchange_that_is_away_is_named(
    venue: Venue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "http://127.0.0.1:9/trade-api/v2")

    assert main(order()) == 1
    assert "http://127.0.0.1:9/trade-api/v2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "said", "code"),
    [
        ("postgresql://me:secret@127.0.0.1:9/x", "the database cannot be used", 1),
        (
            "secret and wrong",
            "settings.database_url: the value given is not allowed; allowed is a postgresql:// URL (DATABASE_URL)",
            2,
        ),
    ],
    ids=["away", "no URL"],
)
def test_a_database_that_is_away_is_named_without_its_password(
    url: str, said: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    assert main(["db", "load"]) == code

    error = capsys.readouterr().err
    assert said in error
    assert "DATABASE_URL" in error
    assert "secret" not in error


def test_psql_is_given_the_password_where_no_other_user_can_read_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:s3cr3t@db.example:6000/book?sslmode=require")
    monkeypatch.setenv("DEPTHWALKER_PG_BIN", str(tmp_path))
    for name in ("postgres", "initdb", "psql"):
        (tmp_path / name).write_text('#!/bin/sh\necho "$@"\necho "by environment: $PGPASSWORD"\n')
        (tmp_path / name).chmod(0o700)

    assert main(["db", "shell"]) == 0
    named, password = capfd.readouterr().out.splitlines()
    assert sorted(named.split()) == ["dbname=book", "host=db.example", "port=6000", "sslmode=require", "user=me"]
    assert password == "by environment: s3cr3t"

    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    (tmp_path / "psql").unlink()
    assert main(["db", "shell"]) == 1
    told = capfd.readouterr()
    assert "run: psql 'user=me" in told.err
    assert "s3cr3t" not in told.err + told.out


def test_a_database_without_our_tables_is_not_touched(
    venue: Venue, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database.replace(database.split("/")[3].split("?", maxsplit=1)[0], "postgres"))

    assert main(order()) == 1
    assert "load them with `depthwalker db load`" in capsys.readouterr().err


# Orders that the market decides


def test_an_order_that_fills_says_so_and_ends_with_0(
    venue: Venue, fast: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(order(method=fast, key="fills")) == 0

    seen = capsys.readouterr().out
    assert "placed    split 1" in seen
    assert "completed: 10.00 contracts at 0." in seen
    assert "request key fills" in seen
    assert venue.resting() == 0


@pytest.mark.parametrize(
    ("named", "runs"),
    [({}, "simple_limit"), ({"algorithm": "dynamic_depth_walker"}, "dynamic_depth_walker")],
    ids=["the default", "opted into"],
)
def test_simple_execution_is_the_default_and_the_command_line_may_name_another(
    named: dict[str, str], runs: str, venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = method(tmp_path / "m.json", {"order_timeout_seconds": 2, "max_slippage_percent": "0.10"})

    assert main([*order(method=file, target="0.52", **named), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["algorithm"] == runs


def test_the_command_line_may_name_what_a_configuration_may() -> None:
    assert tuple(algorithm.value for algorithm in Algorithm) == ALGORITHMS


def test_the_command_line_goes_before_the_file(venue: Venue, fast: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*order(method=fast, target="0.52", algorithm="simple_limit"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["algorithm"] == "simple_limit"


def test_the_same_key_never_buys_twice(venue: Venue, fast: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(order(method=fast, key="once")) == 0
    first = capsys.readouterr().out.splitlines()[-1]
    words = [*PROGRAM, *order(method=fast, key="once", target="0.47", count="900")]
    again = subprocess.run(words, capture_output=True, text=True, check=True)

    assert again.stdout.splitlines()[-1] == first
    assert (
        "once names an earlier, different order (count, target): what became of that one, 10.00 at 0.48" in again.stderr
    )
    assert len(venue.exchange.fills(ACCOUNT)) <= 2


def test_the_key_of_an_order_in_another_market_or_direction_is_refused(
    venue: Venue, fast: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(order(method=fast, key="taken")) == 0
    for other in (
        order("BIDS-1", method=fast, key="taken"),
        order(method=fast, key="taken", outcome="no", target="0.5"),
    ):
        capsys.readouterr()
        assert main(other) == 2
        assert (
            "request key 'taken' names an earlier order, to buy yes of OPEN-1: give another key"
            in capsys.readouterr().err
        )


def test_the_result_as_json_is_alone_on_standard_output(
    venue: Venue, fast: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*order(method=fast), "--json"]) == 0

    seen = capsys.readouterr()
    assert json.loads(seen.out)["quantity"] == "10.00"
    assert "placed" in seen.err


@pytest.mark.parametrize(
    ("ticker", "changes", "code", "said"),
    [
        ("EMPTY-1", {}, 1, "0.00 of 10.00 contracts; time-out"),
        ("BIDS-1", {}, 1, "0.00 of 10.00 contracts; time-out"),
        ("OFFERS-1", {"target": "0.52"}, 0, "10.00 of 10.00 contracts"),
        ("OPEN-1", {"count": "1000000"}, 1, "insufficient_balance"),
    ],
)
def test_what_the_market_lacks_is_an_outcome(
    ticker: str,
    changes: dict[str, str],
    code: int,
    said: str,
    venue: Venue,
    fast: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(order(ticker, method=fast, **changes)) == code
    assert said in capsys.readouterr().out
    assert venue.resting() == 0


def test_a_key_of_somebody_else_is_refused_three_times_and_places_nothing(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.pem"
    other.touch(mode=0o600)
    other.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    monkeypatch.setenv("DEPTHWALKER_KEY_FILE", str(other))

    assert main(order(method=method(tmp_path / "slow.json", SLOW))) == 1

    seen = capsys.readouterr().out
    assert "failed: 0.00 of 10.00 contracts; refused 3 times: authentication_error INCORRECT_API_KEY_SIGNATURE" in seen
    assert seen.count("refused   split 1: authentication_error") == 3
    assert "placed" not in seen


# Ctrl-C


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_what_rests_and_confirms_it(number: signal.Signals, venue: Venue, tmp_path: Path) -> None:
    slow = method(tmp_path / "slow.json", SLOW)
    with started(order(method=slow, target="0.40"), "placed") as process:
        process.send_signal(number)
        said, _ = process.communicate(timeout=10)

    assert process.returncode == 130
    assert "stopping: cancelling what rests" in said
    assert "records confirm that nothing rests" in said
    assert venue.resting() == 0


def test_a_second_interrupt_leaves_and_says_what_may_rest(venue: Venue, tmp_path: Path) -> None:
    slow = method(tmp_path / "slow.json", SLOW)
    with started(order(method=slow, target="0.40"), "placed") as process:
        for kind in ("cancel", "orders", "order"):
            for nth in range(1, 9):
                venue.exchange.faults.add(kind, Delayed(Micros(30 * SECOND)), nth)

        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert any("stopping" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=5)

    assert process.returncode == 130
    assert "this may still rest:" in said
    assert "OPEN-1: up to" in said


# The paper exchange in the foreground


def test_an_exchange_prints_what_to_set_and_takes_its_key_away() -> None:
    words = [*PROGRAM, "exchange", "--seed", "7", "--seconds", "20"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = list(iter(process.stdout.readline, "# Ctrl-C ends it\n"))
            exported = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if "export" in line)
            file = Path(exported["DEPTHWALKER_KEY_FILE"])

            assert exported["DEPTHWALKER_BASE_URL"].startswith("http://127.0.0.1:")
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            (hint,) = (line for line in lines if "depthwalker execute SYN-THIN-7" in line)
            assert hint.endswith(" --algorithm dynamic_depth_walker\n")

            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=10)
        finally:
            process.kill()

    assert process.returncode == 0
    assert "nothing was resting" in said
    assert not file.exists()


def test_an_exchange_refuses_a_recording_that_cannot_be_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    assert main(["exchange", "--data", str(empty)]) == 2
    assert "it is empty" in capsys.readouterr().err


# The database


def test_the_schema_loads_into_a_database_and_again(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)

    assert main(["db", "load"]) == 0
    assert main(["db", "load"]) == 0
    assert main(["db", "url"]) == 0
    assert main(["db", "start"]) == 2
    seen = capsys.readouterr()
    assert seen.out.splitlines()[-1] == database
    assert "unset it to start the embedded one" in seen.err


# The table of commands


@pytest.mark.parametrize("name", TABLE)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: depthwalker {name} ")
    assert TABLE[name].text in " ".join(shown.split())


@pytest.mark.parametrize("name", TABLE)
def test_a_usage_line_has_every_word_that_a_command_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    words = re.search(r"^positional arguments:\n +(\S+\|\S+)", capsys.readouterr().out, re.MULTILINE)
    assert words is None or TABLE[name].operands.split()[0] == words[1]


@pytest.mark.parametrize("name", TABLE)
def test_every_command_has_examples_that_are_shown_and_can_be_called(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out

    assert TABLE[name].examples
    for example in TABLE[name].examples:
        words = shlex.split(example.partition(" > ")[0])
        assert f"\n  depthwalker {example}\n" in shown
        assert words[0] == name
        assert parser_of_all().parse_args(words).run


@pytest.mark.parametrize("name", TABLE)
def test_every_command_can_answer_in_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert "\n  --json" in capsys.readouterr().out


def test_the_database_is_named_in_json(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)

    assert main(["db", "url", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"database_url": database}
    assert main(["db", "load", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"loaded": "schema.sql"}


# Completion


def test_bash_completes_commands_and_their_options(tmp_path: Path) -> None:
    file = tmp_path / "completion"
    file.write_text(subprocess.run([*PROGRAM, "completion", "bash"], capture_output=True, text=True, check=True).stdout)
    ask = (
        f"source {shlex.quote(str(file))}; COMP_WORDS=($1 $2 $3); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
        "$(complete -p depthwalker | sed 's/.*-F \\([^ ]*\\).*/\\1/'); echo ${COMPREPLY[@]}"
    )

    def completed(*words: str) -> list[str]:
        command = ["bash", "-c", ask, "bash", "depthwalker", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert completed("exe") == ["execute"]
    assert completed("execute", "--out") == ["--outcome"]


def test_zsh_gets_a_script_that_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["shell"] == "zsh"
    assert answer["script"].startswith("#compdef depthwalker")
    assert all(f"{name}:" in answer["script"] for name in TABLE)
