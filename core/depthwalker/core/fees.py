"""Taker and maker fees, and the per-order rounding accumulator (fact sheet, section 8).

A fill's model fee is rate x count x price x (1 - price). The exchange rounds each fill's fee up to a microdollar, floors
the balance change to the account's precision, and gives back what an order's roundings add up to in whole units.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, NewType

from depthwalker.core.units import DOLLAR, MILLION, Count, Money, Price, ceil_div, value

Accumulator = NewType("Accumulator", int)  # microdollars of one order's rounding fees not yet given back


class Precision(Enum):
    """The unit of an account's balance in microdollars: of a direct member, or through a broker."""

    DIRECT = 100
    BROKER = 10_000


@dataclass(frozen=True, slots=True)
class FeeRates:
    """Fee rates in force for a market, in parts per million of count x price x (1 - price)."""

    taker: int
    maker: int


STANDARD: Final = FeeRates(taker=70_000, maker=0)
WITH_MAKER_FEES: Final = FeeRates(taker=70_000, maker=17_500)
assert STANDARD.taker * 100 == 7 * MILLION
NOTHING: Final = Accumulator(0)


def trade_fee(rates: FeeRates, taker: bool, price: Price, count: Count) -> Money:
    """Return a fill's model fee, rounded up to the microdollar; the same for p and 1 - p."""
    rate = rates.taker if taker else rates.maker
    return Money(ceil_div(rate * count * price * (DOLLAR - price), MILLION * DOLLAR))


def charge(
    accumulator: Accumulator, fee: Money, price: Price, count: Count, precision: Precision
) -> tuple[Money, Accumulator]:
    """Return what a fill with this trade fee is charged, never negative, and the order's accumulator after it.

    `price` is that of the leg acquired. A sale of the other leg at 1 - p changes the balance by the same amount but for
    whole cents, so it is rounded the same.
    """
    unit = precision.value
    cost = value(price, count) + fee
    rounding = -cost % unit
    gross = fee + rounding
    gathered = accumulator + rounding
    rebate = min(gathered, gross) // unit * unit
    return Money(gross - rebate), Accumulator(gathered - rebate)


def estimate(
    rates: FeeRates,
    taker: bool,
    price: Price,
    count: Count,
    precision: Precision = Precision.DIRECT,
) -> Money:
    """Return what one fill of the whole order at `price` would be charged: the reserve before trading.

    The accumulator draws many fills of an order toward this figure. Price and fee together rise with the price, so the
    reserve at an order's limit also covers fills at better prices. After a fill its own fee counts, never this.
    """
    charged, _ = charge(NOTHING, trade_fee(rates, taker, price, count), price, count, precision)
    return charged
