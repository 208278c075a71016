"""`depthwalker assess`."""

import argparse

from depthwalker.shell.commands.arguments import output, span


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--since", type=span, default="90d", metavar="SPAN", help="trades of the last 30m, 12h, 7d, ... (default: 90d)"
    )
    parser.add_argument(
        "--profitable", choices=("yes", "no"), help="whether the system earns money (default: what the trades say)"
    )
    parser.add_argument("--paper", action="store_true", help="judge what `depthwalker paper` executed instead")
    output(parser, result="the assessment")


def run(given: argparse.Namespace) -> int:
    """Judge the trades."""
    from depthwalker.shell.assess import run_assess

    profitable = None if given.profitable is None else given.profitable == "yes"
    return run_assess(given.since, profitable=profitable, as_json=given.json, paper=given.paper)
