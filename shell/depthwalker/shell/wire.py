"""The exchange's V2 bodies, turned into core values here and nowhere else.

Shapes: fact sheet, sections 2 to 5 and 8. Numbers travel as text and are read as whole numbers, never as floats. A body may
gain keys at any time, so unknown ones are ignored; a key that is needed and missing, or of another type, makes the body
`Unreadable`. Direction is read from outcome_side or book_side (bid = YES, ask = NO), never from the legacy side and action.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final, Generic, TypeVar

import msgspec

from depthwalker.core.answer import (
    Ack,
    CancelAck,
    FillRecord,
    Market,
    MarketStatus,
    OrderRecord,
    TradePrint,
)
from depthwalker.core.book import Book, Ladder, best_first
from depthwalker.core.grid import Band, PriceGrid, parse_grid
from depthwalker.core.ids import parse_client_id
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import CENT_MONEY, Count, Micros, Money
from depthwalker.shell.bodies import (
    AckBody,
    BalanceBody,
    CancelBody,
    FillPart,
    FillsBody,
    MarketBody,
    MarketPart,
    MarketsBody,
    OrderBody,
    OrderPart,
    OrdersBody,
    PositionsBody,
    Range,
    TradePart,
    TradesBody,
)
from depthwalker.shell.reading import (
    Refused,
    Unreadable,
    count_of,
    dollars_of,
    each,
    money_of,
    must,
    one_of,
    price_of,
    reading,
    signed_count_of,
    stamp_of,
    time_of,
    word_of,
)
from depthwalker.shell.records import UNDATED, fill_of, order_of, print_of

T = TypeVar("T")

# The market names no exchange_index, or has not been read: the exchange finds its shard. What names an order says so; left out it
# would mean shard 0 to some of the documents, and an order elsewhere would rest on.
AUTO_SHARD: Final = -1


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """One page of a list and the cursor of the next, empty at the end."""

    items: tuple[T, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class ErrorWords:
    """A refusal in the exchange's own words; both empty where the body is a gateway's page or nothing at all."""

    code: str
    detail: str


class Sides(msgspec.Struct, frozen=True):
    """The bids of both legs as the exchange writes them."""

    yes_dollars: Sequence[tuple[str, str]] | None = None
    no_dollars: Sequence[tuple[str, str]] | None = None


class _BookBody(msgspec.Struct, frozen=True):
    orderbook_fp: Sides | None = None
    orderbook: dict[str, msgspec.Raw] | None = None


def read_market(body: bytes, ticker: str) -> Outcome[Market, Unreadable]:
    """Return the market of GET /markets/{ticker}; `shard` is AUTO_SHARD where none is named, another market is Unreadable.

    Orders go where the answer says, and answers come by way of a cache (fact sheet, section 1).
    """

    def convert(found: MarketBody) -> Market:
        if found.market.ticker != ticker:
            raise Refused("it describes another market")
        return _market(found.market)

    return reading("market", MarketBody, body, convert)


def read_markets(body: bytes) -> Outcome[Listing[Market], Unreadable]:
    """Return a page of GET /markets."""
    return reading(
        "markets", MarketsBody, body, lambda found: Listing(tuple(map(_market, found.markets)), found.cursor)
    )


def read_book(body: bytes, at: Micros) -> Outcome[Book, Unreadable]:
    """Return the book of GET /markets/{ticker}/orderbook, dated `at`: the body carries no time of its own."""
    try:
        found = msgspec.json.decode(body, type=_BookBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Failure(Unreadable("order book", "not the documented JSON"))
    if found.orderbook_fp is None and found.orderbook != {}:
        return Failure(Unreadable("order book", "orderbook_fp is missing"))
    try:
        return Success(book_of(found.orderbook_fp or Sides(), at))
    except Refused as refused:
        return Failure(Unreadable("order book", str(refused)))


def book_of(sides: Sides, at: Micros) -> Book:
    """Return the book of both legs' bids; raises Refused."""
    return Book(_bids(sides.yes_dollars or ()), _bids(sides.no_dollars or ()), at)


def read_trades(body: bytes) -> Outcome[Listing[TradePrint], Unreadable]:
    """Return a page of GET /markets/trades, newest first, without block trades: those never met the book."""

    def convert(found: TradesBody) -> Listing[TradePrint]:
        return Listing(tuple(_print(trade) for trade in found.trades if not trade.is_block_trade), found.cursor)

    return reading("trades", TradesBody, body, convert)


def read_order(body: bytes) -> Outcome[OrderRecord, Unreadable]:
    """Return the record of GET /portfolio/orders/{id}."""
    return reading("order", OrderBody, body, lambda found: _record(found.order))


def read_orders(body: bytes, ours: Container[str] = ()) -> Outcome[Listing[OrderRecord], Unreadable]:
    """Return a page of GET /portfolio/orders, newest first, without what cannot be read and is not ours by either id.

    `ours` has our orders' ids: whoever amends an order may give it a client id of his own.
    """

    def is_others(order: dict[object, object]) -> bool:
        order_id = order.get("order_id")
        return _is_others_order(order) and not (isinstance(order_id, str) and order_id in ours)

    def convert(found: OrdersBody) -> Listing[OrderRecord]:
        return Listing(each(found.orders, OrderPart, _record, is_others), found.cursor)

    return reading("orders", OrdersBody, body, convert)


def read_fills(body: bytes, now: Micros, ours: Container[str]) -> Outcome[Listing[FillRecord], Unreadable]:
    """Return a page of GET /portfolio/fills, newest first, without what cannot be read and is of none of our orders.

    `now` dates a fill without a time, `ours` has our orders' ids.
    """

    def is_others(fill: dict[object, object]) -> bool:
        order_id = fill.get("order_id")
        return isinstance(order_id, str) and order_id not in ours

    def convert(found: FillsBody) -> Listing[FillRecord]:
        return Listing(each(found.fills, FillPart, partial(_fill, now=now), is_others), found.cursor)

    return reading("fills", FillsBody, body, convert)


def read_ack(body: bytes, now: Micros, *, order_id: str = "", client_order_id: str = "") -> Outcome[Ack, Unreadable]:
    """Return the answer to a create or an amend; one that names another order than the given is Unreadable.

    Such answers are on record (fact sheet, section 5.6). `now` dates an answer without a time.
    """

    def convert(found: AckBody) -> Ack:
        named = found.client_order_id or client_order_id
        if order_id not in {"", found.order_id} or client_order_id not in {"", named}:
            raise Refused("it describes another order")
        return Ack(
            order_id=found.order_id,
            filled=None if found.fill_count is None else count_of(found.fill_count),
            remaining=None if found.remaining_count is None else count_of(found.remaining_count),
            at=stamp_of(found.ts_ms, now),
        )

    return reading("order answer", AckBody, body, convert)


def read_cancel_ack(body: bytes, now: Micros, order_id: str) -> Outcome[CancelAck, Unreadable]:
    """Return the answer to a cancel; one that names another order than `order_id` is Unreadable."""
    return reading("cancel answer", CancelBody, body, lambda found: cancel_ack_of(found, now, order_id))


def cancel_ack_of(found: CancelBody, now: Micros, order_id: str) -> CancelAck:
    """Return the answer to a cancel, alone or in a batch; raises Refused where it names another order."""
    if found.order_id != order_id:
        raise Refused("it describes another order")
    return CancelAck(found.order_id, count_of(found.reduced_by), stamp_of(found.ts_ms, now))


def read_positions(body: bytes) -> Outcome[Listing[tuple[str, Count]], Unreadable]:
    """Return a page of GET /portfolio/positions: tickers with their signed counts, positive for YES."""

    def convert(found: PositionsBody) -> Listing[tuple[str, Count]]:
        return Listing(
            tuple((at.ticker, signed_count_of(at.position_fp)) for at in found.market_positions), found.cursor
        )

    return reading("positions", PositionsBody, body, convert)


def read_balance(body: bytes) -> Outcome[Money, Unreadable]:
    """Return the balance of GET /portfolio/balance, from whole cents where the dollars are left out."""

    def convert(found: BalanceBody) -> Money:
        dollars = found.balance_dollars
        return Money(found.balance * CENT_MONEY) if dollars is None else money_of(dollars)

    return reading("balance", BalanceBody, body, convert)


def read_error(body: bytes) -> ErrorWords:
    """Return the words of any of the four error shapes (fact sheet, section 5.11), and empty ones of anything else."""
    try:
        found: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorWords("", "")
    return words_of(found.get("error", found) if isinstance(found, dict) else None)


def words_of(inner: object) -> ErrorWords:
    """Return the words of an error that is a text or an object, and empty ones of anything else."""
    if isinstance(inner, str):
        return ErrorWords(word_of(inner), "")
    if not isinstance(inner, dict):
        return ErrorWords("", "")
    detail = next((word for key in ("details", "message", "msg") if (word := word_of(inner.get(key)))), "")
    code, _, _ = word_of(inner.get("code")).partition(":")  # "user_not_found:_" and the user's id was recorded
    return ErrorWords(code, detail)


def _market(market: MarketPart) -> Market:
    return Market(
        ticker=market.ticker,
        event_ticker=market.event_ticker,
        status=one_of(MarketStatus, market.status),
        grid=_grid(market.price_ranges),
        close_time=time_of(market.close_time),
        shard=AUTO_SHARD if market.exchange_index is None else market.exchange_index,
    )


def _record(order: OrderPart) -> OrderRecord:
    return order_of(order, UNDATED if order.created_time is None else time_of(order.created_time))


def _is_others_order(order: dict[object, object]) -> bool:
    """Return whether an order says that it is not ours; one that does not say whose it is may be."""
    match order:
        case {"client_order_id": None}:
            return True
        case {"client_order_id": str(named)}:
            return parse_client_id(named) is None
        case _:
            return False


def _fill(fill: FillPart, now: Micros) -> FillRecord:
    return fill_of(fill, fill.ticker, now if fill.created_time is None else time_of(fill.created_time))


def _print(trade: TradePart) -> TradePrint:
    return print_of(trade, time_of(trade.created_time))


def _bids(levels: Sequence[tuple[str, str]]) -> Ladder:
    found = best_first([(price_of(price), count_of(count)) for price, count in levels])
    if any(above[0] == below[0] for above, below in pairwise(found)):
        raise Refused("a price stands there twice")
    return found


def _grid(ranges: tuple[Range, ...]) -> PriceGrid:
    bands = tuple(Band(dollars_of(r.start), dollars_of(r.end), dollars_of(r.step)) for r in ranges)
    return must(parse_grid(bands))
