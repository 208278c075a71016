"""The policies that a sweep tries: one configuration, and every combination of what is varied in it.

A file has the tables `execution_config` (the keys of a method, the walker where no algorithm is named) and `vary`, whose keys
are paths into it, such as "dynamic_depth_walker.max_walks", or constants of the policy, such as "policy.take_before_seconds";
each is a list of values. The table `alone` names changes that are each tried by themselves, beside those combinations: under a
name of yours a table of such paths, each with one value. The first policy is always the configuration as it stands, and
everything is compared with it. What says how its parents are admitted, their cap and their time, is not varied.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from random import Random
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import production
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.units import Micros, Price
from depthwalker.shell.config import NAME, parse_config
from depthwalker.shell.ending import Wrong
from depthwalker.shell.exact import Table, optional, parse_table, whole
from depthwalker.shell.lab.asked import framed
from depthwalker.shell.method import table_in

CONSTANTS: Final = "policy"
VARY: Final = "vary"
ALONE: Final = "alone"
MOST: Final = 100_000
COUNTABLE: Final = 1 << 62
# Of the parents, which all policies execute alike: with another cap or time each would be judged on other ones.
SHARED: Final = frozenset(
    {"max_slippage_percent", "max_slippage_dollars", "order_timeout_seconds", "max_cost_per_contract"}
)
_PLAIN: Final = policy_for(DEFAULT_EXECUTION)


class _Constants(Table):
    stale_after_seconds: Annotated[
        int,
        BeforeValidator(whole(6, "0.1", "3600")),
        Field(description="seconds from 0.1 to 3600: the age from which a book takes and walks nothing"),
    ] = _PLAIN.stale_after
    take_before_seconds: Annotated[
        int,
        BeforeValidator(whole(6, "0", "3600")),
        Field(description="seconds from 0 to 3600: how long before the end the remainder is taken"),
    ] = _PLAIN.take_before
    lookup_every_seconds: Annotated[
        int | None,
        BeforeValidator(optional(whole(6, "0.1", "3600"))),
        Field(description="seconds from 0.1 to 3600: how often own orders are read; null is as it stands"),
    ] = None
    sparing_from: Annotated[
        int | None,
        BeforeValidator(optional(whole(0, "0", "100000"))),
        Field(
            description="calls from 0 to 100000: after so many the price is left where it is until the end; null is as it stands"
        ),
    ] = None
    above_microprice_dollars: Annotated[
        int,
        BeforeValidator(whole(4, "0", "1")),
        Field(
            description="dollars from 0 to 1: how far the best offer may be above the microprice to be taken before the end"
        ),
    ] = _PLAIN.above_microprice
    waiting_share: Annotated[
        int,
        BeforeValidator(whole(6, "0", "1000")),
        Field(
            description="a fraction from 0 to 1000: the share of what is before us and of us that the flow has to be likely to serve for us to wait"
        ),
    ] = _PLAIN.waiting_share


@dataclass(frozen=True, slots=True)
class Variant:
    """A policy that is tried, and what is varied in it, in words; nothing in the first. `strategy_of` is how algorithms judge.

    `named`: it is one of those that the file names.
    """

    varied: str
    policy: Policy
    strategy_of: Callable[[Algorithm], Strategy] = production
    named: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """What the command line says of every policy: its time in microseconds, its cap in words; None is the file's."""

    horizon: Micros | None
    cap: str | None


def variants(file: Path, frame: Frame, most: int | None, seed: int) -> tuple[Variant, ...]:
    """Return the policies of a file, at most so many: those beyond are left out by a draw from the seed. Raises Wrong."""
    raw = table_in(file, f"{NAME} and {VARY}")
    unknown = sorted(set(raw) - {NAME, VARY, ALONE})
    if unknown:
        raise Wrong(f"{file}: {unknown[0]}: there are the tables {NAME}, {VARY} and {ALONE}")
    base, varied, alone = _table(file, raw, NAME), _table(file, raw, VARY), _table(file, raw, ALONE)
    if not varied and not alone:
        raise Wrong(
            f'{file} varies nothing: write [{VARY}] and a line such as "dynamic_depth_walker.max_walks" = [2, 5]'
        )
    choices = {path: _values(file, path, values) for path, values in varied.items()}
    number = prod(len(values) for values in choices.values()) if choices else 0
    if number > COUNTABLE:
        raise Wrong(f"{file} makes more policies than can be drawn from: give fewer values")
    if most is None and number > MOST:
        raise Wrong(f"{file} makes {number:,} policies: --most N draws so many of them")
    kept = range(number) if most is None or most >= number else sorted(Random(seed).sample(range(number), most))  # noqa: S311 - guards nothing
    found = [Variant("", _policy(file, base, {}, frame))]
    for place in kept:
        changes = dict(zip(choices, _combination(tuple(choices.values()), place), strict=True))
        varied_in_words = ", ".join(f"{path.rpartition('.')[2]} {_word(value)}" for path, value in changes.items())
        found.append(Variant(varied_in_words, _policy(file, base, changes, frame)))
    found.extend(Variant(name, _policy(file, base, _table(file, alone, name), frame), named=True) for name in alone)
    return tuple(found)


def _combination(choices: Sequence[Sequence[object]], place: int) -> tuple[object, ...]:
    """Return the combination at a place of their product, the last one varying fastest; none before it is made."""
    found: list[object] = []
    for values in reversed(choices):
        place, at = divmod(place, len(values))
        found.append(values[at])
    return tuple(reversed(found))


def _policy(file: Path, base: Mapping[str, object], changes: Mapping[str, object], frame: Frame) -> Policy:
    config: dict[str, object] = deepcopy(dict(base))
    config.setdefault("algorithm", "dynamic_depth_walker")
    constants: dict[str, object] = {}
    for path, value in changes.items():
        first, *rest = path.split(".")
        if path in SHARED:
            raise Wrong(
                f"{file}: {path} is the same for all policies of a sweep: write it under [{NAME}], and sweep once for each value"
            )
        target = constants if first == CONSTANTS and rest else config
        steps = rest if target is constants else [first, *rest]
        for step in steps[:-1]:
            inner = target.setdefault(step, {})
            if not isinstance(inner, dict):
                raise Wrong(f"{file}: {VARY}: {path!r}: {step} is no table")
            target = inner
        target[steps[-1]] = value
    return _read(file, config, constants, frame)


def _read(file: Path, raw: Mapping[str, object], constants: Mapping[str, object], frame: Frame) -> Policy:
    match parse_config(raw), parse_table(CONSTANTS, _Constants, constants):
        case Failure(errors), _:
            raise Wrong(f"{file}: {errors.in_words()}")
        case _, Failure(errors):
            raise Wrong(f"{file}: {errors.in_words()}")
        case Success(config), Success(chosen):
            usual, every = policy_for(framed(config, frame.horizon, frame.cap)), chosen.lookup_every_seconds
            return replace(
                usual,
                lookup_every=usual.lookup_every if every is None else Micros(every),
                stale_after=Micros(chosen.stale_after_seconds),
                take_before=Micros(chosen.take_before_seconds),
                sparing_from=usual.sparing_from if chosen.sparing_from is None else chosen.sparing_from,
                above_microprice=Price(chosen.above_microprice_dollars),
                waiting_share=chosen.waiting_share,
            )
        case _:
            raise AssertionError(raw)


def _table(file: Path, raw: Mapping[str, object], name: str) -> dict[str, object]:
    found = raw.get(name, {})
    if not isinstance(found, dict):
        raise Wrong(f"{file}: {name} is no table")
    return found


def _values(file: Path, path: str, values: object) -> list[object]:
    if not isinstance(values, list) or not values:
        raise Wrong(f"{file}: {VARY}: {path!r} should be a list of the values to try")
    return values


def _word(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_word, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
