"""Policies replayed together end exactly as each of them ends alone."""

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.scenes import WALKING
from tests.shell.lab_tapes import drawn_tape, parent_of

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import production
from depthwalker.core.algorithms.tick import take_from, tick_after
from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION, AdaptiveConfig, Algorithm, PolicyName, TwapConfig, Urgency
from depthwalker.core.execution import State
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.quote import Desire
from depthwalker.core.units import SECOND, Micros
from depthwalker.core.view import View
from depthwalker.shell.lab.columns import columns_of, flattened
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import Exchange, QueueModel
from depthwalker.shell.lab.replay import LATENCY, Replay, Run
from depthwalker.shell.lab.together import replay_all


def policies(name: PolicyName) -> list[Policy]:
    found = []
    for walks, seconds, threshold in product((0, 2, 10), (1, 2, 9), (0, 100_000)):
        walker = replace(DEFAULT_EXECUTION.walker, max_total_walks=walks, momentum_threshold=threshold, policy=name)
        usual = policy_for(replace(WALKING, walker=walker))
        found.append(replace(usual, take_before=Micros(seconds * SECOND)))
    return found


def plainer(algorithm: Algorithm) -> list[Policy]:
    found = []
    for slices, patience, urgency, seconds in product((1, 3), (0, 500_000), Urgency, (1, 4)):
        config = replace(
            DEFAULT_EXECUTION,
            algorithm=algorithm,
            twap=TwapConfig(slices, patience),
            adaptive=AdaptiveConfig(urgency),
            walker=replace(DEFAULT_EXECUTION.walker, walk_interval=Micros(seconds * SECOND)),
        )
        found.append(policy_for(config))
    return found


def told(run: Run, _: Exchange) -> Run:
    return run


def under(policy: Policy, run: Run) -> Run:
    """Return a run that was told of a policy's like, as its own."""
    return replace(run, state=replace(run.state, policy=policy))


@given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(PolicyName),
    leg=st.sampled_from(Leg),
    model=st.sampled_from(QueueModel),
    sizes=st.sampled_from((6, 40)),
)
@settings(max_examples=40)
def test_together_is_as_alone(seed: int, name: PolicyName, leg: Leg, model: QueueModel, sizes: int) -> None:
    agree(policies(name), seed, leg, model, sizes)


@given(seed=st.integers(0, 10**6), algorithm=st.sampled_from(Algorithm), leg=st.sampled_from(Leg))
@settings(max_examples=20)
def test_so_it_is_by_every_algorithm(seed: int, algorithm: Algorithm, leg: Leg) -> None:
    agree(plainer(algorithm), seed, leg, QueueModel.WORST, 40)


def agree(wanted: list[Policy], seed: int, leg: Leg, model: QueueModel, sizes: int) -> None:
    index = Index(columns_of(flattened(drawn_tape(seed, sizes=sizes))))
    parent = parent_of(leg, 60, 51 if leg is Leg.YES else 53)
    together = replay_all(index, parent, model, wanted, production, LATENCY, told)
    alone = [Replay(Indexed(index, parent, model), policy, production, LATENCY).run() for policy in wanted]
    assert [under(policy, run) for policy, run in zip(wanted, together, strict=True)] == alone


def test_policies_that_differ_where_nothing_asks_share_every_decision() -> None:
    index = Index(columns_of(flattened(drawn_tape(7))))
    twins = [replace(policy_for(WALKING), version=version) for version in range(5)]
    first, *others = replay_all(index, parent_of(), QueueModel.WORST, twins, production, LATENCY, told)
    assert all(other is first for other in others)


def test_what_some_of_them_answer_alike_is_decided_once() -> None:
    index = Index(columns_of(flattened(drawn_tape(7))))
    usual = policy_for(replace(DEFAULT_EXECUTION, algorithm=Algorithm.ADAPTIVE_LIMIT))
    wanted = [
        replace(policy_for(replace(usual.config, walker=walker)), take_before=Micros(before * SECOND))
        for walker in (replace(usual.config.walker, walk_interval=Micros(each * SECOND)) for each in (1, 2, 3))
        for before in (1, 2, 3, 4, 5)
    ]
    asked: list[State] = []

    def watched(algorithm: Algorithm) -> Strategy:
        strategy = production(algorithm)

        def desire(state: State, view: View, policy: Policy) -> Desire:
            asked.append(state)
            return strategy.desire(state, view, policy)

        def moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:
            return tick_after(state, view, policy), take_from(state, policy)

        return replace(strategy, desire=desire, moments=moments)

    replay_all(index, parent_of(), QueueModel.WORST, wanted, watched, LATENCY, told)
    assert sum(state is asked[0] for state in asked) == 3  # one for each instant at which they look again
