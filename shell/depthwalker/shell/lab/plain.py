"""The reference for the indexed exchange: every event of the tape goes through the exchange's own matching, one by one.

The others' orders stand in a pit with ours. After each event the others' book is made to be what the tape says, less what
we took: whatever one of our orders took from somebody is not owed to anybody else (see `indexed` for the rules).
"""

from itertools import groupby

from depthwalker.core import crowd, matching
from depthwalker.core.answer import Ack, TradePrint, Trouble
from depthwalker.core.book import Book, Ladder, Leg, Level, ladders
from depthwalker.core.command import Wake, woken
from depthwalker.core.crossing import Step
from depthwalker.core.execution import State
from depthwalker.core.flow import NO_HISTORY, History, observe, record
from depthwalker.core.ledger import OrderKey, Phase, Style
from depthwalker.core.outcome import Failure, Outcome
from depthwalker.core.parent import Parent
from depthwalker.core.pit import NewOrder, Pit, Queue, Rules, TimeInForce, with_side
from depthwalker.core.pit import Order as Standing
from depthwalker.core.reports import Event as Report
from depthwalker.core.reports import Matched
from depthwalker.core.tape import Arrive, Event, Take, Tape, after, hit, play
from depthwalker.core.units import DOLLAR, Count, Micros, Price
from depthwalker.core.view import Conditions, View, Waiting, look
from depthwalker.shell.lab.columns import ORIGIN
from depthwalker.shell.lab.indexed import CALM, shared
from depthwalker.shell.lab.market import CROSSED, GONE, Account, QueueModel, Resting

US = "us"


class Plain:
    """The exchange of one parent, stepped through from the start of the tape."""

    def __init__(self, tape: Tape, parent: Parent, model: QueueModel) -> None:
        self.account = Account(parent)
        self._model = model
        self._book = tape.opening
        self._rules = Rules(tape.grid, parent.rates)
        self._pit: Pit = crowd.seed(tape.opening.yes, tape.opening.no, self._rules)
        self._pending = [
            (at, tuple(group)) for at, group in groupby(tape.events, key=lambda event: Micros(event.at + ORIGIN))
        ]
        self._removed: dict[Price, int] = {}
        self._history: History = NO_HISTORY
        self._trades = 0
        self._start()

    def _start(self) -> None:
        if not (self._pending and self._pending[0][0] == ORIGIN):
            self._history = observe(self._history, self._book, ORIGIN)
        self.advance(self.account.parent.started)

    def advance(self, now: Micros) -> None:
        """Let everything happen until an instant, that instant included."""
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
        if rests and any(not isinstance(event, Matched) and _refuses(event) for event in events):
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
        order.revision, order.price, order.total = revision, price, total
        self._follow(matching.amend(self._pit, order_id, price, total, now), now)
        if order.remaining:
            self.account.rest(order, 0, 0)
        return self.account.acknowledged(order, now)

    def offers(self, now: Micros) -> Ladder:
        """Return all that is offered, less what we took."""
        self.advance(now)
        return ladders(self._others(), self.account.parent.leg).offers

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
            self._step()
            if woken(wakes, self.view(state, now)):
                return now
        return None

    # Matching

    def _step(self) -> None:
        now, group = self._pending.pop(0)
        for event in group:
            self._forget_cancelled(now)
            if self._model is QueueModel.PRORATA:
                self._pit = self._eased(event)
            if isinstance(event.flow, Take):
                self._print(event.flow, now)
            before, self._book = self._book, after(self._book, event)
            flow = event.flow
            if isinstance(flow, Arrive | Take):
                self._follow(play(self._pit, flow, now), now, offered=isinstance(flow, Arrive))
            self._lose(before)
            self._pit, events = crowd.replace(self._pit, *self._wanted(), now)
            self._follow((self._pit, events), now, offered=True)
        self._history = observe(self._history, self._book, now)

    def _follow(self, step: Step, now: Micros, *, offered: bool = False) -> None:
        """Book what matching did to our orders, one fill an order and price."""
        self._pit, events = step
        leg = self.account.parent.leg
        sums: dict[tuple[str, Price, bool, Price], int] = {}
        for event in events:
            if isinstance(event, Matched) and US in {event.maker_account, event.taker_account}:
                makes = event.maker_account == US
                name = event.maker_order if makes else event.taker_order
                facing = event.price(leg)
                key = (name, facing, makes, facing)
                sums[key] = sums.get(key, 0) + event.count
        for (name, price, makes, _), count in sums.items():
            order = next(order for order in self.account.orders if order.order_id == name)
            if not makes or offered:
                self._removed[price] = self._removed.get(price, 0) + count if not makes else self._removed.get(price, 0)
            if makes and offered:
                self._caught(price, count, now)
            self.account.fill(order, price, count, now, taker=offered or not makes)

    def _caught(self, price: Price, count: int, now: Micros) -> None:
        self._record(self.account.parent.leg.other(), price, count, now)

    def _record(self, taker: Leg, price: Price, count: int, now: Micros) -> None:
        """Print a trade at a price of our leg."""
        self._trades += 1
        yes = price if self.account.parent.leg is Leg.YES else Price(DOLLAR - price)
        self._history = record(self._history, (TradePrint(str(self._trades), taker, yes, Count(count), now),))

    def _print(self, taken: Take, now: Micros) -> None:
        found = hit(self._book, taken)
        lost = taken.count - sum(count for _, count in found)
        floor = Price(DOLLAR - taken.limit)
        for price, count in (*found, *(((floor, Count(lost)),) if lost > 0 else ())):
            ours = price if taken.leg is not self.account.parent.leg else Price(DOLLAR - price)
            self._record(taken.leg, ours, count, now)
