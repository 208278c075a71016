"""A method's `execution_config`, as the specification's Configuration section prints it, made exact at once.

Defaults are the specification's, whose default is simple execution: whoever gives an algorithm's table, or asks for a rollout,
names the algorithm. Its floats stand for their shortest decimal text (0.025 is 25,000 parts per million), and
texts such as "0.005" and Decimals are taken as well. Beyond its keys there are `max_slippage_dollars`, `opens_short`,
`rollout` and `max_cost_per_contract` at the top, and `max_total_walks` and `policy` for the walker, and the tables `twap` and `adaptive_limit`. A wrong key, type or value is named
with its path and with what is allowed; an unknown key is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from depthwalker.core.config import (
    DEFAULT_ADAPTIVE,
    DEFAULT_EXECUTION,
    DEFAULT_TWAP,
    DEFAULT_WALKER,
    AdaptiveConfig,
    Algorithm,
    ExecutionConfig,
    PolicyName,
    TwapConfig,
    Urgency,
    WalkerConfig,
    usual_ratios,
)
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import MILLION, Count, Micros, Price
from depthwalker.shell.exact import ConfigError, ConfigErrors, Table, member, optional, parse_table, whole

NAME: Final = "execution_config"
MOST_SPLITS: Final = 10


def _ratios(given: object) -> tuple[int, ...]:
    if not isinstance(given, (list, tuple)) or not 1 <= len(given) <= MOST_SPLITS:
        raise ValueError("not a list")
    read = whole(6, "0.000001", "1")
    ratios = tuple(read(one) for one in given)
    if sum(ratios) != MILLION:
        raise ValueError("they do not sum to 1")
    return ratios


class _Walker(Table):
    enabled: Annotated[bool, Field(description="true or false; false runs simple_limit")] = DEFAULT_WALKER.enabled
    walk_interval_seconds: Annotated[
        int,
        BeforeValidator(whole(6, "0.1", "3600")),
        Field(
            description="seconds from 0.1 to 3600, such as 4: between two ticks, adaptive_limit's too; shorter follows the market "
            "sooner, with more exchange calls"
        ),
    ] = DEFAULT_WALKER.walk_interval
    max_walks: Annotated[
        int,
        BeforeValidator(whole(0, "0", "1000")),
        Field(
            description="a whole number from 0 to 1000: walks a split may make, up to an offer or with a rising market; fewer leave more "
            "unfilled, 0 only rests"
        ),
    ] = DEFAULT_WALKER.max_walks
    max_total_walks: Annotated[
        int | None,
        BeforeValidator(optional(whole(0, "0", "10000"))),
        Field(
            description="a whole number from 0 to 10000: walks of the whole order, which bounds those of several splits together; null is "
            "the same as max_walks"
        ),
    ] = None
    min_volume_threshold: Annotated[
        int,
        BeforeValidator(whole(2, "0", "1000000000")),
        Field(
            description="contracts from 0 to 1000000000 with at most 2 decimals, such as 50: with fewer within five cents of the "
            "best prices, both sides together, simple_limit runs; higher walks in fewer markets, 0 in all"
        ),
    ] = DEFAULT_WALKER.min_volume
    split_ratios: Annotated[
        tuple[int, ...] | None,
        BeforeValidator(optional(_ratios)),
        Field(
            description="a list of 1 to 10 positive fractions with at most 6 decimals that sum to 1, as [0.6, 0.4]; "
            "null is the policy's own: one order where it is tuned, [0.6, 0.4] where it is the specification's; what is meant for "
            "levels that there are not goes to the first (the tuned policy has two, a thin market one)"
        ),
    ] = None
    momentum_threshold: Annotated[
        int,
        BeforeValidator(whole(6, "0", "10")),
        Field(
            description='a fraction from 0 to 10 with at most 6 decimals, such as 0.10; only policy "spec" goes by it'
        ),
    ] = DEFAULT_WALKER.momentum_threshold
    base_increment: Annotated[
        int,
        BeforeValidator(whole(4, "0.0001", "0.9999")),
        Field(
            description='dollars from 0.0001 to 0.9999 with at most 4 decimals, such as "0.005"; only policy "spec" goes by it'
        ),
    ] = DEFAULT_WALKER.base_increment
    aggressive_increment: Annotated[
        int,
        BeforeValidator(whole(4, "0.0001", "0.9999")),
        Field(
            description="dollars with at most 4 decimals, from base_increment to 0.9999, such as "
            '"0.010"; only policy "spec" goes by it'
        ),
    ] = DEFAULT_WALKER.aggressive_increment
    policy: Annotated[PolicyName, BeforeValidator(member(PolicyName)), Field(description='"tuned" or "spec"')] = (
        DEFAULT_WALKER.policy
    )


class _Twap(Table):
    slices: Annotated[
        int,
        BeforeValidator(whole(0, "1", "10")),
        Field(description="a whole number from 1 to 10: equal parts, one after the other"),
    ] = DEFAULT_TWAP.slices
    patience: Annotated[
        int,
        BeforeValidator(whole(6, "0", "1")),
        Field(description="a fraction from 0 to 1 with at most 6 decimals: of its time a slice rests before it takes"),
    ] = DEFAULT_TWAP.patience


class _Adaptive(Table):
    urgency: Annotated[
        Urgency,
        BeforeValidator(member(Urgency)),
        Field(description='"patient", "normal" or "urgent": how soon it takes'),
    ] = DEFAULT_ADAPTIVE.urgency


class _Execution(Table):
    algorithm: Annotated[
        Algorithm,
        BeforeValidator(member(Algorithm)),
        Field(description='"simple_limit", "dynamic_depth_walker", "twap" or "adaptive_limit"'),
    ] = DEFAULT_EXECUTION.algorithm
    max_slippage_percent: Annotated[
        int | None,
        BeforeValidator(optional(whole(6, "0", "1"))),
        Field(
            description="a fraction of the target from 0 to 1 with at most 6 decimals (0.025 is 2.5 %), or null: the cap's distance "
            "from it"
        ),
    ] = DEFAULT_EXECUTION.slippage_ppm
    max_slippage_dollars: Annotated[
        int | None,
        BeforeValidator(optional(whole(4, "0", "0.9999"))),
        Field(
            description="dollars a contract from 0 to 0.9999 with at most 4 decimals, or null: the same in dollars; of both the "
            "tighter holds"
        ),
    ] = DEFAULT_EXECUTION.slippage_dollars
    order_timeout_seconds: Annotated[
        int,
        BeforeValidator(whole(6, "1", "86400")),
        Field(description="seconds from 1 to 86400, such as 40: from admission to the end, winding down included"),
    ] = DEFAULT_EXECUTION.timeout
    max_cost_per_contract: Annotated[
        int | None,
        BeforeValidator(optional(whole(4, "0.0001", "2"))),
        Field(
            description="dollars from 0.0001 to 2 with at most 4 decimals, fees included (but for the rounding of each fill), or null"
        ),
    ] = DEFAULT_EXECUTION.max_cost
    opens_short: Annotated[bool, Field(description="true or false: whether a sell may be larger than the position")] = (
        DEFAULT_EXECUTION.opens_short
    )
    rollout: Annotated[
        bool,
        Field(
            description="true or false; true leaves it to the rollout which parents run by the algorithm: where money is real none "
            "do until one has begun"
        ),
    ] = DEFAULT_EXECUTION.rollout
    dynamic_depth_walker: Annotated[_Walker, Field(description="a table of " + ", ".join(_Walker.model_fields))] = (
        _Walker()
    )
    twap: Annotated[_Twap, Field(description="a table of " + ", ".join(_Twap.model_fields))] = _Twap()
    adaptive_limit: Annotated[_Adaptive, Field(description="a table of " + ", ".join(_Adaptive.model_fields))] = (
        _Adaptive()
    )


def parse_config(raw: Mapping[str, object]) -> Outcome[ExecutionConfig, ConfigErrors]:
    """Return the exact configuration of a method's `execution_config`, or everything that is wrong with it."""
    match parse_table(NAME, _Execution, raw):
        case Failure(errors):
            return Failure(errors)
        case Success(found):
            together = _together(found)
            return Failure(ConfigErrors(together)) if together else Success(_config(found))


def _together(found: _Execution) -> tuple[ConfigError, ...]:
    """Return what is wrong with keys that are right one by one."""
    walker = found.dynamic_depth_walker
    uncapped = ConfigError(
        f"{NAME}.max_slippage_percent",
        "it and max_slippage_dollars are both null",
        "a cap in at least one of the two; where both are given the tighter holds",
    )
    backward = ConfigError(
        f"{NAME}.dynamic_depth_walker.aggressive_increment",
        "it is below base_increment",
        str(_Walker.model_fields["aggressive_increment"].description),
    )
    given = [one.value for one in Algorithm if one.value in found.model_fields_set]
    beside = [*given, *(["rollout"] if found.rollout else ())]
    unnamed = ConfigError(
        f"{NAME}.algorithm",
        f"it is left out, and simple_limit, which runs then, does not go by {' and '.join(beside)}",
        f'the one that is meant, such as "{next(iter(given), Algorithm.DYNAMIC_DEPTH_WALKER.value)}"',
    )
    return tuple(
        error
        for error, holds in (
            (unnamed, bool(beside) and "algorithm" not in found.model_fields_set),
            (uncapped, found.max_slippage_percent is None and found.max_slippage_dollars is None),
            (backward, walker.aggressive_increment < walker.base_increment),
        )
        if holds
    )


def _config(found: _Execution) -> ExecutionConfig:
    dollars, cost = found.max_slippage_dollars, found.max_cost_per_contract
    return ExecutionConfig(
        algorithm=found.algorithm,
        slippage_ppm=found.max_slippage_percent,
        slippage_dollars=None if dollars is None else Price(dollars),
        timeout=Micros(found.order_timeout_seconds),
        max_cost=None if cost is None else Price(cost),
        opens_short=found.opens_short,
        walker=_walker(found.dynamic_depth_walker),
        twap=TwapConfig(found.twap.slices, found.twap.patience),
        adaptive=AdaptiveConfig(found.adaptive_limit.urgency),
        rollout=found.rollout,
    )


def _walker(found: _Walker) -> WalkerConfig:
    return WalkerConfig(
        enabled=found.enabled,
        walk_interval=Micros(found.walk_interval_seconds),
        max_walks=found.max_walks,
        max_total_walks=found.max_walks if found.max_total_walks is None else found.max_total_walks,
        min_volume=Count(found.min_volume_threshold),
        split_ratios=found.split_ratios or usual_ratios(found.policy),
        momentum_threshold=found.momentum_threshold,
        base_increment=Price(found.base_increment),
        aggressive_increment=Price(found.aggressive_increment),
        policy=found.policy,
    )
