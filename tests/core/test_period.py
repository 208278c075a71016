"""What a period cost: means by hand, intervals that know their blocks."""

from dataclasses import replace
from itertools import product

from depthwalker.core.config import Algorithm
from depthwalker.core.depth import Liquidity
from depthwalker.core.period import Estimate, Sample, Summary, estimate, student, summarise
from depthwalker.core.units import SECOND, Count, Micros, Money

WALKER, SIMPLE = Algorithm.DYNAMIC_DEPTH_WALKER, Algorithm.SIMPLE_LIMIT
ONE = Sample(
    algorithm=WALKER,
    liquidity=Liquidity.THIN,
    market="A",
    day="2026-11-01",
    wanted=Count(1_000),
    filled=Count(1_000),
    cost=Money(20_000),
    slippage=10_000,
    fees=Money(50_000),
    walks=2,
    calls=10,
    last_fill=Micros(4 * SECOND),
)
TWO = replace(
    ONE, wanted=Count(3_000), filled=Count(1_000), cost=Money(10_000), slippage=-2_000, walks=1, calls=7, last_fill=None
)
NOTHING = replace(
    ONE, liquidity=None, filled=Count(0), cost=None, slippage=None, fees=Money(0), walks=0, calls=None, last_fill=None
)
EMPTY = replace(ONE, algorithm=SIMPLE, liquidity=Liquidity.LIQUID, filled=Count(0), cost=None, slippage=None)


def test_means_by_hand() -> None:
    whole, thin = summarise((ONE, TWO))

    assert whole == Summary(
        algorithm=WALKER,
        liquidity=None,
        executions=2,
        costed=2,
        blocks=1,
        cost=Estimate(15_000, None, None),
        fill_rate=500_000,  # 20 of 40 contracts
        slippage=4_000,
        fee=Money(5_000),  # 0.10 dollars for 20 contracts
        walks=1_500,
        calls=8_500,
        last_fill=Micros(4 * SECOND),
    )
    assert thin == replace(whole, liquidity=Liquidity.THIN)


def test_what_has_no_class_or_no_mid_counts_where_it_can() -> None:
    (whole,) = summarise((NOTHING,))

    assert (whole.liquidity, whole.executions, whole.costed, whole.cost) == (None, 1, 0, None)
    assert (whole.fill_rate, whole.slippage, whole.fee, whole.calls, whole.last_fill) == (0, None, None, None, None)


def test_all_classes_come_first_and_the_algorithms_in_their_order() -> None:
    found = [(each.liquidity, each.algorithm) for each in summarise((ONE, EMPTY, NOTHING))]

    assert found == [(None, SIMPLE), (None, WALKER), (Liquidity.LIQUID, SIMPLE), (Liquidity.THIN, WALKER)]
    assert summarise(()) == ()


def test_an_interval_of_single_values_is_students() -> None:
    # Mean 3, variance 2.5, standard error sqrt(2.5 / 5) = 0.7071; with 4 degrees of freedom 2.776 times that is 1.963.
    values = [1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]

    assert estimate(values, range(5)) == Estimate(3_000_000, 3_000_000 - 1_962_928, 3_000_000 + 1_962_928)


def test_values_of_one_block_are_one_observation() -> None:
    values, blocks = zip(*product((1, 2, 3, 4, 5), range(10)), strict=True)
    scaled = [value * 1_000_000 for value in values]

    assert estimate(scaled, values) == estimate([1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000], range(5))
    assert estimate(scaled, [f"{value} {place}" for value, place in zip(values, blocks, strict=True)]).low is not None


def test_four_blocks_claim_nothing() -> None:
    assert estimate([1, 2, 3, 4], "abcd") == Estimate(3, None, None)


def test_equal_values_leave_no_doubt() -> None:
    assert estimate([7] * 6, range(6)) == Estimate(7, 7, 7)


def test_quantiles_fall_to_the_normals_and_are_never_too_small() -> None:
    quantiles = [student(degrees) for degrees in range(4, 200)]

    assert quantiles == sorted(quantiles, reverse=True)
    assert (student(4), student(20), student(21), student(30), student(60), student(121)) == (
        2776,
        2086,
        2080,
        2064,
        2021,
        1980,
    )
