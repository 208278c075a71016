"""An execution told from its journal: what a report shows. Nothing here decides; everything is a fold of the facts.

Prices are in the parent's own outcome, as its user states them. `beside` is the ladder in which our orders wait, `facing` the
one that they could take: bids and offers for a buy, offers and bids for a sell. Ratios are parts per million.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import accumulate, pairwise
from typing import Final

from depthwalker.core.book import Ladder
from depthwalker.core.depth import imbalance
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import (
    AmendIntended,
    Fact,
    Finished,
    Held,
    PlaceIntended,
    Planned,
    Refused,
    Requested,
    Resumed,
    Started,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.ledger import Kind, OrderKey, Phase, Style
from depthwalker.core.momentum import momentum, pressure
from depthwalker.core.parent import Action, Parent, Ticket, in_words
from depthwalker.core.policy import Policy
from depthwalker.core.projection import own_fills, project
from depthwalker.core.quality import Mid, complete
from depthwalker.core.row import Projection
from depthwalker.core.units import DOLLAR, Count, Micros, Money, Price


@dataclass(frozen=True, slots=True)
class Moment:
    """One journalled view. `twice_mid` is best bid plus best offer; `ahead` estimates the queue before each split's order."""

    at: Micros
    beside: Ladder
    facing: Ladder
    twice_mid: Price | None
    cap: Price
    ahead: tuple[tuple[int, Count], ...]
    momentum: int
    pressure: int | None
    imbalance: int


@dataclass(frozen=True, slots=True)
class Stand:
    """An order's stay at one price; `end` is None while it stands there. `ahead` is the queue that it joined."""

    key: OrderKey
    price: Price
    count: Count
    style: Style
    ahead: Count
    reason: str
    start: Micros
    end: Micros | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A fill. `twice_mid` is that of the latest view before it, None where no view had both sides yet."""

    key: OrderKey
    price: Price
    count: Count
    fee: Money
    taker: bool
    at: Micros
    twice_mid: Price | None


class Deed(Enum):
    """What was decided."""

    PLAN = "plan"
    PLACE = "place"
    TAKE = "take"
    WALK = "walk"
    MOVE = "move"
    HOLD = "hold"
    CANCEL = "cancel"
    REFUSED = "refused"
    TAKEN_UP = "taken up"
    CLAIM = "claim"
    BURN = "burn"
    STOP = "stop"
    WIND_DOWN = "wind down"
    END = "end"


@dataclass(frozen=True, slots=True)
class Decision:
    """Something decided, and why; `split` 0 where it concerns the whole. `momentum` is what a walk was judged by."""

    at: Micros
    deed: Deed
    split: int
    reason: str
    before: Price | None = None
    price: Price | None = None
    count: Count | None = None
    momentum: int | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the implementation shortfall consists of, each part doubled so that a half mid stays whole; they sum to it.

    `spread`: fills against the mid of their moment, `drift`: that mid against the one at arrival, `fees`: paid, `unfilled`:
    the rest at the price to take it at the end, fees in, against the mid at arrival. Positive is worse.
    """

    spread: int
    drift: int
    fees: int
    unfilled: int

    def twice_total(self) -> int:
        """Return the shortfall, doubled."""
        return self.spread + self.drift + self.fees + self.unfilled


@dataclass(frozen=True, slots=True)
class Story:
    """One execution from its start to `until`, the latest fact's instant. `parts` is None without a mid at arrival."""

    parent: Parent
    policy: Policy
    projection: Projection
    moments: tuple[Moment, ...]
    stands: tuple[Stand, ...]
    marks: tuple[Mark, ...]
    decisions: tuple[Decision, ...]
    parts: Parts | None
    until: Micros


_REQUESTS: Final = {
    Kind.PLACE: (Deed.PLACE, "sent again"),
    Kind.AMEND: (Deed.MOVE, "sent again"),
    Kind.CANCEL: (Deed.CANCEL, "not wanted any more"),
    Kind.CLAIM: (Deed.CLAIM, "its outcome is unknown and it is still wanted: its id is sent again"),
    Kind.BURN: (Deed.BURN, "its outcome is unknown and it is not wanted any more: its id is spent"),
}


def tell(facts: tuple[Fact, ...]) -> Story:
    """Return the story of a journal, which begins with Started."""
    states = tuple(_states(facts))
    last = states[-1]
    policy = last.policy
    assert policy is not None, "a journal begins with Started"
    marks = _marks(last, facts)
    return Story(
        parent=last.parent,
        policy=policy,
        projection=project(last),
        moments=tuple(
            [_moment(state, fact) for state, fact in zip(states, facts, strict=True) if isinstance(fact, Viewed)]
        ),
        stands=tuple(_stands(last.parent.ticket, states, facts)),
        marks=tuple([_framed_mark(last.parent.ticket, mark) for mark in marks]),
        decisions=tuple(_decisions(states, facts)),
        parts=_parts(last, marks),
        until=Micros(max(fact.at for fact in facts)),
    )


def paced(parent: Parent, count: Count, at: Micros) -> Count:
    """Return what an even pace from the start to winding down would have filled of `count` at an instant."""
    whole = max(1, parent.wind_down - parent.started)
    return Count(count * max(0, min(whole, at - parent.started)) // whole)


def _states(facts: tuple[Fact, ...]) -> Iterator[State]:
    """Return the state after each fact."""
    folded = accumulate(facts, evolve, initial=START)
    next(folded)
    return folded


def _moment(state: State, fact: Viewed) -> Moment:
    ticket, view = state.parent.ticket, fact.view
    twice = view.ladders.twice_mid()
    return Moment(
        at=fact.at,
        beside=_framed_ladder(ticket, view.ladders.queue),
        facing=_framed_ladder(ticket, view.ladders.offers),
        twice_mid=None if twice is None else _framed_twice(ticket, twice),
        cap=ticket.framed(state.cap),
        ahead=view.ahead,
        momentum=momentum(view.flow.volumes),
        pressure=pressure(view.flow),
        imbalance=imbalance(view.ladders),
    )


def _stands(ticket: Ticket, states: tuple[State, ...], facts: tuple[Fact, ...]) -> Iterator[Stand]:
    standing: dict[OrderKey, Stand] = {}
    joined: dict[tuple[OrderKey, Price], tuple[Count, Style, str]] = {}
    for state, fact in zip(states, facts, strict=True):
        if isinstance(fact, PlaceIntended | AmendIntended):
            joined[fact.key, fact.price] = (fact.ahead, fact.style, fact.reason)
        for order in state.orders:
            before = standing.get(order.key)
            price = ticket.framed(order.price)
            if order.phase is Phase.CLOSED:
                if before is not None:
                    yield replace(standing.pop(order.key), end=order.closed_at)
            elif before is None or before.price != price:
                ahead, style, reason = joined.get((order.key, order.price), (Count(0), order.style, ""))
                if before is not None:
                    yield replace(before, end=fact.at)
                standing[order.key] = Stand(order.key, price, order.total, style, ahead, reason, fact.at, None)
    yield from standing.values()


def _marks(last: State, facts: tuple[Fact, ...]) -> tuple[Mark, ...]:
    """Return the fills, each once, in the price of the leg acquired."""
    keys = {order.order_id: order.key for order in last.orders if order.order_id}
    mids = tuple(sorted(_mids(facts), key=_instant))
    marks = [
        Mark(keys[fill.order_id], fill.price, fill.count, fill.fee, fill.taker, fill.at, _mid_at(mids, fill.at))
        for fill in own_fills(last, facts)
    ]
    return tuple(sorted(marks, key=_when))


def _when(mark: Mark) -> Micros:
    return mark.at


def _mids(facts: tuple[Fact, ...]) -> Iterator[Mid]:
    for fact in facts:
        twice = fact.view.ladders.twice_mid() if isinstance(fact, Viewed) else None
        if twice is not None:
            yield Mid(fact.at, twice)


def _mid_at(mids: tuple[Mid, ...], at: Micros) -> Price | None:
    """Return the mid of the latest view at an instant, or the first there is."""
    return mids[max(0, bisect_right(mids, at, key=_instant) - 1)].twice if mids else None


def _instant(mid: Mid) -> Micros:
    return mid.at


def _decisions(states: tuple[State, ...], facts: tuple[Fact, ...]) -> Iterator[Decision]:
    held: dict[int, str] = {}
    pairs = zip(pairwise((START, *states)), facts, strict=True)
    for (before, after), fact in pairs:
        for decision in _decided(before, after, fact):
            if decision.deed is Deed.HOLD and held.get(decision.split) == decision.reason:
                continue
            held[decision.split] = decision.reason if decision.deed is Deed.HOLD else ""
            yield decision


def _decided(before: State, after: State, fact: Fact) -> Iterator[Decision]:
    ticket = after.parent.ticket
    match fact:
        case Started(parent, _, at):
            reason = ", ".join(in_words(note, parent) for note in parent.notes) or "admitted"
            yield Decision(at, Deed.PLAN, 0, reason)
        case Planned(algorithm, reason, splits, at):
            for number, part in enumerate(splits, start=1):
                why = f"{algorithm.value}: {in_words(reason, after.parent)}"
                yield Decision(at, Deed.PLAN, number, why, price=ticket.framed(part.price), count=part.count)
        case PlaceIntended(key, price, count, style, _, reason, at):
            deed = Deed.PLACE if style is Style.REST else Deed.TAKE
            yield Decision(at, deed, key.split, reason, price=ticket.framed(price), count=count)
        case AmendIntended(key, _, price, total, style, _, walk, strength, reason, at):
            old = next((ticket.framed(order.price) for order in before.orders if order.key == key), None)
            deed = Deed.TAKE if style is Style.TAKE else Deed.WALK if walk else Deed.MOVE
            yield Decision(at, deed, key.split, reason, old, ticket.framed(price), total, strength)
        case Held(reasons, at):
            for split, reason in reasons:
                if not reason:
                    continue
                stands = next((ticket.framed(part.price) for part in after.splits if part.number == split), None)
                yield Decision(at, Deed.HOLD, split, reason, price=stands)
        case Requested(key, kind, at):
            deed, why = _REQUESTS[kind]
            yield Decision(at, deed, key.split, after.winding or after.stop or why)
        case Refused(key, _, code, detail, at):
            yield Decision(at, Deed.REFUSED, key.split, f"{code} {detail}".strip())
        case Resumed(worker, at):
            yield Decision(at, Deed.TAKEN_UP, 0, f"by {worker}")
        case StopRequested(reason, at):
            yield Decision(at, Deed.STOP, 0, reason)
        case WindingDown(reason, at):
            yield Decision(at, Deed.WIND_DOWN, 0, reason)
        case Finished(status, reason, at):
            yield Decision(at, Deed.END, 0, f"{status.value}: {reason}")
        case _:
            pass


def _parts(last: State, marks: tuple[Mark, ...]) -> Parts | None:
    """Return what `projection` sums up as the shortfall, in its parts."""
    first, latest = last.arrival, last.latest
    arrival = None if first is None else first.ladders.twice_mid()
    if last.finished is None or latest is None or arrival is None:
        return None
    left = Count(max(0, last.parent.count - sum(mark.count for mark in marks)))
    rest = complete(latest.ladders.offers, left, latest.conditions.rates, last.grid.highest())
    return Parts(
        spread=sum((2 * mark.price - (mark.twice_mid or arrival)) * mark.count for mark in marks),
        drift=sum(((mark.twice_mid or arrival) - arrival) * mark.count for mark in marks),
        fees=2 * sum(mark.fee for mark in marks),
        unfilled=2 * rest - arrival * left,
    )


def _framed_mark(ticket: Ticket, mark: Mark) -> Mark:
    twice = None if mark.twice_mid is None else _framed_twice(ticket, mark.twice_mid)
    return replace(mark, price=ticket.framed(mark.price), twice_mid=twice)


def _framed_ladder(ticket: Ticket, ladder: Ladder) -> Ladder:
    return tuple([(ticket.framed(price), count) for price, count in ladder])


def _framed_twice(ticket: Ticket, twice: Price) -> Price:
    return twice if ticket.action is Action.BUY else Price(2 * DOLLAR - twice)
