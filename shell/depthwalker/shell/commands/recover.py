"""`depthwalker recover`."""

import argparse

from depthwalker.shell.commands.arguments import output


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--wind-down", action="store_true", help="cancel what rests instead of going on to the deadline"
    )
    parser.add_argument(
        "--cancel-strays", action="store_true", help="cancel resting orders of ours that belong to no execution"
    )
    output(parser, result="what was found")


def run(given: argparse.Namespace) -> int:
    """Take up what a dead process left."""
    from depthwalker.shell.recover import run_recover

    return run_recover(wind_down=given.wind_down, cancel_strays=given.cancel_strays, as_json=given.json)
