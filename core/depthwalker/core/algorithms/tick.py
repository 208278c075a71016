"""The instants that algorithms share: the walk interval's ticks, and when taking what is unfilled begins."""

from depthwalker.core.execution import State
from depthwalker.core.policy import Policy
from depthwalker.core.units import Micros
from depthwalker.core.view import View


def due(state: State, view: View, policy: Policy) -> bool:
    """Return whether a walk interval has passed since the last tick."""
    return view.now >= next_tick(state, policy)


def next_tick(state: State, policy: Policy) -> Micros:
    """Return the instant of the next tick."""
    return Micros((state.ticked_at or state.parent.started) + policy.config.walker.walk_interval)


def tick_after(state: State, view: View, policy: Policy) -> Micros:
    """Return the instant of the first tick after this view; a tick that is due now is being decided."""
    tick = next_tick(state, policy)
    return tick if tick > view.now else Micros(view.now + policy.config.walker.walk_interval)


def take_from(state: State, policy: Policy) -> Micros:
    """Return the instant from which what is unfilled is taken; later in a short execution."""
    parent = state.parent
    lead = min(policy.take_before, (parent.wind_down - parent.started) // 3)
    return Micros(parent.wind_down - lead)
