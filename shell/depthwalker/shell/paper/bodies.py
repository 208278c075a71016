"""An account's objects as the exchange writes them: prices with 4 decimals, counts with 2, money with 6, all strings."""

from typing import Final

from depthwalker.core.answer import FillRecord
from depthwalker.core.book import Leg
from depthwalker.core.pit import NEVER
from depthwalker.core.units import (
    CENT,
    CENT_MONEY,
    DOLLAR,
    SECOND,
    Count,
    Micros,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
    round_div,
    value,
)
from depthwalker.shell.paper.ledger import Holding, Kept, Ledger, Settlement
from depthwalker.shell.paper.reply import time_text

SIDES: Final = {Leg.YES: "bid", Leg.NO: "ask"}
_ACTIONS: Final = {Leg.YES: "buy", Leg.NO: "sell"}


def created(order: Kept, fills: list[FillRecord], at: Micros) -> dict[str, object]:
    """Return the answer to a create: what it filled, what remains, and the averages where it filled."""
    body: dict[str, object] = {"order_id": order.order_id}
    body |= {"client_order_id": order.client_order_id} if order.client_order_id else {}
    body |= {"fill_count": format_count(order.filled), "remaining_count": format_count(order.remaining)}
    return body | _averages(fills) | {"ts_ms": at // 1000}


def amended(before: Kept, order: Kept, fills: list[FillRecord], at: Micros) -> dict[str, object]:
    """Return the sparse answer to an amend: counts only where it filled or changed the size, filled by this amend."""
    body: dict[str, object] = {"order_id": order.order_id}
    body |= {"client_order_id": order.client_order_id} if order.client_order_id else {}
    if fills or order.remaining != before.remaining:
        filled = Count(sum(fill.count for fill in fills))
        body |= {"fill_count": format_count(filled), "remaining_count": format_count(order.remaining)}
    return body | _averages(fills) | {"ts_ms": at // 1000}


def order(kept: Kept, user: str) -> dict[str, object]:
    """Return an order; side and action are the leftovers of the older interface."""
    optional: dict[str, object] = {} if kept.expires == NEVER else {"expiration_time": time_text(kept.expires)}
    optional |= {"order_group_id": kept.group} if kept.group else {}
    optional |= {"cancel_order_on_pause": True} if kept.cancel_on_pause else {}
    return {
        "order_id": kept.order_id,
        "user_id": user,
        "client_order_id": kept.client_order_id,
        "ticker": kept.ticker,
        "side": "yes",
        "action": _ACTIONS[kept.leg],
        "outcome_side": kept.leg.value,
        "book_side": SIDES[kept.leg],
        "type": "limit",
        "status": kept.status.value,
        **prices(kept.leg, kept.price),
        "initial_count_fp": format_count(kept.initial),
        "fill_count_fp": format_count(kept.filled),
        "remaining_count_fp": format_count(kept.remaining),
        "taker_fill_cost_dollars": format_money(kept.taker_cost),
        "maker_fill_cost_dollars": format_money(kept.maker_cost),
        "taker_fees_dollars": format_money(kept.taker_fees),
        "maker_fees_dollars": format_money(kept.maker_fees),
        "self_trade_prevention_type": kept.self_trade.value,
        "created_time": time_text(kept.created),
        "last_update_time": time_text(kept.updated),
        "subaccount_number": 0,
        "exchange_index": kept.shard,
        **optional,
    }


def fill(record: FillRecord, shard: int) -> dict[str, object]:
    """Return a fill; its legacy side is the outcome acquired and its action carries no sign."""
    return {
        "fill_id": record.trade_id,
        "trade_id": record.trade_id,
        "order_id": record.order_id,
        "ticker": record.ticker,
        "market_ticker": record.ticker,
        "side": record.leg.value,
        "action": "buy",
        "outcome_side": record.leg.value,
        "book_side": SIDES[record.leg],
        "count_fp": format_count(record.count),
        **prices(record.leg, record.price),
        "is_taker": record.taker,
        "fee_cost": format_money(record.fee),
        "created_time": time_text(record.at),
        "ts": record.at // SECOND,
        "subaccount_number": 0,
        "exchange_index": shard,
    }


def holding(held: Holding, shard: int) -> dict[str, object]:
    """Return a market's position; positive is YES."""
    return {
        "ticker": held.ticker,
        "exchange_index": shard,
        "position_fp": format_count(held.position),
        "total_traded_dollars": format_money(held.traded),
        "market_exposure_dollars": format_money(held.exposure),
        "realized_pnl_dollars": format_money(held.realized),
        "fees_paid_dollars": format_money(held.fees),
        "last_updated_ts": time_text(held.updated),
    }


def event_holding(event_ticker: str, held: list[Holding]) -> dict[str, object]:
    """Return an event's positions summed up."""
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": format_money(Money(sum(one.traded for one in held))),
        "total_cost_shares_fp": format_count(Count(sum(abs(one.position) for one in held))),
        "event_exposure_dollars": format_money(Money(sum(one.exposure for one in held))),
        "realized_pnl_dollars": format_money(Money(sum(one.realized for one in held))),
        "fees_paid_dollars": format_money(Money(sum(one.fees for one in held))),
    }


def balance(ledger: Ledger, portfolio: Money, at: Micros) -> dict[str, object]:
    """Return the cash, its cents truncated; the whole of it stands on shard 0."""
    dollars = format_money(ledger.cash)[:-2]
    return {
        "balance": ledger.cash // CENT_MONEY,
        "balance_dollars": dollars,
        "portfolio_value": portfolio // CENT_MONEY,
        "updated_ts": at // SECOND,
        "balance_breakdown": [{"exchange_index": 0, "balance": dollars}],
    }


def subaccount(ledger: Ledger, at: Micros) -> dict[str, object]:
    """Return the cash of the primary subaccount."""
    dollars = format_money(ledger.cash)[:-2]
    return {"subaccount_number": 0, "exchange_index": 0, "balance": dollars, "updated_ts": at // SECOND}


def settlement(paid: Settlement) -> dict[str, object]:
    """Return what a market paid; revenue and value are whole cents."""
    yes, no = max(0, paid.position), max(0, -paid.position)
    return {
        "ticker": paid.ticker,
        "exchange_index": paid.shard,
        "event_ticker": paid.event_ticker,
        "market_result": paid.result,
        "yes_count_fp": format_count(Count(yes)),
        "yes_total_cost_dollars": format_money(Money(paid.cost if yes else 0)),
        "no_count_fp": format_count(Count(no)),
        "no_total_cost_dollars": format_money(Money(paid.cost if no else 0)),
        "revenue": paid.revenue // CENT_MONEY,
        "settled_time": time_text(paid.at),
        "fee_cost": format_money(Money(paid.fees + paid.residue)),
        "value": paid.value // CENT,
    }


def _averages(fills: list[FillRecord]) -> dict[str, object]:
    count = sum(one.count for one in fills)
    if not count:
        return {}
    paid = sum(value(one.leg.framed(one.price), one.count) for one in fills)
    fees = sum(one.fee for one in fills)
    return {
        "average_fill_price": format_price(Price(round_div(paid, count))),
        "average_fee_paid": format_price(Price(round_div(fees, count))),
    }


def prices(leg: Leg, price: Price) -> dict[str, str]:
    """Return a price of a leg on both legs' scales."""
    yes = leg.framed(price)
    return {"yes_price_dollars": format_price(yes), "no_price_dollars": format_price(Price(DOLLAR - yes))}
