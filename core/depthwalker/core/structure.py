"""The exchange's price grids by the names it gives them, coarsest first (fact sheet, section 3).

For simulations and recordings only: a real market's grid is read from its `price_ranges`, never from a name.
"""

from collections.abc import Iterable
from typing import Final

from depthwalker.core.grid import Band, PriceGrid
from depthwalker.core.units import CENT, DOLLAR, Price


def grid_of(prices: Iterable[Price]) -> PriceGrid:
    """Return the coarsest of the exchange's grids that holds all these prices, each strictly between 0 and 1 dollar."""
    seen = tuple(prices)
    return next(grid for _, grid in STRUCTURES if all(grid.valid(price) for price in seen))


def name_of(grid: PriceGrid) -> str:
    """Return the exchange's name of a grid, or "custom"."""
    return next((name for name, known in STRUCTURES if known == grid), "custom")


def _even(tick: int) -> PriceGrid:
    return PriceGrid((Band(Price(0), DOLLAR, Price(tick)),))


def _edged(edge: int, edge_tick: int, centre_tick: int) -> PriceGrid:
    low, high, tick = Price(edge), Price(DOLLAR - edge), Price(edge_tick)
    return PriceGrid((Band(Price(0), low, tick), Band(low, high, Price(centre_tick)), Band(high, DOLLAR, tick)))


_TENTH: Final = 10 * CENT
STRUCTURES: Final = (
    ("linear_cent", _even(100)),
    ("center_whole_edge_half_cent", _edged(_TENTH, 50, 100)),
    ("center_whole_edge_quint_cent", _edged(_TENTH, 20, 100)),
    ("tapered_deci_cent", _edged(_TENTH, 10, 100)),
    ("center_half_edge_half_cent", _even(50)),
    ("center_half_edge_quint_cent", _edged(_TENTH, 20, 50)),
    ("center_half_edge_deci_cent", _edged(_TENTH, 10, 50)),
    ("center_quint_edge_quint_cent", _even(20)),
    ("center_quint_edge_deci_cent", _edged(_TENTH, 10, 20)),
    ("deci_cent", _even(10)),
    ("center_deci_edge_centi_cent", _edged(CENT, 1, 10)),
    ("center_centi_edge_centi_cent", _even(1)),
)
