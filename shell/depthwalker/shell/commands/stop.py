"""`depthwalker stop`."""

import argparse

from depthwalker.shell.commands.arguments import output, words


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--release", action="store_true", help="let trading go on")
    parser.add_argument(
        "--reason", type=words, default="by hand", metavar="TEXT", help="why, for the journals (default: by hand)"
    )
    output(parser, result="what came of it")


def run(given: argparse.Namespace) -> int:
    """Pull the kill switch, or release it."""
    from depthwalker.shell.stop import run_release, run_stop

    return run_release(as_json=given.json) if given.release else run_stop(given.reason, as_json=given.json)
