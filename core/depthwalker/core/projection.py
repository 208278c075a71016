"""What the tables show of an execution, as a pure function of its state.

Slippage is positive when the fill is worse than the target, for both actions. An average counts itemised fills only, so it
may lag the filled quantity until the execution is finished; value and count beside it are exact.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from depthwalker.core.budget import CANCEL_COST, CREATE_COST
from depthwalker.core.config import Algorithm
from depthwalker.core.depth import categorize
from depthwalker.core.execution import (
    SplitState,
    State,
    open_order,
    split_filled,
    total_cost,
    total_filled,
    total_walks,
)
from depthwalker.core.fact import Fact, Filled, Finished, Status
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Ending, Fill, Order, Phase, filled
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.policy import Policy
from depthwalker.core.quality import Shortfall, complete, shortfall
from depthwalker.core.row import (
    Bought,
    Entry,
    ExecutionRow,
    MetricsRow,
    OrderRow,
    Projection,
    SplitRow,
    SplitStatus,
    WalkerRow,
)
from depthwalker.core.units import DOLLAR, MILLION, Count, Micros, Money, Price, round_div

NOTHING: Final = Bought(Count(0), Money(0), Money(0), None)


def project(state: State) -> Projection:
    """Return the rows of an execution that was started."""
    policy = state.policy
    assert policy is not None
    row = _execution(state, policy)
    return Projection(
        ticket=state.parent.ticket,
        execution=row,
        walker=_walker(state, policy) if row.algorithm is Algorithm.DYNAMIC_DEPTH_WALKER else None,
        splits=tuple([_split(state, split) for split in state.splits]),
        orders=tuple([_order(state, order) for order in state.orders]),
        metrics=None if state.finished is None else _metrics(state, policy, row, state.finished),
    )


def told_fills(ticket: Ticket, facts: Iterable[Fact]) -> tuple[Fill, ...]:
    """Return the fills that facts tell, in the ticket's own outcome."""
    return tuple(replace(fact.fill, price=ticket.framed(fact.fill.price)) for fact in facts if isinstance(fact, Filled))


def own_fills(state: State, facts: tuple[Fact, ...]) -> tuple[Fill, ...]:
    """Return the fills of an execution's orders that its facts tell, in the price of the leg acquired.

    Each once, however often it is told, and as it was told first: so the books have it.
    """
    ours = {order.order_id for order in state.orders if order.order_id}
    told = [fact.fill for fact in reversed(facts) if isinstance(fact, Filled)]
    return tuple({(fill.order_id, fill.trade_id): fill for fill in told if fill.order_id in ours}.values())


def bought(ticket: Ticket, orders: Iterable[Order]) -> Bought:
    """Return what the itemised fills of orders come to."""
    taken = [order for order in orders if order.itemised]
    if not taken:
        return NOTHING
    count = Count(sum([order.itemised for order in taken]))
    cost = Money(sum([order.cost for order in taken]))
    fees = Money(sum([order.fees for order in taken]))
    return Bought(count, _worth(ticket, count, cost), fees, average(ticket, count, cost))


def average(ticket: Ticket, count: Count, cost: Money) -> Price:
    """Return the average price, in the ticket's own outcome, of contracts that cost so much in the leg acquired.

    It is rounded there: rounded in the leg, a half would go the other way for a sell.
    """
    return Price(round_div(_worth(ticket, count, cost), count))


def _worth(ticket: Ticket, count: Count, cost: Money) -> Money:
    return Money(cost if ticket.action is Action.BUY else DOLLAR * count - cost)


def slippage(ticket: Ticket, what: Bought) -> int | None:
    """Return how much worse than the target the fills are, in parts per million of it; negative is better."""
    wanted = ticket.target * what.count
    worse = what.value - wanted if ticket.action is Action.BUY else wanted - what.value
    return round_div(worse * MILLION, wanted) if wanted else None


def _execution(state: State, policy: Policy) -> ExecutionRow:
    parent, finished = state.parent, state.finished
    ending = state.winding if finished is None else finished.reason
    taken = total_filled(state)
    return ExecutionRow(
        status=Status.EXECUTING if finished is None else finished.status,
        algorithm=state.algorithm or policy.config.algorithm,
        reason=state.plan_reason,
        outcome=parent.ticket.outcome,
        action=parent.ticket.action,
        target=parent.ticket.target,
        cap=parent.ticket.framed(state.cap),
        count=parent.count,
        filled=taken,
        fill_rate=round_div(taken * MILLION, parent.count),
        bought=bought(parent.ticket, state.orders),
        policy=policy.config.walker.policy,
        policy_version=policy.version,
        started=parent.started,
        wind_down=parent.wind_down,
        deadline=parent.deadline,
        expires=parent.expires,
        completed=None if finished is None else finished.at,
        ending=ending,
        error=ending if finished is not None and finished.status is not Status.COMPLETED else "",
        arm=state.arm,
    )


def _walker(state: State, policy: Policy) -> WalkerRow:
    return WalkerRow(
        walks=total_walks(state),
        max_walks=policy.config.walker.max_walks,
        max_total_walks=policy.config.walker.max_total_walks,
        momentum=state.momentum,
        ema_slippage=None if state.arrival is None else state.arrival.conditions.ema_slippage,
        last_walk_at=max((step.at for split in state.splits for step in split.walks), default=None),
    )


def _split(state: State, split: SplitState) -> SplitRow:
    ticket = state.parent.ticket
    orders = tuple([order for order in state.orders if order.key.split == split.number])
    accepted = [order for order in orders if order.order_id]
    done = split_filled(state, split.number)
    status = _split_status(state, split, orders, done)
    over = status in {SplitStatus.FILLED, SplitStatus.CANCELLED, SplitStatus.FAILED}
    closed = max((order.closed_at for order in orders), default=state.wound_at)
    return SplitRow(
        level=split.level,
        order_id=accepted[-1].order_id if accepted else "",
        start=ticket.framed(split.start),
        price=ticket.framed(split.price),
        count=split.count,
        outcome=ticket.outcome,
        status=status,
        filled=done,
        bought=bought(ticket, orders),
        walks=tuple([replace(step, old=ticket.framed(step.old), new=ticket.framed(step.new)) for step in split.walks]),
        planned=state.parent.started,
        placed=accepted[0].placed_at if accepted else None,
        done=closed if over and closed else None,
        error=f"{split.code} {split.detail}".strip(),
    )


def _split_status(state: State, split: SplitState, orders: tuple[Order, ...], done: Count) -> SplitStatus:
    working = open_order(state, split.number)
    if done >= split.count:
        return SplitStatus.FILLED
    if working is None and (state.winding or state.finished is not None):
        refused = orders and all(order.ending is Ending.REFUSED for order in orders)
        return SplitStatus.FAILED if refused else SplitStatus.CANCELLED
    if done:
        return SplitStatus.PARTIAL
    accepted = working is not None and working.phase in {Phase.LIVE, Phase.DUPLICATE}
    return SplitStatus.PLACED if accepted else SplitStatus.PENDING


def _order(state: State, order: Order) -> OrderRow:
    parent = state.parent
    birth = ClientId(parent.installation, parent.execution, order.key.split, order.key.birth)
    return OrderRow(
        key=order.key,
        client_id=birth.text(),
        current_id=ClientId(parent.installation, parent.execution, order.key.split, order.revision).text(),
        order_id=order.order_id,
        revision=order.revision,
        style=order.style,
        outcome=parent.ticket.outcome,
        price=parent.ticket.framed(order.price),
        count=order.total,
        filled=filled(order),
        bought=bought(parent.ticket, (order,)),
        phase=order.phase,
        ending=order.ending,
        walk_reason=_walk_reason(state, order),
        placed=order.placed_at,
        closed=order.closed_at or None,
    )


def _walk_reason(state: State, order: Order) -> str:
    """Return why the order was last walked: the split's last walk while it was open."""
    reasons = [
        step.reason
        for split in state.splits
        if split.number == order.key.split
        for step in split.walks
        if order.placed_at <= step.at <= (order.closed_at or step.at)
    ]
    return reasons[-1] if reasons else ""


def _entry(state: State, policy: Policy) -> Entry | None:
    view = state.arrival
    if view is None:
        return None
    return Entry(
        volume=min(view.queue_near, view.offers_near),
        spread=view.ladders.spread(),
        liquidity=categorize(view.queue_near, view.offers_near, policy.thresholds),
    )


def _metrics(state: State, policy: Policy, row: ExecutionRow, finished: Finished) -> MetricsRow:
    ticket, started = state.parent.ticket, state.parent.started
    # The exchange's clock tells when a fill was, ours when we started: a fill is never earlier than that.
    last = _span(started, state.last_fill_at)
    return MetricsRow(
        outcome=ticket.outcome,
        action=ticket.action,
        target=ticket.target,
        count=row.count,
        filled=row.filled,
        fill_rate=row.fill_rate,
        bought=row.bought,
        slippage=slippage(ticket, row.bought),
        first_fill=_span(started, state.first_fill_at),
        last_fill=last,
        full_fill=last if row.filled >= row.count else None,
        total=Micros(max(0, finished.at - started)),
        algorithm=row.algorithm,
        walks=total_walks(state),
        splits=len(state.splits),
        momentum=state.momentum,
        entry=_entry(state, policy),
        calls=state.calls,
        tokens=state.calls * CREATE_COST - (CREATE_COST - CANCEL_COST) * sum(order.cancels for order in state.orders),
        shortfall=_shortfall(state),
        arm=state.arm,
        at=finished.at,
    )


def _shortfall(state: State) -> Shortfall | None:
    """Return what the parent cost, the unfilled rest taken from the book that the execution ended on."""
    first, last = state.arrival, state.latest
    twice_mid = None if first is None else first.ladders.twice_mid()
    if last is None or twice_mid is None:
        return None
    count, cost, fees = total_cost(state)
    left = Count(max(0, state.parent.count - count))
    rest = complete(last.ladders.offers, left, last.conditions.rates, state.grid.highest())
    sells = state.parent.ticket.action is Action.SELL
    return shortfall(Count(count + left), twice_mid, Money(cost + fees + rest), sells=sells)


def _span(start: Micros, end: Micros) -> Micros | None:
    return Micros(max(0, end - start)) if end else None
