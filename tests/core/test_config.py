"""The defaults are the specification's Configuration section, in whole numbers."""

import pytest

from depthwalker.core.config import DEFAULT_EXECUTION, DEFAULT_WALKER, Algorithm, PolicyName, usual_ratios
from depthwalker.core.units import CENT, CONTRACT, MILLION, SECOND


def test_the_walker_s_defaults_are_the_specification_s() -> None:
    assert DEFAULT_WALKER.enabled
    assert DEFAULT_WALKER.walk_interval == 4 * SECOND
    assert DEFAULT_WALKER.max_walks == 10
    assert DEFAULT_WALKER.min_volume == 50 * CONTRACT
    assert DEFAULT_WALKER.momentum_threshold * 10 == MILLION
    assert DEFAULT_WALKER.base_increment * 2 == CENT
    assert DEFAULT_WALKER.aggressive_increment == CENT


def test_one_order_is_the_tuned_policy_s_own_and_two_are_the_specification_s() -> None:
    assert DEFAULT_WALKER.split_ratios == usual_ratios(PolicyName.TUNED) == (MILLION,)
    assert usual_ratios(PolicyName.SPEC) == (600_000, 400_000)


def test_the_execution_s_defaults_are_the_specification_s_simple_execution_among_them() -> None:
    assert DEFAULT_EXECUTION.algorithm is Algorithm.SIMPLE_LIMIT
    assert DEFAULT_EXECUTION.slippage_ppm == MILLION * 25 // 1000
    assert DEFAULT_EXECUTION.timeout == 40 * SECOND
    assert DEFAULT_EXECUTION.walker is DEFAULT_WALKER


def test_what_the_specification_does_not_know_is_off_and_a_parent_walks_no_more_than_a_split_may() -> None:
    assert (DEFAULT_EXECUTION.slippage_dollars, DEFAULT_EXECUTION.max_cost) == (None, None)
    assert not DEFAULT_EXECUTION.opens_short
    assert DEFAULT_WALKER.policy is PolicyName.TUNED
    assert DEFAULT_WALKER.max_total_walks == DEFAULT_WALKER.max_walks


def test_the_ratios_are_shares_of_a_whole() -> None:
    assert sum(DEFAULT_WALKER.split_ratios) == MILLION
    assert all(ratio > 0 for ratio in DEFAULT_WALKER.split_ratios)


@pytest.mark.parametrize("name", ["simple_limit", "dynamic_depth_walker", "twap", "adaptive_limit"])
def test_a_method_names_its_algorithm_as_the_specification_does(name: str) -> None:
    assert Algorithm(name).value == name
