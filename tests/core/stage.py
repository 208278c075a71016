"""A world directed by hand: the test says what each request meets, who trades, and at which price each split is wanted.

Prices are whole cents and counts whole contracts. The network does nothing by itself; `finish` lets everything be normal.
"""

from collections.abc import Sequence

from tests.core import scenes
from tests.core.scenes import cents, contracts
from tests.core.world import Mutation, Tape, Wire, World

from depthwalker.core.algorithms.strategy import Strategy, no_moments
from depthwalker.core.answer import Trouble
from depthwalker.core.command import Amend, Burn, Cancel, Claim, Lookup, Place
from depthwalker.core.execution import State
from depthwalker.core.ledger import Style
from depthwalker.core.parent import Parent
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire, Quote
from depthwalker.core.split import Split
from depthwalker.core.units import SECOND, Micros
from depthwalker.core.view import View


class Stage(World):
    """A parent of so many contracts, split as told, wanted at `prices` (cents, by split) until somebody moves them."""

    def __init__(self, *counts: int, price: int = 49, style: Style = Style.REST, parent: Parent | None = None) -> None:
        counts = counts or (100,)
        self.prices = dict.fromkeys(range(1, len(counts) + 1), price)
        self.style = style

        admitted = parent or scenes.parent(count=contracts(sum(counts)))
        self.counts = counts
        super().__init__(admitted, scenes.policy(), Tape([]))
        self.direct(self.prices)
        self.offer()

    def direct(self, prices: dict[int, int]) -> None:
        """Let the algorithm want these prices, and whatever becomes of them."""
        self.prices = prices

        def plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:
            return tuple(Split(n, cents(49), contracts(count)) for n, count in enumerate(self.counts, start=1))

        def desire(state: State, view: View, policy: Policy) -> Desire:
            quotes = (Quote(n, cents(at), self.style, "as directed", walk=True) for n, at in prices.items())
            return Desire(tuple(quotes), ())

        directed = Strategy(plan, desire, no_moments, ticks=False)
        self.strategy_of = lambda _: directed

    def offer(self, *levels: tuple[int, int]) -> None:
        """Let this be offered, in cents and contracts; the bid is 47."""
        self.exchange.offers = {cents(price): contracts(count) for price, count in levels}
        self.pace.shown, self.pace.queue = dict(self.exchange.offers), {cents(47): contracts(100)}
        self.book_at = self.now

    def act(self, seconds: float = 1) -> list[Wire]:
        """Let time pass and decide until there is nothing to do but wait; return the requests that are out."""
        self.pass_time(seconds)
        for _ in range(20):
            if self.turn() or self.state.finished is not None:
                self.check()
                return list(self.wires)
        raise AssertionError("it does not come to rest")

    def pass_time(self, seconds: float, *, fresh: bool = True) -> None:
        self.now = Micros(self.now + round(seconds * SECOND))
        self.exchange.now = self.now
        if fresh:
            self.book_at = self.now

    def out(self, *kinds: type[Mutation | Lookup]) -> list[Wire]:
        """Return the requests under way, of these kinds if any are named."""
        return [wire for wire in self.wires if not kinds or isinstance(wire.command, kinds)]

    def arrive(self, wires: Sequence[Wire], trouble: Trouble | None = None) -> None:
        """Let requests be carried out, or turned away; nobody is told yet."""
        for wire in wires:
            if trouble is not None and isinstance(wire.command, Place | Amend | Cancel | Claim | Burn):
                wire.landed, wire.facts = True, (self._carry_out(wire.command, trouble),)
            else:
                self._arrive(wire)

    def answer(self, wires: Sequence[Wire], trouble: Trouble | None = None) -> None:
        """Let requests be carried out, unless they were, and answered."""
        self.arrive([wire for wire in wires if not wire.landed], trouble)
        for wire in wires:
            self._deliver(wire)
        self.check()

    def lose(self, wires: Sequence[Wire], *, arrived: bool, late: bool = False) -> None:
        """Let the answers of requests be lost, which took effect, never will, or may yet do so (`late`)."""
        for wire in wires:
            if arrived:
                self._arrive(wire)
            waiting = [other for other in self.wires if not other.lost]
            self.tape = Tape([next(n for n, other in enumerate(waiting) if other is wire), 0 if late else 1])
            self._lose()
        self.check()

    def trade(self, count: int) -> None:
        """Let others sell to our first resting order, untold."""
        self.exchange.hit(self.exchange.resting()[0], contracts(count))
        self.check()

    def restart(self) -> None:
        """Let the process die, with what it knew since its last intent, and another take the execution up."""
        self._crash()
        self.check()

    def settle(self) -> None:
        """Answer what is under way as it should be, and decide, until the execution waits for the market alone."""
        for _ in range(30):
            if not self.act():
                return
            self.answer(self.out())
        raise AssertionError("it does not settle")
