"""One parent through the core's own decisions, on a simulated exchange: what is decided takes effect a latency later.

The same `decide`, `evolve`, `reconcile` and replies run here as live. An action meets the market `latency` after it was
decided and its answer is known at once then; reading fills is a second action. Nothing happens between two decisions but
what the exchange finds on its tape.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, assert_never

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.answer import FillRecord, OrderRecord, Trouble
from depthwalker.core.command import (
    Amend,
    Burn,
    Cancel,
    Claim,
    Command,
    Finish,
    Fresh,
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
from depthwalker.core.config import Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Fact, Started
from depthwalker.core.ledger import Kind
from depthwalker.core.outcome import Outcome, Success
from depthwalker.core.policy import Policy
from depthwalker.core.reply import amend_reply, cancel_reply, create_reply, itemisation_due, lookup_reply
from depthwalker.core.units import Micros
from depthwalker.core.view import View
from depthwalker.shell.lab.market import Exchange

LATENCY: Final = Micros(100_000)
MOST_TURNS: Final = 10_000  # more is a bug: an execution that never ends

Orders: TypeAlias = Outcome[tuple[OrderRecord, ...], Trouble]
_Action: TypeAlias = Callable[["Replay"], tuple[Fact, ...]]


@dataclass(frozen=True, slots=True)
class Run:
    """How a parent went: its last state, its fills as the exchange has them, and how many decisions it took."""

    state: State
    fills: tuple[FillRecord, ...]
    decisions: int
    cancels: int


class Replay:
    """A parent being executed."""

    def __init__(
        self, exchange: Exchange, policy: Policy, strategy_of: Callable[[Algorithm], Strategy], latency: Micros
    ) -> None:
        self._exchange = exchange
        self._policy = policy
        self._strategy_of = strategy_of
        self._latency = latency
        self._now = exchange.account.parent.started
        self.state = evolve(START, Started(exchange.account.parent, policy, self._now))
        self._pending: list[tuple[Micros, _Action]] = []
        self._cancels = 0
        self._decisions = 0

    def run(self) -> Run:
        """Execute the parent to its end."""
        while self.state.finished is None:
            view = self.look()
            self.obey(decide(self.state, view, self._policy, self._strategy_of), view)
        return self.ended()

    def look(self) -> View:
        """Return what the next decision is made on."""
        self._decisions += 1
        if self._decisions > MOST_TURNS:
            raise RuntimeError(f"no end after {MOST_TURNS} decisions: {self.state}")
        return self._exchange.view(self.state, self._now)

    def obey(self, commands: tuple[Command, ...], view: View) -> None:
        """Do what was decided on a view, and wait as long as nothing is worth a decision, as live."""
        self._remember(intents(commands, view))
        for command in commands:
            self._act(command)
        if commands and isinstance(commands[-1], WaitUntil):
            self._rest(commands[-1])  # whatever was sent ends in a fact, which wakes

    def ended(self) -> Run:
        """Return how the parent went."""
        return Run(self.state, tuple(self._exchange.account.fills), self._decisions, self._cancels)

    def on(self, exchange: Exchange) -> "Replay":
        """Return the same execution as it is now on a fork of its exchange, to go another way."""
        twin = copy(self)
        twin._exchange, twin._pending = exchange, [*self._pending]  # noqa: SLF001 - it is one of us
        return twin

    def _rest(self, wait: WaitUntil) -> None:
        """Let time pass until the wait is over, one of its wakes holds, or something is told of our orders."""
        fresh = any(isinstance(wake, Fresh) for wake in wait.wakes)
        wakes = tuple([wake for wake in wait.wakes if not isinstance(wake, Fresh)])
        # A view of this instant is not fresher.
        over = min(wait.at, Micros(self._now + max(1, self._latency))) if fresh else wait.at
        while True:
            until = min([over, *(at for at, _ in self._pending)])
            woken = self._exchange.wake(self.state, wakes, self._now, Micros(until + 1)) if wakes else None
            self._now = until if woken is None else woken
            due = [action for at, action in self._pending if at <= self._now]
            self._pending = [(at, action) for at, action in self._pending if at > self._now]
            told = [fact for action in due for fact in self._remember(action(self))]
            if told or woken is not None or self._now >= over:
                return

    def _remember(self, facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
        for fact in facts:
            self.state = evolve(self.state, fact)
        return facts

    def _act(self, command: Command) -> None:
        match command:
            case Place() | Amend() | Cancel():
                self._later(partial(Replay._order, command=command))
            case Lookup():
                self._later(Replay._look_up)
            case Claim() | Burn() | Lapse():
                raise RuntimeError("nothing is ever in doubt on a simulated exchange")
            case Tick() | Hold() | Plan() | Regrid() | Recap() | MarkOver() | WindDown() | Finish() | WaitUntil():
                pass
            case _ as never:
                assert_never(never)

    def _later(self, action: _Action) -> None:
        self._pending.append((Micros(self._now + self._latency), action))

    def _order(self, command: Place | Amend | Cancel) -> tuple[Fact, ...]:
        exchange, now = self._exchange, self._now
        match command:
            case Place(key, price, count, style, _, _):
                return (create_reply(key, Kind.PLACE, exchange.place(key, price, count, style, now), now),)
            case Amend():
                outcome = exchange.amend(command.order_id, command.revision, command.price, command.total, now)
                return (amend_reply(command.key, command.revision, outcome, now),)
            case Cancel(key, order_id):
                self._cancels += 1
                return (cancel_reply(key, exchange.cancel(order_id, now), now),)
            case _ as never:
                assert_never(never)

    def _look_up(self) -> tuple[Fact, ...]:
        self._exchange.advance(self._now)
        orders: Orders = Success(self._exchange.account.records())
        if not itemisation_due(self.state, orders):
            return lookup_reply(self.state, orders, None, self._now)
        self._later(partial(Replay._itemise, orders=orders))
        return ()

    def _itemise(self, orders: Orders) -> tuple[Fact, ...]:
        self._exchange.advance(self._now)
        return lookup_reply(self.state, orders, Success(tuple(self._exchange.account.fills)), self._now)
