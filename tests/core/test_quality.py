"""What an execution cost, as laws and by hand."""

from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import counts, raw_prices

from depthwalker.core.fees import STANDARD, FeeRates, estimate
from depthwalker.core.quality import MARKOUTS, Match, Mid, Shortfall, complete, markout, shortfall
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Money, Price

FREE = FeeRates(0, 0)
PATIENCE = Micros(15 * SECOND)


def test_ten_contracts_a_cent_above_the_mid_cost_ten_cents() -> None:
    assert shortfall(Count(1000), Price(10_000), Money(5_100_000)) == Shortfall(Money(100_000), Money(10_000), 200)
    at_seventy, cost = Price(14_000), Money(7_100_000)
    assert shortfall(Count(1000), at_seventy, cost) == Shortfall(Money(100_000), Money(10_000), 143)
    assert shortfall(Count(1000), at_seventy, cost, sells=True).basis_points == 333, "the outcome sold stood at 0.30"


@given(counts(), raw_prices())
def test_at_the_mid_nothing_is_lost(count: Count, price: Price) -> None:
    assert shortfall(count, Price(2 * price), Money(price * count)) == Shortfall(Money(0), Money(0), 0)


@given(counts(), raw_prices(), st.integers(0, 10**9), st.integers(0, 10**9))
def test_whoever_paid_more_fell_shorter(count: Count, price: Price, one: int, other: int) -> None:
    low, high = sorted((one, other))
    less, more = (shortfall(count, Price(2 * price), Money(cost)) for cost in (low, high))
    assert less.total <= more.total
    assert less.per_contract <= more.per_contract
    assert less.basis_points <= more.basis_points


def test_the_rest_is_taken_level_by_level_and_what_is_not_offered_at_the_highest_price() -> None:
    offers = ((Price(4000), Count(100)), (Price(5000), Count(100)))
    assert complete(offers, Count(150), FREE, Price(9900)) == 4000 * 100 + 5000 * 50
    assert complete(offers, Count(300), FREE, Price(9900)) == 4000 * 100 + 5000 * 100 + 9900 * 100
    assert complete(offers, Count(100), FREE, Price(9900)) == 4000 * 100
    assert complete((), Count(0), STANDARD, Price(9900)) == 0


@given(counts(), raw_prices())
def test_fees_are_in(count: Count, price: Price) -> None:
    assert complete(((price, count),), count, STANDARD, Price(DOLLAR - 1)) > price * count


def test_a_markout_is_what_a_contract_gained_until_then() -> None:
    fills = (Match(Price(4000), Count(100), Micros(0)), Match(Price(4200), Count(300), Micros(2 * SECOND)))
    mids = (Mid(Micros(0), Price(8200)), Mid(Micros(6 * SECOND), Price(8600)))
    # After 5 s the first stands at 0.41, a cent up; the second at 0.43, a cent up too.
    assert markout(fills, mids, MARKOUTS[0], PATIENCE) == 10_000


def test_a_markout_needs_fills_and_a_mid_that_is_not_too_old() -> None:
    fill = (Match(Price(4000), Count(100), Micros(0)),)
    assert markout((), (Mid(Micros(0), Price(8000)),), MARKOUTS[0], PATIENCE) is None
    assert markout(fill, (), MARKOUTS[0], PATIENCE) is None
    assert markout(fill, (Mid(Micros(0), Price(8000)),), MARKOUTS[2], PATIENCE) is None


def test_the_smallest_rest_is_taken_too_and_pays_its_fee() -> None:
    one = Count(1)
    fee = estimate(STANDARD, taker=True, price=Price(4000), count=one)
    assert complete(((Price(4000), one),), one, STANDARD, Price(9900)) == 4000 + fee
    highest = estimate(STANDARD, taker=True, price=Price(9900), count=one)
    assert complete((), one, STANDARD, Price(9900)) == 9900 + highest
    large = estimate(STANDARD, taker=True, price=Price(9900), count=Count(10_000))
    assert large > 0
    assert complete((), Count(10_000), STANDARD, Price(9900)) == 9900 * 10_000 + large


def test_a_mid_counts_from_its_own_instant_and_for_just_so_long() -> None:
    day = 1_790_000_000 * SECOND
    fill = Match(Price(4000), Count(100), Micros(day))
    then = Micros(day + MARKOUTS[0])
    assert markout([fill], (Mid(then, Price(8200)),), MARKOUTS[0], PATIENCE) == 10_000
    assert markout([fill], (Mid(Micros(then + 1), Price(8200)),), MARKOUTS[0], PATIENCE) is None
    assert markout([fill], (Mid(Micros(then - PATIENCE), Price(8200)),), MARKOUTS[0], PATIENCE) == 10_000
    assert markout([fill], (Mid(Micros(then - PATIENCE - 1), Price(8200)),), MARKOUTS[0], PATIENCE) is None
