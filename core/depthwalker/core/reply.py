"""Turns what came back from the exchange into the facts that it is; no judgement, one function a kind of request."""

from typing import Final, assert_never

from depthwalker.core.answer import Ack, CancelAck, FillRecord, NotApplied, OrderRecord, Rejected, Trouble, Unknown
from depthwalker.core.execution import State
from depthwalker.core.fact import (
    Accepted,
    Amended,
    Burned,
    CancelAcknowledged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    LookedUp,
    Observed,
    OutcomeUnknown,
    Refused,
)
from depthwalker.core.ids import ClientId, parse_client_id
from depthwalker.core.ledger import Kind, Order, OrderKey, Phase
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import Count, Micros

DUPLICATE: Final = "order_already_exists"
UNAUTHENTICATED: Final = (401, 403)


def create_reply(key: OrderKey, kind: Kind, outcome: Outcome[Ack, Trouble], at: Micros) -> Fact:
    """Return what a create, a claim or a burn came to."""
    match outcome:
        case Success(ack):
            if kind is Kind.BURN:
                return Burned(key, ack.order_id, ack.filled or Count(0), at)
            return Accepted(key, ack.order_id, ack.filled, at)
        case Failure(Rejected(_, code, _)) if code == DUPLICATE:
            return Duplicated(key, at)
        case Failure(trouble):
            return _trouble(key, kind, trouble, at)
        case _ as never:
            assert_never(never)


def amend_reply(key: OrderKey, revision: int, outcome: Outcome[Ack, Trouble], at: Micros) -> Fact:
    """Return what an amend came to."""
    match outcome:
        case Success(ack):
            return Amended(key, revision, ack.filled, at)
        case Failure(trouble):
            return _trouble(key, Kind.AMEND, trouble, at)
        case _ as never:
            assert_never(never)


def cancel_reply(key: OrderKey, outcome: Outcome[CancelAck, Trouble], at: Micros) -> Fact:
    """Return what a cancel came to; a 404 is a refusal like any other, and closes nothing."""
    match outcome:
        case Success():
            return CancelAcknowledged(key, at)
        case Failure(trouble):
            return _trouble(key, Kind.CANCEL, trouble, at)
        case _ as never:
            assert_never(never)


def lookup_reply(
    state: State,
    orders: Outcome[tuple[OrderRecord, ...], Trouble],
    fills: Outcome[tuple[FillRecord, ...], Trouble] | None,
    at: Micros,
) -> tuple[Fact, ...]:
    """Return what reading orders, and fills unless they were not due (None), told about this execution.

    A record is ours only if its id, ticker and leg agree (DESIGN section 4).
    """
    reads = 1 if fills is None else 2
    match orders:
        case Success(records):
            observed = tuple(fact for record in records for fact in observations(state, record, at))
            return (*_itemised(state, observed, fills, at), LookedUp(_failure(fills), at, reads))
        case Failure(trouble):
            return (LookedUp(describe(trouble), at, reads),)
        case _ as never:
            assert_never(never)


def describe(trouble: Trouble) -> str:
    """Return a trouble in one line."""
    match trouble:
        case Rejected(status, code, detail):
            return f"{status} {code}{': ' if detail else ''}{detail}"
        case NotApplied(reason) | Unknown(reason):
            return reason or "no reason given"
        case _ as never:
            assert_never(never)


def itemisation_due(state: State, orders: Outcome[tuple[OrderRecord, ...], Trouble]) -> bool:
    """Return whether fills have to be read: some order's cumulative figure is ahead of its itemised fills.

    Of an order that is not shown after its market was over, fills alone still tell.
    """
    match orders:
        case Failure():
            return False
        case Success(records):
            shown = {record.order_id for record in records}
            return (
                any(order.floor > order.itemised for order in state.orders)
                or any(_unbooked(state, record) for record in records if _named(state, record) is not None)
                or any(_vanished(state, order, shown) for order in state.orders)
            )
        case _ as never:
            assert_never(never)


def _vanished(state: State, order: Order, shown: set[str]) -> bool:
    return state.over_at > 0 and order.phase is Phase.LIVE and order.order_id not in shown


def _unbooked(state: State, record: OrderRecord) -> bool:
    booked = sum(order.itemised for order in state.orders if order.order_id == record.order_id)
    return record.filled > booked


def _named(state: State, record: OrderRecord) -> tuple[OrderKey, int] | None:
    """Return the order that a record is of, and its revision there.

    A client id of ours names the one of its split with the latest birth not after the revision. Whoever else amends an
    order may give it an id of his own; then its order id, which stays, names it.
    """
    identity = parse_client_id(record.client_order_id)
    if identity is None:
        known = [order for order in state.orders if order.order_id == record.order_id != ""]
        return (known[0].key, known[0].revision) if known else None
    key = bearer(state, identity) if is_ours(state, identity) else None
    return None if key is None else (key, identity.revision)


def is_ours(state: State, identity: ClientId) -> bool:
    """Return whether a client id is of this execution."""
    return (identity.execution, identity.installation) == (state.parent.execution, state.parent.installation)


def bearer(state: State, identity: ClientId) -> OrderKey | None:
    """Return the order of this execution that bears one of its client ids, or bore it before an amend."""
    births = [
        order.key.birth
        for order in state.orders
        if order.key.split == identity.split and order.key.birth <= identity.revision
    ]
    return OrderKey(identity.split, max(births)) if births else None


def observations(state: State, record: OrderRecord, at: Micros) -> tuple[Observed, ...]:
    """Return what an order's record tells of this execution: nothing where it is of another order."""
    named = _named(state, record)
    if named is None or record.ticker != state.parent.ticker or record.leg is not state.parent.leg:
        return ()
    key, revision = named
    return (
        Observed(
            key=key,
            order_id=record.order_id,
            revision=revision,
            status=record.status,
            price=record.price,
            filled=record.filled,
            remaining=record.remaining,
            at=at,
        ),
    )


def _itemised(
    state: State,
    observed: tuple[Observed, ...],
    fills: Outcome[tuple[FillRecord, ...], Trouble] | None,
    at: Micros,
) -> tuple[Fact, ...]:
    """Return the fills of our orders that are not booked yet, before the records that close the orders."""
    match fills:
        case Success(records):
            ours = {order.order_id for order in state.orders} | {fact.order_id for fact in observed}
            booked = {(order.order_id, trade) for order in state.orders for trade in order.trades}
            news = (r for r in records if r.order_id in ours and (r.order_id, r.trade_id) not in booked)
            return (*(Filled(record.fill(), at) for record in news), *observed)
        case Failure() | None:
            return observed
        case _ as never:
            assert_never(never)


def _failure(fills: Outcome[tuple[FillRecord, ...], Trouble] | None) -> str:
    match fills:
        case Success() | None:
            return ""
        case Failure(trouble):
            return describe(trouble)
        case _ as never:
            assert_never(never)


def _trouble(key: OrderKey, kind: Kind, trouble: Trouble, at: Micros) -> Fact:
    match trouble:
        case Rejected(status, _, _) if status in UNAUTHENTICATED and kind in {Kind.AMEND, Kind.CANCEL}:
            # The order rests as it did. In doubt it would have to be read first, by the same key, before its next cancel.
            return Deferred(key, kind, describe(trouble), at)
        case Rejected(_, code, detail):
            return Refused(key, kind, code, detail, at)
        case NotApplied(reason, paused):
            return Deferred(key, kind, reason, at, paused)
        case Unknown(reason):
            return OutcomeUnknown(key, kind, reason, at)
        case _ as never:
            assert_never(never)
