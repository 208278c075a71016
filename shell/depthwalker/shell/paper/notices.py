"""Everything that changes at the exchange, as frozen values handed to whoever subscribed: the one seam for a feed.

An order that several events of one step touch is published once, as it stands after the step; fills and book levels are
published one by one, in the order in which they happened. Nothing here knows a wire format.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from depthwalker.core.answer import FillRecord, TradePrint
from depthwalker.core.book import Delta
from depthwalker.core.grid import PriceGrid
from depthwalker.core.reports import EndReason
from depthwalker.core.units import Count, Micros, Price
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.paper.ledger import Holding, Kept


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """A level of a market's book changed; the ids are those of the account's order that caused it, or empty."""

    ticker: str
    delta: Delta
    account: str
    order_id: str
    client_order_id: str


@dataclass(frozen=True, slots=True)
class Traded:
    """A public trade."""

    ticker: str
    trade: TradePrint


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An account's order as it stands after a change, or when it came to be; `order.reason` tells of what."""

    account: str
    order: Kept
    at: Micros


@dataclass(frozen=True, slots=True)
class Filled:
    """An account's order filled; `position` is the market's after it. The trade carries the same id."""

    account: str
    fill: FillRecord
    client_order_id: str
    position: Count


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """What an account holds in a market, after a fill or a settlement."""

    account: str
    holding: Holding


class LifeEvent(Enum):
    """What happens to a market in the exchange's words; opening and closing by the clock are not announced."""

    CREATED = "created"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    CLOSE_DATE_UPDATED = "close_date_updated"
    DETERMINED = "determined"
    SETTLED = "settled"
    REGRIDDED = "price_level_structure_updated"


@dataclass(frozen=True, slots=True)
class MarketChanged:
    """A market's life went on; `value` is the payout of the YES leg once determined, None before."""

    ticker: str
    event: LifeEvent
    open_time: Micros
    close_time: Micros
    grid: PriceGrid
    result: str
    value: Price | None
    shard: int
    at: Micros


class GroupEvent(Enum):
    """What happens to an order group in the exchange's words."""

    CREATED = "created"
    TRIGGERED = "triggered"
    RESET = "reset"
    DELETED = "deleted"
    LIMIT_UPDATED = "limit_updated"


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """An order group changed."""

    account: str
    group_id: str
    event: GroupEvent
    limit: Count
    shard: int
    at: Micros


@dataclass(frozen=True, slots=True)
class EventFeesChanged:
    """An event's fees override those of its series, or (None) do so no more."""

    event_ticker: str
    fees: Fees | None
    at: Micros


Notice: TypeAlias = (
    LevelChanged | Traded | OrderChanged | Filled | PositionChanged | MarketChanged | GroupChanged | EventFeesChanged
)
Subscriber: TypeAlias = Callable[[Notice], None]

# The exchange's words for why an order changed; a cancel by its owner reads as a decrease to nothing (recorded).
REASONS: Final = {
    EndReason.FILLED: "Trade",
    EndReason.CANCELED: "Decrease",
    EndReason.IMMEDIATE: "",
    EndReason.KILLED: "",
    EndReason.POST_ONLY_CROSS: "PostOnlyCrossCancel",
    EndReason.SELF_TRADE: "SelfTradeCancel",
    EndReason.EXPIRED: "ExpiryCancel",
    EndReason.AMENDED: "Amend",
    EndReason.DECREASED: "Decrease",
    EndReason.PAUSED: "HaltCancel",
    EndReason.HALTED: "HaltCancel",
    EndReason.CLOSED: "CloseCancel",
}


class Notices:
    """Hands each notice to every subscriber, at once and in order; a subscriber must not raise and must not wait."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Publish to a subscriber from now on; calling what is returned ends that."""
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            self._subscribers.remove(subscriber)

        return unsubscribe

    def publish(self, notice: Notice) -> None:
        """Hand a notice to all subscribers, oldest subscription first."""
        for subscriber in tuple(self._subscribers):
            subscriber(notice)
