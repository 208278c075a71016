"""What the exchange offers beyond trading one order: what is asked for, and what is made of the answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
from tests.shell.scripted import NOW, ROOT, Answer, Exchange, trading

from depthwalker.core.answer import (
    Ack,
    CancelAck,
    ExchangeStatus,
    FeeChange,
    Maintenance,
    NotApplied,
    OrderGroup,
    QueuePosition,
    Rejected,
    Session,
    ShardStatus,
    Trouble,
    Unknown,
)
from depthwalker.core.book import Book
from depthwalker.core.budget import Costs, EndpointCost, Limits, Rate
from depthwalker.core.fees import FeeRates
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.account import KalshiAccount

ORDERS = f"{ROOT}/portfolio/events/orders"
GROUPS = f"{ROOT}/portfolio/order_groups"
ITEM = {"order_id": "o1", "reduced_by": "1.00", "ts_ms": 7}
AT = Micros(7_000)
GATEWAY = (502, b"<html>502 Bad Gateway</html>")


@asynccontextmanager
async def account(*answers: Answer) -> AsyncIterator[tuple[Exchange, KalshiAccount]]:
    async with trading(*answers) as (exchange, venue):
        yield exchange, KalshiAccount(venue.rest)


def market(ticker: str, shard: int) -> Mapping[str, object]:
    return {
        "ticker": ticker,
        "event_ticker": "E",
        "status": "active",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "close_time": "2026-06-25T16:00:00Z",
        "exchange_index": shard,
    }


@pytest.mark.parametrize(
    ("item", "trouble"),
    [
        ({"error": {"code": "order_already_exists"}}, Rejected(409, "order_already_exists", "")),
        ({"error": {"code": "trading_is_paused"}}, NotApplied("409 trading_is_paused", paused=True)),
        ({"error": {"code": "too_many_requests"}}, NotApplied("429 too_many_requests")),
        ({"error": {"code": "not_heard_of", "message": "m"}}, Unknown("500 not_heard_of m")),
        ({"error": {}}, Unknown("500")),
        ({}, Unknown("unreadable batch answer: an item has neither a count nor an error")),
        ({"order_id": "o9", "reduced_by": "1.00"}, Unknown("unreadable batch answer: it describes another order")),
        ({"reduced_by": "-1"}, Unknown("unreadable batch answer: a count is below 0")),
    ],
)
async def test_an_item_is_judged_like_a_request_of_its_own(item: Mapping[str, object], trouble: Trouble) -> None:
    async with account((200, {"orders": [{"order_id": "o1", **item}]})) as (_, desk):
        assert (await desk.cancel_all([("T", "o1")])).unwrap() == (Failure(trouble),)


@pytest.mark.parametrize("body", [{"orders": []}, {"orders": [ITEM, ITEM]}, {}, b"", b'{"orders":[{"order_id"'])
async def test_a_batch_whose_answer_does_not_fit_is_unknown_as_a_whole(body: object) -> None:
    async with account((201, body)) as (exchange, desk):
        assert isinstance((await desk.cancel_all([("T", "o1")])).failure(), Unknown)

    assert len(exchange.requests) == 1


async def test_a_batched_cancel_carries_a_body_that_names_every_market_and_its_shard() -> None:
    gone = {"order_id": "o2", "reduced_by": "0.00", "error": {"code": "not_found", "message": "not found"}}
    answers = (
        (200, {"markets": [market("U", 2)], "cursor": "next"}),
        (200, {"orders": [{"order_id": "o1", "reduced_by": "1.00", "ts_ms": 7}, gone, {"order_id": "o3"}]}),
    )
    async with account(*answers) as (exchange, desk):
        page = (await desk.markets(status="open", limit=10)).unwrap()
        outcomes = (await desk.cancel_all([("T", "o1"), ("U", "o2"), ("U", "o3")])).unwrap()

    assert ([one.ticker for one in page.items], page.cursor) == (["U"], "next")
    assert exchange.requests[0].query == {"limit": "10", "mve_filter": "exclude", "status": "open"}
    assert outcomes == (
        Success(CancelAck("o1", Count(100), AT)),
        Failure(Rejected(404, "not_found", "not found")),
        Failure(Unknown("unreadable batch answer: an item has neither a count nor an error")),
    )
    assert exchange.requests[1].method == "DELETE"
    assert exchange.requests[1].body == {
        "orders": [
            {"order_id": "o1", "market_ticker": "T", "exchange_index": -1},
            {"order_id": "o2", "market_ticker": "U", "exchange_index": 2},
            {"order_id": "o3", "market_ticker": "U", "exchange_index": 2},
        ]
    }


async def test_a_decrease_says_what_shall_remain() -> None:
    async with account((200, {"order_id": "o1", "remaining_count": "1.50", "ts_ms": 7})) as (exchange, desk):
        assert await desk.decrease("T", "o1", Count(150)) == Success(Ack("o1", None, Count(150), AT))
        assert isinstance((await desk.decrease("T", "o2", Count(150))).failure(), Unknown)

    assert exchange.requests[0].path == f"{ORDERS}/o1/decrease"
    assert exchange.requests[0].body == {"reduce_to": "1.50", "market_ticker": "T", "exchange_index": -1}


async def test_an_order_group_from_its_making_to_its_end() -> None:
    named = {"id": "g1", "is_auto_cancel_enabled": True, "contracts_limit_fp": "10.00", "exchange_index": 2}
    answers: tuple[Answer, ...] = (
        (201, {"order_group_id": "g1", "subaccount": 0}),
        (200, {}),
        (200, {"order_groups": [named]}),
        (200, {"is_auto_cancel_enabled": False, "orders": ["o1"]}),
        (200, {}),
    )
    async with account(*answers) as (exchange, desk):
        assert await desk.create_group(Count(1_000), shard=2) == Success("g1")
        assert await desk.groups() == Success(())
        assert await desk.groups() == Success((OrderGroup("g1", Count(1_000), (), 2),))
        assert await desk.group("g1") == Success(OrderGroup("g1", None, ("o1",), None))
        assert await desk.trigger_group("g1", shard=2) == Success(None)
        assert await desk.delete_group("g1", shard=2) == Success(None)

    seen = [(one.method, one.path.removeprefix(GROUPS), dict(one.body)) for one in exchange.requests]
    assert seen == [
        ("POST", "/create", {"contracts_limit": 10, "exchange_index": 2}),
        ("GET", "", {}),
        ("GET", "", {}),
        ("GET", "/g1", {}),
        ("PUT", "/g1/trigger", {}),
        ("DELETE", "/g1", {}),
    ]
    assert [one.query for one in exchange.requests[4:]] == [{"exchange_index": "2"}] * 2
    assert exchange.calls == ["write", "read", "read", "read", "write", "write"]


async def test_a_group_of_a_fraction_of_a_contract_is_asked_for_exactly() -> None:
    async with account((201, {"order_group_id": "g1"})) as (exchange, desk):
        assert await desk.create_group(Count(550)) == Success("g1")

    assert exchange.requests[0].body["contracts_limit_fp"] == "5.50"


async def test_a_group_operation_that_answers_nothing_is_done_and_one_that_answers_a_page_is_unknown() -> None:
    async with account((200, b""), (200, b"<html>"), (404, {"error": {"code": "not_found"}})) as (_, desk):
        assert await desk.trigger_group("g1") == Success(None)
        assert isinstance((await desk.trigger_group("g1")).failure(), Unknown)
        assert (await desk.trigger_group("g1")).failure() == Rejected(404, "not_found", "")


async def test_places_in_the_queue() -> None:
    row = {"order_id": "o1", "market_ticker": "T", "queue_position_fp": "12.00"}
    answers: tuple[Answer, ...] = (
        (200, {"queue_position_fp": "12.00"}),
        (200, {"queue_positions": [row]}),
        (200, {"queue_positions": None}),
    )
    async with account(*answers) as (exchange, desk):
        assert await desk.queue_position("o1") == Success(Count(1_200))
        assert await desk.queue_positions(["T", "U"]) == Success((QueuePosition("o1", "T", Count(1_200)),))
        assert await desk.queue_positions(["T"]) == Success(())

    assert exchange.requests[0].path == f"{ROOT}/portfolio/orders/o1/queue_position"
    assert exchange.requests[1].query == {"market_tickers": "T,U"}


async def test_books_are_asked_for_by_a_repeated_ticker_a_hundred_at_a_time() -> None:
    def body(ticker: str) -> object:
        levels = {"yes_dollars": [["0.4700", "3.00"]], "no_dollars": []}
        return {"orderbooks": [{"ticker": ticker, "orderbook_fp": levels}]}

    tickers = [f"T{number}" for number in range(101)]
    async with account((200, body("T0")), (200, body("T100"))) as (exchange, desk):
        books = (await desk.books(tickers)).unwrap()

    book = Book(((Price(4_700), Count(300)),), (), NOW)
    assert books == {"T0": book, "T100": book}
    assert [len(one.pairs) for one in exchange.requests] == [100, 1]
    assert exchange.requests[1].pairs == (("tickers", "T100"),)
    assert exchange.calls == ["public", "public"]


@pytest.mark.parametrize("body", [{}, {"orderbooks": [{"ticker": "T"}]}, b"<html>"])
async def test_books_of_another_shape_are_unknown(body: object) -> None:
    async with account((200, body)) as (_, desk):
        assert isinstance((await desk.books(["T"])).failure(), Unknown)


async def test_a_book_with_an_impossible_price_spoils_the_lot() -> None:
    wrong = {"ticker": "T", "orderbook_fp": {"yes_dollars": [["1.5000", "3.00"]]}}

    async with account((200, {"orderbooks": [wrong]})) as (_, desk):
        assert "between 0 and 1" in str((await desk.books(["T"])).failure())


async def test_the_status_is_told_even_by_an_exchange_that_is_out_of_service() -> None:
    paused = {
        "exchange_active": False,
        "trading_active": False,
        "exchange_estimated_resume_time": "1970-01-01T00:00:01Z",
        "exchange_index_statuses": [{"exchange_index": 2, "exchange_active": True, "trading_active": False}],
    }
    told = ExchangeStatus(False, False, SECOND, (ShardStatus(2, True, False),))
    answers: tuple[Answer, ...] = ((200, paused), (503, paused), GATEWAY, (503, b""), (404, paused))
    async with account(*answers) as (_, desk):
        assert await desk.status() == Success(told)
        assert await desk.status() == Success(told)
        assert (await desk.status()).failure() == Unknown("502")
        assert (await desk.status()).failure() == Unknown("503")
        assert isinstance((await desk.status()).failure(), Rejected)


async def test_the_schedule_is_weeks_of_hours_and_windows() -> None:
    day = [{"open_time": "00:00", "close_time": "03:00"}, {"open_time": "05:00", "close_time": "24:00"}]
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    week: dict[str, object] = {name: [{"open_time": "00:00", "close_time": "00:00"}] for name in names}
    week |= {"thursday": day, "start_time": "1970-01-01T00:00:00Z", "end_time": "1970-01-01T00:00:01Z"}
    window = {"start_datetime": "1970-01-01T00:00:00Z", "end_datetime": "1970-01-01T00:00:01Z"}

    async with account((200, {"schedule": {"standard_hours": [week], "maintenance_windows": [window]}})) as (_, desk):
        schedule = (await desk.schedule()).unwrap()

    assert schedule.weeks[0].days[3] == (Session(0, 180), Session(300, 1_440))
    assert schedule.weeks[0].days[6] == (Session(0, 0),)
    assert schedule.maintenance == (Maintenance(Micros(0), SECOND),)


@pytest.mark.parametrize("hour", ["3:00", "24:01", "12:60", "noon", "", "-1:00"])
async def test_an_hour_that_no_day_has_is_unreadable(hour: str) -> None:
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    week: dict[str, object] = {name: [] for name in names}
    week |= {"sunday": [{"open_time": hour, "close_time": "00:00"}]}
    week |= {"start_time": "1970-01-01T00:00:00Z", "end_time": "1970-01-01T00:00:01Z"}

    async with account((200, {"schedule": {"standard_hours": [week]}})) as (_, desk):
        assert "HH:MM" in str((await desk.schedule()).failure())


async def test_the_accounts_rates_and_the_endpoints_costs() -> None:
    limits = {
        "usage_tier": "advanced",
        "read": {"refill_rate": 300, "bucket_capacity": 900},
        "write": {"refill_rate": 300, "bucket_capacity": 600},
        "grants": [],
    }
    costs = {"default_cost": 10, "endpoint_costs": [{"method": "delete", "path": "/o/:id", "cost": 2}]}
    async with account((200, limits), (200, costs)) as (exchange, desk):
        assert await desk.limits() == Success(Limits("advanced", Rate(300, 900), Rate(300, 600)))
        assert await desk.costs() == Success(Costs(10, (EndpointCost("DELETE", "/o/:id", 2),)))

    assert exchange.calls == ["read", "public"]


async def test_rates_that_cannot_be_are_not_believed() -> None:
    nothing = {"usage_tier": "x", "read": {"refill_rate": 0, "bucket_capacity": 9}, "write": {}}
    read = {"refill_rate": 0, "bucket_capacity": 9}
    async with account(
        (200, nothing),
        (200, {"usage_tier": "x", "read": read, "write": read}),
        (200, {"default_cost": 0, "endpoint_costs": []}),
        (200, {"default_cost": 1, "endpoint_costs": [{"method": "GET", "path": "/", "cost": -1}]}),
    ) as (_, desk):
        for told in (await desk.limits(), await desk.limits(), await desk.costs(), await desk.costs()):
            assert isinstance(told.failure(), Unknown)


async def test_fee_changes_come_earliest_first_and_an_unknown_type_is_named_without_rates() -> None:
    later = {
        "id": "2",
        "series_ticker": "S",
        "fee_type": "margin_market_maker_program_fees",
        "fee_multiplier": 1,
        "scheduled_ts": "1970-01-01T00:00:02Z",
    }
    sooner = {**later, "fee_type": "quadratic", "fee_multiplier": 0.5, "scheduled_ts": "1970-01-01T00:00:01Z"}
    cleared = {"id": "3", "event_ticker": "E", "series_ticker": "S", "scheduled_ts": "1970-01-01T00:00:03Z"}
    event = {**cleared, "fee_type_override": "quadratic", "fee_multiplier_override": 1}
    answers: tuple[Answer, ...] = (
        (200, {"series_fee_change_arr": [later, sooner]}),
        (200, {"event_fee_changes": [{**cleared, "fee_type_override": None}], "cursor": "p2"}),
        (200, {"event_fee_changes": [{**event, "scheduled_ts": "1970-01-01T00:00:04Z"}], "cursor": ""}),
        GATEWAY,
    )
    async with account(*answers) as (exchange, desk):
        series = (await desk.series_fee_changes("S")).unwrap()
        events = (await desk.event_fee_changes("E")).unwrap()
        assert (await desk.event_fee_changes("E")).failure() == Unknown("502")

    assert series == (
        FeeChange("S", "", "quadratic", FeeRates(35_000, 0), SECOND),
        FeeChange("S", "", "margin_market_maker_program_fees", None, Micros(2 * SECOND)),
    )
    assert events == (
        FeeChange("S", "E", None, None, Micros(3 * SECOND)),
        FeeChange("S", "E", "quadratic", FeeRates(70_000, 0), Micros(4 * SECOND)),
    )
    assert exchange.requests[0].query == {"series_ticker": "S", "show_historical": "true"}


CALLS: Mapping[str, Callable[[KalshiAccount], Awaitable[Outcome[object, Trouble]]]] = {
    "markets": lambda desk: desk.markets(),
    "books": lambda desk: desk.books(["T"]),
    "cancel_all": lambda desk: desk.cancel_all([("T", "o1")]),
    "decrease": lambda desk: desk.decrease("T", "o1", Count(1)),
    "create_group": lambda desk: desk.create_group(Count(100)),
    "group": lambda desk: desk.group("g1"),
    "trigger_group": lambda desk: desk.trigger_group("g1"),
    "delete_group": lambda desk: desk.delete_group("g1"),
    "queue_position": lambda desk: desk.queue_position("o1"),
    "status": lambda desk: desk.status(),
    "schedule": lambda desk: desk.schedule(),
    "limits": lambda desk: desk.limits(),
    "costs": lambda desk: desk.costs(),
    "series_fee_changes": lambda desk: desk.series_fee_changes("S"),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_ends_in_trouble_and_never_raises(name: str) -> None:
    answers: tuple[Answer, ...] = (
        GATEWAY,
        (200, b"<html>hello</html>"),
        (200, b'{"orders":[{"or'),
        (429, {"error": "too many requests"}),
        ConnectionResetError(),
    )
    async with account(*answers) as (exchange, desk):
        troubles = [(await CALLS[name](desk)).failure() for _ in answers]

    assert [type(trouble) for trouble in troubles] == [Unknown, Unknown, Unknown, NotApplied, Unknown]
    assert len(exchange.requests) == len(answers)


async def test_without_a_key_private_calls_send_nothing() -> None:
    async with trading((200, {}), signed=False) as (exchange, venue):
        desk = KalshiAccount(venue.rest)
        assert isinstance((await desk.limits()).failure(), NotApplied)
        assert isinstance((await desk.trigger_group("g1")).failure(), NotApplied)

    assert exchange.requests == []
