"""Builders for the tests of the state machine: a parent, a policy, a view, a state from facts, in as few words as possible.

Prices are whole cents and counts whole contracts wherever a test gives them as plain numbers.
"""

from dataclasses import replace
from functools import reduce
from typing import Final

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Ladders, Leg, within
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm, PolicyName, usual_ratios
from depthwalker.core.depth import BAND, reach
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Accepted, Fact, Filled, Observed, PlaceIntended, Planned, Started, Viewed, WindingDown
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import Flow
from depthwalker.core.grid import CENT_GRID, PriceGrid
from depthwalker.core.ledger import Fill, OrderKey, Style
from depthwalker.core.parent import Action, Parent, Ticket
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.split import Split
from depthwalker.core.units import CENT, CONTRACT, SECOND, Count, Micros, Money, Price
from depthwalker.core.view import Conditions, View

NOW: Final = Micros(1_790_000_000 * SECOND)
INSTALLATION: Final = "0badcafe"
EXECUTION: Final = "0123456789abcdef0123456789abcdef"
TICKER: Final = "KXTEST-26NOV23-T1"
QUIET: Final = Flow(Count(0), Count(0), Count(0), Count(0), Count(0), Count(0), ())
HUNDRED: Final = Count(100 * CONTRACT)
TARGET: Final = Price(50 * CENT)
CAP: Final = Price(53 * CENT)
FIRST: Final = OrderKey(1, 0)
SECOND_SPLIT: Final = OrderKey(2, 0)
WALKING: Final = replace(DEFAULT_EXECUTION, algorithm=Algorithm.DYNAMIC_DEPTH_WALKER)


def cents(number: int) -> Price:
    return Price(number * CENT)


def contracts(number: int) -> Count:
    return Count(number * CONTRACT)


def after(seconds: float) -> Micros:
    """Return an instant so many seconds after the start."""
    return Micros(NOW + round(seconds * SECOND))


def parent(
    count: Count = HUNDRED,
    target: Price = TARGET,
    cap: Price = CAP,
    leg: Leg = Leg.YES,
    grid: PriceGrid = CENT_GRID,
    *,
    seconds: int = 40,
) -> Parent:
    deadline = after(seconds)
    return Parent(
        execution=EXECUTION,
        installation=INSTALLATION,
        ticker=TICKER,
        ticket=Ticket(leg, Action.BUY, count, target),
        leg=leg,
        count=count,
        target=target,
        bound=cap,
        cap=cap,
        grid=grid,
        rates=STANDARD,
        started=NOW,
        wind_down=Micros(deadline - 4 * SECOND),
        deadline=deadline,
        expires=Micros(deadline + 9 * SECOND),
        notes=(),
    )


def policy(
    name: PolicyName = PolicyName.TUNED,
    algorithm: Algorithm = Algorithm.DYNAMIC_DEPTH_WALKER,
    max_walks: int = 10,
    max_total_walks: int = 10,
    *,
    enabled: bool = True,
) -> Policy:
    walker = replace(
        DEFAULT_EXECUTION.walker,
        policy=name,
        max_walks=max_walks,
        max_total_walks=max_total_walks,
        enabled=enabled,
        split_ratios=usual_ratios(PolicyName.SPEC),
    )
    return policy_for(replace(DEFAULT_EXECUTION, algorithm=algorithm, walker=walker))


def view(
    now: Micros = NOW,
    queue: tuple[tuple[int, int], ...] = ((48, 500), (47, 500)),
    offers: tuple[tuple[int, int], ...] = ((52, 500), (54, 500)),
    *,
    book_at: Micros | None = None,
    flow: Flow = QUIET,
    grid: PriceGrid = CENT_GRID,
    cap: Price = CAP,
    is_open: bool = True,
    tokens: int = 100,
    walkers: int = 0,
    ema_slippage: int = 10_000,
    ahead: tuple[tuple[int, Count], ...] = (),
) -> View:
    """Return a view of a ladder in cents and contracts, its book read just now unless said otherwise."""
    ladders = Ladders(
        tuple((cents(price), contracts(count)) for price, count in queue),
        tuple((cents(price), contracts(count)) for price, count in offers),
    )
    return View(
        now=now,
        book_at=now if book_at is None else book_at,
        ladders=ladders,
        queue_near=within(ladders.queue, BAND),
        offers_near=within(ladders.offers, BAND),
        reach=reach(ladders.offers, cap),
        flow=flow,
        conditions=Conditions(grid, STANDARD, tokens, walkers, 5, ema_slippage, is_open),
        ahead=ahead,
    )


def fold(*facts: Fact, state: State = START) -> State:
    return reduce(evolve, facts, state)


def started(of: Parent | None = None, by: Policy | None = None) -> State:
    return fold(Started(of or parent(), by or policy(), NOW))


def planned(
    *splits: tuple[int, int], of: Parent | None = None, algorithm: Algorithm = Algorithm.DYNAMIC_DEPTH_WALKER
) -> State:
    """Return an execution planned with splits of (price in cents, contracts)."""
    plan = tuple(Split(level, cents(price), contracts(count)) for level, (price, count) in enumerate(splits, start=1))
    admitted = of or parent(count=contracts(sum(count for _, count in splits)))
    return fold(Started(admitted, policy(), NOW), Viewed(view(), False, NOW), Planned(algorithm, "test", plan, NOW))


def intended(
    key: OrderKey = FIRST,
    price: int = 49,
    count: int = 100,
    style: Style = Style.REST,
    at: Micros = NOW,
) -> PlaceIntended:
    return PlaceIntended(key, cents(price), contracts(count), style, Count(0), "test", at)


def accepted(key: OrderKey = FIRST, order_id: str = "", filled: int = 0, at: Micros = NOW) -> Accepted:
    return Accepted(key, order_id or name(key), contracts(filled), at)


def name(key: OrderKey) -> str:
    """Return the exchange's id of an order in these scenes."""
    return f"order-{key.split}-{key.birth}"


def live(price: int = 49, count: int = 100, *facts: Fact) -> State:
    """Return an execution of one split whose order works, and then some facts."""
    return fold(intended(price=price, count=count), accepted(), *facts, state=planned((price, count)))


def record(
    status: OrderStatus,
    filled: int = 0,
    *,
    key: OrderKey = FIRST,
    revision: int | None = None,
    price: int = 49,
    total: int = 100,
    at: Micros = NOW,
) -> Observed:
    """Return what an order's record tells."""
    resting = status is OrderStatus.RESTING
    return Observed(
        key=key,
        order_id=name(key),
        revision=key.birth if revision is None else revision,
        status=status,
        price=cents(price),
        filled=contracts(filled),
        remaining=contracts(total - filled) if resting else Count(0),
        at=at,
    )


def match(trade: str, count: int, price: int = 49, *, key: OrderKey = FIRST, at: Micros = NOW, fee: int = 0) -> Fill:
    return Fill(name(key), trade, cents(price), contracts(count), Money(fee), False, at)


def all_but_a_hundredth(count: int = 100) -> Filled:
    """Return the fill of the first split's order that leaves 0.01 contract of it."""
    return Filled(replace(match("nearly", 1), count=Count(contracts(count) - 1)), NOW)


def winding(state: State, reason: str = "time-out", at: Micros = NOW) -> State:
    return fold(WindingDown(reason, at), state=state)
