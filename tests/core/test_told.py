"""What the websocket tells becomes facts of one execution, and changes of a market."""

from dataclasses import replace
from itertools import permutations

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
    name,
    planned,
)

from depthwalker.core.answer import FillRecord, Market, MarketStatus, OrderRecord, OrderStatus
from depthwalker.core.book import Leg
from depthwalker.core.channel import FillFrame, Lifecycle, Occasion, UserOrder
from depthwalker.core.execution import State, total_filled
from depthwalker.core.fact import Accepted, CancelAcknowledged, Duplicated, Fact, Filled, Observed, Refused
from depthwalker.core.grid import CENT_GRID, Band, PriceGrid
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Fill, Kind, OrderKey, Phase, filled, settled
from depthwalker.core.told import changed, facts
from depthwalker.core.units import DOLLAR, Money, Price

OURS = ClientId(INSTALLATION, EXECUTION, 1, 0).text()
FILL = FillRecord(name(FIRST), "t1", TICKER, Leg.YES, cents(49), contracts(30), Money(5), False, NOW)
ORDER = OrderRecord(
    order_id=name(FIRST),
    client_order_id=OURS,
    ticker=TICKER,
    leg=Leg.YES,
    price=cents(49),
    status=OrderStatus.RESTING,
    initial=contracts(100),
    filled=contracts(30),
    remaining=contracts(70),
    fees=Money(5),
    created=NOW,
)
BOOKED = Filled(Fill(name(FIRST), "t1", cents(49), contracts(30), Money(5), False, NOW), after(1))


def fill(record: FillRecord = FILL, client: str = OURS) -> FillFrame:
    return FillFrame(1, None, record, client)


def order(record: OrderRecord = ORDER) -> UserOrder:
    return UserOrder(2, None, record)


def told(state: State, frame: FillFrame | UserOrder) -> tuple[Fact, ...]:
    return facts(state, frame, after(1))


def test_a_fill_is_ours_by_its_client_id_or_by_a_known_order() -> None:
    assert told(live(), fill()) == (BOOKED,)
    assert told(live(), fill(client="")) == (BOOKED,)
    assert told(planned(), fill()) == (BOOKED,), "it waits in the state for its order"


@pytest.mark.parametrize("answer", [(), (Refused(FIRST, Kind.PLACE, "http_400", "", NOW),), (Duplicated(FIRST, NOW),)])
def test_a_fill_under_our_own_client_id_proves_which_order_was_accepted_whatever_the_answer_said(
    answer: tuple[Fact, ...],
) -> None:
    state = fold(intended(), *answer, state=planned((49, 100)))
    news = told(state, fill())
    assert news == (Accepted(FIRST, name(FIRST), None, after(1)), BOOKED)
    known = fold(*news, state=state)
    assert (known.orders[0].order_id, total_filled(known), known.strays) == (name(FIRST), contracts(30), ())


def test_a_fill_is_ours_by_any_of_the_orders_that_are_known() -> None:
    second = OrderKey(2, 0)
    both = fold(intended(count=60), accepted(), state=planned((49, 60), (48, 40)))
    both = fold(intended(second, 48, 40), accepted(second), state=both)
    for key in (FIRST, second):
        (fact,) = told(both, fill(replace(FILL, order_id=name(key)), ""))
        assert isinstance(fact, Filled)
        assert fact.fill.order_id == name(key)


@pytest.mark.parametrize(
    "frame",
    [
        fill(replace(FILL, order_id="x"), ""),
        fill(replace(FILL, order_id="x"), "somebody's"),
        fill(replace(FILL, order_id="x"), ClientId(INSTALLATION, "f" * 32, 1, 0).text()),
        fill(replace(FILL, order_id="x"), ClientId("f" * 8, EXECUTION, 1, 0).text()),
        fill(replace(FILL, ticker="OTHER")),
        fill(replace(FILL, leg=Leg.NO)),
        order(replace(ORDER, order_id="x", client_order_id="somebody's")),
        order(replace(ORDER, ticker="OTHER")),
        order(replace(ORDER, leg=Leg.NO)),
    ],
)
def test_what_is_not_of_this_execution_tells_nothing(frame: FillFrame | UserOrder) -> None:
    assert told(live(), frame) == ()


def test_a_record_is_told_with_the_revision_of_its_client_id() -> None:
    assert told(live(), order()) == (
        Observed(FIRST, name(FIRST), 0, OrderStatus.RESTING, cents(49), contracts(30), contracts(70), after(1)),
    )


def test_fill_record_and_answer_come_to_the_same_in_any_order_and_however_often() -> None:
    before = fold(intended(), state=planned())
    last = replace(ORDER, status=OrderStatus.EXECUTED, filled=contracts(30), remaining=contracts(0))
    for arrival in permutations((fill(), order(last), fill(), None)):
        state = before
        for frame in arrival:
            state = fold(*(told(state, frame) if frame is not None else (accepted(),)), state=state)
        (one,) = state.orders
        assert (filled(one), one.itemised, one.cost, one.fees) == (3_000, 3_000, 4_900 * 3_000, 5)
        assert (one.phase, settled(one), state.strays) == (Phase.CLOSED, True, ())


def test_a_record_that_may_be_older_than_a_doubt_does_not_settle_it() -> None:
    doubtful = fold(CancelAcknowledged(FIRST, NOW), state=live())
    assert doubtful.orders[0].doubt
    assert told(doubtful, order()) == ()
    newer = replace(ORDER, client_order_id=ClientId(INSTALLATION, EXECUTION, 1, 1).text())
    ended = replace(ORDER, status=OrderStatus.CANCELED)
    assert [type(fact) for frame in (newer, ended) for fact in told(doubtful, order(frame))] == [Observed, Observed]


FINER = PriceGrid((Band(Price(0), DOLLAR, Price(10)),))
MARKET = Market(TICKER, "EVENT", MarketStatus.ACTIVE, CENT_GRID, NOW, 0)


@pytest.mark.parametrize(
    ("event", "market"),
    [
        (Lifecycle(1, 1, TICKER, Occasion.DEACTIVATED, None, None), replace(MARKET, status=MarketStatus.INACTIVE)),
        (Lifecycle(1, 1, TICKER, Occasion.ACTIVATED, None, None), MARKET),
        (Lifecycle(1, 1, TICKER, Occasion.DETERMINED, None, None), replace(MARKET, status=MarketStatus.DETERMINED)),
        (Lifecycle(1, 1, TICKER, Occasion.SETTLED, None, None), replace(MARKET, status=MarketStatus.FINALIZED)),
        (
            Lifecycle(1, 1, TICKER, Occasion.CLOSE_DATE_UPDATED, after(9), None),
            replace(MARKET, close_time=after(9)),
        ),
        (Lifecycle(1, 1, TICKER, Occasion.GRID_UPDATED, None, FINER), replace(MARKET, grid=FINER)),
        (Lifecycle(1, 1, "OTHER", Occasion.SETTLED, after(9), FINER), MARKET),
    ],
)
def test_a_market_after_what_befell_it(event: Lifecycle, market: Market) -> None:
    assert changed(MARKET, event) == market
