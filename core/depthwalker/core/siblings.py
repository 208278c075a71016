"""Orders of one account that would meet each other, of executions that acquire opposite legs of one market.

Of two orders of one account that would match the one that takes is cancelled (`taker_at_cross`), and one that should rest is
refused; tried again it only meets the other again. A view therefore knows the best price at which an order of the account
stands against us, and what would meet it is held until it is gone (`reconcile`). Of two that hold each other up and both want
to take, each withdraws what it has at rest, which it was about to give up anyway: so both can take from others.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.execution import State
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Order, Phase, Style, full
from depthwalker.core.quote import Quote
from depthwalker.core.units import DOLLAR, Price
from depthwalker.core.view import View

AGAINST: Final = "an order of this account stands against it"


def own_offer(leg: Leg, others: Iterable[State]) -> Price | None:
    """Return the lowest price at which other executions' orders stand against one that acquires `leg`, or None."""
    bids = [
        _highest(order, state)
        for state in others
        if state.parent.leg is not leg
        for order in state.orders
        if _stands(order)
    ]
    return Price(DOLLAR - max(bids)) if bids else None


def own_waits(leg: Leg, others: Iterable[State]) -> bool:
    """Return whether an execution that acquires the other leg waits until orders of this account have gone."""
    acting = [state for state in others if state.parent.leg is not leg and not state.winding]
    return any(part.held == AGAINST for state in acting for part in state.splits)


def meets_own(price: Price, view: View) -> bool:
    """Return whether an order at this price would meet one of the account."""
    return view.own_offer is not None and price >= view.own_offer


def short_of_own(quote: Quote, grid: PriceGrid, view: View) -> Quote:
    """Return a quote that takes at the last price before the account's own order, where others offer something up to there."""
    own, offer = view.own_offer, view.best_offer()
    if own is None or offer is None or quote.style is Style.REST or quote.price < own:
        return quote
    price = grid.floor(Price(own - 1))
    return quote if price is None or price < offer else replace(quote, price=price)


def _stands(order: Order) -> bool:
    """Return whether an order is in the way: at rest, or one that takes while it is on its way, which must not meet us either."""
    if order.style is Style.TAKE:
        return order.phase is Phase.SENT
    return order.phase is not Phase.CLOSED and not full(order)


def _highest(order: Order, state: State) -> Price:
    """Return the highest price that an order may have: by what is under way, too, and by an amend of unknown outcome."""
    asked = order.price if order.request is None else order.request.price
    intended = [part.price for part in state.splits if order.loose and part.number == order.key.split]
    return max(order.price, asked, *intended)
