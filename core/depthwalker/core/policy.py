"""How an algorithm judges: the user's configuration with the constants that the laboratory tunes.

A policy is journalled when an execution starts, so that a replay decides by the same numbers. `version` changes with every
change of what an algorithm decides.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.config import ExecutionConfig, PolicyName
from depthwalker.core.depth import SPEC_THRESHOLDS, Thresholds
from depthwalker.core.units import SECOND, Micros

VERSION: Final = 10
USUAL: Final = Micros(40 * SECOND)
CALLS: Final = 12  # in the usual time
INSURANCE: Final = 5  # walk intervals: whatever says that an order was filled has it read soon


@dataclass(frozen=True, slots=True)
class Policy:
    """`stale_after`: age from which a book takes and walks nothing.

    `lookup_every`: how often own orders are read while nothing says that they were filled (docs/ablation.md: more often costs
    calls and gains nothing).

    `sparing_from`: after so many exchange calls the price is left where it is until the rest is taken, so that a parent of
    the usual length makes at most twenty (docs/ablation.md: it costs nothing).

    `take_before`: how long before winding down the unfilled remainder is taken. `least_patience`: by how much (ppm of both
    together) the best bid must outweigh the best offer before that offer is taken where there is no room inside the spread;
    below zero that offer may be the larger one. `patience_per_cent` is added for each cent that the offer is above a tick over
    the bid, up to `most_patience`: what waiting may save is money, whatever the tick.

    The defaults are those of executions begun before a constant was: their journals do not hold it, and they end as they began.
    """

    version: int
    config: ExecutionConfig
    thresholds: Thresholds
    stale_after: Micros
    lookup_every: Micros
    take_before: Micros
    least_patience: int = 0
    patience_per_cent: int = 300_000
    most_patience: int = 900_000
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
        take_before=Micros(10 * SECOND),
        least_patience=-700_000,
        patience_per_cent=650_000,
        most_patience=900_000,
        sparing_from=CALLS * max(1, config.timeout // USUAL),
    )
