"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

PROFILES: Final = ("thin", "moderate", "liquid")
ALGORITHMS: Final = ("simple_limit", "dynamic_depth_walker", "twap", "adaptive_limit")
STANDARD: Final = Path("-")
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


def words(text: str) -> str:
    """Return what a person says, what of it was not in the terminal's encoding replaced: no command fails for an accent."""
    return text.encode("utf-8", "replace").decode("utf-8")


def target_file(text: str) -> Path:
    """Return where a file is to be written, once its folder is there: better now than after the work."""
    file = Path(text)
    if not file.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: there is no folder {file.parent}")
    if file.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: it is a folder")
    return file


def output(parser: argparse.ArgumentParser, *, live: bool = False, result: str = "the result") -> None:
    """Add how a result is shown: where there is a live view, that it may be left out."""
    if live:
        parser.add_argument("--plain", action="store_true", help="a line an event instead of the live view")
    parser.add_argument("--json", action="store_true", help=f"{result} as JSON on standard output, nothing else there")


def output_to(parser: argparse.ArgumentParser, result: str) -> None:
    """Add that a result is shown as JSON, or kept in a file beside what is shown: None, STANDARD, or the file."""
    parser.add_argument(
        "--json",
        type=target_file,
        nargs="?",
        const=STANDARD,
        metavar="OUT",
        help=f"{result} as JSON: in a file, or without its name on standard output, nothing else there "
        "(default: as a table alone)",
    )


def method(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add the configuration that is executed, under `names` too."""
    parser.add_argument(
        *names,
        "--method",
        dest="method",
        type=Path,
        metavar="FILE",
        help="execution_config as .toml or .json (default: its defaults)",
    )


def algorithm(parser: argparse.ArgumentParser) -> None:
    """Add the algorithm of the configuration that is executed."""
    parser.add_argument(
        "--algorithm",
        choices=ALGORITHMS,
        help="what executes it (default: that of FILE; without one simple_limit)",
    )


def page(parser: argparse.ArgumentParser, what: str, default: str) -> None:
    """Add where a page goes."""
    parser.add_argument("--html", type=target_file, metavar="FILE", help=f"where {what} goes (default: {default})")


def seed(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    """Add what synthetic markets are drawn by."""
    said = "drawn, and told" if default is None else str(default)
    parser.add_argument(
        "--seed",
        type=whole(0, 2**63),
        default=default,
        metavar="N",
        help=f"of synthetic markets: the same one draws the same again (default: {said})",
    )
