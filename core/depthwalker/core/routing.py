"""Which algorithm may run: the method's choice, unless something speaks for the plain limit order.

Every fallback carries its reason into the journal. A fallback changes the algorithm inside the same execution and ledger.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.budget import WALKER_CALLS
from depthwalker.core.config import Algorithm, ExecutionConfig
from depthwalker.core.execution import State
from depthwalker.core.fact import BUG, FILLED, STORE_AWAY, TIME_OUT
from depthwalker.core.rollout import Arm
from depthwalker.core.units import SECOND, Count, Micros, format_count
from depthwalker.core.view import View

MOST_TROUBLES: Final = 3  # so many failed requests lately, and nothing elaborate begins
TROUBLE_SPAN: Final = Micros(60 * SECOND)
CONFIGURED: Final = "configured"
CONTROL: Final = "rollout: control"


@dataclass(frozen=True, slots=True)
class Route:
    """The algorithm to run and why."""

    algorithm: Algorithm
    reason: str


def route(config: ExecutionConfig, view: View, arm: Arm | None = None) -> Route:
    """Return the algorithm that runs under this configuration in this view, for a parent of this arm of a rollout."""
    if config.algorithm is Algorithm.SIMPLE_LIMIT:
        return Route(Algorithm.SIMPLE_LIMIT, CONFIGURED)
    if arm is Arm.CONTROL:
        return Route(Algorithm.SIMPLE_LIMIT, CONTROL)
    fallback = _fallback(config, view)
    if fallback:
        return Route(Algorithm.SIMPLE_LIMIT, fallback)
    return Route(config.algorithm, CONFIGURED)


def gave_way(state: State) -> tuple[str, ...]:
    """Return why an execution did not run as configured, in the words of `execution_fallbacks`: its route's reason, its end's.

    Nothing where it ran as configured, or was control, and ended by itself or because somebody asked for it.
    """
    first = state.plan_reason.partition("; ")[0]
    routed = () if first in {"", CONFIGURED, CONTROL} else (first.partition(":")[0],)
    return (*routed, *_ended(state))


def _ended(state: State) -> tuple[str, ...]:
    ending = state.winding
    asked = ending == state.stop and ending not in {STORE_AWAY, BUG}
    if asked or ending in {"", FILLED, TIME_OUT}:
        return ()
    return ("repeated refusals" if ending.startswith("refused ") else ending.partition(":")[0],)


def _fallback(config: ExecutionConfig, view: View) -> str:
    conditions = view.conditions
    if config.algorithm is Algorithm.DYNAMIC_DEPTH_WALKER and (against := _against_the_walker(config, view)):
        return against
    if conditions.troubles >= MOST_TROUBLES:
        return (
            f"repeated errors: {conditions.troubles} requests of the last minute failed, {MOST_TROUBLES} are too many"
        )
    if conditions.tokens < WALKER_CALLS:
        return f"rate budget: {conditions.tokens} calls left, {_asking(config)} needs {WALKER_CALLS}"
    if conditions.walkers >= conditions.max_walkers:
        return f"concurrency: {conditions.walkers} walkers run, the limit is {conditions.max_walkers}"
    return ""


def _against_the_walker(config: ExecutionConfig, view: View) -> str:
    volume = Count(view.queue_near + view.offers_near)
    if not config.walker.enabled:
        return "dynamic_depth_walker is disabled"
    if volume < config.walker.min_volume:
        return (
            f"thin market: {format_count(volume)} contracts within five cents, "
            f"min_volume_threshold is {format_count(config.walker.min_volume)}"
        )
    return ""


def _asking(config: ExecutionConfig) -> str:
    name: str = config.algorithm.value
    return "a walker" if config.algorithm is Algorithm.DYNAMIC_DEPTH_WALKER else name
