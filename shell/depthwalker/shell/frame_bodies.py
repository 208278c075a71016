"""The websocket's frames as msgspec structs: only the keys that the client reads (fact sheet, section 7.4).

Unknown keys are ignored. Numbers stay text; `frames` reads them. Decoding picks the struct by the frame's type, in one pass.
"""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

Rows: TypeAlias = Sequence[tuple[str, str]]  # price and count


class Part(msgspec.Struct, frozen=True, gc=False):
    """The common settings of every part: immutable, unknown keys ignored."""


class ChannelPart(Part, frozen=True, gc=False):
    """A subscription."""

    sid: int


class ListPart(Part, frozen=True, gc=False):
    """A subscription's markets after an update."""

    market_tickers: tuple[str, ...] | None = None


class ErrorPart(Part, frozen=True, gc=False):
    """What went wrong."""

    code: int
    msg: str = ""
    market_ticker: str | None = None


class SidesPart(Part, frozen=True, gc=False):
    """One market's whole book; a side is left out where it is empty."""

    market_ticker: str
    yes_dollars_fp: Rows | None = None
    no_dollars_fp: Rows | None = None


class ChangePart(Part, frozen=True, gc=False):
    """A change at one price."""

    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: str


class PrintPart(Part, frozen=True, gc=False):
    """One public trade."""

    trade_id: str
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    taker_outcome_side: str | None = None
    taker_book_side: str | None = None
    is_block_trade: bool = False
    ts: int | None = None
    ts_ms: int | None = None


class MatchPart(Part, frozen=True, gc=False):
    """One match of one of our orders."""

    trade_id: str
    order_id: str
    market_ticker: str
    is_taker: bool
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    outcome_side: str | None = None
    book_side: str | None = None
    client_order_id: str = ""
    ts: int | None = None
    ts_ms: int | None = None


class RecordPart(Part, frozen=True, gc=False):
    """One of our orders."""

    order_id: str
    ticker: str
    status: str
    yes_price_dollars: str
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str
    outcome_side: str | None = None
    book_side: str | None = None
    client_order_id: str = ""
    taker_fees_dollars: str = "0"
    maker_fees_dollars: str = "0"
    created_time: str | None = None
    created_ts_ms: int | None = None


class RangePart(Part, frozen=True, gc=False):
    """One band of a market's price_ranges."""

    start: str
    end: str
    step: str


class LifePart(Part, frozen=True, gc=False):
    """What befell a market."""

    market_ticker: str
    event_type: str
    close_ts: int | None = None
    price_ranges: tuple[RangePart, ...] | None = None


class FeesPart(Part, frozen=True, gc=False):
    """An event whose fees changed."""

    event_ticker: str


class GroupPart(Part, frozen=True, gc=False):
    """What befell an order group."""

    order_group_id: str
    event_type: str
    contracts_limit_fp: str | None = None


class SubscribedBody(Part, tag="subscribed", frozen=True, gc=False):
    """A frame of type subscribed."""

    id: int
    msg: ChannelPart


class OkBody(Part, tag="ok", frozen=True, gc=False):
    """A frame of type ok."""

    id: int = 0
    sid: int | None = None
    seq: int | None = None
    msg: ListPart | Sequence[ChannelPart] | None = None


class UnsubscribedBody(Part, tag="unsubscribed", frozen=True, gc=False):
    """A frame of type unsubscribed."""

    sid: int


class FailedBody(Part, tag="error", frozen=True, gc=False):
    """A frame of type error."""

    msg: ErrorPart
    id: int | None = None
    sid: int | None = None
    seq: int | None = None


class SnapshotBody(Part, tag="orderbook_snapshot", frozen=True, gc=False):
    """A frame of type orderbook_snapshot."""

    sid: int
    seq: int
    msg: SidesPart


class DeltaBody(Part, tag="orderbook_delta", frozen=True, gc=False):
    """A frame of type orderbook_delta."""

    sid: int
    seq: int
    msg: ChangePart


class TradeBody(Part, tag="trade", frozen=True, gc=False):
    """A frame of type trade."""

    sid: int
    msg: PrintPart
    seq: int | None = None


class FillBody(Part, tag="fill", frozen=True, gc=False):
    """A frame of type fill."""

    sid: int
    msg: MatchPart
    seq: int | None = None


class UserOrderBody(Part, tag="user_order", frozen=True, gc=False):
    """A frame of type user_order."""

    sid: int
    msg: RecordPart
    seq: int | None = None


class LifecycleBody(Part, tag="market_lifecycle_v2", frozen=True, gc=False):
    """A frame of type market_lifecycle_v2."""

    sid: int
    msg: LifePart
    seq: int | None = None


class FeeUpdateBody(Part, tag="event_fee_update", frozen=True, gc=False):
    """A frame of type event_fee_update."""

    sid: int
    msg: FeesPart
    seq: int | None = None


class GroupUpdateBody(Part, tag="order_group_updates", frozen=True, gc=False):
    """A frame of type order_group_updates."""

    sid: int
    msg: GroupPart
    seq: int | None = None


class OtherBody(Part, frozen=True, gc=False):
    """What any frame has, of whatever type."""

    type: str
    sid: int | None = None
    seq: int | None = None


class SidBody(Part, frozen=True, gc=False):
    """What is to be known of a frame that cannot be read."""

    sid: int | None = None


RareBody: TypeAlias = (
    SnapshotBody
    | TradeBody
    | FillBody
    | UserOrderBody
    | LifecycleBody
    | FeeUpdateBody
    | GroupUpdateBody
    | SubscribedBody
    | OkBody
    | UnsubscribedBody
    | FailedBody
)
AnyBody: TypeAlias = DeltaBody | RareBody
