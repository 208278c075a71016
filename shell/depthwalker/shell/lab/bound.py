"""What no schedule can beat, and the best schedule with one switch, both with the tape known beforehand.

The bound is a relaxation (DESIGN section 7). Resting at any prices up to p can bring no more than an order of any size at p
that joined at arrival: whoever joined later has at least as much before it, and a taker that reaches a lower price has
used up what stood at p. Taking at an offer can bring no more than was there at arrival and was added later. The cheapest
of all that, and of what is offered at the horizon above the cap, is the bound; its fees are not rounded up.

Of one contract it is what the best schedule costs, which tests find by trying all of a small world; of several it may be less,
where one schedule cannot have all that is cheapest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from depthwalker.core.book import complement
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import OrderKey, Style
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Parent
from depthwalker.core.quality import complete
from depthwalker.core.units import DOLLAR, MILLION, SECOND, Count, Micros, Money, Price
from depthwalker.shell.lab.index import Index, SideIndex, Taken
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import QueueModel, shared
from depthwalker.shell.lab.parents import Sampled

SWITCHES = Micros(2 * SECOND)  # between the instants at which a schedule may switch


@dataclass(frozen=True, slots=True)
class Supply:
    """So many contracts to be had at a price, as maker or taker."""

    price: int
    count: int
    rate: int

    def unit(self) -> int:
        """Return the exact cost of one unit with its fee, on a common scale."""
        return self.price * MILLION * DOLLAR + self.rate * self.price * (DOLLAR - self.price)

    def cost(self, count: int) -> int:
        """Return what so many cost, the fee rounded down."""
        return self.price * count + self.rate * count * self.price * (DOLLAR - self.price) // (MILLION * DOLLAR)


@dataclass(frozen=True, slots=True)
class Bound:
    """The least that a parent can cost, and how much of it was filled under the cap before the horizon."""

    cost: Money
    filled: Count


class Way(Enum):
    """What the best single switch does with a parent."""

    TAKE = "take at once"
    REST = "rest, and be filled there"
    WAIT = "rest, and take what is left later, or at the horizon"


@dataclass(frozen=True, slots=True)
class Switch:
    """The least that a schedule with one switch costs, and which way that is."""

    cost: Money
    way: Way


def bound(index: Index, sampled: Sampled, model: QueueModel) -> Bound:
    """Return the bound of a parent under a queue model."""
    parent = sampled.parent
    since, until = index.before(parent.started), index.before(parent.deadline)
    inside = [*_passive(index, parent, model, since, until), *_taking(index, parent, since, until)]
    beyond = [
        Supply(price, count, parent.rates.taker)
        for price, count in complement(index.sides[parent.leg.other()].ladder(until))
        if price > parent.cap
    ]
    last = Supply(parent.grid.highest(), parent.count, parent.rates.taker)
    left, cost, filled = int(parent.count), 0, 0
    for supply in sorted([*inside, *beyond, last], key=Supply.unit):
        used = min(left, supply.count)
        left -= used
        cost += supply.cost(used)
        filled += used if supply.price <= parent.cap else 0
    return Bound(Money(cost), Count(filled))


def _passive(index: Index, parent: Parent, model: QueueModel, since: int, until: int) -> list[Supply]:
    side = index.sides[parent.leg]
    takes = side.taken(parent.cap, since, until)
    supplies: list[Supply] = []
    if not takes:
        return supplies
    best = 0
    for price in prices_between(parent.grid, max(1, min(taken.floor for taken in takes)), parent.cap):
        passed = _passed(side, takes, price, model, since)
        if passed > best:
            supplies.append(Supply(price, passed - best, parent.rates.maker))
            best = passed
    return supplies


def _passed(side: SideIndex, takes: list[Taken], price: int, model: QueueModel, since: int) -> int:
    """Return what an order of any size that joined at a price after `since` events would have filled."""
    ahead, seen, passed = side.count(price, since), since, 0
    for taken in takes:
        if taken.floor > price:
            continue
        if model is QueueModel.WORST:
            ahead = min(ahead, side.lowest(price, seen, taken.event))
        else:
            ahead = shared(ahead, side.steps(price, seen, taken.event))
        reached = max(0, taken.count - sum(count for hit, count in taken.hits if hit > price))
        passed += max(0, reached - ahead)
        ahead = min(max(0, ahead - reached), side.count(price, taken.event + 1))
        seen = taken.event + 1
    return passed


def _taking(index: Index, parent: Parent, since: int, until: int) -> list[Supply]:
    side = index.sides[parent.leg.other()]
    there = {int(price): int(count) for price, count in side.ladder(since)}
    for price, count in side.added_in_all(since, until).items():
        there[price] = there.get(price, 0) + count
    return [
        Supply(DOLLAR - price, count, parent.rates.taker)
        for price, count in there.items()
        if DOLLAR - price <= parent.cap
    ]


def single_switch(index: Index, sampled: Sampled, model: QueueModel) -> Switch:
    """Return the cheapest way of resting the whole at one price from arrival and taking the rest up to the cap at one instant.

    Without latency; the prices are the best bid, two below it, and every one up to the cap, the instants `SWITCHES` apart.
    What the cap leaves unfilled is completed at the horizon, as an algorithm's is. Of ways that cost the same it is the soonest.
    """
    prices = rests(index, sampled.parent)
    return min((one for price in prices for one in switched(index, sampled, model, price)), key=_dearness)


def _dearness(switch: Switch) -> tuple[Money, int]:
    return switch.cost, (Way.TAKE, Way.REST, Way.WAIT).index(switch.way)


def rests(index: Index, parent: Parent) -> tuple[Price, ...]:
    """Return the prices that are worth resting at, of those from two below the best bid up to the cap.

    Nothing is different from one price to the next unless others rest at one of them, are taken there, or offer there: of
    prices among which nothing is, the lowest fills as soon as all and costs the least.
    """
    side, facing = index.sides[parent.leg], index.sides[parent.leg.other()]
    since, until = index.before(parent.started), index.before(parent.deadline)
    queue, takes = side.ladder(since), side.taken(parent.cap, since, until)
    best = queue[0][0] if queue else parent.target
    low = parent.grid.down(parent.grid.down(best) or best) or best
    levels = {int(price) for price, _ in queue}
    hits = {price for taken in takes for price in (taken.floor, *(hit for hit, _ in taken.hits))}
    offered = {DOLLAR - price for _, price, _ in facing.added(DOLLAR - parent.cap, since, until)}
    different = {parent.grid.ceil(price) for price in levels | hits | offered if price > 0}
    prices = prices_between(parent.grid, low, parent.cap) or (parent.cap,)
    return tuple(
        price
        for before, price in zip((None, *prices), prices, strict=False)
        if before is None or before in different or price in different or price == parent.cap
    )


def prices_between(grid: PriceGrid, low: int, high: Price) -> tuple[Price, ...]:
    """Return the valid prices from `low` to `high`."""
    found: list[Price] = []
    price: Price | None = grid.ceil(low)
    while price is not None and price <= high:
        found.append(price)
        price = grid.up(price)
    return tuple(found)


def switched(index: Index, sampled: Sampled, model: QueueModel, price: Price) -> Iterator[Switch]:
    """Yield the schedules that rest at a price, by the instant at which they take; none where it would take at once below the cap."""
    parent = sampled.parent
    exchange = Indexed(index, parent, model)
    placed = exchange.place(OrderKey(1, 0), price, parent.count, Style.REST, parent.started)
    account, now = exchange.account, parent.started
    if not isinstance(placed, Success) and price < parent.cap:
        return
    while now <= parent.deadline:
        exchange.advance(now)
        paid = sum(fill.price * fill.count + fill.fee for fill in account.fills)
        left = Count(parent.count - sum(fill.count for fill in account.fills))
        if left <= 0:
            yield Switch(Money(paid), Way.REST)
            return
        way = Way.TAKE if now == parent.started else Way.WAIT
        yield Switch(Money(paid + _taken_now(exchange, sampled, left, now)), way)
        now = Micros(now + SWITCHES)


def _taken_now(exchange: Indexed, sampled: Sampled, left: Count, now: Micros) -> int:
    """Return what the rest costs if it is taken up to the cap now, and as far as that does not reach at the horizon."""
    parent = sampled.parent
    under = tuple(level for level in exchange.offers(now) if level[0] <= parent.cap)
    reached = Count(min(left, sum(count for _, count in under)))
    cost = complete(under, reached, parent.rates, parent.grid.highest())
    if reached == left:
        return cost
    taker = exchange.fork()
    for order in taker.account.resting():
        taker.cancel(order.order_id, now)
    taker.place(OrderKey(2, 0), parent.cap, reached, Style.TAKE, now)
    return cost + complete(taker.closing(), Count(left - reached), parent.rates, parent.grid.highest())
