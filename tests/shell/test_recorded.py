"""Everything that was recorded of the exchange's REST interface: read where it is in scope, judged where it is an error.

The recordings are reference material beside this project and not everybody has them; without them these tests skip.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typing_extensions import override

from depthwalker.core.answer import NotApplied, OrderStatus, Rejected, Trouble, Unknown
from depthwalker.core.book import Leg
from depthwalker.core.budget import CANCEL_COST, USUAL_COSTS, Limits, Rate, cost_of
from depthwalker.core.outcome import Outcome
from depthwalker.core.units import Micros
from depthwalker.shell.account_wire import (
    read_costs,
    read_decrease,
    read_done,
    read_groups,
    read_limits,
    read_new_group,
    read_series_changes,
    read_status,
)
from depthwalker.shell.reading import Unreadable
from depthwalker.shell.rest import classify
from depthwalker.shell.wire import (
    read_ack,
    read_balance,
    read_book,
    read_cancel_ack,
    read_fills,
    read_market,
    read_markets,
    read_order,
    read_orders,
    read_positions,
    read_trades,
)

NOW = Micros(5)
FOLDERS = ("fortuna_demo_2026-06-11", "fortuna_perps_demo_2026-06")
RECORDINGS = Path(__file__).resolve().parents[3] / "shared/kalshi/recordings"

Read = Callable[[bytes], Outcome[object, Unreadable]]


def market(path: str) -> Read:
    return lambda body: read_market(body, path.rpartition("/")[2])


def ack(body: bytes) -> Outcome[object, Unreadable]:
    return read_ack(body, NOW)


def cancelled(path: str) -> Read:
    return lambda body: read_cancel_ack(body, NOW, path.rpartition("/")[2])


def decreased(path: str) -> Read:
    return lambda body: read_decrease(body, NOW, path.split("/")[-2])


def book(body: bytes) -> Outcome[object, Unreadable]:
    return read_book(body, NOW)


class Every:
    """Has every id."""

    def __contains__(self, _: object) -> bool:
        return True


def fills(body: bytes) -> Outcome[object, Unreadable]:
    return read_fills(body, NOW, Every())


# Method and path, without /trade-api/v2, and who reads what succeeded. The margin exchange answers mutations and groups in the
# same words as ours; its orders, markets, books and positions are written differently and out of scope, as is V1.
READERS: tuple[tuple[str, str, Callable[[str], Read]], ...] = (
    ("GET", r"/account/endpoint_costs", lambda _: read_costs),
    ("GET", r"/account/limits(/perps)?", lambda _: read_limits),
    ("GET", r"/portfolio/balance", lambda _: read_balance),
    ("GET", r"(/margin)?/exchange/status", lambda _: read_status),
    ("GET", r"/portfolio/fills", lambda _: fills),
    ("GET", r"/markets", lambda _: read_markets),
    ("GET", r"/markets/trades", lambda _: read_trades),
    ("GET", r"/markets/[^/]+/orderbook", lambda _: book),
    ("GET", r"/markets/[^/]+", market),
    ("GET", r"/portfolio/orders", lambda _: read_orders),
    ("GET", r"/portfolio/orders/[^/]+", lambda _: read_order),
    ("GET", r"/portfolio/positions", lambda _: read_positions),
    ("GET", r"/series/fee_changes", lambda _: read_series_changes),
    ("POST", r"/portfolio/events/orders|/margin/orders", lambda _: ack),
    ("POST", r"/margin/orders/[^/]+/amend", lambda _: ack),
    ("POST", r"/margin/orders/[^/]+/decrease", decreased),
    ("DELETE", r"/portfolio/events/orders/[^/]+|/margin/orders/[^/]+", cancelled),
    ("POST", r"/margin/order_groups/create", lambda _: read_new_group),
    ("GET", r"/margin/order_groups", lambda _: read_groups),
    ("PUT", r"/margin/order_groups/[^/]+/(limit|trigger|reset)", lambda _: read_done),
    ("DELETE", r"/margin/order_groups/[^/]+", lambda _: read_done),
)
OUT_OF_SCOPE = r"/margin/.*|/portfolio/margin/.*|/portfolio/settlements|/portfolio/orders(/[^/]+)?|/portfolio/intra_.*"
ERRORS: Mapping[str, Trouble] = {
    "auth__bad_signature": Rejected(401, "authentication_error", "INCORRECT_API_KEY_SIGNATURE"),
    "auth__missing_signature_header": Rejected(
        401, "signature_is_missing_from_headers", "signature is missing from headers"
    ),
    "auth__skew": NotApplied("401 header_timestamp_expired header timestamp expired"),
    "auth__unknown_key_id": Rejected(401, "authentication_error", "NOT_FOUND"),
    "cleanup__leftover": Rejected(404, "not_found", "not found"),
    "markets__limit_over_max": Rejected(
        400,
        "http_400",
        "Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.Limit' "
        "Error:Field validation for 'Limit' failed on the 'lte' tag",
    ),
    "orders__cancel": Rejected(404, "not_found", "not found"),
    "orders__get": Rejected(404, "not_found", "not found"),
    "groups__get": Rejected(404, "not_found", "not found"),
    "orders__duplicate": Rejected(409, "order_already_exists", "order already exists"),
    "orders__reuse": Rejected(409, "order_already_exists", "order already exists"),
    "orders__insufficient_balance": Rejected(400, "insufficient_balance", "insufficient balance"),
    "orders__insufficient_margin": Rejected(400, "NOTIONAL_RISK_LIMIT_EXCEEDED", "NOTIONAL_RISK_LIMIT_EXCEEDED"),
    "orders__invalid_price_structure": Rejected(400, "invalid_price", "invalid price"),
    "orders__price_band_violation": Rejected(400, "invalid_price", "invalid price"),
    "orders__off_tick_price": Rejected(400, "invalid_order", "invalid price: invalid dollar precision: -5"),
    "orders__numeric_field_types": Rejected(
        400,
        "bad_request",
        "json: cannot unmarshal number into Go struct field CreateOrderV2Request.count of type string",
    ),
    "orders__post_only_cross": Rejected(400, "invalid_order", "post only cross"),
    "orders__reduce_only_gtc": Rejected(400, "invalid_order", "reduce_only can only be used with IoC or FoK orders"),
    "funding__history_no_params": Rejected(400, "http_400", "Query argument start_date is required, but not found"),
    "subaccounts__create_nobody": Rejected(400, "invalid_content_type", "invalid_content_type"),
    "subaccounts__transfer_duplicate": Rejected(409, "transfer_already_applied", "transfer already applied"),
    "transfer__intra_exchange": Unknown("503 service_unavailable service_unavailable"),
}

WITH_AN_ID = "orders__create_gtc_blocked"  # its code ends in the user's id


@dataclass(frozen=True)
class Recorded:
    name: str
    method: str
    path: str
    status: int
    margin: bool
    body: bytes = field(repr=False)

    @override
    def __str__(self) -> str:
        return f"{'margin-' * self.margin}{self.name}"


def recordings() -> list[Recorded]:
    found = []
    for folder in FOLDERS:
        for meta in sorted((RECORDINGS / folder).glob("*.meta.json")):
            told = json.loads(meta.read_bytes())
            body = meta.with_name(meta.name.replace(".meta", ""))
            if "status" in told and body.exists():
                path = told["path"].removeprefix("/trade-api/v2").partition("?")[0]
                name = body.name.removesuffix(".json")
                margin = folder == FOLDERS[1]
                found.append(Recorded(name, told["method"], path, told["status"], margin, body.read_bytes()))
    return found


def reader(recorded: Recorded) -> Read | None:
    found = (
        read(recorded.path)
        for method, path, read in READERS
        if method == recorded.method and re.fullmatch(path, recorded.path)
    )
    return next(found, None)


ALL = recordings()
PRESENT = pytest.mark.skipif(not ALL, reason="the recordings are not beside this project")
DONE = [one for one in ALL if one.status < 300]
REFUSED = [one for one in ALL if one.status >= 300]


@PRESENT
def test_every_recording_is_in_the_table() -> None:
    assert len(ALL) > 100
    assert [one.name for one in DONE if reader(one) is None and not re.fullmatch(OUT_OF_SCOPE, one.path)] == []


@PRESENT
@pytest.mark.parametrize("recorded", [one for one in DONE if reader(one) is not None], ids=str)
def test_what_was_answered_is_read(recorded: Recorded) -> None:
    read = reader(recorded)

    assert read is not None
    read(recorded.body).unwrap()


@PRESENT
@pytest.mark.parametrize("recorded", [one for one in REFUSED if one.name != WITH_AN_ID], ids=str)
def test_what_was_refused_is_judged(recorded: Recorded) -> None:
    known = max((name for name in ERRORS if recorded.name.startswith(name)), key=len)

    assert classify(recorded.status, recorded.body) == ERRORS[known]


@PRESENT
def test_a_code_that_carries_the_users_id_is_read_without_it() -> None:
    trouble = classify(400, body_of(WITH_AN_ID))

    assert isinstance(trouble, Rejected)
    assert trouble.code == "user_not_found"


def body_of(name: str) -> bytes:
    return next(one.body for one in ALL if one.name == name)


@PRESENT
def test_the_recorded_costs_and_rates_are_those_assumed_before_they_are_read() -> None:
    costs = read_costs(body_of("account__endpoint_costs")).unwrap()
    order = "/trade-api/v2/portfolio/events/orders"

    for method, path in (("POST", order), ("DELETE", f"{order}/o1"), ("DELETE", f"{order}/batched"), ("PUT", order)):
        assert cost_of(costs, method, path) == cost_of(USUAL_COSTS, method, path)
    assert cost_of(costs, "DELETE", f"{order}/o1") == CANCEL_COST
    assert read_limits(body_of("account__limits")).unwrap() == Limits("basic", Rate(200, 200), Rate(100, 100))


@PRESENT
def test_a_group_list_without_groups_was_recorded_as_an_empty_object() -> None:
    assert read_groups(body_of("groups__list")).unwrap() == ()


@PRESENT
def test_the_recorded_list_shows_every_order_with_the_leg_it_acquired() -> None:
    orders = read_orders(body_of("portfolio__orders_list")).unwrap().items

    assert {one.leg for one in orders} <= set(Leg)
    assert {one.status for one in orders} <= set(OrderStatus)
    assert all(one.filled + one.remaining <= one.initial for one in orders)


@PRESENT
@pytest.mark.parametrize("recorded", DONE, ids=str)
def test_a_truncated_answer_is_never_taken_for_a_whole_one(recorded: Recorded) -> None:
    read = reader(recorded)
    if read is None or recorded.body.strip() == b"{}":
        return

    for length in (1, len(recorded.body) // 2, len(recorded.body.rstrip()) - 1):
        assert isinstance(read(recorded.body[:length]).failure(), Unreadable)
