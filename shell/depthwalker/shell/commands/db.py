"""`depthwalker db`."""

import argparse
from typing import Final

from depthwalker.shell.commands.arguments import output
from depthwalker.shell.ending import Wrong

WHAT: Final = {
    "start": "keep the embedded server up until Ctrl-C",
    "url": "print the connection string",
    "shell": "open psql",
    "load": "load schema.sql; loading it again changes nothing",
    "measure": "fill in what can be measured only a minute after an execution: markouts, the plain limit order beside it",
    "rebuild": "write what the tables show of executions anew from their journals, and the trades that were refused",
    "retain": "fold snapshots older than seven days into hours, a week at a time, and make the weeks to come",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    texts = "; ".join(f"{name}: {text}" for name, text in WHAT.items())
    output(parser, result="what came of it")
    parser.add_argument("--dry-run", action="store_true", help="retain: only say what would be retired")
    parser.add_argument("what", choices=tuple(WHAT), metavar="|".join(WHAT), help=texts)


def run(given: argparse.Namespace) -> int:
    """Do what is asked with the database."""
    if given.json and given.what == "shell":
        raise Wrong("db shell: psql answers, so --json says nothing here: leave it out")
    if given.dry_run and given.what != "retain":
        raise Wrong(f"db {given.what}: --dry-run is for retain: leave it out")
    from depthwalker.shell.db import run_database

    return run_database(given.what, as_json=given.json, dry_run=given.dry_run)
