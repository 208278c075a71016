"""Every request of the contract: its method and path, what it costs, what the key must be allowed, and what answers it."""

from typing import Final

from depthwalker.shell.paper import market_reads, order_groups, orders, reads, venue_reads
from depthwalker.shell.paper.endpoint import BALANCE, PREFIX, PUBLIC, READ, TRADE, TRANSFER, Call, Endpoint
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.forms import Route, read_amend, read_cancels, read_create, read_creates, read_decrease
from depthwalker.shell.paper.options import Options
from depthwalker.shell.paper.reply import Reply, refusal
from depthwalker.shell.paper.tariff import DEFAULT_COST, Lane, Meter, Price

_LEGACY: Final = "https://docs.kalshi.com/api-reference/orders/create-order-v2"
_ORDERS, _GROUPS = "/portfolio/events/orders", "/portfolio/order_groups"
_READ, _WRITE = Price(Lane.READ), Price(Lane.WRITE)
_CHEAP_READ, _CHEAP_WRITE = Price(Lane.READ, 2), Price(Lane.WRITE, 2)


def endpoints(ex: Exchange, options: Options, meter: Meter) -> list[Endpoint]:
    """Return all of them; a path without a variable stands before one that would take it."""
    return [
        *_mutations(ex, options),
        *_order_groups(ex, options),
        *_portfolio(ex, options),
        *_account(ex, meter),
        *_market_data(ex),
        *_venue(ex, options),
        Endpoint("POST", "/portfolio/orders", "legacy", TRADE, _WRITE, _legacy),
        Endpoint("POST", "/portfolio/orders/{rest:.+}", "legacy", TRADE, _WRITE, _legacy),
        Endpoint("DELETE", "/portfolio/orders/{rest:.+}", "legacy", TRADE, _WRITE, _legacy),
    ]


def _mutations(ex: Exchange, options: Options) -> list[Endpoint]:
    batched, single = _ORDERS + "/batched", _ORDERS + "/{part}"
    lag = options.cancel_all_lag

    def cancel(call: Call) -> Reply:
        route = Route(call.shard, call.query.get("market_ticker", ""))
        return orders.cancel(ex, call.account, call.part, route)

    def decrease(call: Call) -> Reply:
        return orders.decrease(ex, call.account, call.part, read_decrease(call.body))

    many, few = Price(Lane.WRITE, DEFAULT_COST, per_item=True), Price(Lane.WRITE, 2, per_item=True)
    return [
        Endpoint(
            "POST",
            batched,
            "create_batch",
            TRADE,
            many,
            lambda c: orders.create_batch(ex, c.account, read_creates(c.body)),
        ),
        Endpoint(
            "DELETE",
            batched,
            "cancel_batch",
            TRADE,
            few,
            lambda c: orders.cancel_batch(ex, c.account, read_cancels(c.body)),
        ),
        Endpoint("POST", _ORDERS, "create", TRADE, _WRITE, lambda c: orders.create(ex, c.account, read_create(c.body))),
        Endpoint("DELETE", _ORDERS, "cancel_all", TRADE, _CHEAP_WRITE, lambda c: orders.cancel_all(ex, c.account, lag)),
        Endpoint("DELETE", single, "cancel", TRADE, _CHEAP_WRITE, cancel),
        Endpoint(
            "POST",
            single + "/amend",
            "amend",
            TRADE,
            _WRITE,
            lambda c: orders.amend(ex, c.account, c.part, read_amend(c.body)),
        ),
        Endpoint("POST", single + "/decrease", "decrease", TRADE, _WRITE, decrease),
    ]


def _order_groups(ex: Exchange, options: Options) -> list[Endpoint]:
    one, lag = _GROUPS + "/{part}", options.read_lag

    def limit(c: Call) -> Reply:
        return order_groups.limit(ex, c.account, c.part, c.shard or 0, c.body)

    return [
        Endpoint(
            "POST",
            _GROUPS + "/create",
            "group_create",
            TRADE,
            _WRITE,
            lambda c: order_groups.create(ex, c.account, c.body),
        ),
        Endpoint("GET", _GROUPS, "groups", READ, _READ, lambda c: order_groups.listed(ex, c.account)),
        Endpoint("GET", one, "group", READ, _READ, lambda c: order_groups.one(ex, c.account, c.part, lag)),
        Endpoint("PUT", one + "/limit", "group_limit", TRADE, _WRITE, limit),
        Endpoint(
            "PUT",
            one + "/trigger",
            "group_trigger",
            TRADE,
            _WRITE,
            lambda c: order_groups.trigger(ex, c.account, c.part, c.shard or 0),
        ),
        Endpoint(
            "PUT",
            one + "/reset",
            "group_reset",
            TRADE,
            _WRITE,
            lambda c: order_groups.reset(ex, c.account, c.part, c.shard or 0),
        ),
        Endpoint(
            "DELETE",
            one,
            "group_delete",
            TRADE,
            _WRITE,
            lambda c: order_groups.delete(ex, c.account, c.part, c.shard or 0),
        ),
    ]


def _portfolio(ex: Exchange, options: Options) -> list[Endpoint]:
    lag, mine = options.read_lag, "/portfolio/orders"
    transfer = "/portfolio/intra_exchange_instance_transfer"
    return [
        Endpoint(
            "GET",
            mine + "/queue_positions",
            "queue_positions",
            READ,
            _READ,
            lambda c: reads.queue_positions(ex, c.account, c.query),
        ),
        Endpoint(
            "GET",
            mine + "/{part}/queue_position",
            "queue_position",
            READ,
            _READ,
            lambda c: reads.queue_position(ex, c.account, c.part),
        ),
        Endpoint(
            "GET", mine + "/{part}", "order", READ, _CHEAP_READ, lambda c: reads.order(ex, c.account, c.part, lag)
        ),
        Endpoint("GET", mine, "orders", READ, _READ, lambda c: reads.orders(ex, c.account, c.query)),
        Endpoint("GET", "/portfolio/fills", "fills", READ, _READ, lambda c: reads.fills(ex, c.account, c.query)),
        Endpoint(
            "GET",
            "/historical/orders",
            "archived_orders",
            READ,
            _READ,
            lambda c: reads.archived_orders(ex, c.account, c.query),
        ),
        Endpoint(
            "GET",
            "/historical/fills",
            "archived_fills",
            READ,
            _READ,
            lambda c: reads.archived_fills(ex, c.account, c.query),
        ),
        Endpoint("GET", "/portfolio/balance", "balance", BALANCE, _READ, lambda c: reads.balance(ex, c.account)),
        Endpoint(
            "GET",
            "/portfolio/positions",
            "positions",
            READ,
            _READ,
            lambda c: reads.positions(ex, c.account, c.query, lag),
        ),
        Endpoint(
            "GET",
            "/portfolio/settlements",
            "settlements",
            READ,
            _READ,
            lambda c: reads.settlements(ex, c.account, c.query),
        ),
        Endpoint(
            "GET",
            "/portfolio/subaccounts/balances",
            "subaccounts",
            READ,
            _READ,
            lambda c: reads.subaccounts(ex, c.account),
        ),
        Endpoint(
            "GET",
            "/portfolio/summary/total_resting_order_value",
            "resting_value",
            READ,
            _READ,
            lambda c: reads.resting_value(ex, c.account),
        ),
        Endpoint("POST", transfer, "transfer", TRANSFER, _WRITE, lambda c: venue_reads.transfer(ex, c.account, c.body)),
    ]


def _account(ex: Exchange, meter: Meter) -> list[Endpoint]:
    level, dear = "/account/api_usage_level", Price(Lane.WRITE, 30)
    return [
        Endpoint("GET", "/account/limits", "limits", READ, _READ, lambda c: venue_reads.limits(meter, c.account)),
        Endpoint(
            "POST", level + "/upgrade", "upgrade", TRADE, dear, lambda c: venue_reads.upgrade(ex, meter, c.account)
        ),
        Endpoint("GET", level + "/volume_progress", "volume", READ, _READ, lambda c: venue_reads.volume(ex, c.account)),
        Endpoint("GET", "/account/endpoint_costs", "costs", PUBLIC, _READ, lambda _: venue_reads.costs(COSTS)),
    ]


def _market_data(ex: Exchange) -> list[Endpoint]:
    return [
        Endpoint("GET", "/markets/trades", "trades", PUBLIC, _READ, lambda c: market_reads.trades(ex, c.query)),
        Endpoint(
            "GET",
            "/markets/orderbooks",
            "books",
            PUBLIC,
            _READ,
            lambda c: market_reads.orderbooks(ex, c.query.getall("tickers", [])),
        ),
        Endpoint(
            "GET",
            "/markets/candlesticks",
            "candlesticks",
            PUBLIC,
            _READ,
            lambda c: market_reads.candlesticks(ex, c.query),
        ),
        Endpoint(
            "GET",
            "/markets/{part}/orderbook",
            "book",
            PUBLIC,
            _READ,
            lambda c: market_reads.orderbook(ex, c.part, c.query),
        ),
        Endpoint("GET", "/markets/{part}", "market", PUBLIC, _READ, lambda c: market_reads.market(ex, c.part)),
        Endpoint("GET", "/markets", "markets", PUBLIC, _READ, lambda c: market_reads.markets(ex, c.query)),
        Endpoint(
            "GET",
            "/events/fee_changes",
            "event_fees",
            PUBLIC,
            _READ,
            lambda c: market_reads.event_fee_changes(ex, c.query),
        ),
        Endpoint("GET", "/events/{part}", "event", PUBLIC, _READ, lambda c: market_reads.event(ex, c.part, c.query)),
        Endpoint("GET", "/events", "events", PUBLIC, _READ, lambda c: market_reads.events(ex, c.query)),
        Endpoint(
            "GET",
            "/series/fee_changes",
            "series_fees",
            PUBLIC,
            _READ,
            lambda c: market_reads.series_fee_changes(ex, c.query),
        ),
        Endpoint("GET", "/series/{part}", "series", PUBLIC, _READ, lambda c: market_reads.series(ex, c.part)),
        Endpoint("GET", "/series", "all_series", PUBLIC, _READ, lambda _: market_reads.all_series(ex)),
    ]


def _venue(ex: Exchange, options: Options) -> list[Endpoint]:
    stamp, lag = "/exchange/user_data_timestamp", options.read_lag
    return [
        Endpoint("GET", "/exchange/status", "status", PUBLIC, _READ, lambda _: venue_reads.status(ex)),
        Endpoint("GET", "/exchange/schedule", "schedule", PUBLIC, _READ, lambda _: venue_reads.schedule(ex)),
        Endpoint("GET", stamp, "as_of", PUBLIC, _READ, lambda _: reads.as_of(ex, lag)),
        Endpoint("GET", "/historical/cutoff", "cutoff", PUBLIC, _READ, lambda _: venue_reads.cutoff(ex)),
    ]


def _legacy(_: Call) -> Reply:
    raise refusal(410, "deprecated_v1_order_endpoint", _LEGACY, "Please switch to the V2 endpoints")


# What GET /account/endpoint_costs states: the same figures as above, in the exchange's words.
COSTS: Final = (
    ("POST", PREFIX + "/account/api_usage_level/upgrade", 30),
    ("DELETE", PREFIX + _ORDERS, 2),
    ("DELETE", PREFIX + _ORDERS + "/:order_id", 2),
    ("DELETE", PREFIX + _ORDERS + "/batched", 2),
    ("GET", PREFIX + "/portfolio/orders/:order_id", 2),
)
