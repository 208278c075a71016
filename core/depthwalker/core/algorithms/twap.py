"""Time-weighted: equal slices, one after the other, each resting at the best bid for a while and then taking."""

from depthwalker.core.algorithms.placing import at, join, taken, unfilled
from depthwalker.core.execution import SplitState, State, open_order
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split
from depthwalker.core.units import CONTRACT, MILLION, Count, Micros
from depthwalker.core.view import View


def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    """Return the slices: whole contracts of a whole parent, the first ones larger where they do not divide."""
    count = state.parent.count
    lot = CONTRACT if count % CONTRACT == 0 else Count(1)
    lots = count // lot
    slices = min(policy.config.twap.slices, lots)
    each, over = divmod(lots, slices)
    return tuple(
        Split(number, state.parent.target, Count((each + (number <= over)) * lot)) for number in range(1, slices + 1)
    )


def desire(state: State, view: View, policy: Policy) -> Desire:
    """Return the slices that have begun quoted: at the best bid that they found, and after a while at the offers."""
    begun = tuple(
        part for part in state.splits if view.now >= _begins(state, part.number) and unfilled(state, part) > 0
    )
    late = Count(sum(unfilled(state, part) for part in begun if view.now >= _takes(state, policy, part.number)))
    return Desire(tuple(_quote(state, view, policy, part, late) for part in begun), ())


def moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:  # noqa: ARG001 - as every algorithm
    """Return when slices begin and when they begin to take."""
    return tuple(
        moment for part in state.splits for moment in (_begins(state, part.number), _takes(state, policy, part.number))
    )


def _quote(state: State, view: View, policy: Policy, part: SplitState, late: Count) -> Quote:
    taking = None
    if view.now >= _takes(state, policy, part.number):
        taking = taken(part, late, state, view, "the slice's time to rest is over")
    if taking is not None:
        return taking
    placed = open_order(state, part.number) is not None
    return at(part, part.price if placed else join(state, view), view, "the slice rests at the best bid")


def _begins(state: State, number: int) -> Micros:
    return Micros(state.parent.started + _share(state) * (number - 1))


def _takes(state: State, policy: Policy, number: int) -> Micros:
    return Micros(_begins(state, number) + _share(state) * policy.config.twap.patience // MILLION)


def _share(state: State) -> Micros:
    return Micros((state.parent.wind_down - state.parent.started) // len(state.splits))
