"""Every operation of the exchange's document answers as it says, and every error that is documented can be met.

What was counted is printed.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.shell.paper_desk import CASH, ED, ME, ORDERS, START, TICKER, Desk, Json, desk, order, tape
from tests.shell.paper_document import HISTORICAL, Document, Tally

from depthwalker.core.book import Leg
from depthwalker.core.tape import Take
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.paper import Account, Answered, Listing, Options, Reply, lifecycle
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.paper.lifecycle import Pause

GROUPS = "/portfolio/order_groups"
TRANSFER = "/portfolio/intra_exchange_instance_transfer"
CANDLES = f"/markets/candlesticks?market_tickers={TICKER}&start_ts=1&end_ts=2&period_interval=1"
NOBODY = "00000000-0000-0000-0000-000000000000"
PLENTY = Options(read_rate=10**6, write_rate=10**6)
TAKE = {"count": "1", "price": "0.52", "time_in_force": "immediate_or_cancel"}

# Statuses that the document lists and that this exchange, like the recorded one, never answers with there.
TOLERATED = {
    ("GetSeriesFeeChanges", 400): "an unknown filter finds nothing",
    ("GetSeries", 400): "an unknown series is 404",
    ("GetEvent", 400): "an unknown event is 404",
    ("GetOrderQueuePositions", 400): "an unknown filter finds nothing",
    ("GetOrderGroups", 400): "there is nothing to get wrong",
    ("GetFillsHistorical", 404): "an unknown ticker finds nothing",
    ("GetMarkets", 401): "no signature is needed (recorded)",
    ("GetMarket", 401): "no signature is needed (recorded)",
    ("GetSeriesList", 400): "an unknown filter finds nothing",
    ("GetEvent", 401): "no signature is needed",
    ("GetEvents", 401): "no signature is needed",
    ("BatchGetMarketCandlesticks", 401): "no signature is needed",
    ("GetMarketOrderbook", 401): "no signature is needed (checked in production)",
    ("GetMarketOrderbooks", 401): "no signature is needed (checked in production)",
}
# Every code of the fact sheet's section 5.11 that the predictions exchange has.
CODES = {
    "insufficient_balance", "invalid_order", "invalid_order_size", "invalid_price", "invalid_parameters",
    "missing_parameters", "bad_request", "invalid_content_type", "order_id_and_client_order_id_mismatch",
    "order_side_mismatch", "order_ticker_mismatch", "MARKET_INACTIVE", "authentication_error",
    "signature_is_missing_from_headers", "header_timestamp_expired", "forbidden", "not_found", "market_not_found",
    "user_not_found", "order_already_exists", "fill_or_kill_insufficient_resting_volume", "trading_is_paused",
    "exchange_is_paused", "deprecated_v1_order_endpoint", "too many requests", "too_many_requests",
    "Parameter validation failed",
}  # fmt: skip


@pytest.fixture(scope="module")
def document(shared: Path) -> Document:
    return Document(shared)


@pytest.fixture
def tally(document: Document) -> Tally:
    return Tally(document)


async def walk_orders(me: Desk) -> None:
    """Each request about orders, and what refuses it."""
    first = await me.placed(price="0.46", client_order_id="one", cancel_order_on_pause=True)
    terms = {"ticker": TICKER, "side": "bid", "price": "0.45", "count": "3"}
    for path in (f"/portfolio/orders/{first}", f"/portfolio/orders/{first}/queue_position", "/portfolio/orders"):
        await me.get(path)
    await me.get(f"/portfolio/orders/queue_positions?market_tickers={TICKER}")
    await me.send("POST", f"{ORDERS}/{first}/amend", terms)
    for changes in (
        {"ticker": "X"}, {"side": "ask"}, {"client_order_id": "two"}, {"count": "0"}, {"price": "0.4550"}
    ):  # fmt: skip
        await me.send("POST", f"{ORDERS}/{first}/amend", terms | changes)
    await me.send("POST", f"{ORDERS}/{first}/decrease", {"reduce_by": "1"})
    await me.send("POST", f"{ORDERS}/{first}/decrease", {})
    await me.send("DELETE", f"{ORDERS}/{first}")
    wrong: tuple[Json, ...] = (
        {"client_order_id": "one"}, {"price": "0.4750"}, {"price": "0.47001"}, {"count": "0"}, {"count": "90000"},
        {"ticker": None}, {"ticker": "NONE"}, {"side": "yes"}, {"count": 1}, {"exchange_index": 9},
        {"count": "90", "price": "0.60", "time_in_force": "fill_or_kill"}, {"price": "0.60", "post_only": True},
    )  # fmt: skip
    for changes in wrong:
        await me.create(**changes)
    await me.send("POST", ORDERS, b"a=1", content_type="application/x-www-form-urlencoded")
    batch = [order(price="0.44", client_order_id="b1"), order(price="0.4444"), order(**TAKE)]
    made = (await me.send("POST", ORDERS + "/batched", {"orders": batch})).json()["orders"]
    await me.send("POST", ORDERS + "/batched", {"orders": []})
    cancels = [{"order_id": made[0]["order_id"]}, {"order_id": NOBODY}]
    await me.send("DELETE", ORDERS + "/batched", {"orders": cancels})
    await me.send("DELETE", ORDERS + "/batched", {"orders": 7})
    await me.send("DELETE", ORDERS)
    for method, path in (
        ("POST", "/portfolio/orders"),
        ("DELETE", "/portfolio/orders/x"),
        ("POST", "/portfolio/orders/batched"),
    ):
        await me.send(method, path)


async def walk_groups(me: Desk) -> None:
    """Each request about order groups, and what refuses it."""
    group = (await me.send("POST", GROUPS + "/create", {"contracts_limit": 5})).json()["order_group_id"]
    await me.placed(order_group_id=group)
    for path in (GROUPS, f"{GROUPS}/{group}"):
        await me.get(path)
    await me.send("PUT", f"{GROUPS}/{group}/limit", {"contracts_limit_fp": "2.50"})
    await me.send("PUT", f"{GROUPS}/{group}/limit", {"contracts_limit": 0})
    await me.send("POST", GROUPS + "/create", {"contracts_limit": "5"})
    await me.send("PUT", f"{GROUPS}/{group}/trigger", {})
    await me.create(order_group_id=group)
    await me.send("PUT", f"{GROUPS}/{group}/reset")
    await me.send("DELETE", f"{GROUPS}/{group}")
    await me.send("PUT", f"{GROUPS}/{group}/limit", {"contracts_limit": 1})


async def walk_account(me: Desk) -> None:
    """Each read of an account; it has traded, was settled and asked for more."""
    await me.send("POST", "/account/api_usage_level/upgrade")
    await me.placed(**TAKE)
    await me.placed(**TAKE | {"ticker": "PAPER-27-B"})
    lifecycle.determine(me.exchange.exchange, "PAPER-27-B", "yes")
    lifecycle.finalize(me.exchange.exchange, "PAPER-27-B")
    assert len((await me.get("/portfolio/settlements"))["settlements"]) == 1
    for name in (
        "fills",
        "positions",
        "balance",
        "subaccounts/balances",
        "summary/total_resting_order_value",
        "orders",
    ):
        await me.get("/portfolio/" + name)
    for path in HISTORICAL:
        await me.get(path)
        await me.send("GET", path + "?limit=1001")
    for name in ("fills", "positions", "settlements", "orders"):
        await me.send("GET", f"/portfolio/{name}?limit=1001")
    await me.send("POST", "/account/api_usage_level/upgrade")
    await me.get("/account/limits")
    await me.get("/account/api_usage_level/volume_progress")
    terms = {"source": "event_contract", "destination": "event_contract", "amount": 100}
    await me.send("POST", TRANSFER, terms)
    await me.send("POST", TRANSFER, {})


async def walk_markets(me: Desk) -> None:
    """Each read that everybody may make."""
    lifecycle.change_fees(me.exchange.exchange, "PAPER", "", Fees("quadratic", 500_000), Micros(START + 9 * SECOND))
    lifecycle.change_fees(me.exchange.exchange, "PAPER", "PAPER-26", Fees("flat"), START)
    lifecycle.change_fees(me.exchange.exchange, "PAPER", "PAPER-26", None, Micros(START + SECOND))
    for path in (
        "/markets", f"/markets/{TICKER}", f"/markets/{TICKER}/orderbook", f"/markets/orderbooks?tickers={TICKER}&tickers=X",
        f"/markets/trades?ticker={TICKER}", CANDLES, "/events/PAPER-26", "/events/PAPER-26?with_nested_markets=true",
        "/events", "/series", "/series/PAPER", "/series/fee_changes", "/events/fee_changes", "/exchange/status",
        "/exchange/schedule", "/exchange/user_data_timestamp", "/account/endpoint_costs",
    ):  # fmt: skip
        await me.get(path)
    for path in (
        "/markets?limit=1001", "/markets/NONE", "/markets/NONE/orderbook", "/markets/orderbooks", "/events/NONE",
        "/markets/trades?limit=1001", "/markets/candlesticks", "/events/fee_changes?limit=1001", "/events?limit=201", "/series/NONE",
    ):  # fmt: skip
        await me.send("GET", path)


async def walk_refusals(me: Desk, document: Document) -> None:
    """Every operation unsigned, about nothing, to a broken exchange."""
    for name, (method, template, statuses) in document.operations().items():
        path = template.replace("{order_id}", NOBODY).replace("{order_group_id}", NOBODY)
        path = path.replace("{ticker}", "NONE").replace("{event_ticker}", "NONE").replace("{series_ticker}", "NONE")
        terms: Json = {
            "ticker": TICKER,
            "side": "bid",
            "price": "0.45",
            "count": "3",
            "reduce_by": "1",
            "contracts_limit": 1,
        }
        if name == "DecreaseOrderV2":
            terms = {"reduce_by": "1"}
        if 401 in statuses and (name, 401) not in TOLERATED:
            await me.send(method, path, headers={})
        if 404 in statuses:
            await me.send(method, path, terms)
        for status in sorted(statuses & {500, 503, 504}):
            body = b'{"exchange_active":false,"trading_active":false}'
            for kind in kinds(me):
                me.exchange.faults.add(kind, Answered(Reply(status, body)))
            await me.send(method, path, terms)
            me.exchange.faults.heal()


def kinds(me: Desk) -> Iterator[str]:
    from depthwalker.shell.paper.routes import endpoints
    from depthwalker.shell.paper.tariff import Meter

    for endpoint in endpoints(me.exchange.exchange, PLENTY, Meter(PLENTY.allowance)):
        yield endpoint.kind


async def walk_keys(me: Desk) -> None:
    """What a key is refused: wrong signature, wrong time, missing scope."""
    good = dict(me.signer.sign("GET", "/trade-api/v2/portfolio/balance", me.clock.now()))
    for changes in ({"KALSHI-ACCESS-KEY": "x"}, {"KALSHI-ACCESS-SIGNATURE": "eA=="}, {"KALSHI-ACCESS-TIMESTAMP": "1"}):
        await me.send("GET", "/portfolio/balance", headers=good | changes)


async def walk_pauses(me: Desk) -> None:
    """What is refused while something is paused or closed."""
    exchange = me.exchange.exchange
    for what in Pause:
        lifecycle.pause(exchange, what)
        await me.create()
        lifecycle.resume(exchange, what)
    lifecycle.move_close(exchange, TICKER, START)
    await me.create()


async def test_every_operation_and_every_error(
    document: Document, tally: Tally, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = (1, Take(Leg.NO, Price(5_300), Count(100)))
    listings = (Listing(tape(flow)), Listing(tape(ticker="PAPER-27-B")))
    for walk in (walk_orders, walk_groups, walk_account, walk_markets, walk_keys, walk_pauses):
        async with desk(*listings, options=PLENTY, note=tally.note) as me:
            await walk(me)
    async with desk(*listings, options=PLENTY, note=tally.note) as me:
        await walk_refusals(me, document)
    async with desk(options=Options(write_capacity=10, public_rate=10), note=tally.note) as me:
        for _ in range(2):
            await me.create(price="0.01")
            await me.send("GET", "/exchange/status", headers={})
        await me.send("POST", "/account/api_usage_level/upgrade")
    for scopes, shards in ((frozenset({"read"}), None), (frozenset({"read", "write"}), frozenset({1}))):
        reader = Account(ME, "key-1", ED.public_key(), CASH, scopes=scopes, shards=shards)
        async with desk(options=PLENTY, note=tally.note, account=reader) as me:
            await me.create()
            await me.send("POST", ORDERS + "/batched", {"orders": [order()]})
            await me.send("DELETE", ORDERS + "/batched", {"orders": [{"order_id": NOBODY}]})
            await me.send("POST", TRANSFER, {})

    documented = {(name, status) for name, (_, _, statuses) in document.operations().items() for status in statuses}
    operations = document.operations()
    with capsys.disabled():
        print(f"\npaper exchange: {sum(tally.answers.values())} answers of {len(operations)} operations,", end=" ")
        print(f"{len(documented - TOLERATED.keys())} documented statuses and {len(tally.codes)} codes of error met")
    assert tally.wrong == []
    assert {name for name, status in tally.answers if status < 300} == operations.keys()
    assert documented - TOLERATED.keys() - tally.answers.keys() == set()
    assert TOLERATED.keys() & tally.answers.keys() == set()
    assert CODES - tally.codes.keys() == set()
    assert tally.codes["bad_request"] > 1
