"""What the websocket tells, as facts of one execution, and as changes of a market.

A fact is told any number of times and in any order: `evolve` counts a fill once and lets no cumulative figure fall. Missing
one costs nothing but time, because orders and fills are still read.
"""

from dataclasses import replace
from typing import assert_never

from depthwalker.core.answer import Market, MarketStatus, OrderRecord, OrderStatus
from depthwalker.core.channel import FillFrame, Lifecycle, Occasion, UserOrder
from depthwalker.core.execution import State
from depthwalker.core.fact import Accepted, Fact, Filled, Observed
from depthwalker.core.ids import parse_client_id
from depthwalker.core.reply import bearer, is_ours, observations
from depthwalker.core.units import Micros


def facts(state: State, frame: FillFrame | UserOrder, at: Micros) -> tuple[Fact, ...]:
    """Return what a frame tells of this execution: nothing where it is of another order."""
    match frame:
        case FillFrame():
            return _filled(state, frame, at)
        case UserOrder():
            return _observed(state, frame.order, at)
        case _ as never:
            assert_never(never)


def changed(market: Market, event: Lifecycle) -> Market:
    """Return the market after what befell it (fact sheet, section 3); closing at the close time is left to the clock."""
    if event.ticker != market.ticker:
        return market
    status = _status(event.occasion) or market.status
    close_time = market.close_time if event.close_time is None else event.close_time
    return replace(market, status=status, close_time=close_time, grid=event.grid or market.grid)


def _status(occasion: Occasion) -> MarketStatus | None:
    match occasion:
        case Occasion.ACTIVATED:
            return MarketStatus.ACTIVE
        case Occasion.DEACTIVATED:
            return MarketStatus.INACTIVE
        case Occasion.DETERMINED:
            return MarketStatus.DETERMINED
        case Occasion.SETTLED:
            return MarketStatus.FINALIZED
        case Occasion.CREATED | Occasion.CLOSE_DATE_UPDATED | Occasion.GRID_UPDATED | Occasion.METADATA_UPDATED:
            return None
        case _ as never:
            assert_never(never)


def _filled(state: State, frame: FillFrame, at: Micros) -> tuple[Fact, ...]:
    """Return the fill, if its order is ours: by its client id, or by an order id that is known already.

    It may come before the answer to the create, or although that was lost or said no: under our own id it proves that its
    order was accepted, and which it is. Whoever else amends that order afterwards takes the id away.
    """
    fill, parent = frame.fill, state.parent
    known = any(order.order_id == fill.order_id for order in state.orders)
    identity = parse_client_id(frame.client_order_id)
    ours = identity is not None and is_ours(state, identity)
    if not (known or ours) or fill.ticker != parent.ticker or fill.leg is not parent.leg:
        return ()
    key = None if known or identity is None else bearer(state, identity)
    accepted = () if key is None else (Accepted(key, fill.order_id, None, at),)
    return (*accepted, Filled(fill.fill(), at))


def _observed(state: State, record: OrderRecord, at: Micros) -> tuple[Observed, ...]:
    """Return the record as `reply` reads it, unless it may be older than what is in doubt about its order.

    A frame may have left before the request whose outcome is unknown; only a look-up after it, a later revision or an end
    settles the doubt.
    """
    return tuple(fact for fact in observations(state, record, at) if not _dubious(state, fact))


def _dubious(state: State, fact: Observed) -> bool:
    doubted = next((order for order in state.orders if order.key == fact.key and order.doubt), None)
    return doubted is not None and fact.status is OrderStatus.RESTING and fact.revision <= doubted.revision
