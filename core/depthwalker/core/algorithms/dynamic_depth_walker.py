"""The Dynamic Depth Walker: rests over the best levels, walks with the market, takes when waiting is not worth it.

Two policies. `spec` is the specification to the letter: splits on the first offers up to the cap, and every walk interval
each unfilled split walks when the absolute volume momentum reaches the threshold. `tuned` is what the laboratory found:
at every tick the splits rest inside the spread and one level behind, up and down with what others bid; while less is offered under the
cap than was asked for it takes what there is; whenever the best offer is near the microprice it takes that offer and no more,
unless the recent flow is likely to fill us; shortly before the end it takes the rest.
"""

from typing import Final, assert_never

from depthwalker.core.algorithms.placing import at, unfilled
from depthwalker.core.algorithms.tick import due, take_from, tick_after
from depthwalker.core.config import PolicyName
from depthwalker.core.depth import above_microprice, analyze, categorize, imbalance, price_for
from depthwalker.core.execution import SplitState, State, total_filled, total_walks
from depthwalker.core.flow import WINDOW
from depthwalker.core.ledger import Style
from depthwalker.core.momentum import momentum
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split, split
from depthwalker.core.units import MILLION, Count, Micros, Price
from depthwalker.core.view import View
from depthwalker.core.walk import Hold, Walk, Walker, WalkRules, used_up, walk

NEVER: Final = Micros(0)


def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:
    """Return the splits of the parent over the policy's candidate levels."""
    parent, config = state.parent, policy.config.walker
    if _literal(policy):
        analysis = analyze(view.ladders, state.cap, parent.target, parent.count, policy.thresholds)
        candidates = tuple(level.price for level in analysis.levels)
    else:
        candidates = _resting_levels(state, view, min(parent.target, state.cap))
    liquidity = categorize(view.queue_near, view.offers_near, policy.thresholds)
    return split(parent.count, candidates, config.split_ratios, liquidity, parent.target)


def desire(state: State, view: View, policy: Policy) -> Desire:
    """Return what every split wants working now; prices move on ticks only, except to take."""
    trouble = view.trouble(policy.stale_after)
    taking = _taking(state, view, policy)
    quotes: list[Quote] = []
    held: list[tuple[int, str]] = []
    for part in state.splits:
        if unfilled(state, part) <= 0:
            continue
        walks_wanted = sum(quote.walk for quote in quotes)
        quote = _stay(part, view) if trouble else _judge(state, view, policy, part, walks_wanted, taking)
        quotes.append(quote)
        if not quote.walk:
            held.append((part.number, trouble or quote.reason))
    return Desire(tuple(quotes), tuple(held))


def moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:
    """Return when the walker may change its mind by itself: at the next tick, when waiting ends, and when taking begins."""
    waited = Micros(_served_until(state, view, policy) + 1)
    return (tick_after(state, view, policy), waited, take_from(state, policy))


def _resting_levels(state: State, view: View, ceiling: Price) -> tuple[Price, ...]:
    """Return the levels to rest at: inside the spread where there is room (else join), then one behind.

    None is above the ceiling or meets the best offer.
    """
    bid, offer = view.best_bid(), view.best_offer()
    inside = ceiling if bid is None else state.grid.up(bid)
    if offer is not None and inside is not None and inside >= offer:
        inside = bid if bid is not None and bid < offer else state.grid.down(offer)
    if inside is None:
        return ()
    first = min(inside, ceiling)
    behind = bid if bid is not None and bid < first else state.grid.down(first)
    return (first,) if behind is None else (first, behind)


def _literal(policy: Policy) -> bool:
    return policy.config.walker.policy is PolicyName.SPEC


def _judge(
    state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int, taking: tuple[Price, str] | None
) -> Quote:
    if _literal(policy):
        return _by_the_letter(state, view, policy, part, walks_wanted)
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
    if state.calls >= policy.sparing_from:
        return _stay(part, view, "its calls are nearly used up", strength)
    if view.best_bid() is None:  # whoever sells meets us first, at any price
        return _stay(part, view, "nobody else bids", strength)
    levels = _resting_levels(state, view, state.cap)
    if not levels:
        return _stay(part, view, "nowhere to rest", strength)
    price = levels[min(part.level, len(levels)) - 1]
    if price == part.price:
        return _stay(part, view, "at its level", strength)
    if price < part.price:
        return Quote(part.number, price, Style.REST, "the market came to us", momentum=strength)
    forbids = used_up(len(part.walks), total_walks(state) + walks_wanted, _walking_rules(state, policy))
    if forbids:
        return _stay(part, view, forbids, strength)
    return Quote(part.number, price, Style.REST, "the market moved away", walk=True, momentum=strength)


def _walked(
    state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int, strength: int, reason: str
) -> Quote:
    """Return the split one walk further, into an offer too, or held with what forbids it."""
    walker = Walker(part.price, unfilled(state, part), len(part.walks), total_walks(state) + walks_wanted)
    match walk(walker, strength, state.grid, state.cap, _rules(policy), reason):
        case Hold(why):
            return _stay(part, view, why, strength)
        case Walk(price, why):
            offer = view.best_offer()
            style = Style.REST if offer is None or price < offer else Style.TAKE
            return Quote(part.number, price, style, why, walk=True, momentum=strength)
        case _ as never:
            assert_never(never)


def _taking(state: State, view: View, policy: Policy) -> tuple[Price, str] | None:
    """Return the price to take at and why, if it is time to take and anything is offered under the cap."""
    if view.now >= take_from(state, policy):
        return _all_there_is(state, view, "taking the rest before the end")
    if state.calls >= policy.sparing_from:
        return None
    if view.reach < state.parent.count:
        return _all_there_is(state, view, "less is offered under the cap than was asked for")
    offer, above = view.best_offer(), above_microprice(view.ladders)
    if offer is None or offer > state.cap or above is None or above > policy.above_microprice:
        return None
    waiting = view.now <= _served_until(state, view, policy)
    return None if waiting else (offer, "the offer is near the microprice")


def _served_until(state: State, view: View, policy: Policy) -> Micros:
    """Return until when to wait: as long as the recent flow, should it last until the rest is taken, would fill enough.

    Enough is a share of the queue ahead of us and of what we have left.
    """
    left = state.parent.count - total_filled(state)
    waiting = [part for part in state.splits if unfilled(state, part) > 0]
    if not waiting or not view.flow.suppliers:
        return NEVER
    before = max(view.before(part.number, part.price) for part in waiting)
    needed = -(-policy.waiting_share * (before + left) * WINDOW // (view.flow.suppliers * MILLION))
    return Micros(take_from(state, policy) - needed)


def _all_there_is(state: State, view: View, reason: str) -> tuple[Price, str] | None:
    left = Count(state.parent.count - total_filled(state))
    price = price_for(view.ladders.offers, left, state.cap)
    return None if price is None else (price, reason)


def _take(
    state: State, view: View, policy: Policy, part: SplitState, walks_wanted: int, price: Price, reason: str
) -> Quote:
    if price <= part.price:
        return _stay(part, view, reason)
    rules = _rules(policy) if view.now >= take_from(state, policy) else _walking_rules(state, policy)
    forbids = used_up(len(part.walks), total_walks(state) + walks_wanted, rules)
    if forbids:
        return _stay(part, view, forbids)
    return Quote(part.number, price, Style.TAKE, reason, walk=True, momentum=imbalance(view.ladders))


def _stay(part: SplitState, view: View, reason: str = "", strength: int = 0) -> Quote:
    return at(part, part.price, view, reason or part.held or "placed", strength)


def _rules(policy: Policy) -> WalkRules:
    config = policy.config.walker
    return WalkRules(config.base_increment, config.aggressive_increment, config.max_walks, config.max_total_walks)


def _walking_rules(state: State, policy: Policy) -> WalkRules:
    """Return the rules with one walk kept back for each unfilled split: taking at the end must not find them used up."""
    rules = _rules(policy)
    working = sum(unfilled(state, part) > 0 for part in state.splits)
    return WalkRules(rules.base, rules.aggressive, rules.max_walks - 1, rules.max_total_walks - working)
