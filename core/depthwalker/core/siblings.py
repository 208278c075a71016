"""Orders of one account that would meet each other, of executions that acquire opposite legs of one market.

Of two orders of one account that would match the one that takes is cancelled (`taker_at_cross`), and one that should rest is
refused; tried again it only meets the other again. A view therefore knows the best price at which an order of the account
stands against us, and what would meet it is held until it is gone (`reconcile`). What others offer before it is taken: at better
prices, and at its own as far as they came before it. Of two that hold each other up and both want to take, each withdraws what it
has at rest, which it was about to give up anyway: so both can take from others.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.execution import State
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Ending, Order, Phase, Style, filled, full
from depthwalker.core.quote import Quote
from depthwalker.core.units import Count, Price
from depthwalker.core.view import NOTHING, View, Waiting

AGAINST: Final = "an order of this account stands against it"


def standing(leg: Leg, others: Iterable[State]) -> tuple[Waiting, ...]:
    """Return other executions' orders that stand against one that acquires `leg`, at the highest price that each may have."""
    return tuple(
        [
            Waiting(order.key.split, _highest(order, state), _ahead(order), order.since)
            for state in others
            if state.parent.leg is not leg
            for order in state.orders
            if _stands(order)
        ]
    )


def own_waits(leg: Leg, others: Iterable[State]) -> bool:
    """Return whether an execution that acquires the other leg waits until orders of this account have gone."""
    acting = [state for state in others if state.parent.leg is not leg and not state.winding]
    return any(part.held == AGAINST for state in acting for part in state.splits)


def as_tried(state: State, view: View) -> View:
    """Return the view with nobody before the account's order where our last one took nothing: what comes later is behind it.

    How many came before it is an estimate, which those who cancelled mislead.
    """
    if not view.own_after or not state.orders:
        return view
    last = state.orders[-1]
    vain = last.style is Style.TAKE and last.ending is Ending.CANCELED and not filled(last)
    return replace(view, own_after=NOTHING) if vain and last.price == view.own_offer else view


def meets_own(price: Price, style: Style, view: View) -> bool:
    """Return whether an order at this price would meet one of the account before it takes anything from others."""
    if view.own_offer is None:
        return False
    return price > (view.own_offer if style is Style.TAKE and view.own_after else view.own_offer - 1)


def short_of_own(quote: Quote, grid: PriceGrid, view: View) -> Quote:
    """Return a quote that takes at the last price at which others come before the account's own order, if they offer anything."""
    own, offer = view.own_offer, view.best_offer()
    if own is None or offer is None or quote.style is Style.REST or quote.price < own:
        return quote
    price = grid.floor(own if view.own_after else Price(own - 1))
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


def _ahead(order: Order) -> Count:
    """Return the contracts that came before an order as it joined: none where that is not known, or where they are gone."""
    return (
        Count(0)
        if order.phase is not Phase.LIVE or order.request is not None or order.loose or filled(order)
        else order.ahead
    )
