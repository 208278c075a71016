"""What the websocket's channels say of each change, as the exchange writes it (fact sheet, section 7.4).

Where REST tells of the same thing, the message is cut from REST's own body, so that both agree by construction.
"""

from collections.abc import Iterable
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from depthwalker.core.book import Book, Ladder, Leg
from depthwalker.core.units import (
    CONTRACT,
    SECOND,
    Count,
    Micros,
    Price,
    format_count,
    format_money,
    format_price,
)
from depthwalker.shell.paper import bodies, market_bodies
from depthwalker.shell.paper.fee_schedule import FeeChange
from depthwalker.shell.paper.floor import Floor
from depthwalker.shell.paper.ledger import Holding, Kept
from depthwalker.shell.paper.notices import (
    EventFeesChanged,
    Filled,
    GroupChanged,
    GroupEvent,
    LevelChanged,
    LifeEvent,
    MarketChanged,
    Traded,
)
from depthwalker.shell.paper.reply import time_text

_MILLI: Final = 1_000
_LIMITED: Final = frozenset({GroupEvent.CREATED, GroupEvent.LIMIT_UPDATED})
_QUOTED: Final = (
    "yes_bid_dollars",
    "yes_ask_dollars",
    "yes_bid_size_fp",
    "yes_ask_size_fp",
    "volume_fp",
    "open_interest_fp",
)
_FILL: Final = (
    "trade_id",
    "order_id",
    "market_ticker",
    "exchange_index",
    "is_taker",
    "side",
    "action",
    "outcome_side",
    "book_side",
    "yes_price_dollars",
    "count_fp",
    "fee_cost",
    "ts",
)
_NOT_OF_ORDERS: Final = frozenset({"action", "type", "no_price_dollars", "cancel_order_on_pause"})


def identity(name: str) -> str:
    """Return the uuid by which the websocket knows a market or a user."""
    return str(uuid5(NAMESPACE_OID, name))


def snapshot(ticker: str, book: Book, *, yes_scale: bool) -> dict[str, object]:
    """Return a market's whole book; an empty side is left out."""
    sides = {
        "yes_dollars_fp": _rows(book.yes, Leg.YES, yes_scale=yes_scale),
        "no_dollars_fp": _rows(book.no, Leg.NO, yes_scale=yes_scale),
    }
    return _market(ticker) | {name: rows for name, rows in sides.items() if rows}


def delta(notice: LevelChanged, account: str, *, yes_scale: bool) -> dict[str, object]:
    """Return a change of a level; an account's own order is named to it alone."""
    changed = notice.delta
    msg = _market(notice.ticker) | {
        "price_dollars": format_price(_shown(changed.price, changed.leg, yes_scale=yes_scale)),
        "delta_fp": format_count(changed.change),
        "side": changed.leg.value,
    }
    if notice.client_order_id and notice.account == account:
        msg["client_order_id"] = notice.client_order_id
    return msg | {"ts": time_text(changed.at), "ts_ms": changed.at // _MILLI}


def quote(floor: Floor, book: Book) -> dict[str, object]:
    """Return a market's ticker without its time; a contract counts half a dollar, as in the exchange's example."""
    told = market_bodies.market(floor, book, book.at)
    last = format_count(floor.trades[-1].count) if floor.trades else "0.00"
    return (
        _market(floor.listing.ticker)
        | {"price_dollars": told["last_price_dollars"]}
        | {name: told[name] for name in _QUOTED}
        | {"last_trade_size_fp": last, "dollar_volume": floor.volume // (2 * CONTRACT), "dollar_open_interest": 0}
    )


def dated(quoted: dict[str, object], at: Micros) -> dict[str, object]:
    """Return a ticker with its time."""
    return quoted | {"ts": at // SECOND, "ts_ms": at // _MILLI, "time": time_text(at)}


def trade(notice: Traded) -> dict[str, object]:
    """Return a public trade."""
    record = notice.trade
    return {
        "trade_id": record.trade_id,
        "market_ticker": notice.ticker,
        **bodies.prices(Leg.YES, record.yes_price),
        "count_fp": format_count(record.count),
        "taker_side": record.taker.value,
        "taker_outcome_side": record.taker.value,
        "taker_book_side": bodies.SIDES[record.taker],
        "ts": record.at // SECOND,
        "ts_ms": record.at // _MILLI,
    }


def fill(notice: Filled, shard: int) -> dict[str, object]:
    """Return a fill, with the market's position after it."""
    told = bodies.fill(notice.fill, shard)
    named = {"client_order_id": notice.client_order_id} if notice.client_order_id else {}
    return (
        {name: told[name] for name in _FILL}
        | named
        | {
            "purchased_side": notice.fill.leg.value,
            "post_position_fp": format_count(notice.position),
            "ts_ms": notice.fill.at // _MILLI,
            "subaccount": 0,
        }
    )


def order(kept: Kept, user: str) -> dict[str, object]:
    """Return an order after a change, and what changed it; with no action beside it, the legacy side is the outcome's."""
    told = {name: value for name, value in bodies.order(kept, user).items() if name not in _NOT_OF_ORDERS}
    if "expiration_time" in told:
        told["expiration_ts_ms"] = kept.expires // _MILLI
    return told | {
        "side": kept.leg.value,
        "is_yes": kept.leg is Leg.YES,
        "created_ts_ms": kept.created // _MILLI,
        "last_updated_ts_ms": kept.updated // _MILLI,
        "last_update_reason": kept.reason,
    }


def position(held: Holding, user: str, traded: Iterable[Count]) -> dict[str, object]:
    """Return what is held in a market, given the counts of all its fills."""
    return {
        "user_id": user,
        "market_ticker": held.ticker,
        "position_fp": format_count(held.position),
        "position_cost_dollars": format_money(held.exposure),
        "realized_pnl_dollars": format_money(held.realized),
        "fees_paid_dollars": format_money(held.fees),
        "position_fee_cost_dollars": format_money(held.fees),
        "volume_fp": format_count(Count(sum(traded))),
        "subaccount": 0,
    }


def life(notice: MarketChanged, event_ticker: str) -> dict[str, object]:
    """Return what befell a market, each event with the keys that are its own."""
    msg: dict[str, object] = {"market_ticker": notice.ticker, "event_type": notice.event.value}
    closes = {"close_ts": notice.close_time // SECOND}
    match notice.event:
        case LifeEvent.CREATED:
            title = {"name": notice.ticker, "title": notice.ticker, "event_ticker": event_ticker}
            told = title | {"can_close_early": True, "expected_expiration_ts": notice.close_time // SECOND}
            msg |= {
                "open_ts": notice.open_time // SECOND,
                **closes,
                **market_bodies.grid(notice.grid),
                "additional_metadata": told,
            }
        case LifeEvent.ACTIVATED | LifeEvent.DEACTIVATED:
            msg |= {"is_deactivated": notice.event is LifeEvent.DEACTIVATED}
        case LifeEvent.CLOSE_DATE_UPDATED:
            msg |= closes
        case LifeEvent.DETERMINED:
            value = {} if notice.value is None else {"settlement_value": format_price(notice.value)}
            msg |= {"result": notice.result, "determination_ts": notice.at // SECOND, **value}
        case LifeEvent.SETTLED:
            msg |= {"settled_ts": notice.at // SECOND}
        case LifeEvent.REGRIDDED:
            msg |= market_bodies.grid(notice.grid)
    return msg | {"exchange_index": notice.shard}


def fees(notice: EventFeesChanged) -> dict[str, object]:
    """Return an event's own fees, null where its series' count again."""
    told = market_bodies.fee_change(FeeChange("", "", notice.event_ticker, notice.fees, notice.at))
    return {name: told[name] for name in ("event_ticker", "fee_type_override", "fee_multiplier_override")}


def group(notice: GroupChanged) -> dict[str, object]:
    """Return what befell an order group; its limit where that is new."""
    msg: dict[str, object] = {"event_type": notice.event.value, "order_group_id": notice.group_id}
    msg |= {"contracts_limit_fp": format_count(notice.limit)} if notice.event in _LIMITED else {}
    return msg | {"ts_ms": notice.at // _MILLI}


def _market(ticker: str) -> dict[str, object]:
    return {"market_ticker": ticker, "market_id": identity(ticker)}


def _rows(bids: Ladder, leg: Leg, *, yes_scale: bool) -> list[tuple[str, str]]:
    shown = sorted((_shown(price, leg, yes_scale=yes_scale), count) for price, count in bids)
    return [(format_price(price), format_count(count)) for price, count in shown]


def _shown(price: Price, leg: Leg, *, yes_scale: bool) -> Price:
    return leg.framed(price) if yes_scale else price
