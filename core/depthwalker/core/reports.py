"""What the matching reports: every change to a pit is one of a closed set of events, in the order in which they happened.

Legs and prices are those of the leg acquired (see `book`). The crowd (see `pit`) has account "" and order id "", pays no
fees, and is not told how its own orders end.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, assert_never

from depthwalker.core.book import Delta, Leg
from depthwalker.core.pit import Order
from depthwalker.core.units import Count, Micros, Money, Price


class EndReason(Enum):
    """Why an order stopped working: FILLED leaves the record `executed`, every other reason `canceled`."""

    FILLED = "filled"
    CANCELED = "canceled"
    IMMEDIATE = "immediate"  # the rest of an IOC order
    KILLED = "killed"  # a FOK order that could not fill in full
    POST_ONLY_CROSS = "post_only_cross"
    SELF_TRADE = "self_trade"
    EXPIRED = "expired"
    AMENDED = "amended"  # amended to a total that is already filled
    DECREASED = "decreased"  # decreased to nothing
    PAUSED = "paused"  # cancel_order_on_pause
    HALTED = "halted"  # the sweep when a market is reactivated
    CLOSED = "closed"  # the sweep when a market closes


@dataclass(frozen=True, slots=True)
class Rested:
    """`count` of an order (or of the crowd: order id "") went to the back of the queue at `price` of `leg`."""

    order_id: str
    account: str
    leg: Leg
    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Matched:
    """Two orders traded `count`. `trade` is the pit's serial number; the crowd pays no fees and has order id ""."""

    trade: int
    maker_order: str
    maker_account: str
    taker_order: str
    taker_account: str
    taker_leg: Leg
    yes_price: Price
    count: Count
    maker_fee: Money
    taker_fee: Money

    @property
    def maker_leg(self) -> Leg:
        """Return the leg that the maker acquired."""
        return self.taker_leg.other()

    def price(self, leg: Leg) -> Price:
        """Return the trade's price in the frame of a leg."""
        return leg.framed(self.yes_price)


@dataclass(frozen=True, slots=True)
class Amended:
    """An order works at another price, count or expiry; what it matches or rests by that follows as events of their own.

    Where `kept_place`, it stands where it stood; otherwise it left its queue, and `Rested` tells if it joined another.
    """

    order_id: str
    account: str
    leg: Leg
    price: Price
    remaining: Count
    previous_price: Price
    previous_remaining: Count
    filled: Count  # before any match by this amend; filled + remaining is the new total
    expires: Micros
    kept_place: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """An account's order works no more: `filled` in all its life, `lapsed` what it gave up now.

    `rested` tells whether `lapsed` leaves the book or never was in it.
    """

    order_id: str
    account: str
    leg: Leg
    price: Price
    reason: EndReason
    filled: Count
    lapsed: Count
    rested: bool


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The crowd took `count` out of the book."""

    leg: Leg
    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange refuses the request in its own words (fact sheet, sections 5.2 and 5.11)."""

    order_id: str
    status: int
    code: str
    detail: str


Event: TypeAlias = Rested | Matched | Amended | Ended | Withdrawn | Refused


def ended(order: Order, reason: EndReason, *, rested: bool = False) -> Ended:
    """Return the end of an order that gives up all that remains of it."""
    return Ended(order.order_id, order.account, order.leg, order.price, reason, order.filled, order.remaining, rested)


def delta(event: Event, at: Micros) -> Delta | None:
    """Return how an event changed the book, or None where it did not; applied in order they lead from book to book."""
    match event:
        case Rested(_, _, leg, price, count):
            return Delta(leg, price, count, at)
        case Matched():
            return Delta(event.maker_leg, event.price(event.maker_leg), Count(-event.count), at)
        case Amended(kept_place=False):
            return Delta(event.leg, event.previous_price, Count(-event.previous_remaining), at)
        case Amended():
            change = Count(event.remaining - event.previous_remaining)
            return Delta(event.leg, event.price, change, at) if change else None
        case Ended():
            gone = event.lapsed if event.rested else 0
            return Delta(event.leg, event.price, Count(-gone), at) if gone else None
        case Withdrawn(leg, price, count):
            return Delta(leg, price, Count(-count), at)
        case Refused():
            return None
        case _ as never:
            assert_never(never)
