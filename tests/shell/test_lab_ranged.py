"""A number that notes which others would have been judged alike: within its bounds every one of them gives the same answers."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.shell.lab.ranged import FAR, Range, Ranged

Number = int | Ranged

QUESTIONS: tuple[Callable[[Number, int], object], ...] = (
    lambda one, other: one > other,
    lambda one, other: one >= other,
    lambda one, other: one < other,
    lambda one, other: one <= other,
    lambda one, other: other < one,
    lambda one, other: other - one > 3,
    lambda one, other: one + other <= 2 * other,
    lambda one, other: 7 - (one - other) >= 0,
    lambda one, other: -one < other,
    lambda one, other: min(one, other) > 5,
    lambda one, other: max(one + 1, other) < 20,
    lambda one, other: one == other,
    lambda one, other: one * 3 + other,
    lambda one, other: other * 2 // (one if one > 0 else 1),
    lambda one, other: one // 4 + one % 4 - other,
    lambda one, other: f"{one} of {other}",
    lambda one, other: bool(one),
    lambda one, other: [*range(30)][one] if 0 <= one < 30 else other,
    lambda one, other: hash(one) == 4,
    lambda one, other: abs(one) + sum([one, other]),
    lambda one, other: divmod(one, 7) + divmod(other, one or 1),
    lambda one, other: 100 // one if one != 0 else 100 % (other or 1),
)


@given(
    value=st.integers(-20, 40),
    asked=st.lists(st.tuples(st.sampled_from(QUESTIONS), st.integers(-10, 40)), min_size=1, max_size=4),
)
def test_all_within_the_bounds_are_judged_alike(
    value: int, asked: list[tuple[Callable[[Number, int], object], int]]
) -> None:
    bounds = Range(value)
    answers = [str(question(Ranged(bounds), other)) for question, other in asked]
    assert bounds.low <= value <= bounds.high
    assert answers == [str(question(value, other)) for question, other in asked]
    for another in range(max(bounds.low, -30), min(bounds.high, 50) + 1):
        assert [str(question(another, other)) for question, other in asked] == answers


def test_what_is_only_compared_keeps_its_room() -> None:
    bounds = Range(5)
    number = Ranged(bounds)
    assert number + 10 > 12
    assert 100 - number >= 60
    assert (bounds.low, bounds.high) == (3, 40)
    assert number == 5
    assert (bounds.low, bounds.high) == (5, 5)


def test_nothing_asked_nothing_bound() -> None:
    bounds = Range(5)
    moved = 3 - (Ranged(bounds) + 1)
    assert (bounds.low, bounds.high) == (-FAR, FAR)
    assert moved.exact() == -3


def test_of_two_that_are_compared_only_the_second_is_bound_to_what_it_is() -> None:
    one, other = Range(5), Range(9)
    assert Ranged(one) + 1 < Ranged(other)
    assert (one.low, one.high) == (-FAR, 7)
    assert (other.low, other.high) == (9, 9)


def test_one_that_is_compared_with_itself_is_bound_to_what_it_is() -> None:
    number = Range(5)
    assert Ranged(number) < Ranged(number) + 1
    assert (number.low, number.high) == (5, 5)


def test_what_it_cannot_bear_it_refuses() -> None:
    with pytest.raises(TypeError):
        _ = Ranged(Range(5)) ** 2  # type: ignore[operator]  # the point of it
