"""The reads that everybody may make: markets, books, trades, events, series and what they charge (fact sheet, 3, 4, 8)."""

from collections.abc import Callable
from typing import Final

from depthwalker.core.answer import MarketStatus
from depthwalker.core.pit import book
from depthwalker.core.units import Micros
from depthwalker.shell.paper import market_bodies as bodies
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.floor import Floor
from depthwalker.shell.paper.pages import Query, fits, instants, names, number, page
from depthwalker.shell.paper.reply import Reply, answer, conflicting_query, invalid_query, not_found

_FILTERS: Final = {  # the words of the filter are not those of the answer
    "unopened": {MarketStatus.INITIALIZED},
    "open": {MarketStatus.ACTIVE},
    "paused": {MarketStatus.INACTIVE},
    "closed": {MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED},
    "settled": {MarketStatus.FINALIZED},
}
_FAMILIES: Final = ("created", "updated", "close", "settled")  # of time filters; one at a time
_DEEPEST: Final = 100
_MOST_BOOKS: Final = 100
_MOST_EVENTS, _USUAL_EVENTS = 200, 200
_LONGEST_TICKER: Final = 200


def market(exchange: Exchange, ticker: str) -> Reply:
    """Return a market; raises Refusal."""
    now = exchange.advance()
    return answer({"market": _shown(exchange.floor(ticker), now)})


def markets(exchange: Exchange, query: Query) -> Reply:
    """Return the markets that fit the filters, the latest listed first; raises Refusal."""
    now = exchange.advance()
    tickers = names(query, "tickers")
    statuses = _FILTERS.get(query.get("status", ""), set[MarketStatus]())
    timely = _time_filter(query)
    found = [
        (serial, floor)
        for serial, floor in enumerate(exchange.floors.values())
        if (not tickers or floor.listing.ticker in tickers)
        and fits(query, "event_ticker", floor.listing.event_ticker)
        and fits(query, "series_ticker", floor.listing.series_ticker)
        and (not query.get("status") or floor.status(now) in statuses)
        and query.get("mve_filter", "") != "only"
        and timely(floor)
    ]
    rows, cursor = page(found[::-1], query, "GetMarkets", lambda row: row[0])
    return answer({"markets": [_shown(floor, now) for _, floor in rows], "cursor": cursor})


def orderbook(exchange: Exchange, ticker: str, query: Query) -> Reply:
    """Return a market's book; raises Refusal."""
    now = exchange.advance()
    floor = exchange.floor(ticker)
    depth = number(query, "depth", "GetMarketOrderbook", _DEEPEST)
    return answer(bodies.orderbook(book(floor.pit, now), depth))


def orderbooks(exchange: Exchange, tickers: list[str]) -> Reply:
    """Return a whole book for each ticker, an empty one where there is no such market; raises Refusal."""
    now = exchange.advance()
    if not any(tickers):
        raise invalid_query("GetMarketOrderbooks", "Tickers", "required")
    if len(tickers) > _MOST_BOOKS or any(len(ticker) > _LONGEST_TICKER for ticker in tickers):
        raise invalid_query("GetMarketOrderbooks", "Tickers", "max")
    rows: list[dict[str, object]] = []
    for ticker in tickers:
        floor = exchange.floors.get(ticker)
        shown = bodies.NO_BOOK if floor is None else bodies.orderbook(book(floor.pit, now), 0)
        rows.append({"ticker": ticker} | shown)
    return answer({"orderbooks": rows})


def trades(exchange: Exchange, query: Query) -> Reply:
    """Return public trades, newest first."""
    exchange.advance()
    since, until = instants(query)
    found = sorted(
        (
            (print_.at, serial, ticker, print_)
            for ticker, floor in exchange.floors.items()
            for serial, print_ in enumerate(floor.trades)
            if fits(query, "ticker", ticker) and query.get("is_block_trade") != "true" and since <= print_.at <= until
        ),
        key=lambda row: row[:2],
        reverse=True,
    )
    numbered = [(len(found) - index, ticker, print_) for index, (_, _, ticker, print_) in enumerate(found)]
    rows, cursor = page(numbered, query, "GetTrades", lambda row: row[0])
    return answer({"cursor": cursor, "trades": [bodies.trade(ticker, print_) for _, ticker, print_ in rows]})


def candlesticks(exchange: Exchange, query: Query) -> Reply:
    """Return no candlesticks for each market: the exchange keeps no history of quotes. Raises Refusal."""
    exchange.advance()
    for name, field in (("market_tickers", "MarketTickers"), ("start_ts", "StartTs"), ("end_ts", "EndTs")):
        if not query.get(name):
            raise invalid_query("BatchGetMarketCandlesticks", field, "required")
    number(query, "period_interval", "BatchGetMarketCandlesticks", 1_440)
    tickers = sorted(names(query, "market_tickers") & exchange.floors.keys())
    return answer({"markets": [{"market_ticker": ticker, "candlesticks": []} for ticker in tickers]})


def event(exchange: Exchange, ticker: str, query: Query) -> Reply:
    """Return an event with its markets, beside it or in it; raises Refusal."""
    now = exchange.advance()
    floors = _of_event(exchange, ticker)
    if not floors:
        raise not_found()
    body = bodies.event(floors[0].listing, exchange.fees.override(ticker))
    listed = [_shown(floor, now) for floor in floors]
    if query.get("with_nested_markets") == "true":
        return answer({"event": body | {"markets": listed}, "markets": []})
    return answer({"event": body, "markets": listed})


def events(exchange: Exchange, query: Query) -> Reply:
    """Return the events that fit the filters; raises Refusal."""
    now = exchange.advance()
    tickers = dict.fromkeys(floor.listing.event_ticker for floor in exchange.floors.values())
    statuses = _FILTERS.get(query.get("status", ""), set[MarketStatus]())
    found: list[tuple[int, dict[str, object]]] = []
    for serial, ticker in enumerate(tickers):
        floors = _of_event(exchange, ticker)
        if not fits(query, "series_ticker", floors[0].listing.series_ticker):
            continue
        if query.get("status") and not any(floor.status(now) in statuses for floor in floors):
            continue
        body = bodies.event(floors[0].listing, exchange.fees.override(ticker))
        if query.get("with_nested_markets") == "true":
            body |= {"markets": [_shown(floor, now) for floor in floors]}
        found.append((serial, body))
    rows, cursor = page(found[::-1], query, "GetEvents", lambda row: row[0], _MOST_EVENTS, _USUAL_EVENTS)
    return answer({"events": [body for _, body in rows], "cursor": cursor})


def series(exchange: Exchange, ticker: str) -> Reply:
    """Return a series with its fees; raises Refusal."""
    exchange.advance()
    found = next((row for row in _series(exchange) if row["ticker"] == ticker), None)
    if found is None:
        raise not_found()
    return answer({"series": found})


def all_series(exchange: Exchange) -> Reply:
    """Return every series, on one page."""
    exchange.advance()
    return answer({"series": _series(exchange)})


def series_fee_changes(exchange: Exchange, query: Query) -> Reply:
    """Return the changes of series' fees: those to come, or all of them."""
    now = exchange.advance()
    rows = [
        bodies.fee_change(change)
        for change in exchange.fees.changes
        if not change.event_ticker
        and fits(query, "series_ticker", change.series_ticker)
        and (query.get("show_historical") == "true" or change.at > now)
    ]
    return answer({"series_fee_change_arr": rows})


def event_fee_changes(exchange: Exchange, query: Query) -> Reply:
    """Return the changes of events' own fees, the last planned first; raises Refusal."""
    exchange.advance()
    found = [
        (serial, change)
        for serial, change in enumerate(exchange.fees.changes, 1)
        if change.event_ticker and fits(query, "event_ticker", change.event_ticker)
    ]
    rows, cursor = page(found[::-1], query, "GetEventFeeChanges", lambda row: row[0])
    return answer({"event_fee_changes": [bodies.fee_change(change) for _, change in rows], "cursor": cursor})


def _shown(floor: Floor, now: Micros) -> dict[str, object]:
    return bodies.market(floor, book(floor.pit, now), now)


def _of_event(exchange: Exchange, ticker: str) -> list[Floor]:
    return [floor for floor in exchange.floors.values() if floor.listing.event_ticker == ticker]


def _series(exchange: Exchange) -> list[dict[str, object]]:
    listings = {floor.listing.series_ticker: floor.listing for floor in reversed(tuple(exchange.floors.values()))}
    return [
        bodies.series(listing, exchange.fees.of_series(ticker, listing.fees))
        for ticker, listing in sorted(listings.items())
    ]


def _time_filter(query: Query) -> Callable[[Floor], bool]:
    asked = [family for family in _FAMILIES if query.get(f"min_{family}_ts") or query.get(f"max_{family}_ts")]
    if len(asked) > 1:
        raise conflicting_query("GetMarkets", asked)
    if not asked:
        return lambda _: True
    since, until = instants(query, f"{asked[0]}_ts")

    def timely(floor: Floor) -> bool:
        moments = {
            "created": floor.listed,
            "updated": floor.updated,
            "close": floor.close_time,
            "settled": floor.settled_at,
        }
        at = moments[asked[0]]
        return at is not None and since <= at <= until

    return timely
