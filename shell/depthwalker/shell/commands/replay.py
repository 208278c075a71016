"""`depthwalker replay`."""

import argparse

from depthwalker.shell.commands.arguments import output, whole


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "execution",
        nargs="*",
        default=[],
        type=whole(1, 2**63 - 1),
        metavar="EXECUTION_ID",
        help="executions by number",
    )
    which.add_argument("--all", action="store_true", help="every execution in the database")
    output(parser, result="what came of each")


def run(given: argparse.Namespace) -> int:
    """Recompute the decisions of journals."""
    from depthwalker.shell.replaying import run_replay

    return run_replay(tuple(given.execution), every=given.all, as_json=given.json)
