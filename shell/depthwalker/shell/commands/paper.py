"""`depthwalker paper`."""

import argparse
from pathlib import Path
from typing import Final

from depthwalker.shell.commands.arguments import PROFILES, algorithm, method, output, page, whole

VENUES: Final = ("own", "feed", "exchange")
REPORT: Final = Path("paper-report.html")
A_WEEK: Final = 2_016  # parents, one every five minutes
SECONDS: Final = 300


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("tickers", nargs="*", metavar="TICKER", help="the markets, where they are not our own")
    parser.add_argument(
        "--venue",
        choices=VENUES,
        default=VENUES[0],
        help="own: an exchange in this process; feed: the same, whose markets follow the settings' exchange by its "
        "public market data, real ones too; exchange: the demo or paper exchange that the settings name (default: own)",
    )
    market = parser.add_mutually_exclusive_group()
    market.add_argument("--profile", nargs="+", choices=PROFILES, help="our own markets (default: all three)")
    market.add_argument("--data", type=Path, nargs="+", metavar="FILE", help="recordings as our own markets")
    parser.add_argument(
        "--run", dest="name", default="week", metavar="NAME", help="the run to begin or to go on with (default: week)"
    )
    parser.add_argument(
        "--parents",
        type=whole(1, 1_000_000),
        default=A_WEEK,
        metavar="N",
        help=f"in the whole run (default: {A_WEEK}, a week)",
    )
    parser.add_argument(
        "--every",
        type=whole(1, 86_400),
        default=SECONDS,
        metavar="SECONDS",
        help=f"seconds from one parent to the next (default: {SECONDS})",
    )
    parser.add_argument(
        "--count", type=whole(1, 1_000_000), default=20, metavar="N", help="contracts of each (default: 20)"
    )
    method(parser)
    algorithm(parser)
    page(parser, "the run's report", f"{REPORT}; none with --json")
    output(parser, live=True)


def run(given: argparse.Namespace) -> int:
    """Execute the parents."""
    from depthwalker.shell.paper_trading import Wish, run_paper

    return run_paper(
        Wish(
            tickers=tuple(dict.fromkeys(given.tickers)),
            venue=given.venue,
            profiles=tuple(dict.fromkeys(given.profile or PROFILES)),
            data=tuple(given.data or ()),
            run=given.name,
            parents=given.parents,
            every=given.every,
            count=given.count,
            method=given.method,
            algorithm=given.algorithm,
            html=given.html or (None if given.json else REPORT),
            plain=given.plain,
            as_json=given.json,
        )
    )
