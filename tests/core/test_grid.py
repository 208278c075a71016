"""The price grids of the fact sheet's table (section 3), checked against plain enumeration."""

from bisect import bisect_left, bisect_right

import pytest

from depthwalker.core.grid import CENT_GRID, Band, PriceGrid, parse_grid
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.units import DOLLAR, Price

# structure: (where the edge ends, tick at the edges, tick in the center), in 1e-4 dollar
STRUCTURES = {
    "linear_cent": (1000, 100, 100),
    "deci_cent": (1000, 10, 10),
    "tapered_deci_cent": (1000, 10, 100),
    "center_whole_edge_half_cent": (1000, 50, 100),
    "center_whole_edge_quint_cent": (1000, 20, 100),
    "center_half_edge_half_cent": (1000, 50, 50),
    "center_half_edge_quint_cent": (1000, 20, 50),
    "center_half_edge_deci_cent": (1000, 10, 50),
    "center_quint_edge_quint_cent": (1000, 20, 20),
    "center_quint_edge_deci_cent": (1000, 10, 20),
    "center_centi_edge_centi_cent": (1000, 1, 1),
    "center_deci_edge_centi_cent": (100, 1, 10),
}


def bands(edge: int, tick: int, center: int) -> tuple[Band, ...]:
    if tick == center:
        return (Band(Price(0), DOLLAR, Price(tick)),)
    low, high = Price(edge), Price(DOLLAR - edge)
    return (
        Band(Price(0), low, Price(tick)),
        Band(low, high, Price(center)),
        Band(high, DOLLAR, Price(tick)),
    )


def prices(edge: int, tick: int, center: int) -> list[int]:
    return [price for price in range(1, DOLLAR) if price % (center if edge <= price <= DOLLAR - edge else tick) == 0]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_step_agrees_with_enumeration(structure: str) -> None:
    grid, valid = PriceGrid(bands(*STRUCTURES[structure])), prices(*STRUCTURES[structure])
    step = 1 if structure == "center_deci_edge_centi_cent" else 3  # 3 shares no factor with any tick: every residue
    for price in range(-2, DOLLAR + 3, step):
        below, above = bisect_right(valid, price), bisect_left(valid, price)
        assert grid.valid(price) == (below > above)
        assert grid.floor(price) == (valid[below - 1] if below else None)
        assert grid.ceil(price) == (valid[above] if above < len(valid) else None)
        assert grid.down(price) == (valid[above - 1] if above else None)
        assert grid.up(price) == (valid[below] if below < len(valid) else None)
    assert (grid.lowest(), grid.highest()) == (valid[0], valid[-1])


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_other_leg_s_grid_is_the_mirror(structure: str) -> None:
    grid = PriceGrid(bands(*STRUCTURES[structure]))
    mirror = grid.complement()
    assert mirror.complement() == grid
    assert parse_grid(mirror.bands) == Success(mirror)
    assert all(mirror.valid(DOLLAR - price) == grid.valid(price) for price in range(0, DOLLAR + 1, 7))


def test_the_mirror_of_a_lopsided_grid_swaps_its_ends() -> None:
    lopsided = PriceGrid((Band(Price(0), Price(1000), Price(10)), Band(Price(1000), DOLLAR, Price(100))))
    mirror = lopsided.complement()
    assert [price for price in range(1, DOLLAR) if mirror.valid(price)] == [
        DOLLAR - price for price in range(DOLLAR - 1, 0, -1) if lopsided.valid(price)
    ]
    for price in range(-1, DOLLAR + 2, 3):
        up = lopsided.ceil(DOLLAR - price)
        assert mirror.floor(price) == (None if up is None else DOLLAR - up)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_exchange_s_own_bands_are_accepted(structure: str) -> None:
    expected = bands(*STRUCTURES[structure])
    assert parse_grid(expected) == Success(PriceGrid(expected))


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        (Band(Price(100), DOLLAR, Price(100)),),
        (Band(Price(0), Price(9900), Price(100)),),
        (Band(Price(0), Price(1000), Price(10)), Band(Price(1100), DOLLAR, Price(100))),
        (Band(Price(0), DOLLAR, Price(0)),),
        (Band(Price(0), DOLLAR, Price(300)),),
        (Band(Price(0), DOLLAR, DOLLAR),),
        (Band(Price(0), Price(0), Price(100)), Band(Price(0), DOLLAR, Price(100))),
    ],
    ids=["none", "late", "early", "gap", "no step", "uneven", "no price", "empty"],
)
def test_bands_that_are_no_grid_are_refused(wrong: tuple[Band, ...]) -> None:
    match parse_grid(wrong):
        case Failure(malformed):
            assert malformed.what == "price_ranges"
        case Success(grid):
            pytest.fail(f"accepted {grid}")


def test_a_malformed_grid_says_what_it_was() -> None:
    match parse_grid((Band(Price(0), Price(9900), Price(100)),)):
        case Failure(malformed):
            assert malformed.text == "0.0000..0.9900/0.0100"
        case Success(grid):
            pytest.fail(f"accepted {grid}")


def test_the_cent_grid_runs_from_one_to_ninety_nine() -> None:
    assert (CENT_GRID.lowest(), CENT_GRID.highest()) == (100, 9900)


def test_a_step_need_not_divide_where_a_band_begins() -> None:
    bands_ = (Band(Price(0), Price(30), Price(10)), Band(Price(30), DOLLAR, Price(997)))
    grid = PriceGrid(bands_)
    assert parse_grid(bands_) == Success(grid)
    assert [price for price in range(DOLLAR) if grid.valid(price)] == [10, 20, *range(30, DOLLAR, 997)]
    assert (grid.floor(1_026), grid.ceil(1_026), grid.highest()) == (30, 1_027, 9_003)
