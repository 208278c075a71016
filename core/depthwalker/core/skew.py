"""How far the exchange's clock is ahead of ours, learned from the times that its answers carry.

Each reading of the exchange's clock falls between two of ours and so bounds the offset from both sides; readings narrow the
bounds and never widen them, until one contradicts them, which says that a clock was set: then it alone counts. What is
added to our clock is the least that the bounds demand, so a clock that may be right is left alone (fact sheet, section 1:
the exchange takes 5 seconds either way).
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.units import SECOND, Micros

WIDEST: Final = Micros(26 * 3_600 * SECOND)  # a reading further off than this is no clock to follow


@dataclass(frozen=True, slots=True)
class Sighting:
    """The exchange's clock showed `shown`, cut to `grain`, at some instant from `sent` to `received` of our clock."""

    shown: Micros
    grain: Micros
    sent: Micros
    received: Micros


@dataclass(frozen=True, slots=True)
class Skew:
    """The exchange's clock less ours, in micros: at least `low`, at most `high`."""

    low: Micros
    high: Micros


UNKNOWN_SKEW: Final = Skew(Micros(-WIDEST), WIDEST)


def sighted(skew: Skew, sighting: Sighting) -> Skew:
    """Return the bounds after a reading; one that is impossible or further off than `WIDEST` changes nothing."""
    low, high = sighting.shown - sighting.received, sighting.shown + sighting.grain - sighting.sent
    if low > high or low > WIDEST or high < -WIDEST:
        return skew
    narrowed = Skew(Micros(max(low, skew.low)), Micros(min(high, skew.high)))
    if narrowed.low <= narrowed.high:
        return narrowed
    return Skew(Micros(max(low, -WIDEST)), Micros(min(high, WIDEST)))


def correction(skew: Skew) -> Micros:
    """Return what to add to our clock to have the exchange's: the least that agrees with every reading."""
    return Micros(max(skew.low, min(0, skew.high)))
