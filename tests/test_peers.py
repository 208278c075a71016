"""The peers' tape, our part of their question, and the rules by which fills are foretold; no peer is needed here."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bench.peers import cases, ours, tape, told
from bench.peers.__main__ import Found, summed_up, until
from bench.peers.cases import Order, Rules, expected
from bench.peers.differential import OURS, RULES, compare, our_fills
from bench.peers.schedule import USUAL, policies, starts
from bench.peers.tape import BIDS, OFFERS, Drawn

from depthwalker.core.units import SECOND
from depthwalker.shell.lab.index import Index


def small(changes: list[tuple[int, ...]], takes: list[tuple[int, ...]]) -> Drawn:
    """A market of 20 bid at 40 and 30 offered at 44."""
    opening = [(BIDS, 40, 20), (BIDS, 39, 50), (OFFERS, 44, 30)]
    return Drawn(
        *(np.array(rows, dtype=np.int64).reshape(-1, width) for rows, width in ((opening, 3), (changes, 6), (takes, 5)))
    )


TAKEN_THROUGH = small(
    [(0, 100, BIDS, 40, -15, 5), (1, 200, BIDS, 40, -5, 0), (1, 200, BIDS, 39, -10, 40)], [(1, 200, BIDS, 39, 15)]
)
AT_BEST = Order(50, 40, 100, takes=False)


class TestTape:
    def test_it_is_drawn_alike_and_kept(self, tmp_path: Path) -> None:
        one, other = tape.draw(500, 3), tape.draw(500, 3)
        tape.write(one, tmp_path)
        for again in (other, tape.read(tmp_path)):
            assert all(
                np.array_equal(*both)
                for both in zip(
                    (one.opening, one.changes, one.takes), (again.opening, again.changes, again.takes), strict=True
                )
            )

    def test_parents_do_not_overlap_and_policies_differ(self) -> None:
        begins = starts(20_000 * SECOND, 10)
        assert min(after - before for before, after in pairwise(begins)) > 40 * SECOND
        with pytest.raises(ValueError, match="do not fit"):
            starts(1_000 * SECOND, 100)
        assert len(set(policies(1_000))) == 1_000
        assert policies(1) == [USUAL]


class TestOurs:
    def test_a_sweep_fills_what_its_policies_fill_alone(self, tmp_path: Path) -> None:
        ours.prepare(tape.draw(30_000, 5), tmp_path / "ours")
        index = Index(ours.load(tmp_path / "ours"))
        wanted = list(ours.parents(index, 3))
        by = [ours.policy(one) for one in policies(12)]
        alone = sum(fill.count // 100 for one in by for fills in ours.run(index, wanted, one) for fill in fills)
        assert ours.sweep(index, wanted, by) == alone > 0


class TestFills:
    @pytest.mark.parametrize(
        ("rules", "filled"),
        [
            (Rules("shown", "added"), [(200, 40, 10)]),  # 5 before us, then 15 come
            (Rules("emptied", "added"), [(200, 40, 10)]),  # the level is gone, and 10 more are hit below
            (Rules("kept", "never"), []),  # 20 are still before us
        ],
    )
    def test_the_rules_differ_in_the_queue(self, rules: Rules, filled: cases.Fills) -> None:
        assert expected(TAKEN_THROUGH, AT_BEST, rules) == filled

    def test_the_rules_differ_in_offers_that_come(self) -> None:
        arriving = small([(0, 100, BIDS, 40, -20, 0), (1, 200, OFFERS, 40, 7, 7), (2, 300, OFFERS, 40, 2, 9)], [])
        assert expected(arriving, AT_BEST, Rules("shown", "added")) == [(200, 40, 7), (300, 40, 2)]
        assert expected(arriving, AT_BEST, Rules("shown", "again")) == [(200, 40, 7), (300, 40, 9)]
        assert expected(arriving, AT_BEST, Rules("kept", "never")) == []

    def test_ours_are_foretold(self, tmp_path: Path) -> None:
        for seed, orders in cases.cases(tmp_path, range(6), 4).items():
            drawn = tape.read(tmp_path / str(seed))
            assert our_fills(drawn, orders) == [expected(drawn, order, RULES[OURS]) for order in orders]

    def test_a_difference_without_a_rule_is_unexpected(self) -> None:
        tapes, orders = {1: TAKEN_THROUGH}, {1: [AT_BEST]}
        mine: dict[int, list[cases.Fills]] = {1: [[(200, 40, 10)]]}
        rules = Rules("kept", "never")
        explained = compare(tapes, orders, mine, {1: [[]]}, rules)
        assert explained.orders == {"differ: a cancel before it in the queue": 1}
        assert explained.unexplained == []
        wrong = compare(tapes, orders, mine, {1: [[(200, 40, 11)]]}, rules)
        assert wrong.orders == {"unexpected": 1}
        assert len(wrong.unexplained) == 1


class TestBreakEven:
    def test_it_lies_between_two_numbers_by_a_straight_line(self) -> None:
        def engine(each: float, first: float) -> dict[int, told.One]:
            return {count: told.One(count, first + each * count, 1 + first + each * count, []) for count in (5, 10, 20)}

        assert until(engine(1, 0), engine(0, 15), whole=False) == "15"
        assert until(engine(1, 0), engine(0, 2), whole=True) == "less than 5"
        assert until(engine(1, 0), engine(0, 99), whole=True) == "more than 20"


class TestTurns:
    def test_an_engine_is_told_of_by_its_quickest_turn_and_the_median_of_its_sweeps(self) -> None:
        ones = [([told.One(10, run, 2 * run, []), told.One(2, run / 4, run, [])], 100 + run) for run in (3.0, 9.0, 1.0)]
        sweeps = [(told.Sweep(seconds, 2 * seconds, 7), seconds) for seconds in (5.0, 4.0, 40.0)]
        assert summed_up(ones, sweeps) == Found(
            {10: told.One(10, 1.0, 2.0, []), 2: told.One(2, 0.25, 1.0, [])}, 109.0, told.Sweep(5.0, 10.0, 7), 40.0
        )
