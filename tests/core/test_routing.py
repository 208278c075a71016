"""The method's algorithm runs unless something speaks for the plain limit order, and then it is said what."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.scenes import WALKING
from tests.core.strategies import NOW, configs

from depthwalker.core.book import Book, Leg
from depthwalker.core.budget import WALKER_CALLS
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm, ExecutionConfig
from depthwalker.core.decide import TOO_DEAR
from depthwalker.core.execution import START
from depthwalker.core.fact import BUG, STORE_AWAY
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import NO_HISTORY
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.rollout import Arm
from depthwalker.core.routing import Route, gave_way, route
from depthwalker.core.units import Count, Price
from depthwalker.core.view import Conditions, View, look

SIMPLE, WALKER = Algorithm.SIMPLE_LIMIT, Algorithm.DYNAMIC_DEPTH_WALKER


def view(queue: int = 25_00, offers: int = 25_00, tokens: int = 15, walkers: int = 4, troubles: int = 2) -> View:
    """The least that a walker needs, unless told otherwise."""
    book = Book(((Price(4700), Count(queue)),), ((Price(4800), Count(offers)),), NOW)
    conditions = Conditions(
        CENT_GRID, STANDARD, tokens, walkers, max_walkers=5, ema_slippage=0, open=True, troubles=troubles
    )
    return look(book, NO_HISTORY, Leg.YES, Price(5300), (), (), conditions, NOW)


def disabled() -> ExecutionConfig:
    return replace(WALKING, walker=replace(WALKING.walker, enabled=False))


@pytest.mark.parametrize(
    ("config", "seen", "reason"),
    [
        (DEFAULT_EXECUTION, view(), "configured"),
        (disabled(), view(), "dynamic_depth_walker is disabled"),
        (
            WALKING,
            view(queue=24_99),
            "thin market: 49.99 contracts within five cents, min_volume_threshold is 50.00",
        ),
        (WALKING, view(tokens=14), "rate budget: 14 calls left, a walker needs 15"),
        (WALKING, view(walkers=5), "concurrency: 5 walkers run, the limit is 5"),
        (WALKING, view(troubles=3), "repeated errors: 3 requests of the last minute failed, 3 are too many"),
        (disabled(), view(0, 0, 0, 9), "dynamic_depth_walker is disabled"),
        (WALKING, view(tokens=0, walkers=9), "rate budget: 0 calls left, a walker needs 15"),
    ],
    ids=["configured", "disabled", "thin", "budget", "concurrency", "errors", "the first reason", "the next reason"],
)
def test_simple_limit_runs_with_the_reason(config: ExecutionConfig, seen: View, reason: str) -> None:
    assert route(config, seen) == Route(SIMPLE, reason)


@pytest.mark.parametrize("algorithm", [Algorithm.TWAP, Algorithm.ADAPTIVE_LIMIT])
def test_twap_and_adaptive_limit_mind_the_budget_but_no_thin_market(algorithm: Algorithm) -> None:
    config = replace(disabled(), algorithm=algorithm)
    assert route(config, view(1, 1)) == Route(algorithm, "configured")
    poor = route(config, view(tokens=14))
    assert poor == Route(SIMPLE, f"rate budget: 14 calls left, {algorithm.value} needs 15")
    assert route(config, view(troubles=4)).reason.startswith("repeated errors: 4 requests")


def test_the_walker_runs_where_there_is_just_enough_of_everything() -> None:
    assert route(WALKING, view()) == Route(WALKER, "configured")
    assert WALKER_CALLS == 15


def test_a_market_with_one_ladder_is_measured_by_what_it_has() -> None:
    assert route(WALKING, view(queue=50_00, offers=0)).algorithm is WALKER


@given(configs(), st.booleans(), st.builds(view, *(st.integers(0, 40_00),) * 2, *(st.integers(0, 30),) * 2))
def test_the_walker_never_runs_against_the_configuration_the_budget_or_the_limit(
    config: ExecutionConfig, enabled: bool, seen: View
) -> None:
    config = replace(config, walker=replace(config.walker, enabled=enabled))
    chosen = route(config, seen)
    assert chosen.reason
    if chosen.algorithm is WALKER:
        assert config.algorithm is WALKER
        assert config.walker.enabled
        assert seen.queue_near + seen.offers_near >= config.walker.min_volume
        assert seen.conditions.tokens >= WALKER_CALLS
        assert seen.conditions.walkers < seen.conditions.max_walkers
    elif chosen.algorithm is not SIMPLE:
        assert chosen == Route(config.algorithm, "configured")
        assert seen.conditions.tokens >= WALKER_CALLS
    else:
        assert config.algorithm is SIMPLE or chosen.reason != "configured"


def test_control_of_a_rollout_is_the_plain_limit_order_and_its_other_arm_is_as_configured() -> None:
    assert route(WALKING, view(), Arm.CONTROL) == Route(SIMPLE, "rollout: control")
    assert route(WALKING, view(), Arm.WALKER) == Route(WALKER, "configured")
    assert route(disabled(), view(), Arm.WALKER).algorithm is SIMPLE


@pytest.mark.parametrize(
    ("reason", "ending", "told"),
    [
        ("", "", ()),
        ("configured", "filled", ()),
        ("configured", "time-out", ()),
        ("configured", "insufficient_balance: 12 cents", ("insufficient_balance",)),
        ("configured", TOO_DEAR, (TOO_DEAR,)),
        ("configured; no_room_to_walk", "filled", ()),
        ("rollout: control", "filled", ()),
        ("dynamic_depth_walker is disabled", "filled", ("dynamic_depth_walker is disabled",)),
        ("thin market: 49.99 contracts within five cents; no_room_to_walk", "filled", ("thin market",)),
        ("", "stale book until the time-out", ("stale book until the time-out",)),
        ("configured", "the market is not open any more", ("the market is not open any more",)),
        ("configured", "refused 3 times: invalid_price off the grid", ("repeated refusals",)),
        ("configured", "internal error: ValueError: 1", ("internal error",)),
        ("rate budget: 1 calls left", "the store is unavailable", ("rate budget", "the store is unavailable")),
    ],
)
def test_what_gave_way_is_told_in_a_few_words(reason: str, ending: str, told: tuple[str, ...]) -> None:
    assert gave_way(replace(START, plan_reason=reason, winding=ending)) == told


@pytest.mark.parametrize("reason", ["stopped by hand", "kill switch: on fire", "the market is odd", "refused by hand"])
def test_a_stop_that_was_asked_for_is_no_fallback_unless_it_came_after_the_end(reason: str) -> None:
    stopped = replace(START, plan_reason="configured", stop=reason)
    assert gave_way(stopped) == ()
    assert gave_way(replace(stopped, winding=reason)) == ()
    assert gave_way(replace(stopped, winding="insufficient_balance")) == ("insufficient_balance",)


@pytest.mark.parametrize("reason", [STORE_AWAY, BUG])
def test_a_stop_that_the_program_asks_for_itself_is_one(reason: str) -> None:
    assert gave_way(replace(START, stop=reason, winding=reason)) == (reason,)
