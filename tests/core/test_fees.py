"""Fees against the exchange's recordings and its own worked examples (fact sheet, section 8)."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.fees import (
    NOTHING,
    STANDARD,
    WITH_MAKER_FEES,
    FeeRates,
    Precision,
    charge,
    estimate,
    trade_fee,
)
from depthwalker.core.units import CONTRACT, DOLLAR, MILLION, Count, Money, Price, format_money, value

PRICES = st.integers(min_value=1, max_value=DOLLAR - 1).map(Price)
COUNTS = st.integers(min_value=1, max_value=100_000).map(Count)
RATES = st.sampled_from([STANDARD, WITH_MAKER_FEES, FeeRates(0, 0), FeeRates(35_000, 8_750)])
PRECISIONS = st.sampled_from(Precision)


@pytest.mark.parametrize(("price", "recorded"), [(5200, "0.017500"), (9900, "0.000700")])
def test_a_recorded_taker_fee(price: int, recorded: str) -> None:
    fee = trade_fee(STANDARD, True, Price(price), CONTRACT)
    charged, _ = charge(NOTHING, fee, Price(price), CONTRACT, Precision.DIRECT)
    assert format_money(charged) == recorded


def test_the_model_fee_is_rounded_up_to_the_microdollar() -> None:
    assert trade_fee(STANDARD, True, Price(5200), CONTRACT) == 17_472
    assert trade_fee(STANDARD, True, Price(550), CONTRACT) == 3_639  # 0.00363825
    assert trade_fee(STANDARD, False, Price(5200), CONTRACT) == 0
    assert trade_fee(WITH_MAKER_FEES, False, Price(5200), CONTRACT) == 4_368


@pytest.mark.parametrize(
    ("price", "count", "fee", "nets"),
    [(550, 100, 8_500, [15_000, 5_000, 15_000]), (5000, 30, 4_100, [10_000, 0, 10_000])],
    ids=["three 1-lots at 0.055", "three 0.30-lots at 0.50"],
)
def test_the_exchange_s_worked_examples_of_a_broker_s_account(
    price: int, count: int, fee: int, nets: list[int]
) -> None:
    accumulator, charged = NOTHING, []
    for _ in nets:
        net, accumulator = charge(accumulator, Money(fee), Price(price), Count(count), Precision.BROKER)
        charged.append(net)
    assert charged == nets


def test_a_rebate_never_exceeds_the_fee() -> None:
    charged, accumulator = charge(NOTHING, Money(0), Price(5555), Count(1), Precision.DIRECT)
    assert (charged, accumulator) == (45, 45)
    for _ in range(2):
        charged, accumulator = charge(accumulator, Money(0), Price(5555), Count(1), Precision.DIRECT)
    assert (charged, accumulator) == (45, 135)  # a whole unit is owed, but the fee is less than one


@given(RATES, st.booleans(), PRICES, COUNTS)
def test_fees_are_the_same_for_p_and_one_minus_p(rates: FeeRates, taker: bool, price: Price, count: Count) -> None:
    mirrored = Price(DOLLAR - price)
    assert trade_fee(rates, taker, price, count) == trade_fee(rates, taker, mirrored, count)


@given(RATES, st.booleans(), PRICES, COUNTS)
def test_whole_contracts_of_a_direct_member_cost_the_same_at_p_and_one_minus_p(
    rates: FeeRates, taker: bool, price: Price, count: Count
) -> None:
    whole = Count(count * 100)
    assert estimate(rates, taker, price, whole) == estimate(rates, taker, Price(DOLLAR - price), whole)


@given(RATES, st.booleans(), PRICES, COUNTS)
def test_the_trade_fee_is_the_least_microdollar_not_below_the_model(
    rates: FeeRates, taker: bool, price: Price, count: Count
) -> None:
    p = Fraction(price, DOLLAR)
    model = Fraction(rates.taker if taker else rates.maker, MILLION) * Fraction(count, 100) * p * (1 - p) * MILLION
    assert 0 <= trade_fee(rates, taker, price, count) - model < 1


@given(RATES, PRECISIONS, st.lists(st.tuples(st.booleans(), PRICES, COUNTS), max_size=12))
def test_an_order_s_fills_keep_the_balance_on_its_precision_and_lose_nothing(
    rates: FeeRates, precision: Precision, fills: list[tuple[bool, Price, Count]]
) -> None:
    accumulator, paid, fees = NOTHING, 0, 0
    for taker, price, count in fills:
        fee = trade_fee(rates, taker, price, count)
        charged, accumulator = charge(accumulator, fee, price, count, precision)
        assert charged >= 0
        assert (value(price, count) + charged) % precision.value == 0
        paid, fees = paid + charged, fees + fee
    assert paid == fees + accumulator


@given(RATES, st.booleans(), PRECISIONS, PRICES, PRICES, COUNTS)
def test_a_reserve_at_the_limit_covers_a_better_price(
    rates: FeeRates, taker: bool, precision: Precision, one: Price, other: Price, count: Count
) -> None:
    better, limit = min(one, other), max(one, other)
    reserve = value(limit, count) + estimate(rates, taker, limit, count, precision)
    assert value(better, count) + estimate(rates, taker, better, count, precision) <= reserve
