"""What an account had at an exchange that died, as whoever traded there knows it: its orders are over, and their fills stand.

A paper exchange has its books in memory alone. One that begins where another died learns them from the journals of its
users, so that what they ask about is answered as before. What no journal tells never happened: nobody heard of it.
"""

from collections.abc import Iterable

from depthwalker.core.answer import recorded
from depthwalker.core.execution import State
from depthwalker.core.fees import estimate
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Fill, Order, Style, filled, full
from depthwalker.core.pit import SelfTrade
from depthwalker.core.reports import Ended, EndReason
from depthwalker.core.units import Count, Micros
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.ledger import Kept


def inherit(exchange: Exchange, account: str, state: State, fills: Iterable[Fill]) -> None:
    """Book an execution's orders, cancelled, with the fills that its journal tells; its market is listed."""
    told = tuple(fills)
    for order in state.orders:
        if order.order_id:
            _inherit(exchange, account, state, order, [fill for fill in told if fill.order_id == order.order_id])


def _inherit(exchange: Exchange, account: str, state: State, order: Order, fills: list[Fill]) -> None:
    ledger, parent, now = exchange.ledgers[account], state.parent, exchange.clock.now()
    first, last = (
        ClientId(parent.installation, parent.execution, order.key.split, revision).text()
        for revision in (order.key.birth, order.revision)
    )
    ledger.open(
        Kept(
            serial=next(exchange.serials),
            order_id=order.order_id,
            client_order_id=first,
            ticker=parent.ticker,
            leg=parent.leg,
            price=order.price,
            initial=order.total,
            remaining=order.total,
            created=order.placed_at,
            updated=order.placed_at,
            self_trade=SelfTrade.TAKER_AT_CROSS,
        )
    )
    ledger.rename(order.order_id, last)
    for fill in (*fills, *_untold(exchange, state, order, now)):
        ledger.match(recorded(fill, parent.ticker, parent.leg))
    lapsed = Count(order.total - filled(order))
    reason = EndReason.FILLED if full(order) else EndReason.CANCELED
    ended = Ended(order.order_id, account, parent.leg, order.price, reason, filled(order), lapsed, rested=False)
    ledger.end(ended, now)


def _untold(exchange: Exchange, state: State, order: Order, now: Micros) -> tuple[Fill, ...]:
    """Return the fill that a cumulative figure told and no record: at the order's own price, so as it was at the worst."""
    count = Count(filled(order) - order.itemised)
    if count <= 0:
        return ()
    rates, taker = exchange.floors[state.parent.ticker].pit.rules.rates, order.style is Style.TAKE
    fee = estimate(rates, taker, order.price, count, exchange.precision)
    return (Fill(order.order_id, exchange.new_id(), order.price, count, fee, taker, now),)
