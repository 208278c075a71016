"""The websocket's texts: every documented frame is read exactly, everything else is survived."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core import stream as streams
from depthwalker.core.answer import FillRecord, OrderRecord, OrderStatus, TradePrint
from depthwalker.core.book import Book, Delta, Leg, Snapshot
from depthwalker.core.channel import (
    Acknowledged,
    Asking,
    BookDelta,
    BookSnapshot,
    Change,
    Channel,
    Failed,
    FeeUpdate,
    FillFrame,
    Frame,
    GroupEvent,
    GroupUpdate,
    Illegible,
    Lifecycle,
    Occasion,
    Other,
    Subscribe,
    Subscribed,
    Trade,
    Unsubscribe,
    Unsubscribed,
    Update,
    UserOrder,
)
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.units import SECOND, Count, Micros, Money, Price
from depthwalker.shell.frames import read_frame, write_command

AT: Final = Micros(1_790_000_000 * SECOND)
STAMP: Final = 1_781_159_489_957
THEN: Final = Micros(STAMP * 1_000)
PRINT: Final = {
    "trade_id": "t1",
    "market_ticker": "A",
    "yes_price_dollars": "0.4700",
    "count_fp": "1.50",
    "taker_outcome_side": "no",
    "taker_book_side": "ask",
    "ts": STAMP // 1_000,
    "ts_ms": STAMP,
    "unheard_of": {"nested": [1.5, None]},
}
FILL: Final = {
    "trade_id": "t1",
    "order_id": "o1",
    "client_order_id": "c1",
    "market_ticker": "A",
    "is_taker": True,
    "side": "yes",
    "action": "sell",
    "outcome_side": "no",
    "book_side": "ask",
    "yes_price_dollars": "0.4700",
    "count_fp": "1.50",
    "fee_cost": "0.017500",
    "post_position_fp": "-1.50",
    "ts": STAMP // 1_000,
    "ts_ms": STAMP,
}
ORDER: Final = {
    "order_id": "o1",
    "client_order_id": "c1",
    "ticker": "A",
    "status": "resting",
    "outcome_side": "no",
    "book_side": "ask",
    "yes_price_dollars": "0.4700",
    "initial_count_fp": "10.00",
    "fill_count_fp": "1.50",
    "remaining_count_fp": "8.50",
    "taker_fees_dollars": "0.010000",
    "maker_fees_dollars": "0.000100",
    "created_time": "2026-06-11T06:31:29.957081Z",
    "created_ts_ms": STAMP,
    "last_update_reason": "Trade",
}
CHANGE: Final = {"market_ticker": "A", "price_dollars": "0.4700", "delta_fp": "-3.00", "side": "yes", "ts_ms": STAMP}
LIFE: Final = {"market_ticker": "A", "event_type": "price_level_structure_updated"}
CENTS: Final = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]


def read(kind: str, msg: object = None, *, yes_scale: bool = True, **others: object) -> Frame:
    body = {"type": kind, **others, **({} if msg is None else {"msg": msg})}
    return read_frame(json.dumps(body).encode() + b"\n", AT, yes_scale=yes_scale)


def rows(*levels: tuple[int, int]) -> tuple[tuple[Price, Count], ...]:
    return tuple((Price(price), Count(count)) for price, count in levels)


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        (read("subscribed", {"channel": "trade", "sid": 4}, id=2), Subscribed(2, 4)),
        (read("ok", {"market_tickers": ["A", "B"]}, id=2, sid=4, seq=9), Acknowledged(2, 4, 9, ("A", "B"))),
        (read("ok", [{"channel": "fill", "sid": 4}], id=2), Acknowledged(2, None, None, None)),
        (read("ok", id=2, sid=4, seq=9), Acknowledged(2, 4, 9, None)),
        (read("unsubscribed", id=2, sid=4, seq=9), Unsubscribed(4)),
        (read("error", {"code": 8, "msg": "Unknown"}, id=2), Failed(8, "Unknown", 2, None, None, None)),
        (read("error", {"code": 8, "msg": "\x1b[2J"}, id=2), Failed(8, "\ufffd[2J", 2, None, None, None)),
        (
            read("error", {"code": 16, "msg": "M", "market_ticker": "A"}, id=2, sid=4, seq=9),
            Failed(16, "M", 2, 4, 9, "A"),
        ),
        (read("trade", PRINT, sid=2), Trade(2, None, "A", TradePrint("t1", Leg.NO, Price(4_700), Count(150), THEN))),
        (read("trade", {**PRINT, "is_block_trade": True}, sid=2, seq=5), Other(2, 5)),
        (
            read("fill", FILL, sid=3),
            FillFrame(
                3,
                None,
                FillRecord("o1", "t1", "A", Leg.NO, Price(5_300), Count(150), Money(17_500), True, THEN),
                "c1",
            ),
        ),
        (
            read("user_order", ORDER, sid=3),
            UserOrder(
                3,
                None,
                OrderRecord(
                    order_id="o1",
                    client_order_id="c1",
                    ticker="A",
                    leg=Leg.NO,
                    price=Price(5_300),
                    status=OrderStatus.RESTING,
                    initial=Count(1_000),
                    filled=Count(150),
                    remaining=Count(850),
                    fees=Money(10_100),
                    created=THEN,
                ),
            ),
        ),
        (
            read("market_lifecycle_v2", {**LIFE, "price_ranges": CENTS}, sid=5, seq=1),
            Lifecycle(5, 1, "A", Occasion.GRID_UPDATED, None, CENT_GRID),
        ),
        (
            read("market_lifecycle_v2", {**LIFE, "price_ranges": []}, sid=5),
            Lifecycle(5, None, "A", Occasion.GRID_UPDATED, None, None),
        ),
        (
            read(
                "market_lifecycle_v2", {"market_ticker": "A", "event_type": "close_date_updated", "close_ts": 7}, sid=5
            ),
            Lifecycle(5, None, "A", Occasion.CLOSE_DATE_UPDATED, Micros(7 * SECOND), None),
        ),
        (read("market_lifecycle_v2", {"market_ticker": "A", "event_type": "new"}, sid=5, seq=3), Other(5, 3)),
        (
            read("event_fee_update", {"event_ticker": "E", "fee_multiplier_override": 0.5}, sid=5),
            FeeUpdate(5, None, "E"),
        ),
        (
            read(
                "order_group_updates",
                {"event_type": "created", "order_group_id": "g", "contracts_limit_fp": "5.00"},
                sid=6,
                seq=1,
            ),
            GroupUpdate(6, 1, "g", GroupEvent.CREATED, Count(500)),
        ),
        (
            read("order_group_updates", {"event_type": "triggered", "order_group_id": "g"}, sid=6, seq=2),
            GroupUpdate(6, 2, "g", GroupEvent.TRIGGERED, None),
        ),
        (read("ticker", {"price_dollars": "0.4700"}, sid=7), Other(7, None)),
        (read("something_new", {"any": "thing"}, sid=7, seq=2), Other(7, 2)),
    ],
)
def test_a_frame_means(frame: Frame, meaning: Frame) -> None:
    assert frame == meaning


@pytest.mark.parametrize(("yes_scale", "price"), [(True, "0.5200"), (False, "0.4800")])
def test_either_scale_of_the_no_bids_is_the_same_book(yes_scale: bool, price: str) -> None:
    sides = {"market_ticker": "A", "yes_dollars_fp": [["0.4700", "3.00"]], "no_dollars_fp": [[price, "2.00"]]}
    assert read("orderbook_snapshot", sides, sid=1, seq=1, yes_scale=yes_scale) == BookSnapshot(
        1, 1, "A", Snapshot(rows((4_700, 300)), rows((4_800, 200)), AT)
    )
    for side, text, leg, cents in (("no", price, Leg.NO, 4_800), ("yes", "0.4700", Leg.YES, 4_700)):
        change = {**CHANGE, "side": side, "price_dollars": text}
        assert read("orderbook_delta", change, sid=1, seq=2, yes_scale=yes_scale) == BookDelta(
            1, 2, "A", Delta(leg, Price(cents), Count(-300), AT)
        )


def test_a_side_without_bids_is_left_out() -> None:
    assert read("orderbook_snapshot", {"market_ticker": "A"}, sid=1, seq=1) == BookSnapshot(
        1, 1, "A", Snapshot((), (), AT)
    )


def test_times_are_read_from_what_is_there() -> None:
    undated = {key: value for key, value in PRINT.items() if key != "ts_ms"}
    frame = read("trade", undated, sid=2)
    assert isinstance(frame, Trade)
    assert frame.print.at == STAMP // 1_000 * SECOND
    order = {key: value for key, value in ORDER.items() if key != "created_ts_ms"}
    told = read("user_order", order, sid=2)
    assert isinstance(told, UserOrder)
    assert told.order.created == 1_781_159_489_957_081


@pytest.mark.parametrize(
    ("text", "sid"),
    [
        ("", None),
        ("{", None),
        ("[]", None),
        ("\ufeff{}", None),
        ('{"sid":1}', 1),
        ('{"type":"orderbook_delta","sid":1,"seq":2}', 1),
        ('{"type":"orderbook_delta","sid":1,"seq":2,"msg":{', None),
        ('{"type":"orderbook_delta","sid":"1","seq":2,"msg":{}}', None),
        *(
            (json.dumps({"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": {**CHANGE, **wrong}}), 1)
            for wrong in (
                {"price_dollars": 0.47},
                {"price_dollars": "0.47001"},
                {"price_dollars": "1.0000"},
                {"price_dollars": "0.0000"},
                {"price_dollars": "NaN"},
                {"delta_fp": "1e2"},
                {"delta_fp": "0.001"},
                {"side": "maybe"},
            )
        ),
        *(
            (json.dumps({"type": "orderbook_snapshot", "sid": 1, "seq": 2, "msg": {"market_ticker": "A", **wrong}}), 1)
            for wrong in (
                {"yes_dollars_fp": [["0.4700", "1.00"], ["0.4700", "2.00"]]},
                {"yes_dollars_fp": [["0.4700", "-1.00"]]},
                {"no_dollars_fp": [["0.4700"]]},
            )
        ),
        (json.dumps({"type": "user_order", "sid": 3, "msg": {**ORDER, "status": "unknown"}}), 3),
        (json.dumps({"type": "fill", "sid": 3, "msg": {**FILL, "book_side": "bid"}}), 3),
        (json.dumps({"type": "trade", "sid": 3, "msg": {**PRINT, "ts": None, "ts_ms": None}}), 3),
    ],
)
def test_what_cannot_be_read_is_illegible_and_names_its_subscription_where_it_can(text: str, sid: int | None) -> None:
    frame = read_frame(text.encode(), AT)
    assert isinstance(frame, Illegible)
    assert frame.sid == sid
    assert frame.why


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(noise: bytes) -> None:
    assert isinstance(read_frame(noise, AT), Illegible | Other)


WHOLE = json.dumps({"type": "fill", "sid": 3, "seq": 1, "msg": FILL}).encode()


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3))
def test_no_damage_is_an_error(at: int, noise: bytes) -> None:
    assert isinstance(read_frame(WHOLE[:at] + noise + WHOLE[at + 1 :], AT), FillFrame | Illegible | Other)


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (
            Subscribe(1, Channel.BOOK, ("A", "B"), use_yes_price=True),
            {
                "id": 1,
                "cmd": "subscribe",
                "params": {"channels": ["orderbook_delta"], "market_tickers": ["A", "B"], "use_yes_price": True},
            },
        ),
        (
            Subscribe(2, Channel.ORDER, (), use_yes_price=False),
            {"id": 2, "cmd": "subscribe", "params": {"channels": ["user_orders"], "use_yes_price": False}},
        ),
        (
            Update(3, 7, Change.SNAPSHOT, ("A",)),
            {
                "id": 3,
                "cmd": "update_subscription",
                "params": {"sids": [7], "action": "get_snapshot", "market_tickers": ["A"]},
            },
        ),
        (Unsubscribe(4, 7), {"id": 4, "cmd": "unsubscribe", "params": {"sids": [7]}}),
    ],
)
def test_a_command_is_written_as_documented(command: Asking, body: object) -> None:
    assert json.loads(write_command(command)) == body


# Recordings


def played(texts: Iterable[str], ticker: str, *, yes_scale: bool) -> Book | None:
    """Return the book that a recorded conversation ends with, its commands assumed to be ours."""
    stream = streams.want(streams.begin((), use_yes_price=yes_scale), frozenset([ticker]), AT).stream
    step = streams.opened(stream, AT)
    frames = [read_frame(text, AT, yes_scale=yes_scale) for text in texts]
    acknowledged = [frame for frame in frames if isinstance(frame, Subscribed)]
    stream = step.stream
    for ask, answer in zip(step.asks, acknowledged, strict=True):
        stream = streams.hear(stream, Subscribed(ask.id, answer.sid), AT).stream
    for frame in frames:
        step = streams.hear(stream, frame, AT)
        assert step.asks == ()
        stream = step.stream
    return streams.book(stream, ticker)


def lines(shared: Path, name: str) -> list[str]:
    file = shared / "kalshi/recordings" / name
    if not file.exists():
        pytest.skip(f"no recording at {file}")
    return [line for line in file.read_text().splitlines() if line]


RECORDED: Final = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"


def test_the_recorded_books_end_as_recorded_on_either_scale(shared: Path) -> None:
    on_yes = lines(shared, "fortuna_demo_2026-06-11/ws__orderbook_trade_yes.jsonl")
    on_legs = lines(shared, "fortuna_demo_2026-06-11/ws__orderbook_trade_noleg.jsonl")
    assert played(on_yes, RECORDED, yes_scale=True) == Book(rows((4_700, 300)), rows((4_800, 200)), AT)
    assert played(on_legs, RECORDED, yes_scale=False) == Book(rows((4_700, 300)), rows((4_800, 100)), AT)
    # The first conversation's end is the second's beginning: one book, told on two scales.
    assert played(on_legs[:3], RECORDED, yes_scale=False) == played(on_yes, RECORDED, yes_scale=True)


def test_the_recorded_order_groups_are_read_and_the_other_product_s_orders_survived(shared: Path) -> None:
    texts = lines(shared, "fortuna_perps_demo_2026-06/ws__private_lifecycle.jsonl")
    frames = [read_frame(text, AT) for text in texts]
    groups = [frame for frame in frames if isinstance(frame, GroupUpdate)]
    assert [(group.seq, group.event.value) for group in groups] == [
        (1, "created"),
        (2, "limit_updated"),
        (3, "triggered"),
        (4, "reset"),
        (5, "deleted"),
    ]
    assert {type(frame) for frame in frames} == {Subscribed, GroupUpdate, Illegible}
    assert {frame.sid for frame in frames if isinstance(frame, Illegible)} == {1, 2}


def test_a_day_s_frames_of_another_product_are_survived(shared: Path) -> None:
    texts = lines(shared, "fortuna_perps_demo_2026-06/ws__public_orderbook_ticker.jsonl")
    assert {type(read_frame(text, AT)) for text in texts} == {Subscribed, BookSnapshot, Illegible, Other}
