"""The reads of an account: filters, pages and the lag of private records (fact sheet, sections 5 and 6)."""

from depthwalker.core.answer import OrderStatus
from depthwalker.core.pit import book, queue_ahead
from depthwalker.core.units import CENT_MONEY, Count, Micros, Money, format_count, value
from depthwalker.shell.paper import bodies
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.pages import Query, fits, instants, names, number, page, primary
from depthwalker.shell.paper.reply import Reply, answer, not_found, refusal, time_text
from depthwalker.shell.paper.venue_reads import archived_before

_MOST_EVENTS = 10
_ARCHIVE_FILTERS = ("ticker", "max_ts", "limit", "cursor")


def order(exchange: Exchange, account: str, order_id: str, lag: Micros) -> Reply:
    """Return an order as it stood `lag` ago; raises Refusal."""
    now = exchange.advance()
    kept = exchange.ledgers[account].order(order_id, Micros(now - lag))
    if kept is None:
        raise not_found()
    return answer({"order": bodies.order(kept, account)})


def orders(exchange: Exchange, account: str, query: Query, *, archived: bool = False) -> Reply:
    """Return orders, newest first; an unknown status finds none. Those that ended long ago are in the archive alone."""
    cutoff = archived_before("orders_updated_ts", exchange.advance())
    since, until = instants(query)
    events = names(query, "event_ticker")
    if len(events) > _MOST_EVENTS:
        raise refusal(400, "invalid_parameters", f"event_ticker: at most {_MOST_EVENTS}")
    found = [
        kept
        for kept in exchange.ledgers[account].orders()
        if (kept.status is not OrderStatus.RESTING and kept.updated < cutoff) is archived
        and primary(query)
        and fits(query, "ticker", kept.ticker)
        and fits(query, "status", kept.status.value)
        and fits(query, "exchange_index", str(kept.shard))
        and since <= kept.created <= until
        and (not events or exchange.floors[kept.ticker].listing.event_ticker in events)
    ]
    rows, cursor = page(found, query, "GetOrders", lambda kept: kept.serial)
    return answer({"orders": [bodies.order(kept, account) for kept in rows], "cursor": cursor})


def archived_orders(exchange: Exchange, account: str, query: Query) -> Reply:
    """Return the orders that ended long ago, newest first."""
    return orders(exchange, account, _of_the_archive(query), archived=True)


def queue_position(exchange: Exchange, account: str, order_id: str) -> Reply:
    """Return how many contracts stand before a resting order at its price; raises Refusal."""
    exchange.advance()
    kept = exchange.ledgers[account].order(order_id)
    ahead = None if kept is None else queue_ahead(exchange.floors[kept.ticker].pit, order_id)
    if ahead is None:
        raise not_found()
    return answer({"queue_position_fp": format_count(ahead)})


def queue_positions(exchange: Exchange, account: str, query: Query) -> Reply:
    """Return the places of all resting orders that fit the filters."""
    exchange.advance()
    tickers = names(query, "market_tickers")
    rows = [
        {
            "order_id": kept.order_id,
            "market_ticker": kept.ticker,
            "queue_position_fp": format_count(queue_ahead(exchange.floors[kept.ticker].pit, kept.order_id) or Count(0)),
        }
        for kept in exchange.ledgers[account].resting()
        if primary(query)
        and (not tickers or kept.ticker in tickers)
        and fits(query, "event_ticker", exchange.floors[kept.ticker].listing.event_ticker)
    ]
    return answer({"queue_positions": rows})


def fills(exchange: Exchange, account: str, query: Query, *, archived: bool = False) -> Reply:
    """Return fills, newest first; old ones are in the archive alone."""
    cutoff = archived_before("trades_created_ts", exchange.advance())
    since, until = instants(query)
    shards = {ticker: floor.listing.shard for ticker, floor in exchange.floors.items()}
    found = [
        (number, fill)
        for number, fill in enumerate(exchange.ledgers[account].fills, 1)
        if (fill.at < cutoff) is archived
        and primary(query)
        and fits(query, "ticker", fill.ticker)
        and fits(query, "order_id", fill.order_id)
        and fits(query, "exchange_index", str(shards[fill.ticker]))
        and since <= fill.at <= until
    ]
    rows, cursor = page(found[::-1], query, "GetFills", lambda row: row[0])
    return answer({"cursor": cursor, "fills": [bodies.fill(fill, shards[fill.ticker]) for _, fill in rows]})


def archived_fills(exchange: Exchange, account: str, query: Query) -> Reply:
    """Return old fills, newest first."""
    return fills(exchange, account, _of_the_archive(query), archived=True)


def positions(exchange: Exchange, account: str, query: Query, lag: Micros) -> Reply:
    """Return what is or was held, as it stood `lag` ago."""
    now = exchange.advance()
    number(query, "limit", "GetPositions", 1_000)
    listings = {ticker: floor.listing for ticker, floor in exchange.floors.items()}
    held = [
        one
        for one in exchange.ledgers[account].holdings(Micros(now - lag))
        if primary(query)
        and fits(query, "ticker", one.ticker)
        and fits(query, "event_ticker", listings[one.ticker].event_ticker)
        and fits(query, "exchange_index", str(listings[one.ticker].shard))
        and ("position" not in query.get("count_filter", "") or one.position)
    ]
    events = dict.fromkeys(listings[one.ticker].event_ticker for one in held)
    summed = [
        bodies.event_holding(event, [one for one in held if listings[one.ticker].event_ticker == event])
        for event in events
    ]
    rows = [bodies.holding(one, listings[one.ticker].shard) for one in held]
    return answer({"cursor": "", "market_positions": rows, "event_positions": summed})


def settlements(exchange: Exchange, account: str, query: Query) -> Reply:
    """Return what markets paid, newest first."""
    exchange.advance()
    since, until = instants(query)
    found = [
        (number, paid)
        for number, paid in enumerate(exchange.ledgers[account].settlements, 1)
        if primary(query)
        and fits(query, "ticker", paid.ticker)
        and fits(query, "event_ticker", paid.event_ticker)
        and since <= paid.at <= until
    ]
    rows, cursor = page(found[::-1], query, "GetSettlements", lambda row: row[0])
    return answer({"cursor": cursor, "settlements": [bodies.settlement(paid) for _, paid in rows]})


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


def subaccounts(exchange: Exchange, account: str) -> Reply:
    """Return the cash of the only subaccount."""
    now = exchange.advance()
    return answer({"subaccount_balances": [bodies.subaccount(exchange.ledgers[account], now)]})


def resting_value(exchange: Exchange, account: str) -> Reply:
    """Return what the resting orders would cost, in whole cents."""
    exchange.advance()
    total = sum(value(kept.price, kept.remaining) for kept in exchange.ledgers[account].resting())
    return answer({"total_resting_order_value": total // CENT_MONEY})


def as_of(exchange: Exchange, lag: Micros) -> Reply:
    """Return how fresh the lagging reads are."""
    return answer({"as_of_time": time_text(Micros(exchange.advance() - lag))})


def _of_the_archive(query: Query) -> Query:
    return {name: text for name, text in query.items() if name in _ARCHIVE_FILTERS}
