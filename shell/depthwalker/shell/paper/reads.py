"""The reads of the contract: filters, pages and the lag of private records (fact sheet, sections 3 to 6)."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from depthwalker.core.pit import book
from depthwalker.core.units import SECOND, Micros, Money
from depthwalker.shell.paper import bodies
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.reply import Reply, answer, invalid_query, not_found

T = TypeVar("T")
_STATUS_FILTERS: Final = {"open": "active", "paused": "inactive", "closed": "closed", "unopened": "initialized"}
_DEEPEST: Final = 100
_MOST, _USUAL = 1000, 100


def order(exchange: Exchange, account: str, order_id: str, lag: Micros) -> Reply:
    """Return an order as it stood `lag` ago; raises Refusal."""
    now = exchange.advance()
    kept = exchange.ledgers[account].order(order_id, Micros(now - lag))
    if kept is None:
        raise not_found()
    return answer({"order": bodies.order(kept, account)})


def orders(exchange: Exchange, account: str, query: Mapping[str, str]) -> Reply:
    """Return orders, newest first; an unknown status finds none."""
    exchange.advance()
    since, until = _instants(query)
    events = query.get("event_ticker", "").split(",") if query.get("event_ticker") else []
    found = [
        kept
        for kept in exchange.ledgers[account].orders()
        if query.get("ticker", kept.ticker) in {kept.ticker, ""}
        and query.get("status", kept.status.value) in {kept.status.value, ""}
        and since <= kept.created <= until
        and (not events or exchange.floors[kept.ticker].listing.event_ticker in events)
    ]
    rows, cursor = _page(found, query, "GetOrders", lambda kept: kept.serial)
    return answer({"orders": [bodies.order(kept, account) for kept in rows], "cursor": cursor})


def fills(exchange: Exchange, account: str, query: Mapping[str, str]) -> Reply:
    """Return fills, newest first."""
    exchange.advance()
    since, until = _instants(query)
    numbered = enumerate(exchange.ledgers[account].fills, 1)
    found = [
        (number, fill)
        for number, fill in numbered
        if query.get("ticker", fill.ticker) in {fill.ticker, ""}
        and query.get("order_id", fill.order_id) in {fill.order_id, ""}
        and since <= fill.at <= until
    ]
    rows, cursor = _page(found[::-1], query, "GetFills", lambda row: row[0])
    return answer({"cursor": cursor, "fills": [bodies.fill(fill) for _, fill in rows]})


def positions(exchange: Exchange, account: str, query: Mapping[str, str], lag: Micros) -> Reply:
    """Return what is or was held, as it stood `lag` ago."""
    now = exchange.advance()
    listings = {ticker: floor.listing for ticker, floor in exchange.floors.items()}
    wanted = {name: query.get(name, "") for name in ("ticker", "event_ticker")}
    held = [
        one
        for one in exchange.ledgers[account].holdings(Micros(now - lag))
        if wanted["ticker"] in {"", one.ticker}
        and wanted["event_ticker"] in {"", listings[one.ticker].event_ticker}
        and ("position" not in query.get("count_filter", "") or one.position)
    ]
    events = dict.fromkeys(listings[one.ticker].event_ticker for one in held)
    summed = [
        bodies.event_holding(event, [one for one in held if listings[one.ticker].event_ticker == event])
        for event in events
    ]
    rows = [bodies.holding(one, listings[one.ticker].shard) for one in held]
    return answer({"cursor": "", "market_positions": rows, "event_positions": summed})


def balance(exchange: Exchange, account: str) -> Reply:
    """Return the cash, and what the positions would fetch at the best bids."""
    now = exchange.advance()
    ledger = exchange.ledgers[account]
    worth = 0
    for held in ledger.holdings():
        shown = book(exchange.floors[held.ticker].pit, now)
        bids = shown.yes if held.position > 0 else shown.no
        worth += abs(held.position) * bids[0][0] if bids else 0
    return answer(bodies.balance(ledger, Money(worth), now))


def market(exchange: Exchange, ticker: str) -> Reply:
    """Return a market; raises Refusal."""
    now = exchange.advance()
    floor = exchange.floor(ticker)
    return answer({"market": bodies.market(floor, book(floor.pit, now), now)})


def markets(exchange: Exchange, query: Mapping[str, str]) -> Reply:
    """Return the markets that fit the filters."""
    now = exchange.advance()
    tickers = query.get("tickers", "").split(",") if query.get("tickers") else []
    status = _STATUS_FILTERS.get(query.get("status", ""), query.get("status", ""))
    found = [
        (number, floor)
        for number, floor in enumerate(exchange.floors.values())
        if (not tickers or floor.listing.ticker in tickers)
        and query.get("event_ticker", "") in {"", floor.listing.event_ticker}
        and query.get("series_ticker", "") in {"", floor.listing.series_ticker}
        and status in {"", floor.status(now).value}
    ]
    rows, cursor = _page(found[::-1], query, "GetMarkets", lambda row: row[0])
    return answer({"markets": [bodies.market(floor, book(floor.pit, now), now) for _, floor in rows], "cursor": cursor})


def orderbook(exchange: Exchange, ticker: str, query: Mapping[str, str]) -> Reply:
    """Return a market's book; raises Refusal."""
    now = exchange.advance()
    floor = exchange.floor(ticker)
    depth = _number(query, "depth", "GetMarketOrderbook", _DEEPEST)
    return answer(bodies.orderbook(book(floor.pit, now), depth))


def trades(exchange: Exchange, query: Mapping[str, str]) -> Reply:
    """Return public trades, newest first."""
    exchange.advance()
    since, until = _instants(query)
    found = sorted(
        (
            (print_.at, number, ticker, print_)
            for ticker, floor in exchange.floors.items()
            for number, print_ in enumerate(floor.trades)
            if query.get("ticker", "") in {"", ticker} and since <= print_.at <= until
        ),
        key=lambda row: row[:2],
        reverse=True,
    )
    numbered = [(len(found) - index, ticker, print_) for index, (_, _, ticker, print_) in enumerate(found)]
    rows, cursor = _page(numbered, query, "GetTrades", lambda row: row[0])
    return answer({"cursor": cursor, "trades": [bodies.trade(ticker, print_) for _, ticker, print_ in rows]})


def event(exchange: Exchange, ticker: str) -> Reply:
    """Return an event with its markets; raises Refusal."""
    now = exchange.advance()
    floors = [floor for floor in exchange.floors.values() if floor.listing.event_ticker == ticker]
    if not floors:
        raise not_found()
    listed = [bodies.market(floor, book(floor.pit, now), now) for floor in floors]
    return answer({"event": bodies.event(floors[0].listing), "markets": listed})


def series(exchange: Exchange, ticker: str) -> Reply:
    """Return a series with its fees; raises Refusal."""
    found = next((f.listing for f in exchange.floors.values() if f.listing.series_ticker == ticker), None)
    if found is None:
        raise not_found()
    return answer({"series": bodies.series(found)})


def _instants(query: Mapping[str, str]) -> tuple[int, int]:
    since, until = query.get("min_ts", ""), query.get("max_ts", "")
    first = int(since) * SECOND if since.isdigit() else 0
    return first, (int(until) * SECOND if until.isdigit() else 1 << 62)


def _number(query: Mapping[str, str], name: str, model: str, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not text.isdigit() or int(text) > most:
        raise invalid_query(model, name.capitalize(), "lte" if text.isdigit() else "gte")
    return int(text)


def _page(
    rows: Sequence[T], query: Mapping[str, str], model: str, serial: Callable[[T], int]
) -> tuple[Sequence[T], str]:
    """Return one page of rows that descend by serial; a cursor that is garbage begins anew, silently."""
    limit = _number(query, "limit", model, _MOST) or _USUAL
    before = _serial_of(query.get("cursor", ""))
    left = [row for row in rows if before is None or serial(row) < before]
    more = len(left) > limit
    return left[:limit], (_cursor_of(serial(left[limit - 1])) if more else "")


def _cursor_of(serial: int) -> str:
    return base64.urlsafe_b64encode(str(serial).encode()).decode()


def _serial_of(cursor: str) -> int | None:
    try:
        return int(base64.urlsafe_b64decode(cursor)) if cursor else None
    except (binascii.Error, ValueError):
        return None
