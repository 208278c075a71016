"""What the tables show of an execution, from facts to rows."""

from dataclasses import replace
from functools import reduce

import pytest

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Ladders, Leg
from depthwalker.core.budget import CANCEL_COST, CREATE_COST
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm, PolicyName
from depthwalker.core.depth import Liquidity
from depthwalker.core.execution import START, State, WalkStep, evolve
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Duplicated,
    Fact,
    Filled,
    Finished,
    LookedUp,
    LookupStarted,
    Observed,
    PlaceIntended,
    Planned,
    Refused,
    Requested,
    Started,
    Status,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import Flow
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.ledger import Fill, Kind, OrderKey, Phase, Style
from depthwalker.core.parent import Action, Parent, Ticket
from depthwalker.core.policy import VERSION, policy_for
from depthwalker.core.projection import own_fills, project, slippage, told_fills
from depthwalker.core.quality import Shortfall
from depthwalker.core.row import Bought, Entry, MetricsRow, Projection, SplitStatus, WalkerRow
from depthwalker.core.split import Split
from depthwalker.core.units import SECOND, Count, Micros, Money, Price
from depthwalker.core.view import Conditions, View

BUY = Ticket(Leg.YES, Action.BUY, Count(10_000), Price(7000))
SELL = Ticket(Leg.YES, Action.SELL, Count(10_000), Price(3000))  # acquires NO at 0.70: the same prices in the leg
FIRST, SECOND_SPLIT = OrderKey(1, 0), OrderKey(2, 0)
SPLITS = (Split(1, Price(7000), Count(6000)), Split(2, Price(6900), Count(4000)))


def at(seconds: int) -> Micros:
    return Micros(1_000 * SECOND + seconds * SECOND)


def started(ticket: Ticket, algorithm: Algorithm = Algorithm.DYNAMIC_DEPTH_WALKER) -> Started:
    parent = Parent(
        execution="e" * 32,
        installation="1" * 8,
        ticker="T",
        ticket=ticket,
        leg=ticket.leg(),
        count=ticket.count,
        target=Price(7000),
        bound=Price(7150),
        cap=Price(7100),
        grid=CENT_GRID,
        rates=STANDARD,
        started=at(0),
        wind_down=at(36),
        deadline=at(40),
        expires=at(49),
        notes=(),
    )
    return Started(parent, policy_for(replace(DEFAULT_EXECUTION, algorithm=algorithm)), at(0))


def viewed(queue_near: int = 20_000, offers_near: int = 6_000) -> Viewed:
    conditions = Conditions(CENT_GRID, STANDARD, 90, 0, 5, 12_000, True)
    nothing = Count(0)
    view = View(
        now=at(1),
        book_at=at(1),
        ladders=Ladders(((Price(6900), Count(queue_near)),), ((Price(7200), Count(offers_near)),)),
        queue_near=Count(queue_near),
        offers_near=Count(offers_near),
        reach=nothing,
        flow=Flow(nothing, nothing, nothing, nothing, nothing, nothing, ()),
        conditions=conditions,
        ahead=(),
    )
    return Viewed(view, False, at(1))


PLANNED = Planned(Algorithm.DYNAMIC_DEPTH_WALKER, "enough depth", SPLITS, at(1))


def placed(key: OrderKey, price: int = 7000, count: int = 6000) -> PlaceIntended:
    return PlaceIntended(key, Price(price), Count(count), Style.REST, Count(0), "join", at(2))


def filled(order_id: str, trade: str, price: int, count: int, second: int, fee: int = 0) -> Filled:
    fill = Fill(order_id, trade, Price(price), Count(count), Money(fee), False, at(second))
    return Filled(fill, at(second))


def closed(key: OrderKey, order_id: str, status: OrderStatus, price: int, count: int, second: int) -> Observed:
    return Observed(key, order_id, 0, status, Price(price), Count(count), Count(0), at(second))


def folded(*facts: Fact) -> State:
    return reduce(evolve, facts, START)


def of(*facts: Fact) -> Projection:
    return project(folded(*facts))


def finished(projection: Projection) -> MetricsRow:
    assert projection.metrics is not None
    return projection.metrics


def statuses(projection: Projection) -> list[SplitStatus]:
    return [split.status for split in projection.splits]


WALKED = (
    viewed(),
    PLANNED,
    placed(FIRST),
    placed(SECOND_SPLIT, 6900, 4000),
    Accepted(FIRST, "a", None, at(3)),
    Accepted(SECOND_SPLIT, "b", None, at(3)),
    filled("b", "1", 6900, 1000, 4, fee=5),
    AmendIntended(FIRST, 1, Price(7100), Count(6000), Style.REST, Count(0), True, 150_000, "pressure", at(8)),
    Amended(FIRST, 1, None, at(9)),
    filled("a", "2", 7100, 6000, 10, fee=7),
    closed(FIRST, "a", OrderStatus.EXECUTED, 7100, 6000, 11),
    WindingDown("time-out", at(36)),
    closed(SECOND_SPLIT, "b", OrderStatus.CANCELED, 6900, 1000, 37),
    Finished(Status.COMPLETED, "70.00 of 100.00", at(38)),
)


def test_an_execution_that_has_only_started() -> None:
    projection = of(started(BUY))
    row = projection.execution
    assert (row.status, row.algorithm, row.reason) == (Status.EXECUTING, Algorithm.DYNAMIC_DEPTH_WALKER, "")
    assert (row.target, row.cap, row.count, row.filled, row.fill_rate) == (7000, 7100, 10_000, 0, 0)
    assert row.bought == Bought(Count(0), Money(0), Money(0), None)
    assert (row.policy, row.policy_version) == (PolicyName.TUNED, VERSION)
    assert (row.completed, row.ending, row.error) == (None, "", "")
    assert projection.walker == WalkerRow(0, 10, 10, 0, None, None)
    assert (projection.splits, projection.orders, projection.metrics) == ((), (), None)


def test_a_buy_that_walked() -> None:
    projection = of(started(BUY), *WALKED)
    row = projection.execution
    # 60 at 0.71 and 10 at 0.69 are 42.60 + 6.90 = 49.50; 49.50 / 70 = 0.70714...
    assert row.bought == Bought(Count(7000), Money(49_500_000), Money(12), Price(7071))
    assert (row.status, row.filled, row.fill_rate) == (Status.COMPLETED, 7000, 700_000)
    assert (row.completed, row.ending, row.error) == (at(38), "70.00 of 100.00", "")
    assert projection.walker == WalkerRow(1, 10, 10, 150_000, 12_000, at(8))
    first, second = projection.splits
    assert (first.start, first.price, first.order_id, first.status) == (7000, 7100, "a", SplitStatus.FILLED)
    assert first.walks == (WalkStep(at(8), Price(7000), Price(7100), 150_000, "pressure"),)
    assert (first.placed, first.done, first.bought.average) == (at(2), at(11), 7100)
    assert (second.status, second.filled, second.bought.average, second.done) == (
        SplitStatus.CANCELLED,
        1000,
        6900,
        at(37),
    )
    order = projection.orders[0]
    assert order.client_id == f"dw-{'1' * 8}-{'e' * 32}-1-0"
    assert order.current_id == f"dw-{'1' * 8}-{'e' * 32}-1-1"
    assert (order.price, order.count, order.filled, order.walk_reason) == (7100, 6000, 6000, "pressure")
    assert projection.orders[1].walk_reason == ""


def test_a_sell_is_shown_in_its_own_outcome() -> None:
    projection = of(started(SELL), *WALKED)
    row = projection.execution
    # It acquired NO for 49.50, so it sold 70 YES for 70 - 49.50 = 20.50.
    assert row.bought == Bought(Count(7000), Money(20_500_000), Money(12), Price(2929))
    assert (row.outcome, row.action, row.target, row.cap) == (Leg.YES, Action.SELL, 3000, 2900)
    assert [split.price for split in projection.splits] == [2900, 3100]
    assert [(step.old, step.new) for step in projection.splits[0].walks] == [(3000, 2900)]
    assert [order.price for order in projection.orders] == [2900, 3100]


@pytest.mark.parametrize(
    ("ticket", "ppm"),
    [
        (BUY, 10_204),  # paid 49.50 where 49.00 was wanted
        (SELL, 23_810),  # received 20.50 where 21.00 was wanted
    ],
)
def test_slippage_is_positive_when_worse_for_buys_and_sells(ticket: Ticket, ppm: int) -> None:
    assert finished(of(started(ticket), *WALKED)).slippage == ppm


def test_slippage_is_negative_when_better_and_absent_without_fills() -> None:
    assert slippage(BUY, Bought(Count(100), Money(690_000), Money(0), Price(6900))) == -14_286
    assert slippage(SELL, Bought(Count(100), Money(310_000), Money(0), Price(3100))) == -33_333
    assert slippage(BUY, Bought(Count(0), Money(0), Money(0), None)) is None


def test_the_metrics_of_a_partial_fill() -> None:
    metrics = finished(of(started(BUY), *WALKED))
    assert (metrics.first_fill, metrics.full_fill, metrics.total) == (4 * SECOND, None, 38 * SECOND)
    assert (metrics.walks, metrics.splits, metrics.momentum) == (1, 2, 150_000)
    # 200 contracts queue near the best and 60 are offered: the weaker side is moderate by the specification's 50 and 100.
    assert metrics.entry == Entry(Count(6000), Price(300), Liquidity.MODERATE)


def test_the_shortfall_counts_fees_and_the_rest_at_the_last_book() -> None:
    # Arrival 0.69 bid, 0.72 offered: the mid is 0.705, and 100 contracts at it are 70.50. Paid were 49.50 and 12 microdollars;
    # the last 30 cost 0.72 each and a taker's fee of 0.07 x 30 x 0.72 x 0.28 = 0.42336, charged to the next 1e-4: 0.4234.
    spent = 49_500_000 + 12 + 21_600_000 + 423_400
    for ticket, of_its_mid in ((BUY, 145), (SELL, 347)):  # of 0.705, and of 0.295, at which the outcome sold stood
        expected = Shortfall(Money(spent - 70_500_000), Money(10_234), of_its_mid)
        assert finished(of(started(ticket), *WALKED)).shortfall == expected


def test_an_execution_that_saw_no_mid_has_no_shortfall() -> None:
    one_sided = viewed()
    empty = replace(one_sided, view=replace(one_sided.view, ladders=Ladders((), ())))
    for facts in ((), (empty,)):
        assert finished(of(started(BUY), *facts, Finished(Status.FAILED, "x", at(4)))).shortfall is None


def unread() -> Viewed:
    """What a worker sees before it has read the first book."""
    seen = viewed(0, 0)
    return replace(seen, view=replace(seen.view, book_at=Micros(0), ladders=Ladders((), ())))


def test_a_book_that_was_not_read_is_neither_the_market_at_entry_nor_the_one_that_the_rest_is_priced_at() -> None:
    left = (WindingDown("recovered", at(36)), Finished(Status.FAILED, "x", at(38)))
    never = finished(of(started(BUY), unread(), *left))
    assert (never.entry, never.shortfall) == (None, None)
    offered = viewed(offers_near=20_000)
    known = finished(of(started(BUY), offered, *left))
    assert finished(of(started(BUY), unread(), offered, unread(), *left)) == known
    assert known.shortfall is not None
    # The 100 contracts at the 0.72 that were offered last, and a taker's fee of 1.4112, above a mid of 0.705.
    assert known.shortfall.total == 72_000_000 + 1_411_200 - 70_500_000


def test_whoever_bought_everything_has_no_rest_to_pay_for() -> None:
    bought = (placed(FIRST, count=10_000), Accepted(FIRST, "a", None, at(3)), filled("a", "1", 7050, 10_000, 5))
    metrics = finished(of(started(BUY), viewed(), *bought, Finished(Status.COMPLETED, "all", at(6))))
    assert metrics.shortfall == Shortfall(Money(0), Money(0), 0)


def test_a_shortfall_needs_the_first_look_and_the_last() -> None:
    ended = folded(started(BUY), viewed(), Finished(Status.FAILED, "x", at(4)))
    assert finished(project(ended)).shortfall is not None
    for without in (replace(ended, arrival=None), replace(ended, latest=None)):
        assert finished(project(without)).shortfall is None


def test_calls_and_their_tokens_a_cancel_being_cheaper() -> None:
    cancelled = (Requested(SECOND_SPLIT, Kind.CANCEL, at(36)), LookedUp("", at(37), 2))
    metrics = finished(of(started(BUY), *WALKED[:-2], *cancelled, *WALKED[-2:]))
    calls = 2 + 1 + 1 + 2  # places, an amend, a cancel, reads
    assert (metrics.calls, metrics.tokens) == (calls, (calls - 1) * CREATE_COST + CANCEL_COST)


def test_the_metrics_of_a_full_fill() -> None:
    metrics = finished(
        of(
            started(BUY),
            placed(FIRST, count=10_000),
            Accepted(FIRST, "a", None, at(3)),
            filled("a", "1", 7000, 10_000, 5),
            Finished(Status.COMPLETED, "all", at(6)),
        )
    )
    assert (metrics.first_fill, metrics.last_fill, metrics.full_fill) == (5 * SECOND, 5 * SECOND, 5 * SECOND)
    assert (metrics.fill_rate, metrics.entry) == (1_000_000, None)


def test_a_fill_on_a_slow_clock_does_not_come_before_the_start() -> None:
    facts = (placed(FIRST), Accepted(FIRST, "a", None, at(1)), filled("a", "1", 7000, 100, -3))
    metrics = finished(of(started(BUY), *facts, Finished(Status.COMPLETED, "", at(-1))))
    assert (metrics.first_fill, metrics.total) == (0, 0)


def test_an_execution_without_fills() -> None:
    facts = (StopRequested("by hand", at(1)), WindingDown("by hand", at(1)))
    assert of(started(BUY), *facts).execution.ending == "by hand"
    projection = of(started(BUY), *facts, Finished(Status.CANCELLED, "0.00 of 100.00; by hand", at(2)))
    metrics = finished(projection)
    assert (metrics.filled, metrics.slippage, metrics.first_fill, metrics.bought.average) == (0, None, None, None)
    assert projection.execution.error == "0.00 of 100.00; by hand"


def test_only_a_walker_has_a_walker_state() -> None:
    assert of(started(BUY, Algorithm.SIMPLE_LIMIT)).walker is None
    routed = Planned(Algorithm.SIMPLE_LIMIT, "too thin", SPLITS[:1], at(1))
    projection = of(started(BUY), routed)
    assert (projection.walker, projection.execution.reason) == (None, "too thin")


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ((), SplitStatus.PENDING),
        ((placed(FIRST),), SplitStatus.PENDING),
        ((placed(FIRST), Accepted(FIRST, "a", None, at(3))), SplitStatus.PLACED),
        ((placed(FIRST), Duplicated(FIRST, at(3))), SplitStatus.PLACED),
        ((placed(FIRST), Accepted(FIRST, "a", Count(100), at(3))), SplitStatus.PARTIAL),
        ((placed(FIRST), closed(FIRST, "a", OrderStatus.CANCELED, 7000, 100, 3)), SplitStatus.PARTIAL),
        ((placed(FIRST), closed(FIRST, "a", OrderStatus.EXECUTED, 7000, 6000, 3)), SplitStatus.FILLED),
        ((placed(FIRST), Refused(FIRST, Kind.PLACE, "no_funds", "", at(3))), SplitStatus.PENDING),
        (
            (placed(FIRST), Refused(FIRST, Kind.PLACE, "no_funds", "", at(3)), WindingDown("x", at(4))),
            SplitStatus.FAILED,
        ),
        ((WindingDown("x", at(4)),), SplitStatus.CANCELLED),
        ((Finished(Status.CANCELLED, "x", at(4)),), SplitStatus.CANCELLED),
        ((placed(FIRST), Accepted(FIRST, "a", None, at(3)), WindingDown("x", at(4))), SplitStatus.PLACED),
    ],
)
def test_the_status_of_a_split(facts: tuple[Fact, ...], status: SplitStatus) -> None:
    assert statuses(of(started(BUY), PLANNED, *facts))[0] is status


def test_a_refused_split_says_why_and_is_over_when_its_order_was() -> None:
    refused = Refused(FIRST, Kind.PLACE, "no_funds", "deposit more", at(3))
    split = of(started(BUY), PLANNED, placed(FIRST), refused, WindingDown("x", at(4))).splits[0]
    assert (split.error, split.order_id, split.placed, split.done) == ("no_funds deposit more", "", None, at(3))


def test_a_split_of_several_orders_is_over_when_the_last_of_them_is_and_failed_only_if_all_were_refused() -> None:
    refused = Refused(FIRST, Kind.PLACE, "no_funds", "", at(3))
    again, known = OrderKey(1, 1), Accepted(OrderKey(1, 1), "b", None, at(5))
    gone = replace(closed(again, "b", OrderStatus.CANCELED, 7000, 0, 9), revision=1)
    split = of(
        started(BUY), PLANNED, placed(FIRST), refused, placed(again), known, gone, WindingDown("x", at(10))
    ).splits[0]
    assert (split.status, split.done) == (SplitStatus.CANCELLED, at(9))


def test_a_walk_is_of_the_order_that_was_open_then() -> None:
    walk = (
        placed(FIRST),
        Accepted(FIRST, "a", None, at(3)),
        AmendIntended(FIRST, 1, Price(7100), Count(6000), Style.REST, Count(0), True, 0, "pressure", at(8)),
        Amended(FIRST, 1, None, at(9)),
    )
    assert [order.walk_reason for order in of(started(BUY), PLANNED, *walk).orders] == ["pressure"]
    gone = replace(closed(FIRST, "a", OrderStatus.CANCELED, 7100, 0, 11), revision=1)
    again = OrderKey(1, 2)
    more = (
        gone,
        replace(placed(again, 7100), at=at(12)),
        Accepted(again, "b", None, at(13)),
        AmendIntended(again, 3, Price(7200), Count(6000), Style.REST, Count(0), True, 0, "the end is near", at(18)),
        Amended(again, 3, None, at(19)),
    )
    projection = of(started(BUY), PLANNED, *walk, *more)
    assert [order.walk_reason for order in projection.orders] == ["pressure", "the end is near"]
    assert projection.walker is not None
    assert projection.walker.last_walk_at == at(18)


def test_a_split_that_was_never_placed_is_over_when_winding_down_began() -> None:
    assert of(started(BUY), PLANNED, WindingDown("x", at(4))).splits[1].done == at(4)
    assert of(started(BUY), PLANNED, Finished(Status.FAILED, "x", at(4))).splits[1].done is None


def test_an_order_in_flight_has_not_closed() -> None:
    order = of(started(BUY), PLANNED, placed(FIRST)).orders[0]
    assert (order.phase, order.closed, order.order_id) == (Phase.SENT, None, "")


def test_told_fills_are_those_of_the_facts_in_the_tickets_outcome() -> None:
    fact = filled("a", "1", 7100, 100, 4)
    assert told_fills(BUY, (LookupStarted(at(1)), fact)) == (fact.fill,)
    assert [fill.price for fill in told_fills(SELL, (fact,))] == [2900]


def test_an_executions_own_fills_count_once_and_as_they_were_told_first() -> None:
    first, other = filled("a", "1", 7100, 100, 4), filled("b", "2", 7100, 100, 4)
    again = replace(first, fill=replace(first.fill, fee=Money(9)))
    facts = (started(BUY), PLANNED, placed(FIRST), Accepted(FIRST, "a", None, at(3)), first, again, other)
    assert own_fills(folded(*facts), facts) == (first.fill,)
