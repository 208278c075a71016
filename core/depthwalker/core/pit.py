"""One market's resting orders as an immutable value: who stands where, in which order.

Frame: an order acquires a leg at a price of that leg (see `book`). An order acquiring one leg at p meets one acquiring the
other at q where p + q >= 1 dollar; the maker's price is the trade's. Each leg's queues stand best price first, each queue
first come first served. Orders of no account (account "" and order id "") are the crowd: what a tape or a profile rests.
"""

from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from depthwalker.core.book import Book, Leg
from depthwalker.core.fees import NOTHING, STANDARD, Accumulator, FeeRates, Precision
from depthwalker.core.grid import CENT_GRID, PriceGrid
from depthwalker.core.units import DOLLAR, Count, Micros, Price

NEVER: Final = Micros(1 << 62)  # the expiry of an order that does not expire


class TimeInForce(Enum):
    """How long an order may rest; the values are the exchange's words (fact sheet, section 5.2)."""

    GTC = "good_till_canceled"
    IOC = "immediate_or_cancel"
    FOK = "fill_or_kill"


class SelfTrade(Enum):
    """Which of two orders of one account gives way; the values are the exchange's words (fact sheet, section 5.2)."""

    TAKER_AT_CROSS = "taker_at_cross"
    MAKER = "maker"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a market charges and which prices it accepts; `grid` is that of the YES leg."""

    grid: PriceGrid = CENT_GRID
    rates: FeeRates = STANDARD
    precision: Precision = Precision.DIRECT


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as submitted: it wants `count` of `leg` at `price` of that leg or better. `account` is not empty."""

    order_id: str
    account: str
    leg: Leg
    price: Price
    count: Count
    time_in_force: TimeInForce = TimeInForce.GTC
    self_trade: SelfTrade = SelfTrade.TAKER_AT_CROSS
    post_only: bool = False
    expires: Micros = NEVER
    cancel_on_pause: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """An order at work, resting or taking: what it has filled, what remains, and the roundings that its fees have left over."""

    order_id: str
    account: str
    leg: Leg
    price: Price
    filled: Count
    remaining: Count
    self_trade: SelfTrade = SelfTrade.TAKER_AT_CROSS
    expires: Micros = NEVER
    cancel_on_pause: bool = False
    roundings: Accumulator = NOTHING


@dataclass(frozen=True, slots=True)
class Queue:
    """The orders at one price of one leg, first come first; `count` is the sum of what remains of them."""

    price: Price
    count: Count
    orders: tuple[Order, ...]


Side: TypeAlias = tuple[Queue, ...]  # best (highest) price first, no queue empty
Place: TypeAlias = tuple[str, Leg, Price]  # where an account's order rests


@dataclass(frozen=True, slots=True)
class Pit:
    """A market's resting orders. `trades` counts the matches so far; no order expires before `soonest`."""

    rules: Rules = Rules()
    yes: Side = ()
    no: Side = ()
    places: tuple[Place, ...] = ()  # of the accounts' orders, by order id
    trades: int = 0
    soonest: Micros = NEVER

    def side(self, leg: Leg) -> Side:
        """Return the queues of the orders that acquire `leg`."""
        return self.yes if leg is Leg.YES else self.no


def find(pit: Pit, order_id: str) -> Order | None:
    """Return an account's resting order, or None where no such order rests."""
    slot = _slot(pit.places, order_id)
    if slot == len(pit.places) or pit.places[slot][0] != order_id:
        return None
    _, leg, price = pit.places[slot]
    side = pit.side(leg)
    return next(order for order in side[level(side, price)].orders if order.order_id == order_id)


def queue_ahead(pit: Pit, order_id: str) -> Count | None:
    """Return how many contracts stand before an order at its price, or None where no such order rests."""
    order = find(pit, order_id)
    if order is None:
        return None
    side = pit.side(order.leg)
    orders = side[level(side, order.price)].orders
    return Count(sum(before.remaining for before in orders[: orders.index(order)]))


def book(pit: Pit, at: Micros) -> Book:
    """Return the book that the resting orders amount to."""
    yes = tuple((queue.price, queue.count) for queue in pit.yes)
    return Book(yes, tuple((queue.price, queue.count) for queue in pit.no), at)


def crosses(pit: Pit, leg: Leg, price: Price) -> bool:
    """Return whether an order that acquires `leg` at `price` meets a resting one."""
    makers = pit.side(leg.other())
    return bool(makers) and makers[0].price + price >= DOLLAR


def join(pit: Pit, order: Order) -> Pit:
    """Return the pit with an order at the back of the queue at its price."""
    side = pit.side(order.leg)
    index = level(side, order.price)
    if index < len(side) and side[index].price == order.price:
        queue = side[index]
        longer = Queue(queue.price, Count(queue.count + order.remaining), (*queue.orders, order))
        side = (*side[:index], longer, *side[index + 1 :])
    else:
        side = (*side[:index], Queue(order.price, order.remaining, (order,)), *side[index:])
    if not order.account:
        return with_side(pit, order.leg, side, pit.places, pit.trades)
    slot = _slot(pit.places, order.order_id)
    place = (order.order_id, order.leg, order.price)
    joined = with_side(pit, order.leg, side, (*pit.places[:slot], place, *pit.places[slot:]), pit.trades)
    return joined if order.expires >= pit.soonest else with_soonest(joined, order.expires)


def leave(pit: Pit, order: Order) -> Pit:
    """Return the pit without an account's resting order."""
    slot = _slot(pit.places, order.order_id)
    places = pit.places[:slot] + pit.places[slot + 1 :]
    return _requeued(pit, order, (), places)


def stay(pit: Pit, order: Order, changed: Order) -> Pit:
    """Return the pit with an account's order changed where it stands: leg, price and id are the same."""
    requeued = _requeued(pit, order, (changed,), pit.places)
    return requeued if changed.expires >= pit.soonest else with_soonest(requeued, changed.expires)


def level(side: Side, price: Price) -> int:
    """Return the index at which the queue of a price stands, or would stand."""
    return bisect_left(side, -price, key=_descending)


def with_side(pit: Pit, leg: Leg, side: Side, places: tuple[Place, ...], trades: int) -> Pit:
    """Return the pit with the queues of one leg replaced."""
    if leg is Leg.YES:
        return Pit(pit.rules, side, pit.no, places, trades, pit.soonest)
    return Pit(pit.rules, pit.yes, side, places, trades, pit.soonest)


def with_soonest(pit: Pit, soonest: Micros) -> Pit:
    """Return the pit in which no order expires before `soonest`."""
    return Pit(pit.rules, pit.yes, pit.no, pit.places, pit.trades, soonest)


def with_rules(pit: Pit, rules: Rules) -> Pit:
    """Return the pit under other rules: resting orders are carried over (fact sheet, section 3)."""
    return Pit(rules, pit.yes, pit.no, pit.places, pit.trades, pit.soonest)


def _requeued(pit: Pit, order: Order, instead: tuple[Order, ...], places: tuple[Place, ...]) -> Pit:
    side = pit.side(order.leg)
    index = level(side, order.price)
    orders = side[index].orders
    at = orders.index(order)
    left = orders[:at] + instead + orders[at + 1 :]
    count = side[index].count - order.remaining + sum(one.remaining for one in instead)
    queues = (Queue(order.price, Count(count), left),) if left else ()
    return with_side(pit, order.leg, side[:index] + queues + side[index + 1 :], places, pit.trades)


def _descending(queue: Queue) -> int:
    return -queue.price


def _order_id(place: Place) -> str:
    return place[0]


def _slot(places: tuple[Place, ...], order_id: str) -> int:
    return bisect_left(places, order_id, key=_order_id)
