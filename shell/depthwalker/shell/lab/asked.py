"""What the laboratory's commands read of their command lines: markets, execution_config, caps, counts."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from os.path import abspath
from pathlib import Path
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.config import ExecutionConfig
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.parent import Action
from depthwalker.core.tape import Tape
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Price, parse_count
from depthwalker.shell.ending import Wrong
from depthwalker.shell.exact import PLAIN_NUMBER
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampling
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize

SYNTHETIC_SECONDS: Final = 3600
BLOCK: Final = 10  # horizons


def sampling_of(given: argparse.Namespace, config: ExecutionConfig) -> Sampling:
    """Return which parents are drawn, those of a count that is given twice once. Raises Wrong."""
    return Sampling(
        counts=tuple(dict.fromkeys(_contracts(text) for text in given.count or ("10", "100"))),
        outcomes=tuple(Leg) if given.outcome == "both" else (Leg(given.outcome),),
        action=Action(given.action),
        aim=_aim(given),
        every=Micros(given.every * SECOND),
        offset=Micros(given.every * SECOND),
        config=config,
    )


def models_of(given: argparse.Namespace) -> tuple[QueueModel, ...]:
    """Return the queue models that are asked for."""
    return tuple(QueueModel) if given.queue_model == "both" else (QueueModel(given.queue_model),)


def tape_of(name: str, seed: int, seconds: int = SYNTHETIC_SECONDS) -> Tape:
    """Return a recording's tape, or a synthetic market's of this seed and length. Raises Wrong."""
    profile = PROFILES.get(name)
    if profile is not None:
        return synthesize(profile, seed, seconds)
    try:
        loaded = load(Path(name))
    except OSError as error:
        raise Wrong(
            f"{name} cannot be read: {error.strerror}; give the path of a recording, or {', '.join(PROFILES)}"
        ) from error
    match loaded:
        case Success(tape):
            return tape
        case Failure(unplayable):
            raise Wrong(f"{name} cannot be replayed: {unplayable.reason}")


def names_of(markets: Sequence[tuple[str, int]], endings: Sequence[str] = ()) -> list[str]:
    """Return what each market is called, a recording or a synthetic one of a seed: the shortest that tells it from the others.

    It is a name as short as the profile's or the file's, which loses these endings where that is still its own. Raises Wrong.
    """
    may = [_called(source, seed, endings) for source, seed in markets]
    owners = Counter(name for names in may for name in names)
    found: list[str] = []
    for (source, _), names in zip(markets, may, strict=True):
        own = next((name for name in names if owners[name] == 1), None)
        if own is None:
            raise Wrong(f"{source} is given twice: each parent counts once")
        found.append(own)
    return found


def _called(source: str, seed: int, endings: Sequence[str]) -> tuple[str, ...]:
    """Return what a market may be called, shortest first."""
    if source in PROFILES:
        return source, f"{source} (seed {seed})"
    parts = Path(abspath(source)).parts  # noqa: PTH100 - a link is called what it is called, not what it leads to
    tails = ["/".join(parts[start:]) for start in range(len(parts) - 1, 0, -1)]
    return tuple(dict.fromkeys(name for tail in tails for name in (_without(tail, endings), tail)))


def _without(name: str, endings: Sequence[str]) -> str:
    for ending in endings:
        name = name.removesuffix(ending)
    return name


def framed(config: ExecutionConfig, horizon: Micros | None, cap: str | None) -> ExecutionConfig:
    """Return the configuration with the time-out in microseconds and the cap that are given; None keeps its own. Raises Wrong."""
    config = config if horizon is None else replace(config, timeout=horizon)
    return config if cap is None else capped(config, cap)


def horizon_of(given: argparse.Namespace) -> Micros | None:
    """Return the time-out that is asked for, None where that of the configuration holds."""
    return None if given.horizon is None else Micros(given.horizon * SECOND)


def capped(config: ExecutionConfig, text: str) -> ExecutionConfig:
    """Return the configuration under a cap in dollars, in percent, or in both. Raises Wrong."""
    dollars: Price | None = None
    percent: int | None = None
    for one in text.split(","):
        digits = one.removesuffix("%")
        number = Decimal(digits) if PLAIN_NUMBER.fullmatch(digits) else Decimal(-1)
        is_percent = digits != one
        units = number * (MILLION // 100 if is_percent else 10_000)
        given_before = percent if is_percent else dollars
        if given_before is not None or not 0 <= number <= (100 if is_percent else 1) or units != int(units):
            raise Wrong(
                f"--cap {text!r}: give dollars from 0 to 1, such as 0.03, a percentage such as 2.5%, or both with a comma:"
                " the tighter holds"
            )
        if is_percent:
            percent = int(units)
        else:
            dollars = Price(int(units))
    return replace(config, slippage_ppm=percent, slippage_dollars=dollars)


def _aim(given: argparse.Namespace) -> Aim:
    """Return where targets lie: where they fill at once, unless another place is asked for."""
    return Aim(*given.target) if given.target else Aim("offer" if given.action == "buy" else "bid", 0)


def _contracts(text: str) -> Count:
    count = parse_count(text).value_or(Count(0))
    if count <= 0:
        raise Wrong(f"--count {text!r}: give contracts above 0 with at most 2 decimals")
    return count
