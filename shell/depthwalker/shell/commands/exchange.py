"""`depthwalker exchange`."""

import argparse
import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from depthwalker.shell.commands.arguments import PROFILES, output, seed, whole

FASTEST = 1_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    market = parser.add_mutually_exclusive_group()
    market.add_argument("--profile", choices=PROFILES, help="a synthetic market (default: thin)")
    market.add_argument("--data", type=Path, nargs="+", metavar="FILE", help="recordings, each a market of its own")
    seed(parser)
    parser.add_argument(
        "--seconds",
        type=whole(1, 86_400),
        default=1800,
        metavar="SECONDS",
        help="how long the synthetic market moves; then it stands still (default: 1800)",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=1_000,
        metavar="X",
        help="play the flow so many times as fast, 0.001 to 1000 (default: 1)",
    )
    parser.add_argument(
        "--port", type=whole(0, 65_535), default=0, metavar="PORT", help="on 127.0.0.1 (default: a free one)"
    )
    parser.add_argument(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND:FAULT[,NAME=VALUE]",
        help="what goes wrong, such as create:answer_lost or frame.trade:drop,nth=3; again for another; "
        "the control endpoint lists them",
    )
    parser.add_argument(
        "--partition", choices=("requests", "answers"), default="", help="lose all of these (default: none)"
    )
    parser.add_argument(
        "--skew",
        type=_skew,
        default=0,
        metavar="MS",
        help="milliseconds that its clock is ahead of this one (default: 0)",
    )
    output(parser, result="what to set and what is played")


def run(given: argparse.Namespace) -> int:
    """Run a paper exchange."""
    from depthwalker.shell.exchange import Stall, run_exchange

    return run_exchange(
        Stall(
            profile=given.profile or PROFILES[0],
            data=tuple(given.data or ()),
            seed=given.seed,
            seconds=given.seconds,
            port=given.port,
            speed=given.speed,
            faults=tuple(given.fault),
            partition=given.partition,
            skew=given.skew,
            as_json=given.json,
        )
    )


def _speed(text: str) -> int:
    """Return a speed in thousandths."""
    try:
        speed = Decimal(text)
    except InvalidOperation:
        speed = Decimal(0)
    if not speed.is_finite() or not 1 <= speed * 1_000 <= FASTEST * 1_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed from 0.001 to {FASTEST}")
    return int(speed * 1_000)


def _skew(text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds, such as -1500")
    return int(text)


def _fault(text: str) -> Mapping[str, object]:
    """Return a fault as the control endpoint takes it."""
    kind, colon, rest = text.partition(":")
    fault, *pairs = rest.split(",")
    split = [pair.partition("=") for pair in pairs]
    if not kind or not colon or not fault or any(not sign for _, sign, _ in split):
        raise argparse.ArgumentTypeError(f"{text!r} is not KIND:FAULT[,NAME=VALUE], such as create:delay,ms=500")
    return {"kind": kind, "fault": fault, **{name: _value(value) for name, _, value in split}}


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int) else text
