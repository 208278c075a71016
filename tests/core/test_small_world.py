"""All interleavings of what an exchange may answer, in worlds small enough for every run; `make exhaust` has larger ones."""

import pytest
from tests.core.small_world import Bounds, explore


@pytest.mark.parametrize("bounds", [Bounds((1,), walks=0, faults=1), Bounds((2,), walks=1, faults=0)])
def test_whatever_happens_in_a_small_world_the_invariants_hold_and_it_comes_to_rest(bounds: Bounds) -> None:
    figures = explore(bounds)
    assert figures.steps > figures.situations > 100
