"""A parent is split over price levels without losing or inventing a hundredth of a contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import counts, ratios, raw_prices

from depthwalker.core.depth import Liquidity
from depthwalker.core.split import Split, split
from depthwalker.core.units import CONTRACT, MILLION, Count, Price

SIXTY_FORTY = (600_000, 400_000)
CANDIDATES = st.lists(raw_prices(), unique=True, max_size=6).map(tuple)
LIQUIDITY = st.sampled_from(Liquidity)
P1, P2, P3 = Price(4800), Price(4700), Price(4600)
TARGET = Price(5000)


@given(counts(), CANDIDATES, ratios(), LIQUIDITY, raw_prices())
def test_the_splits_sum_to_the_parent_exactly_and_each_has_something_to_do(
    count: Count, candidates: tuple[Price, ...], parts: tuple[int, ...], liquidity: Liquidity, target: Price
) -> None:
    splits = split(count, candidates, parts, liquidity, target)
    assert sum(one.count for one in splits) == count
    assert all(one.count > 0 for one in splits)
    assert 1 <= len(splits) <= max(1, min(len(candidates), len(parts)))


@given(counts(), CANDIDATES, ratios(), LIQUIDITY, raw_prices())
def test_the_prices_are_the_candidates_of_their_levels_or_the_target_where_there_are_none(
    count: Count, candidates: tuple[Price, ...], parts: tuple[int, ...], liquidity: Liquidity, target: Price
) -> None:
    splits = split(count, candidates, parts, liquidity, target)
    assert splits[0].level == 1
    assert [one.level for one in splits] == sorted({one.level for one in splits})
    assert all(one.price == (candidates or (target,))[one.level - 1] for one in splits)


@given(counts(500).map(lambda contracts: Count(contracts * CONTRACT)), CANDIDATES, ratios(), LIQUIDITY)
def test_whole_contracts_are_split_into_whole_contracts(
    count: Count, candidates: tuple[Price, ...], parts: tuple[int, ...], liquidity: Liquidity
) -> None:
    assert all(one.count % CONTRACT == 0 for one in split(count, candidates, parts, liquidity, TARGET))


@given(counts(), CANDIDATES, ratios(), raw_prices())
def test_each_level_but_the_first_has_its_ratio_rounded_down_to_a_lot(
    count: Count, candidates: tuple[Price, ...], parts: tuple[int, ...], target: Price
) -> None:
    lot = CONTRACT if count % CONTRACT == 0 else 1
    for one in split(count, candidates, parts, Liquidity.LIQUID, target)[1:]:
        exact = count * parts[one.level - 1]
        assert one.count * MILLION <= exact < (one.count + lot) * MILLION


@given(counts(), CANDIDATES, ratios(), raw_prices())
def test_a_thin_market_is_not_split(
    count: Count, candidates: tuple[Price, ...], parts: tuple[int, ...], target: Price
) -> None:
    price = candidates[0] if candidates else target
    assert split(count, candidates, parts, Liquidity.THIN, target) == (Split(1, price, count),)


@pytest.mark.parametrize(
    ("count", "candidates", "parts", "expected"),
    [
        (100_00, (P1, P2), SIXTY_FORTY, [(1, P1, 60_00), (2, P2, 40_00)]),
        (101_00, (P1, P2), SIXTY_FORTY, [(1, P1, 61_00), (2, P2, 40_00)]),
        (2_00, (P1, P2), SIXTY_FORTY, [(1, P1, 2_00)]),
        (2_50, (P1, P2), SIXTY_FORTY, [(1, P1, 1_50), (2, P2, 1_00)]),
        (1, (P1, P2), SIXTY_FORTY, [(1, P1, 1)]),
        (100_00, (P1,), SIXTY_FORTY, [(1, P1, 100_00)]),
        (100_00, (), SIXTY_FORTY, [(1, TARGET, 100_00)]),
        (100_00, (P1, P2, P3), SIXTY_FORTY, [(1, P1, 60_00), (2, P2, 40_00)]),
        (10_00, (P1, P2, P3), (500_000, 50_000, 450_000), [(1, P1, 6_00), (3, P3, 4_00)]),
        (100_00, (P1, P2), (MILLION,), [(1, P1, 100_00)]),
    ],
    ids=[
        "the ratios",
        "remainder to the first",
        "too small to share",
        "fractions",
        "a hundredth",
        "one candidate",
        "no candidate",
        "more candidates than ratios",
        "an empty level is left out",
        "one ratio",
    ],
)
def test_splitting(
    count: int, candidates: tuple[Price, ...], parts: tuple[int, ...], expected: list[tuple[int, int, int]]
) -> None:
    splits = split(Count(count), candidates, parts, Liquidity.LIQUID, TARGET)
    assert [(one.level, one.price, one.count) for one in splits] == expected
