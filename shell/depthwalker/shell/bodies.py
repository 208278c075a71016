"""The exchange's V2 bodies as pydantic models: only the keys that the client reads (fact sheet, sections 3 to 5 and 8).

Strict, immutable, unknown keys ignored, and without any input in their errors. Numbers stay text; `wire` reads them.
"""

from decimal import Decimal

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """The common settings of every body."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class Range(Body):
    """One band of a market's price_ranges."""

    start: str
    end: str
    step: str


class MarketPart(Body):
    """What is read of a market."""

    ticker: str
    event_ticker: str
    status: str
    price_ranges: tuple[Range, ...]
    close_time: str
    exchange_index: int | None = None


class MarketBody(Body):
    """GET /markets/{ticker}."""

    market: MarketPart


class MarketsBody(Body):
    """GET /markets."""

    markets: tuple[MarketPart, ...]
    cursor: str = ""


class TradePart(Body):
    """One public trade."""

    trade_id: str
    taker_outcome_side: str | None = None
    taker_book_side: str | None = None
    yes_price_dollars: str
    count_fp: str
    created_time: str
    is_block_trade: bool = False


class TradesBody(Body):
    """GET /markets/trades."""

    trades: tuple[TradePart, ...]
    cursor: str = ""


class OrderPart(Body):
    """One order's record."""

    order_id: str
    client_order_id: str | None = None
    ticker: str
    outcome_side: str | None = None
    book_side: str | None = None
    yes_price_dollars: str
    status: str
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str
    taker_fees_dollars: str
    maker_fees_dollars: str
    created_time: str | None = None


class OrderBody(Body):
    """GET /portfolio/orders/{order_id}."""

    order: OrderPart


class OrdersBody(Body):
    """GET /portfolio/orders. Each is read by itself: the list is the whole account's, and what others have in it may be odd."""

    orders: tuple[object, ...]
    cursor: str = ""


class FillPart(Body):
    """One fill of one of the account's orders."""

    order_id: str
    trade_id: str
    ticker: str
    outcome_side: str | None = None
    book_side: str | None = None
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    is_taker: bool
    created_time: str | None = None


class FillsBody(Body):
    """GET /portfolio/fills; each is read by itself, as orders are."""

    fills: tuple[object, ...]
    cursor: str = ""


class AckBody(Body):
    """The answer to a create or an amend; an amend of the price alone answers with the order id alone."""

    order_id: str
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    ts_ms: int | None = None


class CancelBody(Body):
    """The answer to a cancel."""

    order_id: str
    reduced_by: str
    ts_ms: int | None = None


class PositionPart(Body):
    """One market's signed position."""

    ticker: str
    position_fp: str


class PositionsBody(Body):
    """GET /portfolio/positions."""

    market_positions: tuple[PositionPart, ...]
    cursor: str = ""


class BalanceBody(Body):
    """GET /portfolio/balance: whole cents, truncated, and the same in dollars."""

    balance: int
    balance_dollars: str | None = None


class EventPart(Body):
    """What is read of an event."""

    series_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class EventBody(Body):
    """GET /events/{event_ticker}."""

    event: EventPart


class SeriesPart(Body):
    """What is read of a series."""

    fee_type: str
    fee_multiplier: Decimal = Decimal(1)


class SeriesBody(Body):
    """GET /series/{series_ticker}."""

    series: SeriesPart


class ErrorPart(Body):
    """Why one item of a batch was refused."""

    code: str = ""
    message: str = ""
    details: str | None = None


class BatchCancelPart(Body):
    """One item of a batched cancel's answer."""

    order_id: str
    reduced_by: str | None = None
    ts_ms: int | None = None
    error: ErrorPart | None = None


class BatchCancelBody(Body):
    """DELETE /portfolio/events/orders/batched."""

    orders: tuple[BatchCancelPart, ...]


class DecreaseBody(Body):
    """The answer to a decrease."""

    order_id: str
    remaining_count: str
    ts_ms: int | None = None


class QueuePositionBody(Body):
    """GET /portfolio/orders/{order_id}/queue_position."""

    queue_position_fp: str


class QueuePositionPart(Body):
    """One order's place in its queue."""

    order_id: str
    market_ticker: str
    queue_position_fp: str


class QueuePositionsBody(Body):
    """GET /portfolio/orders/queue_positions."""

    queue_positions: tuple[QueuePositionPart, ...] | None = None


class NewGroupBody(Body):
    """The answer to a new order group."""

    order_group_id: str


class GroupPart(Body):
    """One order group in the list."""

    id: str
    contracts_limit_fp: str | None = None
    exchange_index: int | None = None


class GroupsBody(Body):
    """GET /portfolio/order_groups; without groups it is empty."""

    order_groups: tuple[GroupPart, ...] | None = None


class GroupBody(Body):
    """GET /portfolio/order_groups/{order_group_id}."""

    contracts_limit_fp: str | None = None
    orders: tuple[str, ...] | None = None
    exchange_index: int | None = None


class DoneBody(Body):
    """An answer that says nothing but its status."""
