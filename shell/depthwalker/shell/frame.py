"""What the terminal shows of one execution: a pure function of its state, its view and the time.

Prices are shown in the parent's own outcome: the acquired leg's for a buy, one less it for a sell.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from depthwalker.core.book import Ladder, Leg
from depthwalker.core.execution import (
    SplitState,
    State,
    open_order,
    split_filled,
    total_filled,
    total_walks,
)
from depthwalker.core.ledger import Kind, Order, Phase, Style, filled
from depthwalker.core.parent import Action
from depthwalker.core.projection import bought
from depthwalker.core.units import Count, Micros, Price
from depthwalker.core.view import View

LEVELS: Final = 5
_WORDS: Final = {Kind.PLACE: "sent", Kind.AMEND: "amending", Kind.CANCEL: "cancelling"}


@dataclass(frozen=True, slots=True)
class Rung:
    """One price of the book: what others have there, and what we have."""

    price: Price
    others: Count
    own: Count


Rungs: TypeAlias = tuple[Rung, ...]  # best first


@dataclass(frozen=True, slots=True)
class Child:
    """One split and the order that works for it; `note` says why it stands where it stands."""

    split: int
    price: Price
    filled: Count
    count: Count
    phase: str
    walks: int
    note: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One execution at one instant. `left` runs to the end of its time-out; `book_age` is None where no book was read."""

    outcome: Leg
    action: Action
    target: Price
    cap: Price
    algorithm: str
    stage: str
    filled: Count
    count: Count
    average: Price | None
    left: Micros
    walks: int
    calls: int
    book_age: Micros | None
    bids: Rungs
    offers: Rungs
    children: tuple[Child, ...]


def frame(state: State, view: View, now: Micros) -> Frame:
    """Return what is shown of an execution at `now`."""
    parent, ticket = state.parent, state.parent.ticket
    bids, offers = _book(state, view)
    return Frame(
        outcome=ticket.outcome,
        action=ticket.action,
        target=ticket.target,
        cap=ticket.framed(state.cap),
        algorithm="" if state.algorithm is None else state.algorithm.value,
        stage=stage(state),
        filled=total_filled(state),
        count=parent.count,
        average=bought(ticket, state.orders).average,
        left=Micros(max(0, parent.deadline - now)),
        walks=total_walks(state),
        calls=state.calls,
        book_age=Micros(max(0, now - view.book_at)) if view.book_at else None,
        bids=bids,
        offers=offers,
        children=tuple(_child(state, part) for part in state.splits),
    )


def stage(state: State) -> str:
    """Return where an execution stands, in a word or two."""
    if state.finished is not None:
        return state.finished.status.value
    if state.stop:
        return "stopping"
    if state.winding:
        return "winding down"
    return "planning" if state.algorithm is None else "working"


def phase(order: Order) -> str:
    """Return where a child order stands, in a word."""
    match order.phase:
        case Phase.SENT:
            return "sent"
        case Phase.UNKNOWN | Phase.DUPLICATE:
            return "unclear"
        case Phase.LIVE:
            if order.request is not None:
                return _WORDS.get(order.request.kind, "unclear")
            return "resting" if order.style is Style.REST else "taking"
        case Phase.CLOSED:
            return order.ending.value
        case _ as never:
            assert_never(never)


def _child(state: State, part: SplitState) -> Child:
    mine = [order for order in state.orders if order.key.split == part.number]
    working = open_order(state, part.number)
    done = split_filled(state, part.number)
    if working is not None:
        word = phase(working)
    elif done >= part.count:
        word = "filled"
    else:
        word = phase(mine[-1]) if mine else "waiting"
    latest = part.walks[-1].reason if part.walks else ""
    return Child(
        split=part.number,
        price=state.parent.ticket.framed(part.price),
        filled=done,
        count=part.count,
        phase=word,
        walks=len(part.walks),
        note="" if done >= part.count else part.held or part.detail or latest,
    )


def _book(state: State, view: View) -> tuple[Rungs, Rungs]:
    """Return bids and offers of the parent's outcome, our own orders beside those of the others."""
    own: dict[Price, Count] = {}
    for order in state.orders:
        if order.phase is Phase.LIVE and order.style is Style.REST:
            own[order.price] = Count(own.get(order.price, 0) + order.total - filled(order))
    ticket = state.parent.ticket
    queue = _nearest(tuple(_rungs(view.ladders.queue, own, state, descending=True)))
    facing = _nearest(tuple(_rungs(view.ladders.offers, {}, state, descending=False)))
    return (queue, facing) if ticket.action is Action.BUY else (facing, queue)


def _nearest(rungs: Rungs) -> Rungs:
    """Return the best levels, and ours however far behind they are."""
    return rungs[:LEVELS] + tuple(rung for rung in rungs[LEVELS:] if rung.own)


def _rungs(ladder: Ladder, own: Mapping[Price, Count], state: State, *, descending: bool) -> Iterator[Rung]:
    others = dict(ladder)
    mine = {price: count for price, count in own.items() if count > 0}
    for price in sorted({*others, *mine}, reverse=descending):
        yield Rung(state.parent.ticket.framed(price), others.get(price, Count(0)), mine.get(price, Count(0)))
