"""`depthwalker demo`."""

import argparse
from pathlib import Path
from typing import Final

from depthwalker.shell.commands.arguments import output, whole

SHORTEST_S, LONGEST_S = 5, 3600
DEFAULT_S: Final = 40
REPORT: Final = Path("demo-report.html")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", type=Path, metavar="FILE", help="a recording to replay instead of synthetic markets")
    parser.add_argument(
        "--seed", type=whole(0, 2**63), metavar="N", help="repeat a market; left out, drawn and printed"
    )
    parser.add_argument(
        "--seconds",
        type=whole(SHORTEST_S, LONGEST_S),
        default=DEFAULT_S,
        metavar="N",
        help=f"time-out of each execution, {SHORTEST_S} to {LONGEST_S} (default {DEFAULT_S})",
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write what is played as recordings, gzip'd if .gz")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write an SVG of the screen and the table")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help=f"where the report of one execution goes (default {REPORT})"
    )
    output(parser)


def run(given: argparse.Namespace) -> int:
    """Run the demo."""
    from depthwalker.shell.demo import Wish, run_demo

    return run_demo(
        Wish(
            data=given.data,
            seed=given.seed,
            seconds=given.seconds,
            save=given.save,
            picture=given.picture,
            report=given.report or (None if given.json else REPORT),
            plain=given.plain,
            as_json=given.json,
        )
    )
