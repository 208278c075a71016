"""Order groups: a rolling sum of fills that throws a switch (fact sheet, section 5.9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.groups import WINDOW, Group, counted, fill, limit, reset, trigger
from depthwalker.core.units import SECOND, Count, Micros

TEN = Group(Count(1_000))


def at(seconds: int) -> Micros:
    return Micros(seconds * SECOND)


def test_fills_up_to_the_limit_do_not_trigger() -> None:
    group = fill(fill(TEN, Count(600), at(0)), Count(400), at(1))
    assert (counted(group, at(1)), group.triggered) == (1_000, False)


def test_a_sum_above_the_limit_triggers() -> None:
    assert fill(fill(TEN, Count(600), at(0)), Count(401), at(1)).triggered


@pytest.mark.parametrize(("later", "triggered"), [(Micros(WINDOW - 1), True), (WINDOW, False)])
def test_a_fill_counts_for_less_than_fifteen_seconds(later: Micros, triggered: bool) -> None:
    group = fill(fill(TEN, Count(600), at(0)), Count(600), later)
    assert group.triggered == triggered
    assert len(group.fills) == (2 if triggered else 1), "what counts no more is not kept"
    assert counted(group, later) == (1_200 if triggered else 600)


def test_the_count_falls_by_itself() -> None:
    group = fill(TEN, Count(600), at(0))
    assert [counted(group, at(seconds)) for seconds in (0, 14, 15)] == [600, 600, 0]


def test_a_group_stays_triggered_when_its_fills_are_past() -> None:
    group = fill(fill(TEN, Count(2_000), at(0)), Count(1), at(60))
    assert (counted(group, at(60)), group.triggered) == (1, True)


def test_a_limit_below_the_current_sum_triggers() -> None:
    group = fill(TEN, Count(600), at(0))
    assert [limit(group, Count(to), at(1)).triggered for to in (600, 599)] == [False, True]


def test_a_higher_limit_does_not_undo_a_trigger() -> None:
    assert limit(trigger(TEN), Count(9_000), at(0)) == Group(Count(9_000), (), triggered=True)


def test_a_reset_clears_the_counter_and_the_trigger() -> None:
    assert reset(fill(TEN, Count(2_000), at(0))) == TEN


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 500)), max_size=30).map(sorted))
def test_it_triggers_exactly_when_some_fill_brings_the_window_above_the_limit(fills: list[tuple[int, int]]) -> None:
    group = TEN
    exceeded = False
    for index, (second, count) in enumerate(fills):
        group = fill(group, Count(count), at(second))
        window = sum(one for moment, one in fills[: index + 1] if second - moment < 15)
        exceeded = exceeded or window > TEN.limit
        assert counted(group, at(second)) == window
        assert group.triggered == exceeded
