"""What holds after any sequence of orders and flow, and a slow reference that the matching must agree with.

Prices are few and close, so that orders meet often. Order n of a scenario has the id of its place in it.
"""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from depthwalker.core import crowd, matching
from depthwalker.core.book import Book, Leg, apply, best_first, ladders
from depthwalker.core.crossing import Step
from depthwalker.core.fees import WITH_MAKER_FEES, Precision
from depthwalker.core.pit import NEVER, NewOrder, Order, Pit, Rules, SelfTrade, TimeInForce, book, find, queue_ahead
from depthwalker.core.reports import Amended, Ended, EndReason, Event, Matched, Refused, Rested, Withdrawn, delta
from depthwalker.core.units import DOLLAR, Count, Micros, Price

LEGS = st.sampled_from(Leg)
PRICES = st.integers(47, 53).map(lambda cents: Price(100 * cents))
COUNTS = st.integers(1, 300).map(Count)
WHICH = st.integers(0, 5)
SPANS = st.one_of(st.just(NEVER), st.integers(1, 8).map(Micros))
SIDE = st.dictionaries(st.integers(45, 49).map(lambda cents: Price(100 * cents)), COUNTS, max_size=4)


@dataclass(frozen=True)
class Submit:
    account: str
    leg: Leg
    price: Price
    count: Count
    time_in_force: TimeInForce
    self_trade: SelfTrade
    post_only: bool
    span: Micros
    cancel_on_pause: bool


@dataclass(frozen=True)
class Amend:
    which: int
    price: Price
    total: Count
    span: Micros | None


@dataclass(frozen=True)
class Decrease:
    which: int
    by: Count | None
    to: Count | None


@dataclass(frozen=True)
class Cancel:
    which: int


@dataclass(frozen=True)
class CancelAll:
    account: str


@dataclass(frozen=True)
class Pause:
    pass


@dataclass(frozen=True)
class Arrive:
    leg: Leg
    price: Price
    count: Count
    rests: bool


@dataclass(frozen=True)
class Withdraw:
    leg: Leg
    price: Price
    count: Count


Op: TypeAlias = Submit | Amend | Decrease | Cancel | CancelAll | Pause | Arrive | Withdraw

SUBMITS = st.builds(
    Submit,
    st.sampled_from(["us", "them"]),
    LEGS,
    PRICES,
    COUNTS,
    st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    st.sampled_from(SelfTrade),
    st.sampled_from([False, False, True]),
    SPANS,
    st.booleans(),
)
OPS: st.SearchStrategy[Op] = st.one_of(
    SUBMITS,
    SUBMITS,
    st.builds(Amend, WHICH, PRICES, COUNTS, st.one_of(st.none(), SPANS)),
    st.builds(Decrease, WHICH, COUNTS, st.none()),
    st.builds(Decrease, WHICH, st.none(), st.integers(0, 100).map(Count)),
    st.builds(Cancel, WHICH),
    st.builds(CancelAll, st.sampled_from(["us", "them"])),
    st.builds(Pause),
    st.builds(Arrive, LEGS, PRICES, COUNTS, st.booleans()),
    st.builds(Withdraw, LEGS, PRICES, COUNTS),
)


@st.composite
def scenarios(draw: st.DrawFn) -> list[Op]:
    """Orders come first, and what is done to one of them is done to a recent one."""
    ops = draw(st.lists(SUBMITS, min_size=2, max_size=6)) + draw(st.lists(OPS, min_size=1, max_size=24))
    return [
        replace(op, which=max(0, index - 1 - op.which)) if isinstance(op, Amend | Decrease | Cancel) else op
        for index, op in enumerate(ops)
    ]


SCENARIOS = scenarios()
LAWS = settings(max_examples=100)
START = Pit(Rules(rates=WITH_MAKER_FEES))


def order_id(which: int) -> str:
    return f"{which:02}"


def step(pit: Pit, op: Op, index: int) -> Step:
    now = Micros(index)
    match op:
        case Submit():
            return matching.submit(pit, submitted(op, index), now)
        case Amend(which, price, total, span):
            expires = None if span is None else until(span, index)
            return matching.amend(pit, order_id(which), price, total, now, expires)
        case Decrease(which, by, to):
            return matching.decrease(pit, order_id(which), now, by=by, to=to)
        case Cancel(which):
            return matching.cancel(pit, order_id(which), now)
        case CancelAll(account):
            return matching.cancel_all(pit, account)
        case Pause():
            return matching.pause(pit)
        case Arrive(leg, price, count, rests):
            return (crowd.arrive if rests else crowd.take)(pit, leg, price, count, now)
        case Withdraw(leg, price, count):
            return crowd.withdraw(pit, leg, price, count, now)


def submitted(op: Submit, index: int) -> NewOrder:
    span = op.span if op.time_in_force is TimeInForce.GTC else NEVER
    return NewOrder(
        order_id(index),
        op.account,
        op.leg,
        op.price,
        op.count,
        op.time_in_force,
        op.self_trade,
        op.post_only,
        until(span, index),
        op.cancel_on_pause,
    )


def until(span: Micros, index: int) -> Micros:
    return NEVER if span == NEVER else Micros(index + span)


def orders(pit: Pit) -> list[Order]:
    return [order for side in (pit.yes, pit.no) for queue in side for order in queue.orders]


@LAWS
@given(SCENARIOS)
def test_the_book_never_crosses_and_is_what_its_orders_amount_to(ops: list[Op]) -> None:
    pit = START
    for index, op in enumerate(ops):
        pit, _ = step(pit, op, index)
        shown, resting = book(pit, Micros(index)), orders(pit)
        assert not ladders(shown, Leg.YES).crossed()
        assert pit.yes == () or pit.no == () or pit.yes[0].price + pit.no[0].price < DOLLAR
        for leg in Leg:
            sums: dict[Price, int] = {}
            for order in resting:
                if order.leg is leg:
                    sums[order.price] = sums.get(order.price, 0) + order.remaining
            assert shown.bids(leg) == best_first((price, Count(count)) for price, count in sums.items())
        assert all(order.remaining > 0 for order in resting)
        owned = sorted((order.order_id, order.leg.value, order.price) for order in resting if order.account)
        assert [(name, leg.value, price) for name, leg, price in pit.places] == owned
        assert all(find(pit, order.order_id) == order for order in resting if order.account)
        assert pit.soonest <= min((order.expires for order in resting), default=NEVER)
        assert isinstance(hash(pit), int)  # nothing in it can change


@LAWS
@given(SCENARIOS)
def test_the_deltas_of_the_events_lead_from_book_to_book(ops: list[Op]) -> None:
    pit = START
    for index, op in enumerate(ops):
        at = Micros(index)
        shown = book(pit, at)
        pit, events = step(pit, op, index)
        for event in events:
            change = delta(event, at)
            if change is not None:
                assert change.change != 0
                following = apply(shown, change)
                assert isinstance(following, Book)
                shown = following
        assert shown == book(pit, at)


@dataclass
class Account:
    """What one order wanted at most, and what became of it, by its events alone."""

    wanted: int
    filled: int = 0
    fees: int = 0
    ended: bool = False


@LAWS
@given(SCENARIOS)
def test_what_was_submitted_is_filled_resting_or_given_up(ops: list[Op]) -> None:
    pit = START
    told: dict[str, Account] = {}
    arrived = gone = 0
    for index, op in enumerate(ops):
        if isinstance(op, Submit):
            told[order_id(index)] = Account(op.count)
        pit, events = step(pit, op, index)
        arrived += op.count if isinstance(op, Arrive) else 0
        crowd_took = 0
        for event in events:
            match event:
                case Matched():
                    assert event.count > 0
                    assert not event.maker_order == event.taker_order != ""
                    assert (event.maker_account != event.taker_account) or not event.maker_account
                    for name, fee in ((event.maker_order, event.maker_fee), (event.taker_order, event.taker_fee)):
                        assert fee >= 0
                        if name:
                            assert not told[name].ended
                            told[name].filled += event.count
                            told[name].fees += fee
                        else:
                            assert fee == 0
                            gone += event.count
                    crowd_took += 0 if event.taker_order else event.count
                case Amended():
                    assert event.filled == told[event.order_id].filled
                    told[event.order_id].wanted = event.filled + event.remaining
                case Ended():
                    account = told[event.order_id]
                    assert not account.ended
                    assert (event.filled, event.filled + event.lapsed) == (account.filled, account.wanted)
                    assert (event.reason is EndReason.FILLED) == (event.lapsed == 0)
                    account.ended = True
                case Withdrawn():
                    gone += event.count
                case Rested() | Refused():
                    pass
        if isinstance(op, Arrive) and not op.rests:
            gone += op.count - crowd_took  # the rest of a take lapses untold
    resting = {order.order_id: order for order in orders(pit) if order.account}
    for name, account in told.items():
        if name in resting:
            assert (resting[name].filled, resting[name].filled + resting[name].remaining) == (
                account.filled,
                account.wanted,
            )
        assert account.filled <= account.wanted
    assert arrived - gone == sum(order.remaining for order in orders(pit) if not order.account)


@LAWS
@given(SCENARIOS)
def test_an_amend_never_lets_an_order_exceed_its_total(ops: list[Op]) -> None:
    pit = START
    for index, op in enumerate(ops):
        before = find(pit, order_id(op.which)) if isinstance(op, Amend) else None
        pit, events = step(pit, op, index)
        if isinstance(op, Amend) and before is not None and not any(isinstance(event, Refused) for event in events):
            after = find(pit, before.order_id)
            filled = before.filled + sum(event.count for event in events if isinstance(event, Matched))
            assert filled <= max(op.total, before.filled)
            assert after is None or (after.filled, after.filled + after.remaining) == (filled, op.total)


def mirrored(op: Op) -> Op:
    match op:
        case Submit() | Arrive() | Withdraw():
            return replace(op, leg=op.leg.other())
        case _:
            return op


@LAWS
@given(SCENARIOS, st.sampled_from(Precision))
def test_the_other_leg_is_matched_the_same(ops: list[Op], precision: Precision) -> None:
    pit = mirror = Pit(Rules(rates=WITH_MAKER_FEES, precision=precision))
    for index, op in enumerate(ops):
        pit, events = step(pit, op, index)
        mirror, mirror_events = step(mirror, mirrored(op), index)
        assert (book(pit, Micros(0)).yes, book(pit, Micros(0)).no) == (
            book(mirror, Micros(0)).no,
            book(mirror, Micros(0)).yes,
        )
        assert [
            replace(event, taker_leg=event.maker_leg, yes_price=event.price(Leg.NO))
            for event in events
            if isinstance(event, Matched)
        ] == [event for event in mirror_events if isinstance(event, Matched)]


@LAWS
@given(SCENARIOS, SIDE, SIDE)
def test_a_replaced_crowd_is_the_snapshot_where_ours_do_not_meet_it(
    ops: list[Op], yes: dict[Price, Count], no: dict[Price, Count]
) -> None:
    pit = START
    for index, op in enumerate(ops):
        pit, _ = step(pit, op, index)
    ahead = {order.order_id: queue_ahead(pit, order.order_id) for order in orders(pit) if order.account}
    pit, events = crowd.replace(pit, yes.items(), no.items(), Micros(len(ops)))
    if not any(isinstance(event, Matched) for event in events):
        for leg, wanted in ((Leg.YES, yes), (Leg.NO, no)):
            sums: dict[Price, int] = {}
            for order in orders(pit):
                if order.leg is leg and not order.account:
                    sums[order.price] = sums.get(order.price, 0) + order.remaining
            assert sums == wanted
    for order in orders(pit):
        if order.account:
            now_ahead, then_ahead = queue_ahead(pit, order.order_id), ahead[order.order_id]
            assert now_ahead is not None
            assert then_ahead is not None
            assert now_ahead <= then_ahead


@dataclass
class Plain:
    """An order of the reference; `turn` is when it came to its queue."""

    order_id: str
    account: str
    leg: Leg
    price: int
    remaining: int
    turn: int
    self_trade: SelfTrade = SelfTrade.TAKER_AT_CROSS
    expires: int = NEVER
    cancel_on_pause: bool = False
    filled: int = 0


@dataclass
class Reference:
    """One list of orders, searched anew for the best maker at every match."""

    orders: list[Plain] = field(default_factory=list)
    trades: list[tuple[str, str, int, int]] = field(default_factory=list)
    turns: int = 0

    def turn(self) -> int:
        self.turns += 1
        return self.turns

    def find(self, name: str) -> Plain | None:
        return next((order for order in self.orders if order.order_id == name and order.account), None)

    def makers(self, order: Plain) -> list[Plain]:
        opposite = [one for one in self.orders if one.leg is not order.leg and one.price + order.price >= DOLLAR]
        return sorted(opposite, key=lambda one: (-one.price, one.turn))

    def match(self, order: Plain) -> bool:
        """Return whether what remains of the order may still rest."""
        while order.remaining and (makers := self.makers(order)):
            best = makers[0]
            if best.account and best.account == order.account:
                if order.self_trade is SelfTrade.TAKER_AT_CROSS:
                    return False
                self.orders.remove(best)
                continue
            count = min(best.remaining, order.remaining)
            yes_price = best.price if best.leg is Leg.YES else DOLLAR - best.price
            self.trades.append((best.order_id, order.order_id, yes_price, count))
            for one in (best, order):
                one.remaining -= count
                one.filled += count
            if not best.remaining:
                self.orders.remove(best)
        return order.remaining > 0

    def enter(self, order: Plain, rests: bool) -> None:
        if self.match(order) and rests:
            self.orders.append(order)

    def apply(self, op: Op, index: int) -> None:
        if not isinstance(op, CancelAll | Pause):
            self.orders = [order for order in self.orders if order.expires > index]
        match op:
            case Submit():
                self.submit(op, index)
            case Amend():
                self.amend(op, index)
            case Decrease(which, by, to):
                order = self.find(order_id(which))
                if order is not None:
                    left = order.remaining - by if by is not None else min(order.remaining, to or 0)
                    order.remaining = max(0, left)
            case Cancel(which):
                self.orders = [order for order in self.orders if order.order_id != order_id(which)]
            case CancelAll(account):
                self.orders = [order for order in self.orders if order.account != account]
            case Pause():
                self.orders = [order for order in self.orders if not order.cancel_on_pause]
            case Arrive(leg, price, count, rests):
                self.enter(Plain("", "", leg, price, count, self.turn()), rests)
            case Withdraw(leg, price, count):
                for _ in range(count):
                    crowd_there = [one for one in self.orders if (one.account, one.leg, one.price) == ("", leg, price)]
                    last = max(crowd_there, key=lambda one: one.turn, default=None)
                    if last is not None:
                        last.remaining -= 1
                        self.orders = [one for one in self.orders if one.remaining]
        self.orders = [order for order in self.orders if order.remaining]

    def submit(self, op: Submit, index: int) -> None:
        new = submitted(op, index)
        order = Plain(
            new.order_id,
            op.account,
            op.leg,
            op.price,
            op.count,
            self.turn(),
            op.self_trade,
            new.expires,
            op.cancel_on_pause,
        )
        if op.post_only and self.makers(order):
            return
        if op.time_in_force is TimeInForce.FOK:
            trial, copy = deepcopy((self, order))
            trial.match(copy)
            if copy.remaining:
                return
        self.enter(order, op.time_in_force is TimeInForce.GTC)

    def amend(self, op: Amend, index: int) -> None:
        order = self.find(order_id(op.which))
        expires = None if order is None or op.span is None else until(op.span, index)
        if order is None:
            return
        left = op.total - order.filled
        order.expires = order.expires if expires is None else expires
        if left <= 0:
            self.orders.remove(order)
        elif op.price == order.price and left <= order.remaining:
            order.remaining = left
        else:
            self.orders.remove(order)
            order.price, order.remaining, order.turn = op.price, left, self.turn()
            self.enter(order, rests=True)

    def standing(self, leg: Leg) -> list[tuple[str, int, int, int]]:
        ranked = sorted(self.orders, key=lambda one: (-one.price, one.turn))
        return [
            (one.order_id, one.price, one.filled * bool(one.account), one.remaining) for one in ranked if one.leg is leg
        ]


def standing(pit: Pit, leg: Leg) -> list[tuple[str, int, int, int]]:
    return [
        (one.order_id, one.price, one.filled * bool(one.account), one.remaining)
        for queue in pit.side(leg)
        for one in queue.orders
    ]


@settings(LAWS, max_examples=200)
@given(SCENARIOS)
def test_it_agrees_with_the_plain_reference_in_price_time_priority(ops: list[Op]) -> None:
    pit, reference = START, Reference()
    happened: list[Event] = []
    for index, op in enumerate(ops):
        pit, events = step(pit, op, index)
        happened += events
        reference.apply(op, index)
        for leg in Leg:
            assert standing(pit, leg) == reference.standing(leg)
    matched = [event for event in happened if isinstance(event, Matched)]
    assert [(e.maker_order, e.taker_order, e.yes_price, e.count) for e in matched] == reference.trades
    assert [event.trade for event in matched] == list(range(1, pit.trades + 1))
