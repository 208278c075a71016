"""The websocket's texts: frames read into core values, commands written (fact sheet, section 7).

Numbers travel as text and are read as whole numbers, never as floats. Frames may gain keys and kinds at any time: unknown
keys are ignored, an unknown kind only counts, and what cannot be read is Illegible, never an error.
"""

from functools import lru_cache
from typing import Final, TypeVar, assert_never

import msgspec

from depthwalker.core.answer import OrderRecord
from depthwalker.core.book import Delta, Leg, Level, Snapshot
from depthwalker.core.channel import (
    Acknowledged,
    Asking,
    BookDelta,
    BookSnapshot,
    Failed,
    FeeUpdate,
    FillFrame,
    Frame,
    GroupEvent,
    GroupUpdate,
    Illegible,
    Lifecycle,
    Occasion,
    Other,
    Subscribe,
    Subscribed,
    Trade,
    Unsubscribe,
    Unsubscribed,
    Update,
    UserOrder,
)
from depthwalker.core.grid import Band, PriceGrid, parse_grid
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price
from depthwalker.shell.frame_bodies import (
    AnyBody,
    DeltaBody,
    FailedBody,
    FeeUpdateBody,
    FillBody,
    GroupUpdateBody,
    LifecycleBody,
    LifePart,
    ListPart,
    OkBody,
    OtherBody,
    RangePart,
    RareBody,
    RecordPart,
    Rows,
    SidBody,
    SnapshotBody,
    SubscribedBody,
    TradeBody,
    UnsubscribedBody,
    UserOrderBody,
)
from depthwalker.shell.reading import (
    Refused,
    acquired_price,
    count_of,
    dollars_of,
    must,
    one_of,
    price_of,
    signed_count_of,
    stamp_of,
    time_of,
    word_of,
)
from depthwalker.shell.records import UNDATED, fill_of, order_of, print_of

B = TypeVar("B")

REMEMBERED: Final = 65_536  # texts of counts: the same few come again and again
TYPES: Final = frozenset(body.__struct_config__.tag for body in AnyBody.__args__)
OCCASIONS: Final = frozenset(occasion.value for occasion in Occasion)
LEGS: Final = {"yes": Leg.YES, "no": Leg.NO}

_DECODER: Final = msgspec.json.Decoder(AnyBody)
_OTHERS: Final = msgspec.json.Decoder(OtherBody)
_SIDS: Final = msgspec.json.Decoder(SidBody)


def read_frame(text: bytes | str, at: Micros, *, yes_scale: bool = True) -> Frame:
    """Return what a text frame says; Illegible, with the subscription where it can be made out, if it cannot be read.

    `yes_scale` is what the subscription asked for: whether NO bids come at the price of the YES leg, 1 - p.
    """
    try:
        body = _DECODER.decode(text)
        if isinstance(body, DeltaBody):  # nearly all are
            msg = body.msg
            price = _bid(msg.price_dollars, msg.side, yes_scale)
            change = Delta(LEGS[msg.side], price, _change(msg.delta_fp), at)
            return BookDelta(body.sid, body.seq, msg.market_ticker, change)
        return _frame(body, at, yes_scale)
    except (msgspec.DecodeError, UnicodeError, RecursionError, Refused) as error:
        reason = str(error)
    try:
        other = _OTHERS.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Illegible(_sid(text), reason)
    return Illegible(other.sid, reason) if other.type in TYPES else Other(other.sid, other.seq)


def write_command(command: Asking) -> str:
    """Return a command as the exchange takes it; the scale of NO bids is always said (fact sheet, section 7.4)."""
    match command:
        case Subscribe(number, channel, tickers, use_yes_price):
            markets = {"market_tickers": tickers} if tickers else {}
            params: dict[str, object] = {"channels": [channel.value], **markets, "use_yes_price": use_yes_price}
            return _command(number, "subscribe", params)
        case Update(number, sid, change, tickers):
            return _command(
                number, "update_subscription", {"sids": [sid], "action": change.value, "market_tickers": tickers}
            )
        case Unsubscribe(number, sid):
            return _command(number, "unsubscribe", {"sids": [sid]})
        case _ as never:
            assert_never(never)


def _command(number: int, name: str, params: dict[str, object]) -> str:
    return msgspec.json.encode({"id": number, "cmd": name, "params": params}).decode()


def _sid(text: bytes | str) -> int | None:
    try:
        return _SIDS.decode(text).sid
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _frame(body: RareBody, at: Micros, yes_scale: bool) -> Frame:
    match body:
        case SnapshotBody(sid, seq, msg):
            yes, no = _levels(msg.yes_dollars_fp, "yes", yes_scale), _levels(msg.no_dollars_fp, "no", yes_scale)
            return BookSnapshot(sid, seq, msg.market_ticker, Snapshot(yes, no, at))
        case TradeBody(sid, msg, seq):
            # A block trade never met the book.
            return (
                Other(sid, seq)
                if msg.is_block_trade
                else Trade(sid, seq, msg.market_ticker, print_of(msg, _time(msg.ts_ms, msg.ts)))
            )
        case FillBody(sid, msg, seq):
            return FillFrame(sid, seq, fill_of(msg, msg.market_ticker, _time(msg.ts_ms, msg.ts)), msg.client_order_id)
        case UserOrderBody(sid, msg, seq):
            return UserOrder(sid, seq, _record(msg))
        case LifecycleBody(sid, msg, seq):
            return _lifecycle(sid, msg, seq)
        case FeeUpdateBody(sid, msg, seq):
            return FeeUpdate(sid, seq, msg.event_ticker)
        case GroupUpdateBody(sid, msg, seq):
            limit = None if msg.contracts_limit_fp is None else count_of(msg.contracts_limit_fp)
            return GroupUpdate(sid, seq, msg.order_group_id, one_of(GroupEvent, msg.event_type), limit)
        case SubscribedBody(number, msg):
            return Subscribed(number, msg.sid)
        case OkBody(number, sid, seq, msg):
            return Acknowledged(number, sid, seq, msg.market_tickers if isinstance(msg, ListPart) else None)
        case UnsubscribedBody(sid):
            return Unsubscribed(sid)
        case FailedBody(msg, number, sid, seq):
            return Failed(msg.code, word_of(msg.msg), number, sid, seq, msg.market_ticker)
        case _ as never:
            assert_never(never)


@lru_cache(maxsize=4 * DOLLAR)
def _bid(text: str, side: str, yes_scale: bool) -> Price:
    """Return the price of a bid in its own leg."""
    if side not in LEGS:
        raise Refused(f"side {side!r} is neither yes nor no")
    return acquired_price(LEGS[side], text) if yes_scale else price_of(text)


@lru_cache(maxsize=REMEMBERED)
def _change(text: str) -> Count:
    return signed_count_of(text)


@lru_cache(maxsize=REMEMBERED)
def _count(text: str) -> Count:
    return count_of(text)


def _levels(rows: Rows | None, side: str, yes_scale: bool) -> tuple[Level, ...]:
    levels = tuple([(_bid(price, side, yes_scale), _count(count)) for price, count in rows or ()])
    if len(dict(levels)) < len(levels):
        raise Refused("a price stands there twice")
    return levels


def _record(order: RecordPart) -> OrderRecord:
    created = order.created_time
    return order_of(order, stamp_of(order.created_ts_ms, UNDATED if created is None else time_of(created)))


def _lifecycle(sid: int, event: LifePart, seq: int | None) -> Lifecycle | Other:
    """Return what befell a market; the channel is of all markets, so what is new on it must not unsettle those of ours."""
    if event.event_type not in OCCASIONS:
        return Other(sid, seq)
    close_time = None if event.close_ts is None else Micros(event.close_ts * SECOND)
    grid = None if event.price_ranges is None else _grid(event.price_ranges)
    return Lifecycle(sid, seq, event.market_ticker, Occasion(event.event_type), close_time, grid)


def _time(milliseconds: int | None, seconds: int | None) -> Micros:
    if milliseconds is None and seconds is None:
        raise Refused("it names no time")
    return stamp_of(milliseconds, Micros((seconds or 0) * SECOND))


def _grid(ranges: tuple[RangePart, ...]) -> PriceGrid | None:
    try:
        return must(parse_grid(tuple(Band(dollars_of(r.start), dollars_of(r.end), dollars_of(r.step)) for r in ranges)))
    except Refused:
        return None
