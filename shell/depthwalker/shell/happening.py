"""What happened to an execution between two of its states, in words: one line of the demo's log each.

The states are folds of the journal, so nothing is told that is not in it. Prices are in the parent's own outcome.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from depthwalker.core.execution import SplitState, State, WalkStep
from depthwalker.core.ledger import Ending, Order, OrderKey, Phase, Style, filled
from depthwalker.core.parent import Action, in_words
from depthwalker.core.projection import average
from depthwalker.core.siblings import AGAINST
from depthwalker.core.units import Count, Micros, Money, Price
from depthwalker.shell.figures import counted, short_count, short_price


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: its kind in one word, and the rest of the sentence."""

    at: Micros
    kind: str
    text: str


def happenings(before: State, after: State, now: Micros) -> tuple[Happening, ...]:
    """Return what the later state knows and the earlier one did not, in the order in which it is told."""
    return tuple(Happening(now, kind, text) for kind, text in _told(before, after))


def _told(before: State, after: State) -> Iterator[tuple[str, str]]:
    if before.algorithm is None and after.algorithm is not None:
        yield (
            "planned",
            f"{after.algorithm.value}, {_splits(after)}, {_cap(after)} ({in_words(after.plan_reason, after.parent)})",
        )
    if after.stop and not before.stop:
        yield "stopping", after.stop
    known = {order.key: order for order in before.orders}
    stood = {part.number: part for part in before.splits}
    for part in after.splits:
        yield from _moves(after, stood.get(part.number), part)
        yield from _opposed(stood.get(part.number), part)
    for order in after.orders:
        yield from _order(after, known.get(order.key), order)
    for part in after.splits:
        yield from _refused(stood.get(part.number), part)
    if after.winding and not before.winding:
        yield "ending", after.winding
    if after.finished is not None and before.finished is None:
        yield "finished", f"{after.finished.status.value}: {after.finished.reason}"


def _splits(state: State) -> str:
    told = ", ".join(f"{short_count(part.count)} at {_price(state, part.price)}" for part in state.splits)
    return f"{counted(len(state.splits), 'split')}: {told}"


def _cap(state: State) -> str:
    return f"at {'most' if state.parent.ticket.action is Action.BUY else 'least'} {_price(state, state.cap)}"


def _moves(state: State, before: SplitState | None, after: SplitState) -> Iterator[tuple[str, str]]:
    steps = after.walks[len(before.walks) if before is not None else 0 :]
    for step in steps:
        yield "walked", _walk(state, after, step)
    if before is not None and not steps and after.price != before.price:
        why = f": {after.held}" if after.held else ""
        yield "moved", f"split {after.number} {_price(state, before.price)} -> {_price(state, after.price)}{why}"


def _opposed(before: SplitState | None, after: SplitState) -> Iterator[tuple[str, str]]:
    """Tell of an order of the account that has begun to stand against a split."""
    if after.held == AGAINST and (before is None or before.held != AGAINST):
        yield "waiting", f"split {after.number}: {AGAINST}"


def _walk(state: State, part: SplitState, step: WalkStep) -> str:
    return f"split {part.number} {_price(state, step.old)} -> {_price(state, step.new)}: {step.reason}"


def _order(state: State, before: Order | None, after: Order) -> Iterator[tuple[str, str]]:
    name = f"split {after.key.split}"
    if _arrived(after) and not (before is not None and _arrived(before)):
        verb = "placed" if after.style is Style.REST else "taking"
        yield verb, f"{name} {short_count(after.total)} at {_price(state, after.price)}"
    yield from _filled(state, name, before, after)
    if after.phase is Phase.CLOSED and (before is None or before.phase is not Phase.CLOSED):
        yield from _closed(name, after)
    if _kept(after) and before is not None and after.troubles > before.troubles:
        yield "deferred", f"{name}: its cancel was not applied and goes out again"


def _arrived(order: Order) -> bool:
    """Return whether the exchange has the order: an intent is none yet, and the id of a burn is not the order's."""
    return bool(order.order_id) and order.ending is not Ending.BURNED


def _kept(order: Order) -> bool:
    """Return whether an order that is to be cancelled works on, as far as anything has told."""
    return order.phase is Phase.LIVE and order.cancels > 0 and not order.doubt


def _filled(state: State, name: str, before: Order | None, after: Order) -> Iterator[tuple[str, str]]:
    """Tell what was itemised since, at its average price; cumulative figures arrive first and name no price."""
    count = after.itemised - (before.itemised if before is not None else 0)
    cost = after.cost - (before.cost if before is not None else 0)
    if count:
        price = short_price(average(state.parent.ticket, Count(count), Money(cost)))
        yield "filled", f"{name} {short_count(Count(count))} at {price}"


def _closed(name: str, order: Order) -> Iterator[tuple[str, str]]:
    left = short_count(Count(order.total - filled(order)))
    match order.ending:
        case Ending.CANCELED:
            yield "cancelled", f"{name} {left} unfilled"
        case Ending.LAPSED if order.order_id:
            yield "cancelled", f"{name} lost by the exchange, {left} unfilled"
        case Ending.BURNED | Ending.LAPSED:
            yield "cancelled", f"{name} never reached the exchange"
        case Ending.REFUSED | Ending.EXECUTED | Ending.OPEN:
            pass  # a refusal has its own line, and fills have told the rest


def _refused(before: SplitState | None, after: SplitState) -> Iterator[tuple[str, str]]:
    """Tell what turned a split's order or amend away; only what the exchange looked at has a code."""
    if after.refused_at > (before.refused_at if before is not None else 0):
        yield "refused" if after.code else "deferred", f"split {after.number}: {f'{after.code} {after.detail}'.strip()}"


def _price(state: State, price: Price) -> str:
    return short_price(state.parent.ticket.framed(price))


def resting(state: State) -> tuple[tuple[OrderKey, Price, Count], ...]:
    """Return the orders that may still rest: key, price in the parent's outcome, and the most that may still fill."""
    return tuple(
        (order.key, state.parent.ticket.framed(order.price), Count(order.exposed - filled(order)))
        for order in state.orders
        if order.phase is not Phase.CLOSED
    )
