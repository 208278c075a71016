"""The decider: all judgement of an execution, from its state, a view of the market, and a policy.

    decide(state, view, policy) -> what to do now, ending in the instant until which nothing changes by itself

It is called at the start, after every fact of its own execution, at the instant it asked for, and when a wake that it named
holds. It reads and never changes; the same state, view and policy give the same commands on any machine (invariant 8).
"""

from collections.abc import Callable
from typing import Final

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import production
from depthwalker.core.algorithms.tick import due
from depthwalker.core.answer import POST_ONLY_CROSS
from depthwalker.core.command import (
    Command,
    Finish,
    Fresh,
    Hold,
    MarkOver,
    OfferAt,
    Plan,
    Recap,
    Regrid,
    Tick,
    WaitUntil,
    Wake,
    WindDown,
    woken,
)
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import State, total_filled
from depthwalker.core.fact import FILLED, TIME_OUT, Status
from depthwalker.core.ledger import Phase, Style, settled
from depthwalker.core.parent import recap
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire
from depthwalker.core.reconcile import (
    RECANCEL,
    look_overdue_at,
    lookup_due,
    opposed,
    passed_by,
    reconcile,
    replace_at,
    retry_at,
    stays,
    unproven,
)
from depthwalker.core.routing import route
from depthwalker.core.siblings import AGAINST, as_tried, meets_own
from depthwalker.core.units import SECOND, Count, Micros, Price, format_count
from depthwalker.core.view import View

MOST_REFUSALS: Final = 3
PATIENCE: Final = Micros(4 * SECOND)  # the longest wait without a look
# Until a look whether the account's own order has gone, which no book tells.
OPPOSED_PATIENCE: Final = Micros(SECOND // 4)
FATAL: Final = frozenset(
    {"insufficient_balance", "available_balance_too_low", "market_not_found", "user_not_found", "MARKET_INACTIVE"}
)
TOO_DEAR: Final = "no price is within max_cost_per_contract with the fees as they are now"


def decide(
    state: State, view: View, policy: Policy, strategy_of: Callable[[Algorithm], Strategy] = production
) -> tuple[Command, ...]:
    """Return the commands that the situation calls for; nothing once the execution is finished.

    `strategy_of` is how each algorithm judges; the laboratory puts its opponents there.
    """
    if state.finished is not None:
        return ()
    if not state.winding:
        reason = _ending(state, view, policy)
        if reason:
            return (WindDown(reason),)
        if view.conditions.grid != state.grid:
            return (Regrid(view.conditions.grid),)
        cap = _recapped(state, view, policy)
        if cap is not None and cap != state.cap:
            return (Recap(cap),)
        if state.algorithm is None:
            return _plan(state, view, policy, strategy_of)
        return _work(state, as_tried(state, view), policy, strategy_of(state.algorithm))
    if any(unproven(order) for order in state.orders) and view.conditions.over and not state.over_at:
        return (MarkOver(),)
    lookup_at = lookup_due(state, view, policy)
    orders = reconcile(state, view, policy, (), lookup_at)
    if not orders and all(settled(order) for order in state.orders):
        return (_finish(state),)
    return (*orders, _wait(state, view, policy, (lookup_at,)))


def _work(state: State, view: View, policy: Policy, strategy: Strategy) -> tuple[Command, ...]:
    wanted = strategy.desire(state, view, policy)
    ticks = strategy.ticks and due(state, view, policy)
    against: tuple[int, ...] = () if view.own_offer is None else opposed(state, view, wanted.quotes)
    changed = _changed(state, view, wanted, against, ticks=ticks)
    if changed:
        return (Hold(changed),)
    lookup_at = lookup_due(state, view, policy)
    orders = reconcile(state, view, policy, wanted.quotes, lookup_at)
    tick = (Tick(_held(wanted, against)),) if ticks else ()
    again: tuple[Micros, ...] = (Micros(view.now + OPPOSED_PATIENCE),) if against else ()
    moments = (lookup_at, state.parent.wind_down, *again, *strategy.moments(state, view, policy))
    return (*tick, *orders, _wait(state, view, policy, moments))


def _changed(
    state: State, view: View, wanted: Desire, against: tuple[int, ...], *, ticks: bool
) -> tuple[tuple[int, str], ...]:
    """Return the splits that an order of the account newly stands against, and, without a reason, those it no longer does.

    Between two ticks a split that stays where it is counts as still held, as long as that order stands within the cap.
    """
    held = [part.number for part in state.splits if part.held == AGAINST]
    if not against and not held:
        return ()
    waits = not ticks and meets_own(state.cap, Style.REST, view)
    staying = [one.split for one in wanted.quotes if waits and stays(state, one.split, one.price)]
    begun = [(split, AGAINST) for split in against if split not in held]
    over = [(split, "") for split in held if split not in against and split not in staying]
    return (*begun, *over)


def _held(wanted: Desire, against: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    """Return why splits do not move: an order of the account that stands against one comes before its algorithm's reason."""
    if not against:
        return wanted.held
    others = tuple([(split, reason) for split, reason in wanted.held if split not in against])
    return (*others, *((split, AGAINST) for split in against))


def _ending(state: State, view: View, policy: Policy) -> str:
    """Return why the execution has to wind down now, or nothing."""
    if total_filled(state) >= state.parent.count:
        return FILLED
    if state.stop:
        return state.stop
    if view.now >= state.parent.wind_down:
        trouble = "" if state.splits else view.trouble(policy.stale_after)
        return f"{trouble} until the time-out" if trouble else TIME_OUT
    if not view.conditions.open:
        return "the market is not open any more"
    if _recapped(state, view, policy) is None:
        within_cap = view.conditions.grid.floor(state.parent.cap) is not None
        return TOO_DEAR if within_cap else "the market's new prices are all above the cap"
    for part in state.splits:
        if part.code in FATAL:
            return f"{part.code}: {part.detail}" if part.detail else part.code
        if part.refusals >= MOST_REFUSALS and part.code and part.detail != POST_ONLY_CROSS:
            return f"refused {part.refusals} times: {part.code} {part.detail}".rstrip()
    return ""


def _recapped(state: State, view: View, policy: Policy) -> Price | None:
    return recap(state.parent, view.conditions.grid, view.conditions.rates, policy.config.max_cost)


def _plan(
    state: State, view: View, policy: Policy, strategy_of: Callable[[Algorithm], Strategy]
) -> tuple[Command, ...]:
    trouble = view.trouble(policy.stale_after)
    if trouble:
        return (WaitUntil(min(Micros(view.now + PATIENCE), state.parent.wind_down), (Fresh(view.book_at),)),)
    way = route(policy.config, view, state.arm)
    reason = "; ".join((way.reason, *state.parent.notes))
    return (Plan(way.algorithm, reason, strategy_of(way.algorithm).plan(state, view, policy)),)


def _finish(state: State) -> Finish:
    filled = total_filled(state)
    share = f"{format_count(filled)} of {format_count(state.parent.count)} contracts; {state.winding}"
    if state.stop and state.winding == state.stop:
        return Finish(Status.CANCELLED, share)
    return Finish(Status.COMPLETED if filled else Status.FAILED, share)


def _wait(state: State, view: View, policy: Policy, moments: tuple[Micros, ...]) -> WaitUntil:
    """Return the next instant at which something can be due, strictly in the future."""
    due = [Micros(view.now + PATIENCE), *moments]
    due.extend(retry_at(order) for order in state.orders if order.phase is not Phase.CLOSED)
    due.extend(Micros(order.troubled_at + RECANCEL) for order in state.orders if order.cancels)
    due.extend(replace_at(state, part) for part in state.splits)
    if state.looking:
        due.append(look_overdue_at(state))
    return WaitUntil(min(instant for instant in due if instant > view.now), _wakes(state, view, policy))


def _wakes(state: State, view: View, policy: Policy) -> tuple[Wake, ...]:
    """Name what else is worth a decision: a book newer than what made this one useless, and a better offer."""
    if state.winding or not state.splits:
        return ()
    needed = max((*(order.closed_at for order in state.orders), *(part.refused_at for part in state.splits)))
    useless = needed >= view.book_at or view.trouble(policy.stale_after)
    offer = view.best_offer()
    better = state.grid.floor(state.cap if offer is None else min(state.cap, offer - 1))
    return (
        *((Fresh(max(view.book_at, needed)),) if useless else ()),
        *(() if better is None else (OfferAt(better, Count(1)),)),
        *(passed for passed in passed_by(state) if not view.passages or not woken((passed,), view)),
    )
