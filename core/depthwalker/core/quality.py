"""What an execution cost: implementation shortfall and markouts, in the frame of the leg acquired (DESIGN section 7).

Positive is worse for a shortfall and better for a markout. A mid may lie between two prices, so it is kept doubled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from depthwalker.core.book import Ladder
from depthwalker.core.fees import FeeRates, estimate
from depthwalker.core.units import CONTRACT, DOLLAR, SECOND, Count, Micros, Money, Price, round_div

MARKOUTS: Final = tuple(Micros(seconds * SECOND) for seconds in (5, 30, 60))
BASIS: Final = 10_000  # basis points of one


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a parent cost more than its mid at arrival: `total` microdollars, fees in; a contract's share in microdollars."""

    total: Money
    per_contract: Money
    basis_points: int


@dataclass(frozen=True, slots=True)
class Match:
    """A fill as a markout needs it."""

    price: Price
    count: Count
    at: Micros


@dataclass(frozen=True, slots=True)
class Mid:
    """Best bid plus best offer of our leg, from `at` on until the next one."""

    at: Micros
    twice: Price


def complete(facing: Ladder, left: Count, rates: FeeRates, highest: Price) -> Money:
    """Return what the rest costs at these offers, fees in; what they do not hold, at the highest price there is."""
    cost = 0
    for price, count in (*facing, (highest, left)):
        if not left:
            break
        taken = Count(min(count, left))
        left = Count(left - taken)
        cost += price * taken + estimate(rates, taker=True, price=price, count=taken)
    return Money(cost)


def shortfall(count: Count, twice_mid: Price, cost: Money, *, sells: bool = False) -> Shortfall:
    """Return the shortfall of a parent of `count` contracts that cost so much in all, its completion and fees included.

    Mid and cost are of the leg acquired, the basis points of the mid of the outcome that was bought or sold.
    """
    twice = 2 * cost - twice_mid * count
    own_mid = 2 * DOLLAR - twice_mid if sells else twice_mid
    return Shortfall(
        total=Money(round_div(twice, 2)),
        per_contract=Money(round_div(twice * CONTRACT, 2 * count)),
        basis_points=round_div(twice * BASIS, own_mid * count),
    )


def markout(fills: Iterable[Match], mids: tuple[Mid, ...], span: Micros, patience: Micros) -> Money | None:
    """Return what a contract gained on average until `span` after its fill, in microdollars; None where a mid is missing.

    `mids` are in order of time; one is good for `patience`.
    """
    gained = counted = 0
    for fill in fills:
        then = fill.at + span
        seen = [mid for mid in mids if mid.at <= then]
        if not seen or then - seen[-1].at > patience:
            return None
        gained += (seen[-1].twice - 2 * fill.price) * fill.count
        counted += fill.count
    return Money(round_div(gained * CONTRACT, 2 * counted)) if counted else None
