"""The walker otherwise: resting elsewhere, without a part that no constant of the policy takes away, or with a signal more.

A signal is put where the walker looks: in the contracts at the best bid, so that they outweigh the best offer by as much.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from depthwalker.core.algorithms.placing import at
from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import WALKER
from depthwalker.core.algorithms.tick import due
from depthwalker.core.book import Ladders
from depthwalker.core.config import Algorithm
from depthwalker.core.depth import imbalance
from depthwalker.core.execution import State
from depthwalker.core.ledger import Style
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split
from depthwalker.core.units import MILLION, Count, Price
from depthwalker.core.view import View

Table: TypeAlias = Callable[[Algorithm], Strategy]
Place: TypeAlias = Callable[[State, Price, Price], Price | None]  # of the best bid and the best offer: where to rest
MOST: Final = MILLION - 1
LEVELLED: Final = ("the market moved away", "the market came to us", "at its level")


def never_down(_: Algorithm) -> Strategy:
    """Return the walker that stays where it is when the market comes to it."""
    return replace(WALKER, desire=_holding(_comes_down, "it stays above"))


def queue_place(_: Algorithm) -> Strategy:
    """Return the walker that does not give up the first place of its queue to rest higher."""
    return replace(WALKER, desire=_holding(_gives_up_the_first_place, "it is the first of its queue"))


def at_the_bid(_: Algorithm) -> Strategy:
    """Return the walker that joins the best bid instead of resting one tick above it."""
    return _resting(lambda _state, bid, _offer: bid)


def at_the_mid(_: Algorithm) -> Strategy:
    """Return the walker that rests in the middle of the spread where that is more than one tick above the best bid."""
    return _resting(lambda state, bid, offer: state.grid.floor((bid + offer) // 2))


def below_the_offer(_: Algorithm) -> Strategy:
    """Return the walker that rests one tick below the best offer."""
    return _resting(lambda state, _bid, offer: state.grid.down(offer))


def below_while_scarce(algorithm: Algorithm) -> Strategy:
    """Return the walker that rests one tick below the best offer while less is offered under the cap than was asked for."""
    below = below_the_offer(algorithm)

    def desire(state: State, view: View, policy: Policy) -> Desire:
        scarce = view.reach < state.parent.count
        return (below if scarce else WALKER).desire(state, view, policy)

    return replace(WALKER, desire=desire)


def by_the_mid(_: Algorithm) -> Strategy:
    """Return the walker for which the sizes at the touch count for nothing: the microprice is the mid."""
    return _seeing(lambda view: _weighed(view, 0))


def waiting(_: Algorithm) -> Strategy:
    """Return the walker that waits though less is offered under the cap than was asked for."""

    def desire(state: State, view: View, policy: Policy) -> Desire:
        return WALKER.desire(state, replace(view, reach=max(view.reach, state.parent.count)), policy)

    return replace(WALKER, desire=desire)


def sooner_scarce(_: Algorithm) -> Strategy:
    """Return the walker that takes what there is while less than three times what was asked for is offered under the cap."""

    def desire(state: State, view: View, policy: Policy) -> Desire:
        return WALKER.desire(state, replace(view, reach=Count(view.reach // 3)), policy)

    return replace(WALKER, desire=desire)


def at_the_last_price(_: Algorithm) -> Strategy:
    """Return the walker that takes what there is while the best offer is at the last price under the cap."""

    def desire(state: State, view: View, policy: Policy) -> Desire:
        offer = view.best_offer()
        beyond = state.cap if offer is None else state.grid.up(offer)
        last = beyond is None or beyond > state.cap
        return WALKER.desire(state, replace(view, reach=Count(0)) if last else view, policy)

    return replace(WALKER, desire=desire)


def signed_flow(_: Algorithm) -> Strategy:
    """Return the walker for which the trades of two minutes count by a fifth, too: more who take our leg, sooner."""
    return _seeing(lambda view: _with(view, _share(view.flow.rivals, view.flow.suppliers) // 5))


def order_flow(_: Algorithm) -> Strategy:
    """Return the walker for which what was added to the bids within five cents, less to the offers, counts by half, too."""

    def weighed(view: View) -> View:
        flow = view.flow
        change = (flow.queue_now - flow.queue_mean) - (flow.offers_now - flow.offers_mean)
        usual = flow.queue_mean + flow.offers_mean
        return _with(view, change * MILLION // (2 * usual) if usual else 0)

    return _seeing(weighed)


def near_depth(_: Algorithm) -> Strategy:
    """Return the walker for which the contracts within five cents of both sides count by a third, too."""
    return _seeing(lambda view: _with(view, _share(view.queue_near, view.offers_near) // 3))


def three_levels(_: Algorithm) -> Strategy:
    """Return the walker for which the contracts of the best three levels count by a third, too."""

    def weighed(view: View) -> View:
        queue, offers = (sum(count for _, count in side[:3]) for side in (view.ladders.queue, view.ladders.offers))
        return _with(view, _share(queue, offers) // 3)

    return _seeing(weighed)


def _seeing(seen: Callable[[View], View]) -> Strategy:
    def desire(state: State, view: View, policy: Policy) -> Desire:
        return WALKER.desire(state, _with_its_queues(seen(view), state, view), policy)

    return replace(WALKER, desire=desire)


def _with_its_queues(seen: View, state: State, view: View) -> View:
    """Return the changed view in which each split waits for as many contracts as in the one that is."""
    nothing = replace(seen, ahead=tuple((part.number, Count(0)) for part in state.splits))
    waits = ((part, view.before(part.number, part.price)) for part in state.splits)
    ahead = ((part.number, Count(before - nothing.before(part.number, part.price))) for part, before in waits)
    return replace(seen, ahead=tuple(ahead))


def _resting(place: Place) -> Strategy:
    """Return the walker that rests at a place of the spread, where it has more than one tick; it takes as it is."""

    def found(state: State, view: View) -> Price | None:
        bid, offer = view.best_bid(), view.best_offer()
        if bid is None or offer is None or bid >= offer or state.grid.up(bid) == offer:
            return None
        return place(state, bid, offer)

    def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:
        price, ceiling = found(state, view), min(state.parent.target, state.cap)
        splits = WALKER.plan(state, view, policy)
        return splits if price is None else tuple(replace(one, price=min(price, ceiling)) for one in splits)

    def desire(state: State, view: View, policy: Policy) -> Desire:
        wanted, price = WALKER.desire(state, view, policy), found(state, view)
        if price is None or not due(state, view, policy):
            return wanted
        return replace(wanted, quotes=tuple(_moved(quote, min(price, state.cap), state) for quote in wanted.quotes))

    return replace(WALKER, plan=plan, desire=desire)


def _moved(quote: Quote, price: Price, state: State) -> Quote:
    """Return a quote that rests at its level at another price; one that takes, or is held, as it is."""
    if quote.style is not Style.REST or quote.reason not in LEVELLED:
        return quote
    walk = any(part.number == quote.split and price > part.price for part in state.splits)
    return replace(quote, price=price, walk=walk)


def _holding(held: Callable[[Quote, State, View], bool], why: str) -> Callable[[State, View, Policy], Desire]:
    def desire(state: State, view: View, policy: Policy) -> Desire:
        wanted = WALKER.desire(state, view, policy)
        parts = {part.number: part for part in state.splits}
        quotes = (
            at(parts[quote.split], parts[quote.split].price, view, why) if held(quote, state, view) else quote
            for quote in wanted.quotes
        )
        return replace(wanted, quotes=tuple(quotes))

    return desire


def _comes_down(quote: Quote, state: State, _: View) -> bool:
    return any(part.number == quote.split and quote.price < part.price for part in state.splits)


def _gives_up_the_first_place(quote: Quote, _: State, view: View) -> bool:
    return quote.reason == "the market moved away" and (quote.split, Count(0)) in view.ahead


def _share(ours: int, theirs: int) -> int:
    return (ours - theirs) * MILLION // (ours + theirs) if ours + theirs else 0


def _with(view: View, more: int) -> View:
    return _weighed(view, imbalance(view.ladders) + more)


def _weighed(view: View, weight: int) -> View:
    """Return the view whose best bid outweighs the best offer by so much (parts per million); what is offered stays."""
    queue, offers = view.ladders.queue, view.ladders.offers
    if not queue or not offers:
        return view
    bounded = max(-MOST, min(MOST, weight))
    bids = Count(max(1, offers[0][1] * (MILLION + bounded) // (MILLION - bounded)))
    return replace(view, ladders=Ladders(((queue[0][0], bids), *queue[1:]), offers))


OTHERWISE: Final[tuple[tuple[str, Table], ...]] = (
    ("rests at the best bid instead of a tick above it", at_the_bid),
    ("rests in the middle of the spread", at_the_mid),
    ("rests a tick below the best offer", below_the_offer),
    ("rests a tick below the best offer while less is offered than was asked for", below_while_scarce),
    ("never follows the market down", never_down),
    ("the sizes at the touch count for nothing", by_the_mid),
    ("waits though less is offered than was asked for", waiting),
    ("takes all there is while less than three times what was asked for is offered", sooner_scarce),
    ("takes all there is while the best offer is at the last price under the cap", at_the_last_price),
    ("keeps the first place of its queue instead of walking up", queue_place),
    ("which side traded lately counts, too", signed_flow),
    ("what was added to the book lately counts, too", order_flow),
    ("the depth within five cents counts, too", near_depth),
    ("the best three levels count, too", three_levels),
)
