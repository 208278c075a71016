"""The algorithms that a method may name."""

from typing import Final, assert_never

from depthwalker.core.algorithms import adaptive_limit, dynamic_depth_walker, simple_limit, twap
from depthwalker.core.algorithms.strategy import Strategy, no_moments
from depthwalker.core.config import Algorithm

SIMPLE_LIMIT: Final = Strategy(simple_limit.plan, simple_limit.desire, no_moments, ticks=False)
WALKER: Final = Strategy(
    dynamic_depth_walker.plan, dynamic_depth_walker.desire, dynamic_depth_walker.moments, ticks=True
)
TWAP: Final = Strategy(twap.plan, twap.desire, twap.moments, ticks=False)
ADAPTIVE_LIMIT: Final = Strategy(adaptive_limit.plan, adaptive_limit.desire, adaptive_limit.moments, ticks=True)


def production(algorithm: Algorithm) -> Strategy:
    """Return how an algorithm judges."""
    match algorithm:
        case Algorithm.SIMPLE_LIMIT:
            return SIMPLE_LIMIT
        case Algorithm.DYNAMIC_DEPTH_WALKER:
            return WALKER
        case Algorithm.TWAP:
            return TWAP
        case Algorithm.ADAPTIVE_LIMIT:
            return ADAPTIVE_LIMIT
        case _ as never:
            assert_never(never)
