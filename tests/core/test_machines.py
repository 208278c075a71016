"""The ledger, reconcile and the matching, each driven by rules beside a slow model that is obviously right."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.core import test_matching_laws as laws
from tests.core.scenes import FIRST, NOW, accepted, cents, contracts, fold, intended, name, planned, record
from tests.core.stage import Stage
from tests.core.test_matching_laws import OPS, SUBMITS, Op, Reference
from tests.core.world import Wire
from typing_extensions import override

from depthwalker.core.answer import NotApplied, OrderStatus, Rejected
from depthwalker.core.book import Leg
from depthwalker.core.execution import State, open_order, split_filled, total_cost, total_exposure, total_filled
from depthwalker.core.fact import Fact, Filled, StopRequested
from depthwalker.core.ledger import Ending, Fill, Phase
from depthwalker.core.reports import Matched
from depthwalker.core.units import Count, Money, Price


@dataclass
class Told:
    """Everything that was ever told of one order, in the order of telling."""

    fills: list[Fill] = field(default_factory=list)
    cumulative: list[int] = field(default_factory=lambda: [0])
    ends: list[Ending] = field(default_factory=list)

    def booked(self) -> list[Fill]:
        return [fill for n, fill in enumerate(self.fills) if fill.trade_id not in {f.trade_id for f in self.fills[:n]}]


class LedgerMachine(RuleBasedStateMachine):
    """One order of 100; the model forgets nothing and counts anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.state: State = fold(intended(), state=planned((49, 100)))
        self.told = Told()
        self.known = False

    def tell(self, fact: Fact) -> None:
        self.state = fold(fact, state=self.state)

    @rule(count=st.none() | st.integers(0, 100))
    def accept(self, count: int | None) -> None:
        self.tell(accepted(filled=count or 0))
        self.told.cumulative.append((count or 0) * 100)
        self.known = True

    @rule(trade=st.sampled_from("abcdef"))
    def fill(self, trade: str) -> None:
        size = "abcdef".index(trade) + 1
        made = Fill(name(FIRST), trade, cents(40 + size), contracts(size), Money(size), True, NOW)
        self.told.fills.append(made)
        self.tell(Filled(made, NOW))

    @rule(status=st.sampled_from(OrderStatus), count=st.integers(0, 100))
    def observe(self, status: OrderStatus, count: int) -> None:
        self.tell(record(status, count))
        self.told.cumulative.append(count * 100)
        self.known = True
        endings = {OrderStatus.CANCELED: [Ending.CANCELED], OrderStatus.EXECUTED: [Ending.EXECUTED]}
        self.told.ends.extend(endings.get(status, []))

    @invariant()
    def agrees(self) -> None:
        (order,) = self.state.orders
        booked = self.told.booked() if self.known else []
        itemised = sum(fill.count for fill in booked)
        assert total_cost(self.state) == (
            itemised,
            sum(fill.price * fill.count for fill in booked),
            sum(fill.fee for fill in booked),
        )
        assert total_filled(self.state) == max(itemised, *self.told.cumulative)
        assert order.ending is (self.told.ends[0] if self.told.ends else Ending.OPEN)
        closed = order.phase is Phase.CLOSED
        assert total_exposure(self.state) >= (total_filled(self.state) if closed else contracts(100))
        assert closed is bool(self.told.ends)


class MatchingMachine(RuleBasedStateMachine):
    """The exchange's pit beside one list of orders, searched anew for every match."""

    def __init__(self) -> None:
        super().__init__()
        self.pit, self.reference = laws.START, Reference()
        self.trades: list[tuple[str, str, int, int]] = []
        self.steps = 0

    def _apply(self, op: Op) -> None:
        self.pit, events = laws.step(self.pit, op, self.steps)
        self.reference.apply(op, self.steps)
        made = (event for event in events if isinstance(event, Matched))
        self.trades += [(e.maker_order, e.taker_order, e.yes_price, e.count) for e in made]
        self.steps += 1

    @rule(op=SUBMITS)
    def submit(self, op: Op) -> None:
        self._apply(op)

    @rule(op=OPS)
    def do(self, op: Op) -> None:
        self._apply(op)

    @invariant()
    def agrees(self) -> None:
        assert self.trades == self.reference.trades
        assert all(laws.standing(self.pit, leg) == self.reference.standing(leg) for leg in Leg)


TROUBLES = st.sampled_from((NotApplied("rate limited"), Rejected(400, "post_only", "post only cross")))
ANY = st.integers(0, 7)


class ReconcileMachine(RuleBasedStateMachine):
    """Two splits wanted at prices that change, on a network that does its worst; the model is the exchange's own books."""

    @initialize(first=st.integers(1, 3), second=st.integers(1, 3))
    def begin(self, first: int, second: int) -> None:
        self.counts = {1: contracts(first), 2: contracts(second)}
        self.stage = Stage(first, second)
        self.stage.act()

    def _waiting(self, landed: bool) -> list[Wire]:
        return [wire for wire in self.stage.wires if not wire.lost and wire.landed is landed]

    def _one(self, which: int, then: Callable[[Wire], object], *, landed: bool) -> None:
        waiting = self._waiting(landed)
        if waiting:
            then(waiting[which % len(waiting)])

    @rule(which=ANY)
    def arrive(self, which: int) -> None:
        self._one(which, lambda wire: self.stage.arrive([wire]), landed=False)

    @rule(which=ANY, trouble=TROUBLES)
    def turn_away(self, which: int, trouble: NotApplied | Rejected) -> None:
        self._one(which, lambda wire: self.stage.arrive([wire], trouble), landed=False)

    @rule(which=ANY)
    def answer(self, which: int) -> None:
        self._one(which, lambda wire: self.stage.answer([wire]), landed=True)

    @rule(which=ANY)
    def lose_answer(self, which: int) -> None:
        self._one(which, lambda wire: self.stage.lose([wire], arrived=False), landed=True)

    @rule(which=ANY)
    def lose_request(self, which: int) -> None:
        self._one(which, lambda wire: self.stage.lose([wire], arrived=False), landed=False)

    @rule(seconds=st.sampled_from((0.1, 1, 5)))
    def decide(self, seconds: float) -> None:
        self.stage.act(seconds)

    @precondition(lambda self: self.stage.exchange.resting())
    @rule(count=st.integers(1, 150))
    def others_sell(self, count: int) -> None:
        self.stage.exchange.hit(self.stage.exchange.resting()[0], Count(count))

    @rule(split=st.integers(1, 2), price=st.integers(48, 53))
    def want(self, split: int, price: int) -> None:
        self.stage.prices[split] = price

    @rule(split=st.integers(1, 2))
    def want_nothing(self, split: int) -> None:
        self.stage.prices.pop(split, None)

    @precondition(lambda self: self.stage.exchange.fills)
    @rule(which=ANY)
    def tell_fill_again(self, which: int) -> None:
        fills = self.stage.exchange.fills
        self.stage._tell(fills[which % len(fills)])

    @rule()
    def restart(self) -> None:
        self.stage.restart()

    @rule()
    def stop(self) -> None:
        self.stage._remember(StopRequested("by hand", self.stage.now))

    @rule()
    def what_is_wanted_is_what_works_once_all_is_answered(self) -> None:
        for wire in [wire for wire in self.stage.wires if wire.lost]:
            self.stage.wires.remove(wire)
        for _ in range(3):
            for made in self.stage.exchange.fills:
                self.stage._tell(made)
            self.stage.settle()
        state, working = self.stage.state, self.stage.exchange.resting()
        wanted: dict[int, tuple[Price, int]] = {}
        for split, price in self.stage.prices.items():
            left = self.counts[split] - split_filled(state, split)
            if left and not state.winding:
                wanted[split] = (cents(price), left)
        assert {order.key.split: (order.price, order.total - order.filled) for order in working} == wanted

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "stage"):
            self.stage.check()
            assert all(len([o for o in self.stage.exchange.resting() if o.key.split == n]) <= 1 for n in (1, 2))

    @override
    def teardown(self) -> None:
        if hasattr(self, "stage"):
            self.stage.finish()
            self.stage.replays()
            assert open_order(self.stage.state, 1) is None


BRIEF = settings(stateful_step_count=40)
TestLedger = LedgerMachine.TestCase
TestMatching = MatchingMachine.TestCase
TestReconcile = ReconcileMachine.TestCase
TestLedger.settings = TestMatching.settings = TestReconcile.settings = BRIEF
