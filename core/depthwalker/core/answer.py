"""What the exchange answers, as values: every outcome of a request is one of a closed set.

A request ends in `Outcome[X, Trouble]`: it was done, or it is in one of three kinds of trouble, and only `Unknown` may have
taken effect. Legs and prices are those of the leg that the order acquires (see `book`), never the exchange's YES scale.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from depthwalker.core.book import Leg
from depthwalker.core.fees import FeeRates
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Fill
from depthwalker.core.units import Count, Micros, Money, Price

# The detail of a refused order that would not have rested (fact sheet, section 5.11).
POST_ONLY_CROSS: Final = "post only cross"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The exchange looked at the request and refused it: `code` in its own words, with its HTTP status."""

    status: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class NotApplied:
    """The request did not reach the exchange's matching: no connection, not authenticated, rate limited, paused."""

    reason: str
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request may or may not have taken effect: a time-out after sending, a lost connection, a 5xx."""

    reason: str


Trouble: TypeAlias = Rejected | NotApplied | Unknown


@dataclass(frozen=True, slots=True)
class Ack:
    """A create or amend took effect; `filled` and `remaining` are None where the exchange leaves them out.

    `filled` is what the request itself filled (fact sheet, sections 5.2 and 5.6): the order has filled at least so much.
    """

    order_id: str
    filled: Count | None
    remaining: Count | None
    at: Micros


@dataclass(frozen=True, slots=True)
class CancelAck:
    """A cancel was acknowledged; only the order's own record proves that it is closed."""

    order_id: str
    reduced_by: Count
    at: Micros


class OrderStatus(Enum):
    """The three states of an order at the exchange (fact sheet, section 5.3)."""

    RESTING = "resting"
    CANCELED = "canceled"
    EXECUTED = "executed"


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """The exchange's own record of an order: from GET, from the list, or from a user_order frame."""

    order_id: str
    client_order_id: str
    ticker: str
    leg: Leg
    price: Price
    status: OrderStatus
    initial: Count
    filled: Count
    remaining: Count
    fees: Money
    created: Micros


@dataclass(frozen=True, slots=True)
class FillRecord:
    """One match of one of our orders; (order_id, trade_id) is its identity. `fee` is the exchange's own figure."""

    order_id: str
    trade_id: str
    ticker: str
    leg: Leg
    price: Price
    count: Count
    fee: Money
    taker: bool
    at: Micros

    def fill(self) -> Fill:
        """Return it as the books of an execution have it, which is of one market and one leg."""
        return Fill(self.order_id, self.trade_id, self.price, self.count, self.fee, self.taker, self.at)


def recorded(fill: Fill, ticker: str, leg: Leg) -> FillRecord:
    """Return the exchange's record of a fill."""
    return FillRecord(fill.order_id, fill.trade_id, ticker, leg, fill.price, fill.count, fill.fee, fill.taker, fill.at)


@dataclass(frozen=True, slots=True)
class TradePrint:
    """One public trade: `taker` is the leg that the taker acquired, `yes_price` the price of the YES leg."""

    trade_id: str
    taker: Leg
    yes_price: Price
    count: Count
    at: Micros


class MarketStatus(Enum):
    """A market's life cycle as the exchange reports it (fact sheet, section 3)."""

    INITIALIZED = "initialized"
    INACTIVE = "inactive"
    ACTIVE = "active"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"

    def over(self) -> bool:
        """Return whether the market takes no order any more, for good.

        A paused market is reactivated, a closed one may be opened again by another closing time, and that a contested
        outcome never leads there is not established: only a settled one, whose positions are paid, is over.
        """
        return self is MarketStatus.FINALIZED


@dataclass(frozen=True, slots=True)
class Market:
    """What an execution needs to know of a market. `grid` is that of the YES leg."""

    ticker: str
    event_ticker: str
    status: MarketStatus
    grid: PriceGrid
    close_time: Micros
    shard: int


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """How many contracts rest before one of our orders at its price; 0 is the first (fact sheet, section 5.8)."""

    order_id: str
    ticker: str
    ahead: Count


@dataclass(frozen=True, slots=True)
class OrderGroup:
    """Orders that are cancelled together once they fill more than `limit` in 15 seconds (fact sheet, section 5.9).

    `limit` and `shard` are None where the exchange leaves them out; the list of groups names no orders.
    """

    group_id: str
    limit: Count | None
    orders: tuple[str, ...]
    shard: int | None


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """Whether one shard takes any change at all, and whether it trades."""

    shard: int
    exchange_active: bool
    trading_active: bool


@dataclass(frozen=True, slots=True)
class ExchangeStatus:
    """Whether the exchange takes any change at all, and whether it trades (fact sheet, section 9)."""

    exchange_active: bool
    trading_active: bool
    resumes: Micros | None
    shards: tuple[ShardStatus, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """Hours of one day, in minutes after midnight Eastern Time; a session that closes at 0 lasts to midnight."""

    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class Week:
    """Trading hours in force from `start` to `end`, Monday first."""

    start: Micros
    end: Micros
    days: tuple[tuple[Session, ...], ...]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A window without trading."""

    start: Micros
    end: Micros


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the exchange trades."""

    weeks: tuple[Week, ...]
    maintenance: tuple[Maintenance, ...]


@dataclass(frozen=True, slots=True)
class FeeChange:
    """Fees that a series (`event_ticker` empty), or one of its events, pays from `at`.

    `fee_type` None clears an event's override; `rates` is None then, and where the type is not one we know.
    """

    series_ticker: str
    event_ticker: str
    fee_type: str | None
    rates: FeeRates | None
    at: Micros
