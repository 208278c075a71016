"""What the report says of parents whose count was out of reach at arrival, of calls, and of each file by itself."""

from dataclasses import replace

import pytest
from tests.shell.test_lab_command import long_tape

from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION
from depthwalker.core.parent import Action
from depthwalker.core.units import CONTRACT, SECOND, Count, Micros
from depthwalker.shell.lab.experiment import Design, Outcome, experiment
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampling
from depthwalker.shell.lab.players import TAKE_NOW, players
from depthwalker.shell.lab.report import OPPOSITE, paired, rows

WALKER = "dynamic_depth_walker"


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """What two algorithms made of the parents of two files, those for NO out of reach."""
    config = replace(DEFAULT_EXECUTION, timeout=Micros(8 * SECOND))
    every = Micros(11 * SECOND)
    sampling = Sampling((Count(5 * CONTRACT),), tuple(Leg), Action.BUY, Aim("offer", 0), every, every, config)
    two = tuple(players(config)[name] for name in (TAKE_NOW, WALKER))
    design = Design(two, sampling, (QueueModel.WORST,), Micros(100_000), Micros(80 * SECOND))
    markets = [(name, long_tape(seed)) for seed, name in ((3, "a"), (4, "b"))]
    return [_placed(one) for one in experiment(markets, design).outcomes]


def _placed(one: Outcome) -> Outcome:
    sampled = one.result.sampled
    return replace(one, result=replace(one.result, sampled=replace(sampled, reachable=sampled.parent.leg is Leg.YES)))


def test_what_was_filled_out_of_reach_stands_beside_what_the_bound_fills_there(outcomes: list[Outcome]) -> None:
    for row in rows(outcomes):
        mine = [
            one
            for one in outcomes
            if (one.result.algorithm, one.result.sampled.liquidity.value) == (row["algorithm"], row["liquidity"])
            and row["file"] in (one.file, "all")
        ]
        beyond = [one for one in mine if not one.result.sampled.reachable]
        filled, least = sum(one.result.filled for one in beyond), sum(one.bound_filled for one in beyond)
        wanted = len(beyond) * 5 * CONTRACT
        assert beyond
        assert (row["parents_in_reach"], row["parents_out_of_reach"]) == (len(mine) - len(beyond), len(beyond))
        assert row["fill_rate_out_of_reach"] == filled / wanted
        assert row["fill_rate_of_bound_out_of_reach"] == least / wanted
        assert row["share_of_bound_out_of_reach"] == filled / least
        assert filled <= least
        assert row["calls_under_8"] == sum(one.result.calls < 8 for one in mine) / len(mine)
        assert row["parents_full"] == sum(one.result.full for one in mine)


def test_where_all_is_in_reach_nothing_is_said_of_the_others(outcomes: list[Outcome]) -> None:
    within = [one for one in outcomes if one.result.sampled.reachable]

    for row in rows(within):
        told = (row[f"{what}_out_of_reach"] for what in ("fill_rate", "fill_rate_of_bound", "share_of_bound"))
        assert (row["parents_out_of_reach"], *told) == (0, None, None, None)


def test_the_pairs_of_a_file_are_those_of_its_parents_alone(outcomes: list[Outcome]) -> None:
    found = paired(outcomes)

    assert {(pair["a"], pair["b"]) for pair in found} == {(WALKER, TAKE_NOW), (TAKE_NOW, WALKER)}
    for file in ("a", "b"):
        alone = paired([one for one in outcomes if one.file == file])
        assert [pair for pair in found if pair["file"] == file] == [pair for pair in alone if pair["file"] == file]
    (whole,) = (pair for pair in found if (pair["a"], pair["file"], pair["liquidity"]) == (WALKER, "all", "all"))
    assert whole["parents"] == sum(one.result.algorithm == WALKER for one in outcomes)


def test_a_difference_the_other_way_round_is_its_opposite(outcomes: list[Outcome]) -> None:
    places = ("liquidity", "file", "queue_model", "fill_model", "parents", "blocks")
    found = {(pair["a"], *(pair[key] for key in places)): pair for pair in paired(outcomes)}

    for (a, *where), pair in found.items():
        opposite = found[pair["b"], *where]
        assert opposite["b"] == a
        for key, turned in OPPOSITE.items():
            value, other = pair[key], opposite[turned]
            assert (value is None) == (other is None)
            if isinstance(value, float) and isinstance(other, float):
                assert value == -other
                assert repr(value) != "-0.0"


def test_the_parents_of_a_block_are_one_observation(outcomes: list[Outcome]) -> None:
    (pair,) = (
        pair for pair in paired(outcomes) if (pair["a"], pair["file"], pair["liquidity"]) == (WALKER, "all", "all")
    )

    stretches = len({(one.file, one.block) for one in outcomes})
    assert pair["blocks"] == stretches
    assert stretches < len(outcomes) // 2, "several of each algorithm's are of one"
