"""The command line. Commands import what they need when they run: help and mistakes are answered at once.

Every error is a line or two that say what is wrong and what to do; no key and no database password is ever shown.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from depthwalker.shell.ending import EXPLAINED, FAILED, INTERRUPTED, REFUSED
from depthwalker.shell.voice import complain

TRACEBACK: Final = "DEPTHWALKER_TRACEBACK"
SHORTEST_S, LONGEST_S = 5, 3600
PROFILES: Final = ("thin", "moderate", "liquid")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        parser = _parser(laboratory=given[:1] == ["backtest"])
    except ModuleNotFoundError as missing:
        complain(f"backtest needs {missing.name}: pip install 'depthwalker[lab]'")
        return REFUSED
    arguments = parser.parse_args(given)
    run: Callable[[argparse.Namespace], int] = arguments.run
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(arguments)
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more when it exits
        return FAILED
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        complain(_in_words(error))
        return FAILED
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_words(error: Exception) -> str:
    """Return what went wrong outside the program, or that it is a bug. A connection string is never repeated."""
    from psycopg import Error, OperationalError

    from depthwalker.shell.db import NoSchema
    from depthwalker.shell.journal import StoreError
    from depthwalker.shell.postmaster import PostgresUnavailable
    from depthwalker.shell.settings import SettingsError

    match error:
        case PostgresUnavailable() | SettingsError() | NoSchema():
            return str(error)
        case StoreError():
            return f"the database cannot be used: {error}"
        case OperationalError():
            said = " ".join(str(error).split())
            return f"the database cannot be used: {said}; unset DATABASE_URL to use the embedded one"
        case Error():
            said = (
                error.diag.message_primary or "DATABASE_URL is not a connection string such as postgresql://host/name"
            )
            return f"the database cannot be used: {said}"
        case OSError() if error.strerror:
            return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        case _:
            return f"a bug: {type(error).__name__}; {TRACEBACK}=1 shows where"


def _demo(arguments: argparse.Namespace) -> int:
    from depthwalker.shell.demo import Wish, run_demo

    return run_demo(
        Wish(
            data=arguments.data,
            seed=arguments.seed,
            seconds=arguments.seconds,
            save=arguments.save,
            picture=arguments.picture,
            plain=arguments.plain,
            as_json=arguments.json,
        )
    )


def _execute(arguments: argparse.Namespace) -> int:
    from depthwalker.shell.execute import Order, run_execute

    return run_execute(
        Order(
            ticker=arguments.ticker,
            outcome=arguments.outcome,
            action=arguments.action,
            count=arguments.count,
            target=arguments.target,
            method=arguments.method,
            key=arguments.key,
            plain=arguments.plain,
            as_json=arguments.json,
        )
    )


def _exchange(arguments: argparse.Namespace) -> int:
    from depthwalker.shell.exchange import Stall, run_exchange

    return run_exchange(
        Stall(arguments.profile or PROFILES[0], arguments.data, arguments.seed, arguments.seconds, arguments.port)
    )


def _database(arguments: argparse.Namespace) -> int:
    from depthwalker.shell.db import run_database

    return run_database(arguments.what)


def _parser(*, laboratory: bool) -> argparse.ArgumentParser:
    """Return the parser; the laboratory, which imports numpy, describes its command only where it is called."""
    text = "Fills orders on prediction markets."
    parser = argparse.ArgumentParser(prog="depthwalker", usage=_usage("COMMAND"), description=text, epilog=EXPLAINED)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, prog="depthwalker")

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str, operands: str = "[OPTION ...]"
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, usage=_usage(f"{name} {operands}"), help=text, description=text, epilog=EXPLAINED
        )
        added.set_defaults(run=run)
        return added

    _demo_arguments(command("demo", _demo, "execute the same parent orders with both algorithms on paper exchanges"))
    _execute_arguments(
        command(
            "execute", _execute, "execute one parent order on the exchange that the settings name", "TICKER OPTION ..."
        )
    )
    _exchange_arguments(command("exchange", _exchange, "run a paper exchange until Ctrl-C, to try `execute` against"))
    database = command("db", _database, "the database: $DATABASE_URL, or the embedded server", "start|url|shell|load")
    what = {
        "start": "keep the embedded server up until Ctrl-C",
        "url": "print the connection string",
        "shell": "open psql",
        "load": "load schema.sql; loading it again changes nothing",
    }
    if laboratory:
        from depthwalker.shell.lab.command import register

        register(commands)
    else:
        commands.add_parser("backtest", help="execute parents sampled from recordings by every algorithm")
    texts = "; ".join(f"{name}: {text}" for name, text in what.items())
    database.add_argument("what", choices=tuple(what), metavar="|".join(what), help=texts)
    return parser


def _usage(rest: str) -> str:
    """Return one line: a mistake is answered by it and one more, which says what is wrong."""
    return f"depthwalker {rest} (--help explains)"


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="FILE", help="a recording to replay instead of synthetic markets")
    parser.add_argument(
        "--seed", type=_whole(0, 2**63), metavar="N", help="repeat a market; left out, drawn and printed"
    )
    parser.add_argument(
        "--seconds",
        type=_whole(SHORTEST_S, LONGEST_S),
        default=40,
        metavar="N",
        help=f"time-out of each execution, {SHORTEST_S} to {LONGEST_S} (default 40)",
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write what is played as recordings, gzip'd if .gz")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write an SVG of the screen and the table")
    _output_arguments(parser)


def _execute_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticker", metavar="TICKER", help="the market")
    parser.add_argument("--outcome", required=True, choices=("yes", "no"))
    parser.add_argument("--action", required=True, choices=("buy", "sell"))
    parser.add_argument("--count", required=True, metavar="N", help="contracts, with at most 2 decimals")
    parser.add_argument("--target", required=True, metavar="P", help="target price in dollars, such as 0.48")
    parser.add_argument(
        "--method", type=Path, metavar="FILE", help="execution_config as .toml or .json; else its defaults"
    )
    parser.add_argument("--key", metavar="REQUEST_KEY", help="calling again with the same key never buys twice")
    _output_arguments(parser)


def _exchange_arguments(parser: argparse.ArgumentParser) -> None:
    market = parser.add_mutually_exclusive_group()
    market.add_argument("--profile", choices=PROFILES, help="a synthetic market (default thin)")
    market.add_argument("--data", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--seed", type=_whole(0, 2**63), metavar="N", help="of the synthetic market")
    parser.add_argument(
        "--seconds",
        type=_whole(1, 86_400),
        default=1800,
        metavar="N",
        help="how long the synthetic market moves (default 1800); then it stands still",
    )
    parser.add_argument("--port", type=_whole(0, 65_535), default=0, metavar="N", help="on 127.0.0.1; else a free one")


def _output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plain", action="store_true", help="a line an event instead of the live view")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return number

    return whole
