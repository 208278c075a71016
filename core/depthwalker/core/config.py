"""How one parent order is to be executed: the specification's `execution_config` as whole numbers.

Built by the shell's `config.parse_config`, which checks every rule named here; the core relies on them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from depthwalker.core.units import MILLION, SECOND, Count, Micros, Price


class Algorithm(Enum):
    """The execution algorithms that a method may name."""

    SIMPLE_LIMIT = "simple_limit"
    DYNAMIC_DEPTH_WALKER = "dynamic_depth_walker"
    TWAP = "twap"
    ADAPTIVE_LIMIT = "adaptive_limit"


class PolicyName(Enum):
    """Which rules the walker follows: ours, or the specification's to the letter."""

    TUNED = "tuned"
    SPEC = "spec"


@dataclass(frozen=True, slots=True)
class WalkerConfig:
    """The walker's parameters. Ratios are parts per million; `split_ratios` are positive and sum to a million."""

    enabled: bool
    walk_interval: Micros
    max_walks: int
    max_total_walks: int
    min_volume: Count
    split_ratios: tuple[int, ...]
    momentum_threshold: int
    base_increment: Price
    aggressive_increment: Price
    policy: PolicyName


@dataclass(frozen=True, slots=True)
class TwapConfig:
    """Twap's parameters: so many `slices` over the time, each resting for `patience` (ppm of its share) and then taking."""

    slices: int
    patience: int


class Urgency(Enum):
    """How soon adaptive_limit has gone from the best bid to the offer."""

    PATIENT = "patient"
    NORMAL = "normal"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class AdaptiveConfig:
    """Adaptive_limit's parameter."""

    urgency: Urgency


def usual_ratios(policy: PolicyName) -> tuple[int, ...]:
    """Return the split ratios of a policy where the user names none (ppm).

    One order was cheaper than the specification's two, on tuning and on judging markets, with a quarter fewer calls
    (docs/ablation.md).
    """
    match policy:
        case PolicyName.TUNED:
            return (MILLION,)
        case PolicyName.SPEC:
            return (600_000, 400_000)
        case _ as never:
            assert_never(never)


DEFAULT_TWAP: Final = TwapConfig(slices=4, patience=500_000)
DEFAULT_ADAPTIVE: Final = AdaptiveConfig(Urgency.NORMAL)


@dataclass(frozen=True, slots=True)
class ExecutionConfig:
    """A method's execution parameters.

    At least one of `slippage_ppm` (parts per million of the target) and `slippage_dollars` (a distance in price) is
    there, and the tighter holds. `timeout` runs from admission; `max_cost` caps price plus fee of one contract.
    `rollout` says that a rollout decides which of its parents run by this algorithm.
    """

    algorithm: Algorithm
    slippage_ppm: int | None
    slippage_dollars: Price | None
    timeout: Micros
    max_cost: Price | None
    opens_short: bool
    walker: WalkerConfig
    twap: TwapConfig = DEFAULT_TWAP
    adaptive: AdaptiveConfig = DEFAULT_ADAPTIVE
    rollout: bool = False


DEFAULT_WALKER: Final = WalkerConfig(
    enabled=True,
    walk_interval=Micros(4 * SECOND),
    max_walks=10,
    max_total_walks=10,
    min_volume=Count(5_000),
    split_ratios=usual_ratios(PolicyName.TUNED),
    momentum_threshold=100_000,
    base_increment=Price(50),
    aggressive_increment=Price(100),
    policy=PolicyName.TUNED,
)
DEFAULT_EXECUTION: Final = ExecutionConfig(
    algorithm=Algorithm.SIMPLE_LIMIT,  # anything advanced is opted into (specification, Risk 4)
    slippage_ppm=25_000,
    slippage_dollars=None,
    timeout=Micros(40 * SECOND),
    max_cost=None,
    opens_short=False,
    walker=DEFAULT_WALKER,
)
