"""`depthwalker record`."""

import argparse
from pathlib import Path

from depthwalker.shell.commands.arguments import output, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("tickers", nargs="+", metavar="TICKER", help="the markets; one file each, appended to")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("recordings"),
        metavar="FOLDER",
        help="where the files go (default: recordings)",
    )
    parser.add_argument("--seconds", type=whole(1, 10**7), metavar="SECONDS", help="how long (default: until Ctrl-C)")
    output(parser, result="what was written")


def run(given: argparse.Namespace) -> int:
    """Record markets."""
    from depthwalker.shell.record import Wish, run_record

    return run_record(Wish(tuple(given.tickers), given.out, given.seconds, given.json))
