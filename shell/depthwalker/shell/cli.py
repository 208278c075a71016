"""The command line. Commands import what they need when they run: help and mistakes are answered at once.

Every error is a line or two that say what is wrong and what to do, and with --json an object with them on standard output; no
key and no database password is ever shown.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Final

from depthwalker.shell.commands import TABLE, command
from depthwalker.shell.ending import EXPLAINED, FAILED, INTERRUPTED, OK, UNREAD, UNRESOLVED, Ended, Wrong
from depthwalker.shell.voice import Unwritten, complain, say

TRACEBACK: Final = "DEPTHWALKER_TRACEBACK"
LOG: Final = "DEPTHWALKER_LOG"
MEND: Final = (
    "start it, or correct DATABASE_URL; the embedded database, which serves where that is unset, knows nothing of what "
    "runs or rests by this one"
)
TEXT: Final = "Fills orders on prediction markets."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Raises SystemExit after help, as argparse does."""
    given = sys.argv[1:] if argv is None else list(argv)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # `nohup` means what it says
            signal.signal(number, signal.default_int_handler)
    try:
        return _run(given)
    except BrokenPipeError:
        return _unread()
    except KeyboardInterrupt:
        return _tell(Ended(INTERRUPTED, "interrupted"), as_json="--json" in given)
    except Exception as error:
        if os.environ.get(TRACEBACK) and not isinstance(error, Ended):
            raise
        return _tell(_ended(error, given), as_json="--json" in given)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(given: list[str]) -> int:
    if given == ["--version"]:
        from importlib.metadata import version

        say(f"depthwalker {version('depthwalker')}")
        return OK
    arguments = _parsed(given)
    run: Callable[[argparse.Namespace], int] = arguments.run
    if os.environ.get(LOG) == "json":
        from depthwalker.shell.logs import structured_logs

        structured_logs()
    return run(arguments)


def _parsed(given: Sequence[str]) -> argparse.Namespace:
    """Return what is asked for. Raises Wrong with what argparse says of a mistake, and SystemExit after help."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            arguments, unknown = _parser(given[0] if given else "").parse_known_args(given)
            if unknown:
                arguments.mistaken(f"unrecognized arguments: {' '.join(unknown)}")
            return arguments
    except SystemExit as end:
        if end.code:
            raise Wrong(said.getvalue().strip()) from end
        raise


def _tell(ended: Ended, *, as_json: bool) -> int:
    complain(str(ended))
    if as_json:
        try:
            say(json.dumps({"error": str(ended), "exit_code": ended.code}))
        except BrokenPipeError:
            return _unread()
        except Unwritten:
            return ended.code  # which is told on standard error
    return ended.code


def _unread() -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more when it exits
    return UNREAD


def _ended(error: Exception, given: Sequence[str]) -> Ended:
    """Return how a command ended by this error."""
    match error:
        case Ended():
            return error
        case ModuleNotFoundError() if given and given[0] in TABLE and TABLE[given[0]].extra:
            return Wrong(f"{given[0]} needs {error.name}: pip install 'depthwalker[{TABLE[given[0]].extra}]'")
        case _:
            return _translated(error)


def _translated(error: Exception) -> Ended:
    """Return what went wrong outside the program, or that it is a bug. A connection string is never repeated."""
    from psycopg import Error, OperationalError
    from psycopg.errors import UndefinedColumn, UndefinedFunction, UndefinedTable

    from depthwalker.shell.api import DepthwalkerError, ExchangeTrouble, Unresolved
    from depthwalker.shell.db import NoSchema, in_words
    from depthwalker.shell.journal import StoreError
    from depthwalker.shell.postmaster import PostgresUnavailable
    from depthwalker.shell.settings import Settings, SettingsError

    match error:
        case SettingsError():
            return Wrong(str(error))
        case Unresolved():
            return Ended(UNRESOLVED, str(error))
        case ExchangeTrouble():
            asked = f"asked at {Settings.load().base_url}; `depthwalker doctor` looks at what it takes"
            return Ended(FAILED, f"{error} ({asked})")
        case PostgresUnavailable() | NoSchema() | DepthwalkerError():
            return Ended(FAILED, str(error))
        case StoreError():
            return Ended(FAILED, f"the database cannot be used: {error}; `depthwalker doctor` looks at what it takes")
        case UndefinedColumn() | UndefinedFunction() | UndefinedTable():
            said = error.diag.message_primary
            return Ended(
                FAILED, f"the database is another version's ({said}): `depthwalker db load` brings it up to this one"
            )
        case OperationalError():
            return Ended(FAILED, f"the database cannot be used: {in_words(error)}; {MEND}")
        case Error():
            return Ended(FAILED, f"the database cannot be used: {in_words(error)}")
        case OSError() if error.strerror:
            return Ended(FAILED, f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
        case _:
            return Ended(FAILED, f"a bug: {type(error).__name__}; {TRACEBACK}=1 shows where")


def parser_of_all() -> argparse.ArgumentParser:
    """Return the parser of every command whose extra is installed."""
    return _parser(*filter(_installed, TABLE))


def _installed(name: str) -> bool:
    try:
        command(name)
    except ModuleNotFoundError:
        if not TABLE[name].extra:
            raise
        return False
    return True


def _parser(*called: str) -> argparse.ArgumentParser:
    """Return the parser, in which only the commands that are called have their arguments."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="depthwalker", usage=_usage("COMMAND"), description=TEXT, epilog=EXPLAINED, formatter_class=raw
    )
    parser.add_argument("--version", action="store_true", help="show the program's version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, prog="depthwalker")
    for name, entry in TABLE.items():
        examples = "\n".join(("examples:", *(f"  depthwalker {line}" for line in entry.examples)))
        added = commands.add_parser(
            name,
            usage=_usage(f"{name} {entry.operands}"),
            help=entry.text,
            description=entry.text,
            epilog=f"{examples}\n\n{EXPLAINED}",
            formatter_class=raw,
        )
        if name in called:
            module = command(name)
            module.arguments(added)
            added.set_defaults(run=module.run, mistaken=added.error)
    return parser


def _usage(rest: str) -> str:
    """Return one line: a mistake is answered by it and one more, which says what is wrong."""
    return f"depthwalker {rest} (--help explains)"
