"""A simulated exchange that looks things up: between two decisions it visits only what can concern our own orders.

Our orders rest behind all that stands at their price. A trade at or through that price fills them once the queue before
them is used up; an offer that arrives at or below their price does too, at their own price and charged as if they had
taken it. What we took is missing from the offers until the others leave that level, and an event's contracts fill us once.
"""

from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Final, assert_never

from depthwalker.core.answer import Ack, CancelAck, Trouble
from depthwalker.core.book import Ladder, Ladders, within
from depthwalker.core.command import OfferAt, Passed, Wake, woken
from depthwalker.core.depth import BAND, reach
from depthwalker.core.execution import State
from depthwalker.core.flow import WINDOW, Flow
from depthwalker.core.ledger import Order, OrderKey, Phase, Style
from depthwalker.core.outcome import Failure, Outcome
from depthwalker.core.parent import Parent
from depthwalker.core.units import DOLLAR, Count, Micros, Price
from depthwalker.core.view import LEVELS, Conditions, Passage, View, queue_at
from depthwalker.shell.lab.index import Index, Taken, Unread
from depthwalker.shell.lab.market import CALM, CROSSED, GONE, Account, QueueModel, Resting, shared

NONE: Final = Count(0)
NO_FLOW: Final = Flow(NONE, NONE, NONE, NONE, NONE, NONE, ())


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the book shows after so many events: our leg's bids, and what a view tells of both sides."""

    events: int
    cap: Price
    queue: Ladder
    ladders: Ladders
    queue_near: Count
    offers_near: Count
    reach: Count


class Indexed:
    """The exchange of one parent, over a shared index."""

    def __init__(self, index: Index, parent: Parent, model: QueueModel) -> None:
        self.account = Account(parent)
        self.caught: list[tuple[Micros, Price, int]] = []
        self.index = index
        self.model = model
        self._queue = index.sides[parent.leg]
        self._facing = index.sides[parent.leg.other()]
        self._events = index.before(parent.started)
        self._conditions = Conditions(parent.grid, parent.rates, CALM, 0, 5, 10_000, open=True)
        self._last: _Shown | None = None
        self._closing: Ladder | None = None  # once the deadline is past
        # By price and instant: after how many events, and what traded past that price from then on.
        self._past: dict[tuple[int, Micros], tuple[int, int]] = {}
        self._removed: dict[int, tuple[int, int]] = {}  # by the other leg's price: what we took, as of so many events

    def fork(self) -> "Indexed":
        """Return this exchange as it is now, to go another way."""
        twin = copy(self)
        twin.account, twin.caught = self.account.fork(), [*self.caught]
        twin._removed, twin._past = {**self._removed}, {**self._past}  # noqa: SLF001 - it is one of us
        return twin

    def advance(self, now: Micros) -> None:
        """Let everything happen until an instant, that instant included; what has happened is never undone."""
        if self._closing is None and now > self.account.parent.deadline:
            self._closing = self.closing()
        until = self.index.before(now, self._events)
        if until == self._events:
            return
        working = self.account.resting()
        if working:
            highest = working[0].price
            met: list[tuple[int, Taken | tuple[int, int]]] = [
                (taken.event, taken) for taken in self._queue.taken(highest, self._events, until)
            ]
            met.extend((event, (price, count)) for event, price, count in self._added(highest, self._events, until))
            for event, what in sorted(met, key=_event):
                if isinstance(what, Taken):
                    self._hit(what)
                else:
                    self._lift(event, *what)
        self._events = until

    def place(self, key: OrderKey, price: Price, count: Count, style: Style, now: Micros) -> Outcome[Ack, Trouble]:
        """Take a new order: one that rests is refused where it would cross, one that takes lapses with the rest."""
        self.advance(now)
        if style is Style.REST and self._crosses(price):
            return Failure(CROSSED)
        order = self.account.enter(key, price, count)
        self._take(order, now)
        if order.remaining and style is Style.REST:
            self._join(order)
        elif order.remaining:
            self.account.cancel(order.order_id, now)
        return self.account.acknowledged(order, now)

    def amend(self, order_id: str, revision: int, price: Price, total: Count, now: Micros) -> Outcome[Ack, Trouble]:
        """Change an order: at a new price it goes to the back, having taken what it crosses."""
        self.advance(now)
        order = self.account.find(order_id)
        if order is None:
            return Failure(GONE)
        before = copy(order)
        order.revision, order.price, order.total = revision, price, total
        self._take(order, now)
        if order.remaining:
            self._join(order)
        return self.account.amended(order, before, now)

    def cancel(self, order_id: str, now: Micros) -> Outcome[CancelAck, Trouble]:
        """Take an order out."""
        self.advance(now)
        return self.account.cancel(order_id, now)

    def offers(self, now: Micros) -> Ladder:
        """Return all that is offered, less what we took."""
        self.advance(now)
        return self._offers()

    def closing(self) -> Ladder:
        """Return all that is offered at the parent's deadline, less what we took until then, though it be past."""
        return self.offers(self.account.parent.deadline) if self._closing is None else self._closing

    def view(self, state: State, now: Micros) -> View:
        """Return what an execution sees: the others' book as it is now, less what we took."""
        self.advance(now)
        shown = self._shown(state.cap)
        supplied = self._supply(state)
        return View(
            now=now,
            book_at=now,
            ladders=shown.ladders,
            queue_near=shown.queue_near,
            offers_near=shown.offers_near,
            reach=shown.reach,
            flow=self._flow(now),
            conditions=self._conditions,
            ahead=tuple(
                [
                    (order.key.split, Count(max(0, min(order.ahead - past, queue_at(shown.queue, order.price)))))
                    for order, past in supplied
                ]
            ),
            passages=self._passages(supplied, now),
        )

    def _shown(self, cap: Price) -> _Shown:
        """Return what the book shows now; between two events nothing of it changes but by what we take."""
        shown = self._last
        if shown is None or shown.events != self._events or shown.cap != cap:
            queue, facing = self._queue.ladder(self._events), self._offers()
            ladders = Ladders(queue[:LEVELS], facing[:LEVELS])
            shown = _Shown(
                self._events, cap, queue, ladders, within(queue, BAND), within(facing, BAND), reach(facing, cap)
            )
            self._last = shown
        return shown

    def _glance(self, state: State, now: Micros) -> View:
        """Return as much of the view as a wake asks for: the best offers and what passed us."""
        self.advance(now)
        ladders = Ladders((), self._offers()[:LEVELS])
        passages = self._passages(self._supply(state), now)
        return View(now, now, ladders, NONE, NONE, NONE, NO_FLOW, self._conditions, (), passages)

    def wake(self, state: State, wakes: tuple[Wake, ...], since: Micros, until: Micros) -> Micros | None:
        """Let things happen until one of the wakes holds, before `until`; return when, or None."""
        self.advance(since)
        first, last = self._events, self.index.before(Micros(until - 1), self._events)
        if first == last:
            return None
        nearest = max([wake.price for wake in wakes if isinstance(wake, OfferAt)], default=0)
        ours = [order.price for order in state.orders if order.phase is Phase.LIVE]
        most = max([nearest, *ours, *(order.price for order in self.account.resting())])
        passed, caught = self._overtaken(state, wakes, since, until), len(self.caught)
        for event, price, _ in self._added(most, first, last):
            now = self.index.at(event)
            if passed is not None and passed <= now:
                break
            self.advance(now)
            came = len(self.caught) > caught
            if (came or DOLLAR - price <= nearest) and woken(wakes, self._glance(state, now)):
                return now
            if came:
                passed, caught = self._overtaken(state, wakes, now, until), len(self.caught)
        return passed

    def _overtaken(self, state: State, wakes: tuple[Wake, ...], since: Micros, until: Micros) -> Micros | None:
        """Return when takers make one of the wakes hold, after `since` and before `until`, if nothing else comes to us."""
        live = {order.key.split: order for order in state.orders if order.phase is Phase.LIVE}
        passes = [(live[wake.split], wake) for wake in wakes if isinstance(wake, Passed) and wake.split in live]
        found = [at for order, wake in passes if (at := self._passed(order, wake, since, until)) is not None]
        return min(found, default=None)

    def _passed(self, order: Order, wake: Passed, since: Micros, until: Micros) -> Micros | None:
        """Return when trades have gone past an order by more than the wake says: a trade tells it."""
        needed = order.ahead + wake.beyond
        past, told = self._supplied(order.price, order.since), since
        for event, count in self._queue.prints(
            order.price, self._events, self.index.before(Micros(until - 1), self._events)
        ):
            if past > needed:
                break
            past, told = past + count, Micros(self.index.at(event) - 1)
        if past <= needed:
            return None
        tells = self.index.next_trade(max(told, wake.since))
        return tells if tells is not None and tells < until else None

    # Matching

    def _added(self, most: int, since: int, events: int) -> list[tuple[int, int, int]]:
        """Return the offers that came in at `most` or less, as (event, price of the other leg, count)."""
        return self._facing.added(DOLLAR - most, since, events)

    def _hit(self, taken: Taken) -> None:
        """Let a taker of the other leg meet our orders where they stand."""
        at, ours = self.index.at(taken.event), 0
        for order in self.account.resting():
            if order.price < taken.floor:
                break
            above = sum(count for price, count in taken.hits if price > order.price)
            order.ahead = self._ahead(order, taken.event)
            reached = max(0, taken.count - above - ours)
            past = max(0, reached - order.ahead)
            order.ahead = min(max(0, order.ahead - reached), self._queue.count(order.price, taken.event + 1))
            order.seen = taken.event + 1
            filled = min(past, order.remaining)
            if filled:
                ours += filled
                self.account.fill(order, order.price, filled, at, taker=False)

    def _lift(self, event: int, price: int, count: int) -> None:
        """Let an offer that came in at or below our orders' prices meet them."""
        at, left = self.index.at(event), count
        for order in self.account.resting():
            if not left or order.price < DOLLAR - price:
                break
            filled = min(left, order.remaining)
            left -= filled
            self._remove(price, filled, event + 1)
            self.caught.append((at, order.price, filled))
            self.account.fill(order, order.price, filled, at, taker=True)

    def _take(self, order: Resting, now: Micros) -> None:
        for price, count in self._offers():
            if price > order.price or not order.remaining:
                break
            filled = min(count, order.remaining)
            self._remove(DOLLAR - price, filled, self._events)
            self.account.fill(order, price, filled, now, taker=True)

    def _join(self, order: Resting) -> None:
        self.account.rest(order, self._queue.count(order.price, self._events), self._events)

    def _crosses(self, price: Price) -> bool:
        facing = self._offers()
        return bool(facing) and facing[0][0] <= price

    def _ahead(self, order: Resting, events: int) -> int:
        """Return the queue before an order after so many events, none of which traded at its price since it was seen."""
        match self.model:
            case QueueModel.WORST:
                return min(order.ahead, self._queue.lowest(order.price, order.seen, events))
            case QueueModel.PRORATA:
                return shared(order.ahead, self._queue.steps(order.price, order.seen, events))
            case _ as never:
                assert_never(never)

    # What we took

    def _remove(self, price: int, count: int, events: int) -> None:
        self._removed[price] = self._missing(price, events) + count, events
        self._last = None

    def _missing(self, price: int, events: int) -> int:
        gone, since = self._removed.get(price, (0, events))
        return min(gone, self._facing.lowest(price, since, events)) if gone else 0

    def _offers(self) -> Ladder:
        shown, events = self._facing.offers(self._events), self._events
        left = ((price, self._missing(price, events)) for price in self._removed)
        self._removed = {price: (missing, events) for price, missing in left if missing}
        if not self._removed:
            return shown
        gone = {DOLLAR - price: missing for price, (missing, _) in self._removed.items()}
        return tuple(
            (price, Count(count - gone[price])) if price in gone else (price, count)
            for price, count in shown
            if count > gone.get(price, 0)
        )

    # What is seen

    def _supply(self, state: State) -> list[tuple[Order, int]]:
        """Return our live orders, each with what traded past it since it joined."""
        live = [order for order in state.orders if order.phase is Phase.LIVE]
        return [(order, self._supplied(order.price, order.since)) for order in live]

    def _passages(self, supplied: list[tuple[Order, int]], now: Micros) -> tuple[Passage, ...]:
        return tuple(
            [
                Passage(order.key.split, Count(past - order.ahead), self._last_trade(now))
                for order, past in supplied
                if past > order.ahead
            ]
        )

    def _flow(self, now: Micros) -> Flow:
        flow = self.index.flow(self.account.parent.leg, now)
        more = sum([count for at, _, count in self.caught if at > now - WINDOW])
        return flow if not more else Unread(partial(_with_suppliers, flow, more))

    def _supplied(self, price: Price, since: Micros) -> int:
        """Return what traded past an order until now."""
        known = self._past.get((price, since))
        reached, past = (self.index.before(since), 0) if known is None or known[0] > self._events else known
        if self._events > reached:
            past += sum([count for _, count in self._queue.prints(price, reached, self._events)])
            self._past[price, since] = self._events, past
        return past + sum([count for at, paid, count in self.caught if paid <= price and at > since])

    def _last_trade(self, now: Micros) -> Micros:
        return Micros(max(self.index.last_trade(now), *(at for at, _, _ in self.caught), 0))


def _with_suppliers(flow: Flow, more: int) -> Flow:
    return Flow(
        flow.rivals,
        Count(flow.suppliers + more),
        flow.queue_now,
        flow.queue_mean,
        flow.offers_now,
        flow.offers_mean,
        flow.volumes,
    )


def _event(met: tuple[int, Taken | tuple[int, int]]) -> int:
    return met[0]
