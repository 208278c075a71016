"""The exchange's objects as it writes them: prices with 4 decimals, counts with 2, money with 6, all of them strings."""

from typing import Final

import msgspec

from depthwalker.core.answer import FillRecord, TradePrint
from depthwalker.core.book import Book, Ladder, Leg, complement
from depthwalker.core.grid import PriceGrid
from depthwalker.core.pit import NEVER
from depthwalker.core.structure import name_of
from depthwalker.core.units import (
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
from depthwalker.shell.paper.floor import Floor, Listing
from depthwalker.shell.paper.ledger import Holding, Kept, Ledger
from depthwalker.shell.paper.reply import time_text

_SIDES: Final = {Leg.YES: "bid", Leg.NO: "ask"}
_ACTIONS: Final = {Leg.YES: "buy", Leg.NO: "sell"}
_CENT_MONEY: Final = 10_000
_LIFETIME: Final = Micros(7 * 86_400 * SECOND)


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
    expiry = {} if kept.expires == NEVER else {"expiration_time": time_text(kept.expires)}
    return {
        "order_id": kept.order_id,
        "user_id": user,
        "client_order_id": kept.client_order_id,
        "ticker": kept.ticker,
        "side": "yes",
        "action": _ACTIONS[kept.leg],
        "outcome_side": kept.leg.value,
        "book_side": _SIDES[kept.leg],
        "type": "limit",
        "status": kept.status.value,
        **_prices(kept.leg, kept.price),
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
        **expiry,
    }


def fill(record: FillRecord) -> dict[str, object]:
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
        "book_side": _SIDES[record.leg],
        "count_fp": format_count(record.count),
        **_prices(record.leg, record.price),
        "is_taker": record.taker,
        "fee_cost": format_money(record.fee),
        "created_time": time_text(record.at),
        "ts": record.at // SECOND,
        "subaccount_number": 0,
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
        "balance": ledger.cash // _CENT_MONEY,
        "balance_dollars": dollars,
        "portfolio_value": portfolio // _CENT_MONEY,
        "updated_ts": at // SECOND,
        "balance_breakdown": [{"exchange_index": 0, "balance": dollars}],
    }


def orderbook(book: Book, depth: int) -> dict[str, object]:
    """Return both legs' bids, ascending, the best `depth` of each or all for 0."""
    yes, no = (_rows(ladder[:depth] if depth else ladder) for ladder in (book.yes, book.no))
    return {"orderbook_fp": {"yes_dollars": yes, "no_dollars": no}}


def trade(ticker: str, record: TradePrint) -> dict[str, object]:
    """Return a public trade."""
    return {
        "trade_id": record.trade_id,
        "ticker": ticker,
        "count_fp": format_count(record.count),
        **_prices(Leg.YES, record.yes_price),
        "taker_outcome_side": record.taker.value,
        "taker_book_side": _SIDES[record.taker],
        "taker_side": record.taker.value,
        "created_time": time_text(record.at),
        "is_block_trade": False,
    }


def market(floor: Floor, book: Book, now: Micros) -> dict[str, object]:
    """Return a market with its grid, its best prices and its volume."""
    listing = floor.listing
    last = format_price(floor.trades[-1].yes_price) if floor.trades else "0.0000"
    volume = format_count(Count(sum(print_.count for print_ in floor.trades)))
    return {
        "ticker": listing.ticker,
        "event_ticker": listing.event_ticker,
        "market_type": "binary",
        "yes_sub_title": listing.ticker,
        "no_sub_title": listing.ticker,
        **_times(floor),
        "status": floor.status(now).value,
        "notional_value_dollars": "1.0000",
        **_quotes(book),
        "last_price_dollars": last,
        "previous_price_dollars": "0.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "volume_fp": volume,
        "volume_24h_fp": volume,
        "open_interest_fp": "0.00",
        "result": "",
        "can_close_early": False,
        "expiration_value": "",
        "rules_primary": "A paper market: it settles nothing.",
        "rules_secondary": "",
        **_grid(floor.pit.rules.grid),
        "settlement_bounds_type": "default",
        "exchange_index": listing.shard,
    }


def event(listing: Listing) -> dict[str, object]:
    """Return the event of a market."""
    return {
        "event_ticker": listing.event_ticker,
        "series_ticker": listing.series_ticker,
        "title": listing.event_ticker,
        "sub_title": "",
        "collateral_return_type": "",
        "mutually_exclusive": False,
        "available_on_brokers": False,
        "settlement_sources": [],
    }


def series(listing: Listing) -> dict[str, object]:
    """Return the series of a market: where its fees are stated."""
    return {
        "ticker": listing.series_ticker,
        "frequency": "custom",
        "title": listing.series_ticker,
        "category": "Paper",
        "tags": [],
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": listing.fee_type,
        "fee_multiplier": msgspec.Raw(format_money(Money(listing.fee_multiplier)).rstrip("0").rstrip(".").encode()),
        "additional_prohibitions": [],
    }


def _averages(fills: list[FillRecord]) -> dict[str, object]:
    count = sum(one.count for one in fills)
    if not count:
        return {}
    paid = sum(value(_yes_price(one), one.count) for one in fills)
    fees = sum(one.fee for one in fills)
    return {
        "average_fill_price": format_price(Price(round_div(paid, count))),
        "average_fee_paid": format_price(Price(round_div(fees, count))),
    }


def _yes_price(record: FillRecord) -> Price:
    return record.price if record.leg is Leg.YES else Price(DOLLAR - record.price)


def _prices(leg: Leg, price: Price) -> dict[str, str]:
    yes = price if leg is Leg.YES else Price(DOLLAR - price)
    return {"yes_price_dollars": format_price(yes), "no_price_dollars": format_price(Price(DOLLAR - yes))}


def _rows(ladder: Ladder) -> list[tuple[str, str]]:
    return [(format_price(price), format_count(count)) for price, count in reversed(ladder)]


def _times(floor: Floor) -> dict[str, object]:
    opened = dict.fromkeys(("created_time", "updated_time", "open_time"), time_text(floor.start))
    expires = time_text(Micros(floor.close_time + _LIFETIME))
    closes = {"close_time": time_text(floor.close_time), "latest_expiration_time": expires}
    return {**opened, **closes, "settlement_timer_seconds": 60}


def _grid(grid: PriceGrid) -> dict[str, object]:
    bands = [
        {"start": format_price(band.start), "end": format_price(band.end), "step": format_price(band.step)}
        for band in grid.bands
    ]
    return {"price_level_structure": name_of(grid), "price_ranges": bands}


def _quotes(book: Book) -> dict[str, str]:
    bid, bid_size = book.yes[0] if book.yes else (Price(0), Count(0))
    ask, ask_size = complement(book.no)[0] if book.no else (DOLLAR, Count(0))
    return {
        "yes_bid_dollars": format_price(bid),
        "yes_ask_dollars": format_price(ask),
        "no_bid_dollars": format_price(Price(DOLLAR - ask)),
        "no_ask_dollars": format_price(Price(DOLLAR - bid)),
        "yes_bid_size_fp": format_count(bid_size),
        "yes_ask_size_fp": format_count(ask_size),
    }
