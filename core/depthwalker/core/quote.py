"""What an algorithm wants working now; everything else about orders is `reconcile`'s."""

from dataclasses import dataclass

from depthwalker.core.ledger import Style
from depthwalker.core.units import Price


@dataclass(frozen=True, slots=True)
class Quote:
    """A split wanted working at a price, for what it has unfilled.

    `walk` when the price was moved toward the cap, `momentum` (parts per million) what that was judged by.
    """

    split: int
    price: Price
    style: Style
    reason: str
    walk: bool = False
    momentum: int = 0


@dataclass(frozen=True, slots=True)
class Desire:
    """All quotes wanted now, and why each split that does not move does not."""

    quotes: tuple[Quote, ...]
    held: tuple[tuple[int, str], ...]
