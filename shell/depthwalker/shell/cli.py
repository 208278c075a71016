"""The command line. Commands import what they need when they run: help and mistakes are answered at once.

Every error is a line or two that say what is wrong and what to do; no key and no database password is ever shown.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final

from depthwalker.shell.commands import TABLE, command
from depthwalker.shell.ending import EXPLAINED, FAILED, INTERRUPTED, REFUSED
from depthwalker.shell.voice import complain

TRACEBACK: Final = "DEPTHWALKER_TRACEBACK"
LOG: Final = "DEPTHWALKER_LOG"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    try:
        parser = _parser(given[0] if given else "")
    except ModuleNotFoundError as missing:
        return _lacking(given[0], missing)
    arguments = parser.parse_args(given)
    run: Callable[[argparse.Namespace], int] = arguments.run
    if os.environ.get(LOG) == "json":
        from depthwalker.shell.logs import structured_logs

        structured_logs()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(arguments)
    except ModuleNotFoundError as missing:
        return _lacking(given[0], missing)
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
        return _code(error)
    finally:
        signal.signal(signal.SIGTERM, before)


def _lacking(name: str, missing: ModuleNotFoundError) -> int:
    """Say which extra brings what a command needs. Raises the error where none does."""
    extra = TABLE[name].extra
    if not extra:
        raise missing
    complain(f"{name} needs {missing.name}: pip install 'depthwalker[{extra}]'")
    return REFUSED


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


def _code(error: Exception) -> int:
    from depthwalker.shell.settings import SettingsError

    return REFUSED if isinstance(error, SettingsError) else FAILED


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
    text = "Fills orders on prediction markets."
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="depthwalker", usage=_usage("COMMAND"), description=text, epilog=EXPLAINED, formatter_class=raw
    )
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
            added.set_defaults(run=module.run)
    return parser


def _usage(rest: str) -> str:
    """Return one line: a mistake is answered by it and one more, which says what is wrong."""
    return f"depthwalker {rest} (--help explains)"
