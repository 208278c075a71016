"""`depthwalker doctor`."""

import argparse

from depthwalker.shell.commands.arguments import output


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    output(parser, result="what was found")


def run(given: argparse.Namespace) -> int:
    """Look at what an execution stands on."""
    from depthwalker.shell.doctor import run_doctor

    return run_doctor(as_json=given.json)
