"""`make guard`: on the laboratory's own parents a harmful walker is stopped, a good one and an equal one are not."""

import random
from pathlib import Path

import pytest
from tools.guard_rate import CONTROL, SPAN, STAGES, WALKER, WORLDS, Met, World, judge, main, of_files, share

from depthwalker.core.rollout import Stage
from depthwalker.core.units import Money

EQUAL, AS_IT_IS, *_ = WORLDS


def sessions(walker: int, noise: int = 3_000, number: int = 12) -> list[tuple[Met, ...]]:
    """Sessions whose parents have something in common, in which the walker is so much dearer."""
    chance = random.Random(7)
    found = []
    for _ in range(number):
        common = chance.randrange(-noise, noise)
        costs = [common + chance.randrange(-noise, noise) for _ in range(12)]
        found.append(tuple(Met({CONTROL: Money(cost), WALKER: Money(cost + walker)}) for cost in costs))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_harmful_market_trips_it_and_a_good_one_does_not(stage: Stage) -> None:
    harmful = judge(of_files(sessions(20_000)), AS_IT_IS, stage, 20, 0)
    assert share(harmful.guard, 10) == "1.000"
    assert share(judge(of_files(sessions(-20_000)), AS_IT_IS, stage, 20, 0).guard, SPAN) == "0.000"


def test_an_equal_walker_is_stopped_far_less_often_than_by_three_worse_days_alone() -> None:
    found = judge(of_files(sessions(0)), EQUAL, Stage.HALF, 40, 0)
    assert float(share(found.guard, SPAN)) <= 0.2 < float(share(found.once, SPAN)) < float(share(found.alone, SPAN))


def test_extra_cost_counts_for_the_walkers_arm_only() -> None:
    extra = World("dearer", CONTROL, 20_000)
    assert share(judge(of_files(sessions(0)), extra, Stage.HALF, 10, 0).guard, SPAN) == "1.000"


def test_the_page_is_written_from_the_laboratory_and_what_was_recorded_stays(tmp_path: Path) -> None:
    page = tmp_path / "guard.md"
    page.write_text("old\n## On recordings\n\nkept\n", encoding="utf-8")
    small = ["--sessions", "1", "--seconds", "300", "--trials", "1", "--write", str(page)]
    assert main(small) == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("| 10 % |") == len(WORLDS)
    assert "parents of 3 sessions; mean shortfall in cents a contract: simple_limit " in text
    assert text.endswith("## On recordings\n\nkept\n")
    assert "old" not in text
