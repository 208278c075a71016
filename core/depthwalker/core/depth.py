"""What the book offers a parent order: the specification's OrderbookAnalyzer, corrected.

Kalshi lists bids only, so what we can buy is not our own leg's bids (that is the queue we would join) but the other leg's,
complemented. `total_liquidity` is the *reach*: offers up to the cap. The liquidity class is the market's, not the
target's: contracts within five cents of the best, on the weaker of the two ladders (DESIGN section 5).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from depthwalker.core.book import Ladder, Ladders, within
from depthwalker.core.units import CONTRACT, MILLION, Count, Price

BAND: Final = Price(500)  # five cents: how far from the best a market's depth is counted
SWEET_SPOT: Final = Count(50 * CONTRACT)


class Liquidity(Enum):
    """The liquidity class of a market."""

    LIQUID = "liquid"
    MODERATE = "moderate"
    THIN = "thin"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From how many contracts within the band a market is moderate, and from how many liquid."""

    moderate: Count
    liquid: Count


SPEC_THRESHOLDS: Final = Thresholds(Count(50 * CONTRACT), Count(100 * CONTRACT))
RECORDED_THRESHOLDS: Final = Thresholds(Count(100 * CONTRACT), Count(3_000 * CONTRACT))


@dataclass(frozen=True, slots=True)
class DepthLevel:
    """One level we could take. Kalshi does not tell how many orders it holds: `order_count` is None."""

    price: Price
    quantity: Count
    cumulative_quantity: Count
    order_count: None = None


@dataclass(frozen=True, slots=True)
class DepthAnalysis:
    """Depth around a parent order, in prices of the leg it acquires; `levels` are the offers up to the cap, best first."""

    levels: tuple[DepthLevel, ...]
    total_liquidity: Count
    queue: Ladder
    spread: Price | None
    liquidity_category: Liquidity
    market_volume: Count
    sweet_spot_price: Price
    sweet_spot_quantity: Count


def analyze(ladders: Ladders, cap: Price, target: Price, count: Count, thresholds: Thresholds) -> DepthAnalysis:
    """Return the depth around a parent of `count` contracts that may pay up to `cap`.

    The sweet spot is the first offer whose cumulative count reaches fifty contracts or half the parent, whichever is
    more; else the best level; else the target (specification, OrderbookAnalyzer._find_sweet_spot).
    """
    levels = _reachable(ladders.offers, cap)
    enough = max(SWEET_SPOT, count // 2)
    sweet = next((level for level in levels if level.cumulative_quantity >= enough), levels[0] if levels else None)
    near_queue, near_offers = within(ladders.queue, BAND), within(ladders.offers, BAND)
    return DepthAnalysis(
        levels=levels,
        total_liquidity=levels[-1].cumulative_quantity if levels else Count(0),
        queue=ladders.queue,
        spread=ladders.spread(),
        liquidity_category=categorize(near_queue, near_offers, thresholds),
        market_volume=Count(near_queue + near_offers),
        sweet_spot_price=target if sweet is None else sweet.price,
        sweet_spot_quantity=Count(0) if sweet is None else sweet.cumulative_quantity,
    )


def categorize(near_queue: Count, near_offers: Count, thresholds: Thresholds) -> Liquidity:
    """Return the class of a market by the weaker of its two ladders."""
    weaker = min(near_queue, near_offers)
    if weaker >= thresholds.liquid:
        return Liquidity.LIQUID
    return Liquidity.MODERATE if weaker >= thresholds.moderate else Liquidity.THIN


def reach(offers: Ladder, cap: Price) -> Count:
    """Return how many contracts are offered at or below `cap`."""
    return Count(sum(count for price, count in offers if price <= cap))


def price_for(offers: Ladder, count: Count, cap: Price) -> Price | None:
    """Return the lowest offered price up to the cap at which `count` could be taken, or the worst reachable one."""
    found: Price | None = None
    left = int(count)
    for price, offered in offers:
        if price > cap or left <= 0:
            break
        found = price
        left -= offered
    return found


def imbalance(ladders: Ladders) -> int:
    """Return how far the best bid outweighs the best offer, from -1 to 1 in parts per million; 0 where one is missing."""
    if not ladders.queue or not ladders.offers:
        return 0
    bids, offered = ladders.queue[0][1], ladders.offers[0][1]
    return (bids - offered) * MILLION // (bids + offered)


def above_microprice(ladders: Ladders) -> Price | None:
    """Return how far the best offer is above the microprice, rounded up; None where a side is missing.

    The microprice lies between best bid and best offer, the nearer to one the larger the other (Stoikov, The micro-price,
    2018): the price tends to go where the thinner side is. Of all signals measured on recordings only this one tells anything.
    """
    if not ladders.queue or not ladders.offers:
        return None
    (bid, bids), (offer, offered) = ladders.queue[0], ladders.offers[0]
    return Price(-(-(offer - bid) * offered // (bids + offered)))


def _reachable(offers: Ladder, cap: Price) -> tuple[DepthLevel, ...]:
    levels: list[DepthLevel] = []
    cumulative = 0
    for price, quantity in offers:
        if price > cap:
            break
        cumulative += quantity
        levels.append(DepthLevel(price, quantity, Count(cumulative)))
    return tuple(levels)
