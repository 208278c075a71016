"""An adaptive limit order: at every tick it is re-pegged between the best bid and the offer, nearer to the offer as time goes.

How soon it has come all the way is its urgency; from then on it takes. A market that comes to us lowers the price again.
"""

from typing import Final

from depthwalker.core.algorithms.placing import at, join, part_of_the_way, taken, unfilled, whole
from depthwalker.core.algorithms.tick import due, tick_after
from depthwalker.core.config import Urgency
from depthwalker.core.execution import SplitState, State, open_order
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split
from depthwalker.core.units import Micros, Price
from depthwalker.core.view import View

SHARES: Final = {Urgency.PATIENT: (9, 10), Urgency.NORMAL: (1, 2), Urgency.URGENT: (1, 5)}  # of the time until it takes


def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    """Return the one split, which starts at the best bid."""
    return whole(state, join(state, view))


def desire(state: State, view: View, policy: Policy) -> Desire:
    """Return the one quote: moved on ticks only, except to take when the time for that has come."""
    (part,) = state.splits
    return Desire((_quote(state, view, policy, part),) if unfilled(state, part) > 0 else (), ())


def moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:
    """Return the next tick, and when it begins to take."""
    return (tick_after(state, view, policy), _arrives(state, policy))


def _quote(state: State, view: View, policy: Policy, part: SplitState) -> Quote:
    working = open_order(state, part.number) is not None
    if view.trouble(policy.stale_after) or (
        working and not due(state, view, policy) and not _late(state, view, policy)
    ):
        return at(part, part.price, view, "between ticks")
    if _late(state, view, policy):
        taking = taken(part, unfilled(state, part), state, view, "its patience is over")
        if taking is not None:
            return taking
    return at(part, _pegged(state, view, policy), view, "re-pegged between bid and offer")


def _pegged(state: State, view: View, policy: Policy) -> Price:
    bid, offer = join(state, view), view.best_offer()
    if offer is None:
        return bid
    started = state.parent.started
    elapsed, needed = view.now - started, max(1, _arrives(state, policy) - started)
    return min(state.cap, part_of_the_way(bid, offer, elapsed, needed, state.grid))


def _late(state: State, view: View, policy: Policy) -> bool:
    return view.now >= _arrives(state, policy)


def _arrives(state: State, policy: Policy) -> Micros:
    share, of = SHARES[policy.config.adaptive.urgency]
    parent = state.parent
    return Micros(parent.started + (parent.wind_down - parent.started) * share // of)
