"""`depthwalker completion`."""

import argparse
import json

import shtab

from depthwalker.shell.commands.arguments import output
from depthwalker.shell.ending import OK
from depthwalker.shell.voice import say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="for which shell")
    output(parser, result="the script")


def run(given: argparse.Namespace) -> int:
    """Print the script, which knows every command whose extra is installed."""
    from depthwalker.shell.cli import parser_of_all

    script = shtab.complete(parser_of_all(), given.shell)
    say(json.dumps({"shell": given.shell, "script": script}) if given.json else script)
    return OK
