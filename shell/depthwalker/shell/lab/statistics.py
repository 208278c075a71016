"""Means with intervals, from blocks of time: the only floats of the laboratory, and after all money has been counted.

Neighbouring parents meet the same market, so the unit is a block of at least ten horizons of one recording: blocks are
drawn with replacement, some thousand times from a fixed seed, and the interval is the middle of the means. The middle 95 %
of few blocks is too narrow (of five it holds the truth four times in five), so it is widened to what Student's quantile would
be of so many: the expanded percentile interval (T. Hesterberg, What Teachers Should Know About the Bootstrap, 2015, section 5.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import NormalDist
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwalker.core.period import LEAST_BLOCKS, MILLI, student

DRAWS: Final = 4000
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
    times = _drawn(len(order))
    sums: Floats = times @ bottoms
    kept = sums != 0
    means = (times @ tops)[kept] / sums[kept]
    tail = _tail(len(order))
    low, high = np.quantile(means, (tail, 1 - tail))
    return Estimate(mean, float(low), float(high))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile."""
    return float(np.quantile(np.asarray(values, dtype=np.float64), share))


@lru_cache(maxsize=8)
def _drawn(blocks: int) -> Floats:
    """Return how often each draw has each block, shape (DRAWS, blocks)."""
    drawn = np.random.default_rng(0).integers(0, blocks, (DRAWS, blocks))
    cells = drawn + blocks * np.arange(DRAWS)[:, np.newaxis]
    return np.bincount(cells.ravel(), minlength=DRAWS * blocks).reshape(DRAWS, blocks).astype(np.float64)


def _tail(blocks: int) -> float:
    """Return the share of the means left out at either end: of many blocks a fortieth, of few less."""
    return NormalDist().cdf(-student(blocks - 1) / MILLI * sqrt(blocks / (blocks - 1)))
