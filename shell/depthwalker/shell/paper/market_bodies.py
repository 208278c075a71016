"""What everybody may see of a market, as the exchange writes it: books, trades, markets, events, series and fee changes."""

from typing import Final

import msgspec

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Ladder, Leg, complement
from depthwalker.core.grid import PriceGrid
from depthwalker.core.structure import name_of
from depthwalker.core.units import (
    DAY,
    DOLLAR,
    Count,
    Micros,
    Money,
    Price,
    format_count,
    format_money,
    format_price,
)
from depthwalker.shell.paper.bodies import SIDES, prices
from depthwalker.shell.paper.fee_schedule import FeeChange, Fees
from depthwalker.shell.paper.floor import Floor, Listing
from depthwalker.shell.paper.reply import time_text

NO_BOOK: Final[dict[str, object]] = {"orderbook_fp": {"yes_dollars": [], "no_dollars": []}}
_LIFETIME: Final = Micros(7 * DAY)


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
        **prices(Leg.YES, record.yes_price),
        "taker_outcome_side": record.taker.value,
        "taker_book_side": SIDES[record.taker],
        "taker_side": record.taker.value,
        "created_time": time_text(record.at),
        "is_block_trade": False,
    }


def market(floor: Floor, book: Book, now: Micros) -> dict[str, object]:
    """Return a market with its grid, its best prices and its volume."""
    listing = floor.listing
    last = format_price(floor.trades[-1].yes_price) if floor.trades else "0.0000"
    volume = format_count(floor.volume)
    return {
        "ticker": listing.ticker,
        "event_ticker": listing.event_ticker,
        "market_type": "binary",
        "title": listing.ticker,
        "yes_sub_title": listing.ticker,
        "no_sub_title": listing.ticker,
        **_times(floor),
        "status": floor.status(now).value,
        "strike_type": "custom",
        "custom_strike": {},
        "notional_value_dollars": "1.0000",
        **_quotes(book),
        "last_price_dollars": last,
        "previous_price_dollars": "0.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "volume_fp": volume,
        "volume_24h_fp": volume,
        "open_interest_fp": "0.00",
        "can_close_early": True,
        "early_close_condition": "This market closes early when the control endpoint says so.",
        **_result(floor),
        "rules_primary": "A paper market: it comes out as the control endpoint says.",
        "rules_secondary": "",
        **grid(floor.pit.rules.grid),
        "settlement_bounds_type": "default",
        "exchange_index": listing.shard,
    }


def event(listing: Listing, override: Fees | None) -> dict[str, object]:
    """Return the event of a market, with its own fees where they override the series'."""
    body: dict[str, object] = {
        "event_ticker": listing.event_ticker,
        "series_ticker": listing.series_ticker,
        "title": listing.event_ticker,
        "sub_title": "",
        "collateral_return_type": "",
        "mutually_exclusive": False,
        "available_on_brokers": False,
        "settlement_sources": [],
        "exchange_index": listing.shard,
    }
    return body if override is None else body | _override(override)


def series(listing: Listing, fees: Fees) -> dict[str, object]:
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
        "fee_type": fees.kind,
        "fee_multiplier": _number(fees.multiplier),
        "additional_prohibitions": [],
        "exchange_index": listing.shard,
    }


def fee_change(change: FeeChange) -> dict[str, object]:
    """Return a change of fees, past or to come: a series' or an event's."""
    told: dict[str, object] = {
        "id": change.change_id,
        "series_ticker": change.series_ticker,
        "scheduled_ts": time_text(change.at),
    }
    if change.event_ticker:
        return told | {"event_ticker": change.event_ticker} | _override(change.fees)
    fees = change.fees or Fees()
    return told | {"fee_type": fees.kind, "fee_multiplier": _number(fees.multiplier)}


def grid(found: PriceGrid) -> dict[str, object]:
    """Return a market's price grid, by name and by its bands."""
    bands = [
        {"start": format_price(band.start), "end": format_price(band.end), "step": format_price(band.step)}
        for band in found.bands
    ]
    return {"price_level_structure": name_of(found), "price_ranges": bands}


def _override(fees: Fees | None) -> dict[str, object]:
    if fees is None:
        return {"fee_type_override": None, "fee_multiplier_override": None}
    return {"fee_type_override": fees.kind, "fee_multiplier_override": _number(fees.multiplier)}


def _number(ppm: int) -> msgspec.Raw:
    text = format_money(Money(ppm)).rstrip("0").rstrip(".")
    return msgspec.Raw(text.encode())


def _rows(ladder: Ladder) -> list[tuple[str, str]]:
    return [(format_price(price), format_count(count)) for price, count in reversed(ladder)]


def _times(floor: Floor) -> dict[str, object]:
    expires = time_text(Micros(floor.close_time + _LIFETIME))
    return {
        "created_time": time_text(floor.listed),
        "updated_time": time_text(floor.updated),
        "open_time": time_text(floor.start),
        "close_time": time_text(floor.close_time),
        "expected_expiration_time": time_text(floor.close_time),
        "occurrence_datetime": time_text(floor.close_time),
        "expiration_time": expires,
        "latest_expiration_time": expires,
        "settlement_timer_seconds": 60,
    }


def _result(floor: Floor) -> dict[str, object]:
    verdict = floor.verdict
    if verdict is None:
        return {"result": "", "expiration_value": ""}
    told: dict[str, object] = {"result": verdict.result, "expiration_value": verdict.result}
    told |= {"settlement_value_dollars": format_price(verdict.value)}
    return told if floor.settled_at is None else told | {"settlement_ts": time_text(floor.settled_at)}


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
