"""`depthwalker db`."""

import argparse
from typing import Final

WHAT: Final = {
    "start": "keep the embedded server up until Ctrl-C",
    "url": "print the connection string",
    "shell": "open psql",
    "load": "load schema.sql; loading it again changes nothing",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    texts = "; ".join(f"{name}: {text}" for name, text in WHAT.items())
    parser.add_argument("what", choices=tuple(WHAT), metavar="|".join(WHAT), help=texts)


def run(given: argparse.Namespace) -> int:
    """Do what is asked with the database."""
    from depthwalker.shell.db import run_database

    return run_database(given.what)
