"""`depthwalker backtest`: the laboratory's command."""

import argparse
from typing import Final

from depthwalker.shell.commands.arguments import PROFILES, method, output_to, page, seed, whole

CAP: Final = "0.03"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    names = ", ".join(PROFILES)
    parser.add_argument("data", nargs="+", metavar="DATA", help=f"a recording, or a synthetic market: {names}")
    parser.add_argument(
        "--algorithm",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="who competes (default: everyone but simple_limit)",
    )
    method(parser, "--policy")
    parents(parser)
    page(parser, "a page with figures", "none is written")
    output_to(parser, "everything")


def parents(parser: argparse.ArgumentParser) -> None:
    """Add which parents are drawn, and what they meet."""
    parser.add_argument(
        "--count", action="extend", nargs="+", metavar="N", help="contracts of a parent (default: 10 and 100)"
    )
    parser.add_argument(
        "--every",
        type=whole(1, 86_400),
        default=30,
        metavar="SECONDS",
        help="from one parent to the next (default: 30)",
    )
    parser.add_argument(
        "--outcome", choices=("yes", "no", "both"), default="both", help="of the parents (default: both)"
    )
    parser.add_argument("--action", choices=("buy", "sell"), default="buy", help="of the parents (default: buy)")
    parser.add_argument(
        "--target",
        type=_aim,
        metavar="bid|mid|offer[+TICKS]",
        help="of a parent: a side of the outcome's own book, and ticks above it (default: offer, for a sell bid)",
    )
    parser.add_argument(
        "--horizon",
        type=whole(1, 86_400),
        metavar="SECONDS",
        help="time-out of each execution (default: that of FILE; without one 40)",
    )
    parser.add_argument(
        "--latency",
        type=whole(0, 60_000),
        default=100,
        metavar="MS",
        help="milliseconds until an action reaches the exchange (default: 100)",
    )
    parser.add_argument(
        "--queue",
        "--queue-model",
        dest="queue_model",
        choices=("worst", "prorata", "both"),
        default="both",
        help="which cancels help an order at rest: those after which less is shown than stood before it, or all in proportion (default: both)",
    )
    parser.add_argument(
        "--cap",
        metavar="D|P%|D,P%",
        help=f"above the target: dollars, percent or the tighter of both (default: that of FILE; without one {CAP})",
    )
    seed(parser, 0)


def run(given: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from depthwalker.shell.lab.command import run_backtest

    return run_backtest(given)


def _aim(text: str) -> tuple[str, int]:
    """Return a side of the book and so many ticks above it."""
    for sign in ("+", "-"):
        base, found, ticks = text.partition(sign)
        if base in {"bid", "mid", "offer"} and (not found or (ticks.isascii() and ticks.isdigit())):
            return base, int(f"{sign}{ticks or 0}")
    raise argparse.ArgumentTypeError(f"{text!r} is not bid, mid or offer with +TICKS or -TICKS after it")
