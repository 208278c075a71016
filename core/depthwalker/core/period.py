"""What the executions of a period cost, by algorithm and class of market, with intervals.

Every parent counts alike, as in the laboratory. Parents of one market and day met the same events, so the unit of an interval
is such a block: a cluster-robust standard error of the mean with Student's quantile. Arms of a period are not paired: each
interval stands for itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from depthwalker.core.config import Algorithm
from depthwalker.core.depth import Liquidity
from depthwalker.core.units import MILLION, Count, Micros, Money, root, round_div

LEAST_BLOCKS: Final = 5  # with fewer no interval is claimed
MILLI: Final = 1_000
# Student's 97.5 % quantile in thousandths, by degrees of freedom from 4 on (Fisher and Yates, table III); then the normal's.
STUDENT: Final = (2776, 2571, 2447, 2365, 2306, 2262, 2228, 2201, 2179, 2160, 2145, 2131, 2120, 2110, 2101, 2093, 2086)
LARGE: Final = ((24, 2080), (30, 2064), (40, 2042), (60, 2021), (120, 2000))  # up to so many degrees
NORMAL: Final = 1980


@dataclass(frozen=True, slots=True)
class Sample:
    """A finished execution. `cost` is its shortfall in microdollars a contract, `slippage` in parts per million."""

    algorithm: Algorithm
    liquidity: Liquidity | None
    market: str
    day: str
    wanted: Count
    filled: Count
    cost: Money | None
    slippage: int | None
    fees: Money
    walks: int
    calls: int | None
    last_fill: Micros | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95 % interval, None where there are fewer than five blocks."""

    mean: int
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """One algorithm in one class of market (None: all classes). Means; `walks` and `calls` in thousandths of one.

    `executions` are all, `costed` those that saw a mid at arrival; `fee` is in microdollars a contract filled.
    """

    algorithm: Algorithm
    liquidity: Liquidity | None
    executions: int
    costed: int
    blocks: int
    cost: Estimate | None
    fill_rate: int
    slippage: int | None
    fee: Money | None
    walks: int
    calls: int | None
    last_fill: Micros | None


def summarise(samples: Iterable[Sample]) -> tuple[Summary, ...]:
    """Return a summary for each algorithm and class of market that occurs, all classes first."""
    groups: dict[tuple[Liquidity | None, Algorithm], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((None, sample.algorithm), []).append(sample)
        if sample.liquidity is not None:
            groups.setdefault((sample.liquidity, sample.algorithm), []).append(sample)
    order = (None, Liquidity.LIQUID, Liquidity.MODERATE, Liquidity.THIN)
    return tuple(
        [
            _summary(algorithm, liquidity, groups[liquidity, algorithm])
            for liquidity in order
            for algorithm in Algorithm
            if (liquidity, algorithm) in groups
        ]
    )


def estimate(values: Sequence[int], blocks: Sequence[object]) -> Estimate:
    """Return the mean of values, of which there is at least one, each in its block."""
    count, whole = len(values), sum(values)
    sums: dict[object, tuple[int, int]] = {}
    for value, block in zip(values, blocks, strict=True):
        number, total = sums.get(block, (0, 0))
        sums[block] = (number + 1, total + value)
    mean = round_div(whole, count)
    if len(sums) < LEAST_BLOCKS:
        return Estimate(mean, None, None)
    # The variance of the mean is n / (n - 1) of the sum over blocks of (sum - size * mean)^2, over the count squared.
    squares = sum((count * total - number * whole) ** 2 for number, total in sums.values())
    degrees = len(sums) - 1
    half = round_div(root(student(degrees) ** 2 * squares * len(sums) // degrees), MILLI * count**2)
    return Estimate(mean, mean - half, mean + half)


def student(degrees: int) -> int:
    """Return the 97.5 % quantile for at least four degrees of freedom, in thousandths; never too small."""
    if degrees < 4 + len(STUDENT):
        return STUDENT[degrees - 4]
    return next((quantile for most, quantile in LARGE if degrees <= most), NORMAL)


def _summary(algorithm: Algorithm, liquidity: Liquidity | None, samples: list[Sample]) -> Summary:
    costs = [(sample.cost, (sample.market, sample.day)) for sample in samples if sample.cost is not None]
    filled = sum(sample.filled for sample in samples)
    last = mean_of([sample.last_fill for sample in samples if sample.last_fill is not None])
    return Summary(
        algorithm=algorithm,
        liquidity=liquidity,
        executions=len(samples),
        costed=len(costs),
        blocks=len({block for _, block in costs}),
        cost=estimate([cost for cost, _ in costs], [block for _, block in costs]) if costs else None,
        fill_rate=round_div(filled * MILLION, sum(sample.wanted for sample in samples)),
        slippage=mean_of([sample.slippage for sample in samples if sample.slippage is not None]),
        fee=Money(round_div(100 * sum(sample.fees for sample in samples), filled)) if filled else None,
        walks=round_div(MILLI * sum(sample.walks for sample in samples), len(samples)),
        calls=mean_of([MILLI * sample.calls for sample in samples if sample.calls is not None]),
        last_fill=None if last is None else Micros(last),
    )


def mean_of(values: Sequence[int]) -> int | None:
    """Return the mean, rounded; None of nothing."""
    return round_div(sum(values), len(values)) if values else None
