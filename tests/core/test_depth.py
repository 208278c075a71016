"""What the book offers a parent, against a brute-force reading of the same book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import both_ladders, counts, raw_prices

from depthwalker.core.book import Ladder, Ladders
from depthwalker.core.depth import (
    RECORDED_THRESHOLDS,
    SPEC_THRESHOLDS,
    Liquidity,
    Thresholds,
    above_microprice,
    analyze,
    categorize,
    imbalance,
    price_for,
    reach,
)
from depthwalker.core.units import CONTRACT, Count, Price

THRESHOLDS = st.sampled_from((SPEC_THRESHOLDS, RECORDED_THRESHOLDS))
OFFERS: Ladder = ((Price(5200), Count(3_000)), (Price(5300), Count(4_000)), (Price(5800), Count(9_000)))
QUEUE: Ladder = ((Price(4700), Count(6_000)), (Price(4200), Count(1_000)), (Price(4100), Count(8_000)))
BOOK = Ladders(QUEUE, OFFERS)


def at_or_below(offers: Ladder, price: int) -> int:
    return sum(count for level, count in offers if level <= price)


def near(ladder: Ladder) -> int:
    return sum(count for price, count in ladder if abs(price - ladder[0][0]) <= 500)


@given(both_ladders(), raw_prices(), raw_prices(), counts(), THRESHOLDS)
def test_the_analysis_agrees_with_a_plain_reading_of_the_book(
    ladders: Ladders, cap: Price, target: Price, count: Count, thresholds: Thresholds
) -> None:
    analysis = analyze(ladders, cap, target, count, thresholds)
    reachable = sorted(price for price, _ in ladders.offers if price <= cap)
    assert [level.price for level in analysis.levels] == reachable
    assert [level.cumulative_quantity for level in analysis.levels] == [
        at_or_below(ladders.offers, price) for price in reachable
    ]
    assert {level.price: level.quantity for level in analysis.levels} == {
        price: quantity for price, quantity in ladders.offers if price <= cap
    }
    assert analysis.total_liquidity == at_or_below(ladders.offers, cap) == reach(ladders.offers, cap)
    assert analysis.queue == ladders.queue
    two_sided = bool(ladders.queue and ladders.offers)
    assert analysis.spread == (
        min(p for p, _ in ladders.offers) - max(p for p, _ in ladders.queue) if two_sided else None
    )


@given(both_ladders(), raw_prices(), raw_prices(), counts())
def test_the_sweet_spot_is_the_first_price_where_fifty_contracts_or_half_the_parent_can_be_had(
    ladders: Ladders, cap: Price, target: Price, count: Count
) -> None:
    analysis = analyze(ladders, cap, target, count, SPEC_THRESHOLDS)
    reachable = [price for price, _ in ladders.offers if price <= cap]
    deep = [p for p in reachable if at_or_below(ladders.offers, p) >= 50 * CONTRACT]
    enough = [p for p in deep if 2 * at_or_below(ladders.offers, p) >= count - 1]
    sweet = min(enough or reachable or [target])
    assert analysis.sweet_spot_price == sweet
    assert analysis.sweet_spot_quantity == (at_or_below(ladders.offers, sweet) if reachable else 0)


@given(both_ladders(), raw_prices(), THRESHOLDS)
def test_the_class_is_that_of_the_weaker_ladder_within_five_cents_whatever_the_cap(
    ladders: Ladders, cap: Price, thresholds: Thresholds
) -> None:
    analysis = analyze(ladders, cap, cap, CONTRACT, thresholds)
    weaker = min(near(ladders.queue), near(ladders.offers))
    assert (analysis.liquidity_category is Liquidity.LIQUID) == (weaker >= thresholds.liquid)
    assert (analysis.liquidity_category is Liquidity.THIN) == (weaker < thresholds.moderate)
    assert analysis.market_volume == near(ladders.queue) + near(ladders.offers)


@given(both_ladders(), counts(5_000 * CONTRACT), raw_prices())
def test_the_price_to_take_at_is_the_lowest_that_suffices_or_else_the_worst_in_reach(
    ladders: Ladders, count: Count, cap: Price
) -> None:
    reachable = [price for price, _ in ladders.offers if price <= cap]
    suffices = [price for price in reachable if at_or_below(ladders.offers, price) >= count]
    assert price_for(ladders.offers, count, cap) == min(suffices, default=max(reachable, default=None))


@pytest.mark.parametrize(
    ("weaker", "recorded", "spec"),
    [
        (49_99, Liquidity.THIN, Liquidity.THIN),
        (50_00, Liquidity.THIN, Liquidity.MODERATE),
        (99_99, Liquidity.THIN, Liquidity.MODERATE),
        (100_00, Liquidity.MODERATE, Liquidity.LIQUID),
        (2999_99, Liquidity.MODERATE, Liquidity.LIQUID),
        (3000_00, Liquidity.LIQUID, Liquidity.LIQUID),
    ],
)
def test_the_thresholds_are_included_in_the_better_class(weaker: int, recorded: Liquidity, spec: Liquidity) -> None:
    rich, poor = Count(10**7), Count(weaker)
    assert categorize(rich, poor, SPEC_THRESHOLDS) is categorize(poor, rich, SPEC_THRESHOLDS) is spec
    assert categorize(rich, poor, RECORDED_THRESHOLDS) is categorize(poor, rich, RECORDED_THRESHOLDS) is recorded


def test_a_level_exactly_at_the_cap_is_in_reach_and_one_tick_past_it_is_not() -> None:
    assert reach(OFFERS, Price(5300)) == 7_000
    assert reach(OFFERS, Price(5299)) == 3_000


def test_a_level_exactly_five_cents_from_the_best_counts_toward_the_market() -> None:
    analysis = analyze(BOOK, Price(5300), Price(5000), CONTRACT, SPEC_THRESHOLDS)
    assert analysis.market_volume == (6_000 + 1_000) + (3_000 + 4_000)
    assert analysis.liquidity_category is Liquidity.MODERATE


def test_a_large_parent_moves_the_sweet_spot_deeper() -> None:
    small = analyze(BOOK, Price(5900), Price(5000), Count(10 * CONTRACT), SPEC_THRESHOLDS)
    large = analyze(BOOK, Price(5900), Price(5000), Count(300 * CONTRACT), SPEC_THRESHOLDS)
    assert (small.sweet_spot_price, small.sweet_spot_quantity) == (5300, 7_000)
    assert (large.sweet_spot_price, large.sweet_spot_quantity) == (5800, 16_000)


def test_exactly_fifty_contracts_are_enough() -> None:
    offers: Ladder = ((Price(5200), Count(49_99)), (Price(5300), Count(1)), (Price(5400), Count(1)))
    analysis = analyze(Ladders((), offers), Price(5900), Price(5000), CONTRACT, SPEC_THRESHOLDS)
    assert (analysis.sweet_spot_price, analysis.sweet_spot_quantity) == (5300, 50_00)


def test_where_nothing_is_deep_enough_the_sweet_spot_is_the_best_offer() -> None:
    analysis = analyze(BOOK, Price(5200), Price(5000), CONTRACT, SPEC_THRESHOLDS)
    assert (analysis.sweet_spot_price, analysis.sweet_spot_quantity) == (5200, 3_000)


def test_a_missing_side_is_a_case_and_not_an_error() -> None:
    analysis = analyze(Ladders(QUEUE, ()), Price(5900), Price(5000), CONTRACT, SPEC_THRESHOLDS)
    assert (analysis.levels, analysis.total_liquidity, analysis.spread) == ((), 0, None)
    assert (analysis.sweet_spot_price, analysis.sweet_spot_quantity) == (5000, 0)
    assert analysis.liquidity_category is Liquidity.THIN


def test_the_number_of_orders_at_a_level_is_not_known() -> None:
    analysis = analyze(BOOK, Price(5900), Price(5000), CONTRACT, SPEC_THRESHOLDS)
    assert [level.order_count for level in analysis.levels] == [None, None, None]


@pytest.mark.parametrize(
    ("count", "cap", "price"),
    [(30_00, 5900, 5200), (30_01, 5900, 5300), (160_01, 5900, 5800), (160_01, 5300, 5300), (160_01, 5299, 5200)],
    ids=["all of the best", "a hundredth more", "more than there is", "up to the cap", "below the cap"],
)
def test_the_price_to_take_at(count: int, cap: int, price: int) -> None:
    assert price_for(OFFERS, Count(count), Price(cap)) == price


def test_nothing_to_take_has_no_price() -> None:
    assert price_for(OFFERS, Count(0), Price(5900)) is None
    assert price_for(OFFERS, CONTRACT, Price(5100)) is None


def test_the_sweet_spot_holds_half_the_parent() -> None:
    even = analyze(BOOK, Price(5900), Price(5000), Count(140_00), SPEC_THRESHOLDS)
    odd = analyze(BOOK, Price(5900), Price(5000), Count(140_02), SPEC_THRESHOLDS)
    assert (even.sweet_spot_price, odd.sweet_spot_price) == (5300, 5800)


@pytest.mark.parametrize(
    ("bids", "offered", "balance"),
    [(300, 100, 500_000), (100, 300, -500_000), (100, 100, 0), (2, 1, 333_333), (1, 2, -333_334)],
)
def test_the_imbalance_is_how_far_the_best_bid_outweighs_the_best_offer(bids: int, offered: int, balance: int) -> None:
    queue: Ladder = ((Price(5000), Count(bids)), (Price(4900), Count(9_999)))
    offers: Ladder = ((Price(5200), Count(offered)), (Price(5300), Count(7_777)))
    assert imbalance(Ladders(queue, offers)) == balance


@pytest.mark.parametrize(
    ("bids", "offered", "above"),
    [(100, 100, 100), (300, 100, 50), (100, 300, 150), (1, 2, 134), (2, 1, 67), (19_999, 1, 1), (1, 19_999, 200)],
)
def test_the_offer_is_the_further_above_the_microprice_the_larger_it_is(bids: int, offered: int, above: int) -> None:
    """Two cents of spread; a part of a unit counts as a whole one."""
    queue: Ladder = ((Price(5000), Count(bids)), (Price(4900), Count(9_999)))
    offers: Ladder = ((Price(5200), Count(offered)), (Price(5300), Count(7_777)))
    assert above_microprice(Ladders(queue, offers)) == above


def test_without_both_sides_there_is_no_microprice() -> None:
    assert above_microprice(Ladders(QUEUE, ())) is None
    assert above_microprice(Ladders((), OFFERS)) is None


def test_with_a_side_missing_nothing_outweighs_anything() -> None:
    assert imbalance(Ladders(QUEUE, ())) == imbalance(Ladders((), OFFERS)) == imbalance(Ladders((), ())) == 0
