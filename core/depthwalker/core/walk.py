"""Moving an unfilled price toward the cap: the specification's PriceWalker, on the market's grid.

A walk goes up (the core always buys a leg), by at least one tick, and never past the cap.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from depthwalker.core.grid import PriceGrid
from depthwalker.core.units import Price

AGGRESSIVE_MOMENTUM: Final = 200_000  # the specification's 0.20, parts per million


@dataclass(frozen=True, slots=True)
class Walk:
    """Move the split to this price, for this reason."""

    price: Price
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Leave the split where it is, for this reason."""

    reason: str


Judgement: TypeAlias = Walk | Hold


@dataclass(frozen=True, slots=True)
class WalkRules:
    """The increments and the caps on the number of walks."""

    base: Price
    aggressive: Price
    max_walks: int
    max_total_walks: int


@dataclass(frozen=True, slots=True)
class Walker:
    """What one split has left to do and has walked already, and what the parent has."""

    price: Price
    unfilled: int
    walks: int
    total_walks: int


def walk_price(price: Price, momentum: int, grid: PriceGrid, cap: Price, rules: WalkRules) -> Price | None:
    """Return the price one walk further, or None when there is no room under the cap.

    The increment snaps up to the next valid price, at least one tick (0.7000 with momentum 0.15 walks by the base
    increment: to 0.7050 where the grid has it, to 0.7100 on a cent grid), and never past the cap.
    """
    increment = rules.aggressive if abs(momentum) > AGGRESSIVE_MOMENTUM else rules.base
    wanted = grid.ceil(max(price + increment, price + 1))
    found = cap if wanted is None or wanted > cap else wanted
    return found if found > price else None


def used_up(walks: int, total_walks: int, rules: WalkRules) -> str:
    """Return which number of walks is used up, the split's or the parent's, or nothing."""
    if walks >= rules.max_walks:
        return "max_walks of the split reached"
    return "max_total_walks of the parent reached" if total_walks >= rules.max_total_walks else ""


def walk(walker: Walker, momentum: int, grid: PriceGrid, cap: Price, rules: WalkRules, reason: str) -> Judgement:
    """Return the walk that `reason` calls for, or what forbids it."""
    if walker.unfilled <= 0:
        return Hold("filled")
    forbids = used_up(walker.walks, walker.total_walks, rules)
    if forbids:
        return Hold(forbids)
    price = walk_price(walker.price, momentum, grid, cap, rules)
    return Hold("at the cap") if price is None else Walk(price, reason)
