"""Desired quotes and the ledger in, order commands out: races, partial fills and unknown outcomes are handled here, once.

A split has at most one order that is not closed, unless one reported as refused was accepted after all, and an order at most
one mutation under way. An order whose outcome or record is in doubt is looked up before anything else happens to it; only its
cancel also goes out while orders cannot be read. New exposure is taken on only out of headroom: the parent's count less what every order out may still fill
(invariant 1). No order is placed at or amended to a price at which it would meet one of the same account.
"""

from dataclasses import replace
from typing import Final

from depthwalker.core.command import Amend, Burn, Cancel, Claim, Command, Lapse, Lookup, Passed, Place, woken
from depthwalker.core.execution import SplitState, State, open_order, split_filled, total_exposure
from depthwalker.core.ledger import Order, OrderKey, Phase, Style, filled, full, settled
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Quote
from depthwalker.core.siblings import meets_own, short_of_own
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.core.view import View, queue_at

BACKOFF: Final = Micros(SECOND // 4)
LONGEST_BACKOFF: Final = Micros(4 * SECOND)
LONGEST_PAUSE: Final = Micros(32 * SECOND)  # between tries in a pause, which may last for hours (fact sheet, section 9)
REREAD: Final = Micros(SECOND // 2)  # reads lag writes by a few hundred milliseconds (fact sheet, section 5.3)
BURST: Final = Micros(4 * SECOND)
READ_LAG: Final = Micros(10 * SECOND)  # after which a read shows whatever came before, with much room to spare
CLOSED_RETRY: Final = Micros(60 * SECOND)  # a market that is not open answers no burn, for minutes or for hours
RECANCEL: Final = Micros(2 * SECOND)
OVERDUE: Final = Micros(SECOND)  # of a look at our orders, which can wait for the rate budget


def reconcile(
    state: State, view: View, policy: Policy, quotes: tuple[Quote, ...], lookup_at: Micros
) -> tuple[Command, ...]:
    """Return what to place, amend, cancel, claim, burn and look up so that exactly the quotes are working.

    `lookup_at` is what `lookup_due` says.
    """
    headroom = state.parent.count - total_exposure(state)
    commands: list[Command] = []
    for part in state.splits:
        quote = next((_allowed(quote, state, view) for quote in quotes if quote.split == part.number), None)
        out = [order for order in state.orders if order.key.split == part.number and order.phase is not Phase.CLOSED]
        if out:
            for order in out:
                # A cancel is seen through, though what it gave way to is gone: nothing else goes out about such an order.
                goes = (
                    order.cancels
                    or _superfluous(order, part, state)
                    or (view.own_waits and _gives_way(quote, state, view))
                )
                wanted = None if goes else quote
                commands.extend(_keep(order, wanted, part, state, view, policy))
        elif quote is not None:
            placed = _place(part, quote, headroom, state, view, policy)
            commands.extend(placed)
            headroom -= sum(place.count for place in placed)
    if not state.looking and lookup_at <= view.now:
        commands.append(Lookup())
    return tuple(commands)


def opposed(state: State, view: View, quotes: tuple[Quote, ...]) -> tuple[int, ...]:
    """Return the splits that are not placed or moved as wanted because an order of the account stands against that."""
    return tuple([quote.split for quote in quotes if _opposed(_allowed(quote, state, view), state, view)])


def stays(state: State, split: int, price: Price) -> bool:
    """Return whether a split's order is at this price already."""
    working = open_order(state, split)
    return working is not None and working.price == price


def passed_by(state: State) -> tuple[Passed, ...]:
    """Return what would say that a resting order has been filled since orders were last read."""
    live = [order for order in state.orders if order.phase is Phase.LIVE]
    return tuple([Passed(order.key.split, filled(order), state.looked_at) for order in live])


def lookup_due(state: State, view: View, policy: Policy) -> Micros:
    """Return when orders and fills have to be read next; far away when nothing is out."""
    unclear = resting = lapsing = False
    for order in state.orders:
        if _lapsing(order, state):
            lapsing = True
        elif _unclear(order) or _stuck(order):
            if order.troubled_at > state.looked_at:
                return Micros(0)
            unclear = unclear or not _stuck(order)
        resting = resting or order.phase is Phase.LIVE or _unburnable(order, state, view)
    soon = backoff(state.look_failures, REREAD)
    if unclear:
        return Micros(state.looked_at + soon)
    if woken(passed_by(state), view):
        # Trades at our price come in bursts, and what they filled changes nothing before the next tick.
        pause = min(policy.config.walker.walk_interval, BURST)
        if state.calls >= policy.sparing_from and not state.winding:
            pause = policy.lookup_every  # no price is moved any more until the rest is taken, whatever was filled
        return Micros(state.looked_at + max(soon, pause))
    if lapsing:
        return Micros(max(state.over_at + READ_LAG, state.looked_at + soon))
    if resting:
        return Micros((state.looked_at or state.parent.started) + policy.lookup_every)
    return Micros(state.parent.expires * 2)


def backoff(troubles: int, base: Micros = BACKOFF, longest: Micros = LONGEST_BACKOFF) -> Micros:
    """Return how long to wait after so many troubles in a row: doubling, at most `longest`."""
    return Micros(min(longest, base << min(troubles, 8)))


def retry_at(order: Order) -> Micros:
    """Return when an order that had trouble may be tried again."""
    return Micros(order.troubled_at + backoff(order.troubles)) if order.troubles else Micros(0)


def replace_at(state: State, part: SplitState) -> Micros:
    """Return when a split whose last order was refused, did not reach the matching or took nothing may place or amend again."""
    longest = LONGEST_PAUSE if part.paused else LONGEST_BACKOFF
    wait = max(backoff(part.refusals + 1), backoff(part.deferrals, longest=longest))
    refused = Micros(part.refused_at + wait) if part.refused_at else Micros(0)
    vain, closed_at = 0, 0
    for order in reversed(state.orders):
        if order.key.split == part.number:
            if not _took_nothing(order):
                break
            vain, closed_at = vain + 1, closed_at or order.closed_at
    return Micros(max(refused, closed_at + backoff(vain))) if vain else refused


def unproven(order: Order) -> bool:
    """Return whether its record alone can tell what became of an order; one that is shown working is proven for now."""
    if order.phase is Phase.LIVE:
        return order.doubt or full(order)
    return order.phase in {Phase.UNKNOWN, Phase.DUPLICATE}


def look_overdue_at(state: State) -> Micros:
    """Return when a look at our orders that is under way has taken so long that no cancel waits for it any more."""
    return Micros(state.asked_at + OVERDUE)


def _overdue(state: State, view: View) -> bool:
    return state.looking and view.now >= look_overdue_at(state)


def _lapsing(order: Order, state: State) -> bool:
    return order.phase is Phase.UNKNOWN and state.over_at > 0


def _gone(order: Order, state: State) -> bool:
    """Return whether orders that were read long enough after the market was over do not show an order."""
    if not unproven(order) or not state.over_at:
        return False
    return state.read_at >= state.over_at + READ_LAG and state.read_at > order.troubled_at


def _unburnable(order: Order, state: State, view: View) -> bool:
    """Return whether no price of the grid in force is under the cap: only the list can show such an order, to be cancelled."""
    return order.phase is Phase.UNKNOWN and view.conditions.grid.lowest() > state.cap


def _took_nothing(order: Order) -> bool:
    return order.phase is Phase.CLOSED and order.style is Style.TAKE and not filled(order)


def _unclear(order: Order) -> bool:
    if order.phase is Phase.CLOSED:
        return not settled(order)
    return order.doubt or order.phase is Phase.DUPLICATE or (order.phase is Phase.LIVE and _ended(order))


def _ended(order: Order) -> bool:
    """Return whether a live order should be over at the exchange: full, or its cancel acknowledged."""
    return full(order) or (order.cancels > 0 and not order.troubles and order.request is None)


def _stuck(order: Order) -> bool:
    """Return whether an order's outcome stays unknown although it was asked for: the list may show what no answer does."""
    return order.phase is Phase.UNKNOWN and order.troubles > 2


def _place(
    part: SplitState, quote: Quote, headroom: int, state: State, view: View, policy: Policy
) -> tuple[Place, ...]:
    """Return the order for what the split has unfilled, or nothing while it must wait.

    A second order waits for a book read after the first one closed: the first may have taken what the old book shows.
    """
    count = Count(part.count - split_filled(state, part.number))
    closed_at = max((order.closed_at for order in state.orders if order.key.split == part.number), default=Micros(0))
    price = state.grid.floor(quote.price)
    if count <= 0 or count > headroom or price is None:
        return ()
    if view.now < replace_at(state, part) or view.book_at <= closed_at or view.trouble(policy.stale_after):
        return ()
    if not view.conditions.open or _crosses(price, quote.style, view):
        return ()
    key = OrderKey(part.number, part.revisions)
    return (Place(key, price, count, quote.style, queue_at(view.ladders.queue, price), quote.reason),)


def _keep(
    order: Order, quote: Quote | None, part: SplitState, state: State, view: View, policy: Policy
) -> tuple[Command, ...]:
    if order.request is not None or view.now < retry_at(order):
        return ()
    if _gone(order, state):
        return (Lapse(order.key),)
    if _lapsing(order, state):
        return ()
    if order.phase is Phase.UNKNOWN:
        if not view.conditions.open and _stuck(order) and view.now < order.troubled_at + CLOSED_RETRY:
            return ()
        wanted = quote is not None and quote.price == order.price and state.grid.valid(order.price)
        if wanted and order.troubles <= 1:
            return (Claim(order.key, order.price, order.total, order.style),)
        return () if _unburnable(order, state, view) else (Burn(order.key, view.conditions.grid.lowest()),)
    if order.phase is not Phase.LIVE or full(order):
        return ()
    # A cancel needs the order's id alone and can only lessen its exposure: it waits for no record that cannot be read, or not yet.
    if order.doubt and not (quote is None and (state.look_failures or _overdue(state, view))):
        return ()
    if quote is None:
        again = order.cancels == 0 or order.troubles > 0 or view.now >= order.troubled_at + RECANCEL
        return (Cancel(order.key, order.order_id),) if again else ()
    return _amend(order, quote, part, state, view, policy)


def _amend(
    order: Order, quote: Quote, part: SplitState, state: State, view: View, policy: Policy
) -> tuple[Command, ...]:
    """Return the change of price that a quote wants of a live order; its total stays, so its exposure does too."""
    if quote.price == order.price:
        return ()
    # An order's owner may have made it larger than is wanted: an amend would ask for that anew.
    if total_exposure(state) > state.parent.count:
        return ()
    if not state.grid.valid(quote.price) or view.now < replace_at(state, part) or view.book_at <= part.refused_at:
        return ()
    if view.trouble(policy.stale_after) or not view.conditions.open or _crosses(quote.price, quote.style, view):
        return ()
    return (
        Amend(
            key=order.key,
            order_id=order.order_id,
            current=order.revision,
            revision=part.revisions,
            price=quote.price,
            total=order.total,
            style=quote.style,
            ahead=queue_at(view.ladders.queue, quote.price),
            walk=quote.walk,
            momentum=quote.momentum,
            reason=quote.reason,
        ),
    )


def _superfluous(order: Order, part: SplitState, state: State) -> bool:
    """Return whether this order is one too many, because one reported as refused was accepted after all.

    The earlier of the two goes, whatever is wanted: amended to a later revision, its records would be taken for the later one's.
    The later one goes too while the earlier is out, or has filled so much that less is left than it asks for.
    """
    others = [one for one in state.orders if one.key.split == part.number and one is not order]
    if any(one.key.birth > order.key.birth or one.phase is not Phase.CLOSED for one in others):
        return True
    taken = sum([filled(one) for one in others])
    return taken > 0 and taken + order.total > part.count


def _allowed(quote: Quote, state: State, view: View) -> Quote:
    """Return the quote at the cap where it is above: whatever an algorithm wants, and though the cap has come down meanwhile.

    One that takes comes short of the account's own orders, too, where that takes anything.
    """
    capped = quote if quote.price <= state.cap else replace(quote, price=state.cap)
    return capped if view.own_offer is None else short_of_own(capped, state.grid, view)


def _opposed(quote: Quote, state: State, view: View) -> bool:
    price = state.grid.floor(quote.price)
    return price is not None and meets_own(price, quote.style, view) and not stays(state, quote.split, price)


def _gives_way(quote: Quote | None, state: State, view: View) -> bool:
    """Return whether a split that wants to take, but must not, holds up another execution of the account by what it has at rest."""
    if quote is None or quote.style is Style.REST:
        return False
    return _opposed(quote, state, view)


def _crosses(price: Price, style: Style, view: View) -> bool:
    """Return whether an order would meet one of the account's own, or, should it rest, an offer in this book."""
    if meets_own(price, style, view):
        return True
    offer = view.best_offer()
    return style is Style.REST and offer is not None and price >= offer
