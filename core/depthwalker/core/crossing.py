"""How an order meets the other side: best price first, first come first served, at the maker's price.

An order that acquires one leg at p meets those acquiring the other at q >= 1 - p; what it saves against p is its own. Of two
orders of one account one gives way (fact sheet, section 5.2). Nothing is checked here: `matching` does that.
"""

from dataclasses import dataclass
from typing import TypeAlias

from depthwalker.core.book import Leg
from depthwalker.core.fees import Accumulator, charge, trade_fee
from depthwalker.core.pit import Order, Pit, Queue, Rules, SelfTrade, Side, TimeInForce, crosses, join, with_side
from depthwalker.core.reports import EndReason, Event, Matched, Rested, ended
from depthwalker.core.units import DOLLAR, Count, Money, Price

Step: TypeAlias = tuple[Pit, tuple[Event, ...]]


def enter(pit: Pit, order: Order, time_in_force: TimeInForce) -> Step:
    """Return the pit after an order has taken what it crosses and rested or lapsed with the rest."""
    pit, order, events, blocked = (
        _match(pit, order) if crosses(pit, order.leg, order.price) else (pit, order, (), False)
    )
    if order.remaining and not blocked and time_in_force is TimeInForce.GTC:
        rested = Rested(order.order_id, order.account, order.leg, order.price, order.remaining)
        return join(pit, order), (*events, rested)
    if not order.account:
        return pit, events
    if not order.remaining:
        return pit, (*events, ended(order, EndReason.FILLED))
    return pit, (*events, ended(order, EndReason.SELF_TRADE if blocked else EndReason.IMMEDIATE))


def fillable(pit: Pit, order: Order) -> bool:
    """Return whether an order could fill in full at once, given which of the account's own orders give way."""
    wanted = order.remaining
    for queue in pit.side(order.leg.other()):
        if queue.price + order.price < DOLLAR:
            return False
        for maker in queue.orders:
            own = maker.account == order.account != ""
            if own and order.self_trade is SelfTrade.TAKER_AT_CROSS:
                return False
            wanted = wanted if own else Count(wanted - maker.remaining)
            if wanted <= 0:
                return True
    return False


def _match(pit: Pit, taker: Order) -> tuple[Pit, Order, tuple[Event, ...], bool]:
    side = pit.side(taker.leg.other())
    events: list[Event] = []
    gone: list[str] = []
    met = _Meeting((), taker.remaining, taker.roundings, pit.trades)
    index = 0
    while index < len(side) and not met.left and met.remaining and side[index].price + taker.price >= DOLLAR:
        met = _meet(pit.rules, side[index], taker, met)
        events += met.events
        gone += met.gone
        index += 1
    places = tuple(place for place in pit.places if place[0] not in gone) if gone else pit.places
    after = with_side(pit, taker.leg.other(), met.left + side[index:], places, met.trades)
    filled = Count(taker.remaining - met.remaining)
    return after, _after_fill(taker, filled, met.roundings), tuple(events), met.blocked


@dataclass(frozen=True, slots=True)
class _Meeting:
    """A taker having met one queue: what is `left` of that, the accounts' orders `gone` from it, and what it still wants."""

    left: Side
    remaining: Count
    roundings: Accumulator
    trades: int
    events: tuple[Event, ...] = ()
    gone: tuple[str, ...] = ()
    blocked: bool = False


def _meet(rules: Rules, queue: Queue, taker: Order, before: _Meeting) -> _Meeting:
    remaining, roundings, trades, blocked = before.remaining, before.roundings, before.trades, False
    events: list[Event] = []
    gone: list[str] = []
    left = queue.count
    orders = queue.orders
    for index, maker in enumerate(queue.orders):
        orders = queue.orders[index:]
        if not remaining:
            break
        own = maker.account == taker.account != ""
        if own and taker.self_trade is SelfTrade.TAKER_AT_CROSS:
            blocked = True
            break
        if own:
            left = Count(left - maker.remaining)
            events.append(ended(maker, EndReason.SELF_TRADE, rested=True))
            gone.append(maker.order_id)
            continue
        trades += 1
        count = min(maker.remaining, remaining)
        matched, made, roundings = _trade(rules, maker, taker, count, roundings, trades)
        left = Count(left - count)
        remaining = Count(remaining - count)
        events.append(matched)
        if made.remaining:
            orders = (made, *orders[1:])
            break
        if maker.account:
            events.append(ended(made, EndReason.FILLED, rested=True))
            gone.append(maker.order_id)
    side = (Queue(queue.price, left, orders),) if left else ()
    return _Meeting(side, remaining, roundings, trades, tuple(events), tuple(gone), blocked)


def _trade(
    rules: Rules, maker: Order, taker: Order, count: Count, roundings: Accumulator, trade: int
) -> tuple[Matched, Order, Accumulator]:
    price, complement = maker.price, Price(DOLLAR - maker.price)
    maker_fee, kept = _charged(rules, maker, price, count, maker.roundings, taker=False)
    taker_fee, roundings = _charged(rules, taker, complement, count, roundings, taker=True)
    matched = Matched(
        trade,
        maker.order_id,
        maker.account,
        taker.order_id,
        taker.account,
        taker.leg,
        price if maker.leg is Leg.YES else complement,
        count,
        maker_fee,
        taker_fee,
    )
    return matched, _after_fill(maker, count, kept), roundings


def _charged(
    rules: Rules, order: Order, price: Price, count: Count, roundings: Accumulator, *, taker: bool
) -> tuple[Money, Accumulator]:
    if not order.account:
        return Money(0), roundings
    return charge(roundings, trade_fee(rules.rates, taker, price, count), price, count, rules.precision)


def _after_fill(order: Order, count: Count, roundings: Accumulator) -> Order:
    return Order(
        order.order_id,
        order.account,
        order.leg,
        order.price,
        Count(order.filled + count),
        Count(order.remaining - count),
        order.self_trade,
        order.expires,
        order.cancel_on_pause,
        roundings,
    )
