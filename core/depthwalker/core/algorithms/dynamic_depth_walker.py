"""The Dynamic Depth Walker: splits over the best levels, walks what stays unfilled, takes the rest before the end.

Two policies. `spec` is the specification to the letter: splits on the first offers up to the cap, and every walk interval
each unfilled split walks when the absolute volume momentum reaches the threshold. `tuned` asks what the specification's
own risk section asks for: it walks when the market moves *against us* or the schedule is behind, holds where the queue is
about to reach us, and takes at the end what resting did not bring, or at once where taking costs less than recent
slippage says waiting will.
"""

from typing import assert_never

from depthwalker.core.algorithms.tick import due, take_from, tick_after
from depthwalker.core.book import Ladders
from depthwalker.core.config import PolicyName
from depthwalker.core.depth import analyze, categorize, price_for
from depthwalker.core.execution import SplitState, State, open_order, split_filled, total_filled, total_walks
from depthwalker.core.fees import estimate
from depthwalker.core.flow import WINDOW
from depthwalker.core.ledger import Order, Style, filled
from depthwalker.core.momentum import momentum, pressure
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split, split
from depthwalker.core.units import CONTRACT, MILLION, Count, Micros, Price
from depthwalker.core.view import View
from depthwalker.core.walk import Hold, Walk, Walker, WalkRules, walk


def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:
    """Return the splits of the parent over the policy's candidate levels."""
    parent, config = state.parent, policy.config.walker
    if config.policy is PolicyName.SPEC:
        analysis = analyze(view.ladders, state.cap, parent.target, parent.count, policy.thresholds)
        candidates = tuple(level.price for level in analysis.levels)
    else:
        candidates = _resting_levels(state, view.ladders, min(parent.target, state.cap))
    liquidity = categorize(view.queue_near, view.offers_near, policy.thresholds)
    return split(parent.count, candidates, config.split_ratios, liquidity, parent.target)


def desire(state: State, view: View, policy: Policy) -> Desire:
    """Return what every split wants working now; prices move on ticks only, except to take."""
    trouble = view.trouble(policy.stale_after)
    quotes: list[Quote] = []
    held: list[tuple[int, str]] = []
    for part in state.splits:
        if split_filled(state, part.number) >= part.count:
            continue
        walks_wanted = sum(quote.walk for quote in quotes)
        quote = _stay(part, view) if trouble else _judge(state, view, policy, part, walks_wanted)
        quotes.append(quote)
        if not quote.walk:
            held.append((part.number, trouble or quote.reason))
    return Desire(tuple(quotes), tuple(held))


def moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:
    """Return when the walker may change its mind by itself: at the next tick, and when taking begins."""
    return (tick_after(state, view, policy), take_from(state, policy))


def _resting_levels(state: State, ladders: Ladders, ceiling: Price) -> tuple[Price, ...]:
    """Return the levels to rest at: inside the spread where there is room (else join), then one behind.

    None is above the ceiling or meets the best offer.
    """
    bid = ladders.queue[0][0] if ladders.queue else None
    offer = ladders.offers[0][0] if ladders.offers else None
    inside = ceiling if bid is None else state.grid.up(bid)
    if offer is not None and inside is not None and inside >= offer:
        inside = bid if bid is not None and bid < offer else state.grid.down(offer)
    if inside is None:
        return ()
    first = min(inside, ceiling)
    behind = bid if bid is not None and bid < first else state.grid.down(first)
    return (first,) if behind is None else (first, behind)


def _judge(state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int) -> Quote:
    if policy.config.walker.policy is PolicyName.SPEC:
        return _by_the_letter(state, view, policy, part, walks_wanted)
    taking = _taking(state, view, policy)
    if taking is not None:
        return _take(state, view, policy, part, walks_wanted, *taking)
    if not due(state, view, policy):
        return _stay(part, view)
    return _tuned(state, view, policy, part, walks_wanted)


def _by_the_letter(state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int) -> Quote:
    if not due(state, view, policy):
        return _stay(part, view)
    strength = momentum(view.flow.volumes)
    if abs(strength) < policy.config.walker.momentum_threshold:
        return _stay(part, view, "momentum below the threshold", strength)
    return _walked(state, view, policy, part, walks_wanted, strength, "momentum")


def _tuned(state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int) -> Quote:
    """Return the split at its level of the book as it is now: up is a walk, down follows a market that comes to us."""
    strength = imbalance(view.ladders)
    levels = _resting_levels(state, view.ladders, state.cap)
    if not levels:
        return _stay(part, view, "nowhere to rest", strength)
    price = levels[min(part.level, len(levels)) - 1]
    if price == part.price:
        return _stay(part, view, "at its level", strength)
    if price < part.price:
        return Quote(part.number, price, Style.REST, "the market came to us", momentum=strength)
    match allowed(_walker(state, part, walks_wanted), _rules(policy)):
        case Hold(why):
            return _stay(part, view, why, strength)
        case _:
            return Quote(part.number, price, Style.REST, "the market moved away", walk=True, momentum=strength)


def _walked(
    state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int, strength: int, reason: str
) -> Quote:
    """Return the split one walk further, or held with what forbids it; the tuned policy does not walk into an offer."""
    rules = _rules(policy) if policy.config.walker.policy is PolicyName.SPEC else _walking_rules(state, policy)
    judgement = walk(_walker(state, part, walks_wanted), strength, state.grid, state.cap, rules, reason)
    match judgement:
        case Hold(why):
            return _stay(part, view, why, strength)
        case Walk(price, why):
            offer = view.best_offer()
            if offer is None or price < offer:
                return Quote(part.number, price, Style.REST, why, walk=True, momentum=strength)
            if policy.config.walker.policy is PolicyName.SPEC:
                return Quote(part.number, price, Style.TAKE, why, walk=True, momentum=strength)
            touch = state.grid.down(offer)
            if touch is not None and touch > part.price:
                return Quote(part.number, touch, Style.REST, why, walk=True, momentum=strength)
            return _stay(part, view, "next to the offer: taking waits for the end", strength)
        case _ as never:
            assert_never(never)


def _taking(state: State, view: View, policy: Policy) -> tuple[Price, str] | None:
    """Return the price to take at and why, if it is time to take and anything is offered under the cap."""
    offer = view.best_offer()
    if offer is None or offer > state.cap:
        return None
    left = Count(state.parent.count - total_filled(state))
    if view.now >= take_from(state, policy):
        price = price_for(view.ladders.offers, left, state.cap)
        return None if price is None else (price, "taking the rest before the end")
    fee = estimate(view.conditions.rates, taker=True, price=offer, count=CONTRACT)
    cost = (offer - state.parent.target) * CONTRACT + fee
    if cost * MILLION <= view.conditions.ema_slippage * state.parent.target * CONTRACT:
        return offer, "taking costs less than waiting is expected to"
    return None


def _take(
    state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int, price: Price, reason: str
) -> Quote:
    if price <= part.price:
        return _stay(part, view, reason)
    walker = _walker(state, part, walks_wanted)
    match walk(walker, 0, state.grid, state.cap, _rules(policy), reason):
        case Hold(why):
            return _stay(part, view, why)
        case Walk(_, why):
            return Quote(part.number, price, Style.TAKE, why, walk=True, momentum=pressure(view.flow) or 0)
        case _ as never:
            assert_never(never)


def _stay(part: SplitState, view: View, reason: str = "", strength: int = 0) -> Quote:
    offer = view.best_offer()
    style = Style.TAKE if offer is not None and offer <= part.price else Style.REST
    return Quote(part.number, part.price, style, reason or part.held or "placed", momentum=strength)


def _walker(state: State, part: SplitState, walks_wanted: int) -> Walker:
    unfilled = part.count - split_filled(state, part.number)
    return Walker(part.price, unfilled, len(part.walks), total_walks(state) + walks_wanted)


def _rules(policy: Policy) -> WalkRules:
    config = policy.config.walker
    return WalkRules(config.base_increment, config.aggressive_increment, config.max_walks, config.max_total_walks)


def _walking_rules(state: State, policy: Policy) -> WalkRules:
    """Return the rules with one walk kept back for each unfilled split: taking at the end must not find them used up."""
    rules = _rules(policy)
    unfilled = sum(split_filled(state, part.number) < part.count for part in state.splits)
    return WalkRules(rules.base, rules.aggressive, rules.max_walks - 1, rules.max_total_walks - unfilled)


def _behind(state: State, view: View) -> bool:
    """Return whether less of the parent is filled than of its time has passed."""
    parent = state.parent
    elapsed = view.now - parent.started
    return total_filled(state) * (parent.wind_down - parent.started) < parent.count * elapsed


def _queue_reaches(state: State, view: View, order: Order) -> bool:
    """Return whether the takers' pace of the window would empty the queue before us, and fill us, in the time left."""
    ahead = next((count for split_number, count in view.ahead if split_number == order.key.split), None)
    if ahead is None:
        return False
    left = max(0, state.parent.wind_down - view.now)
    return view.flow.suppliers * left >= (ahead + order.total - filled(order)) * WINDOW
