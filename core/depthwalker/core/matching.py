"""The exchange's matching: every verb takes a pit and returns the next one with the events that led there.

Values (`Pit`, `NewOrder`, `Rules` ...) and queries (`find`, `queue_ahead`, `book`, `with_rules`) are in `pit`, events and
`delta` in `reports`, the meeting of an order with the other side is in `crossing`, the crowd's verbs (`arrive`, `withdraw`, `take`, `seed`, `replace`) in `crowd`. Prices are those of the
leg acquired. Order ids are handed in, unique for ever; whether the market is open, who owns an order and what an account can
afford is for the caller to check first. Source: fact sheet, sections 5.2 to 5.7.
"""

from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.crossing import Step, enter, fillable
from depthwalker.core.pit import (
    NEVER,
    NewOrder,
    Order,
    Pit,
    TimeInForce,
    crosses,
    find,
    leave,
    stay,
    with_soonest,
)
from depthwalker.core.reports import Amended, EndReason, Refused, Withdrawn, ended
from depthwalker.core.units import Count, Micros, Price

NONE: Final = Count(0)


def submit(pit: Pit, order: NewOrder, now: Micros) -> Step:
    """Return the pit after a new order.

    Events: first `Ended(EXPIRED)` for what was due by `now`; then `Matched` for each maker (with `Ended(FILLED)` after the
    match that fills an account's maker); then one of `Rested` | `Ended`. Refusals: invalid_order_size, invalid_price,
    invalid_parameters (an expiry with IOC or FOK, or not after `now`) come alone: no record, the client order id stays
    free. A post-only cross (400 invalid_order) and a kill (409 fill_or_kill_insufficient_resting_volume) come as `Refused`
    and `Ended(POST_ONLY_CROSS | KILLED)`: the exchange keeps a canceled record and the client order id is burned.
    """
    pit, expired = expire(pit, now)
    refused = _refused_new(pit, order, now)
    if refused is not None:
        return pit, (*expired, refused)
    working = Order(
        order.order_id,
        order.account,
        order.leg,
        order.price,
        NONE,
        order.count,
        order.self_trade,
        order.expires,
        order.cancel_on_pause,
    )
    if order.post_only and crosses(pit, order.leg, order.price):
        crossed = Refused(order.order_id, 400, "invalid_order", "post only cross")
        return pit, (*expired, crossed, ended(working, EndReason.POST_ONLY_CROSS))
    if order.time_in_force is TimeInForce.FOK and not fillable(pit, working):
        killed = Refused(order.order_id, 409, "fill_or_kill_insufficient_resting_volume", "")
        return pit, (*expired, killed, ended(working, EndReason.KILLED))
    pit, events = enter(pit, working, order.time_in_force)
    return pit, expired + events


def amend(pit: Pit, order_id: str, price: Price, total: Count, now: Micros, expires: Micros | None = None) -> Step:
    """Return the pit after an amend to `total` contracts in all, what is filled included.

    `expires` None keeps the expiry, NEVER clears it. Events: `Amended`, then as `submit`; a total at or below what is filled
    gives `Ended(AMENDED)`. Refusals: not_found 404, invalid_order_size, invalid_price, invalid_parameters (an expiry not
    after `now`). A crossing amend takes at once, also of an order that was post-only.
    """
    pit, expired = expire(pit, now)
    order = find(pit, order_id)
    if order is None:
        return pit, (*expired, _not_found(order_id))
    until = order.expires if expires is None else expires
    refused = _refused_terms(pit, order_id, order.leg, price, total, until, now)
    if refused is not None:
        return pit, (*expired, refused)
    if total <= order.filled:
        return leave(pit, order), (*expired, ended(order, EndReason.AMENDED, rested=True))
    remaining = Count(total - order.filled)
    keeps = price == order.price and remaining <= order.remaining
    changed = _reworked(order, price, remaining, until)
    amended = Amended(
        order_id, order.account, order.leg, price, remaining, order.price, order.remaining, order.filled, until, keeps
    )
    if keeps:
        return stay(pit, order, changed), (*expired, amended)
    pit, events = enter(leave(pit, order), changed, TimeInForce.GTC)
    return pit, (*expired, amended, *events)


def decrease(pit: Pit, order_id: str, now: Micros, by: Count | None = None, to: Count | None = None) -> Step:
    """Return the pit after taking `by` off what remains, or lowering what remains to `to`: exactly one of the two.

    Never raises it. Events: `Amended` with its place kept, or `Ended(DECREASED)` where nothing remains. Refusals:
    not_found 404, invalid_parameters.
    """
    pit, expired = expire(pit, now)
    order = find(pit, order_id)
    if order is None:
        return pit, (*expired, _not_found(order_id))
    if by is not None and to is None and by > 0:
        remaining = Count(order.remaining - by)
    elif to is not None and by is None and to >= 0:
        remaining = Count(min(to, order.remaining))
    else:
        detail = "exactly one of reduce_by above 0 and reduce_to of at least 0"
        return pit, (*expired, Refused(order_id, 400, "invalid_parameters", detail))
    if remaining <= 0:
        return leave(pit, order), (*expired, ended(order, EndReason.DECREASED, rested=True))
    changed = _reworked(order, order.price, remaining, order.expires)
    amended = Amended(
        order_id,
        order.account,
        order.leg,
        order.price,
        remaining,
        order.price,
        order.remaining,
        order.filled,
        order.expires,
        kept_place=True,
    )
    return stay(pit, order, changed), (*expired, amended)


def cancel(pit: Pit, order_id: str, now: Micros) -> Step:
    """Return the pit without an order: `Ended(CANCELED)` with the count that lapsed, or `Refused` not_found 404."""
    pit, expired = expire(pit, now)
    order = find(pit, order_id)
    if order is None:
        return pit, (*expired, _not_found(order_id))
    return leave(pit, order), (*expired, ended(order, EndReason.CANCELED, rested=True))


def cancel_all(pit: Pit, account: str) -> Step:
    """Return the pit without the orders of an account: one `Ended(CANCELED)` each."""
    return _removed(pit, tuple(order for order in _owned(pit) if order.account == account), EndReason.CANCELED)


def expire(pit: Pit, now: Micros) -> Step:
    """Return the pit without the orders whose expiry is at or before `now`: one `Ended(EXPIRED)` each, earliest first."""
    if now < pit.soonest:
        return pit, ()
    owned = _owned(pit)
    due = tuple(order for order in owned if order.expires <= now)
    soonest = min((order.expires for order in owned if order.expires > now), default=NEVER)
    pit, events = _removed(pit, tuple(sorted(due, key=_expiry)), EndReason.EXPIRED)
    return with_soonest(pit, soonest), events


def pause(pit: Pit) -> Step:
    """Return the pit without the orders that asked to be cancelled on a pause: one `Ended(PAUSED)` each."""
    return _removed(pit, tuple(order for order in _owned(pit) if order.cancel_on_pause), EndReason.PAUSED)


def sweep(pit: Pit, reason: EndReason) -> Step:
    """Return the empty pit of a market that closes (CLOSED) or is reactivated (HALTED): `Ended` ours, `Withdrawn` the crowd."""
    orders = (order for side in (pit.yes, pit.no) for queue in side for order in queue.orders)
    events = tuple(
        ended(order, reason, rested=True) if order.account else Withdrawn(order.leg, order.price, order.remaining)
        for order in orders
    )
    return Pit(pit.rules, trades=pit.trades), events


def _reworked(order: Order, price: Price, remaining: Count, expires: Micros) -> Order:
    return Order(
        order.order_id,
        order.account,
        order.leg,
        price,
        order.filled,
        remaining,
        order.self_trade,
        expires,
        order.cancel_on_pause,
        order.roundings,
    )


def _owned(pit: Pit) -> tuple[Order, ...]:
    found = (find(pit, order_id) for order_id, _, _ in pit.places)
    return tuple(order for order in found if order is not None)


def _expiry(order: Order) -> tuple[Micros, str]:
    return order.expires, order.order_id


def _removed(pit: Pit, orders: tuple[Order, ...], reason: EndReason) -> Step:
    for order in orders:
        pit = leave(pit, order)
    return pit, tuple(ended(order, reason, rested=True) for order in orders)


def _not_found(order_id: str) -> Refused:
    return Refused(order_id, 404, "not_found", "")


def _refused_new(pit: Pit, order: NewOrder, now: Micros) -> Refused | None:
    if order.time_in_force is not TimeInForce.GTC and order.expires != NEVER:
        detail = "expiration_time only with good_till_canceled"
        return Refused(order.order_id, 400, "invalid_parameters", detail)
    return _refused_terms(pit, order.order_id, order.leg, order.price, order.count, order.expires, now)


def _refused_terms(
    pit: Pit, order_id: str, leg: Leg, price: Price, count: Count, expires: Micros, now: Micros
) -> Refused | None:
    if count <= 0:
        return Refused(order_id, 400, "invalid_order_size", "count must be above 0")
    if not pit.rules.grid.valid(leg.framed(price)):
        return Refused(order_id, 400, "invalid_price", "")
    if expires <= now:
        return Refused(order_id, 400, "invalid_parameters", "expiration_time must be in the future")
    return None
