"""The exchange's price grids by name (fact sheet, section 3)."""

import pytest

from depthwalker.core.grid import CENT_GRID, Band, PriceGrid, parse_grid
from depthwalker.core.outcome import Success
from depthwalker.core.structure import STRUCTURES, grid_of, name_of
from depthwalker.core.units import DOLLAR, Price


@pytest.mark.parametrize(("name", "grid"), STRUCTURES, ids=[name for name, _ in STRUCTURES])
def test_every_structure_is_a_valid_grid_and_its_own_mirror(name: str, grid: PriceGrid) -> None:
    assert parse_grid(grid.bands) == Success(grid)
    assert grid.complement() == grid
    assert name_of(grid) == name


@pytest.mark.parametrize(
    ("prices", "name"),
    [
        ((), "linear_cent"),
        ((1, 105), "center_centi_edge_centi_cent"),
        ((100, 9_900), "linear_cent"),
        ((150, 5_000), "center_whole_edge_half_cent"),
        ((120, 5_000), "center_whole_edge_quint_cent"),
        ((110, 5_000, 9_990), "tapered_deci_cent"),
        ((5_050,), "center_half_edge_half_cent"),
        ((5_050, 120), "center_half_edge_quint_cent"),
        ((5_050, 110), "center_half_edge_deci_cent"),
        ((5_020,), "center_quint_edge_quint_cent"),
        ((5_020, 110), "center_quint_edge_deci_cent"),
        ((5_010,), "deci_cent"),
        ((5_010, 99), "center_deci_edge_centi_cent"),
        ((5_001,), "center_centi_edge_centi_cent"),
    ],
)
def test_a_grid_is_inferred_as_the_coarsest_that_holds_the_prices(prices: tuple[int, ...], name: str) -> None:
    assert name_of(grid_of(Price(price) for price in prices)) == name


def test_a_grid_that_the_exchange_does_not_name_is_custom() -> None:
    assert name_of(PriceGrid((Band(Price(0), DOLLAR, Price(2_500)),))) == "custom"
    assert name_of(CENT_GRID) == "linear_cent"
