"""The indexed exchange and the plain one, which steps through every event, give the same fills and the same journal."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.shell.lab_tapes import drawn_tape, parent_of

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.book import Leg
from depthwalker.core.command import OfferAt, WaitUntil, woken
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.depth import reach
from depthwalker.core.execution import State
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire
from depthwalker.core.tape import Event, Tape
from depthwalker.core.units import SECOND, Micros
from depthwalker.core.view import View
from depthwalker.shell.lab.columns import columns_of, flattened
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import ORIGIN, QueueModel
from depthwalker.shell.lab.plain import Plain
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.replay import LATENCY, Replay, Run

STEP = Micros(SECOND // 2)


def both(seed: int, player: str, leg: Leg, model: QueueModel, count: int = 20, sizes: int = 40) -> tuple[Run, Run]:
    tape = flattened(drawn_tape(seed, sizes=sizes))
    chosen = players(DEFAULT_EXECUTION)[player]
    parent = parent_of(leg, count, 51 if leg is Leg.YES else 53, chosen.policy.config)
    indexed = Replay(Indexed(Index(columns_of(tape)), parent, model), chosen.policy, chosen.strategy_of, LATENCY).run()
    plain = Replay(Plain(tape, parent, model), chosen.policy, chosen.strategy_of, LATENCY).run()
    return indexed, plain


@given(
    seed=st.integers(0, 10**6),
    player=st.sampled_from(sorted(players(DEFAULT_EXECUTION))),
    leg=st.sampled_from(Leg),
    model=st.sampled_from(QueueModel),
    count=st.sampled_from((1, 10, 60)),
    sizes=st.sampled_from((6, 40)),
)
def test_looking_up_and_stepping_through_agree(
    seed: int, player: str, leg: Leg, model: QueueModel, count: int, sizes: int
) -> None:
    indexed, plain = both(seed, player, leg, model, count, sizes)
    assert indexed.fills == plain.fills
    assert indexed.state == plain.state
    assert indexed.decisions == plain.decisions


@given(seed=st.integers(0, 10**6), player=st.sampled_from(sorted(players(DEFAULT_EXECUTION))), leg=st.sampled_from(Leg))
def test_what_is_left_to_complete_with_agrees_too_when_the_end_came_after_the_deadline(
    seed: int, player: str, leg: Leg
) -> None:
    tape = flattened(drawn_tape(seed))
    chosen = players(replace(DEFAULT_EXECUTION, timeout=Micros(SECOND)))[player]
    parent = parent_of(leg, 60, 51 if leg is Leg.YES else 53, chosen.policy.config)
    exchanges = (Indexed(Index(columns_of(tape)), parent, QueueModel.WORST), Plain(tape, parent, QueueModel.WORST))
    for exchange in exchanges:
        Replay(exchange, chosen.policy, chosen.strategy_of, LATENCY).run()
    indexed, plain = (exchange.closing() for exchange in exchanges)
    assert indexed == plain


@given(seed=st.integers(0, 10**6), player=st.sampled_from(sorted(players(DEFAULT_EXECUTION))))
def test_it_is_decided_when_something_is_told_when_a_wake_holds_or_at_the_instant_asked_for(
    seed: int, player: str
) -> None:
    chosen = players(DEFAULT_EXECUTION)[player]
    decided: list[tuple[State, View]] = []

    def watched(algorithm: Algorithm) -> Strategy:
        strategy = chosen.strategy_of(algorithm)

        def desire(state: State, view: View, policy: Policy) -> Desire:
            decided.append((state, view))
            return strategy.desire(state, view, policy)

        return replace(strategy, desire=desire)

    tape, parent = in_step(flattened(drawn_tape(seed))), parent_of(config=chosen.policy.config)
    index, instants = Index(columns_of(tape)), [Micros(ORIGIN + event.at) for event in tape.events]
    fills = Replay(Indexed(index, parent, QueueModel.WORST), chosen.policy, watched, STEP).run().fills
    took = min([fill.at for fill in fills if fill.taker], default=index.end())  # then offers are missing
    assert decided
    for (state, view), (then, later) in pairwise(decided):
        wait = decide(state, view, chosen.policy, chosen.strategy_of)[-1]
        assert isinstance(wait, WaitUntil)
        assert then is not state or later.now == wait.at or woken(wait.wakes, later)
        for at in [at for at in instants if view.now < at < min(later.now, took)]:
            offers = Indexed(index, parent, QueueModel.WORST).offers(at)
            assert not any(reach(offers, wake.price) for wake in wait.wakes if isinstance(wake, OfferAt))


def in_step(tape: Tape) -> Tape:
    """Return a tape whose events share their instants with what is asked of the exchange."""
    return replace(tape, events=tuple([Event(Micros(event.at // STEP * STEP), event.flow) for event in tape.events]))
