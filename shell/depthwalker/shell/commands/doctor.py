"""`depthwalker doctor`."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="what was found as JSON on standard output")


def run(given: argparse.Namespace) -> int:
    """Look at what an execution stands on."""
    from depthwalker.shell.doctor import run_doctor

    return run_doctor(as_json=given.json)
