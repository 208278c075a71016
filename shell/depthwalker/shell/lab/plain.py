"""The reference for the indexed exchange: every event of the tape goes through the exchange's own matching, one by one.

The others' orders stand in a pit with ours. After each event the others' book is made to be what the tape says, less what
we took: whatever one of our orders took from somebody is not owed to anybody else (see `indexed` for the rules).
"""

from copy import copy
from itertools import groupby

from depthwalker.core import crowd, matching
from depthwalker.core.answer import Ack, CancelAck, TradePrint, Trouble
from depthwalker.core.book import Book, Ladder, Leg, OwnOrder, ladders, without
from depthwalker.core.command import Wake, woken
from depthwalker.core.crossing import Step
from depthwalker.core.execution import State
from depthwalker.core.flow import NO_HISTORY, History, observe, record
from depthwalker.core.ledger import OrderKey, Phase, Style
from depthwalker.core.outcome import Failure, Outcome
from depthwalker.core.parent import Parent
from depthwalker.core.pit import NewOrder, Pit, Queue, Rules, TimeInForce, level, with_side
from depthwalker.core.pit import Order as Standing
from depthwalker.core.reports import Matched, Refused
from depthwalker.core.tape import Arrive, Take, Tape, Withdraw, after, hit, play, resting
from depthwalker.core.units import DOLLAR, Count, Micros, Price
from depthwalker.core.view import Conditions, View, Waiting, look
from depthwalker.shell.lab.market import CALM, CROSSED, GONE, ORIGIN, Account, QueueModel, shared

US = "us"


class Plain:
    """The exchange of one parent, stepped through from the start of the tape."""

    def __init__(self, tape: Tape, parent: Parent, model: QueueModel) -> None:
        self.account = Account(parent)
        self.model = model
        self._book = tape.opening
        self._rules = Rules(tape.grid, parent.rates)
        self._pit: Pit = crowd.seed(tape.opening.yes, tape.opening.no, self._rules)
        self._pending = [
            (at, tuple(group)) for at, group in groupby(tape.events, key=lambda event: Micros(event.at + ORIGIN))
        ]
        self._removed: dict[Price, int] = {}
        self._history: History = NO_HISTORY
        self._trades = 0
        self._closing: Ladder | None = None  # once the deadline is past
        self._start()

    def _start(self) -> None:
        if not (self._pending and self._pending[0][0] == ORIGIN):
            self._history = observe(self._history, self._book, ORIGIN)
        self.advance(self.account.parent.started)

    def advance(self, now: Micros) -> None:
        """Let everything happen until an instant, that instant included."""
        if self._closing is None and now > self.account.parent.deadline:
            self._closing = self.closing()
        while self._pending and self._pending[0][0] <= now:
            self._step()

    def place(self, key: OrderKey, price: Price, count: Count, style: Style, now: Micros) -> Outcome[Ack, Trouble]:
        """Take a new order: one that rests is refused where it would cross, one that takes lapses with the rest."""
        self.advance(now)
        rests = style is Style.REST
        name = f"o{len(self.account.orders) + 1}"
        new = NewOrder(
            name,
            US,
            self.account.parent.leg,
            price,
            count,
            TimeInForce.GTC if rests else TimeInForce.IOC,
            post_only=rests,
        )
        pit, events = matching.submit(self._pit, new, now)
        if any(isinstance(event, Refused) for event in events):
            return Failure(CROSSED)
        order = self.account.enter(key, price, count)
        self._follow((pit, events), now)
        if order.remaining and rests:
            self.account.rest(order, 0, 0)
        elif order.remaining:
            self.account.cancel(name, now)
        return self.account.acknowledged(order, now)

    def amend(self, order_id: str, revision: int, price: Price, total: Count, now: Micros) -> Outcome[Ack, Trouble]:
        """Change an order: at a new price it goes to the back, having taken what it crosses."""
        self.advance(now)
        order = self.account.find(order_id)
        if order is None:
            return Failure(GONE)
        before = copy(order)
        order.revision, order.price, order.total = revision, price, total
        self._follow(matching.amend(self._pit, order_id, price, total, now), now)
        if order.remaining:
            self.account.rest(order, 0, 0)
        return self.account.amended(order, before, now)

    def cancel(self, order_id: str, now: Micros) -> Outcome[CancelAck, Trouble]:
        """Take an order out."""
        self.advance(now)
        self._pit, _ = matching.cancel(self._pit, order_id, now)
        return self.account.cancel(order_id, now)

    def offers(self, now: Micros) -> Ladder:
        """Return all that is offered, less what we took."""
        self.advance(now)
        return ladders(self._others(), self.account.parent.leg).offers

    def closing(self) -> Ladder:
        """Return all that is offered at the parent's deadline, less what we took until then, though it be past."""
        return self.offers(self.account.parent.deadline) if self._closing is None else self._closing

    def view(self, state: State, now: Micros) -> View:
        """Return what an execution sees: the others' book as it is now, less what we took."""
        self.advance(now)
        parent, seen = self.account.parent, self._others()
        waiting = tuple(
            Waiting(order.key.split, order.price, order.ahead, order.since)
            for order in state.orders
            if order.phase is Phase.LIVE
        )
        conditions = Conditions(parent.grid, parent.rates, CALM, 0, 5, 10_000, open=True)
        book = Book(seen.yes, seen.no, now)
        return look(book, self._history, parent.leg, state.cap, (), waiting, conditions, now)

    def wake(self, state: State, wakes: tuple[Wake, ...], since: Micros, until: Micros) -> Micros | None:
        """Let things happen until one of the wakes holds, before `until`; return when, or None."""
        self.advance(since)
        while self._pending and self._pending[0][0] < until:
            now = self._pending[0][0]
            self.advance(now)
            if woken(wakes, self.view(state, now)):
                return now
        return None

    # Matching

    def _step(self) -> None:
        now, group = self._pending.pop(0)
        for event in group:
            flow = event.flow
            if isinstance(flow, Take):
                self._print(flow, now)
            if isinstance(flow, Withdraw) and self.model is QueueModel.PRORATA:
                self._ease(flow)
            if isinstance(flow, Take):
                self._follow(play(self._pit, flow, now), now)
            elif isinstance(flow, Arrive):
                self._follow(play(self._pit, flow, now), now, caught=flow.price)
            self._book = after(self._book, event)
            self._removed = {price: min(count, self._left(price)) for price, count in self._removed.items()}
            others = self._others()
            self._pit, _ = crowd.replace(self._pit, others.yes, others.no, now)
        self._history = observe(self._history, self._book, now)

    def _follow(self, step: Step, now: Micros, caught: Price | None = None) -> None:
        """Book what matching did to our orders, one fill an order and price; `caught` is the bid that came to them."""
        self._pit, events = step
        leg = self.account.parent.leg
        sums: dict[tuple[str, Price, bool], int] = {}
        for event in events:
            if isinstance(event, Matched) and US in {event.maker_account, event.taker_account}:
                makes = event.maker_account == US
                key = (event.maker_order if makes else event.taker_order, event.price(leg), makes)
                sums[key] = sums.get(key, 0) + event.count
        for (name, price, makes), count in sums.items():
            if not makes:
                self._remove(Price(DOLLAR - price), count)
            elif caught is not None:
                self._remove(caught, count)
                self._record(leg.other(), price, Count(count), now)
            order = next(order for order in self.account.orders if order.order_id == name)
            self.account.fill(order, price, count, now, taker=not makes or caught is not None)

    def _ease(self, flow: Withdraw) -> None:
        """Take a cancel from before and behind our orders alike, where they stand in its queue."""
        leg, side = self.account.parent.leg, self._pit.side(self.account.parent.leg)
        place = level(side, flow.price)
        if flow.leg is not leg or place == len(side) or side[place].price != flow.price:
            return
        before = resting(self._book, leg, flow.price)
        left = before - min(before, flow.count)
        orders: list[Standing] = []
        stood = kept = 0
        for order in side[place].orders:
            if order.account:
                share = shared(stood, [before, left])
                orders.extend(_anonymous(leg, flow.price, share - kept))
                orders.append(order)
                kept = share
            else:
                stood += order.remaining
        orders.extend(_anonymous(leg, flow.price, left - kept))
        count = Count(sum(order.remaining for order in orders))
        queues = (Queue(flow.price, count, tuple(orders)),) if orders else ()
        sides = side[:place] + queues + side[place + 1 :]
        self._pit = with_side(self._pit, leg, sides, self._pit.places, self._pit.trades)

    # What we took

    def _remove(self, price: Price, count: int) -> None:
        self._removed[price] = self._removed.get(price, 0) + count

    def _left(self, price: Price) -> int:
        return resting(self._book, self.account.parent.leg.other(), price)

    def _others(self) -> Book:
        """Return the tape's book less what we took."""
        gone = tuple(
            OwnOrder(self.account.parent.leg.other(), price, Count(count)) for price, count in self._removed.items()
        )
        return without(self._book, gone)

    # What is seen

    def _print(self, taken: Take, now: Micros) -> None:
        found = hit(self._book, taken)
        lost = taken.count - sum(count for _, count in found)
        floor = Price(DOLLAR - taken.limit)
        for price, count in (*found, *(((floor, Count(lost)),) if lost > 0 else ())):
            met = taken.leg.other()
            ours = price if met is self.account.parent.leg else Price(DOLLAR - price)
            self._record(taken.leg, ours, count, now)

    def _record(self, taker: Leg, price: Price, count: Count, now: Micros) -> None:
        """Print a trade at a price of our leg."""
        self._trades += 1
        yes = self.account.parent.leg.framed(price)
        self._history = record(self._history, (TradePrint(str(self._trades), taker, yes, count, now),))


def _anonymous(leg: Leg, price: Price, count: int) -> tuple[Standing, ...]:
    return (Standing("", "", leg, price, Count(0), Count(count)),) if count > 0 else ()
