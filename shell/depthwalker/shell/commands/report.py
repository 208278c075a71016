"""`depthwalker report`."""

import argparse
from pathlib import Path

from depthwalker.shell.commands.arguments import whole


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("execution", type=whole(1, 2**63 - 1), metavar="EXECUTION_ID", help="as `execute` names it")
    parser.add_argument(
        "--html", type=Path, metavar="OUT", help="where the page goes; left out, report-EXECUTION_ID.html here"
    )
    parser.add_argument("--png", type=Path, metavar="OUT", help="a picture of the page too (needs Chromium or Chrome)")
    parser.add_argument("--json", action="store_true", help="the report's numbers as JSON on standard output")


def run(given: argparse.Namespace) -> int:
    """Write a report."""
    from depthwalker.shell.report import Wanted, run_report

    return run_report(given.execution, Wanted(html=given.html, png=given.png, as_json=given.json))
