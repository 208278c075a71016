"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from typing import Final

PROFILES: Final = ("thin", "moderate", "liquid")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return number

    return read


def output(parser: argparse.ArgumentParser) -> None:
    """Add how a result is shown."""
    parser.add_argument("--plain", action="store_true", help="a line an event instead of the live view")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
