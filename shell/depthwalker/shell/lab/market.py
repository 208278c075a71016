"""What a simulated exchange does for one parent: the orders it was sent, their fills and records, whoever matches them.

Both exchanges of the laboratory (`indexed` and `plain`) keep their books with it, and differ only in how they find fills.
"""

from copy import copy
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Final, Protocol

from depthwalker.core.answer import (
    POST_ONLY_CROSS,
    Ack,
    CancelAck,
    FillRecord,
    OrderRecord,
    OrderStatus,
    Rejected,
    Trouble,
)
from depthwalker.core.book import Ladder
from depthwalker.core.command import Wake
from depthwalker.core.execution import State
from depthwalker.core.fees import NOTHING, Accumulator, Precision, charge, trade_fee
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import OrderKey, Style
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Parent
from depthwalker.core.units import SECOND, Count, Micros, Money, Price, ceil_div
from depthwalker.core.view import View

ORIGIN: Final = Micros(1_000_000_000 * SECOND)
CALM: Final = 100  # calls left in the budget, as if nothing else ran
CROSSED: Final = Rejected(400, "invalid_order", POST_ONLY_CROSS)
_NONE: Final = Count(0)
_FREE: Final = Money(0)
GONE: Final = Rejected(404, "not_found", "")


class QueueModel(Enum):
    """Whether cancels before us in the queue help: not at all, or in proportion."""

    WORST = "worst"
    PRORATA = "prorata"


@dataclass(slots=True)
class Resting:
    """One of our orders. `ahead` contracts of others stood before it after `seen` events."""

    order_id: str
    key: OrderKey
    revision: int
    price: Price
    total: Count
    filled: Count = _NONE
    status: OrderStatus = OrderStatus.RESTING
    roundings: Accumulator = NOTHING
    fees: Money = _FREE
    ahead: int = 0
    seen: int = 0
    joined: int = 0

    @property
    def remaining(self) -> int:
        """Return what it may still fill."""
        return self.total - self.filled if self.status is OrderStatus.RESTING else 0


class Account:
    """Our orders at the exchange, and what they filled."""

    def __init__(self, parent: Parent) -> None:
        self.parent = parent
        self.orders: list[Resting] = []
        self.fills: list[FillRecord] = []
        self._joins = 0

    def fork(self) -> "Account":
        """Return the account as it is now, to go another way."""
        twin = copy(self)
        twin.orders, twin.fills = [copy(order) for order in self.orders], [*self.fills]
        return twin

    def enter(self, key: OrderKey, price: Price, count: Count) -> Resting:
        """Return a new order."""
        order = Resting(f"o{len(self.orders) + 1}", key, key.birth, price, count)
        self.orders.append(order)
        return order

    def find(self, order_id: str) -> Resting | None:
        """Return an order that still works."""
        return next((order for order in self.resting() if order.order_id == order_id), None)

    def resting(self) -> list[Resting]:
        """Return what works, best price first and then whoever joined first."""
        return sorted((order for order in self.orders if order.remaining > 0), key=_priority)

    def rest(self, order: Resting, ahead: int, seen: int) -> None:
        """Put an order at the back of the queue at its price."""
        self._joins += 1
        order.ahead, order.seen, order.joined = ahead, seen, self._joins

    def fill(self, order: Resting, price: int, count: int, at: Micros, *, taker: bool) -> None:
        """Book a match."""
        paid, filled, rates = Price(price), Count(count), self.parent.rates
        fee, order.roundings = charge(
            order.roundings, trade_fee(rates, taker, paid, filled), paid, filled, Precision.DIRECT
        )
        order.filled = Count(order.filled + count)
        order.fees = Money(order.fees + fee)
        trade = f"t{len(self.fills) + 1}"
        self.fills.append(
            FillRecord(order.order_id, trade, self.parent.ticker, self.parent.leg, paid, filled, fee, taker, at)
        )
        if order.filled >= order.total:
            order.status = OrderStatus.EXECUTED

    def acknowledged(self, order: Resting, at: Micros) -> Success[Ack]:
        """Return what the exchange says of an order that it has taken."""
        return Success(Ack(order.order_id, order.filled, Count(order.remaining), at))

    def amended(self, order: Resting, before: Resting, at: Micros) -> Success[Ack]:
        """Return what the exchange says of an order that it has changed: counts only if it took or its size changed.

        The fact sheet's section 5.6; `fill_count` is what the amend itself filled.
        """
        took, left = Count(order.filled - before.filled), Count(order.remaining)
        if not took and left == before.remaining:
            return Success(Ack(order.order_id, None, None, at))
        return Success(Ack(order.order_id, took, left, at))

    def cancel(self, order_id: str, at: Micros) -> Outcome[CancelAck, Trouble]:
        """Take an order out."""
        order = self.find(order_id)
        if order is None:
            return Failure(GONE)
        left = Count(order.remaining)
        order.status = OrderStatus.CANCELED
        return Success(CancelAck(order_id, left, at))

    def records(self) -> tuple[OrderRecord, ...]:
        """Return the exchange's record of every order."""
        parent = self.parent
        return tuple(
            OrderRecord(
                order_id=order.order_id,
                client_order_id=ClientId(parent.installation, parent.execution, order.key.split, order.revision).text(),
                ticker=parent.ticker,
                leg=parent.leg,
                price=order.price,
                status=order.status,
                initial=order.total,
                filled=order.filled,
                remaining=Count(order.remaining),
                fees=order.fees,
                created=parent.started,
            )
            for order in self.orders
        )


def _priority(order: Resting) -> tuple[int, int]:
    return -order.price, order.joined


class Exchange(Protocol):
    """A simulated exchange with one customer: us."""

    account: Account
    model: QueueModel

    def advance(self, now: Micros) -> None:
        """Let everything happen until an instant, that instant included."""
        ...

    def place(self, key: OrderKey, price: Price, count: Count, style: Style, now: Micros) -> Outcome[Ack, Trouble]:
        """Take a new order."""
        ...

    def amend(self, order_id: str, revision: int, price: Price, total: Count, now: Micros) -> Outcome[Ack, Trouble]:
        """Change an order."""
        ...

    def cancel(self, order_id: str, now: Micros) -> Outcome[CancelAck, Trouble]:
        """Take an order out."""
        ...

    def view(self, state: State, now: Micros) -> View:
        """Return what an execution sees."""
        ...

    def wake(self, state: State, wakes: tuple[Wake, ...], since: Micros, until: Micros) -> Micros | None:
        """Let things happen until one of the wakes holds, before `until`; return when, or None."""
        ...

    def offers(self, now: Micros) -> Ladder:
        """Return all that is offered, less what we took."""
        ...

    def closing(self) -> Ladder:
        """Return all that is offered at the parent's deadline, less what we took until then, though it be past."""
        ...


def shared(ahead: int, counts: list[int]) -> int:
    """Return the queue before an order after a level went through these counts: cancels come from all alike."""
    for before, after in pairwise(counts):
        if after < before:
            ahead = ceil_div(ahead * after, before)
    return ahead
