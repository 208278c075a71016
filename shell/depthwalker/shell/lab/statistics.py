"""Means with intervals, from blocks of time: the only floats of the laboratory, and after all money has been counted.

Neighbouring parents meet the same market, so the unit is a block of at least ten horizons of one recording: blocks are
drawn with replacement, some thousand times from a fixed seed, and the interval is the middle of the means. The middle 95 %
of few blocks is too narrow (of five it holds the truth four times in five), so it is widened to what Student's quantile would
be of so many: the expanded percentile interval (T. Hesterberg, What Teachers Should Know about the Bootstrap, 2015, arXiv
1411.5279; `ExpandProbs` of his R package resample).
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
CELLS: Final = 4_000_000  # of a table of draws: some 100 MB while it is made
Floats: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.uint16]


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
    tops, bottoms = _by_block(above, places), _by_block(below, places)
    if not bottoms.sum():
        return Estimate(None, None, None)
    mean = float(tops.sum() / bottoms.sum())
    if len(order) < LEAST_BLOCKS:
        return Estimate(mean, None, None)
    times = _drawn(len(order))
    sums = _summed(times, bottoms)
    kept = sums != 0
    means = _summed(times, tops)[kept] / sums[kept]
    tail = _tail(len(order))
    low, high = np.quantile(means, (tail, 1 - tail))
    return Estimate(mean, float(low), float(high))


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile."""
    return float(np.quantile(np.asarray(values, dtype=np.float64), share))


def _by_block(values: Sequence[float], places: npt.NDArray[np.int64]) -> Floats:
    return np.bincount(places, weights=np.asarray(values, dtype=np.float64)).astype(np.float64)


@lru_cache(maxsize=2)  # what is asked for in turn has mostly as many blocks as what was asked for before
def _drawn(blocks: int) -> tuple[Counts, ...]:
    """Return how often each draw has each block, in tables of shape (draws, blocks): of thousands of blocks one is large."""
    rng = np.random.default_rng(0)
    each = max(1, CELLS // blocks)
    return tuple(_counted(rng, min(each, DRAWS - first), blocks) for first in range(0, DRAWS, each))


def _counted(rng: np.random.Generator, draws: int, blocks: int) -> Counts:
    drawn = rng.integers(0, blocks, (draws, blocks))
    cells = drawn + blocks * np.arange(draws)[:, np.newaxis]
    return np.bincount(cells.ravel(), minlength=draws * blocks).reshape(draws, blocks).astype(np.uint16)


def _summed(times: tuple[Counts, ...], values: Floats) -> Floats:
    return np.concatenate([table.astype(np.float64) @ values for table in times])


def _tail(blocks: int) -> float:
    """Return the share of the means left out at either end: of many blocks a fortieth, of few less."""
    return NormalDist().cdf(-student(blocks - 1) / MILLI * sqrt(blocks / (blocks - 1)))
