"""What a trader might do otherwise: algorithms that the laboratory compares with, and that no method may name.

Each stands in for `simple_limit` in the table that `decide` is given. All share the parent's cap.
"""

from typing import Final

from depthwalker.core.algorithms.placing import at, join, part_of_the_way, taken, unfilled, whole
from depthwalker.core.algorithms.strategy import Strategy, no_moments
from depthwalker.core.algorithms.tick import due, take_from, tick_after
from depthwalker.core.execution import State, open_order
from depthwalker.core.flow import WINDOW
from depthwalker.core.ledger import Style
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split
from depthwalker.core.units import CONTRACT, MILLION, Count, Micros
from depthwalker.core.view import View

MEDIAN: Final = 693_147  # ln 2 in ppm: the median of an exponential, as a share of its mean


def _plan_cap(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    return whole(state, state.cap)


def _take_once(state: State, view: View, policy: Policy) -> Desire:  # noqa: ARG001 - as every algorithm
    """Return one immediate-or-cancel order up to the cap, sent once."""
    return Desire(() if state.orders else (Quote(1, state.cap, Style.TAKE, "take at once"),), ())


def _plan_bid(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    return whole(state, join(state, view))


def _plan_mid(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    bid, offer = join(state, view), view.best_offer()
    mid = bid if offer is None else part_of_the_way(bid, offer, 1, 2, state.grid)
    return whole(state, min(mid, state.cap))


def _plan_offer(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    offer = view.best_offer()
    return whole(state, state.parent.target if offer is None else min(offer, state.cap))


def _leave(state: State, view: View, policy: Policy) -> Desire:  # noqa: ARG001 - as every algorithm
    """Return every split left where it was planned."""
    parts = tuple(part for part in state.splits if unfilled(state, part) > 0)
    return Desire(tuple(at(part, part.price, view, "left where it is") for part in parts), ())


def _chase(state: State, view: View, policy: Policy) -> Desire:
    """Return the one split at the best bid, looked for anew at every tick."""
    (part,) = state.splits
    if unfilled(state, part) <= 0:
        return Desire((), ())
    moves = open_order(state, part.number) is None or due(state, view, policy)
    price = join(state, view) if moves and not view.trouble(policy.stale_after) else part.price
    return Desire((at(part, price, view, "re-pegged to the best bid"),), ())


def _ticking(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:
    return (tick_after(state, view, policy),)


def _plan_static(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    """Return what the queue is likely to fill at the best bid, and the rest to be taken (Cont and Kukanov, 1210.1625).

    What rests is the median of the takers' flow over the time left, taken as exponential, less the queue before it.
    """
    parent = state.parent
    ahead = view.ladders.queue[0][1] if view.ladders.queue else Count(0)
    flow = view.flow.suppliers * (parent.wind_down - parent.started) // WINDOW
    lot = CONTRACT if parent.count % CONTRACT == 0 else 1
    rests = max(0, min(parent.count, flow * MEDIAN // MILLION - ahead)) // lot * lot
    both = (Split(1, join(state, view), Count(rests)), Split(2, state.cap, Count(parent.count - rests)))
    return tuple(part for part in both if part.count)


def _static(state: State, view: View, policy: Policy) -> Desire:
    """Return the resting part where it is, the other taken, and before the end both."""
    late = view.now >= take_from(state, policy)
    parts = tuple(part for part in state.splits if unfilled(state, part) > 0)
    left = Count(sum(unfilled(state, part) for part in parts))
    quotes = (taken(part, left, state, view, "before the end") if late or part.number == 2 else None for part in parts)
    return Desire(
        tuple(
            at(part, part.price if part.number == 1 else join(state, view), view, "rests") if quote is None else quote
            for part, quote in zip(parts, quotes, strict=True)
        ),
        (),
    )


def _before_the_end(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:  # noqa: ARG001 - as every algorithm
    return (take_from(state, policy),)


TAKE_NOW: Final = Strategy(_plan_cap, _take_once, no_moments, ticks=False)
LIMIT_BID: Final = Strategy(_plan_bid, _leave, no_moments, ticks=False)
LIMIT_MID: Final = Strategy(_plan_mid, _leave, no_moments, ticks=False)
LIMIT_OFFER: Final = Strategy(_plan_offer, _leave, no_moments, ticks=False)
CHASE: Final = Strategy(_plan_bid, _chase, _ticking, ticks=True)
STATIC_SPLIT: Final = Strategy(_plan_static, _static, _before_the_end, ticks=False)
