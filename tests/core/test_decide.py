"""The decider: which situation calls for what, and until when nothing changes by itself."""

from dataclasses import replace

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
    policy,
    record,
    started,
    view,
    winding,
)
from tests.core.world import GRIDS

from depthwalker.core.answer import OrderStatus
from depthwalker.core.command import (
    Amend,
    Cancel,
    Command,
    Finish,
    Fresh,
    Hold,
    Lookup,
    MarkOver,
    OfferAt,
    Passed,
    Place,
    Plan,
    Recap,
    Regrid,
    Tick,
    WaitUntil,
    WindDown,
)
from depthwalker.core.config import Algorithm, PolicyName
from depthwalker.core.decide import TOO_DEAR, decide
from depthwalker.core.execution import State
from depthwalker.core.fact import (
    Accepted,
    CancelAcknowledged,
    CapChanged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    Finished,
    Held,
    LookedUp,
    LookupStarted,
    MarketOver,
    OutcomeUnknown,
    Refused,
    Requested,
    Status,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.fees import FeeRates
from depthwalker.core.grid import Band, PriceGrid
from depthwalker.core.ledger import Kind, OrderKey, Style
from depthwalker.core.parent import Parent
from depthwalker.core.policy import Policy
from depthwalker.core.siblings import AGAINST
from depthwalker.core.split import Split
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price
from depthwalker.core.view import Passage, View

POLICY = policy()
CANCELED = OrderStatus.CANCELED


def decided(state: State, seen: View | None = None, by: Policy = POLICY) -> tuple[Command, ...]:
    return decide(state, seen or view(after(1)), by)


def splits(*parts: tuple[int, int]) -> tuple[Split, ...]:
    return tuple(Split(level, cents(price), contracts(count)) for level, (price, count) in enumerate(parts, start=1))


def costing(most: int) -> Policy:
    """Return the policy under which a contract may cost so much."""
    return replace(POLICY, config=replace(POLICY.config, max_cost=Price(most)))


def refused(times: int, code: str = "invalid_order", detail: str = "", kind: Kind = Kind.PLACE) -> tuple[Fact, ...]:
    return tuple(Refused(FIRST, kind, code, detail, NOW) for _ in range(times))


# Planning


def test_tuned_it_splits_sixty_to_forty_inside_the_spread_and_behind() -> None:
    assert decided(started()) == (Plan(Algorithm.DYNAMIC_DEPTH_WALKER, "configured", splits((49, 60), (48, 40))),)


def test_a_thin_market_gets_one_order() -> None:
    thin = view(after(1), queue=((48, 40),))
    assert decided(started(), thin) == (Plan(Algorithm.DYNAMIC_DEPTH_WALKER, "configured", splits((49, 100))),)


def test_to_the_letter_it_splits_over_the_offers_up_to_the_cap_and_places_both() -> None:
    spec = policy(PolicyName.SPEC)
    seen = view(after(1), offers=((51, 60), (52, 100), (54, 900)))
    (plan,) = decided(started(by=spec), seen, spec)
    assert plan == Plan(Algorithm.DYNAMIC_DEPTH_WALKER, "configured", splits((51, 60), (52, 40)))
    placed = decided(planned((51, 60), (52, 40)), seen, spec)
    assert [(command.price, command.count, command.style) for command in placed if isinstance(command, Place)] == [
        (cents(51), contracts(60), Style.TAKE),
        (cents(52), contracts(40), Style.TAKE),
    ]


def test_a_fallback_says_why_and_carries_the_parents_notes() -> None:
    noted = started(replace(parent(), notes=("no_room_to_walk",)))
    (plan,) = decided(noted, view(after(1), walkers=5))
    assert plan == Plan(
        Algorithm.SIMPLE_LIMIT, "concurrency: 5 walkers run, the limit is 5; no_room_to_walk", splits((50, 100))
    )


def test_without_a_usable_book_it_waits_for_one_and_ends_at_the_time_out() -> None:
    none = view(after(1), book_at=Micros(0))
    assert decided(started(), none) == (WaitUntil(after(5), (Fresh(Micros(0)),)),)
    late = view(after(35), book_at=Micros(0))
    assert decided(started(), late) == (WaitUntil(after(36), (Fresh(Micros(0)),)),)
    over = view(after(36), book_at=Micros(0))
    assert decided(started(), over) == (WindDown("no book yet until the time-out"),)
    stale = view(after(36), book_at=after(1))
    assert decided(started(), stale) == (WindDown("stale book until the time-out"),)
    assert decided(started(), view(after(36))) == (WindDown("time-out"),)
    assert decided(winding(started()), over) == (Finish(Status.FAILED, "0.00 of 100.00 contracts; time-out"),)


# Winding down


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((StopRequested("by hand", NOW),), "by hand"),
        ((Filled(match("a", 100), NOW),), "filled"),
        ((Filled(match("a", 100), NOW), StopRequested("by hand", NOW)), "filled"),
        (refused(1, "insufficient_balance"), "insufficient_balance"),
        (refused(1, "MARKET_INACTIVE", "closed"), "MARKET_INACTIVE: closed"),
        (refused(3), "refused 3 times: invalid_order"),
        (refused(3, "invalid_price", "0.505"), "refused 3 times: invalid_price 0.505"),
    ],
)
def test_what_ends_it(facts: tuple[Fact, ...], reason: str) -> None:
    assert decided(live(49, 100, *facts)) == (WindDown(reason),)


@pytest.mark.parametrize(
    "facts",
    [
        refused(2),
        refused(5, detail="post only cross"),
        (*refused(5, detail="post only cross"), Deferred(FIRST, Kind.AMEND, "rate limited", NOW)),
        (*refused(2), Accepted(FIRST, name(FIRST), None, NOW), *refused(1, kind=Kind.AMEND)),
        refused(4, "not_found", kind=Kind.CANCEL),
    ],
)
def test_what_does_not(facts: tuple[Fact, ...]) -> None:
    assert not any(isinstance(command, WindDown) for command in decided(live(49, 100, *facts)))


def test_a_market_that_closes_or_has_no_price_left_ends_it() -> None:
    assert decided(live(), view(after(1), is_open=False)) == (WindDown("the market is not open any more"),)
    low = started(parent(target=cents(3), cap=cents(4)))
    ended = decided(low, view(after(1), grid=GRIDS[3]))
    assert ended == (WindDown("the market's new prices are all above the cap"),)


def test_a_new_grid_is_adopted_before_anything_else() -> None:
    assert decided(live(), view(after(1), grid=GRIDS[3])) == (Regrid(GRIDS[3]),)


def test_dearer_fees_lower_the_cap_before_anything_else_and_end_it_where_none_is_left() -> None:
    for most, first in ((5_500, None), (5_470, Recap(cents(52))), (10, WindDown(TOO_DEAR))):  # 0.53 costs 0.5475
        commands = decided(live(), by=costing(most))
        assert commands == (first,) if first else not any(isinstance(one, Recap | WindDown) for one in commands)
    lowered, seen = fold(CapChanged(cents(52), NOW), state=live()), view(after(1))
    cheap = replace(seen, conditions=replace(seen.conditions, rates=FeeRates(35_000, 0)))
    assert decided(lowered, cheap, costing(5_470)) == (Recap(cents(53)),), "and never above the parent's"


def test_a_look_that_has_ended_wakes_nobody() -> None:
    looked = fold(LookupStarted(after(1)), LookedUp("", after(1.1), 1), state=live())
    wait = decided(looked, view(after(1.2)))[-1]
    assert isinstance(wait, WaitUntil)
    assert wait.at != after(2), "one second after a look that ended within a tenth"


def test_winding_down_it_cancels_confirms_and_completes() -> None:
    state = winding(live(49, 100, Filled(match("a", 30), NOW)))
    assert decided(state)[0] == Cancel(FIRST, name(FIRST))
    state = fold(Requested(FIRST, Kind.CANCEL, after(1)), CancelAcknowledged(FIRST, after(1)), state=state)
    assert decided(state)[0] == Lookup()
    state = fold(record(CANCELED, 30, at=after(2)), LookedUp("", after(2)), state=state)
    assert decided(state, view(after(2))) == (Finish(Status.COMPLETED, "30.00 of 100.00 contracts; time-out"),)


def test_it_never_ends_on_anything_but_records_and_itemised_fills() -> None:
    state = winding(live(49, 100, record(CANCELED, 30), LookedUp("", after(1))))
    (wait,) = decided(state)
    assert wait == WaitUntil(after(1.5), ())
    assert decided(state, view(after(1.5)))[0] == Lookup()


def test_stopped_by_hand_is_cancelled_and_a_late_stop_changes_no_ending() -> None:
    stopped = fold(StopRequested("by hand", NOW), WindingDown("by hand", NOW), state=started())
    assert decided(stopped) == (Finish(Status.CANCELLED, "0.00 of 100.00 contracts; by hand"),)
    late = fold(StopRequested("by hand", NOW), state=winding(started()))
    assert decided(late) == (Finish(Status.FAILED, "0.00 of 100.00 contracts; time-out"),)


def test_finished_it_says_nothing() -> None:
    assert decided(fold(Finished(Status.FAILED, "", NOW), state=live())) == ()


# Waiting


def waits(commands: tuple[Command, ...]) -> WaitUntil:
    wait = commands[-1]
    assert isinstance(wait, WaitUntil)
    return wait


def test_it_waits_for_the_tick_and_for_a_better_offer() -> None:
    wait = waits(decided(live()))
    assert wait == WaitUntil(after(4), (OfferAt(cents(51), Count(1)), Passed(1, Count(0), Micros(0))))
    beyond = view(after(1), offers=((60, 5),))
    assert waits(decided(live(), beyond)).wakes[0] == OfferAt(cents(53), Count(1))
    alone = view(after(1), queue=(), offers=())
    assert waits(decided(live(), alone)).wakes[0] == OfferAt(cents(53), Count(1))
    lowest = view(after(1), queue=(), offers=((1, 5),))
    assert waits(decided(live(), lowest)).wakes == (Passed(1, Count(0), Micros(0)),)
    passed = replace(lowest, passages=(Passage(1, contracts(10), after(1)),))
    assert waits(decided(live(), passed)).wakes == ()


def test_at_a_tick_it_says_what_holds_each_split_and_waits_for_the_next() -> None:
    state = fold(Filled(match("a", 60), NOW), LookedUp("", after(3)), state=live())
    commands = decided(state, view(after(4)))
    assert commands[0] == Tick(((1, "at its level"),))
    assert waits(commands).at == after(8)
    assert waits(decided(state, view(after(20)))).at == after(23), "own orders were last read twenty seconds before"


def test_a_useless_book_is_waited_for() -> None:
    closed = live(49, 100, record(CANCELED, at=after(2)), LookedUp("", after(2)))
    assert Fresh(after(2)) in waits(decided(closed, view(after(3), book_at=after(1)))).wakes
    assert Fresh(after(1)) in waits(decided(live(), view(after(8), book_at=after(1)))).wakes


def test_it_wakes_when_a_refused_split_may_try_again() -> None:
    state = fold(intended(), *refused(1), state=planned((49, 100)))
    assert waits(decided(state, view(after(0.1)))).at == after(1)


def test_it_wakes_when_an_order_that_had_trouble_may_be_tried_again() -> None:
    cancel = (Requested(FIRST, Kind.CANCEL, after(1)), Deferred(FIRST, Kind.CANCEL, "rate limited", after(1)))
    state = winding(live(49, 100, *cancel))
    assert decided(state, view(after(1.1))) == (WaitUntil(after(1.5), ()),)
    assert decided(state, view(after(1.5)))[0] == Cancel(FIRST, name(FIRST))


def test_it_wakes_for_another_cancel() -> None:
    stale = winding(
        live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), CancelAcknowledged(FIRST, NOW), record(OrderStatus.RESTING))
    )
    looked = fold(LookedUp("", after(1.9)), state=stale)
    assert waits(decided(looked, view(after(1.9)))).at == after(2)


def test_a_simple_limit_waits_without_ticks() -> None:
    simple = planned((50, 100), algorithm=Algorithm.SIMPLE_LIMIT)
    state = fold(intended(price=50), accepted(), state=simple)
    assert decided(state) == (WaitUntil(after(5), (OfferAt(cents(51), Count(1)), Passed(1, Count(0), Micros(0)))),)


def test_a_short_execution_still_takes_before_its_end() -> None:
    short: Parent = parent(seconds=8)
    state = fold(intended(), accepted(), state=planned((49, 100), of=short))
    assert waits(decided(state, view(after(2)))).at == after(4) - 4 * SECOND // 3


def test_the_working_order_of_a_take_is_one_crossing_amend_and_ioc_is_only_for_what_has_none() -> None:
    late = view(after(34), offers=((52, 500),))
    amended = decided(live(), late)
    assert [(type(command).__name__, getattr(command, "style", None)) for command in amended[1:2]] == [
        ("Amend", Style.TAKE)
    ]
    closed = live(49, 100, record(CANCELED, at=after(2)), LookedUp("", after(2)))
    placed = [command for command in decided(closed, late) if isinstance(command, Place)]
    assert [(place.key, place.price, place.style) for place in placed] == [(OrderKey(1, 1), cents(52), Style.TAKE)]


def test_between_ticks_nothing_is_a_tick_and_a_plain_limit_never_has_one() -> None:
    working = decided(live())
    assert not any(isinstance(command, Tick) for command in working)
    due = view(after(4))
    assert any(isinstance(command, Tick) for command in decided(live(), due))
    plain = fold(intended(price=49), accepted(), state=planned((49, 100), algorithm=Algorithm.SIMPLE_LIMIT))
    assert not any(isinstance(command, Tick) for command in decided(plain, due))


def test_a_book_as_old_as_what_closed_an_order_is_waited_for() -> None:
    closed = live(49, 100, record(CANCELED, 40, at=after(1)))
    fresh = Fresh(after(1))
    assert fresh in waits(decided(closed, view(after(1)))).wakes
    assert fresh not in waits(decided(closed, view(after(1.1), book_at=after(1.1)))).wakes


def test_on_the_finest_grid_the_next_better_offer_is_a_hundredth_of_a_cent_below() -> None:
    fine = PriceGrid((Band(Price(0), DOLLAR, Price(1)),))
    state = fold(intended(price=49), accepted(), state=planned((49, 100), of=parent(grid=fine)))
    wakes = waits(decided(state, view(after(1), offers=((52, 500),), grid=fine))).wakes
    assert OfferAt(Price(5199), Count(1)) in wakes


def test_what_went_by_wakes_nobody_twice() -> None:
    passed = Passage(1, contracts(10), after(0.5))
    seen = replace(view(after(1)), passages=(passed,))
    assert not any(isinstance(wake, Passed) for wake in waits(decided(live(), seen)).wakes)
    other = replace(view(after(1)), passages=(replace(passed, split=2),))
    assert any(isinstance(wake, Passed) for wake in waits(decided(live(), other)).wakes)


# A market that is over


def over(at: float = 1) -> View:
    seen = view(after(at), is_open=False)
    return replace(seen, conditions=replace(seen.conditions, over=True))


def test_that_the_market_is_over_is_remembered_once_where_an_order_is_in_doubt() -> None:
    doubtful = winding(fold(intended(), OutcomeUnknown(FIRST, Kind.PLACE, "time-out", NOW), state=planned((49, 100))))
    assert decide(doubtful, over(), POLICY) == (MarkOver(),)
    two = fold(intended(count=60), intended(SECOND_SPLIT, count=40), state=planned((49, 60), (48, 40)))
    one_of_them = winding(fold(OutcomeUnknown(FIRST, Kind.PLACE, "time-out", NOW), state=two))
    assert decide(one_of_them, over(), POLICY) == (MarkOver(),)
    marked = fold(MarketOver(after(1)), state=doubtful)
    assert MarkOver() not in decide(marked, over(), POLICY)
    assert MarkOver() not in decide(doubtful, view(after(1), is_open=False), POLICY)


@pytest.mark.parametrize(
    "unproven",
    [
        live(49, 100, Requested(FIRST, Kind.CANCEL, NOW), Refused(FIRST, Kind.CANCEL, "not_found", "", NOW)),
        live(49, 100, Filled(match("a", 100), NOW)),
        fold(
            intended(),
            OutcomeUnknown(FIRST, Kind.PLACE, "time-out", NOW),
            Duplicated(FIRST, NOW),
            state=planned((49, 100)),
        ),
    ],
)
def test_that_the_market_is_over_is_remembered_where_an_accepted_order_is_not_shown(unproven: State) -> None:
    assert decide(winding(unproven), over(), POLICY) == (MarkOver(),)


def test_where_nothing_is_in_doubt_a_market_that_is_over_changes_nothing() -> None:
    assert decide(winding(live()), over(), POLICY) == decide(winding(live()), view(after(1), is_open=False), POLICY)


def test_a_market_that_is_over_is_wound_down_first() -> None:
    assert decide(live(), over(), POLICY) == (WindDown("the market is not open any more"),)


# An order of the account's own in the way


def faced(own: int | None, at: float = 1, offers: tuple[tuple[int, int], ...] = ((52, 500), (54, 500))) -> View:
    return replace(view(after(at), offers=offers), own_offer=None if own is None else cents(own))


def held(state: State, commands: tuple[Command, ...]) -> State:
    """Return the state that knows what the only command, a hold, says."""
    (hold,) = commands
    assert isinstance(hold, Hold)
    return fold(Held(hold.held, after(1)), state=state)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_whatever_the_algorithm_it_says_once_that_an_order_of_the_account_is_in_the_way(algorithm: Algorithm) -> None:
    by = policy(algorithm=algorithm)
    state = planned((50, 100), algorithm=algorithm)
    assert decided(state, faced(45), by) == (Hold(((1, AGAINST),)),)
    waiting = held(state, decided(state, faced(45), by))
    (wait,) = decided(waiting, faced(45), by)
    assert isinstance(wait, WaitUntil)
    assert wait.at == after(1.25)
    free = held(waiting, decided(waiting, faced(None, 2), by))
    assert free == state
    (place, *_) = decided(free, faced(None, 2), by)
    assert isinstance(place, Place)
    assert place.reason != AGAINST


def test_a_tick_keeps_the_reason_and_those_of_other_splits() -> None:
    state = fold(intended(SECOND_SPLIT, 48, 40), accepted(SECOND_SPLIT), state=planned((49, 60), (48, 40)))
    waiting = held(state, decided(state, faced(49)))
    tick, *_ = decided(waiting, faced(49, 4))
    assert tick == Tick(((2, "at its level"), (1, AGAINST)))


def test_a_split_that_only_stays_between_two_ticks_still_waits() -> None:
    walking = replace(view(after(4), queue=((50, 500),)), own_offer=cents(51))
    state = live()
    waiting = held(state, decided(state, walking))
    assert waiting.splits[0].held == AGAINST
    (tick, *others) = decided(waiting, walking)
    assert tick == Tick(((1, AGAINST),))
    assert not any(isinstance(command, Amend) for command in others)
    ticked = fold(Viewed(walking, True, after(4)), state=waiting)
    between = replace(walking, now=after(5), book_at=after(5))
    assert [type(command) for command in decided(ticked, between)] == [WaitUntil]
    gone = replace(between, own_offer=None)
    assert decided(ticked, gone) == (Hold(((1, ""),)),)


def test_a_way_that_is_free_although_the_account_has_an_order_further_up_is_gone() -> None:
    state = planned((50, 100), algorithm=Algorithm.SIMPLE_LIMIT)
    waiting = held(state, decided(state, faced(50)))
    assert decided(waiting, faced(51)) == (Hold(((1, ""),)),)


def test_a_split_that_wants_what_it_has_at_a_tick_waits_for_nothing_any_more() -> None:
    by = policy(algorithm=Algorithm.ADAPTIVE_LIMIT)
    state = fold(intended(), accepted(), state=planned((49, 100), algorithm=Algorithm.ADAPTIVE_LIMIT))
    wants = replace(faced(50, 4), ladders=view(queue=((50, 500),)).ladders)
    waiting = fold(Viewed(wants, True, after(4)), state=held(state, decided(state, wants, by)))
    back = replace(faced(52, 8), ladders=view(queue=((48, 500),)).ladders)
    assert not [one for one in decided(waiting, replace(back, now=after(7)), by) if isinstance(one, Hold)]
    assert decided(waiting, back, by) == (Hold(((1, ""),)),)


def test_no_order_beyond_the_cap_is_in_the_way() -> None:
    state = fold(intended(), accepted(), state=planned((49, 100), algorithm=Algorithm.TWAP))
    waiting = fold(Held(((1, AGAINST),), after(1)), state=state)
    by = policy(algorithm=Algorithm.TWAP)
    assert not [one for one in decided(waiting, faced(53), by) if isinstance(one, Hold)]
    assert decided(waiting, faced(54), by) == (Hold(((1, ""),)),)


@pytest.mark.parametrize(("filled", "price", "against"), [(0, 52, True), (40, 52, False), (0, 51, False)])
def test_who_took_nothing_at_the_price_of_the_accounts_order_knows_that_it_is_the_first(
    filled: int, price: int, *, against: bool
) -> None:
    by = policy(algorithm=Algorithm.SIMPLE_LIMIT)
    fills = (Filled(match("a", filled), after(1)),) if filled else ()
    took = (intended(price=price, style=Style.TAKE), accepted(), *fills, record(OrderStatus.CANCELED, filled))
    state = fold(*took, state=planned((52, 100), algorithm=Algorithm.SIMPLE_LIMIT, of=parent(target=cents(52))))
    seen = replace(faced(52, 3), own_after=contracts(200))
    hold, *_ = decided(state, seen, by)
    assert (hold == Hold(((1, AGAINST),))) is against
    assert isinstance(hold, Place) is not against
