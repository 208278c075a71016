"""Rolling out: stages by explicit moves, an arm by the edge alone, advice from arms compared as assigned."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.period import Estimate
from depthwalker.core.rollout import (
    NOT_BEGUN,
    SHARES,
    WEEK,
    WHOLE,
    Advice,
    Advised,
    Arm,
    Assigned,
    Comparison,
    Entry,
    Move,
    Refused,
    Rollout,
    Stage,
    advance,
    advise,
    assign,
    bucket,
    compare,
    difference,
    reach,
    read,
)
from depthwalker.core.units import SECOND, Micros, Money

START = Micros(1_000)
LATER = Micros(START + WEEK)
HOUR = 3_600 * SECOND
GO = Advised(Advice.ADVANCE, "cheaper")
ENOUGH = Comparison(40, 40, 7, 9_000, 10_000, Estimate(-1_000, -1_500, -500), None)


def at(stage: Stage, *, held: str = "", stopped: str = "") -> Rollout:
    return Rollout(stage, START, held, stopped, 1)


def moved(number: int, move: Move, stage: Stage) -> Entry:
    return Entry(number, Micros(number * 100), move, stage, "me", f"reason {number}")


def parents(arm: Arm, *costs: int, day: int = 0, market: str = "M") -> list[Assigned]:
    return [Assigned(arm, market, day, Money(cost)) for cost in costs]


# Stages


def test_the_journal_says_where_it_stands() -> None:
    paper, tenth = moved(1, Move.ADVANCE, Stage.PAPER), moved(2, Move.ADVANCE, Stage.TENTH)
    assert read(()) == NOT_BEGUN
    assert read((paper,)) == Rollout(Stage.PAPER, Micros(100), "", "", 1)
    assert read((paper, tenth)) == Rollout(Stage.TENTH, Micros(200), "", "", 2)
    held = read((paper, tenth, moved(3, Move.HOLD, Stage.TENTH)))
    assert held == Rollout(Stage.TENTH, Micros(200), "reason 3", "", 3)
    for move in (Move.STOP, Move.DISABLE):
        stopped = (paper, tenth, moved(3, move, Stage.TENTH))
        assert read(stopped) == Rollout(Stage.TENTH, Micros(200), "", "reason 3", 3)
        assert read((*stopped, moved(4, Move.HOLD, Stage.TENTH))).stopped == "reason 3"
        assert read((*stopped, moved(4, Move.ADVANCE, Stage.PAPER))) == Rollout(Stage.PAPER, Micros(400), "", "", 4)


def test_it_goes_from_paper_over_10_and_50_to_100_per_cent() -> None:
    assert [stage.value for stage in Stage] == ["paper", "10 %", "50 %", "100 %"]
    assert advance(NOT_BEGUN, GO, anyway=False) is Stage.PAPER
    assert advance(at(Stage.PAPER), GO, anyway=False) is Stage.TENTH
    assert advance(at(Stage.TENTH), GO, anyway=False) is Stage.HALF
    assert advance(at(Stage.HALF), GO, anyway=False) is Stage.FULL
    assert isinstance(advance(at(Stage.FULL), GO, anyway=True), Refused)
    assert advance(at(Stage.HALF, stopped="by the guard"), GO, anyway=False) is Stage.PAPER


def test_advice_can_be_overruled_but_not_the_week_of_paper() -> None:
    wait = Advised(Advice.WAIT, "too few")
    assert advance(at(Stage.TENTH), wait, anyway=False) == Refused("too few")
    assert advance(at(Stage.TENTH), wait, anyway=True) is Stage.HALF
    early = advise(at(Stage.PAPER), ENOUGH, Micros(LATER - 1))
    assert early == Advised(Advice.WAIT, "the paper stage lasts a week at least: 1 hours are left", gate=True)
    assert advance(at(Stage.PAPER), early, anyway=True) == Refused(early.reason)
    assert "week at least: 1 hours" in advise(at(Stage.PAPER), ENOUGH, Micros(LATER - HOUR)).reason
    assert "week at least: 2 hours" in advise(at(Stage.PAPER), ENOUGH, Micros(LATER - HOUR - 1)).reason
    assert advise(at(Stage.PAPER), ENOUGH, LATER).advice is Advice.ADVANCE


def test_the_paper_stage_is_not_left_without_its_parents_whatever_one_says() -> None:
    none = Comparison(0, 0, 0, 0, 0, None, None)
    for stage, gate in ((Stage.PAPER, True), (Stage.TENTH, False)):
        advised = advise(at(stage), none, LATER)
        assert (advised.advice, advised.gate) == (Advice.WAIT, gate)
        assert isinstance(advance(at(stage), advised, anyway=True), Refused) is gate


# Assignment


def test_the_control_is_a_twentieth_for_good_and_everything_before_real_money() -> None:
    assert SHARES[Stage.TENTH] * 10 == SHARES[Stage.HALF] * 2 == WHOLE
    assert SHARES[Stage.FULL] * 20 == WHOLE * 19
    assert assign("7", NOT_BEGUN, live=False) is None
    edges = [str(number) for number in range(2_000)]
    for before in (NOT_BEGUN, at(Stage.PAPER)):
        assert {assign(edge, before, live=True) for edge in edges} == {Arm.CONTROL}
    assert {assign(edge, at(Stage.PAPER), live=False) for edge in edges} == set(Arm)
    assert {assign(edge, at(Stage.FULL), live=True) for edge in edges} == set(Arm)
    assert {assign(edge, at(Stage.FULL, stopped="why"), live=True) for edge in edges} == {Arm.CONTROL}


def test_who_has_the_walker_is_said_as_it_is_assigned() -> None:
    assert (
        reach(Stage.PAPER) == "50 % of the edges have the walker on paper or a demo exchange, none where money is real"
    )
    assert {assign(f"e{number}", at(Stage.PAPER), live=True) for number in range(100)} == {Arm.CONTROL}
    assert reach(Stage.FULL) == "95 % of the edges have the walker"


@pytest.mark.parametrize("stage", list(Stage))
def test_of_edges_in_a_row_the_stage_has_its_share(stage: Stage) -> None:
    arms = [assign(str(number), at(stage), live=False) for number in range(WHOLE)]
    assert abs(arms.count(Arm.WALKER) - SHARES[stage]) < 200  # four standard deviations


def test_an_assignment_is_for_ever() -> None:
    assert [bucket(edge) for edge in ("1", "2", "edge-7", "")] == [9782, 9630, 7905, 4342]


@pytest.mark.parametrize(
    ("stage", "last", "next_one"),
    [(Stage.TENTH, "19381", "5679"), (Stage.HALF, "7246", "7061"), (Stage.FULL, "2918", "23776")],
)
def test_the_last_bucket_of_a_share_has_the_walker_and_the_next_one_has_not(
    stage: Stage, last: str, next_one: str
) -> None:
    assert (bucket(last), bucket(next_one)) == (SHARES[stage] - 1, SHARES[stage])
    assert assign(last, at(stage), live=True) is Arm.WALKER
    assert assign(next_one, at(stage), live=True) is Arm.CONTROL


@given(st.text())
def test_an_edge_that_had_the_walker_keeps_it_at_the_next_stage(edge: str) -> None:
    arms = [assign(edge, at(stage), live=True) for stage in (Stage.TENTH, Stage.HALF, Stage.FULL)]
    assert 0 <= bucket(edge) < WHOLE
    assert arms == sorted(arms, key=lambda arm: arm is Arm.WALKER)


# Evidence


def test_a_difference_by_hand() -> None:
    many = [
        one
        for day, (walker, control) in enumerate([(10, 20), (12, 20), (10, 22), (8, 20), (10, 18)])
        for one in (
            *parents(Arm.WALKER, 1_000 * walker, day=day),
            *parents(Arm.CONTROL, 1_000 * control, day=day),
        )
    ]
    # Daily differences -10, -8, -12, -12, -8: mean -10, standard error 0.8944, Student's quantile 2.776: 2.4829, rounded up.
    assert difference(many, lambda one: one.day) == Estimate(-10_000, -12_483, -7_517)
    assert difference(many[:8], lambda one: one.day) == Estimate(-10_500, None, None)
    assert difference(parents(Arm.WALKER, 1, 2), lambda one: one.day) is None
    assert difference(parents(Arm.CONTROL, 1, 2), lambda one: one.day) is None


def test_what_a_day_does_to_both_arms_alike_leaves_no_doubt_about_their_difference() -> None:
    days = [
        one
        for day, cost in enumerate((20, 120, 220, 320, 420))
        for one in (*parents(Arm.WALKER, cost - 10, cost - 10, day=day), *parents(Arm.CONTROL, cost, day=day))
    ]
    assert difference(days, lambda one: one.day) == Estimate(-10, -10, -10)


def test_arms_beside_each_other_on_the_days_that_both_had() -> None:
    alone = parents(Arm.WALKER, 1_000, day=9)
    gained = [replace(one, gain=300) for one in parents(Arm.WALKER, 10)]
    found = compare((*parents(Arm.CONTROL, 30, 20), *gained, *alone))
    assert found == Comparison(1, 2, 1, 10, 25, Estimate(-15, None, None), Estimate(300, None, None))
    assert compare(()) == Comparison(0, 0, 0, None, None, None, None)


def test_advice_rests_on_parents_that_were_compared() -> None:
    every = parents(Arm.WALKER, *[90_000] * 40, day=9)
    for day in range(5):
        every += [*parents(Arm.WALKER, day, day=day), *parents(Arm.CONTROL, *[10_000 + day] * 8, day=day)]
    told = advise(at(Stage.TENTH), compare(every), Micros(20 * 86_400 * SECOND))
    assert told.advice is Advice.WAIT, "five of the walker's, not forty-five"


@given(st.lists(st.tuples(st.sampled_from(Arm), st.integers(-9_999, 9_999), st.integers(0, 9)), max_size=40))
def test_exchanged_arms_give_the_opposite(drawn: list[tuple[Arm, int, int]]) -> None:
    other = {Arm.WALKER: Arm.CONTROL, Arm.CONTROL: Arm.WALKER}
    one = difference([Assigned(arm, "M", day, Money(cost)) for arm, cost, day in drawn], lambda one: one.day)
    two = difference([Assigned(other[arm], "M", day, Money(cost)) for arm, cost, day in drawn], lambda one: one.day)
    assert (one is None) == (two is None)
    if one is not None and two is not None and one.low is not None and two.high is not None:
        assert abs(one.mean + two.mean) <= 1
        assert abs(one.low + two.high) <= 1
        assert one.low <= one.mean


# Advice


@pytest.mark.parametrize(
    ("rollout", "found", "advice", "word"),
    [
        (NOT_BEGUN, compare(()), Advice.ADVANCE, "begins the paper stage"),
        (at(Stage.HALF, stopped="harm"), ENOUGH, Advice.HOLD, "stopped: harm"),
        (at(Stage.HALF, held="holidays"), ENOUGH, Advice.HOLD, "held: holidays"),
        (at(Stage.TENTH), replace(ENOUGH, days=4), Advice.WAIT, "on 4 common days"),
        (at(Stage.TENTH), replace(ENOUGH, controls=29), Advice.WAIT, "29 control's"),
        (at(Stage.TENTH), ENOUGH, Advice.ADVANCE, "cheaper by 0.10 cents a contract"),
        (at(Stage.TENTH), replace(ENOUGH, days=5, walkers=30, controls=30), Advice.ADVANCE, "cheaper by"),
        (at(Stage.FULL), ENOUGH, Advice.HOLD, "the last stage"),
        (at(Stage.HALF), replace(ENOUGH, difference=Estimate(-1_000, -2_000, 0)), Advice.HOLD, "holds zero"),
        (at(Stage.HALF), replace(ENOUGH, difference=Estimate(40, 0, 80)), Advice.HOLD, "(0.00 cents a contract) holds"),
        (
            at(Stage.HALF),
            replace(ENOUGH, difference=Estimate(100, -1, 201)),
            Advice.HOLD,
            "(0.01 cents a contract) holds",
        ),
        (at(Stage.HALF), replace(ENOUGH, difference=Estimate(12_345, 1, 20_000)), Advice.STOP, "dearer by 1.23 cents"),
    ],
)
def test_what_the_evidence_speaks_for(rollout: Rollout, found: Comparison, advice: Advice, word: str) -> None:
    advised = advise(rollout, found, LATER)
    assert advised.advice is advice
    assert word in advised.reason
    assert not advised.gate
