"""An account at the paper exchange: its cash, its orders for ever, its fills, its holdings.

Money: acquiring a leg costs price x count, except that it first nets what is held of the other leg, which pays 1 - price.
A resting order reserves what it would cost beyond that netting. Every version of an order and a holding is kept, so that a
read may lag behind the writes as the exchange's do (fact sheet, sections 5.3 and 5.10).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from depthwalker.core.answer import FillRecord, OrderRecord, OrderStatus
from depthwalker.core.book import Leg
from depthwalker.core.fees import FeeRates, Precision, estimate
from depthwalker.core.pit import NEVER, SelfTrade
from depthwalker.core.reports import Amended, Ended, EndReason
from depthwalker.core.units import DOLLAR, Count, Micros, Money, Price, value
from depthwalker.shell.paper.auth import PublicKey

_NOTHING: Final = Money(0)


@dataclass(frozen=True, slots=True)
class Account:
    """Who may trade: a name, the key that signs and may do what its scopes say, and the cash to begin with.

    `shards` are those on which there is cash, None all of them: an order on another one finds no such user.
    """

    name: str
    key_id: str
    public_key: PublicKey
    cash: Money
    scopes: frozenset[str] = frozenset({"read", "write"})
    shards: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An order as the exchange keeps it, live or not; `serial` orders them by age, `reason` tells what changed it last."""

    serial: int
    order_id: str
    client_order_id: str
    ticker: str
    leg: Leg
    price: Price
    initial: Count
    remaining: Count
    created: Micros
    updated: Micros
    self_trade: SelfTrade
    status: OrderStatus = OrderStatus.RESTING
    filled: Count = Count(0)  # noqa: RUF009 - an int
    expires: Micros = NEVER
    taker_cost: Money = _NOTHING
    maker_cost: Money = _NOTHING
    taker_fees: Money = _NOTHING
    maker_fees: Money = _NOTHING
    cancel_on_pause: bool = False
    group: str = ""
    shard: int = 0
    reason: str = ""

    def record(self) -> OrderRecord:
        """Return the order in the core's words."""
        return OrderRecord(
            self.order_id,
            self.client_order_id,
            self.ticker,
            self.leg,
            self.price,
            self.status,
            self.initial,
            self.filled,
            self.remaining,
            Money(self.taker_fees + self.maker_fees),
            self.created,
        )


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held in one market: positive is YES. `exposure` is what it cost, `traded` all that was ever paid."""

    ticker: str
    position: Count
    exposure: Money
    traded: Money
    realized: Money
    fees: Money
    updated: Micros


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a market paid for a position: `revenue` for the contracts, `residue` of it lost to the balance's precision."""

    ticker: str
    event_ticker: str
    result: str
    value: Price  # of a YES contract
    position: Count
    cost: Money
    revenue: Money
    residue: Money
    fees: Money  # paid in the market before
    at: Micros
    shard: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that would rest, for the question whether it can be paid; `instead` is the order that it replaces."""

    ticker: str
    leg: Leg
    price: Price
    count: Count
    instead: str = ""


class Ledger:
    """One account's books; the caller hands in events in their order."""

    def __init__(self, account: Account, precision: Precision) -> None:
        self.account = account
        self._precision = precision
        self.cash = account.cash
        self.fills: list[FillRecord] = []
        self.burned: set[str] = set()  # every client order id ever accepted, for ever
        self.settlements: list[Settlement] = []
        self._orders: dict[str, list[Kept]] = {}
        self._holdings: dict[str, list[Holding]] = {}
        self._live: dict[str, None] = {}

    def open(self, order: Kept) -> None:
        """Keep a new order."""
        self._orders[order.order_id] = [order]
        self._live[order.order_id] = None
        if order.client_order_id:
            self.burned.add(order.client_order_id)

    def rename(self, order_id: str, client_order_id: str) -> None:
        """Give a live order another client order id; the old one stays burned."""
        self.burned.add(client_order_id)
        self._keep(replace(self._orders[order_id][-1], client_order_id=client_order_id))

    def unname(self, order_id: str, client_order_id: str) -> None:
        """Take a rename back: it was refused, so it burned nothing."""
        versions = self._orders[order_id]
        if versions[-1].client_order_id != client_order_id:
            self.burned.discard(versions.pop().client_order_id)

    def order(self, order_id: str, by: Micros | None = None) -> Kept | None:
        """Return an order as of an instant, or as it is."""
        versions = self._orders.get(order_id, [])
        return next((kept for kept in reversed(versions) if by is None or kept.updated <= by), None)

    def orders(self) -> Iterator[Kept]:
        """Yield all orders, newest first."""
        return (versions[-1] for versions in reversed(self._orders.values()))

    def resting(self) -> tuple[Kept, ...]:
        """Return the live orders, oldest first."""
        return tuple(self._orders[order_id][-1] for order_id in self._live)

    def holding(self, ticker: str, by: Micros | None = None) -> Holding:
        """Return what is held in a market as of an instant, or now."""
        versions = self._holdings.get(ticker, [])
        nothing = Holding(ticker, Count(0), _NOTHING, _NOTHING, _NOTHING, _NOTHING, Micros(0))
        return next((held for held in reversed(versions) if by is None or held.updated <= by), nothing)

    def holdings(self, by: Micros | None = None) -> tuple[Holding, ...]:
        """Return what is or was held in each market that was ever traded."""
        found = (self.holding(ticker, by) for ticker in self._holdings)
        return tuple(held for held in found if held.updated)

    def match(self, fill: FillRecord) -> Kept:
        """Book a fill of one of the account's orders, and return the order after it."""
        order = self._orders[fill.order_id][-1]
        paid = value(fill.price, fill.count)
        changed = replace(
            order,
            filled=Count(order.filled + fill.count),
            remaining=Count(order.remaining - fill.count),
            updated=fill.at,
        )
        if fill.taker:
            costs = replace(
                changed, taker_cost=Money(order.taker_cost + paid), taker_fees=Money(order.taker_fees + fill.fee)
            )
        else:
            costs = replace(
                changed, maker_cost=Money(order.maker_cost + paid), maker_fees=Money(order.maker_fees + fill.fee)
            )
        self._keep(costs)
        self.fills.append(fill)
        self._hold(fill)
        return costs

    def amend(self, amended: Amended, at: Micros) -> None:
        """Book new terms of a live order."""
        order = self._orders[amended.order_id][-1]
        total = Count(amended.filled + amended.remaining)
        terms = replace(order, price=amended.price, initial=total, remaining=amended.remaining)
        self._keep(replace(terms, expires=amended.expires, updated=at))

    def end(self, ended: Ended, at: Micros) -> None:
        """Book that an order works no more."""
        status = OrderStatus.EXECUTED if ended.reason is EndReason.FILLED else OrderStatus.CANCELED
        self._keep(replace(self._orders[ended.order_id][-1], status=status, remaining=Count(0), updated=at))
        self._live.pop(ended.order_id, None)

    def explain(self, order_id: str, reason: str) -> Kept:
        """Note what changed an order last, in the exchange's words, and return it."""
        versions = self._orders[order_id]
        versions[-1] = replace(versions[-1], reason=reason)
        return versions[-1]

    def pay(self, settlement: Settlement) -> Holding:
        """Book what a market paid, and return what is left of the position: nothing but its history."""
        held = self.holding(settlement.ticker)
        self.settlements.append(settlement)
        self.cash = Money(self.cash + settlement.revenue - settlement.residue)
        realized = Money(held.realized + settlement.revenue - settlement.residue - held.exposure)
        after = replace(held, position=Count(0), exposure=_NOTHING, realized=realized, updated=settlement.at)
        self._holdings.setdefault(settlement.ticker, []).append(after)
        return after

    def affords(self, candidate: Candidate, rates: Mapping[str, FeeRates]) -> bool:
        """Return whether the cash covers the live orders and one more at its own limit, taker's fee included."""
        groups: defaultdict[tuple[str, Leg], list[tuple[Price, Count, bool]]] = defaultdict(list)
        for order in self.resting():
            if order.order_id != candidate.instead:
                groups[order.ticker, order.leg].append((order.price, order.remaining, False))
        groups[candidate.ticker, candidate.leg].append((candidate.price, candidate.count, True))
        return sum(self._reserve(*group, orders, rates) for group, orders in groups.items()) <= self.cash

    def _reserve(
        self, ticker: str, leg: Leg, orders: list[tuple[Price, Count, bool]], rates: Mapping[str, FeeRates]
    ) -> int:
        position = self.holding(ticker).position
        free = max(0, -position if leg is Leg.YES else position)
        total = 0
        for price, count, taker in orders:
            netted = min(free, count)
            free -= netted
            beyond = Count(count - netted)  # the netted part pays for itself: its fee is less than what it yields
            total += value(price, beyond) + estimate(rates[ticker], taker, price, beyond, self._precision)
        return total

    def _keep(self, order: Kept) -> None:
        self._orders[order.order_id].append(order)

    def _hold(self, fill: FillRecord) -> None:
        held = self.holding(fill.ticker)
        sign = 1 if fill.leg is Leg.YES else -1
        opposite = max(0, -sign * held.position)
        closing = min(fill.count, opposite)
        opening = Count(fill.count - closing)
        basis = held.exposure * closing // opposite if closing else 0
        proceeds = closing * (DOLLAR - fill.price)
        cost = value(fill.price, opening)
        self.cash = Money(self.cash + proceeds - cost - fill.fee)
        after = Holding(
            fill.ticker,
            Count(held.position + sign * fill.count),
            Money(held.exposure - basis + cost),
            Money(held.traded + value(fill.price, fill.count)),
            Money(held.realized + proceeds - basis),
            Money(held.fees + fill.fee),
            fill.at,
        )
        self._holdings.setdefault(fill.ticker, []).append(after)
