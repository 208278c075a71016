"""`depthwalker assess`."""

import argparse

from depthwalker.shell.commands.arguments import span


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--since", type=span, default="90d", metavar="SPAN", help="trades of the last 90d, 12h, ... (default: 90d)"
    )
    parser.add_argument(
        "--profitable", choices=("yes", "no"), help="whether the system earns money, where the trades do not say"
    )
    parser.add_argument("--paper", action="store_true", help="judge what `depthwalker paper` executed instead")
    parser.add_argument("--json", action="store_true", help="the assessment as JSON on standard output")


def run(given: argparse.Namespace) -> int:
    """Judge the trades."""
    from depthwalker.shell.assess import run_assess

    profitable = None if given.profitable is None else given.profitable == "yes"
    return run_assess(given.since, profitable=profitable, as_json=given.json, paper=given.paper)
