"""The adaptive limit: from the bid to the offer as time goes, then taking."""

from dataclasses import replace

import pytest
from tests.core.scenes import accepted, after, all_but_a_hundredth, cents, fold, intended, match, parent, started, view

from depthwalker.core.algorithms.adaptive_limit import desire, moments, plan
from depthwalker.core.config import DEFAULT_EXECUTION, AdaptiveConfig, Algorithm, Urgency
from depthwalker.core.execution import State
from depthwalker.core.fact import Fact, Filled, Planned, Viewed
from depthwalker.core.ledger import Style
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.quote import Quote
from depthwalker.core.units import Micros
from depthwalker.core.view import View

NORMAL = policy_for(DEFAULT_EXECUTION)
OFFERS = ((53, 500),)


def waiting(*facts: Fact, cap: int = 55) -> State:
    state = started(parent(target=cents(53), cap=cents(cap)), NORMAL)
    planned = Planned(Algorithm.ADAPTIVE_LIMIT, "test", plan(state, view(offers=OFFERS), NORMAL), after(0))
    return fold(planned, *facts, state=state)


def quote(state: State, seen: View, by: Policy = NORMAL) -> Quote:
    return desire(state, seen, by).quotes[0]


WORKING = waiting(intended(price=48), accepted())


def test_it_starts_at_the_best_bid() -> None:
    assert [split.price for split in WORKING.splits] == [cents(48)]
    assert quote(waiting(), view(offers=OFFERS)).price == cents(48)


@pytest.mark.parametrize(("second", "price"), [(4, 49), (8, 50), (12, 51), (17, 52)])
def test_it_comes_nearer_to_the_offer_tick_by_tick(second: int, price: int) -> None:
    moved = quote(WORKING, view(after(second), offers=OFFERS))
    assert (moved.price, moved.style) == (cents(price), Style.REST)


def test_between_ticks_and_on_a_bad_book_it_stays() -> None:
    assert quote(WORKING, view(after(3), offers=OFFERS)).price == cents(48)
    assert quote(WORKING, view(after(3), queue=((50, 500),), offers=OFFERS)).price == cents(48)
    assert quote(WORKING, view(after(17), offers=OFFERS, book_at=after(0))).price == cents(48)


def test_without_a_working_order_it_waits_for_no_tick() -> None:
    assert quote(waiting(), view(after(3), queue=((50, 500),), offers=OFFERS)).price == cents(50)


def test_when_its_patience_is_over_it_takes() -> None:
    taken = quote(WORKING, view(after(18), offers=OFFERS))
    assert (taken.price, taken.style) == (cents(53), Style.TAKE)
    assert moments(WORKING, view(after(1)), NORMAL) == (after(4), after(18))


def test_taking_waits_for_no_tick() -> None:
    ticked = fold(Viewed(view(after(17)), True, after(17)), state=WORKING)
    scarce = ((53, 5), (54, 500))
    assert quote(ticked, view(Micros(after(18) - 1), offers=scarce)).price == cents(48)
    assert quote(ticked, view(after(18), offers=scarce)).price == cents(54)


def test_without_time_it_is_at_the_offer_at_once_or_at_the_cap() -> None:
    state = started(parent(target=cents(53), cap=cents(51), seconds=4), NORMAL)
    seen = view(Micros(after(0) + 1), offers=OFFERS)
    hasty = fold(Planned(Algorithm.ADAPTIVE_LIMIT, "test", plan(state, seen, NORMAL), after(0)), state=state)
    assert quote(hasty, seen).price == cents(51)


def test_with_nothing_under_the_cap_it_rests_at_the_cap() -> None:
    capped = waiting(intended(price=48), accepted(), cap=51)
    late = quote(capped, view(after(18), offers=((53, 500),)))
    assert (late.price, late.style) == (cents(51), Style.REST)


def test_without_an_offer_it_joins() -> None:
    assert quote(WORKING, view(after(8), queue=((47, 500),), offers=())).price == cents(47)


@pytest.mark.parametrize(("urgency", "second"), [(Urgency.URGENT, 7.2), (Urgency.PATIENT, 32.4)])
def test_its_urgency_is_when_it_takes(urgency: Urgency, second: float) -> None:
    policy = policy_for(replace(DEFAULT_EXECUTION, adaptive=AdaptiveConfig(urgency)))
    assert moments(WORKING, view(after(1)), policy)[1] == after(second)


def test_it_wants_whatever_is_left_and_filled_nothing() -> None:
    assert desire(fold(all_but_a_hundredth(), state=WORKING), view(after(1)), NORMAL).quotes
    assert desire(fold(Filled(match("a", 100), after(1)), state=WORKING), view(after(1)), NORMAL).quotes == ()
