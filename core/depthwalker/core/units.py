"""Integers with names; a price is never a float and never a Decimal in here.

One price times one count is exact in `Money`: 1e-4 dollar x 1e-2 contract = 1e-6 dollar.
Text forms are the exchange's own (fact sheet, section 2): prices to 4, counts to 2, money to 6 decimals.
"""

from dataclasses import dataclass
from typing import Final, NewType

from depthwalker.core.outcome import Failure, Outcome, Success

Price = NewType("Price", int)  # 1e-4 dollar a contract
Count = NewType("Count", int)  # 1e-2 contract
Money = NewType("Money", int)  # 1e-6 dollar
Micros = NewType("Micros", int)  # UTC microseconds since the epoch, or a span of them

DOLLAR: Final = Price(10_000)
CENT: Final = Price(100)
CONTRACT: Final = Count(100)
CENT_MONEY: Final = Money(10_000)
SECOND: Final = Micros(1_000_000)
DAY: Final = Micros(86_400 * SECOND)
MILLION: Final = 1_000_000  # parts per million, the scale of every ratio in the core

PRICE_DECIMALS: Final = 4
COUNT_DECIMALS: Final = 2
MONEY_DECIMALS: Final = 6


@dataclass(frozen=True, slots=True)
class Malformed:
    """A text that is not the number it should be: what it was meant to be, the text, and what would be valid."""

    what: str
    text: str
    allowed: str


def parse_price(text: str) -> Outcome[Price, Malformed]:
    """Return dollars in `text` ("0.48") as a price; more than four decimals are refused, not rounded."""
    number = _parse_fixed(text, PRICE_DECIMALS)
    if number is None:
        return Failure(Malformed("price", text, "dollars with at most 4 decimals, such as 0.4800"))
    return Success(Price(number))


def parse_count(text: str) -> Outcome[Count, Malformed]:
    """Return contracts in `text` ("3", "3.25") as a count; finer than 0.01 contract is refused."""
    number = _parse_fixed(text, COUNT_DECIMALS)
    if number is None:
        return Failure(Malformed("count", text, "contracts with at most 2 decimals, such as 3.25"))
    return Success(Count(number))


def parse_money(text: str) -> Outcome[Money, Malformed]:
    """Return dollars in `text` ("0.017500") as money; finer than a microdollar is refused."""
    number = _parse_fixed(text, MONEY_DECIMALS)
    if number is None:
        return Failure(Malformed("money", text, "dollars with at most 6 decimals, such as 0.017500"))
    return Success(Money(number))


def format_price(price: Price) -> str:
    """Return the price in dollars with four decimals."""
    return _format_fixed(price, PRICE_DECIMALS)


def format_count(count: Count) -> str:
    """Return the count in contracts with two decimals."""
    return _format_fixed(count, COUNT_DECIMALS)


def format_money(money: Money) -> str:
    """Return the money in dollars with six decimals."""
    return _format_fixed(money, MONEY_DECIMALS)


def value(price: Price, count: Count) -> Money:
    """Return what `count` costs at `price`, exactly."""
    return Money(price * count)


def ceil_div(dividend: int, divisor: int) -> int:
    """Return the quotient rounded up; the divisor is positive."""
    return -(-dividend // divisor)


def round_div(dividend: int, divisor: int) -> int:
    """Return the quotient rounded to nearest, halves away from zero; the divisor is positive."""
    if dividend < 0:
        return -((-2 * dividend + divisor) // (2 * divisor))
    return (2 * dividend + divisor) // (2 * divisor)


def root(number: int) -> int:
    """Return the square root, rounded down, of a number that is not negative (Newton's method)."""
    guess = number
    while guess * guess > number:
        guess = (guess + number // guess) // 2
    return guess


def _parse_fixed(text: str, decimals: int) -> int | None:
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, dot, fraction = digits.partition(".")
    fraction = fraction.rstrip("0") if dot else fraction
    if not (whole + fraction).isascii() or not (whole or "0").isdigit() or not (fraction or "0").isdigit():
        return None
    if not whole and not fraction or len(fraction) > decimals or len(whole) > 15:
        return None
    return sign * int((whole or "0") + fraction.ljust(decimals, "0"))


def _format_fixed(number: int, decimals: int) -> str:
    whole, fraction = divmod(abs(number), int("1".ljust(decimals + 1, "0")))
    return f"{'-' if number < 0 else ''}{whole}.{fraction:0{decimals}d}"
