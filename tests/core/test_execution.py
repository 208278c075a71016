"""The fold, fact by fact: what each leaves of an order, and what none may undo."""

import pytest
from tests.core.scenes import (
    FIRST,
    NOW,
    SECOND_SPLIT,
    accepted,
    after,
    cents,
    contracts,
    fold,
    intended,
    live,
    match,
    name,
    parent,
    planned,
    record,
    view,
)
from tests.core.world import GRIDS

from depthwalker.core.answer import OrderStatus
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import (
    State,
    open_order,
    split_filled,
    total_cost,
    total_exposure,
    total_filled,
    total_walks,
)
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Burned,
    CancelAcknowledged,
    CapChanged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    Finished,
    GridChanged,
    Held,
    Lapsed,
    LookedUp,
    LookupStarted,
    MarketOver,
    OutcomeUnknown,
    Refused,
    Requested,
    Resumed,
    Status,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.ledger import Ending, Kind, Order, OrderKey, Phase, Style, filled, settled
from depthwalker.core.units import Count

RESTING, CANCELED, EXECUTED = OrderStatus.RESTING, OrderStatus.CANCELED, OrderStatus.EXECUTED


def amending(
    revision: int = 1, price: int = 50, total: int = 100, *, walk: bool = True, at: float = 1
) -> AmendIntended:
    return AmendIntended(
        FIRST, revision, cents(price), contracts(total), Style.REST, Count(3), walk, 7, "test", after(at)
    )


def unknown(kind: Kind, at: float = 2) -> OutcomeUnknown:
    return OutcomeUnknown(FIRST, kind, "time-out", after(at))


def only(state: State) -> Order:
    (order,) = state.orders
    return order


# Places


def test_an_intent_counts_at_once_and_takes_its_revision() -> None:
    state = fold(intended(), state=planned((49, 100)))
    assert (only(state).phase, total_exposure(state), state.splits[0].revisions, state.calls) == (
        Phase.SENT,
        contracts(100),
        1,
        1,
    )
    assert open_order(state, 1) == only(state)
    assert open_order(state, 2) is None


def test_accepted_it_is_live_and_its_refusals_are_forgotten() -> None:
    refused = Refused(FIRST, Kind.PLACE, "invalid_order", "", NOW)
    again = OrderKey(1, 1)
    state = fold(intended(), refused, intended(again), accepted(again), state=planned((49, 100)))
    assert [order.phase for order in state.orders] == [Phase.CLOSED, Phase.LIVE]
    assert state.splits[0].refusals == 0


def test_an_accepted_take_or_a_full_order_has_to_be_looked_up() -> None:
    taken = fold(intended(style=Style.TAKE), accepted(), state=planned((49, 100)))
    assert (only(taken).phase, only(taken).doubt) == (Phase.LIVE, True)
    assert only(fold(intended(), accepted(filled=100), state=planned((49, 100)))).doubt
    assert not only(live()).doubt


@pytest.mark.parametrize(
    "fact",
    [
        Refused(FIRST, Kind.PLACE, "invalid_price", "", after(1)),
        Deferred(FIRST, Kind.PLACE, "rate limited", after(1)),
    ],
)
def test_a_place_that_came_to_nothing_frees_its_exposure(fact: Fact) -> None:
    state = fold(intended(), fact, state=planned((49, 100)))
    assert (only(state).ending, total_exposure(state)) == (Ending.REFUSED, 0)
    assert state.splits[0].refused_at == after(1)


def test_a_late_refusal_frees_nothing_of_an_order_of_unknown_outcome() -> None:
    lost = fold(intended(), unknown(Kind.PLACE), state=planned((49, 100)))
    for fact in (Refused(FIRST, Kind.PLACE, "x", "", NOW), Deferred(FIRST, Kind.PLACE, "x", NOW)):
        assert (only(fold(fact, state=lost)).phase, total_exposure(fold(fact, state=lost))) == (
            Phase.UNKNOWN,
            contracts(100),
        )


def test_a_place_above_the_splits_price_is_a_walk() -> None:
    state = fold(intended(price=51), state=planned((49, 100)))
    (step,) = state.splits[0].walks
    assert (step.old, step.new, state.splits[0].price) == (cents(49), cents(51), cents(51))
    assert total_walks(fold(intended(price=48), state=planned((49, 100)))) == 0


# Unknown outcomes


def test_unknown_counts_as_accepted_in_full_until_it_is_claimed_or_burned() -> None:
    lost = fold(intended(), unknown(Kind.PLACE), state=planned((49, 100)))
    assert (only(lost).phase, total_exposure(lost)) == (Phase.UNKNOWN, contracts(100))
    assert only(fold(accepted(), state=lost)).phase is Phase.LIVE
    burned = fold(Burned(FIRST, "x9", Count(1), NOW), Filled(match("a", 0), NOW), state=lost)
    assert (only(burned).ending, total_exposure(burned), total_filled(burned)) == (Ending.BURNED, 1, 1)
    assert not settled(only(burned))


@pytest.mark.parametrize("kind", [Kind.CLAIM, Kind.BURN])
def test_a_claim_or_burn_that_told_nothing_leaves_it_unknown(kind: Kind) -> None:
    asked = fold(intended(), unknown(Kind.PLACE), Requested(FIRST, kind, NOW), state=planned((49, 100)))
    for fact in (
        unknown(kind),
        Refused(FIRST, kind, "insufficient_balance", "", NOW),
        Deferred(FIRST, kind, "rate limited", NOW),
    ):
        order = only(fold(fact, state=asked))
        assert (order.phase, order.troubles, order.request, order.exposed) == (Phase.UNKNOWN, 2, None, contracts(100))
    assert fold(Refused(FIRST, kind, "x", "", NOW), state=asked).splits[0].refusals == 0
    assert fold(Deferred(FIRST, kind, "x", NOW), state=asked).splits[0].refused_at == 0


def test_a_duplicate_id_waits_for_its_record() -> None:
    known = fold(intended(), unknown(Kind.PLACE), Duplicated(FIRST, after(3)), state=planned((49, 100)))
    assert (only(known).phase, only(known).doubt, total_exposure(known)) == (Phase.DUPLICATE, True, contracts(100))
    assert only(fold(record(RESTING), state=known)).phase is Phase.LIVE
    assert only(fold(record(CANCELED), state=known)).ending is Ending.CANCELED


def test_a_duplicate_tells_nothing_new_of_a_live_order() -> None:
    asked = live(49, 100, Requested(FIRST, Kind.CLAIM, NOW), Duplicated(FIRST, NOW))
    assert (only(asked).phase, only(asked).request, only(asked).doubt) == (Phase.LIVE, None, False)


def test_an_outcome_unknown_of_an_order_seen_live_or_closed_changes_nothing_of_that() -> None:
    assert only(fold(intended(), record(RESTING), unknown(Kind.PLACE), state=planned((49, 100)))).phase is Phase.LIVE
    assert only(fold(intended(), record(CANCELED), unknown(Kind.PLACE), state=planned((49, 100)))).phase is Phase.CLOSED


# Amends


def test_an_amend_counts_the_larger_total_until_it_is_answered() -> None:
    asked = live(49, 100, amending(total=120))
    assert (total_exposure(asked), only(asked).price, total_walks(asked)) == (contracts(120), cents(49), 1)
    done = fold(Amended(FIRST, 1, None, after(2)), state=asked)
    assert (only(done).price, only(done).total, only(done).revision, only(done).ahead, only(done).since) == (
        cents(50),
        contracts(120),
        1,
        3,
        after(2),
    )
    assert total_exposure(fold(Refused(FIRST, Kind.AMEND, "x", "", NOW), state=asked)) == contracts(100)
    assert total_exposure(fold(Deferred(FIRST, Kind.AMEND, "x", NOW), state=asked)) == contracts(100)


def test_an_amend_of_unknown_outcome_may_still_take_effect_whatever_comes_later() -> None:
    lost = live(49, 100, amending(total=120), unknown(Kind.AMEND))
    assert (only(lost).loose, only(lost).doubt) == (True, True)
    for later in (
        (record(RESTING),),
        (amending(2, total=90), Amended(FIRST, 2, None, NOW)),
        (amending(2, total=90), Refused(FIRST, Kind.AMEND, "x", "", NOW)),
        (amending(2, total=90), Deferred(FIRST, Kind.AMEND, "x", NOW)),
    ):
        assert total_exposure(fold(*later, state=lost)) == contracts(120)
    assert total_exposure(fold(record(CANCELED, 5), state=lost)) == contracts(5)


def test_a_full_amended_order_has_to_be_looked_up() -> None:
    assert only(live(49, 100, amending(), Amended(FIRST, 1, contracts(100), NOW))).doubt


def test_the_answer_to_another_amend_frees_nothing() -> None:
    asked = live(49, 100, amending(1), Amended(FIRST, 1, None, NOW), amending(2, 51))
    told = fold(Amended(FIRST, 1, contracts(3), NOW), state=asked)
    request = only(told).request
    assert request is not None
    assert (request.revision, filled(only(told))) == (2, contracts(3))
    assert only(live(49, 100, Amended(FIRST, 1, None, NOW))).revision == 0


def test_a_refused_amend_needs_a_look_a_deferred_one_only_time() -> None:
    assert only(live(49, 100, amending(), Refused(FIRST, Kind.AMEND, "not_found", "", NOW))).doubt
    assert not only(live(49, 100, amending(), Deferred(FIRST, Kind.AMEND, "rate limited", NOW))).doubt


# Cancels and records


@pytest.mark.parametrize(
    "fact",
    [
        CancelAcknowledged(FIRST, after(1)),
        Refused(FIRST, Kind.CANCEL, "not_found", "", after(1)),
        unknown(Kind.CANCEL, 1),
    ],
)
def test_no_answer_to_a_cancel_closes_anything(fact: Fact) -> None:
    state = live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), fact)
    assert (only(state).phase, only(state).doubt, total_exposure(state)) == (Phase.LIVE, True, contracts(100))
    assert only(state).request is None


def test_a_deferred_cancel_has_not_happened() -> None:
    order = only(live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), Deferred(FIRST, Kind.CANCEL, "rate limited", NOW)))
    assert (order.doubt, order.troubles, order.cancels) == (False, 1, 1)


@pytest.mark.parametrize(("status", "ending"), [(CANCELED, Ending.CANCELED), (EXECUTED, Ending.EXECUTED)])
def test_its_own_record_closes_an_order_and_nothing_opens_it_again(status: OrderStatus, ending: Ending) -> None:
    closed = live(49, 100, record(status, 40, at=after(2)))
    assert (only(closed).ending, only(closed).closed_at, total_exposure(closed)) == (ending, after(2), contracts(40))
    later = fold(
        record(RESTING, 10),
        accepted(),
        amending(total=200),
        Requested(FIRST, Kind.CANCEL, NOW),
        CancelAcknowledged(FIRST, NOW),
        Duplicated(FIRST, NOW),
        Burned(FIRST, "x", Count(0), NOW),
        unknown(Kind.AMEND),
        Refused(FIRST, Kind.AMEND, "x", "", NOW),
        Refused(FIRST, Kind.CANCEL, "x", "", NOW),
        Resumed("w", NOW),
        state=closed,
    )
    assert (only(later).ending, only(later).request, total_exposure(later)) == (ending, None, contracts(40))


def test_a_stale_record_changes_no_price() -> None:
    amended = live(49, 100, amending(), Amended(FIRST, 1, None, NOW))
    assert only(fold(record(RESTING, revision=0, price=49), state=amended)).price == cents(50)
    late = fold(record(RESTING, revision=2, price=52, total=90), state=amended)
    assert (only(late).price, only(late).revision, only(late).exposed) == (cents(52), 2, contracts(90))
    under_way = live(49, 100, amending(), record(RESTING, revision=1, price=50))
    assert only(under_way).price == cents(49)


def test_the_record_corrects_an_acknowledgement_that_named_another_order() -> None:
    state = live(49, 100, Filled(match("a", 10), NOW))
    wrong = fold(
        intended(), Accepted(FIRST, "somebody's", None, NOW), Filled(match("a", 10), NOW), state=planned((49, 100))
    )
    assert len(wrong.strays) == 1
    right = fold(record(RESTING, 10), state=wrong)
    assert (only(right).order_id, only(right).itemised) == (name(FIRST), only(state).itemised)


def test_fills_wait_for_their_order_and_are_booked_once() -> None:
    early = fold(intended(), Filled(match("a", 10, fee=2, at=after(3)), NOW), state=planned((49, 100)))
    assert (total_filled(early), len(early.strays)) == (0, 1)
    assert len(fold(Filled(match("a", 10), NOW), state=early).strays) == 1
    known = fold(accepted(), Filled(match("b", 5, at=after(2)), NOW), state=early)
    assert (total_filled(known), known.strays, known.first_fill_at, known.last_fill_at) == (
        contracts(15),
        (),
        after(2),
        after(3),
    )
    assert total_cost(known)[2] == 2
    assert split_filled(known, 1) == contracts(15)
    assert split_filled(known, 2) == 0


# Recovery


def test_resumed_whatever_was_under_way_is_unknown_and_what_works_is_read() -> None:
    assert only(fold(intended(), Resumed("w", NOW), state=planned((49, 100)))).phase is Phase.UNKNOWN
    amended = only(live(49, 100, amending(), Resumed("w", after(9))))
    assert (amended.loose, amended.doubt, amended.request, amended.troubled_at) == (True, True, None, after(9))
    assert only(live(49, 100, Resumed("w", NOW))).doubt
    assert not live(49, 100, LookupStarted(NOW), Resumed("w", NOW)).looking


def test_resumed_by_a_clock_that_is_behind_no_instant_that_is_waited_on_lies_in_the_future() -> None:
    """What is waited on is then waited for no longer than by the clock that it was taken from."""
    ahead = live(
        49,
        100,
        amending(),
        Refused(FIRST, Kind.AMEND, "invalid_order", "", after(60)),
        Viewed(view(after(60)), True, after(60)),
        LookupStarted(after(60)),
        LookedUp("", after(61)),
        record(OrderStatus.CANCELED, at=after(61)),
        MarketOver(after(62)),
    )
    state = fold(Resumed("w", after(2)), state=ahead)
    (part,), order = state.splits, only(state)
    waited_on = (state.ticked_at, state.looked_at, state.read_at, state.over_at, part.refused_at, order.closed_at)
    assert waited_on == (after(2),) * 6
    sent = fold(intended(at=after(60)), OutcomeUnknown(FIRST, Kind.PLACE, "lost", after(60)), state=planned((49, 100)))
    lost = only(fold(Resumed("w", after(2)), state=sent))
    assert (lost.placed_at, lost.since, lost.troubled_at) == (after(2),) * 3
    assert fold(Resumed("w", after(70)), state=ahead) == ahead


# The execution


def test_ticks_arrival_and_reasons() -> None:
    state = fold(
        Viewed(view(after(1)), True, after(1)), Held(((2, "on schedule"),), after(1)), state=planned((49, 60), (48, 40))
    )
    assert (state.ticks, state.ticked_at) == (1, after(1))
    assert state.arrival == view()
    assert [split.held for split in state.splits] == ["", "on schedule"]
    assert fold(Viewed(view(after(2)), False, after(2)), state=state).ticked_at == after(1)


def test_lookups_are_counted_and_their_failures_too() -> None:
    state = fold(LookupStarted(NOW), LookedUp("time-out", after(1)), LookedUp("time-out", after(2), 2), state=live())
    assert (state.looking, state.looked_at, state.look_failures, state.calls) == (False, after(2), 2, 4)
    assert fold(LookedUp("", after(3)), state=state).look_failures == 0


def test_what_began_by_a_clock_that_was_fast_ends_within_its_time_from_the_take_over() -> None:
    begun = live()
    ahead = fold(Resumed("w", after(-1_800)), state=begun).parent
    for was, now in (
        (begun.parent.started, ahead.started),
        (begun.parent.wind_down, ahead.wind_down),
        (begun.parent.deadline, ahead.deadline),
        (begun.parent.expires, ahead.expires),
    ):
        assert was - now == NOW - after(-1_800)
    assert fold(Resumed("w", after(5)), state=begun).parent == begun.parent


def test_other_fees_move_the_cap() -> None:
    assert fold(CapChanged(cents(50), NOW), state=live()).cap == cents(50)


def test_a_new_grid_snaps_the_cap_toward_safety_and_never_past_it() -> None:
    assert fold(GridChanged(GRIDS[3], NOW), state=live()).cap == cents(50)
    assert fold(GridChanged(GRIDS[3], NOW), GridChanged(GRIDS[2], NOW), state=live()).cap == cents(53)
    low = fold(GridChanged(GRIDS[3], NOW), state=planned((3, 100), of=parent(cap=cents(3))))
    assert (low.cap, low.grid) == (cents(3), GRIDS[3])


def test_what_was_said_first_stays() -> None:
    state = fold(StopRequested("a", NOW), StopRequested("b", NOW), WindingDown("c", NOW), WindingDown("d", after(1)))
    assert (state.stop, state.winding, state.wound_at) == ("a", "c", NOW)
    done = fold(Finished(Status.FAILED, "x", NOW), Finished(Status.COMPLETED, "y", NOW)).finished
    assert done is not None
    assert done.status is Status.FAILED


def test_a_stop_without_a_reason_is_a_stop() -> None:
    assert fold(StopRequested("", NOW)).stop
    assert fold(WindingDown("", NOW)).winding


def test_facts_of_other_orders_touch_nothing() -> None:
    assert fold(CancelAcknowledged(SECOND_SPLIT, NOW), Duplicated(SECOND_SPLIT, NOW), state=live()) == live()
    assert name(FIRST) == only(live()).order_id
    nobody = AmendIntended(SECOND_SPLIT, 1, cents(50), contracts(1), Style.REST, Count(0), True, 0, "", NOW)
    assert fold(nobody, state=live()).orders == live().orders


def test_only_what_walks_is_a_walk() -> None:
    still = AmendIntended(FIRST, 1, cents(50), contracts(100), Style.REST, Count(0), False, 7, "follows", NOW)
    assert live(49, 100, still).splits[0].walks == ()
    limit = planned((49, 100), algorithm=Algorithm.SIMPLE_LIMIT)
    assert fold(intended(price=50), state=limit).splits[0].walks == ()
    (step,) = fold(intended(price=50), state=planned((49, 100))).splits[0].walks
    assert step.momentum == 0


def test_two_fills_of_an_order_not_yet_known_are_two() -> None:
    state = fold(Filled(match("a", 30), NOW), Filled(match("b", 20), NOW), intended(), state=planned((49, 100)))
    assert len(state.strays) == 2
    assert total_filled(fold(accepted(), state=state)) == contracts(50)


@pytest.mark.parametrize(
    "fact",
    [
        Amended(FIRST, 1, Count(0), after(2)),
        CancelAcknowledged(FIRST, after(2)),
        record(OrderStatus.RESTING, at=after(2)),
    ],
)
def test_an_answer_ends_an_orders_troubles(fact: Fact) -> None:
    kind = Kind.CANCEL if isinstance(fact, CancelAcknowledged) else Kind.AMEND
    trouble = live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), OutcomeUnknown(FIRST, Kind.CANCEL, "lost", after(1)))
    assert trouble.orders[0].troubles == 1
    asked: Fact = (
        Requested(FIRST, Kind.CANCEL, after(1))
        if kind is Kind.CANCEL
        else AmendIntended(FIRST, 1, cents(50), contracts(100), Style.REST, Count(0), False, 0, "", after(1))
    )
    before = trouble if isinstance(fact, type(record(OrderStatus.RESTING))) else fold(asked, state=trouble)
    assert fold(fact, state=before).orders[0].troubles == 0


def test_a_burn_names_the_order_that_was_never_accepted() -> None:
    lost = fold(intended(), OutcomeUnknown(FIRST, Kind.PLACE, "lost", NOW), state=planned((49, 100)))
    burned = fold(Burned(FIRST, "x", Count(0), after(1)), state=lost)
    assert burned.orders[0].order_id == "x"


# A market that is over


def test_since_when_a_market_is_over_is_remembered_once() -> None:
    assert fold(MarketOver(after(3)), MarketOver(after(5)), state=planned((49, 100))).over_at == after(3)


def test_an_order_lapses_with_what_it_filled_and_one_that_ended_stays_as_it_was() -> None:
    sent = fold(intended(), state=planned((49, 100)))
    lost = fold(OutcomeUnknown(FIRST, Kind.PLACE, "time-out", NOW), state=sent)
    sold = Filled(match("a", 30), NOW)
    for state, count in ((lost, 0), (fold(Duplicated(FIRST, NOW), state=lost), 0), (live(49, 100, sold), 30)):
        over = fold(Lapsed(FIRST, after(3)), state=state)
        lapsed = only(over)
        assert (lapsed.phase, lapsed.ending, lapsed.closed_at) == (Phase.CLOSED, Ending.LAPSED, after(3))
        assert total_exposure(over) == total_filled(over) == contracts(count)
        assert settled(lapsed), "no record will tell of its fills"
    told = live(49, 100, sold, record(RESTING, 40), Lapsed(FIRST, after(3)))
    assert not settled(only(told)), "ten more are known of"
    ended = live(49, 100, record(OrderStatus.CANCELED))
    assert fold(Lapsed(FIRST, after(3)), state=ended) == ended


def test_a_reading_counts_from_when_it_began_and_only_if_it_did_not_fail() -> None:
    state = fold(LookupStarted(after(1)), LookedUp("", after(2)), state=live())
    assert (state.asked_at, state.read_at) == (after(1), after(1))
    again = fold(LookupStarted(after(3)), LookedUp("time-out", after(4)), state=state)
    assert (again.asked_at, again.read_at) == (after(3), after(1))
