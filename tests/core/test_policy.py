"""A policy is the configuration with the constants that the laboratory tunes, fixed when an execution starts."""

from dataclasses import replace

from hypothesis import given
from tests.core.strategies import walker_configs

from depthwalker.core.config import DEFAULT_EXECUTION, PolicyName, WalkerConfig
from depthwalker.core.depth import RECORDED_THRESHOLDS, SPEC_THRESHOLDS
from depthwalker.core.policy import VERSION, policy_for
from depthwalker.core.units import CENT, SECOND, Micros


@given(walker_configs())
def test_a_policy_carries_its_configuration_and_the_version_of_the_code(walker: WalkerConfig) -> None:
    config = replace(DEFAULT_EXECUTION, walker=walker)
    policy = policy_for(config)
    assert (policy.config, policy.version) == (config, VERSION)
    times = 1 if walker.policy is PolicyName.SPEC else 5
    assert policy.lookup_every == times * config.walker.walk_interval


def test_the_specification_s_thresholds_are_the_default_and_others_may_be_given() -> None:
    assert policy_for(DEFAULT_EXECUTION).thresholds == SPEC_THRESHOLDS
    assert policy_for(DEFAULT_EXECUTION, RECORDED_THRESHOLDS).thresholds == RECORDED_THRESHOLDS


def test_a_longer_execution_may_make_more_calls() -> None:
    assert [
        policy_for(replace(DEFAULT_EXECUTION, timeout=Micros(seconds * SECOND))).sparing_from
        for seconds in (5, 79, 600)
    ] == [12, 12, 180]


def test_the_constants() -> None:
    policy = policy_for(DEFAULT_EXECUTION)
    assert (policy.stale_after, policy.take_before, policy.lookup_every) == (5 * SECOND, 5 * SECOND, 20 * SECOND)
    assert (policy.sparing_from, policy.above_microprice, policy.waiting_share) == (12, CENT, 200_000)
