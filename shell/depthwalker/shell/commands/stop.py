"""`depthwalker stop`."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--release", action="store_true", help="let trading go on")
    parser.add_argument("--reason", default="by hand", metavar="TEXT", help="why, for the journals (default: by hand)")
    parser.add_argument("--json", action="store_true", help="what came of it as JSON on standard output")


def run(given: argparse.Namespace) -> int:
    """Pull the kill switch, or release it."""
    from depthwalker.shell.stop import run_release, run_stop

    return run_release(as_json=given.json) if given.release else run_stop(given.reason, as_json=given.json)
