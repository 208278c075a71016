"""The `db` commands, and what the others need of the database: its schema, and how a person looks at its rows."""

import asyncio
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.figures import counted
from depthwalker.shell.pool import CONNECT_S, ENCODING
from depthwalker.shell.postgres import connect_string, schema_mark, schema_marking, schema_path
from depthwalker.shell.postmaster import PostgresUnavailable, find_binaries
from depthwalker.shell.queries import SCHEMA_MARK
from depthwalker.shell.settings import Settings
from depthwalker.shell.voice import complain, say
from depthwalker.shell.waiting import waiting

PASSING: Final = "the embedded server runs only while somebody uses it: keep it up with `depthwalker db start`"


class NoSchema(Exception):
    """The database has none of our tables."""

    def __init__(self) -> None:
        super().__init__("the database lacks depthwalker's tables: load them with `depthwalker db load`")


def in_words(error: psycopg.Error) -> str:
    """Return what a database said, on one line; what is not its own words may repeat the connection string, and is not."""
    if isinstance(error, psycopg.OperationalError):
        return " ".join(str(error).split())
    return error.diag.message_primary or "DATABASE_URL is not a connection string such as postgresql://host/name"


def connected(dsn: str) -> psycopg.Connection[TupleRow]:
    """Return a connection on which every statement commits by itself. Raises psycopg.Error."""
    return psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_S, client_encoding=ENCODING)


def load_schema(dsn: str, *, again: bool = False) -> None:
    """Load schema.sql where the database does not have it, or `again` what has gone of it. Raises psycopg.Error."""
    with connected(dsn) as connection:
        # Loading locks tables that running executions write: a database that has this very schema is left alone.
        if not again and connection.execute(SCHEMA_MARK).fetchone() == (schema_mark(),):
            return
        connection.execute("SET lock_timeout = '5s'")
        connection.execute(schema_path().read_bytes())
        connection.execute(schema_marking())


def prepare(dsn: str, *, own: bool, load: bool = True) -> None:
    """Load the schema into a database of ours, if asked to; of another, see that it has one. Raises psycopg.Error or NoSchema."""
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # what it warns of comes as an error too
    if own:
        if load:
            load_schema(dsn)
        return
    with connected(dsn) as connection:
        if connection.execute("SELECT to_regclass('execution_journal')").fetchone() == (None,):
            raise NoSchema


@contextmanager
def database(settings: Settings, *, load: bool = True) -> Iterator[str]:
    """Give the connection string of the settings' database, or of the embedded server, with our tables in it.

    Without `load` the embedded server's are left as they are.
    """
    with ExitStack() as stack:
        dsn = _server(stack, settings)
        prepare(dsn, own=settings.database_url is None, load=load)
        yield dsn


def _server(stack: ExitStack, settings: Settings) -> str:
    """Return the connection string of the settings' database, or of the embedded server for as long as the stack is open."""
    if settings.database_url is not None:
        return settings.database_url
    with waiting("starting the embedded database"):
        return stack.enter_context(connect_string(settings.state_directory / "postgres"))


def how_to_look() -> str:
    """Return the command line that opens the database for a person."""
    program = Path(sys.executable).with_name("depthwalker")
    if not program.exists():
        return f"{shlex.quote(sys.executable)} -m depthwalker.shell db shell"
    inside = program.is_relative_to(Path.cwd())
    return f"{shlex.quote(str(program.relative_to(Path.cwd()) if inside else program))} db shell"


def run_database(what: str, *, as_json: bool, dry_run: bool) -> int:
    """Run `depthwalker db WHAT` and return the exit code."""
    settings = Settings.load()
    own = settings.database_url is None
    if what == "start" and not own:
        raise Wrong("DATABASE_URL names a server already: unset it to start the embedded one")
    with ExitStack() as stack:
        dsn = _server(stack, settings)
        match what:
            case "load":
                load_schema(dsn, again=True)
                loaded = schema_path().name
                say(json.dumps({"loaded": loaded}) if as_json else f"loaded {loaded}; loading it again changes nothing")
            case "measure":
                return _measure(dsn, own=own, as_json=as_json)
            case "rebuild":
                return _rebuild(dsn, own=own, as_json=as_json)
            case "retain":
                return _retain(dsn, own=own, as_json=as_json, dry_run=dry_run)
            case "url":
                say(json.dumps({"database_url": dsn}) if as_json else dsn)
                if own:
                    complain(PASSING)
            case "start":
                load_schema(dsn)
                with suppress(KeyboardInterrupt):
                    say(json.dumps({"database_url": dsn}) if as_json else dsn)
                    complain("the database runs until Ctrl-C")
                    signal.pause()
            case _:
                if own:
                    load_schema(dsn)
                return _shell(dsn)
    return OK


def _measure(dsn: str, *, own: bool, as_json: bool) -> int:
    """Measure what is due and tell what was found."""
    from depthwalker.shell.clock import SystemClock
    from depthwalker.shell.measuring import in_words, measure_due

    prepare(dsn, own=own)
    with (
        connected(dsn) as connection,
        waiting("measuring executions"),
    ):
        found = measure_due(connection, SystemClock().now())
    if as_json:
        say(in_words(found))
        return OK
    say(f"{len(found)} executions measured")
    say(*(f"execution {execution}: {one.note}" for execution, one in found.items() if one.note))
    return OK


def _rebuild(dsn: str, *, own: bool, as_json: bool) -> int:
    """Write rows anew and tell whose could not be: FAILED where that is any."""
    from depthwalker.shell.rebuilding import in_words, rebuild

    prepare(dsn, own=own)
    with waiting("rebuilding the rows of executions"):
        found = asyncio.run(rebuild(dsn))
    if as_json:
        say(in_words(found))
    else:
        say(f"{counted(found.whole, 'execution')} rebuilt")
        say(*(f"execution {execution}: {lack}" for execution, lack in found.lacking.items()))
    return FAILED if found.lacking else OK


def _retain(dsn: str, *, own: bool, as_json: bool, dry_run: bool) -> int:
    """Retire what is old and tell what that was."""
    from depthwalker.shell.retaining import in_words, retain

    prepare(dsn, own=own)
    with connected(dsn) as connection:
        try:
            with waiting("folding snapshots into hours"):
                found = retain(connection, dry_run=dry_run)
        except psycopg.errors.LockNotAvailable:
            raise Ended(
                FAILED, "order_book_snapshots is in constant use: nothing is lost; run it again when less is going on"
            ) from None
    if as_json:
        say(in_words(found))
        return OK
    if not found.retired:
        say("nothing is older than seven days")
    for one in found.retired:
        came = "would be retired" if one.hours is None else f"came to {one.hours} hours and are gone"
        say(f"{one.table}: {one.snapshots} snapshots {came}")
    return OK


def _shell(dsn: str) -> int:
    """Run psql, the embedded server's own or the system's, until its user leaves it.

    Its arguments, which every user of the machine can list, are without the password.
    """
    given = conninfo_to_dict(dsn)
    password = given.pop("password", None)
    named = make_conninfo("", **given)
    environment = dict(os.environ) if password is None else {**os.environ, "PGPASSWORD": str(password)}
    try:
        psql = find_binaries() / "psql"
    except PostgresUnavailable:
        psql = Path("psql")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is psql's own business
    try:
        command = [str(psql) if psql.exists() else "psql", named]
        return subprocess.run(command, env=environment, check=False).returncode
    except FileNotFoundError:
        raise Ended(
            FAILED, f"there is no psql here: install PostgreSQL's client, then run: psql {shlex.quote(named)}"
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
