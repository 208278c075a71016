"""`depthwalker exchange`."""

import argparse
from pathlib import Path

from depthwalker.shell.commands.arguments import PROFILES, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    market = parser.add_mutually_exclusive_group()
    market.add_argument("--profile", choices=PROFILES, help="a synthetic market (default thin)")
    market.add_argument("--data", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--seed", type=whole(0, 2**63), metavar="N", help="of the synthetic market")
    parser.add_argument(
        "--seconds",
        type=whole(1, 86_400),
        default=1800,
        metavar="N",
        help="how long the synthetic market moves (default 1800); then it stands still",
    )
    parser.add_argument("--port", type=whole(0, 65_535), default=0, metavar="N", help="on 127.0.0.1; else a free one")


def run(given: argparse.Namespace) -> int:
    """Run a paper exchange."""
    from depthwalker.shell.exchange import Stall, run_exchange

    return run_exchange(Stall(given.profile or PROFILES[0], given.data, given.seed, given.seconds, given.port))
