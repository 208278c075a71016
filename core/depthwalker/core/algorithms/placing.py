"""What the algorithms have in common: one split, a quote that takes what is offered at its price, taking what is left."""

from depthwalker.core.depth import price_for
from depthwalker.core.execution import SplitState, State, split_filled
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Style
from depthwalker.core.quote import Quote
from depthwalker.core.split import Split
from depthwalker.core.units import Count, Price
from depthwalker.core.view import View


def whole(state: State, price: Price) -> tuple[Split, ...]:
    """Return the parent as one split that starts at a price."""
    return (Split(1, price, state.parent.count),)


def unfilled(state: State, part: SplitState) -> Count:
    """Return what a split has left to buy."""
    return Count(part.count - split_filled(state, part.number))


def join(state: State, view: View) -> Price:
    """Return the best bid of others, or the target where nobody bids; never above the cap."""
    bid = view.best_bid()
    return min(state.parent.target if bid is None else bid, state.cap)


def at(part: SplitState, price: Price, view: View, reason: str, momentum: int = 0) -> Quote:
    """Return a split quoted at a price: taking what is offered there, resting with the remainder."""
    offer = view.best_offer()
    style = Style.TAKE if offer is not None and offer <= price else Style.REST
    return Quote(part.number, price, style, reason, momentum=momentum)


def taken(part: SplitState, left: Count, state: State, view: View, reason: str) -> Quote | None:
    """Return a split quoted where `left` can be taken under the cap, or None where nothing can."""
    price = price_for(view.ladders.offers, left, state.cap)
    return None if price is None else Quote(part.number, price, Style.TAKE, reason)


def part_of_the_way(low: Price, high: Price, share: int, whole_way: int, grid: PriceGrid) -> Price:
    """Return the valid price `share` of `whole_way` from `low` to `high`, rounded down but never below `low`."""
    return max(low, grid.floor(low + (high - low) * min(share, whole_way) // whole_way) or low)
