"""`depthwalker demo`."""

import argparse
from pathlib import Path
from typing import Final

from depthwalker.shell.commands.arguments import output, page, seed, target_file, whole

SHORTEST_S, LONGEST_S = 5, 3600
DEFAULT_S: Final = 40
REPORT: Final = Path("demo-report.html")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--data", type=Path, metavar="FILE", help="a recording to replay (default: synthetic markets)")
    seed(parser)
    parser.add_argument(
        "--seconds",
        type=whole(SHORTEST_S, LONGEST_S),
        default=DEFAULT_S,
        metavar="SECONDS",
        help=f"time-out of each execution, {SHORTEST_S} to {LONGEST_S} (default: {DEFAULT_S})",
    )
    parser.add_argument(
        "--save",
        type=target_file,
        metavar="FILE",
        help="write what is played as recordings, gzip'd if .gz; several are market-thin.jsonl.gz and so on",
    )
    parser.add_argument("--picture", type=target_file, metavar="FILE", help="write an SVG of the screen and the table")
    page(parser, "the report of one execution", f"{REPORT}; none with --json")
    output(parser, live=True)


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
            report=given.html or (None if given.json else REPORT),
            plain=given.plain,
            as_json=given.json,
        )
    )
