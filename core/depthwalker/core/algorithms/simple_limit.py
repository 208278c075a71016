"""The specification's basic execution: one order at the target price, left there until the time-out."""

from depthwalker.core.algorithms.placing import at, whole
from depthwalker.core.execution import State
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire
from depthwalker.core.split import Split
from depthwalker.core.view import View


def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    """Return the one split at the target."""
    return whole(state, state.parent.target)


def desire(state: State, view: View, policy: Policy) -> Desire:  # noqa: ARG001 - as every algorithm
    """Return the target quoted: taking what is offered there, resting with the remainder."""
    (part,) = state.splits
    return Desire((at(part, min(state.parent.target, state.cap), view, "target price"),), ())
