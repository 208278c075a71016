"""A whole execution as a pure function: the core's own decider against the core's own matching, a second at a time.

Nothing is drawn and no clock is read, so every run tells the same facts. Each second a taker hits the queue that our orders
wait in; requests are answered at once.
"""

from dataclasses import dataclass, replace
from typing import Final, assert_never

from bench import scene
from depthwalker.core import matching
from depthwalker.core.answer import Ack, CancelAck, FillRecord, OrderRecord, OrderStatus, TradePrint
from depthwalker.core.book import Book, Leg, OwnOrder
from depthwalker.core.command import (
    Amend,
    Burn,
    Cancel,
    Claim,
    Command,
    Finish,
    Hold,
    Lapse,
    Lookup,
    MarkOver,
    Place,
    Plan,
    Recap,
    Regrid,
    Tick,
    WaitUntil,
    WindDown,
    intents,
)
from depthwalker.core.config import PolicyName
from depthwalker.core.crowd import seed, take
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Fact
from depthwalker.core.flow import History, observe, record
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Kind, Phase, Style, filled
from depthwalker.core.outcome import Success
from depthwalker.core.pit import NewOrder, Pit, Rules, TimeInForce, book, find
from depthwalker.core.reply import amend_reply, cancel_reply, create_reply, lookup_reply
from depthwalker.core.reports import Event, Matched
from depthwalker.core.units import CONTRACT, DOLLAR, SECOND, Count, Micros, Money, Price
from depthwalker.core.view import View, Waiting, look

ACCOUNT: Final = "us"
TAKEN: Final = Count(12 * CONTRACT)


@dataclass(frozen=True, slots=True)
class Step:
    """A fact, and the state that it met."""

    before: State
    fact: Fact


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision: what it was made of, and what it came to."""

    state: State
    book: Book
    history: History
    now: Micros
    view: View
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that one execution came to."""

    steps: tuple[Step, ...]
    turns: tuple[Turn, ...]
    final: State


class _Exchange:
    """A pit with the records of our orders and fills in it."""

    def __init__(self) -> None:
        opening = scene.book()
        self.pit: Pit = seed(opening.yes, opening.no, Rules(grid=scene.GRID))
        self.orders: dict[str, OrderRecord] = {}
        self.fills: list[FillRecord] = []
        self.prints: list[TradePrint] = []

    def place(self, client_id: str, command: Place, now: Micros) -> Ack:
        order_id = f"order-{len(self.orders) + 1}"
        rests = command.style is Style.REST
        held = TimeInForce.GTC if rests else TimeInForce.IOC
        new = NewOrder(order_id, ACCOUNT, Leg.YES, command.price, command.count, held, post_only=rests)
        self.orders[order_id] = OrderRecord(
            order_id,
            client_id,
            scene.TICKER,
            Leg.YES,
            command.price,
            OrderStatus.RESTING,
            command.count,
            Count(0),
            command.count,
            Money(0),
            now,
        )
        self.take_in(*matching.submit(self.pit, new, now), now)
        return self.ack(order_id, now)

    def amend(self, client_id: str, command: Amend, now: Micros) -> Ack:
        kept = self.orders[command.order_id]
        self.orders[command.order_id] = replace(kept, client_order_id=client_id, price=command.price)
        self.take_in(*matching.amend(self.pit, command.order_id, command.price, command.total, now), now)
        return self.ack(command.order_id, now)

    def cancel(self, order_id: str, now: Micros) -> CancelAck:
        left = self.orders[order_id].remaining
        self.take_in(*matching.cancel(self.pit, order_id, now), now)
        return CancelAck(order_id, left, now)

    def hit(self, now: Micros) -> None:
        """Let a taker of the other leg meet the best of our leg's bids."""
        best = self.pit.yes[0].price
        self.take_in(*take(self.pit, Leg.NO, Price(DOLLAR - best), TAKEN, now), now)

    def take_in(self, pit: Pit, events: tuple[Event, ...], now: Micros) -> None:
        self.pit = pit
        for event in events:
            if isinstance(event, Matched):
                self._book_match(event, now)
        for order_id, kept in self.orders.items():
            if kept.status is OrderStatus.RESTING and find(pit, order_id) is None:
                ending = OrderStatus.EXECUTED if kept.filled == kept.initial else OrderStatus.CANCELED
                self.orders[order_id] = replace(kept, status=ending, remaining=Count(0))

    def ack(self, order_id: str, now: Micros) -> Ack:
        kept = self.orders[order_id]
        return Ack(order_id, kept.filled, kept.remaining, now)

    def _book_match(self, match: Matched, now: Micros) -> None:
        trade_id = f"trade-{match.trade}"
        self.prints.append(TradePrint(trade_id, match.taker_leg, match.yes_price, match.count, now))
        for order_id, fee, taker in (
            (match.maker_order, match.maker_fee, False),
            (match.taker_order, match.taker_fee, True),
        ):
            kept = self.orders.get(order_id)
            if kept is not None:
                fill = FillRecord(
                    order_id, trade_id, scene.TICKER, Leg.YES, match.yes_price, match.count, fee, taker, now
                )
                self.fills.append(fill)
                self.orders[order_id] = replace(
                    kept, filled=Count(kept.filled + match.count), remaining=Count(kept.remaining - match.count)
                )


class _Player:
    """The runner's loop without its effects."""

    def __init__(self, name: PolicyName) -> None:
        self.policy = scene.policy(name)
        self.exchange = _Exchange()
        self.history: History = scene.history(scene.NOW)
        self.now = scene.NOW
        self.state = START
        self.steps: list[Step] = []
        self.turns: list[Turn] = []
        self.remember((scene.started(name),))

    def remember(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            self.steps.append(Step(self.state, fact))
            self.state = evolve(self.state, fact)

    def play(self) -> Story:
        while self.state.finished is None:
            commands = self.turn()
            if all(isinstance(command, WaitUntil) for command in commands):
                self.pass_second()
        return Story(tuple(self.steps), tuple(self.turns), self.state)

    def turn(self) -> tuple[Command, ...]:
        shown = book(self.exchange.pit, self.now)
        view = looked(self.state, shown, self.history, self.now)
        commands = decide(self.state, view, self.policy)
        self.turns.append(Turn(self.state, shown, self.history, self.now, view, commands))
        self.remember(intents(commands, view))
        for command in commands:
            self.remember(self.answer(command))
        return commands

    def pass_second(self) -> None:
        self.now = Micros(self.now + SECOND)
        self.exchange.hit(self.now)
        self.history = record(
            observe(self.history, book(self.exchange.pit, self.now), self.now), tuple(self.exchange.prints[-5:])
        )

    def answer(self, command: Command) -> tuple[Fact, ...]:
        match command:
            case Place(key):
                ack = self.exchange.place(self.client_id(key.split, key.birth), command, self.now)
                return (create_reply(key, Kind.PLACE, Success(ack), self.now),)
            case Amend(key):
                ack = self.exchange.amend(self.client_id(key.split, command.revision), command, self.now)
                return (amend_reply(key, command.revision, Success(ack), self.now),)
            case Cancel(key, order_id):
                return (cancel_reply(key, Success(self.exchange.cancel(order_id, self.now)), self.now),)
            case Lookup():
                orders = tuple(self.exchange.orders.values())
                return lookup_reply(self.state, Success(orders), Success(tuple(self.exchange.fills)), self.now)
            case Claim() | Burn() | Lapse():
                raise AssertionError("every request here is answered")
            case Tick() | Hold() | Plan() | Regrid() | Recap() | MarkOver() | WindDown() | Finish() | WaitUntil():
                return ()
            case _ as never:
                assert_never(never)

    def client_id(self, split: int, revision: int) -> str:
        parent = self.state.parent
        return ClientId(parent.installation, parent.execution, split, revision).text()


def story(name: PolicyName) -> Story:
    """Return the execution of the scene's parent under a policy."""
    return _Player(name).play()


def looked(state: State, shown: Book, history: History, now: Micros) -> View:
    """Return the view, as the runner has it made: our own orders are taken out of the book, and their queues followed."""
    live = tuple(order for order in state.orders if order.phase is not Phase.CLOSED)
    own = tuple(OwnOrder(Leg.YES, order.price, Count(order.exposed - filled(order))) for order in live)
    return look(shown, history, Leg.YES, state.cap, own, waiting(state), scene.CONDITIONS, now)


def at_tick(told: Story, *, walks: bool) -> Turn:
    """Return a decision at a tick while an order of every split waited; the last one that walks, or that holds."""
    ticks = [turn for turn in _waiting(told) if any(isinstance(command, Tick) for command in turn.commands)]
    return [turn for turn in ticks if _walks(turn) is walks][-1]


def idle(told: Story) -> Turn:
    """Return the last decision that found nothing due while an order of every split waited."""
    return [turn for turn in _waiting(told) if all(isinstance(one, WaitUntil) for one in turn.commands)][-1]


def waiting(state: State) -> tuple[Waiting, ...]:
    """Return our orders in their queues, as the view wants them."""
    return tuple(
        Waiting(order.key.split, order.price, order.ahead, order.since)
        for order in state.orders
        if order.phase is Phase.LIVE
    )


def _walks(turn: Turn) -> bool:
    return any(isinstance(command, Amend) and command.walk for command in turn.commands)


def _waiting(told: Story) -> list[Turn]:
    return [
        turn for turn in told.turns if not turn.state.winding and len(waiting(turn.state)) == len(turn.state.splits) > 0
    ]
