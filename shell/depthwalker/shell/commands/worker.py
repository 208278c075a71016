"""`depthwalker worker`."""

import argparse

from depthwalker.shell.commands.arguments import whole


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--slots",
        type=whole(1, 1_000),
        default=10,
        metavar="N",
        help="executions at once in this process (default: 10)",
    )
    parser.add_argument("--drain", action="store_true", help="end when the queue is empty instead of waiting for more")
    parser.add_argument(
        "--json",
        action="store_true",
        help="a JSON object a line for each parent that has ended here, nothing else there",
    )


def run(given: argparse.Namespace) -> int:
    """Execute what is queued."""
    from depthwalker.shell.working import run_worker

    return run_worker(given.slots, drain=given.drain, as_json=given.json)
