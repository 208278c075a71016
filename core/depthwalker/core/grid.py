"""The prices a market accepts, read from its `price_ranges` and never from the name of its structure.

Source: fact sheet, section 3. Bands are contiguous and ascending; a band's prices are start + n x step. Valid prices lie
strictly between 0 and 1 dollar.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import DOLLAR, Malformed, Price, format_price


@dataclass(frozen=True, slots=True)
class Band:
    """Prices from `start` to `end`, both included, `step` apart."""

    start: Price
    end: Price
    step: Price


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """A market's price grid; build it with `parse_grid`, which checks the bands."""

    bands: tuple[Band, ...]

    def valid(self, price: int) -> bool:
        """Return whether an order may carry this price."""
        return 0 < price < DOLLAR and any(
            band.start <= price <= band.end and (price - band.start) % band.step == 0 for band in self.bands
        )

    def floor(self, price: int) -> Price | None:
        """Return the highest valid price at or below `price`, or None where there is none."""
        for band in reversed(self.bands):
            if price < band.start:
                continue
            top = min(price, band.end)
            found = band.start + (top - band.start) // band.step * band.step
            if found >= DOLLAR:
                found -= band.step
            if found > 0:
                return Price(found)
        return None

    def ceil(self, price: int) -> Price | None:
        """Return the lowest valid price at or above `price`, or None where there is none."""
        for band in self.bands:
            if price > band.end:
                continue
            bottom = max(price, band.start)
            found = band.start - (band.start - bottom) // band.step * band.step
            if found <= 0:
                found += band.step
            if found < DOLLAR:
                return Price(found)
        return None

    def up(self, price: int) -> Price | None:
        """Return the next valid price above `price`, or None at the top."""
        return self.ceil(price + 1)

    def down(self, price: int) -> Price | None:
        """Return the next valid price below `price`, or None at the bottom."""
        return self.floor(price - 1)

    def lowest(self) -> Price:
        """Return the lowest price an order may carry."""
        found = self.ceil(1)
        assert found is not None
        return found

    def highest(self) -> Price:
        """Return the highest price an order may carry."""
        found = self.floor(DOLLAR)
        assert found is not None
        return found

    def of(self, leg: Leg) -> "PriceGrid":
        """Return the grid of a leg's own prices where this is that of YES, and the other way round."""
        return self if leg is Leg.YES else self.complement()

    def complement(self) -> "PriceGrid":
        """Return the grid of the other leg: every price p becomes 1 - p."""
        return PriceGrid(
            tuple(
                Band(Price(DOLLAR - band.end), Price(DOLLAR - band.start), band.step) for band in reversed(self.bands)
            )
        )


def parse_grid(bands: tuple[Band, ...]) -> Outcome[PriceGrid, Malformed]:
    """Return the grid of contiguous bands from 0 to 1 dollar, or what is wrong with them."""
    text = " ".join(f"{format_price(b.start)}..{format_price(b.end)}/{format_price(b.step)}" for b in bands)
    allowed = "contiguous bands from 0 to 1 dollar whose positive step, below 1 dollar, divides them"
    seams = [band.start for band in bands] + [DOLLAR]
    if not bands or seams[0] != 0 or any(band.end != seam for band, seam in zip(bands, seams[1:], strict=True)):
        return Failure(Malformed("price_ranges", text, allowed))
    if any(not 0 < b.step < DOLLAR or b.end <= b.start or (b.end - b.start) % b.step for b in bands):
        return Failure(Malformed("price_ranges", text, allowed))
    return Success(PriceGrid(bands))


CENT_GRID: Final = PriceGrid((Band(Price(0), DOLLAR, Price(100)),))
