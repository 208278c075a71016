"""`depthwalker backtest`: the laboratory's command."""

import argparse
from pathlib import Path
from typing import Final

from depthwalker.shell.commands.arguments import PROFILES, whole

CAP: Final = "0.03"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    names = ", ".join(PROFILES)
    parser.add_argument("data", nargs="+", metavar="DATA", help=f"a recording, or a synthetic market: {names}")
    parser.add_argument("--algorithm", action="append", metavar="NAME", help="who competes; left out, everyone")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="execution_config as .toml or .json")
    parents(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything as JSON")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page with figures: docs/report.md reads it")


def parents(parser: argparse.ArgumentParser) -> None:
    """Add which parents are drawn, and what they meet."""
    parser.add_argument("--count", action="append", metavar="N", help="contracts of a parent (default 10 and 100)")
    parser.add_argument("--every", type=whole(1, 86_400), default=30, metavar="SECONDS", help="default 30")
    parser.add_argument("--outcome", choices=("yes", "no", "both"), default="both")
    parser.add_argument("--action", choices=("buy", "sell"), default="buy")
    parser.add_argument(
        "--target", type=_aim, default=("offer", 0), metavar="bid|mid|offer[+TICKS]", help="default offer"
    )
    parser.add_argument("--horizon", type=whole(1, 86_400), default=40, metavar="SECONDS", help="default 40")
    parser.add_argument("--latency", type=whole(0, 60_000), default=100, metavar="MS", help="of an action: 100")
    parser.add_argument("--queue", choices=("worst", "prorata", "both"), default="both")
    parser.add_argument(
        "--cap",
        default=CAP,
        metavar="D|P%|D,P%",
        help=f"above the target: dollars, percent or the tighter of both ({CAP})",
    )
    parser.add_argument("--seed", type=whole(0, 2**63), default=0, metavar="N", help="of synthetic markets")


def run(given: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from depthwalker.shell.lab.command import run_backtest

    return run_backtest(given)


def _aim(text: str) -> tuple[str, int]:
    """Return a side of the book and so many ticks beyond it."""
    for sign in ("+", "-"):
        base, found, ticks = text.partition(sign)
        if base in {"bid", "mid", "offer"} and (not found or (ticks.isascii() and ticks.isdigit())):
            return base, int(f"{sign}{ticks or 0}")
    raise argparse.ArgumentTypeError(f"{text!r} is not bid, mid or offer with +TICKS or -TICKS after it")
