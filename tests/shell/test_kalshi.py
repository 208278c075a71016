"""The client against a small HTTP server: what it sends, and what it makes of every answer (fact sheet, sections 4 to 6, 8)."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.shell.clocks import SteppingClock
from tests.shell.scripted import NOW, ROOT, FixedClock, trading

from depthwalker.core.answer import Market, MarketStatus, NotApplied, Rejected, Trouble, Unknown
from depthwalker.core.book import Leg
from depthwalker.core.fees import FeeRates
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Outcome
from depthwalker.core.units import CENT, SECOND, Count, Micros, Price
from depthwalker.shell.kalshi import LISTED, KalshiVenue
from depthwalker.shell.ports import AmendRequest, PlaceRequest, Venue
from depthwalker.shell.rest import MOST_PAGES, classify
from depthwalker.shell.signing import Signer
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.wire import AUTO_SHARD

ORDERS = f"{ROOT}/portfolio/events/orders"

PLACE = PlaceRequest(
    ticker="T",
    client_order_id="dw-1",
    leg=Leg.YES,
    price=Price(4_800),
    count=Count(325),
    immediate=False,
    post_only=True,
    expires=Micros(1_703_123_500 * SECOND),
)
AMEND = AmendRequest(
    ticker="T",
    order_id="o1",
    client_order_id="dw-1",
    updated_client_order_id="dw-2",
    leg=Leg.NO,
    price=Price(4_800),
    total=Count(500),
)
MARKET = Market("T", "EVENT", MarketStatus.ACTIVE, CENT_GRID, NOW, 0)
ACK = {"order_id": "o1", "client_order_id": "dw-1", "fill_count": "0.00", "remaining_count": "3.25", "ts_ms": 7}

TRADE = {
    "trade_id": "t1",
    "ticker": "T",
    "taker_outcome_side": "yes",
    "yes_price_dollars": "0.5000",
    "count_fp": "1.00",
    "created_time": "2023-12-21T01:50:57Z",
}
RECORD = {
    "order_id": "o1",
    "ticker": "T",
    "book_side": "bid",
    "status": "canceled",
    "yes_price_dollars": "0.5000",
    "initial_count_fp": "1.00",
    "fill_count_fp": "0.00",
    "remaining_count_fp": "0.00",
    "taker_fees_dollars": "0.000000",
    "maker_fees_dollars": "0.000000",
    "created_time": "2023-12-21T01:50:57Z",
}


async def test_the_client_satisfies_the_port() -> None:
    async with trading((200, {})) as (_, client):
        venue: Venue = client

    assert venue is client


async def test_a_resting_order_is_a_bid_with_text_numbers_and_a_dead_mans_switch() -> None:
    async with trading((201, ACK)) as (exchange, venue):
        ack = (await venue.place(PLACE)).unwrap()

    assert (ack.order_id, ack.filled, ack.remaining, ack.at) == ("o1", 0, 325, 7_000)
    sent = exchange.requests[0]
    assert (sent.method, sent.path, sent.query) == ("POST", ORDERS, {})
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.body == {
        "ticker": "T",
        "client_order_id": "dw-1",
        "side": "bid",
        "price": "0.4800",
        "count": "3.25",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": True,
        "expiration_time": 1_703_123_500,
        "cancel_order_on_pause": True,
    }
    assert exchange.calls == ["write"]


async def test_acquiring_no_is_an_ask_at_the_complement() -> None:
    async with trading((201, ACK)) as (exchange, venue):
        await venue.place(replace(PLACE, leg=Leg.NO))

    assert (exchange.requests[0].body["side"], exchange.requests[0].body["price"]) == ("ask", "0.5200")


async def test_an_immediate_order_carries_no_expiration_and_no_resting_flags() -> None:
    async with trading((201, ACK)) as (exchange, venue):
        await venue.place(replace(PLACE, immediate=True, post_only=False, expires=None))

    sent = exchange.requests[0].body
    assert sent["time_in_force"] == "immediate_or_cancel"
    assert not {"expiration_time", "cancel_order_on_pause", "post_only"} & set(sent)


async def test_an_expiration_between_seconds_is_the_next_whole_one() -> None:
    async with trading((201, ACK)) as (exchange, venue):
        await venue.place(replace(PLACE, expires=Micros(SECOND + 1)))

    assert exchange.requests[0].body["expiration_time"] == 2


ANSWERED = {
    "ticker": "T",
    "event_ticker": "EVENT",
    "status": "active",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "close_time": "2026-06-25T16:00:00Z",
    "exchange_index": 2,
}


async def test_an_answer_about_another_market_is_none() -> None:
    async with trading((200, {"market": ANSWERED})) as (_, venue):
        assert (await venue.market("U")).failure() == Unknown("unreadable market: it describes another market")
        assert venue.rest.shard("T") == AUTO_SHARD


async def test_a_market_that_names_its_shard_has_its_orders_sent_there() -> None:
    async with trading((200, {"market": ANSWERED}), (201, ACK)) as (exchange, venue):
        found = (await venue.market("T")).unwrap()
        await venue.place(PLACE)
        await venue.amend(AMEND)
        await venue.cancel("T", "o1")

    assert found.shard == 2
    assert [request.body.get("exchange_index") for request in exchange.requests] == [None, 2, 2, None]
    assert exchange.requests[3].query == {"market_ticker": "T", "exchange_index": "2"}


async def test_the_orders_of_a_shard_join_its_group() -> None:
    async with trading((201, ACK)) as (exchange, venue):
        venue.join(-1, "g1")  # this market has named no shard
        await venue.place(PLACE)
        venue.join(-1, "")
        await venue.place(PLACE)

    assert [request.body.get("order_group_id") for request in exchange.requests] == ["g1", None]


@pytest.mark.parametrize(
    ("status", "error", "later"),
    [
        (404, {"code": "not_found", "message": "not found"}, None),
        (404, {"code": "not_found", "message": "order group not found"}, None),
        (400, {"code": "invalid_order", "message": "invalid order", "details": "order group is triggered"}, None),
        (400, {"code": "bad_request", "message": "bad request"}, None),
        (400, {"code": "invalid_order", "message": "invalid order", "details": "post only cross"}, "g1"),
        (400, {"code": "insufficient_balance", "message": "insufficient balance"}, "g1"),
        (409, {"code": "order_already_exists", "message": "order already exists"}, "g1"),
        (429, {"code": "too_many_requests", "message": "too many requests"}, "g1"),
        (500, {"code": "internal_server_error", "message": "not found"}, "g1"),
    ],
)
async def test_an_order_that_may_have_been_refused_for_its_group_has_the_next_one_go_without(
    status: int, error: object, later: str | None
) -> None:
    async with trading((status, {"error": error}), (201, ACK)) as (exchange, venue):
        venue.join(-1, "g1")
        await venue.place(PLACE)
        await venue.place(PLACE)

    assert [request.body.get("order_group_id") for request in exchange.requests] == ["g1", later]


async def test_warming_opens_the_connection_that_the_first_order_takes() -> None:
    async with trading((200, {"exchange_active": True, "trading_active": False}), (201, ACK)) as (exchange, venue):
        status = (await venue.warm()).unwrap()
        await venue.place(PLACE)

    assert (status.exchange_active, status.trading_active) == (True, False)
    assert len({request.port for request in exchange.requests}) == 1
    assert exchange.calls == ["public", "write"]


async def test_an_amend_names_the_order_both_ids_and_the_new_total() -> None:
    async with trading((200, {"order_id": "o1"})) as (exchange, venue):
        ack = (await venue.amend(AMEND)).unwrap()

    assert (ack.filled, ack.remaining, ack.at) == (None, None, NOW)
    assert (exchange.requests[0].method, exchange.requests[0].path) == ("POST", f"{ORDERS}/o1/amend")
    assert exchange.requests[0].body == {
        "ticker": "T",
        "client_order_id": "dw-1",
        "updated_client_order_id": "dw-2",
        "side": "ask",
        "price": "0.5200",
        "count": "5.00",
    }


async def test_a_cancel_says_in_which_market() -> None:
    async with trading((200, {"order_id": "o1", "reduced_by": "1.00", "ts_ms": 7})) as (exchange, venue):
        ack = (await venue.cancel("T", "o1")).unwrap()

    sent = exchange.requests[0]
    assert (sent.method, sent.path, sent.query) == (
        "DELETE",
        f"{ORDERS}/o1",
        {"market_ticker": "T", "exchange_index": "-1"},
    )
    assert (ack.reduced_by, exchange.calls) == (100, ["write"])


async def test_every_request_is_signed_anew_without_its_query() -> None:
    async with trading((200, {"balance": 1})) as (exchange, venue):
        await venue.balance()

    headers = exchange.requests[0].headers
    assert (headers["KALSHI-ACCESS-KEY"], headers["KALSHI-ACCESS-TIMESTAMP"]) == ("key-1", "1703123456789")
    assert headers["KALSHI-ACCESS-SIGNATURE"]
    assert "key-1" not in repr(venue)


async def test_without_a_key_only_market_data_is_asked_for() -> None:
    async with trading((200, {"orderbook_fp": {}}), signed=False) as (exchange, venue):
        book = await venue.book("T")
        order = await venue.place(PLACE)
        balance = await venue.balance()

    assert book.unwrap().at == NOW
    assert isinstance(order.failure(), NotApplied)
    assert isinstance(balance.failure(), NotApplied)
    assert exchange.calls == ["public"]
    assert "KALSHI-ACCESS-KEY" not in exchange.requests[0].headers


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (400, {"error": {"code": "invalid_price", "message": "m"}}, Rejected(400, "invalid_price", "m")),
        (400, {"code": "bad_request", "message": "m", "details": "d"}, Rejected(400, "bad_request", "d")),
        (400, {"msg": "limit"}, Rejected(400, "http_400", "limit")),
        (404, {"error": {"code": "not_found", "message": "m"}}, Rejected(404, "not_found", "m")),
        (404, b"<html>", Rejected(404, "http_404", "")),
        (409, {"error": {"code": "order_already_exists", "message": "m"}}, Rejected(409, "order_already_exists", "m")),
        (
            409,
            {"error": {"code": "fill_or_kill_insufficient_resting_volume"}},
            Rejected(409, "fill_or_kill_insufficient_resting_volume", ""),
        ),
        (409, {"error": {"code": "MARKET_INACTIVE"}}, Rejected(409, "MARKET_INACTIVE", "")),
        (409, {"error": {"code": "trading_is_paused"}}, NotApplied("409 trading_is_paused", paused=True)),
        (409, {"error": {"code": "exchange_is_paused"}}, NotApplied("409 exchange_is_paused", paused=True)),
        (401, {"error": {"code": "header_timestamp_expired"}}, NotApplied("401 header_timestamp_expired")),
        (401, {"error": {"code": "authentication_error"}}, Rejected(401, "authentication_error", "")),
        (403, b"", Rejected(403, "http_403", "")),
        (410, {"error": {"code": "deprecated_v1_order_endpoint"}}, NotApplied("410 deprecated_v1_order_endpoint")),
        (429, {"error": "too many requests"}, NotApplied("429 too many requests")),
        (408, b"", Unknown("408")),
        (307, b"", Unknown("307")),
        (500, {"error": {"code": "internal", "message": "m"}}, Unknown("500 internal m")),
        (502, b"<html>502 Bad Gateway</html>", Unknown("502")),
        (503, b"", Unknown("503")),
    ],
)
async def test_every_refusal_is_one_of_three_kinds_of_trouble(status: int, body: object, trouble: Trouble) -> None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()

    async with trading((status, body)) as (_, venue):
        assert (await venue.place(PLACE)).failure() == classify(status, text) == trouble


async def at_once() -> str:
    return ""


@pytest.mark.parametrize("order", ["place", "amend"])
async def test_an_order_that_is_not_cleared_is_never_sent(order: str) -> None:
    async def refused() -> str:
        return "the store is unavailable"

    async with trading((201, ACK)) as (exchange, venue):
        outcome = venue.place(PLACE, refused) if order == "place" else venue.amend(AMEND, refused)
        assert (await outcome).failure() == NotApplied("the store is unavailable")

    assert exchange.requests == []
    assert exchange.calls == []


@pytest.mark.parametrize(("waited", "renewed"), [(SECOND, False), (Micros(SECOND + 1), True)])
async def test_an_order_is_signed_before_it_is_cleared_and_again_if_that_took_long(
    waited: Micros, *, renewed: bool
) -> None:
    clock = SteppingClock(NOW)

    async def late() -> str:
        await clock.sleep_until(Micros(NOW + waited))
        return ""

    async with trading((201, ACK), clock=clock) as (exchange, venue):
        assert (await venue.place(PLACE, late)).unwrap().order_id == "o1"

    signed_at = NOW + waited if renewed else NOW
    assert exchange.requests[0].headers["KALSHI-ACCESS-TIMESTAMP"] == str(signed_at // 1_000)


MUTATIONS: tuple[Callable[[Venue], Awaitable[Outcome[object, Trouble]]], ...] = (
    lambda venue: venue.place(PLACE, at_once),
    lambda venue: venue.amend(AMEND, at_once),
    lambda venue: venue.cancel("T", "o1"),
)


@pytest.mark.parametrize("mutate", MUTATIONS, ids=["place", "amend", "cancel"])
@pytest.mark.parametrize(
    "answer",
    [
        ConnectionResetError(),
        (502, b"<html>502 Bad Gateway</html>"),
        (200, b""),
        (200, b"<html>hello</html>"),
        (200, {"order_id": 7}),
        (200, {"order_id": "another", "client_order_id": "another", "reduced_by": "1.00"}),
        (200, {"order_id": "o1", "fill_count": 1, "reduced_by": 1}),
    ],
    ids=["lost", "gateway", "empty", "html", "numeric", "another-order", "numeric-counts"],
)
async def test_a_mutation_without_a_readable_answer_is_unknown_and_was_sent_once(
    mutate: Callable[[Venue], Awaitable[Outcome[object, Trouble]]], answer: tuple[int, object] | Exception
) -> None:
    async with trading((200, {"balance": 1}), answer) as (exchange, venue):
        await venue.balance()  # so that the mutation meets a kept connection
        outcome = await mutate(venue)

    assert isinstance(outcome.failure(), Unknown)
    assert len(exchange.requests) == 2


async def test_a_request_that_cannot_leave_is_not_applied() -> None:
    transport = AioHttpTransport("http://127.0.0.1:1")
    venue = KalshiVenue(transport, Signer("key-1", Ed25519PrivateKey.generate()), FixedClock())

    trouble = (await venue.place(PLACE)).failure()
    await transport.close()

    assert isinstance(trouble, NotApplied)
    assert trouble.reason.startswith("not sent: ")


FILL = {
    "trade_id": "t1",
    "order_id": "o1",
    "ticker": "T",
    "outcome_side": "yes",
    "yes_price_dollars": "0.5000",
    "no_price_dollars": "0.5000",
    "count_fp": "1.00",
    "fee_cost": "0.000000",
    "is_taker": False,
    "created_time": "2023-12-21T01:50:57Z",
}


async def test_trades_are_read_page_by_page_and_come_oldest_first_from_the_very_microsecond() -> None:
    early = {**TRADE, "trade_id": "t0", "created_time": "2023-12-21T01:50:56.788999Z"}
    late = {**TRADE, "trade_id": "t2", "created_time": "2023-12-21T01:50:58Z"}
    pages = ((200, {"trades": [late], "cursor": "p2"}), (200, {"trades": [TRADE, early], "cursor": ""}))

    async with trading(*pages) as (exchange, venue):
        prints = (await venue.trades("T", NOW)).unwrap()

    assert [one.trade_id for one in prints] == ["t1", "t2"]
    assert [request.query for request in exchange.requests] == [
        {"ticker": "T", "min_ts": "1703123456", "limit": "1000"},
        {"ticker": "T", "min_ts": "1703123456", "limit": "1000", "cursor": "p2"},
    ]
    assert exchange.calls == ["public", "public"]


async def test_a_list_that_never_ends_is_given_up() -> None:
    async with trading((200, {"trades": [], "cursor": "again"})) as (exchange, venue):
        trouble = (await venue.trades("T", NOW)).failure()

    assert isinstance(trouble, Unknown)
    assert len(exchange.requests) == MOST_PAGES


async def test_a_page_that_fails_fails_the_list() -> None:
    async with trading((200, {"orders": [RECORD], "cursor": "p2"}), (429, b"")) as (_, venue):
        assert (await venue.orders("T", NOW)).failure() == NotApplied("429")
        assert (await venue.trades("T", NOW)).failure() == NotApplied("429")
        assert (await venue.position("T")).failure() == NotApplied("429")


async def test_an_order_and_the_list_are_private_reads() -> None:
    async with trading((200, {"order": RECORD}), (200, {"orders": [RECORD]}), (200, {"fills": []})) as (
        exchange,
        venue,
    ):
        order = (await venue.order("o1")).unwrap()
        listed = (await venue.orders("T", NOW)).unwrap()
        fills = (await venue.fills("T", NOW, ())).unwrap()

    assert listed == (order,)
    assert fills == ()
    assert [request.path for request in exchange.requests] == [
        f"{ROOT}/portfolio/orders/o1",
        f"{ROOT}/portfolio/orders",
        f"{ROOT}/portfolio/fills",
    ]
    assert exchange.calls == ["read"] * 3


async def test_what_ended_long_ago_is_read_from_the_archive_after_the_list() -> None:
    """Whatever moves from one to the other meanwhile is in both, and counts once."""
    older, newer = {**RECORD, "order_id": "o0"}, {**RECORD, "order_id": "o2"}
    lists = ((200, {"orders": [newer, RECORD]}), (200, {"orders": [RECORD, older]}))
    async with trading(*lists) as (exchange, venue):
        found = (await venue.orders("T", Micros(NOW - LISTED))).unwrap()

    assert [record.order_id for record in found] == ["o0", "o1", "o2"]
    assert [(request.path, request.query) for request in exchange.requests] == [
        (f"{ROOT}/portfolio/orders", {"ticker": "T", "min_ts": "1702518656", "limit": "1000"}),
        (f"{ROOT}/historical/orders", {"ticker": "T", "limit": "1000"}),
    ]
    assert exchange.calls == ["read", "read"]


async def test_two_matches_of_one_trade_with_two_of_our_orders_are_two_fills() -> None:
    first, second = {**FILL, "order_id": "o1"}, {**FILL, "order_id": "o2"}
    async with trading((200, {"fills": [first]}), (200, {"fills": [second]})) as (_, venue):
        found = (await venue.fills("T", Micros(NOW - LISTED), ())).unwrap()

    assert [fill.order_id for fill in found] == ["o2", "o1"]


async def test_without_the_archive_a_list_that_goes_back_that_far_is_trouble() -> None:
    async with trading((200, {"orders": [RECORD]}), (503, b"")) as (exchange, venue):
        assert isinstance((await venue.orders("T", Micros(NOW - LISTED))).failure(), Unknown | NotApplied)
        assert (await venue.orders("T", Micros(NOW - LISTED + 1))).failure() == (await venue.orders("T", NOW)).failure()

    assert [request.path for request in exchange.requests[1:]] == [
        f"{ROOT}/historical/orders",
        f"{ROOT}/portfolio/orders",
        f"{ROOT}/portfolio/orders",
    ]


async def test_a_market_that_is_not_listed_has_no_position() -> None:
    other = {"market_positions": [{"ticker": "U", "position_fp": "3.00"}]}
    mine = {"market_positions": [{"ticker": "T", "position_fp": "-3.00"}]}

    async with trading((200, other), (200, mine)) as (_, venue):
        assert (await venue.position("T")).unwrap() == 0
        assert (await venue.position("T")).unwrap() == -300


async def test_fees_are_the_events_override() -> None:
    event = {"series_ticker": "S", "fee_type_override": "quadratic", "fee_multiplier_override": 0.5}

    async with trading((200, {"event": event})) as (exchange, venue):
        assert (await venue.fee_rates(MARKET)).unwrap() == FeeRates(35_000, 0)

    assert [request.path for request in exchange.requests] == [f"{ROOT}/events/EVENT"]


async def test_fees_are_the_series_without_an_override() -> None:
    series = {"fee_type": "quadratic_with_maker_fees", "fee_multiplier": 1}

    async with trading((200, {"event": {"series_ticker": "S"}}), (200, {"series": series})) as (exchange, venue):
        assert (await venue.fee_rates(MARKET)).unwrap() == FeeRates(70_000, 17_500)

    assert [request.path for request in exchange.requests] == [f"{ROOT}/events/EVENT", f"{ROOT}/series/S"]
    assert exchange.calls == ["public", "public"]


async def test_fees_that_cannot_be_read_are_trouble_and_never_a_guess() -> None:
    async with trading((200, {"event": {"series_ticker": "S"}}), (404, b"")) as (_, venue):
        assert (await venue.fee_rates(MARKET)).failure() == Rejected(404, "http_404", "")
    async with trading((503, b"")) as (_, venue):
        assert (await venue.fee_rates(MARKET)).failure() == Unknown("503")


@pytest.mark.parametrize("multiplier", ["1E-400000", "1E+400000", "NaN", "Infinity", -1])
async def test_a_multiplier_that_none_can_be_is_refused_and_not_written_out(multiplier: object) -> None:
    series = {"fee_type": "quadratic", "fee_multiplier": multiplier}

    async with trading((200, {"event": {"series_ticker": "S"}}), (200, {"series": series})) as (_, venue):
        assert isinstance((await venue.fee_rates(MARKET)).failure(), Unknown)


async def test_a_ticker_cannot_leave_its_place_in_the_path() -> None:
    async with trading((404, b"")) as (exchange, venue):
        await venue.book("../portfolio?x=1#")

    assert exchange.requests[0].path == f"{ROOT}/markets/../portfolio?x=1#/orderbook"
    assert exchange.requests[0].query == {}


async def test_a_price_is_exact_on_the_finest_grid() -> None:
    async with trading((201, ACK)) as (exchange, venue):
        await venue.place(replace(PLACE, leg=Leg.NO, price=Price(CENT + 1), count=Count(1)))

    assert (exchange.requests[0].body["price"], exchange.requests[0].body["count"]) == ("0.9899", "0.01")
