"""What travels over the exchange's websocket, as values: the frames it sends and the commands it takes.

Shapes: fact sheet, section 7, and the exchange's AsyncAPI document. `sid` names a subscription of this connection, `seq`
numbers its frames from 1. Bids carry the price of their own leg, on whichever scale they were sent; what changes a book is
dated by when it came in.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from depthwalker.core.answer import FillRecord, OrderRecord, TradePrint
from depthwalker.core.book import Delta, Snapshot
from depthwalker.core.grid import PriceGrid
from depthwalker.core.units import Count, Micros


class Channel(Enum):
    """The channels that are spoken here, by the exchange's own names."""

    BOOK = "orderbook_delta"
    TRADE = "trade"
    FILL = "fill"
    ORDER = "user_orders"
    LIFECYCLE = "market_lifecycle_v2"
    GROUP = "order_group_updates"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The answer to a Subscribe: from now on `sid` carries the channel, its frames numbered from 1."""

    id: int
    sid: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The answer to an Update; `tickers` is the whole list after it, or None where it is left out."""

    id: int
    sid: int | None
    seq: int | None
    tickers: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The last frame of a subscription."""

    sid: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An error: of a command where `id` is given, else of a subscription, else of the connection."""

    code: int
    reason: str
    id: int | None
    sid: int | None
    seq: int | None
    ticker: str | None


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """One market's whole book; no price twice on a side."""

    sid: int
    seq: int
    ticker: str
    body: Snapshot


@dataclass(frozen=True, slots=True)
class BookDelta:
    """A change of one market's book."""

    sid: int
    seq: int
    ticker: str
    body: Delta


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade."""

    sid: int
    seq: int | None
    ticker: str
    print: TradePrint


@dataclass(frozen=True, slots=True)
class FillFrame:
    """A match of one of the account's orders; `client_order_id` may be empty."""

    sid: int
    seq: int | None
    fill: FillRecord
    client_order_id: str


@dataclass(frozen=True, slots=True)
class UserOrder:
    """The exchange's own record of one of the account's orders, after each change of it."""

    sid: int
    seq: int | None
    order: OrderRecord


class Occasion(Enum):
    """What befell a market; closing at its close time is the clock's and told by no frame (fact sheet, section 3)."""

    CREATED = "created"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    CLOSE_DATE_UPDATED = "close_date_updated"
    DETERMINED = "determined"
    SETTLED = "settled"
    GRID_UPDATED = "price_level_structure_updated"
    METADATA_UPDATED = "metadata_updated"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """What befell a market, with its new close time and YES grid where the frame brings them."""

    sid: int
    seq: int | None
    ticker: str
    occasion: Occasion
    close_time: Micros | None
    grid: PriceGrid | None


@dataclass(frozen=True, slots=True)
class FeeUpdate:
    """The fee override of an event was set or cleared: its rates are to be read again."""

    sid: int
    seq: int | None
    event_ticker: str


class GroupEvent(Enum):
    """What befell an order group."""

    CREATED = "created"
    TRIGGERED = "triggered"
    RESET = "reset"
    DELETED = "deleted"
    LIMIT_UPDATED = "limit_updated"


@dataclass(frozen=True, slots=True)
class GroupUpdate:
    """What befell an order group, with its limit where the frame brings one."""

    sid: int
    seq: int | None
    group_id: str
    event: GroupEvent
    limit: Count | None


@dataclass(frozen=True, slots=True)
class Other:
    """A frame of no interest here, counted where it has a number."""

    sid: int | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Illegible:
    """A frame that cannot be read: something of its subscription, or of any where it names none, is missed."""

    sid: int | None
    why: str


Frame: TypeAlias = (
    Subscribed
    | Acknowledged
    | Unsubscribed
    | Failed
    | BookSnapshot
    | BookDelta
    | Trade
    | FillFrame
    | UserOrder
    | Lifecycle
    | FeeUpdate
    | GroupUpdate
    | Other
    | Illegible
)


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Open one channel, for these markets or, without any, for all. `use_yes_price` says in which scale NO bids are sent."""

    id: int
    channel: Channel
    tickers: tuple[str, ...]
    use_yes_price: bool


class Change(Enum):
    """What an Update does to a subscription's markets."""

    ADD = "add_markets"
    DELETE = "delete_markets"
    SNAPSHOT = "get_snapshot"


@dataclass(frozen=True, slots=True)
class Update:
    """Add or delete markets of a subscription, or send their books again."""

    id: int
    sid: int
    change: Change
    tickers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """End a subscription."""

    id: int
    sid: int


Asking: TypeAlias = Subscribe | Update | Unsubscribe
