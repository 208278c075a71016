"""The rest of the market as anonymous orders: what a recorded tape or a synthetic profile does to a pit.

The crowd's orders have no account and no id, pay no fees, and stand in the same queues as ours; two of them that cross
trade like any others. A withdrawal takes from the back of the crowd's orders at its price, the worst case for an order of
ours. A count of 0 or below does nothing.
"""

from collections.abc import Iterable

from depthwalker.core.book import Leg, Level, best_first
from depthwalker.core.crossing import Step, enter
from depthwalker.core.matching import expire
from depthwalker.core.pit import Order, Pit, Queue, Rules, Side, TimeInForce, level, with_side
from depthwalker.core.reports import Event, Withdrawn
from depthwalker.core.units import Count, Micros, Price


def seed(yes: Iterable[Level], no: Iterable[Level], rules: Rules) -> Pit:
    """Return a pit that holds one anonymous order a level; levels that cross have traded with each other."""
    pit, _ = replace(Pit(rules), yes, no, Micros(0))
    return pit


def arrive(pit: Pit, leg: Leg, price: Price, count: Count, now: Micros) -> Step:
    """Return the pit after an anonymous limit order: it takes what it crosses and rests with what remains."""
    return _enter(pit, leg, price, count, now, TimeInForce.GTC)


def take(pit: Pit, leg: Leg, limit: Price, count: Count, now: Micros) -> Step:
    """Return the pit after an anonymous immediate-or-cancel order that acquires `leg` at `limit` or better."""
    return _enter(pit, leg, limit, count, now, TimeInForce.IOC)


def withdraw(pit: Pit, leg: Leg, price: Price, count: Count, now: Micros) -> Step:
    """Return the pit after the crowd cancels `count` at a price, or what it still has there: `Withdrawn`, or no event."""
    pit, expired = expire(pit, now)
    side = pit.side(leg)
    index = level(side, price)
    if count <= 0 or index == len(side) or side[index].price != price:
        return pit, expired
    queue = side[index]
    wanted = count
    kept: list[Order] = []
    for order in reversed(queue.orders):
        cut = Count(0) if order.account else min(wanted, order.remaining)
        wanted = Count(wanted - cut)
        if cut < order.remaining:
            kept.append(order if not cut else _anonymous(leg, price, Count(order.remaining - cut)))
    gone = Count(count - wanted)
    if not gone:
        return pit, expired
    left = (Queue(price, Count(queue.count - gone), tuple(reversed(kept))),) if kept else ()
    after = with_side(pit, leg, side[:index] + left + side[index + 1 :], pit.places, pit.trades)
    return after, (*expired, Withdrawn(leg, price, gone))


def replace(pit: Pit, yes: Iterable[Level], no: Iterable[Level], now: Micros) -> Step:
    """Return the pit whose anonymous orders amount to the levels given, by withdrawals first and then arrivals.

    Our own orders keep their places; an arrival that crosses one of ours fills it.
    """
    pit, expired = expire(pit, now)
    events: list[Event] = [*expired]
    wanted = {Leg.YES: dict(best_first(yes)), Leg.NO: dict(best_first(no))}
    standing = {leg: _anonymous_counts(pit.side(leg)) for leg in wanted}
    for leg, levels in standing.items():
        for price, count in levels.items():
            if (excess := Count(count - wanted[leg].get(price, 0))) > 0:
                pit, withdrawn = withdraw(pit, leg, price, excess, now)
                events += withdrawn
    for leg, levels in wanted.items():
        for price, count in levels.items():
            if (missing := Count(count - standing[leg].get(price, 0))) > 0:
                pit, arrived = arrive(pit, leg, price, missing, now)
                events += arrived
    return pit, tuple(events)


def _enter(pit: Pit, leg: Leg, price: Price, count: Count, now: Micros, time_in_force: TimeInForce) -> Step:
    pit, expired = expire(pit, now)
    if count <= 0:
        return pit, expired
    pit, events = enter(pit, _anonymous(leg, price, count), time_in_force)
    return pit, expired + events


def _anonymous(leg: Leg, price: Price, count: Count) -> Order:
    return Order("", "", leg, price, Count(0), count)


def _anonymous_counts(side: Side) -> dict[Price, Count]:
    return {queue.price: Count(sum(order.remaining for order in queue.orders if not order.account)) for queue in side}
