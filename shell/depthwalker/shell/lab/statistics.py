"""Means with intervals, from blocks of time: the only floats of the laboratory, and after all money has been counted.

Neighbouring parents meet the same market, so the unit is a block of at least ten horizons of one recording: blocks are
drawn with replacement, a thousand times from a fixed seed, and the interval is the middle 95 % of the means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

DRAWS: Final = 1000
LEAST_BLOCKS: Final = 5  # with fewer no interval is claimed
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, or a ratio of sums, None of a sum of nothing, and its 95 % interval; None where there are too few blocks."""

    mean: float | None
    low: float | None
    high: float | None


def estimated(values: Sequence[float], blocks: Sequence[object]) -> Estimate:
    """Return the mean of the values, each of which belongs to a block."""
    return ratio(values, np.ones(len(values)).tolist(), blocks)


def ratio(above: Sequence[float], below: Sequence[float], blocks: Sequence[object]) -> Estimate:
    """Return the sum of one series over the sum of the other, drawn together."""
    order = {block: place for place, block in enumerate(dict.fromkeys(blocks))}
    places = np.array([order[block] for block in blocks], dtype=np.int64)
    tops = np.bincount(places, weights=np.asarray(above, dtype=np.float64), minlength=len(order))
    bottoms = np.bincount(places, weights=np.asarray(below, dtype=np.float64), minlength=len(order))
    if not bottoms.sum():
        return Estimate(None, None, None)
    mean = float(tops.sum() / bottoms.sum())
    if len(order) < LEAST_BLOCKS:
        return Estimate(mean, None, None)
    drawn = np.random.default_rng(0).integers(0, len(order), (DRAWS, len(order)))
    sums: Floats = bottoms[drawn].sum(axis=1)
    kept = sums != 0
    means = tops[drawn].sum(axis=1)[kept] / sums[kept]
    low, high = np.quantile(means, (0.025, 0.975))
    return Estimate(mean, float(low), float(high))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile."""
    return float(np.quantile(np.asarray(values, dtype=np.float64), share))
