"""Exact text forms of prices, counts and money, and the two divisions that round."""

from fractions import Fraction
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import (
    CENT,
    CONTRACT,
    DOLLAR,
    MILLION,
    SECOND,
    Count,
    Malformed,
    Money,
    Price,
    ceil_div,
    format_count,
    format_money,
    format_price,
    parse_count,
    parse_money,
    parse_price,
    root,
    round_div,
    value,
)

WHOLE = st.integers(min_value=-(10**15), max_value=10**15)
DIVISOR = st.integers(min_value=1, max_value=10**9)


@pytest.mark.parametrize(
    ("text", "price"),
    [("0.48", 4800), ("0.4800", 4800), ("1", 10000), ("0.0001", 1), (".5", 5000), ("1.", 10000), ("0.480000", 4800)],
)
def test_a_price_is_read_exactly(text: str, price: int) -> None:
    assert parse_price(text) == Success(Price(price))


@pytest.mark.parametrize(
    "text", ["", ".", "-", "0.48001", "1e2", "+1", "--1", " 1", "1_0", "0,5", "nan", "٣", "½", "1.2.3", "9" * 16]
)
def test_what_is_no_price_is_refused_with_what_would_be_valid(text: str) -> None:
    assert parse_price(text) == Failure(Malformed("price", text, "dollars with at most 4 decimals, such as 0.4800"))


@pytest.mark.parametrize(("text", "count"), [("3", 300), ("3.25", 325), ("0.01", 1), ("-3.00", -300)])
def test_a_count_is_read_exactly(text: str, count: int) -> None:
    assert parse_count(text) == Success(Count(count))


def test_a_count_finer_than_a_hundredth_is_refused() -> None:
    assert parse_count("3.255") == Failure(
        Malformed("count", "3.255", "contracts with at most 2 decimals, such as 3.25")
    )


@pytest.mark.parametrize(("text", "money"), [("0.017500", 17500), ("-0.000001", -1), ("98.0186", 98_018_600)])
def test_money_is_read_exactly(text: str, money: int) -> None:
    assert parse_money(text) == Success(Money(money))


def test_money_finer_than_a_microdollar_is_refused() -> None:
    assert parse_money("0.0000001") == Failure(
        Malformed("money", "0.0000001", "dollars with at most 6 decimals, such as 0.017500")
    )


def test_texts_carry_the_exchange_s_decimals() -> None:
    assert format_price(Price(4800)) == "0.4800"
    assert format_count(Count(300)) == "3.00"
    assert format_count(Count(-5)) == "-0.05"
    assert format_money(Money(17_500)) == "0.017500"


@given(WHOLE)
def test_a_price_survives_its_text(number: int) -> None:
    assert parse_price(format_price(Price(number))) == Success(Price(number))


@given(WHOLE)
def test_a_count_survives_its_text(number: int) -> None:
    assert parse_count(format_count(Count(number))) == Success(Count(number))


@given(WHOLE)
def test_money_survives_its_text(number: int) -> None:
    assert parse_money(format_money(Money(number))) == Success(Money(number))


@given(st.text(alphabet="-.0123456789", max_size=8))
def test_a_text_is_read_as_the_fraction_it_is_or_not_at_all(text: str) -> None:
    read: Outcome[Price, Malformed] = parse_price(text)
    match read:
        case Success(price):
            assert Fraction(price, DOLLAR) == Fraction(text.removesuffix("."))
        case Failure(malformed):
            assert malformed.text == text


def test_price_times_count_is_exact_money() -> None:
    assert value(Price(5200), CONTRACT) == 520_000
    assert value(Price(1), Count(1)) == 1
    assert value(DOLLAR, CONTRACT) == MILLION == SECOND
    assert CENT * 100 == DOLLAR


@given(WHOLE, DIVISOR)
def test_ceil_div_is_the_least_whole_number_not_below_the_quotient(dividend: int, divisor: int) -> None:
    assert ceil_div(dividend, divisor) - 1 < Fraction(dividend, divisor) <= ceil_div(dividend, divisor)


@given(WHOLE, DIVISOR)
def test_round_div_is_nearest_with_halves_away_from_zero(dividend: int, divisor: int) -> None:
    exact, rounded = Fraction(dividend, divisor), round_div(dividend, divisor)
    assert abs(rounded - exact) <= Fraction(1, 2)
    assert abs(rounded - exact) < Fraction(1, 2) or abs(rounded) > abs(exact)


@pytest.mark.parametrize(
    ("dividend", "divisor", "quotient"), [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (-3, 2, -2), (0, 7, 0)]
)
def test_a_half_is_rounded_away_from_zero(dividend: int, divisor: int, quotient: int) -> None:
    assert round_div(dividend, divisor) == quotient


@given(st.integers(0, 10**40))
def test_a_root_is_rounded_down(number: int) -> None:
    assert root(number) == isqrt(number)


@pytest.mark.parametrize("number", range(40))
def test_small_roots(number: int) -> None:
    assert root(number) == isqrt(number)


def test_fifteen_digits_are_read_and_sixteen_are_not() -> None:
    assert parse_count("9" * 15) == Success(Count((10**15 - 1) * 100))
    assert isinstance(parse_count("9" * 16), Failure)


def test_nothing_has_no_sign() -> None:
    assert (format_price(Price(0)), format_count(Count(0)), format_money(Money(0))) == ("0.0000", "0.00", "0.000000")
