"""The exchange's bodies become core values, exactly, or are named as unreadable (fact sheet, sections 2 to 5 and 8)."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.answer import CancelAck, MarketStatus, OrderStatus
from depthwalker.core.book import Book, Leg
from depthwalker.core.fees import FeeRates
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Outcome
from depthwalker.core.units import Count, Micros, Money, Price, format_count
from depthwalker.shell.reading import Refused, Unreadable, count_of
from depthwalker.shell.tariff import EventFees, FeeSchedule, fee_rates, read_event_fees, read_series_fees
from depthwalker.shell.wire import (
    AUTO_SHARD,
    ErrorWords,
    read_ack,
    read_balance,
    read_book,
    read_cancel_ack,
    read_error,
    read_fills,
    read_market,
    read_order,
    read_orders,
    read_positions,
    read_trades,
)

T = TypeVar("T")
NOW = Micros(5)
RECORDINGS = Path(__file__).resolve().parents[3] / "shared/kalshi/recordings/fortuna_demo_2026-06-11"

ORDER: Mapping[str, object] = {
    "order_id": "o1",
    "client_order_id": "c1",
    "ticker": "T",
    "outcome_side": "no",
    "book_side": "ask",
    "side": "yes",
    "action": "sell",
    "status": "resting",
    "yes_price_dollars": "0.5200",
    "no_price_dollars": "0.4800",
    "initial_count_fp": "3.25",
    "fill_count_fp": "1.00",
    "remaining_count_fp": "2.25",
    "taker_fees_dollars": "0.017500",
    "maker_fees_dollars": "0.000001",
    "created_time": "2026-06-11T06:29:20.866753Z",
}
FILL: Mapping[str, object] = {
    "order_id": "o1",
    "trade_id": "t1",
    "ticker": "T",
    "book_side": "ask",
    "side": "no",
    "action": "buy",
    "yes_price_dollars": "0.5200",
    "count_fp": "0.01",
    "fee_cost": "0.000175",
    "is_taker": False,
    "created_time": "1970-01-01T00:00:01Z",
}
TRADE: Mapping[str, object] = {
    "trade_id": "t1",
    "ticker": "T",
    "taker_outcome_side": "no",
    "taker_book_side": "ask",
    "yes_price_dollars": "0.0300",
    "count_fp": "7.77",
    "created_time": "1970-01-01T00:00:01.000001Z",
}
MARKET: Mapping[str, object] = {
    "ticker": "T-1",
    "event_ticker": "T",
    "status": "active",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "close_time": "1970-01-01T00:00:01Z",
}


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def recorded(name: str) -> bytes:
    file = RECORDINGS / name
    if not file.exists():
        pytest.skip("the recordings are not beside this project")
    return file.read_bytes()


def why(outcome: Outcome[T, Unreadable]) -> str:
    return outcome.failure().in_words()


def test_an_order_acquires_the_leg_of_its_book_side_at_that_legs_price() -> None:
    order = read_order(body({"order": ORDER})).unwrap()

    assert (order.leg, order.price) == (Leg.NO, Price(4_800))
    assert (order.initial, order.filled, order.remaining) == (Count(325), Count(100), Count(225))
    assert order.fees == Money(17_501)
    assert order.status is OrderStatus.RESTING
    assert order.created == Micros(1_781_159_360_866_753)


@pytest.mark.parametrize(
    ("sides", "leg"),
    [
        ({"outcome_side": "yes", "book_side": "bid"}, Leg.YES),
        ({"outcome_side": "yes", "book_side": None}, Leg.YES),
        ({"outcome_side": None, "book_side": "bid"}, Leg.YES),
        ({"outcome_side": "no", "book_side": None}, Leg.NO),
        ({"outcome_side": None, "book_side": "ask"}, Leg.NO),
    ],
)
def test_either_direction_field_names_the_leg(sides: Mapping[str, object], leg: Leg) -> None:
    assert read_order(body({"order": {**ORDER, **sides}})).unwrap().leg is leg


@pytest.mark.parametrize(
    "sides",
    [
        {"outcome_side": "yes", "book_side": "ask"},
        {"outcome_side": None, "book_side": None},
        {"outcome_side": "YES", "book_side": None},
    ],
)
def test_a_contradiction_or_the_legacy_side_alone_names_no_leg(sides: Mapping[str, object]) -> None:
    assert "names no leg" in why(read_order(body({"order": {**ORDER, **sides}})))


@pytest.mark.parametrize(
    "change",
    [
        {"fill_count_fp": 1},
        {"fill_count_fp": "-1.00"},
        {"fill_count_fp": "1.001"},
        {"yes_price_dollars": 0.52},
        {"yes_price_dollars": "0.52001"},
        {"yes_price_dollars": "1.0000"},
        {"yes_price_dollars": "1e-2"},
        {"yes_price_dollars": "NaN"},
        {"taker_fees_dollars": None},
        {"status": "unknown"},
        {"created_time": "yesterday"},
        {"created_time": "2026-06-11T06:29:20"},
        {"order_id": 7},
    ],
)
def test_a_wrong_value_makes_the_order_unreadable(change: Mapping[str, object]) -> None:
    assert why(read_order(body({"order": {**ORDER, **change}}))).startswith("unreadable order: ")


@given(st.integers(min_value=0, max_value=10**15))
def test_every_count_the_exchange_can_write_is_read_back(count: int) -> None:
    assert count_of(format_count(Count(count))) == count


@pytest.mark.parametrize(
    "text", ["\uff11.00", "1_0.00", "+1.00", " 1.00", "--1.00", ".", "", "1e0.00", "1.-1", "0x1.00"]
)
def test_a_count_in_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        count_of(text)


@pytest.mark.parametrize("text", [b"", b"<html>Bad gateway</html>", b"\xff", b"[]", b"null", b"{}", b'{"order":{}}'])
def test_what_is_no_order_is_unreadable(text: bytes) -> None:
    assert why(read_order(text)).startswith("unreadable order: ")


def test_a_body_may_gain_keys() -> None:
    assert read_order(body({"order": {**ORDER, "new": {"a": 1}}, "more": []})) == read_order(body({"order": ORDER}))


def test_times_finer_than_a_microsecond_are_cut() -> None:
    order = read_order(body({"order": {**ORDER, "created_time": "1970-01-01T00:00:01.1234567Z"}})).unwrap()

    assert order.created == Micros(1_123_456)


def test_a_page_of_orders_carries_its_cursor() -> None:
    page = read_orders(body({"orders": [ORDER, ORDER], "cursor": "next"})).unwrap()

    assert (len(page.items), page.cursor) == (2, "next")


@pytest.mark.parametrize("change", [{"created_time": None}, {"client_order_id": None}, {"client_order_id": ""}])
def test_an_order_without_a_time_or_a_client_id_is_read_all_the_same(change: Mapping[str, object]) -> None:
    page = read_orders(body({"orders": [ORDER, {**ORDER, **change, "order_id": "o2"}]})).unwrap()

    assert [order.order_id for order in page.items] == ["o1", "o2"]


def test_what_a_record_does_not_say_is_when_it_was_made() -> None:
    timeless = {key: value for key, value in ORDER.items() if key != "created_time"}
    fill = {key: value for key, value in FILL.items() if key != "created_time"}

    assert read_order(body({"order": timeless})).unwrap().created == 0
    assert [found.at for found in read_fills(body({"fills": [fill]}), NOW, {"o1"}).unwrap().items] == [NOW]


def test_an_odd_order_of_ours_that_its_owner_gave_another_client_id_fails_the_list() -> None:
    renamed = {**ORDER, "client_order_id": "by hand", "status": "pending_review"}
    listed = body({"orders": [{**ORDER, "order_id": "o2"}, renamed]})
    assert why(read_orders(listed, {"o1"})).startswith("unreadable orders: 1: ")
    assert [order.order_id for order in read_orders(listed, {"o2"}).unwrap().items] == ["o2"]


ODD: tuple[Mapping[str, object], ...] = (
    {"status": "pending_review"},
    {"yes_price_dollars": "0.0000"},
    {"initial_count_fp": None},
    {"outcome_side": "maybe"},
    {"created_time": "yesterday"},
)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("theirs", [None, "", "by hand", "dw-nobody's"])
def test_an_odd_order_of_somebody_elses_leaves_the_list_readable(odd: Mapping[str, object], theirs: object) -> None:
    """The list is the whole account's: what is put in by hand must not hide our own orders."""
    others = {**ORDER, **odd, "client_order_id": theirs}

    assert [order.order_id for order in read_orders(body({"orders": [others, ORDER]})).unwrap().items] == ["o1"]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_order_of_our_own_fails_the_list(odd: Mapping[str, object]) -> None:
    """Left out it would count as never accepted."""
    ours = {**ORDER, **odd, "client_order_id": f"dw-01234567-{'0' * 32}-1-0"}

    assert why(read_orders(body({"orders": [ORDER, ours]}))).startswith("unreadable orders: 1: ")


@pytest.mark.parametrize("unsaid", [7, None, [], {"order": ORDER}, {**ORDER, "client_order_id": 7, "status": "new"}])
def test_an_odd_order_that_does_not_say_whose_it_is_fails_the_list(unsaid: object) -> None:
    assert why(read_orders(body({"orders": [ORDER, unsaid]}))).startswith("unreadable orders: 1: ")


def test_an_odd_fill_fails_the_list_where_its_order_is_ours_alone() -> None:
    page = body({"fills": [FILL, {**FILL, "order_id": "o2", "fee_cost": None}]})

    assert [fill.order_id for fill in read_fills(page, NOW, {"o1"}).unwrap().items] == ["o1"]
    assert why(read_fills(page, NOW, {"o1", "o2"})).startswith("unreadable fills: 1: fee_cost: ")
    assert why(read_fills(body({"fills": [{**FILL, "order_id": None}]}), NOW, ())).startswith("unreadable fills: 0: ")


def test_a_fill_is_read_by_book_side_and_never_by_the_legacy_side() -> None:
    fill = read_fills(body({"fills": [FILL], "cursor": ""}), NOW, {"o1"}).unwrap().items[0]

    assert (fill.leg, fill.price, fill.count, fill.fee, fill.taker) == (Leg.NO, 4_800, 1, 175, False)
    assert fill.at == Micros(1_000_000)


def test_trades_come_without_block_trades() -> None:
    page = read_trades(body({"trades": [TRADE, {**TRADE, "is_block_trade": True}], "cursor": "x"})).unwrap()

    assert [(one.taker, one.yes_price, one.count, one.at) for one in page.items] == [(Leg.NO, 300, 777, 1_000_001)]
    assert page.cursor == "x"


def test_a_market_is_read_with_its_grid_and_shard() -> None:
    market = read_market(body({"market": {**MARKET, "exchange_index": 2}}), "T-1").unwrap()

    assert (market.grid, market.status, market.shard) == (CENT_GRID, MarketStatus.ACTIVE, 2)
    assert read_market(body({"market": MARKET}), "T-1").unwrap().shard == AUTO_SHARD


def test_a_market_whose_bands_do_not_join_is_unreadable() -> None:
    gap = [{"start": "0.0000", "end": "0.5000", "step": "0.0100"}]

    assert "contiguous bands" in why(read_market(body({"market": {**MARKET, "price_ranges": gap}}), "T-1"))


def test_a_book_is_sorted_best_first_and_dated_as_asked() -> None:
    levels = {"yes_dollars": [["0.4600", "1.00"], ["0.4700", "3.00"]], "no_dollars": [["0.4800", "0.01"]]}

    assert read_book(body({"orderbook_fp": levels}), NOW).unwrap() == Book(
        ((Price(4_700), Count(300)), (Price(4_600), Count(100))), ((Price(4_800), Count(1)),), NOW
    )


@pytest.mark.parametrize(
    "empty",
    [
        {"orderbook_fp": {"yes_dollars": [], "no_dollars": []}},
        {"orderbook_fp": {"yes_dollars": None}},
        {"orderbook_fp": {}},
        {"orderbook": {}},
    ],
)
def test_every_form_of_an_empty_book_is_empty(empty: object) -> None:
    assert read_book(body(empty), NOW).unwrap() == Book((), (), NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        {"orderbook": {"yes": [[47, 3]]}},
        {"orderbook_fp": {"yes_dollars": [["0.4700", 3]]}},
        {"orderbook_fp": {"yes_dollars": [[0.47, "3.00"]]}},
        {"orderbook_fp": {"yes_dollars": [["0.4700", "-3.00"]]}},
        {"orderbook_fp": {"yes_dollars": [["0.0000", "3.00"]]}},
        {"orderbook_fp": {"yes_dollars": [["0.4700"]]}},
        {"orderbook_fp": {"yes_dollars": [["0.4700", "3.00"], ["0.47", "1.00"]]}},
    ],
)
def test_a_book_of_another_shape_is_unreadable(wrong: object) -> None:
    assert why(read_book(body(wrong), NOW)).startswith("unreadable order book: ")


def test_a_create_answer_carries_absolute_counts_and_the_exchanges_time() -> None:
    ack = read_ack(
        body({"order_id": "o1", "client_order_id": "c1", "fill_count": "1.00", "remaining_count": "0.50", "ts_ms": 7}),
        NOW,
        client_order_id="c1",
    ).unwrap()

    assert (ack.order_id, ack.filled, ack.remaining, ack.at) == ("o1", 100, 50, 7_000)


def test_an_amend_of_the_price_alone_answers_with_the_id_alone() -> None:
    ack = read_ack(body({"order_id": "o1"}), NOW, order_id="o1").unwrap()

    assert (ack.filled, ack.remaining, ack.at) == (None, None, NOW)


def test_an_answer_about_another_order_is_unreadable() -> None:
    other = body({"order_id": "o2", "client_order_id": "c2", "reduced_by": "1.00"})

    assert "another order" in why(read_ack(other, NOW, order_id="o1"))
    assert "another order" in why(read_ack(other, NOW, client_order_id="c1"))
    assert "another order" in why(read_cancel_ack(other, NOW, "o1"))


def test_a_cancel_answer_says_how_much_it_took_off() -> None:
    assert read_cancel_ack(body({"order_id": "o1", "reduced_by": "2.25", "ts_ms": 7}), NOW, "o1").unwrap() == CancelAck(
        "o1", Count(225), Micros(7_000)
    )


def test_positions_keep_their_sign() -> None:
    page = read_positions(body({"market_positions": [{"ticker": "T", "position_fp": "-3.00"}], "cursor": ""})).unwrap()

    assert page.items == (("T", Count(-300)),)


def test_a_balance_is_read_from_its_dollars_or_else_from_whole_cents() -> None:
    assert read_balance(body({"balance": 9801, "balance_dollars": "98.0186"})).unwrap() == Money(98_018_600)
    assert read_balance(body({"balance": 9801})).unwrap() == Money(98_010_000)


@pytest.mark.parametrize("wrong", [{"balance": "31415"}, {"balance": 1, "balance_dollars": "31415.9265358"}])
def test_an_unreadable_balance_does_not_show_it(wrong: object) -> None:
    assert "31415" not in repr(read_balance(body(wrong)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"error":{"code":"invalid_price","message":"invalid price"}}', ErrorWords("invalid_price", "invalid price")),
        (
            b'{"error":{"code":"invalid_order","message":"invalid order","details":"post only cross"}}',
            ErrorWords("invalid_order", "post only cross"),
        ),
        (b'{"code":"bad_request","message":"bad request","details":"json"}', ErrorWords("bad_request", "json")),
        (b'{"msg":"Parameter validation failed"}', ErrorWords("", "Parameter validation failed")),
        (b'{"error":"too many requests"}', ErrorWords("too many requests", "")),
        # U+0000, which the journal's JSON does not take
        (b'{"error":{"code":"a\\u0000","message":"\\u0000b"}}', ErrorWords("a\ufffd", "\ufffdb")),
        # what a terminal obeys, and what would begin another line of a log
        (b'{"error":{"code":"a\\u001b[2J","message":"b\\u009b2J\\nc"}}', ErrorWords("a\ufffd[2J", "b\ufffd2J c")),
        (b'{"error":{"code":"not_found","message":null,"details":{"a":1}}}', ErrorWords("not_found", "")),
        (b'{"error":{"code":"user_not_found:_12ab","message":"m"}}', ErrorWords("user_not_found", "m")),
        (b"<html>502 Bad Gateway</html>", ErrorWords("", "")),
        (b"", ErrorWords("", "")),
        (b"\xff\xfe", ErrorWords("", "")),
        (b"[1]", ErrorWords("", "")),
        (b'{"error":null}', ErrorWords("", "")),
    ],
)
def test_every_shape_of_an_error_is_read(text: bytes, words: ErrorWords) -> None:
    assert read_error(text) == words


def test_an_events_fees_override_its_series() -> None:
    event = {"event_ticker": "E", "series_ticker": "S"}
    override = {"fee_type_override": "quadratic_with_maker_fees", "fee_multiplier_override": 0.5}

    assert read_event_fees(body({"event": event})).unwrap() == EventFees("S", None)
    assert read_event_fees(body({"event": {**event, **override}})).unwrap() == EventFees(
        "S", FeeSchedule("quadratic_with_maker_fees", Decimal("0.5"))
    )


@pytest.mark.parametrize(
    ("fee_type", "multiplier", "rates"),
    [
        ("quadratic", 1, FeeRates(70_000, 0)),
        ("quadratic", 0.5, FeeRates(35_000, 0)),
        ("quadratic", 0, FeeRates(0, 0)),
        ("quadratic_with_maker_fees", 1, FeeRates(70_000, 17_500)),
        ("quadratic_with_maker_fees", 0.33333, FeeRates(23_334, 5_834)),
        ("quadratic_with_combo_maker_fees", 1, FeeRates(70_000, 35_000)),
        ("flat", 1, FeeRates(35_000, 0)),
    ],
)
def test_a_series_fees_become_rates_rounded_up(fee_type: str, multiplier: float, rates: FeeRates) -> None:
    schedule = read_series_fees(body({"series": {"fee_type": fee_type, "fee_multiplier": multiplier}})).unwrap()

    assert fee_rates(schedule).unwrap() == rates


def test_a_fee_type_outside_the_list_is_named() -> None:
    assert "'new_fees' is none of" in why(fee_rates(FeeSchedule("new_fees", Decimal(1))))
    assert "between 0 and 10" in why(fee_rates(FeeSchedule("quadratic", Decimal(-1))))


def test_the_recorded_fills_are_those_of_the_fact_sheet() -> None:
    first = read_fills(recorded("fills__after_taker.json"), NOW, ()).unwrap().items[0]

    assert (first.leg, first.price, first.count, first.fee, first.taker) == (Leg.YES, 5_200, 100, 17_500, True)
