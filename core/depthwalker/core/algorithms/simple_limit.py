"""The specification's basic execution: one order at the target price, left there until the time-out."""

from depthwalker.core.execution import State
from depthwalker.core.ledger import Style
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split
from depthwalker.core.view import View


def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    """Return the one split at the target."""
    return (Split(1, state.parent.target, state.parent.count),)


def desire(state: State, view: View, policy: Policy) -> Desire:  # noqa: ARG001 - as every algorithm
    """Return the target quoted: taking what is offered there, resting with the remainder."""
    offer = view.best_offer()
    price = min(state.parent.target, state.cap)
    style = Style.TAKE if offer is not None and offer <= price else Style.REST
    return Desire((Quote(1, price, style, "target price"),), ())
