"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from typing import Final

PROFILES: Final = ("thin", "moderate", "liquid")
UNITS: Final = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
LONGEST_SPAN: Final = 3_653 * UNITS["d"]


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return number

    return read


def span(text: str) -> int:
    """Return a span such as 90m, 24h or 7d in microseconds; ten years at most."""
    number, unit = text[:-1], UNITS.get(text[-1:], 0)
    found = int(number) * unit if unit and number.isascii() and number.isdigit() and len(number) < 10 else 0
    if not 0 < found <= LONGEST_SPAN:
        raise argparse.ArgumentTypeError(f"{text!r} is not a span such as 90m, 24h or 7d")
    return found


def output(parser: argparse.ArgumentParser) -> None:
    """Add how a result is shown."""
    parser.add_argument("--plain", action="store_true", help="a line an event instead of the live view")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
