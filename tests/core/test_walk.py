"""A walk goes up by at least a tick, onto the grid, never past the cap; whatever forbids it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import DECI_CENT, grids, prices, raw_prices

from depthwalker.core.grid import CENT_GRID, PriceGrid
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import DOLLAR, MILLION, Price
from depthwalker.core.walk import AGGRESSIVE_MOMENTUM, Hold, Walk, Walker, WalkRules, walk, walk_price

RULES = WalkRules(base=Price(50), aggressive=Price(100), max_walks=10, max_total_walks=15)
MOMENTA = st.integers(-3 * MILLION, 3 * MILLION)
NUMBERS = st.integers(0, 20)


@st.composite
def rules(draw: st.DrawFn) -> WalkRules:
    base = draw(st.integers(1, 500))
    return WalkRules(Price(base), Price(base + draw(st.integers(0, 500))), draw(NUMBERS), draw(NUMBERS))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[PriceGrid, Price, Price]:
    """A grid, a price (on it or, after the grid has changed, off it) and a cap on it."""
    grid = draw(grids())
    return grid, draw(st.one_of(prices(grid), raw_prices())), draw(prices(grid))


@given(scenes(), MOMENTA, rules())
def test_a_walk_is_the_least_valid_price_an_increment_up_but_the_cap(
    scene: tuple[PriceGrid, Price, Price], momentum: int, walking: WalkRules
) -> None:
    grid, price, cap = scene
    increment = walking.aggressive if abs(momentum) > 200_000 else walking.base
    enough = (p for p in range(price + increment, cap + 1) if grid.valid(p))
    expected = next(enough, cap)
    assert walk_price(price, momentum, grid, cap, walking) == (expected if expected > price else None)


@given(scenes(), MOMENTA, rules())
def test_a_walk_moves_up_by_at_least_one_tick_onto_the_grid_and_never_past_the_cap(
    scene: tuple[PriceGrid, Price, Price], momentum: int, walking: WalkRules
) -> None:
    grid, price, cap = scene
    found = walk_price(price, momentum, grid, cap, walking)
    if found is None:
        assert price >= cap
        return
    tick = grid.up(price)
    assert tick is not None
    assert tick <= found <= cap
    assert grid.valid(found)


@given(scenes(), MOMENTA, rules(), st.integers(-1, 100), NUMBERS, NUMBERS)
def test_a_split_walks_exactly_when_nothing_forbids_it(
    scene: tuple[PriceGrid, Price, Price], momentum: int, walking: WalkRules, unfilled: int, walks: int, total: int
) -> None:
    grid, price, cap = scene
    judged = walk(Walker(price, unfilled, walks, total), momentum, grid, cap, walking, "why")
    forbidden = unfilled <= 0 or walks >= walking.max_walks or total >= walking.max_total_walks or price >= cap
    match judged:
        case Walk(to, reason):
            assert not forbidden
            assert (to, reason) == (walk_price(price, momentum, grid, cap, walking), "why")
        case Hold(reason):
            assert forbidden
            assert reason


@given(scenes(), st.lists(MOMENTA, max_size=40), rules())
def test_however_often_it_walks_a_split_stays_within_its_number_of_walks_and_its_cap(
    scene: tuple[PriceGrid, Price, Price], momenta: list[int], walking: WalkRules
) -> None:
    grid, start, cap = scene
    price, walks = start, 0
    for momentum in momenta:
        match walk(Walker(price, 1, walks, walks), momentum, grid, cap, walking, "why"):
            case Walk(to, _):
                assert to > price
                price, walks = to, walks + 1
            case Hold():
                pass
    assert walks <= min(walking.max_walks, walking.max_total_walks)
    assert price <= max(start, cap)


@pytest.mark.parametrize(
    ("walker", "cap", "reason"),
    [
        (Walker(Price(5000), 0, 0, 0), 5500, "filled"),
        (Walker(Price(5000), 0, 10, 15), 5500, "filled"),
        (Walker(Price(5000), 1, 10, 10), 5500, "max_walks of the split reached"),
        (Walker(Price(5000), 1, 9, 15), 5500, "max_total_walks of the parent reached"),
        (Walker(Price(5500), 1, 9, 14), 5500, "at the cap"),
        (Walker(Price(5600), 1, 9, 14), 5500, "at the cap"),
    ],
    ids=["filled", "filled comes first", "split", "parent", "cap", "cap came down"],
)
def test_a_hold_says_what_forbids_the_walk(walker: Walker, cap: int, reason: str) -> None:
    assert walk(walker, 0, CENT_GRID, Price(cap), RULES, "why") == Hold(reason)


def test_the_last_walk_allowed_is_walked() -> None:
    assert walk(Walker(Price(5000), 1, 9, 14), 0, CENT_GRID, Price(5500), RULES, "why") == Walk(Price(5100), "why")


@pytest.mark.parametrize(
    ("momentum", "expected"),
    [(0, 5010), (200_000, 5010), (200_001, 5020), (-200_000, 5010), (-200_001, 5020)],
)
def test_only_beyond_twenty_percent_either_way_the_increment_is_the_aggressive_one(
    momentum: int, expected: int
) -> None:
    small = WalkRules(Price(10), Price(20), 10, 10)
    assert AGGRESSIVE_MOMENTUM == 200_000
    assert walk_price(Price(5000), momentum, DECI_CENT, Price(5500), small) == expected


def test_a_walk_near_the_end_of_the_grid_stops_at_the_cap() -> None:
    assert walk_price(Price(9850), 0, CENT_GRID, Price(9900), RULES) == 9900
    assert walk_price(Price(9900), 0, CENT_GRID, Price(9900), RULES) is None
    assert walk_price(Price(9840), 0, CENT_GRID, Price(9900), WalkRules(Price(500), Price(500), 1, 1)) == 9900
    assert CENT_GRID.ceil(DOLLAR - 1) is None


def test_a_walk_of_no_increment_is_still_one_tick() -> None:
    still = WalkRules(base=Price(0), aggressive=Price(0), max_walks=10, max_total_walks=10)
    assert walk_price(Price(4_900), 0, CENT_GRID, Price(5_300), still) == Price(5_000)
    finest = dict(STRUCTURES)["center_centi_edge_centi_cent"]
    assert walk_price(Price(4_900), 0, finest, Price(5_300), still) == Price(4_901)
