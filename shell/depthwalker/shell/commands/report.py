"""`depthwalker report`."""

import argparse
from pathlib import Path

from depthwalker.shell.commands.arguments import output, page, span, target_file, whole
from depthwalker.shell.ending import Wrong


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    about = parser.add_mutually_exclusive_group(required=True)
    about.add_argument(
        "execution",
        nargs="?",
        type=whole(1, 2**63 - 1),
        metavar="EXECUTION_ID",
        help="one execution, as `execute` names it",
    )
    about.add_argument("--backtest", type=Path, metavar="FILE", help="a backtest, from what its --json wrote")
    about.add_argument("--since", type=span, metavar="SPAN", help="what ended lately: 90m, 24h, 7d")
    parser.add_argument("--paper", action="store_true", help="with --since: what `depthwalker paper` executed instead")
    page(parser, "the page", "a file here that it names; none with --png or --json")
    parser.add_argument(
        "--png", type=target_file, metavar="FILE", help="a picture of the page (needs Chromium or Chrome)"
    )
    output(parser, result="the report's numbers")


def run(given: argparse.Namespace) -> int:
    """Write a report."""
    from depthwalker.shell.report import Wanted, report_backtest, report_execution, report_period

    if given.paper and given.since is None:
        raise Wrong("report --paper: it goes with --since, of one execution the number says which")
    wanted = Wanted(html=given.html, png=given.png, as_json=given.json)
    if given.backtest is not None:
        return report_backtest(given.backtest, wanted)
    if given.since is not None:
        return report_period(given.since, wanted, paper=given.paper)
    return report_execution(given.execution, wanted)
