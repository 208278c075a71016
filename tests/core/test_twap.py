"""Twap: equal slices in turn, each resting a while and then taking."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    HUNDRED,
    accepted,
    after,
    all_but_a_hundredth,
    cents,
    contracts,
    fold,
    intended,
    match,
    parent,
    started,
    view,
)

from depthwalker.core.algorithms.twap import desire, moments, plan
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm, TwapConfig
from depthwalker.core.execution import State
from depthwalker.core.fact import Filled, Planned
from depthwalker.core.ledger import Style
from depthwalker.core.policy import policy_for
from depthwalker.core.units import Count

FOUR = policy_for(replace(DEFAULT_EXECUTION, algorithm=Algorithm.TWAP))


def slices(count: Count = HUNDRED) -> State:
    state = started(parent(count=count), FOUR)
    return fold(Planned(Algorithm.TWAP, "test", plan(state, view(), FOUR), after(0)), state=state)


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (contracts(100), [2500, 2500, 2500, 2500]),
        (contracts(10), [300, 300, 200, 200]),
        (contracts(2), [100, 100]),
        (Count(333), [84, 83, 83, 83]),
    ],
)
def test_the_parent_is_cut_into_equal_slices(count: Count, found: list[int]) -> None:
    assert [part.count for part in slices(count).splits] == found


def test_a_slice_begins_in_its_turn_at_the_best_bid() -> None:
    first = desire(slices(), view(), FOUR).quotes
    assert [(quote.split, quote.price, quote.style) for quote in first] == [(1, cents(48), Style.REST)]
    assert [quote.split for quote in desire(slices(), view(after(9)), FOUR).quotes] == [1, 2]


def test_it_stays_where_it_was_placed() -> None:
    working = fold(intended(price=47, count=25), accepted(), state=slices())
    assert desire(working, view(after(1)), FOUR).quotes[0].price == cents(47)


def test_after_its_patience_a_slice_takes_what_all_late_slices_need() -> None:
    late = desire(slices(), view(after(14), offers=((51, 30), (52, 500))), FOUR).quotes
    assert [(quote.split, quote.price, quote.style) for quote in late] == [
        (1, cents(52), Style.TAKE),
        (2, cents(52), Style.TAKE),
    ]
    nothing = desire(slices(), view(after(5), offers=()), FOUR).quotes[0]
    assert (nothing.price, nothing.style) == (cents(48), Style.REST)


def test_a_slice_wants_whatever_is_left_and_filled_nothing() -> None:
    nearly = fold(intended(count=25), accepted(), all_but_a_hundredth(25), state=slices())
    assert desire(nearly, view(after(1)), FOUR).quotes
    filled = fold(intended(count=25), accepted(), Filled(match("a", 25), after(1)), state=slices())
    assert desire(filled, view(after(1)), FOUR).quotes == ()


def test_it_changes_its_mind_when_slices_begin_and_when_they_take() -> None:
    assert moments(slices(), view(), FOUR) == tuple(after(second) for second in (0, 4.5, 9, 13.5, 18, 22.5, 27, 31.5))


def test_without_patience_it_takes_at_once() -> None:
    hasty = policy_for(replace(DEFAULT_EXECUTION, twap=TwapConfig(1, 0)))
    state = started(parent(), hasty)
    whole = fold(Planned(Algorithm.TWAP, "test", plan(state, view(), hasty), after(0)), state=state)
    assert desire(whole, view(), hasty).quotes[0].style is Style.TAKE
