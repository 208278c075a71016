"""A world to run an execution in: a tiny exchange with books of its own, a network that does its worst, a journal that crashes.

The exchange knows nothing of the core: its orders and fills are the oracle against which every step is checked (DESIGN
section 3; the numbers in the messages are the invariants'). What happens is read from a tape of numbers; where the tape
ends everything is normal, so a world that is let run after its tape has to come to an end (liveness).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import production
from depthwalker.core.answer import (
    Ack,
    CancelAck,
    FillRecord,
    NotApplied,
    OrderRecord,
    OrderStatus,
    Rejected,
    Trouble,
    Unknown,
)
from depthwalker.core.book import Ladder, Ladders, within
from depthwalker.core.command import (
    Amend,
    Burn,
    Cancel,
    Claim,
    Command,
    Finish,
    Lookup,
    Place,
    WaitUntil,
    intents,
    woken,
)
from depthwalker.core.config import Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.depth import BAND, reach
from depthwalker.core.execution import START, evolve, total_cost, total_exposure, total_filled, total_walks
from depthwalker.core.fact import Fact, Filled, LookedUp, Resumed, Started, StopRequested
from depthwalker.core.flow import Flow
from depthwalker.core.grid import CENT_GRID, Band, PriceGrid
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Ending, Fill, Kind, OrderKey, Phase, Style, exposure
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Parent
from depthwalker.core.policy import Policy
from depthwalker.core.reconcile import READ_LAG
from depthwalker.core.replay import Replayed, replay
from depthwalker.core.reply import amend_reply, cancel_reply, create_reply, itemisation_due, lookup_reply
from depthwalker.core.siblings import meets_own
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Money, Price
from depthwalker.core.view import Conditions, Passage, View

INACTIVE: Final = Rejected(400, "MARKET_INACTIVE", "")
REJECTIONS: Final = (
    Rejected(400, "invalid_order", "post only cross"),
    Rejected(400, "invalid_price", ""),
    Rejected(404, "not_found", ""),
    Rejected(400, "order_id_and_client_order_id_mismatch", ""),
    Rejected(400, "insufficient_balance", ""),
    INACTIVE,
)
DUPLICATE: Final = Rejected(409, "order_already_exists", "")
NOT_FOUND: Final = Rejected(404, "not_found", "")
OFF_GRID: Final = Rejected(400, "invalid_price", "")
CROSSES: Final = Rejected(400, "invalid_order", "post only cross")
MISMATCH: Final = Rejected(400, "order_id_and_client_order_id_mismatch", "")
BURN_COUNT: Final = Count(1)
NOTHING: Final = Count(0)
GRIDS: Final = (
    CENT_GRID,
    PriceGrid((Band(Price(0), DOLLAR, Price(50)),)),
    PriceGrid((Band(Price(0), DOLLAR, Price(10)),)),
    PriceGrid((Band(Price(0), DOLLAR, Price(500)),)),
)
MOST_DECISIONS: Final = 600
PATIENCE: Final = Micros(60 * SECOND)


class Tape:
    """Numbers to choose by; past the end every choice is the first, the normal one."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = list(reversed(numbers))

    def pick(self, choices: int) -> int:
        return self._numbers.pop() % choices if self._numbers else 0

    def __bool__(self) -> bool:
        return bool(self._numbers)


@dataclass
class Working:
    """An order as the exchange has it."""

    order_id: str
    client_id: str
    key: OrderKey
    price: Price
    total: Count
    immediate: bool
    status: OrderStatus = OrderStatus.RESTING
    filled: Count = NOTHING
    lost: bool = False  # the exchange knows nothing of it any more


class Exchange:
    """One market, one account. It matches our orders against the offers of others, and lets others hit what rests.

    It may close, open again, and once closed be settled: `over_at` says when.
    """

    def __init__(self, parent: Parent, *, strict: bool) -> None:
        """`strict`: an amend under an id that is not the order's current one is refused."""
        self.parent = parent
        self.grid: PriceGrid = parent.grid
        self.offers: dict[Price, Count] = {}
        self.orders: dict[str, Working] = {}
        self.spent: dict[str, str] = {}
        self.fills: list[FillRecord] = []
        self.past: list[tuple[OrderRecord, ...]] = [()]
        self.now = parent.started
        self.hit_at = parent.started
        self.closed = False
        self.over_at: Micros | None = None
        self._strict = strict

    def create(self, client_id: str, key: OrderKey, price: Price, count: Count, style: Style) -> Outcome[Ack, Trouble]:
        if self.closed:
            return Failure(INACTIVE)
        if client_id in self.spent:
            return Failure(DUPLICATE)
        if not self.grid.valid(price):
            return Failure(OFF_GRID)
        order = Working(f"x{len(self.orders)}", client_id, key, price, count, style is Style.TAKE)
        self.orders[order.order_id] = order
        self.spent[client_id] = order.order_id
        if style is Style.REST and any(offer <= price for offer in self.offers):
            order.status = OrderStatus.CANCELED
            self._note()
            return Failure(CROSSES)
        self._meet(order)
        if order.immediate and order.status is OrderStatus.RESTING:
            order.status = OrderStatus.CANCELED
        self._note()
        return Success(Ack(order.order_id, order.filled, Count(order.total - order.filled), self.now))

    def amend(self, order_id: str, current: str, updated: str, price: Price, total: Count) -> Outcome[Ack, Trouble]:
        if self.closed:
            return Failure(INACTIVE)
        order = self.orders.get(order_id)
        if order is None or order.status is not OrderStatus.RESTING:
            return Failure(NOT_FOUND)
        if self._strict and order.client_id != current:
            return Failure(MISMATCH)
        if updated in self.spent:
            return Failure(DUPLICATE)
        if not self.grid.valid(price) or total <= order.filled:
            return Failure(OFF_GRID)
        order.client_id, order.price, order.total = updated, price, total
        self.spent[updated] = order_id
        before = order.filled
        self._meet(order)
        self._note()
        told = order.filled if order.filled != before else None
        return Success(Ack(order_id, told, None if told is None else Count(order.total - told), self.now))

    def cancel(self, order_id: str) -> Outcome[CancelAck, Trouble]:
        if self.closed:
            return Failure(INACTIVE)
        order = self.orders.get(order_id)
        if order is None or order.status is not OrderStatus.RESTING:
            return Failure(NOT_FOUND)
        self.withdraw(order)
        return Success(CancelAck(order_id, Count(order.total - order.filled), self.now))

    def close(self) -> None:
        """Take no order any more, and cancel what rests."""
        self.closed = True
        for order in self.resting():
            self.withdraw(order)

    def open(self) -> None:
        """Take orders again, unless the market is settled."""
        self.closed = self.over_at is not None

    def settle(self) -> None:
        """Close for good."""
        self.close()
        self.over_at = self.now if self.over_at is None else self.over_at

    def withdraw(self, order: Working) -> None:
        order.status = OrderStatus.CANCELED
        self._note()

    def lose(self, order: Working) -> None:
        """Forget a resting order, but not its fills."""
        order.lost = True
        self.withdraw(order)

    def hit(self, order: Working, count: Count) -> None:
        """Let somebody sell to a resting order."""
        self.hit_at = self.now
        self._match(order, Count(min(count, order.total - order.filled)), order.price, taker=False)
        self._note()

    def resting(self) -> list[Working]:
        return [order for order in self.orders.values() if order.status is OrderStatus.RESTING]

    def filled(self) -> int:
        return sum(order.filled for order in self.orders.values())

    def _meet(self, order: Working) -> None:
        for price in sorted(self.offers):
            if price > order.price or order.filled >= order.total:
                break
            count = Count(min(self.offers[price], order.total - order.filled))
            self.offers[price] = Count(self.offers[price] - count)
            if not self.offers[price]:
                del self.offers[price]
            self._match(order, count, price, taker=True)

    def _match(self, order: Working, count: Count, price: Price, *, taker: bool) -> None:
        order.filled = Count(order.filled + count)
        number = len(self.fills)
        fee = Money(number * 7 + 1)
        self.fills.append(
            FillRecord(
                order.order_id,
                f"t{number}",
                self.parent.ticker,
                self.parent.leg,
                price,
                count,
                fee,
                taker,
                Micros(self.now + number),
            )
        )
        if order.filled >= order.total:
            order.status = OrderStatus.EXECUTED

    def _note(self) -> None:
        self.past.append(tuple(self.record(order) for order in self.orders.values() if not order.lost))

    def record(self, order: Working) -> OrderRecord:
        resting = order.status is OrderStatus.RESTING
        return OrderRecord(
            order_id=order.order_id,
            client_order_id=order.client_id,
            ticker=self.parent.ticker,
            leg=self.parent.leg,
            price=order.price,
            status=order.status,
            initial=order.total,
            filled=order.filled,
            remaining=Count(order.total - order.filled) if resting else Count(0),
            fees=Money(0),
            created=self.now,
        )


@dataclass
class Wire:
    """A request in the network: not yet at the exchange, or there, with its answer on the way."""

    command: Command
    incarnation: int
    landed: bool = False
    lost: bool = False  # nobody waits for its answer any more
    facts: tuple[Fact, ...] = ()
    read: tuple[Outcome[tuple[OrderRecord, ...], Trouble], Outcome[tuple[FillRecord, ...], Trouble] | None] | None = (
        None
    )


Mutation = Place | Amend | Cancel | Claim | Burn


@dataclass
class Pace:
    """What the market looks like just now."""

    queue: dict[Price, Count] = field(default_factory=dict)
    shown: dict[Price, Count] = field(default_factory=dict)
    volumes: tuple[Count, ...] = ()
    rivals: Count = NOTHING
    suppliers: Count = NOTHING
    own: Price | None = None
    own_after: Count = NOTHING
    own_waits: bool = False


class World:
    """One execution, its journal, the network and the exchange; `step` does what the tape says, `finish` lets it end."""

    def __init__(
        self,
        parent: Parent,
        policy: Policy,
        tape: Tape,
        strategy_of: Callable[[Algorithm], Strategy] = production,
    ) -> None:
        self.parent, self.policy, self.tape = parent, policy, tape
        self.strategy_of: Callable[[Algorithm], Strategy] = strategy_of
        self.exchange = Exchange(parent, strict=tape.pick(4) != 3)
        self.now = parent.started
        self.wires: list[Wire] = []
        self.journal: list[Fact] = []
        self.durable = 0
        self.incarnation = 0
        self.state = START
        self.identities: set[tuple[int, int]] = set()
        self.delivered: list[Fact] = []
        self.pace = Pace()
        self.book_at = self.now
        self.shown_grid = parent.grid
        self.shown_open, self.shown_over = True, False
        self.decisions = 0
        self.last_wait = self.now
        self._remember(Started(parent, policy, self.now))
        self.durable = 1
        self._move_book()

    # What may happen

    def step(self) -> None:
        """Let the next thing on the tape happen, and check."""
        happenings = (
            *(5 * (self.turn,)),
            *(3 * (self._land,)),
            *(4 * (self._answer,)),
            *(2 * (self._fresh_book,)),
            *(2 * (self._pass_time,)),
            self._lose,
            self._hit,
            self._tell_fill,
            self._tell_record,
            self._repeat,
            self._move_book,
            self._rare,
        )
        happenings[self.tape.pick(len(happenings))]()
        self.check()

    def finish(self) -> None:
        """Let everything be normal from here: the execution must end within bounded decisions and time."""
        for wire in [wire for wire in self.wires if wire.lost]:
            if not wire.landed:
                self._arrive(wire)
            self.wires.remove(wire)
        if self.exchange.closed or any(order.lost for order in self.exchange.orders.values()):
            self.exchange.settle()
        self.check()
        begun, decided = self.now, self.decisions
        while self.state.finished is None:
            for wire in list(self.wires):
                if not wire.landed:
                    self._arrive(wire)
                self._deliver(wire)
            for fill in self.exchange.fills[-3:]:
                self._tell(fill)
            self._fresh_book()
            before = self.decisions
            if self.turn():
                self.now = max(self.now, self.last_wait)
                self.exchange.now = self.now
            self.check()
            assert self.decisions == before + 1
            assert self.decisions - decided < MOST_DECISIONS, "liveness: too many decisions"
            assert self.now <= max(begun, self.parent.wind_down) + PATIENCE, "liveness: too late"

    def turn(self) -> bool:
        """Decide once and act; return whether there was nothing to do but wait."""
        view = self.view()
        commands = decide(self.state, view, self.policy, self.strategy_of)
        assert commands == decide(self.state, view, self.policy, self.strategy_of), (
            "invariant 8: the same decision twice"
        )
        self.decisions += 1
        for command in commands:
            self._judge(command, view)
        self._remember(*intents(commands, view))
        if any(isinstance(command, Place | Amend) for command in commands):
            self.durable = len(self.journal)
        waits = [command for command in commands if isinstance(command, WaitUntil)]
        for wait in waits:
            self.last_wait = wait.at
        for command in commands:
            if isinstance(command, Place | Amend | Cancel | Claim | Burn | Lookup):
                self.wires.append(Wire(command, self.incarnation))
        return bool(waits) and len(waits) == len(commands)

    def view(self) -> View:
        queue: Ladder = tuple(sorted(self.pace.queue.items(), reverse=True))
        ladders = Ladders(queue, tuple(sorted(self.pace.shown.items())))
        return View(
            now=self.now,
            book_at=self.book_at,
            ladders=ladders,
            queue_near=within(ladders.queue, BAND),
            offers_near=within(ladders.offers, BAND),
            reach=reach(ladders.offers, self.state.cap),
            flow=Flow(self.pace.rivals, self.pace.suppliers, Count(9), Count(5), Count(5), Count(9), self.pace.volumes),
            conditions=Conditions(
                self.shown_grid, self.parent.rates, 100, 0, 5, 10_000, self.shown_open, over=self.shown_over
            ),
            ahead=tuple((order.key.split, Count(100)) for order in self.state.orders if order.phase is Phase.LIVE),
            passages=tuple(
                Passage(order.key.split, self.exchange.orders[order.order_id].filled, self.exchange.hit_at)
                for order in self.state.orders
                if order.phase is Phase.LIVE and order.order_id in self.exchange.orders
            ),
            own_offer=self.pace.own,
            own_after=self.pace.own_after,
            own_waits=self.pace.own_waits,
        )

    def _remember(self, *facts: Fact) -> None:
        for fact in facts:
            self.state = evolve(self.state, fact)
            self.journal.append(fact)

    def _some(self, wires: list[Wire]) -> Wire | None:
        return wires[self.tape.pick(len(wires))] if wires else None

    def _land(self) -> None:
        """Let a request arrive at the exchange: carried out, refused, or turned away."""
        wire = self._some([wire for wire in self.wires if not wire.landed])
        if wire is not None:
            self._arrive(wire)

    def _arrive(self, wire: Wire) -> None:
        fate = self.tape.pick(8)
        trouble: Trouble | None = None
        if fate == 6:
            trouble = REJECTIONS[self.tape.pick(len(REJECTIONS))]
        elif fate == 7:
            trouble = NotApplied("rate limited")
        wire.landed = True
        command = wire.command
        if isinstance(command, Lookup):
            self._read(wire, trouble)
        elif isinstance(command, Place | Amend | Cancel | Claim | Burn):
            wire.facts = (self._carry_out(command, trouble),)

    def _carry_out(self, command: Mutation, trouble: Trouble | None) -> Fact:
        exchange, key, at = self.exchange, command.key, self.now
        if isinstance(command, Cancel):
            return cancel_reply(key, Failure(trouble) if trouble else exchange.cancel(command.order_id), at)
        if isinstance(command, Amend):
            current, updated = self._id(key.split, command.current), self._id(key.split, command.revision)
            done = (
                Failure(trouble)
                if trouble
                else exchange.amend(command.order_id, current, updated, command.price, command.total)
            )
            return amend_reply(key, command.revision, done, at)
        identity = self._id(key.split, key.birth)
        if isinstance(command, Burn):
            kind, count, style = Kind.BURN, BURN_COUNT, Style.TAKE
        else:
            kind = Kind.PLACE if isinstance(command, Place) else Kind.CLAIM
            count, style = command.count, command.style
        made = Failure(trouble) if trouble else exchange.create(identity, key, command.price, count, style)
        return create_reply(key, kind, made, at)

    def _read(self, wire: Wire, trouble: Trouble | None) -> None:
        """Read orders as they were up to four changes ago, and fills with up to two missing."""
        over_at = self.exchange.over_at
        lag = self.tape.pick(5) if over_at is None or self.now < over_at + READ_LAG else 0
        past = self.exchange.past[max(0, len(self.exchange.past) - 1 - lag)]
        orders: Outcome[tuple[OrderRecord, ...], Trouble] = Failure(trouble) if trouble else Success(past)
        fills: Outcome[tuple[FillRecord, ...], Trouble] | None = None
        if itemisation_due(self.state, orders):
            shown = tuple(self.exchange.fills[: len(self.exchange.fills) - self.tape.pick(3)])
            fills = Failure(Unknown("")) if self.tape.pick(6) == 5 else Success(shown)
        wire.read = (orders, fills)

    def _answer(self) -> None:
        wire = self._some([wire for wire in self.wires if wire.landed and not wire.lost])
        if wire is not None:
            self._deliver(wire)

    def _deliver(self, wire: Wire) -> None:
        self.wires.remove(wire)
        facts = wire.facts if wire.read is None else lookup_reply(self.state, *wire.read, self.now)
        self.delivered.extend(facts)
        self._remember(*facts)

    def _lose(self) -> None:
        """Let the answer of a request be lost; it may have arrived, may arrive later, or never."""
        wire = self._some([wire for wire in self.wires if not wire.lost])
        if wire is None:
            return
        wire.lost = True
        if wire.landed or self.tape.pick(2):
            self.wires.remove(wire)
        command = wire.command
        unknown: Outcome[Ack, Trouble] = Failure(Unknown("time-out"))
        if isinstance(command, Lookup):
            self._remember(LookedUp("time-out", self.now))
        elif isinstance(command, Cancel):
            self._remember(cancel_reply(command.key, Failure(Unknown("time-out")), self.now))
        elif isinstance(command, Amend):
            self._remember(amend_reply(command.key, command.revision, unknown, self.now))
        elif isinstance(command, Place | Claim | Burn):
            kinds = {Place: Kind.PLACE, Claim: Kind.CLAIM, Burn: Kind.BURN}
            self._remember(create_reply(command.key, kinds[type(command)], unknown, self.now))

    def _hit(self) -> None:
        resting = self.exchange.resting()
        if resting:
            order = resting[self.tape.pick(len(resting))]
            counts = (Count(1), Count(100), Count(333), Count(1), Count(2_000), Count(order.total - order.filled))
            self.exchange.hit(order, counts[self.tape.pick(len(counts))])

    def _tell_fill(self) -> None:
        """Tell of any match, told before or not."""
        if self.exchange.fills:
            self._tell(self.exchange.fills[-1 - self.tape.pick(len(self.exchange.fills))])

    def _tell(self, made: FillRecord) -> None:
        fill = Fill(made.order_id, made.trade_id, made.price, made.count, made.fee, made.taker, made.at)
        self._remember(Filled(fill, self.now))

    def _tell_record(self) -> None:
        """Tell of some orders' records as they were lately, without a read having been asked for."""
        past = self.exchange.past[max(0, len(self.exchange.past) - 1 - self.tape.pick(4))]
        told = lookup_reply(self.state, Success(past), None, self.now)
        self._remember(*(fact for fact in told if not isinstance(fact, LookedUp)))

    def _repeat(self) -> None:
        """Deliver again what a read has told before."""
        repeatable = [fact for fact in self.delivered[-8:] if isinstance(fact, Filled)]
        if repeatable:
            self._remember(repeatable[self.tape.pick(len(repeatable))])

    def _move_book(self) -> None:
        """Let the book change: both sides, one, none, crossed; what is shown may be old or wrong."""
        base, tick = self.parent.target, 100
        sides = self.tape.pick(6)
        spread = (1, 3, 5, -1)[self.tape.pick(4)]
        best = base + (self.tape.pick(8) - 1) * tick
        count = (Count(50_000), Count(8_000), Count(6_000), Count(3_333), Count(1), Count(50_000))[self.tape.pick(6)]
        offers = {Price(best + n * tick): count for n in range(2)} if sides not in {2, 3} else {}
        queue = {Price(best - (spread + n) * tick): count for n in range(2)} if sides not in {1, 3} else {}
        self.exchange.offers = {} if sides == 5 else dict(offers)
        self.pace.shown, self.pace.queue = offers, queue
        self.pace.volumes = ((), (Count(100), Count(130)), (Count(100), Count(100)))[self.tape.pick(3)]
        self.pace.rivals = Count(self.tape.pick(3))
        self.pace.suppliers = Count(self.tape.pick(3))
        for order in self.exchange.resting():
            if any(price <= order.price for price in self.exchange.offers):
                self.exchange.hit(order, Count(1 + self.tape.pick(3_000)))
        if self.tape.pick(4) != 3:
            self.book_at = self.now

    def _fresh_book(self) -> None:
        self.book_at = self.now
        self.pace.shown = dict(self.exchange.offers)
        self.shown_grid = self.exchange.grid
        self.shown_open, self.shown_over = not self.exchange.closed, self.exchange.over_at is not None
        best = min(self.pace.shown, default=Price(0))
        if best:
            self.pace.queue = {price: count for price, count in self.pace.queue.items() if price < best}

    def _pass_time(self) -> None:
        spans = (50_000, 300_000, 1_000_000, 4_000_000)
        self.now = Micros(self.now + spans[self.tape.pick(len(spans))])
        self.exchange.now = self.now
        if self.tape.pick(4):
            self.book_at = self.now

    def _exchange_cancels(self) -> None:
        resting = self.exchange.resting()
        if resting:
            self.exchange.withdraw(resting[self.tape.pick(len(resting))])

    def _exchange_loses(self) -> None:
        """Let the exchange forget an order; what filled before its id was known could never be told apart."""
        unfilled = [order for order in self.exchange.resting() if not order.filled]
        if unfilled:
            self.exchange.lose(unfilled[self.tape.pick(len(unfilled))])

    def _rare(self) -> None:
        what = self.tape.pick(48)
        if what < 5:
            self._crash()
        elif what < 8:
            self._exchange_cancels()
        elif what < 10:
            self.exchange.grid = self.shown_grid = GRIDS[self.tape.pick(len(GRIDS))]
        elif what < 12:
            self.exchange.grid = GRIDS[self.tape.pick(len(GRIDS))]
        elif what == 12:
            self._remember(StopRequested("by hand", self.now))
        elif what < 15:
            self.exchange.close()
        elif what == 15:
            self.exchange.open()
        elif what == 16 and self.exchange.closed:
            self.exchange.settle()
        elif what == 17:
            self._exchange_loses()
        elif what < 22:
            self.pace.own = Price(self.parent.target + (self.tape.pick(5) - 1) * 100)
            self.pace.own_after = Count(100 * self.tape.pick(2))
            self.pace.own_waits = bool(self.tape.pick(2))
        elif what < 24:
            self.pace.own = None

    def _crash(self) -> None:
        """Throw the state away: intents are durable, of the facts after them any number may be lost."""
        kept = self.durable + self.tape.pick(len(self.journal) - self.durable + 1)
        del self.journal[kept:]
        self.incarnation += 1
        self.wires = [wire for wire in self.wires if not wire.landed and self.tape.pick(2) == 0]
        for wire in self.wires:
            wire.lost = True
        self.delivered.clear()
        self.state = reduce(evolve, self.journal, START)
        self._remember(Resumed("worker", self.now))
        self.durable = len(self.journal)

    def _id(self, split: int, revision: int) -> str:
        return ClientId(self.parent.installation, self.parent.execution, split, revision).text()

    # What must hold

    def _judge(self, command: Command, view: View) -> None:
        """Check a command as it is given."""
        state = self.state
        if isinstance(command, Place | Amend | Claim | Burn):
            assert command.price <= self.parent.cap, "invariant 2: past the cap"
            assert view.conditions.grid.valid(command.price), "invariant 2: off the grid"
        if isinstance(command, Place | Amend | Cancel | Claim | Burn):
            busy = [
                wire
                for wire in self.wires
                if not wire.lost
                and isinstance(wire.command, Place | Amend | Cancel | Claim | Burn)
                and wire.command.key == command.key
                and not self._closed(command.key)
            ]
            assert not busy, "one mutation in flight per order"
        if isinstance(command, Place | Amend):
            assert not state.winding, "nothing is raised after winding down"
            assert not view.trouble(self.policy.stale_after), "a bad book moves nothing"
            assert not meets_own(command.price, command.style, view), "nothing meets an order of the account"
            identity = (command.key.split, command.key.birth if isinstance(command, Place) else command.revision)
            assert identity not in self.identities, "a new intent never reuses an id"
            self.identities.add(identity)
        if isinstance(command, WaitUntil):
            assert command.at > view.now, "a wait lies in the future"
            assert not woken(command.wakes, view), "a wake holds already"
        if isinstance(command, Finish):
            self._judge_end()

    def _closed(self, key: OrderKey) -> bool:
        return any(order.key == key and order.phase is Phase.CLOSED for order in self.state.orders)

    def _judge_end(self) -> None:
        assert not self.exchange.resting(), "invariant 4: something rests"
        assert self.exposed() == self.exchange.filled(), "invariant 4: something may still take effect"
        count, cost, fees = total_cost(self.state)
        made = self.exchange.fills
        assert total_filled(self.state) == count == sum(fill.count for fill in made), "invariant 4: fills"
        assert cost == sum(fill.price * fill.count for fill in made), "invariant 9: cost"
        assert fees == sum(fill.fee for fill in made), "invariant 9: fees"

    def exposed(self) -> int:
        """Return the most that may ever be filled, as exchange and network see it."""
        by_key: dict[OrderKey, int] = {}
        for order in self.exchange.orders.values():
            most: int = order.filled
            if order.status is OrderStatus.RESTING:
                late = [
                    wire.command.total
                    for wire in self.wires
                    if not wire.landed and isinstance(wire.command, Amend) and wire.command.order_id == order.order_id
                ]
                most = max(order.total, *late) if late else order.total
            assert order.key not in by_key, "one order an id"
            by_key[order.key] = most
        for wire in self.wires:
            command = wire.command
            if not wire.landed and isinstance(command, Place | Claim | Burn):
                spent = self._id(command.key.split, command.key.birth) in self.exchange.spent
                if spent or self.exchange.over_at is not None:
                    continue
                count = BURN_COUNT if isinstance(command, Burn) else command.count
                by_key[command.key] = max(by_key.get(command.key, 0), count)
        known = {order.key: exposure(order) for order in self.state.orders}
        for key, most in by_key.items():
            assert most <= known.get(key, 0), f"invariant 1: {key} may fill {most}, the ledger knows {known.get(key)}"
        return sum(by_key.values())

    def check(self) -> None:
        """Check what holds at every instant."""
        state = self.state
        assert self.exposed() <= self.parent.count, "invariant 1: the exchange may fill too much"
        assert total_exposure(state) <= self.parent.count, "invariant 1: the ledger may fill too much"
        assert total_filled(state) <= self.exchange.filled(), "invariant 5: a fill counts once"
        assert total_cost(state)[0] <= self.exchange.filled(), "invariant 5: a fill counts once"
        if state.splits:
            assert sum(split.count for split in state.splits) == self.parent.count, "invariant 6: splits"
        limits = self.policy.config.walker
        assert total_walks(state) <= limits.max_total_walks, "invariant 6: walks of the parent"
        assert all(len(split.walks) <= limits.max_walks for split in state.splits), "invariant 6: walks of a split"
        open_splits = [order.key.split for order in state.orders if order.phase is not Phase.CLOSED]
        assert len(open_splits) == len(set(open_splits)), "one open order a split"
        for order in state.orders:
            mine = self.exchange.orders.get(order.order_id)
            if order.phase is Phase.CLOSED and mine is not None:
                assert mine.status is not OrderStatus.RESTING, "invariant 4: closed, but it rests"
            if order.ending is Ending.LAPSED:
                came = self.exchange.spent.get(self._id(order.key.split, order.key.birth))
                assert came is None or self.exchange.orders[came].lost, "lapsed, but it came"
                assert self.exchange.over_at is not None, "lapsed, but it may come"

    def replays(self) -> None:
        """Check that the journal alone gives the state, and every decision anew where no crash cut one short."""
        again = reduce(evolve, self.journal, START)
        assert again == self.state
        assert hash(again) == hash(self.state), "invariant 8: replay"
        if self.incarnation == 0 and self.strategy_of is production:
            replayed = replay(tuple(self.journal))
            assert isinstance(replayed, Replayed), replayed
            assert replayed.state == self.state
