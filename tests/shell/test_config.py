"""The specification's execution_config is taken as printed and exact at once; anything else is named with what is allowed."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shell.test_ticket import NumpyFloat

from depthwalker.core.config import (
    DEFAULT_EXECUTION,
    AdaptiveConfig,
    Algorithm,
    PolicyName,
    TwapConfig,
    Urgency,
)
from depthwalker.core.units import CENT, MILLION, SECOND, Price
from depthwalker.shell.config import parse_config

PRINTED: Mapping[str, object] = {
    "algorithm": "dynamic_depth_walker",
    "max_slippage_percent": 0.025,
    "order_timeout_seconds": 40,
    "dynamic_depth_walker": {
        "enabled": True,
        "walk_interval_seconds": 4,
        "max_walks": 10,
        "min_volume_threshold": 50,
        "split_ratios": [0.6, 0.4],
        "momentum_threshold": 0.10,
        "base_increment": "0.005",
        "aggressive_increment": "0.010",
    },
}


def walker(**keys: object) -> Mapping[str, object]:
    return {"algorithm": "dynamic_depth_walker", "dynamic_depth_walker": keys}


def complaint(raw: Mapping[str, object]) -> str:
    return parse_config(raw).failure().in_words()


def test_the_printed_configuration_is_taken_verbatim() -> None:
    config = parse_config(PRINTED).unwrap()

    assert config.algorithm is Algorithm.DYNAMIC_DEPTH_WALKER
    assert (config.slippage_ppm, config.slippage_dollars) == (25_000, None)
    assert config.timeout == 40 * SECOND
    assert (config.max_cost, config.opens_short) == (None, False)
    assert config.walker.enabled
    assert config.walker.walk_interval == 4 * SECOND
    assert (config.walker.max_walks, config.walker.max_total_walks) == (10, 10)
    assert config.walker.min_volume == 5_000
    assert config.walker.split_ratios == (600_000, 400_000)
    assert config.walker.momentum_threshold == 100_000
    assert (config.walker.base_increment, config.walker.aggressive_increment) == (Price(50), CENT)
    assert config.walker.policy is PolicyName.TUNED


def test_twap_and_adaptive_limit_have_tables_of_their_own() -> None:
    raw = {"algorithm": "twap", "twap": {"slices": 5, "patience": "0.25"}, "adaptive_limit": {"urgency": "urgent"}}
    config = parse_config(raw).unwrap()
    assert (config.algorithm, config.twap) == (Algorithm.TWAP, TwapConfig(5, 250_000))
    assert config.adaptive == AdaptiveConfig(Urgency.URGENT)


def test_the_printed_configuration_is_the_default_but_for_the_orders_that_it_names() -> None:
    printed = parse_config(PRINTED).unwrap()
    walking = parse_config({"algorithm": "dynamic_depth_walker"}).unwrap()
    assert replace(printed, walker=replace(printed.walker, split_ratios=(MILLION,))) == walking


def test_simple_execution_is_the_default_and_anything_advanced_is_opted_into() -> None:
    simple = parse_config({}).unwrap()
    assert simple == DEFAULT_EXECUTION == parse_config({"algorithm": "simple_limit"}).unwrap()
    assert parse_config({"rollout": False, "opens_short": True}).unwrap() == replace(simple, opens_short=True)


@pytest.mark.parametrize(
    ("raw", "beside", "such_as"),
    [
        ({"dynamic_depth_walker": {"max_walks": 4}}, "dynamic_depth_walker", "dynamic_depth_walker"),
        ({"dynamic_depth_walker": {}}, "dynamic_depth_walker", "dynamic_depth_walker"),
        ({"twap": {"slices": 5}, "adaptive_limit": {}}, "twap and adaptive_limit", "twap"),
        ({"adaptive_limit": {"urgency": "urgent"}, "rollout": True}, "adaptive_limit and rollout", "adaptive_limit"),
        ({"rollout": True}, "rollout", "dynamic_depth_walker"),
    ],
)
def test_what_simple_execution_does_not_go_by_is_refused_until_an_algorithm_is_named(
    raw: Mapping[str, object], beside: str, such_as: str
) -> None:
    assert complaint(raw) == (
        f"execution_config.algorithm: it is left out, and simple_limit, which runs then, does not go by {beside}; "
        f'allowed is the one that is meant, such as "{such_as}"'
    )
    for algorithm in Algorithm:
        assert parse_config({**raw, "algorithm": algorithm.value}).unwrap().algorithm is algorithm


@pytest.mark.parametrize(("policy", "ratios"), [("tuned", (MILLION,)), ("spec", (600_000, 400_000))])
def test_where_no_ratios_are_named_they_are_the_policy_s(policy: str, ratios: tuple[int, ...]) -> None:
    for keys in ({"policy": policy}, {"policy": policy, "split_ratios": None}):
        assert parse_config(walker(**keys)).unwrap().walker.split_ratios == ratios


def test_decimals_texts_and_other_mappings_are_taken() -> None:
    config = parse_config(
        MappingProxyType(
            {
                "algorithm": "dynamic_depth_walker",
                "max_slippage_percent": Decimal("0.0250"),
                "max_slippage_dollars": "0.02",
                "max_cost_per_contract": 0.75,
                "opens_short": True,
                "dynamic_depth_walker": MappingProxyType(
                    {
                        "split_ratios": ("0.5", Decimal("0.25"), 0.25),
                        "max_walks": 3,
                        "max_total_walks": 7,
                        "policy": "spec",
                    }
                ),
            }
        )
    ).unwrap()

    assert (config.slippage_ppm, config.slippage_dollars, config.max_cost) == (25_000, Price(200), Price(7_500))
    assert config.opens_short
    assert config.walker.split_ratios == (500_000, 250_000, 250_000)
    assert (config.walker.max_walks, config.walker.max_total_walks) == (3, 7)
    assert config.walker.policy is PolicyName.SPEC


def test_the_cap_for_the_whole_order_follows_the_cap_a_split() -> None:
    assert parse_config(walker(max_walks=3)).unwrap().walker.max_total_walks == 3


def test_either_cap_may_be_null_but_not_both() -> None:
    assert parse_config({"max_slippage_percent": None, "max_slippage_dollars": 0.01}).unwrap().slippage_ppm is None
    assert complaint({"max_slippage_percent": None}).startswith(
        "execution_config.max_slippage_percent: it and max_slippage_dollars are both null"
    )


@given(st.integers(min_value=0, max_value=MILLION))
def test_a_float_is_exactly_its_shortest_text(ppm: int) -> None:
    text = f"0.{ppm:06d}" if ppm < MILLION else "1"

    assert parse_config({"max_slippage_percent": float(text)}).unwrap().slippage_ppm == ppm
    assert parse_config({"max_slippage_percent": NumpyFloat(text)}).unwrap().slippage_ppm == ppm


@pytest.mark.parametrize(
    ("raw", "path", "allowed"),
    [
        ({"algorithm": "take_now"}, "algorithm", '"simple_limit", "dynamic_depth_walker", "twap" or "adaptive_limit"'),
        ({"twap": {"slices": 0}}, "twap.slices", "from 1 to 10"),
        ({"twap": {"patience": 2}}, "twap.patience", "from 0 to 1"),
        ({"adaptive_limit": {"urgency": "soon"}}, "adaptive_limit.urgency", '"patient", "normal" or "urgent"'),
        ({"algorithm": None}, "algorithm", "simple_limit"),
        ({"algorithm": ["simple_limit"]}, "algorithm", "simple_limit"),
        ({"max_slippage_percent": 2.5}, "max_slippage_percent", "0.025 is 2.5 %"),
        ({"max_slippage_percent": -0.01}, "max_slippage_percent", "from 0 to 1"),
        ({"max_slippage_percent": float("nan")}, "max_slippage_percent", "from 0 to 1"),
        ({"max_slippage_percent": "1e-2"}, "max_slippage_percent", "from 0 to 1"),
        ({"max_slippage_percent": Decimal("1e-999999")}, "max_slippage_percent", "at most 6 decimals"),
        ({"max_slippage_dollars": 0.00005}, "max_slippage_dollars", "at most 4 decimals"),
        ({"order_timeout_seconds": True}, "order_timeout_seconds", "seconds from 1 to 86400"),
        ({"order_timeout_seconds": 0}, "order_timeout_seconds", "seconds from 1 to 86400"),
        ({"order_timeout_seconds": None}, "order_timeout_seconds", "seconds from 1 to 86400"),
        ({"max_cost_per_contract": 0}, "max_cost_per_contract", "fees included"),
        ({"opens_short": "yes"}, "opens_short", "true or false"),
        ({"dynamic_depth_walker": None}, "dynamic_depth_walker", "a table of enabled"),
        (walker(enabled=1), "dynamic_depth_walker.enabled", "true or false"),
        (walker(walk_interval_seconds=0), "dynamic_depth_walker.walk_interval_seconds", "from 0.1"),
        (walker(max_walks=2.5), "dynamic_depth_walker.max_walks", "a whole number"),
        (walker(max_walks=-1), "dynamic_depth_walker.max_walks", "a whole number"),
        (walker(max_total_walks="many"), "dynamic_depth_walker.max_total_walks", "a whole number"),
        (walker(min_volume_threshold=-1), "dynamic_depth_walker.min_volume_threshold", "contracts from 0"),
        (walker(split_ratios=[0.6, 0.5]), "dynamic_depth_walker.split_ratios", "sum to 1"),
        (walker(split_ratios=[1, 0]), "dynamic_depth_walker.split_ratios", "positive"),
        (walker(split_ratios=[]), "dynamic_depth_walker.split_ratios", "1 to 10"),
        (walker(split_ratios="0.6"), "dynamic_depth_walker.split_ratios", "a list"),
        (walker(momentum_threshold=-0.1), "dynamic_depth_walker.momentum_threshold", "from 0 to 10"),
        (walker(base_increment=0), "dynamic_depth_walker.base_increment", "from 0.0001"),
        (walker(base_increment="0.02"), "dynamic_depth_walker.aggressive_increment", "from base_increment"),
        (walker(policy="greedy"), "dynamic_depth_walker.policy", '"tuned" or "spec"'),
    ],
)
def test_a_wrong_value_is_named_with_its_path_and_what_is_allowed(
    raw: Mapping[str, object], path: str, allowed: str
) -> None:
    errors = parse_config(raw).failure().errors

    assert [error.path for error in errors] == [f"execution_config.{path}"]
    assert allowed in errors[0].allowed


def test_a_files_numbers_are_shown_as_they_stand_there() -> None:
    assert "max_slippage_percent: 2.5 is not allowed" in complaint({"max_slippage_percent": Decimal("2.5")})
    ratios = walker(split_ratios=[Decimal("0.60"), Decimal("0.3"), "x", 1])
    assert "split_ratios: [0.60, 0.3, 'x', 1] is not allowed" in complaint(ratios)


def test_an_unknown_key_is_refused_with_the_nearest_one() -> None:
    assert "algoritm: there is no such key (did you mean algorithm?)" in complaint({"algoritm": "simple_limit"})
    assert "max_walk: there is no such key (did you mean max_walks?)" in complaint(walker(max_walk=3))
    assert "zzz: there is no such key; allowed is enabled, " in complaint(walker(zzz=3))


def test_every_error_is_reported_at_once() -> None:
    errors = parse_config({"algorithm": "x", "dynamic_depth_walker": {"enabled": 1, "policy": 2}}).failure().errors

    assert len(errors) == 3
