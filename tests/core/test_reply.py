"""Answers become facts: one function a kind of request."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    EXECUTION,
    FIRST,
    INSTALLATION,
    NOW,
    TICKER,
    accepted,
    after,
    cents,
    contracts,
    fold,
    intended,
    live,
    match,
    name,
    planned,
    record,
)

from depthwalker.core.answer import (
    Ack,
    CancelAck,
    FillRecord,
    NotApplied,
    OrderRecord,
    OrderStatus,
    Rejected,
    Trouble,
    Unknown,
)
from depthwalker.core.book import Leg
from depthwalker.core.fact import (
    Accepted,
    Amended,
    Burned,
    CancelAcknowledged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    LookedUp,
    MarketOver,
    Observed,
    OutcomeUnknown,
    Refused,
)
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Kind, OrderKey
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.reply import amend_reply, cancel_reply, create_reply, describe, itemisation_due, lookup_reply
from depthwalker.core.units import Count, Money

ACK = Ack("x1", contracts(3), contracts(7), NOW)
TROUBLES: list[tuple[Trouble, type[Fact]]] = [
    (Rejected(400, "invalid_price", "why"), Refused),
    (NotApplied("no connection"), Deferred),
    (Unknown("time-out"), OutcomeUnknown),
]


def listed(
    status: OrderStatus = OrderStatus.RESTING,
    filled: int = 0,
    *,
    split: int = 1,
    revision: int = 0,
    ticker: str = TICKER,
    leg: Leg = Leg.YES,
    execution: str = EXECUTION,
    installation: str = INSTALLATION,
    client: str = "",
    order_id: str = name(FIRST),
) -> OrderRecord:
    return OrderRecord(
        order_id=order_id,
        client_order_id=client or ClientId(installation, execution, split, revision).text(),
        ticker=ticker,
        leg=leg,
        price=cents(49),
        status=status,
        initial=contracts(100),
        filled=contracts(filled),
        remaining=contracts(100 - filled),
        fees=Money(0),
        created=NOW,
    )


def made(trade: str, count: int, order_id: str = name(FIRST)) -> FillRecord:
    return FillRecord(order_id, trade, TICKER, Leg.YES, cents(49), contracts(count), Money(0), False, NOW)


def test_a_create_that_was_done() -> None:
    assert create_reply(FIRST, Kind.PLACE, Success(ACK), NOW) == Accepted(FIRST, "x1", contracts(3), NOW)
    assert create_reply(FIRST, Kind.CLAIM, Success(ACK), NOW) == Accepted(FIRST, "x1", contracts(3), NOW)
    assert create_reply(FIRST, Kind.BURN, Success(ACK), NOW) == Burned(FIRST, "x1", contracts(3), NOW)
    silent = Ack("x1", None, None, NOW)
    assert create_reply(FIRST, Kind.BURN, Success(silent), NOW) == Burned(FIRST, "x1", Count(0), NOW)


@pytest.mark.parametrize("kind", [Kind.PLACE, Kind.CLAIM, Kind.BURN])
def test_a_known_id_proves_that_the_original_was_accepted(kind: Kind) -> None:
    assert create_reply(FIRST, kind, Failure(Rejected(409, "order_already_exists", "")), NOW) == Duplicated(FIRST, NOW)


@pytest.mark.parametrize(("trouble", "fact"), TROUBLES)
def test_every_trouble_is_a_fact_with_its_kind(trouble: Trouble, fact: type[Fact]) -> None:
    told = (
        create_reply(FIRST, Kind.CLAIM, Failure(trouble), NOW),
        amend_reply(FIRST, 1, Failure(trouble), NOW),
        cancel_reply(FIRST, Failure(trouble), NOW),
    )
    assert [type(each) for each in told] == [fact] * 3
    kinds = [each.kind for each in told if isinstance(each, Refused | Deferred | OutcomeUnknown)]
    assert kinds == [Kind.CLAIM, Kind.AMEND, Kind.CANCEL]


@pytest.mark.parametrize("paused", [False, True])
def test_what_did_not_come_to_the_matching_says_whether_trading_is_paused(paused: bool) -> None:
    assert create_reply(FIRST, Kind.PLACE, Failure(NotApplied("409", paused)), NOW) == Deferred(
        FIRST, Kind.PLACE, "409", NOW, paused
    )


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_refuses_an_order_and_says_nothing_of_one_that_rests(status: int) -> None:
    refused = Failure(Rejected(status, "authentication_error", "NOT_FOUND"))
    said = f"{status} authentication_error: NOT_FOUND"

    assert create_reply(FIRST, Kind.PLACE, refused, NOW) == Refused(
        FIRST, Kind.PLACE, "authentication_error", "NOT_FOUND", NOW
    )
    assert amend_reply(FIRST, 1, refused, NOW) == Deferred(FIRST, Kind.AMEND, said, NOW)
    assert cancel_reply(FIRST, refused, NOW) == Deferred(FIRST, Kind.CANCEL, said, NOW)


def test_an_amend_and_a_cancel_that_were_done() -> None:
    assert amend_reply(FIRST, 4, Success(ACK), NOW) == Amended(FIRST, 4, contracts(3), NOW)
    assert cancel_reply(FIRST, Success(CancelAck("x1", contracts(7), NOW)), NOW) == CancelAcknowledged(FIRST, NOW)


def test_a_lookup_tells_of_our_orders_only() -> None:
    strangers = (
        listed(client="somebody's", order_id="x"),
        listed(execution="f" * 32),
        listed(installation="f" * 8),
        listed(split=2),
        listed(ticker="OTHER"),
        listed(leg=Leg.NO),
    )
    assert lookup_reply(live(), Success(strangers), None, NOW) == (LookedUp("", NOW, 1),)
    assert lookup_reply(live(), Success((listed(filled=5),)), None, NOW) == (
        record(OrderStatus.RESTING, 5),
        LookedUp("", NOW, 1),
    )


def test_a_record_belongs_to_the_order_that_bore_its_revision() -> None:
    again = OrderKey(1, 3)
    state = fold(record(OrderStatus.CANCELED), intended(again), accepted(again), state=live())
    told = lookup_reply(state, Success((listed(revision=2), listed(revision=4))), None, NOW)
    assert [fact.key for fact in told if isinstance(fact, Observed)] == [FIRST, again]


def test_an_order_that_somebody_else_amended_is_known_by_its_order_id_and_keeps_its_revision() -> None:
    state = live(49, 100, record(OrderStatus.RESTING, revision=3))
    renamed = listed(filled=12, client="web-4711")
    told = lookup_reply(state, Success((renamed,)), Success((made("a", 12),)), NOW)
    assert told == (
        Filled(match("a", 12), NOW),
        record(OrderStatus.RESTING, 12, revision=3),
        LookedUp("", NOW, 2),
    )
    assert itemisation_due(state, Success((renamed,)))
    for other in (replace(renamed, order_id="x"), replace(renamed, ticker="OTHER"), replace(renamed, leg=Leg.NO)):
        assert lookup_reply(state, Success((other,)), None, NOW) == (LookedUp("", NOW, 1),)


def test_the_order_id_makes_no_record_of_another_execution_ours_and_names_nothing_before_it_is_known() -> None:
    another = listed(execution="f" * 32)
    assert lookup_reply(live(), Success((another,)), None, NOW) == (LookedUp("", NOW, 1),)
    sent = fold(intended(), state=planned((49, 100)))
    assert lookup_reply(sent, Success((listed(client="x", order_id=""),)), None, NOW) == (LookedUp("", NOW, 1),)


def test_new_fills_come_before_the_records_that_close_and_booked_ones_not_again() -> None:
    state = live(49, 100, Filled(match("a", 5), NOW))
    fills = Success((made("a", 5), made("b", 7), made("c", 9, "somebody's")))
    told = lookup_reply(state, Success((listed(OrderStatus.CANCELED, 12),)), fills, after(1))
    assert [type(fact).__name__ for fact in told] == ["Filled", "Observed", "LookedUp"]
    assert told[0] == Filled(match("b", 7), after(1))
    assert told[-1] == LookedUp("", after(1), 2)


def test_what_could_not_be_read_is_said() -> None:
    lost = Failure(Unknown("time-out"))
    assert lookup_reply(live(), lost, None, NOW) == (LookedUp("time-out", NOW, 1),)
    assert lookup_reply(live(), Success((listed(),)), lost, NOW)[-1] == LookedUp("time-out", NOW, 2)
    assert lookup_reply(live(), Failure(NotApplied("")), None, NOW) == (LookedUp("no reason given", NOW, 1),)


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        (Rejected(404, "not_found", ""), "404 not_found"),
        (Rejected(400, "invalid_order", "post only cross"), "400 invalid_order: post only cross"),
        (NotApplied("paused"), "paused"),
        (Unknown(""), "no reason given"),
    ],
)
def test_a_trouble_in_one_line(trouble: Trouble, text: str) -> None:
    assert describe(trouble) == text


def test_fills_are_read_when_a_cumulative_figure_is_ahead_of_them() -> None:
    assert not itemisation_due(live(), Success((listed(), listed(client="somebody's", order_id="x", filled=9))))
    assert itemisation_due(live(), Success((listed(filled=1),)))
    assert itemisation_due(live(49, 100, record(OrderStatus.RESTING, 1)), Success(()))
    assert not itemisation_due(live(49, 100, record(OrderStatus.RESTING, 1)), Failure(Unknown("time-out")))
    assert not itemisation_due(planned((49, 100)), Success(()))


def test_fills_are_read_where_an_order_of_a_market_that_is_over_is_not_shown_any_more() -> None:
    over = live(49, 100, MarketOver(NOW))
    assert itemisation_due(over, Success(()))
    assert not itemisation_due(over, Success((listed(),)))
    assert not itemisation_due(live(), Success(()))
    assert not itemisation_due(fold(record(OrderStatus.CANCELED), state=over), Success(()))


def test_one_order_of_many_is_enough_for_fills_to_be_read() -> None:
    second = OrderKey(2, 0)
    both = fold(intended(count=60), accepted(), state=planned((49, 60), (48, 40)))
    both = fold(intended(second, 48, 40), accepted(second), state=both)
    assert itemisation_due(fold(record(OrderStatus.RESTING, 1, total=60), state=both), Success(()))
    booked = fold(Filled(match("a", 5), NOW), state=both)
    other = replace(listed(split=2, filled=7), order_id=name(second))
    assert not itemisation_due(booked, Success((listed(filled=5), replace(other, filled=Count(0)))))
    assert itemisation_due(booked, Success((listed(filled=5), other)))
