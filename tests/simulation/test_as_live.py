"""The engine does what the laboratory says that it does: the same parents end alike."""

from itertools import islice

import pytest
from tests.simulation.as_live import pairs

from depthwalker.core.config import Algorithm
from depthwalker.core.units import SECOND, Micros

PARENTS = 20


@pytest.mark.parametrize(
    ("market", "algorithm", "alike"),
    [
        ("thin", Algorithm.DYNAMIC_DEPTH_WALKER, 19),
        ("moderate", Algorithm.DYNAMIC_DEPTH_WALKER, 20),
        ("liquid", Algorithm.DYNAMIC_DEPTH_WALKER, 18),
        ("moderate", Algorithm.TWAP, 19),
        ("moderate", Algorithm.ADAPTIVE_LIMIT, 19),
        ("moderate", Algorithm.SIMPLE_LIMIT, 19),
    ],
)
def test_the_engine_executes_parents_as_the_laboratory_replays_them(
    market: str, algorithm: Algorithm, alike: int
) -> None:
    found = list(islice(pairs(market, Micros(120 * SECOND), algorithm), PARENTS))
    assert len(found) == PARENTS
    assert sum(pair.alike for pair in found) >= alike
    shares = [
        sum(end.filled / pair.parent.count for pair, end in zip(found, ends, strict=True)) / PARENTS
        for ends in zip(*((pair.replayed, pair.executed) for pair in found), strict=True)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)
    assert all(pair.executed.calls <= pair.replayed.calls + 2 for pair in found)
