"""The guard: three worse days with an interval clear of zero, slippage past a limit, a broken invariant; nothing else."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.guard import Trip, day_of, inspect, review
from depthwalker.core.rollout import Arm, Assigned, difference
from depthwalker.core.units import DAY, Micros, Money


def day(number: int, walker: int, control: int, markets: int = 3) -> list[Assigned]:
    """A day on which each market had a parent of each arm, the costs a little apart."""
    return [
        Assigned(arm, f"M{place}", number, Money(cost + place))
        for place in range(markets)
        for arm, cost in ((Arm.WALKER, walker), (Arm.CONTROL, control))
    ]


def test_three_worse_days_disable_it() -> None:
    days = [*day(1, 500, 100), *day(2, 600, 100), *day(3, 550, 100)]
    trip = review(days, 4)
    assert trip is not None
    assert trip.reason.startswith("dearer than control on three days running, by 450 (at least ")
    assert review(days, 3) is None, "the third day is not over"


def test_one_better_day_among_the_last_three_does_not() -> None:
    assert review([*day(1, 9_000, 100), *day(2, 90, 100), *day(3, 9_000, 100)], 4) is None
    assert review([*day(1, 0, 100), *day(2, 900, 100), *day(3, 900, 100), *day(4, 900, 100)], 5) is not None


def test_a_day_without_one_of_the_arms_says_nothing() -> None:
    alone = [one for one in day(3, 0, 100) if one.arm is Arm.WALKER]
    assert review([*day(1, 500, 100), *day(2, 500, 100), *alone, *day(4, 500, 100)], 5) is not None
    assert review([*day(1, 500, 100), *alone, *day(4, 500, 100)], 5) is None


def test_worse_by_less_than_chance_explains_does_not() -> None:
    wild = [
        Assigned(arm, f"M{place}", number, Money(cost * (-1) ** place + (5 if arm is Arm.WALKER else 0)))
        for number in (1, 2, 3)
        for place in range(4)
        for arm, cost in ((Arm.WALKER, 1_000), (Arm.CONTROL, 300))
    ]
    assert review(wild, 4) is None


def test_the_interval_is_wider_than_that_of_a_single_look() -> None:
    days = [
        Assigned(arm, f"M{place}", number, Money(cost))
        for number in (1, 2, 3)
        for place in range(2)
        for arm, cost in ((Arm.WALKER, 100 + 190 * (-1) ** place), (Arm.CONTROL, 0))
    ]
    gap = difference(days, lambda one: (one.market, one.day))
    assert gap is not None
    assert gap.low is not None
    shifted = [
        replace(one, cost=Money(one.cost - (gap.low or 0) + 1)) if one.arm is Arm.WALKER else one for one in days
    ]
    assert review(shifted, 4) is None, "clear of zero by 95 %, and yet not enough"


def test_an_interval_that_reaches_zero_is_not_clear_of_it() -> None:
    days = [*day(1, 500, 100), *day(2, 700, 100), *day(3, 550, 100)]
    gap = difference(days, lambda one: (one.market, one.day))
    assert gap is not None
    assert gap.low is not None
    down = gap.mean - 2 * (gap.mean - gap.low)
    to_zero, beyond = (
        [replace(one, cost=Money(one.cost - by)) if one.arm is Arm.WALKER else one for one in days]
        for by in (down, down - 1)
    )
    assert review(to_zero, 4) is None
    assert review(beyond, 4) is not None


def test_a_day_that_cost_as_much_as_control_s_is_not_worse_and_a_microdollar_more_is() -> None:
    others = [*day(2, 900, 100, 40), *day(3, 900, 100, 40)]
    assert review([*day(1, 100, 100, 40), *others], 4) is None
    assert review([*day(1, 101, 100, 40), *others], 4) is not None


def test_few_blocks_claim_nothing() -> None:
    assert review([*day(1, 500, 100, 1), *day(2, 500, 100, 1), *day(3, 500, 100, 1)], 4) is None


@given(
    st.lists(st.tuples(st.sampled_from(Arm), st.integers(-999, 999), st.integers(0, 3), st.integers(1, 5)), max_size=60)
)
def test_it_never_trips_both_a_market_and_its_mirror(drawn: list[tuple[Arm, int, int, int]]) -> None:
    one = [Assigned(arm, f"M{market}", number, Money(cost)) for arm, cost, market, number in drawn]
    two = [Assigned(arm, f"M{market}", number, Money(-cost)) for arm, cost, market, number in drawn]
    assert review(one, 9) is None or review(two, 9) is None


def test_an_execution_past_the_hard_limit_disables_it_at_once() -> None:
    assert inspect(Arm.WALKER, 50_000, 50_000, ()) is None
    assert inspect(Arm.WALKER, 51_234, 50_000, ()) == Trip("slippage 5.1234 % is past the hard limit of 5.00 %")
    assert inspect(Arm.WALKER, 50_040, 50_000, ()) == Trip("slippage 5.004 % is past the hard limit of 5.00 %")
    assert inspect(Arm.WALKER, None, 50_000, ()) is None
    assert inspect(Arm.CONTROL, 51_234, 50_000, ()) is None, "that is not the walker's doing"


def test_a_broken_invariant_disables_it_whoever_broke_it() -> None:
    assert inspect(Arm.CONTROL, None, 50_000, ("a", "b")) == Trip("an invariant is broken: a; b")
    assert inspect(None, None, 50_000, ("a",)) == Trip("an invariant is broken: a")
    assert inspect(None, 51_234, 50_000, ()) is None


def test_days_are_those_of_utc() -> None:
    assert (day_of(Micros(DAY - 1)), day_of(DAY)) == (0, 1)
