"""Orders and fills of one execution, folded from facts.

Two counts of what an order filled are kept (invariant 5): `itemised` sums the fills by (order id, trade id) and alone gives
cost and fees; `floor` is the largest cumulative figure any answer or record gave. Filled is the larger of the two at once;
an order is settled only when both agree.

`exposed` is the largest total of any request about the order that may still take effect (invariant 1).
"""

from dataclasses import dataclass, replace
from enum import Enum

from depthwalker.core.units import Count, Micros, Money, Price


class Style(Enum):
    """A quote rests post-only, or takes what is offered."""

    REST = "rest"
    TAKE = "take"


class Kind(Enum):
    """The kinds of request about one order; all but PLACE concern an id that is already out."""

    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"
    CLAIM = "claim"
    BURN = "burn"


class Phase(Enum):
    """Where an order stands.

    SENT: its create is under way. UNKNOWN: the create's outcome is not known. DUPLICATE: its id is known to exist on the
    exchange, its record has not been seen. LIVE: accepted, may fill. CLOSED: can never fill again.
    """

    SENT = "sent"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    LIVE = "live"
    CLOSED = "closed"


class Ending(Enum):
    """How an order came to be closed; OPEN while it is not."""

    OPEN = "open"
    EXECUTED = "executed"
    CANCELED = "canceled"
    REFUSED = "refused"
    BURNED = "burned"
    LAPSED = "lapsed"


@dataclass(frozen=True, slots=True)
class OrderKey:
    """An order within its execution: split number, and the revision under which it was placed."""

    split: int
    birth: int


@dataclass(frozen=True, slots=True)
class Request:
    """The one mutation of an order that is under way."""

    kind: Kind
    revision: int
    price: Price
    total: Count
    ahead: Count
    at: Micros


@dataclass(frozen=True, slots=True)
class Fill:
    """One match, in the price of the leg acquired; `fee` is the exchange's figure."""

    order_id: str
    trade_id: str
    price: Price
    count: Count
    fee: Money
    taker: bool
    at: Micros


@dataclass(frozen=True, slots=True)
class Order:
    """One child order. `revision` is that of its client id as last confirmed; `ahead` the queue before it when it joined.

    `left` is the price that its last amend took it from, at `since`.

    `loose`: an amend of unknown outcome may still change price and total. `doubt`: its record must be read before
    anything else is done about it. `troubles` counts requests in a row that came to nothing.
    """

    key: OrderKey
    order_id: str
    revision: int
    phase: Phase
    ending: Ending
    style: Style
    price: Price
    left: Price
    total: Count
    exposed: Count
    loose: bool
    doubt: bool
    request: Request | None
    floor: Count
    itemised: Count
    cost: Money
    fees: Money
    trades: frozenset[str]
    ahead: Count
    since: Micros
    troubles: int
    troubled_at: Micros
    cancels: int
    placed_at: Micros
    closed_at: Micros


def place(key: OrderKey, price: Price, count: Count, style: Style, ahead: Count, at: Micros) -> Order:
    """Return an order whose create is about to be sent."""
    return Order(
        key=key,
        order_id="",
        revision=key.birth,
        phase=Phase.SENT,
        ending=Ending.OPEN,
        style=style,
        price=price,
        left=price,
        total=count,
        exposed=count,
        loose=False,
        doubt=False,
        request=Request(Kind.PLACE, key.birth, price, count, ahead, at),
        floor=Count(0),
        itemised=Count(0),
        cost=Money(0),
        fees=Money(0),
        trades=frozenset(),
        ahead=ahead,
        since=at,
        troubles=0,
        troubled_at=Micros(0),
        cancels=0,
        placed_at=at,
        closed_at=Micros(0),
    )


def filled(order: Order) -> Count:
    """Return how many contracts of the order are filled, as far as anything has told."""
    return order.itemised if order.itemised > order.floor else order.floor  # noqa: FURB136 - `max` costs thrice that


def exposure(order: Order) -> Count:
    """Return the most that the order may ever fill, given what may still take effect."""
    return filled(order) if order.phase is Phase.CLOSED else max(order.exposed, filled(order))


def full(order: Order) -> bool:
    """Return whether everything that the order asked for is filled."""
    return filled(order) >= order.total


def settled(order: Order) -> bool:
    """Return whether nothing about the order is open: it is closed, and its fills are itemised in full.

    No record tells the count of one that lapsed: its fills alone do.
    """
    if order.ending is Ending.LAPSED:
        return order.floor <= order.itemised
    return order.phase is Phase.CLOSED and order.floor == order.itemised


def raise_floor(order: Order, cumulative: Count | None) -> Order:
    """Return the order with a cumulative fill count taken in; it never falls."""
    return order if cumulative is None or cumulative <= order.floor else replace(order, floor=cumulative)


def itemise(order: Order, fill: Fill) -> Order:
    """Return the order with a fill booked, once however often it is told."""
    if fill.trade_id in order.trades:
        return order
    return replace(
        order,
        itemised=Count(order.itemised + fill.count),
        cost=Money(order.cost + fill.price * fill.count),
        fees=Money(order.fees + fill.fee),
        trades=order.trades | {fill.trade_id},
    )


def close(order: Order, ending: Ending, at: Micros) -> Order:
    """Return the order closed; how it ended first stays."""
    if order.phase is Phase.CLOSED:
        return order
    return replace(order, phase=Phase.CLOSED, ending=ending, request=None, doubt=False, loose=False, closed_at=at)


def shown(order: Order, book_at: Micros) -> tuple[tuple[Price, Count], ...]:
    """Return the prices, with counts, at which a book asked for at `book_at` may show the order.

    At the old and the new price while a change of it is under way or younger than the book; not at all where the book was
    asked for before the order was sent, or after it was closed. Where its size is uncertain the count is the larger one.
    """
    closed = order.phase is Phase.CLOSED
    if book_at < order.placed_at or (closed and order.closed_at < book_at):
        return ()
    count = order.total if closed else Count(order.exposed - filled(order))
    prices = {order.price}
    if order.since >= book_at:
        prices.add(order.left)
    if order.request is not None:
        prices.add(order.request.price)
    return tuple((price, count) for price in sorted(prices))
