"""The invariants of DESIGN section 3, in a world that does its worst: see `world`.

Every world is a tape of numbers. Hypothesis writes short ones and shrinks what fails; seeds write long ones. Run more of
both with HYPOTHESIS_PROFILE=explore.
"""

import random
from dataclasses import dataclass, replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core import scenes, strategies
from tests.core.scenes import NOW, after, cents, contracts, fold, match, name, planned, record, view
from tests.core.world import GRIDS, Tape, World

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Book, Leg
from depthwalker.core.command import Amend, Place, intents
from depthwalker.core.config import Algorithm, PolicyName
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, State, evolve, total_cost, total_exposure, total_filled
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Burned,
    CancelAcknowledged,
    CapChanged,
    Deferred,
    Duplicated,
    Fact,
    Filled,
    Finished,
    GridChanged,
    Held,
    Lapsed,
    LookedUp,
    LookupStarted,
    MarketOver,
    Observed,
    OutcomeUnknown,
    PlaceIntended,
    Planned,
    Refused,
    Requested,
    Resumed,
    Started,
    Status,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.flow import History
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Ending, Fill, Kind, OrderKey, Phase, Style, exposure, filled
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action, Holding, Ticket, admit
from depthwalker.core.policy import Policy
from depthwalker.core.split import Split
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Money, Price
from depthwalker.core.view import Conditions, View, look

TARGETS = [
    (PolicyName.TUNED, Algorithm.DYNAMIC_DEPTH_WALKER),
    (PolicyName.SPEC, Algorithm.DYNAMIC_DEPTH_WALKER),
    (PolicyName.TUNED, Algorithm.SIMPLE_LIMIT),
]


@dataclass(frozen=True)
class Setting:
    """A parent and a policy to put into a world."""

    count: Count
    cap: Price
    name: PolicyName
    algorithm: Algorithm
    max_walks: int
    max_total_walks: int


def settings_of(draw: random.Random) -> Setting:
    chosen, algorithm = draw.choice(TARGETS[:2] * 2 + TARGETS)
    return Setting(
        count=Count(draw.choice((10_000, 10_000, 5_000, 333, 1))),
        cap=Price(draw.choice((5_300, 5_350, 5_100, 5_000))),
        name=chosen,
        algorithm=algorithm,
        max_walks=draw.choice((10, 2)),
        max_total_walks=draw.choice((10, 3)),
    )


def run_world(setting: Setting, tape: Tape) -> World:
    """Let a world run through its tape, and then to its end."""
    parent = scenes.parent(count=setting.count, cap=setting.cap)
    policy = scenes.policy(
        setting.name, setting.algorithm, max_walks=setting.max_walks, max_total_walks=setting.max_total_walks
    )
    world = World(parent, policy, tape)
    while tape and world.state.finished is None:
        world.step()
    world.finish()
    world.replays()
    return world


SETTINGS = st.builds(
    Setting,
    count=st.sampled_from((10_000, 5_000, 333, 1)).map(Count),
    cap=st.sampled_from((5_300, 5_100, 5_000)).map(Price),
    name=st.sampled_from(PolicyName),
    algorithm=st.sampled_from(Algorithm),
    max_walks=st.sampled_from((10, 2)),
    max_total_walks=st.sampled_from((10, 3)),
)


@given(setting=SETTINGS, tape=st.binary(max_size=300))
def test_all_invariants_hold_in_any_world(setting: Setting, tape: bytes) -> None:
    run_world(setting, Tape(list(tape)))


@pytest.mark.parametrize("batch", range(4))
def test_all_invariants_hold_in_long_worlds(batch: int) -> None:
    worlds = settings().max_examples
    endings: set[Status] = set()
    for seed in range(batch * worlds, (batch + 1) * worlds):
        draw = random.Random(seed)
        tape = Tape([draw.randrange(1 << 16) for _ in range(draw.randrange(600))])
        try:
            world = run_world(settings_of(draw), tape)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        assert world.state.finished is not None
        endings.add(world.state.finished.status)
    assert endings == {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


# 5: a fill counts once, told in whatever order and however often

TALE = (
    Filled(match("a", 30, fee=5), after(1)),
    Filled(match("b", 20, 48, fee=3), after(2)),
    Filled(match("c", 1, fee=1), after(3)),
    record(OrderStatus.RESTING, 30, at=after(1)),
    record(OrderStatus.RESTING, 50, at=after(2)),
    record(OrderStatus.CANCELED, 51, at=after(4)),
)


@given(st.lists(st.sampled_from(TALE), max_size=8), st.permutations(TALE), st.booleans())
def test_5_fills_and_records_may_come_in_any_order_any_number_of_times(
    more: list[Fact], told: list[Fact], early: bool
) -> None:
    tale = [fact for pair in zip(told, [*more, *told], strict=False) for fact in pair]
    opening: tuple[Fact, ...] = (scenes.intended(), scenes.accepted())
    state = planned((49, 100))
    state = fold(*tale, *opening, *tale, state=state) if early else fold(*opening, *tale, state=state)
    state = fold(record(OrderStatus.CANCELED, 51, at=after(4)), state=state)
    cost = 30 * contracts(1) * cents(49) + 20 * contracts(1) * cents(48) + contracts(1) * cents(49)
    assert total_filled(state) == contracts(51)
    assert total_cost(state) == (contracts(51), cost, 9)
    assert (state.first_fill_at, state.strays) == (NOW, ())
    assert state.orders[0].phase is Phase.CLOSED


def test_5_an_order_of_many_fills_told_before_its_id_is_known() -> None:
    fills = [Filled(replace(match(f"t{n}", 0), count=Count(1)), NOW) for n in range(1_500)]
    state = fold(scenes.intended(), *fills, scenes.accepted(), state=planned((49, 100)))
    assert total_filled(state) == 1_500


# evolve is total

KEYS = st.builds(OrderKey, st.integers(0, 2), st.integers(0, 3))
PRICES = st.integers(1, 9_999).map(Price)
COUNTS = st.integers(0, 300).map(Count)
TIMES = st.integers(0, 60 * SECOND).map(lambda span: Micros(NOW + span))
KINDS = st.sampled_from(Kind)
STYLES = st.sampled_from(Style)
IDS = st.sampled_from(("", "x0", "x1"))
REASONS = st.sampled_from(("", "why"))
MAYBE = st.none() | COUNTS
REVISIONS = st.integers(0, 4)
FILLS = st.builds(
    Fill, IDS, st.sampled_from(("a", "b", "c")), PRICES, COUNTS, st.integers(0, 9).map(Money), st.booleans(), TIMES
)
SPLITS = st.lists(st.builds(Split, st.integers(1, 2), PRICES, COUNTS), max_size=2).map(tuple)
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(Started, st.just(scenes.parent()), st.just(scenes.policy()), TIMES),
    st.builds(Resumed, REASONS, TIMES),
    st.builds(Viewed, st.just(view()), st.booleans(), TIMES),
    st.builds(Planned, st.sampled_from(Algorithm), REASONS, SPLITS, TIMES),
    st.builds(Held, st.just(((1, "waits"),)), TIMES),
    st.builds(PlaceIntended, KEYS, PRICES, COUNTS, STYLES, COUNTS, REASONS, TIMES),
    st.builds(
        AmendIntended,
        KEYS,
        REVISIONS,
        PRICES,
        COUNTS,
        STYLES,
        COUNTS,
        st.booleans(),
        st.integers(-9, 9),
        REASONS,
        TIMES,
    ),
    st.builds(Requested, KEYS, KINDS, TIMES),
    st.builds(Accepted, KEYS, IDS, MAYBE, TIMES),
    st.builds(Amended, KEYS, REVISIONS, MAYBE, TIMES),
    st.builds(CancelAcknowledged, KEYS, TIMES),
    st.builds(Burned, KEYS, IDS, COUNTS, TIMES),
    st.builds(Duplicated, KEYS, TIMES),
    st.builds(Refused, KEYS, KINDS, REASONS, REASONS, TIMES),
    st.builds(Deferred, KEYS, KINDS, REASONS, TIMES),
    st.builds(OutcomeUnknown, KEYS, KINDS, REASONS, TIMES),
    st.builds(Observed, KEYS, IDS, REVISIONS, st.sampled_from(OrderStatus), PRICES, COUNTS, COUNTS, TIMES),
    st.builds(Filled, FILLS, TIMES),
    st.builds(LookupStarted, TIMES),
    st.builds(LookedUp, REASONS, TIMES),
    st.builds(MarketOver, TIMES),
    st.builds(Lapsed, KEYS, TIMES),
    st.builds(GridChanged, st.sampled_from(GRIDS), TIMES),
    st.builds(CapChanged, PRICES, TIMES),
    st.builds(StopRequested, REASONS, TIMES),
    st.builds(WindingDown, REASONS, TIMES),
    st.builds(Finished, st.sampled_from(Status), REASONS, TIMES),
)


@given(st.lists(FACTS, max_size=25))
def test_any_fact_folds_onto_any_state(facts: list[Fact]) -> None:
    state = fold(scenes.intended(), state=planned((49, 60), (48, 40)))
    for fact in facts:
        before, state = state, evolve(state, fact)
        assert total_exposure(state) >= total_filled(state) >= total_filled(before)
        for old, new in zip(before.orders, state.orders, strict=False):
            assert old.key == new.key
            assert filled(new) >= filled(old)
            assert exposure(new) >= filled(new)
            assert old.phase is not Phase.CLOSED or (new.phase, new.ending) == (Phase.CLOSED, old.ending)
            assert (new.phase is Phase.CLOSED) == (new.ending is not Ending.OPEN)
        assert before.stop in {"", state.stop}
        assert before.winding in {"", state.winding}
        assert before.finished in {None, state.finished}


# 6: amounts and prices of what is decided on any admitted parent in any view


@st.composite
def situations(draw: st.DrawFn) -> tuple[Policy, State, View]:
    config = draw(strategies.configs())
    parent = draw(strategies.parents(config=config))
    policy = draw(strategies.policies(config))
    seen = draw(strategies.views(parent, now=strategies.NOW))
    return policy, evolve(START, Started(parent, policy, strategies.NOW)), seen


@given(situations())
def test_6_what_is_placed_first_sums_to_the_parent_at_prices_under_the_cap(case: tuple[Policy, State, View]) -> None:
    policy, state, seen = case
    for _ in range(4):
        commands = decide(state, seen, policy)
        state = fold(*intents(commands, seen), state=state)
        for command in commands:
            if isinstance(command, Place | Amend):
                assert command.price <= state.parent.cap
                assert state.grid.valid(command.price)
        assert total_exposure(state) <= state.parent.count
    assert not state.splits or sum(split.count for split in state.splits) == state.parent.count
    assert all(split.count > 0 for split in state.splits)


# Buying NO at p is selling YES at 1 - p, and both are buying YES at p in the mirrored market


@st.composite
def pairs(draw: st.DrawFn) -> tuple[PriceGrid, Ticket, list[tuple[Book, History, Conditions, Micros]]]:
    grid = draw(strategies.grids())
    target = draw(strategies.prices(grid))
    steps: list[tuple[Book, History, Conditions, Micros]] = []
    now = strategies.NOW
    ticket = Ticket(Leg.YES, Action.BUY, draw(strategies.counts()), target)
    for _ in range(draw(st.integers(1, 5))):
        now = Micros(now + draw(st.integers(1, 9 * SECOND)))
        at = Micros(now - draw(st.integers(0, 6 * SECOND)))
        conditions = Conditions(grid, scenes.parent().rates, 100, 0, 5, draw(st.integers(-9_999, 30_000)), True)
        history = draw(strategies.histories(grid, now))
        steps.append((draw(strategies.books(grid, at=at)), history, conditions, now))
    return grid, ticket, steps


@given(pairs(), st.sampled_from(PolicyName))
@settings(max_examples=60)
def test_the_same_parent_in_three_ways_of_saying_it_decides_the_same(
    case: tuple[PriceGrid, Ticket, list[tuple[Book, History, Conditions, Micros]]], rules: PolicyName
) -> None:
    grid, ticket, steps = case
    policy = scenes.policy(rules)
    config = replace(policy.config, slippage_ppm=None, slippage_dollars=Price(300))
    policy = replace(policy, config=config)
    no = replace(ticket, outcome=Leg.NO)
    sell = Ticket(Leg.YES, Action.SELL, ticket.count, Price(DOLLAR - ticket.target))

    def course(said: Ticket, on: PriceGrid, *, mirror: bool) -> list[object]:
        holding = Holding(said.count, Count(0))
        rates = scenes.parent().rates
        admitted = admit(
            said, strategies.market(on), rates, config, holding, strategies.IDENTITY, strategies.NOW, Micros(4 * SECOND)
        )
        assert isinstance(admitted, Success)
        parent = admitted.unwrap()
        state = fold(Started(parent, policy, strategies.NOW))
        decided: list[object] = []
        for book, history, conditions, now in steps:
            seen_book = strategies.mirrored(book) if mirror else book
            seen_history = strategies.mirrored_history(history) if mirror else history
            for _ in range(3):
                seen = look(
                    seen_book,
                    seen_history,
                    parent.leg,
                    parent.cap,
                    (),
                    (),
                    replace(conditions, grid=parent.grid),
                    now,
                )
                commands = decide(state, seen, policy)
                decided.append(commands)
                state = fold(*intents(commands, seen), state=state)
                for command in commands:
                    if isinstance(command, Place):
                        order_id = name(command.key)
                        state = fold(Accepted(command.key, order_id, None, now), state=state)
                    elif isinstance(command, Amend):
                        state = fold(Amended(command.key, command.revision, None, now), state=state)
        return decided

    yes = course(ticket, grid, mirror=False)
    assert course(no, grid.complement(), mirror=True) == yes
    assert course(sell, grid.complement(), mirror=True) == yes


def test_5_a_take_ends_in_the_same_ledger_in_whatever_order_it_is_told() -> None:
    tale: tuple[Fact, ...] = (
        Filled(match("a", 60, 52), NOW),
        Filled(match("b", 40, 52), NOW),
        record(OrderStatus.EXECUTED, 100, price=52),
        record(OrderStatus.EXECUTED, 100, price=52),
    )
    opening = fold(scenes.intended(price=52, style=Style.TAKE), scenes.accepted(filled=100), state=planned((52, 100)))
    assert len({fold(*order, state=opening).orders for order in permutations(tale)}) == 1
