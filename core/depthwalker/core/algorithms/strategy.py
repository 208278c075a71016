"""What an algorithm is: pure functions of state, view and policy. Orders, races and recovery are none of its business."""

from collections.abc import Callable
from dataclasses import dataclass

from depthwalker.core.execution import State
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire
from depthwalker.core.split import Split
from depthwalker.core.units import Micros
from depthwalker.core.view import View


@dataclass(frozen=True, slots=True)
class Strategy:
    """`plan` spreads the parent, `desire` says what is wanted working now, `moments` when it may change its mind.

    `ticks`: whether the view is journalled at every walk interval.
    """

    plan: Callable[[State, View, Policy], tuple[Split, ...]]
    desire: Callable[[State, View, Policy], Desire]
    moments: Callable[[State, View, Policy], tuple[Micros, ...]]
    ticks: bool


def no_moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:  # noqa: ARG001 - as every algorithm
    """Return that nothing but the market changes an algorithm's mind."""
    return ()
