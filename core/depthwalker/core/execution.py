"""The state machine of one execution: everything that affects its state lives in this file.

`evolve` folds facts, past tense and journalled, into the state: total, without judgement, so that replaying a journal
cannot act. What is to be done is judged in `decide`, from the state and a view. The order protocol (DESIGN section 4):

    Place  -> PlaceIntended (durable) -> sent -> Accepted | Refused | Deferred | OutcomeUnknown
    OutcomeUnknown counts as accepted in full until it is claimed:
        Claim (the same id and body) -> Accepted: the id is spent | Duplicated: it was accepted, the list will show it
        Burn  (the same id, 0.01 contract at the far end of the grid) -> Burned: the original can never be accepted
    Amend  -> AmendIntended (durable) -> sent -> Amended | Refused | Deferred | OutcomeUnknown, one at a time
        MarketOver, and orders read since then without it -> Lapsed: it can fill no more, whether it came or not
    Cancel -> Requested -> sent -> anything: only the order's own record (Observed) closes it

Rules that the fold keeps whatever order facts come in: a fill counts once; cumulative figures never fall; an order's
exposure is the largest total of any request that may still take effect; a closed order stays closed, except one
reported as refused that its own record shows at rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, assert_never

from depthwalker.core import ledger
from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Leg
from depthwalker.core.config import Algorithm
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Burned,
    CancelAcknowledged,
    CapChanged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    Finished,
    GridChanged,
    Held,
    Lapsed,
    LookedUp,
    LookupStarted,
    MarketOver,
    Observed,
    OutcomeUnknown,
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
from depthwalker.core.fees import FeeRates
from depthwalker.core.grid import CENT_GRID, PriceGrid
from depthwalker.core.ledger import Ending, Fill, Kind, Order, OrderKey, Phase, Request, Style
from depthwalker.core.parent import Action, Parent, Ticket, shifted
from depthwalker.core.policy import Policy
from depthwalker.core.rollout import Arm
from depthwalker.core.split import Split
from depthwalker.core.units import Count, Micros, Money, Price
from depthwalker.core.view import View


@dataclass(frozen=True, slots=True)
class WalkStep:
    """One walk of a split, counted when its intent is journalled."""

    at: Micros
    old: Price
    new: Price
    momentum: int
    reason: str


@dataclass(frozen=True, slots=True)
class SplitState:
    """A split at work: where it stands, what it has walked, what refused it. `revisions` is the next free revision.

    `refusals` and `deferrals` count the latest requests in a row that were refused, and that did not reach the matching;
    `paused`: the last one because trading is.
    """

    number: int
    level: int
    start: Price
    count: Count
    price: Price
    walks: tuple[WalkStep, ...]
    revisions: int
    refusals: int
    deferrals: int
    paused: bool
    refused_at: Micros
    code: str
    detail: str
    held: str


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered of one execution: the fold of its journal. `calls` counts order entry and private reads.

    `arrival` is the first journalled view whose book had been read, `latest` the last such one: what its cost is measured
    by. `asked_at` is when the last look at our orders began, `looked_at` when the last one ended, `read_at` when the last
    one that could read them all began; `over_at` when the market was found to be over.
    """

    parent: Parent
    policy: Policy | None
    grid: PriceGrid
    cap: Price
    algorithm: Algorithm | None
    plan_reason: str
    splits: tuple[SplitState, ...]
    orders: tuple[Order, ...]
    strays: tuple[Fill, ...]
    arrival: View | None
    latest: View | None
    ticks: int
    ticked_at: Micros
    momentum: int
    looking: bool
    asked_at: Micros
    looked_at: Micros
    read_at: Micros
    look_failures: int
    calls: int
    stop: str
    winding: str
    wound_at: Micros
    first_fill_at: Micros
    last_fill_at: Micros
    over_at: Micros
    finished: Finished | None
    arm: Arm | None


_ZERO: Final = Micros(0)
_NOBODY: Final = Parent(
    execution="",
    installation="",
    ticker="",
    ticket=Ticket(Leg.YES, Action.BUY, Count(0), Price(0)),
    leg=Leg.YES,
    count=Count(0),
    target=Price(0),
    bound=Price(0),
    cap=Price(0),
    grid=CENT_GRID,
    rates=FeeRates(0, 0),
    started=_ZERO,
    wind_down=_ZERO,
    deadline=_ZERO,
    expires=_ZERO,
    notes=(),
)
START: Final = State(
    parent=_NOBODY,
    policy=None,
    grid=CENT_GRID,
    cap=Price(0),
    algorithm=None,
    plan_reason="",
    splits=(),
    orders=(),
    strays=(),
    arrival=None,
    latest=None,
    ticks=0,
    ticked_at=_ZERO,
    momentum=0,
    looking=False,
    asked_at=_ZERO,
    looked_at=_ZERO,
    read_at=_ZERO,
    look_failures=0,
    calls=0,
    stop="",
    winding="",
    wound_at=_ZERO,
    first_fill_at=_ZERO,
    last_fill_at=_ZERO,
    over_at=_ZERO,
    finished=None,
    arm=None,
)


def total_filled(state: State) -> Count:
    """Return the contracts filled so far, as far as anything has told."""
    return Count(sum([ledger.filled(order) for order in state.orders]))


def total_exposure(state: State) -> Count:
    """Return the most that may ever be filled by what is out (invariant 1: never more than the parent's count)."""
    return Count(sum([ledger.exposure(order) for order in state.orders]))


def split_filled(state: State, number: int) -> Count:
    """Return the contracts that a split's orders filled."""
    return Count(sum([ledger.filled(order) for order in state.orders if order.key.split == number]))


def open_order(state: State, number: int) -> Order | None:
    """Return the split's order that is not closed: the first of two, should one reported as refused have been accepted."""
    for order in state.orders:
        if order.key.split == number and order.phase is not Phase.CLOSED:
            return order
    return None


def total_cost(state: State) -> tuple[Count, Money, Money]:
    """Return itemised count, cost (in the acquired leg) and fees of all fills."""
    return (
        Count(sum(order.itemised for order in state.orders)),
        Money(sum(order.cost for order in state.orders)),
        Money(sum(order.fees for order in state.orders)),
    )


def total_walks(state: State) -> int:
    """Return the walks of all splits."""
    return sum([len(split.walks) for split in state.splits])


# The fold


def evolve(state: State, fact: Fact) -> State:
    """Return the state after a fact; total, and without judgement."""
    match fact:
        case Started(parent, policy, _, _, arm):
            return replace(state, parent=parent, policy=policy, grid=parent.grid, cap=parent.cap, arm=arm)
        case Resumed(_, at):
            return _resumed(state, at)
        case Viewed(view, tick, at):
            return _seen(state, view, at, tick=tick)
        case Planned(algorithm, reason, splits, _):
            return replace(
                state, algorithm=algorithm, plan_reason=reason, splits=tuple(_begin(split) for split in splits)
            )
        case Held(reasons, _):
            return replace(state, splits=tuple(_held(split, reasons) for split in state.splits))
        case PlaceIntended(key, price, count, style, ahead, _, at):
            placed = ledger.place(key, price, count, style, ahead, at)
            moved = _moved(state.splits, key.split, key.birth, price, _placing_step(state, fact))
            return _at_work(state, moved, (*state.orders, placed), state.calls + 1, state.momentum)
        case AmendIntended(key, revision, price, _, _, _, walk, momentum, reason, at):
            found = _order(state, key)
            step = WalkStep(at, found.price, price, momentum, reason) if found is not None and walk else None
            orders = tuple([_amending(order, fact) if order.key == key else order for order in state.orders])
            moved = _moved(state.splits, key.split, revision, price, step)
            return _at_work(state, moved, orders, state.calls + 1, momentum)
        case Requested(key, kind, at):
            return _called(_with(state, key, lambda order: _requesting(order, kind, at)))
        case Accepted(key, _, _, _):
            accepted = _with(state, key, lambda order: _accepted(order, fact))
            return _adopt(_welcomed(accepted, key.split), state.strays)
        case Amended(key, _, _, _):
            amended = _with(state, key, lambda order: _amended(order, fact))
            return _welcomed(amended, key.split)
        case CancelAcknowledged(key, at):
            return _with(state, key, lambda order: _acknowledged(order, at))
        case Burned(key, _, _, _):
            return _adopt(_with(state, key, lambda order: _burned(order, fact)), state.strays)
        case Duplicated(key, at):
            return _with(state, key, lambda order: _duplicated(order, at))
        case Refused(key, kind, _, _, at):
            return _refused_split(_with(state, key, lambda order: _refused(order, kind, at)), fact)
        case Deferred(key, kind, _, at, _):
            return _deferred_split(_with(state, key, lambda order: _deferred(order, kind, at)), fact)
        case OutcomeUnknown(key, kind, _, at):
            return _with(state, key, lambda order: _unknown(order, kind, at))
        case Observed(key, _, _, _, _, _, _, _):
            return _adopt(_with(state, key, lambda order: _observed(order, fact)), state.strays)
        case Filled(fill, _):
            return _adopt(state, _once(state.strays, fill))
        case LookupStarted(at):
            return replace(state, looking=True, asked_at=at)
        case LookedUp(failure, at, reads):
            failures = state.look_failures + 1 if failure else 0
            read_at, calls = state.read_at if failure else state.asked_at, state.calls + reads
            return replace(state, looking=False, looked_at=at, read_at=read_at, look_failures=failures, calls=calls)
        case GridChanged(grid, _):
            cap = grid.floor(state.parent.cap)
            return replace(state, grid=grid, cap=state.cap if cap is None else cap)
        case CapChanged(cap, _):
            return replace(state, cap=cap)
        case MarketOver(at):
            return replace(state, over_at=state.over_at or at)
        case Lapsed(key, at):
            return _with(state, key, lambda order: ledger.close(order, Ending.LAPSED, at))
        case StopRequested(reason, _):
            return replace(state, stop=state.stop or reason or "stopped")
        case WindingDown(reason, at):
            return state if state.winding else replace(state, winding=reason or "ending", wound_at=at)
        case Finished():
            return replace(state, finished=state.finished or fact)
        case _ as never:
            assert_never(never)


# What happens at every order is written out: `replace` takes three times as long.


def _at_work(
    state: State, splits: tuple[SplitState, ...], orders: tuple[Order, ...], calls: int, momentum: int
) -> State:
    return State(
        parent=state.parent,
        policy=state.policy,
        grid=state.grid,
        cap=state.cap,
        algorithm=state.algorithm,
        plan_reason=state.plan_reason,
        splits=splits,
        orders=orders,
        strays=state.strays,
        arrival=state.arrival,
        latest=state.latest,
        ticks=state.ticks,
        ticked_at=state.ticked_at,
        momentum=momentum,
        looking=state.looking,
        asked_at=state.asked_at,
        looked_at=state.looked_at,
        read_at=state.read_at,
        look_failures=state.look_failures,
        calls=calls,
        stop=state.stop,
        winding=state.winding,
        wound_at=state.wound_at,
        first_fill_at=state.first_fill_at,
        last_fill_at=state.last_fill_at,
        over_at=state.over_at,
        finished=state.finished,
        arm=state.arm,
    )


def _seen(state: State, view: View, at: Micros, *, tick: bool) -> State:
    # Who has just taken over may decide before the first book is read: an empty book there is not the market's.
    seen = view if view.book_at else None
    return State(
        parent=state.parent,
        policy=state.policy,
        grid=state.grid,
        cap=state.cap,
        algorithm=state.algorithm,
        plan_reason=state.plan_reason,
        splits=state.splits,
        orders=state.orders,
        strays=state.strays,
        arrival=state.arrival or seen,
        latest=seen or state.latest,
        ticks=state.ticks + tick,
        ticked_at=at if tick else state.ticked_at,
        momentum=state.momentum,
        looking=state.looking,
        asked_at=state.asked_at,
        looked_at=state.looked_at,
        read_at=state.read_at,
        look_failures=state.look_failures,
        calls=state.calls,
        stop=state.stop,
        winding=state.winding,
        wound_at=state.wound_at,
        first_fill_at=state.first_fill_at,
        last_fill_at=state.last_fill_at,
        over_at=state.over_at,
        finished=state.finished,
        arm=state.arm,
    )


def _begin(split: Split) -> SplitState:
    return SplitState(
        number=split.level,
        level=split.level,
        start=split.price,
        count=split.count,
        price=split.price,
        walks=(),
        revisions=0,
        refusals=0,
        deferrals=0,
        paused=False,
        refused_at=_ZERO,
        code="",
        detail="",
        held="",
    )


def _held(split: SplitState, reasons: tuple[tuple[int, str], ...]) -> SplitState:
    reason = next((reason for number, reason in reasons if number == split.number), split.held)
    return replace(split, held=reason)


def _moved(
    splits: tuple[SplitState, ...], number: int, revision: int, price: Price, step: WalkStep | None
) -> tuple[SplitState, ...]:
    return tuple(
        [
            SplitState(
                number=split.number,
                level=split.level,
                start=split.start,
                count=split.count,
                price=price,
                walks=split.walks if step is None else (*split.walks, step),
                revisions=max(split.revisions, revision + 1),
                refusals=split.refusals,
                deferrals=split.deferrals,
                paused=split.paused,
                refused_at=split.refused_at,
                code=split.code,
                detail=split.detail,
                held=split.held,
            )
            if split.number == number
            else split
            for split in splits
        ]
    )


def _placing_step(state: State, fact: PlaceIntended) -> WalkStep | None:
    """Return the walk that placing a walker's split above its price is: moving without a working order counts too."""
    if state.algorithm is not Algorithm.DYNAMIC_DEPTH_WALKER:
        return None
    old = next((split.price for split in state.splits if split.number == fact.key.split), fact.price)
    return WalkStep(fact.at, old, fact.price, 0, fact.reason) if fact.price > old else None


def _welcomed(state: State, number: int) -> State:
    """Return the state with a split's refusals and deferrals forgotten: only those in a row count."""
    splits = tuple(
        replace(split, refusals=0, deferrals=0, paused=False) if split.number == number else split
        for split in state.splits
    )
    return replace(state, splits=splits)


def _refused_split(state: State, fact: Refused) -> State:
    if fact.kind not in {Kind.PLACE, Kind.AMEND}:
        return state
    splits = tuple(
        replace(
            split,
            refusals=split.refusals + 1,
            deferrals=0,
            paused=False,
            refused_at=fact.at,
            code=fact.code,
            detail=fact.detail,
        )
        if split.number == fact.key.split
        else split
        for split in state.splits
    )
    return replace(state, splits=splits)


def _deferred_split(state: State, fact: Deferred) -> State:
    if fact.kind not in {Kind.PLACE, Kind.AMEND}:
        return state
    splits = tuple(
        replace(
            split,
            deferrals=split.deferrals + 1,
            paused=fact.paused,
            refused_at=fact.at,
            code="",
            detail=fact.reason,
        )
        if split.number == fact.key.split
        else split
        for split in state.splits
    )
    return replace(state, splits=splits)


def _order(state: State, key: OrderKey) -> Order | None:
    return next((order for order in state.orders if order.key == key), None)


def _with(state: State, key: OrderKey, change: Callable[[Order], Order]) -> State:
    orders = tuple([change(order) if order.key == key else order for order in state.orders])
    return _at_work(state, state.splits, orders, state.calls, state.momentum)


def _called(state: State) -> State:
    return replace(state, calls=state.calls + 1)


def _adopt(state: State, told: tuple[Fill, ...]) -> State:
    """Book those of the fills told whose order id is known; the rest go on waiting for theirs."""
    known = {order.order_id for order in state.orders if order.order_id}
    ours = [fill for fill in told if fill.order_id in known]
    if not ours:
        return replace(state, strays=told)
    instants = [fill.at for fill in ours]
    return replace(
        state,
        orders=tuple([_booked(order, ours) for order in state.orders]),
        strays=tuple([fill for fill in told if fill.order_id not in known]),
        first_fill_at=min((state.first_fill_at, *instants) if state.first_fill_at else instants),
        last_fill_at=max(state.last_fill_at, *instants),
    )


def _booked(order: Order, fills: list[Fill]) -> Order:
    return reduce(ledger.itemise, [fill for fill in fills if fill.order_id == order.order_id], order)


def _once(strays: tuple[Fill, ...], fill: Fill) -> tuple[Fill, ...]:
    known = any(stray.order_id == fill.order_id and stray.trade_id == fill.trade_id for stray in strays)
    return strays if known else (*strays, fill)


def _freed(order: Order, kind: Kind) -> Order:
    """Return the order with the request of this kind no longer under way."""
    return replace(order, request=None) if order.request is not None and order.request.kind is kind else order


def _resumed(state: State, at: Micros) -> State:
    """Return the state as its journal leaves it to a clock that may be behind the one it was written by.

    An instant that is waited on must not lie in the future: what is due some time after it would be due that much later. A
    parent that would begin in the future was begun by a clock that was fast, so all its instants are late.
    """
    return replace(
        state,
        parent=shifted(state.parent, min(0, at - state.parent.started)),
        splits=tuple(replace(part, refused_at=min(part.refused_at, at)) for part in state.splits),
        orders=tuple(_interrupted(order, at) for order in state.orders),
        ticked_at=min(state.ticked_at, at),
        looking=False,
        looked_at=min(state.looked_at, at),
        read_at=min(state.read_at, at),
        over_at=min(state.over_at, at),
    )


def _interrupted(order: Order, at: Micros) -> Order:
    """Return the order as its journal leaves it: what was under way is unknown, and what it did since is to be read."""
    left = order if order.request is None else _unknown(order, order.request.kind, at)
    past = replace(
        left,
        since=min(left.since, at),
        troubled_at=min(left.troubled_at, at),
        placed_at=min(left.placed_at, at),
        closed_at=min(left.closed_at, at),
    )
    return replace(past, doubt=True, troubled_at=at) if past.phase is Phase.LIVE else past


def _troubled(order: Order, at: Micros) -> Order:
    return replace(order, troubles=order.troubles + 1, troubled_at=at)


def _amending(order: Order, fact: AmendIntended) -> Order:
    if order.phase is Phase.CLOSED:
        return order
    request = Request(Kind.AMEND, fact.revision, fact.price, fact.total, fact.ahead, fact.at)
    return replace(order, request=request, exposed=max(order.exposed, fact.total))


def _requesting(order: Order, kind: Kind, at: Micros) -> Order:
    if order.phase is Phase.CLOSED:
        return order
    request = Request(kind, order.revision, order.price, order.total, order.ahead, at)
    return replace(order, request=request, cancels=order.cancels + (kind is Kind.CANCEL))


def _accepted(order: Order, fact: Accepted) -> Order:
    freed = ledger.raise_floor(_freed(_freed(order, Kind.PLACE), Kind.CLAIM), fact.filled)
    known = replace(freed, order_id=fact.order_id, troubles=0)
    if known.phase is Phase.CLOSED:
        return known
    # An order that took, or that is full, has ended at the exchange; its own record has to say so.
    ended = known.style is Style.TAKE or ledger.full(known)
    return replace(known, phase=Phase.LIVE, doubt=known.doubt or ended, troubled_at=fact.at)


def _amended(order: Order, fact: Amended) -> Order:
    request, told = order.request, ledger.raise_floor(order, fact.filled)
    if request is None or request.kind is not Kind.AMEND or request.revision != fact.revision:
        return told
    freed = _freed(told, Kind.AMEND)
    return replace(
        freed,
        revision=fact.revision,
        price=request.price,
        left=order.price,
        total=request.total,
        exposed=freed.exposed if freed.loose else request.total,
        ahead=request.ahead,
        since=fact.at,
        troubles=0,
        doubt=freed.doubt or bool(fact.filled) or ledger.full(freed),
    )


def _acknowledged(order: Order, at: Micros) -> Order:
    return replace(_freed(order, Kind.CANCEL), doubt=order.phase is not Phase.CLOSED, troubles=0, troubled_at=at)


def _burned(order: Order, fact: Burned) -> Order:
    known = ledger.raise_floor(replace(order, order_id=order.order_id or fact.order_id), fact.filled)
    return ledger.close(known, Ending.BURNED, fact.at)


def _duplicated(order: Order, at: Micros) -> Order:
    if order.phase not in {Phase.SENT, Phase.UNKNOWN}:
        return replace(order, request=None)
    return replace(order, request=None, phase=Phase.DUPLICATE, doubt=True, troubled_at=at)


def _refused(order: Order, kind: Kind, at: Micros) -> Order:
    freed = _freed(order, kind)
    match kind:
        case Kind.PLACE:
            return ledger.close(freed, Ending.REFUSED, at) if freed.phase is Phase.SENT else freed
        case Kind.AMEND:
            return _troubled(replace(_unamended(freed), doubt=freed.phase is not Phase.CLOSED), at)
        case Kind.CANCEL:
            return _troubled(replace(freed, doubt=freed.phase is not Phase.CLOSED), at)
        case Kind.CLAIM | Kind.BURN:
            # A refused resend tells nothing of the original: it still counts as accepted.
            return _troubled(freed, at)
        case _ as never:
            assert_never(never)


def _deferred(order: Order, kind: Kind, at: Micros) -> Order:
    freed = _freed(order, kind)
    match kind:
        case Kind.PLACE:
            return ledger.close(freed, Ending.REFUSED, at) if freed.phase is Phase.SENT else freed
        case Kind.AMEND:
            return _troubled(_unamended(freed), at)
        case Kind.CANCEL | Kind.CLAIM | Kind.BURN:
            return _troubled(freed, at)
        case _ as never:
            assert_never(never)


def _unknown(order: Order, kind: Kind, at: Micros) -> Order:
    freed = _troubled(_freed(order, kind), at)
    if freed.phase is Phase.CLOSED:
        return freed
    match kind:
        case Kind.PLACE:
            return replace(freed, phase=Phase.UNKNOWN) if freed.phase is Phase.SENT else freed
        case Kind.AMEND:
            return replace(freed, loose=True, doubt=True)
        case Kind.CANCEL:
            return replace(freed, doubt=True)
        case Kind.CLAIM | Kind.BURN:
            return freed
        case _ as never:
            assert_never(never)


def _unamended(order: Order) -> Order:
    """Return the order with an amend that never took effect no longer counted."""
    return order if order.loose else replace(order, exposed=order.total)


def _observed(order: Order, fact: Observed) -> Order:
    # The record goes by our client id, so it also corrects an acknowledgement that described another order.
    known = ledger.raise_floor(replace(order, order_id=fact.order_id), fact.filled)
    match fact.status:
        case OrderStatus.EXECUTED:
            return _ended(known, Ending.EXECUTED, fact.at)
        case OrderStatus.CANCELED:
            return _ended(known, Ending.CANCELED, fact.at)
        case OrderStatus.RESTING:
            return _resting(known, fact)
        case _ as never:
            assert_never(never)


def _ended(order: Order, ending: Ending, at: Micros) -> Order:
    """Return the order closed as its own record says, also where it was reported as refused."""
    return replace(order, ending=ending) if order.ending is Ending.REFUSED else ledger.close(order, ending, at)


def _resting(order: Order, fact: Observed) -> Order:
    """Take in a record that says the order works; reads lag writes, so an older revision changes no price or total."""
    # Refused is the one end that no record has shown: what its own record shows at rest was accepted all the same.
    if order.phase is Phase.CLOSED and order.ending is not Ending.REFUSED:
        return order
    live = replace(order, phase=Phase.LIVE, ending=Ending.OPEN, closed_at=_ZERO, doubt=False)
    if fact.revision < order.revision or order.request is not None:
        return live
    total = Count(fact.filled + fact.remaining)
    exposed = max(live.exposed, total) if live.loose else total
    return replace(live, revision=fact.revision, price=fact.price, total=total, exposed=exposed, troubles=0)
