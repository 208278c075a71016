"""How an algorithm judges: the user's configuration with the constants that the laboratory tunes.

A policy is journalled when an execution starts, so that a replay decides by the same numbers. `version` changes with every
change of what is decided, by an algorithm or about its orders.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.config import ExecutionConfig, PolicyName
from depthwalker.core.depth import SPEC_THRESHOLDS, Thresholds
from depthwalker.core.units import CENT, SECOND, Micros, Price

VERSION: Final = 14
USUAL: Final = Micros(40 * SECOND)
CALLS: Final = 12  # in the usual time
INSURANCE: Final = 5  # walk intervals: whatever says that an order was filled has it read soon


@dataclass(frozen=True, slots=True)
class Policy:
    """`stale_after`: age from which a book takes and walks nothing.

    `lookup_every`: how often own orders are read while nothing says that they were filled (docs/ablation.md: more often costs
    calls and gains nothing).

    `sparing_from`: after so many exchange calls the price is left where it is until the rest is taken, and trades that pass it
    have own orders read no sooner than `lookup_every`, so that a parent of the usual length makes no more than twenty unless
    much is offered anew while the rest is taken (docs/ablation.md: it costs nothing).

    `take_before`: how long before winding down the unfilled remainder is taken. `above_microprice`: how far the best offer may be
    above the microprice to be taken before that. `waiting_share`: it is not taken while the recent flow, should it last until
    then, would fill this share (ppm) of the queue ahead of us and our own remainder (docs/guides/policy.md).

    The defaults are those of executions begun before a constant was: their journals do not hold it, and they go on by these.
    """

    version: int
    config: ExecutionConfig
    thresholds: Thresholds
    stale_after: Micros
    lookup_every: Micros
    take_before: Micros
    above_microprice: Price = CENT
    waiting_share: int = 200_000
    sparing_from: int = 12


def policy_for(config: ExecutionConfig, thresholds: Thresholds = SPEC_THRESHOLDS) -> Policy:
    """Return the policy in force for a configuration; the specification's reads own orders at every walk."""
    times = 1 if config.walker.policy is PolicyName.SPEC else INSURANCE
    return Policy(
        version=VERSION,
        config=config,
        thresholds=thresholds,
        stale_after=Micros(5 * SECOND),
        lookup_every=Micros(times * config.walker.walk_interval),
        take_before=Micros(5 * SECOND),
        sparing_from=CALLS * max(1, config.timeout // USUAL),
    )
