"""How a parent order is spread over price levels: the specification's OrderSplitter, corrected.

Ratios may be of any length; what rounding leaves goes to the first level; there is always at least one split.
"""

from dataclasses import dataclass

from depthwalker.core.depth import Liquidity
from depthwalker.core.units import CONTRACT, MILLION, Count, Price


@dataclass(frozen=True, slots=True)
class Split:
    """A part of the parent: its level (1 is the best candidate), the price it starts at, its count."""

    level: int
    price: Price
    count: Count


def split(
    count: Count, candidates: tuple[Price, ...], ratios: tuple[int, ...], liquidity: Liquidity, fallback: Price
) -> tuple[Split, ...]:
    """Return the splits of `count` over the candidate prices; they sum to it exactly.

    A thin market gets one order at the first candidate; without candidates it is one order at `fallback` (the target).
    Ratios are parts per million. A parent of whole contracts is split into whole contracts.
    """
    prices = (candidates or (fallback,))[: 1 if liquidity is Liquidity.THIN else len(ratios)]
    lot = CONTRACT if count % CONTRACT == 0 else 1
    shares = [count * ratio // MILLION // lot * lot for ratio in ratios[1 : len(prices)]]
    counts = [count - sum(shares), *shares]
    return tuple(
        Split(level, price, Count(part))
        for level, (price, part) in enumerate(zip(prices, counts, strict=True), start=1)
        if part > 0
    )
