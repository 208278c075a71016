"""`depthwalker rollout`."""

import argparse

from depthwalker.shell.commands.arguments import output, words


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "what",
        choices=("status", "advance", "hold", "stop"),
        help="status: stage, evidence and advice; advance: the next stage; hold: stay; stop: the walker, at once",
    )
    parser.add_argument(
        "--reason", type=words, default="by hand", metavar="TEXT", help="why, for the journal (default: by hand)"
    )
    parser.add_argument(
        "--anyway", action="store_true", help="advance against the advice; never past the week of paper and its parents"
    )
    output(parser, result="where it stands")


def run(given: argparse.Namespace) -> int:
    """Show the rollout, or decide."""
    from depthwalker.shell.rollout import run_rollout

    return run_rollout(given.what, given.reason, anyway=given.anyway, as_json=given.json)
