"""The signals, against the same formulas in exact fractions."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.flow import Flow
from depthwalker.core.momentum import ALPHA, DEFAULT_SLIPPAGE, NO_SIGNAL, ema_slippage, momentum, pressure
from depthwalker.core.units import MILLION, Count

VOLUMES = st.lists(st.integers(0, 10**9).map(Count), max_size=12).map(tuple)
SLIPPAGES = st.lists(st.integers(-MILLION, MILLION), min_size=1, max_size=12).map(tuple)
SIZES = st.integers(0, 10**9).map(Count)
FLOWS = st.builds(Flow, SIZES, SIZES, SIZES, SIZES, SIZES, SIZES, VOLUMES)


def nearest(exact: Fraction) -> int:
    """Halves away from zero."""
    size = int(abs(exact) + Fraction(1, 2))
    return size if exact >= 0 else -size


def flow(
    rivals: int = 0,
    suppliers: int = 0,
    queue: tuple[int, int] = (0, 0),
    offers: tuple[int, int] = (0, 0),
    volumes: tuple[int, ...] = (1, 1),
) -> Flow:
    """`queue` and `offers` are (mean before, now)."""
    return Flow(
        rivals=Count(rivals),
        suppliers=Count(suppliers),
        queue_now=Count(queue[1]),
        queue_mean=Count(queue[0]),
        offers_now=Count(offers[1]),
        offers_mean=Count(offers[0]),
        volumes=tuple(Count(volume) for volume in volumes),
    )


@given(VOLUMES)
def test_momentum_is_the_last_volume_against_the_mean_of_those_before(volumes: tuple[Count, ...]) -> None:
    earlier = volumes[:-1]
    if not earlier or sum(earlier) == 0:
        assert momentum(volumes) == NO_SIGNAL
        return
    mean = Fraction(sum(earlier), len(earlier))
    assert momentum(volumes) == nearest((volumes[-1] - mean) / mean * MILLION)


@given(SLIPPAGES, st.integers(1, MILLION))
def test_the_average_of_slippage_follows_the_exact_recurrence(slippages: tuple[int, ...], alpha: int) -> None:
    """Each step rounds by half a millionth at most, and each step forgets all but 1 - alpha of it."""
    weight = Fraction(alpha, MILLION)
    exact = Fraction(slippages[0])
    for slippage in slippages[1:]:
        exact = weight * slippage + (1 - weight) * exact
    found = ema_slippage(slippages, alpha)
    assert abs(found - exact) <= min(Fraction(len(slippages), 2), 1 / (2 * weight))
    assert min(slippages) <= found <= max(slippages)


def test_the_average_weighs_the_latest_most() -> None:
    assert ema_slippage((10_000, 20_000)) == 13_000
    assert ema_slippage((10_000, 20_000, 0)) == 9_100
    assert ema_slippage((10_000, 20_000), MILLION) == 20_000
    assert ALPHA == 300_000


def test_without_recent_executions_slippage_is_taken_to_be_one_percent() -> None:
    assert ema_slippage(()) == DEFAULT_SLIPPAGE == MILLION // 100


@given(FLOWS)
def test_pressure_lies_between_minus_one_and_one_and_is_none_without_history(seen: Flow) -> None:
    found = pressure(seen)
    if len(seen.volumes) < 2:
        assert found is None
    else:
        assert found is not None
        assert -MILLION <= found <= MILLION


@given(FLOWS.filter(lambda seen: len(seen.volumes) > 1))
def test_pressure_weighs_trades_double_against_either_ladder(seen: Flow) -> None:
    def growth(mean: int, now: int) -> Fraction:
        if mean == 0:
            return Fraction(min(now, 1))
        return max(Fraction(-1), min(Fraction(1), Fraction(now - mean, mean)))

    traded = seen.rivals + seen.suppliers
    imbalance = Fraction(seen.rivals - seen.suppliers, traded) if traded else Fraction(0)
    queue, offers = growth(seen.queue_mean, seen.queue_now), growth(seen.offers_mean, seen.offers_now)
    exact = (2 * imbalance + queue - offers) / 4 * MILLION
    found = pressure(seen)
    assert found is not None
    assert abs(found - exact) <= Fraction(3, 2)  # four roundings to a millionth, weighed 2, 1 and 1 of 4, and the last


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (flow(), 0),
        (flow(rivals=100), 500_000),
        (flow(suppliers=100), -500_000),
        (flow(rivals=300, suppliers=100), 250_000),
        (flow(queue=(100, 150)), 125_000),
        (flow(offers=(100, 50)), 125_000),
        (flow(offers=(100, 500)), -250_000),
        (flow(queue=(0, 100)), 250_000),
        (flow(rivals=100, queue=(100, 300), offers=(100, 0)), MILLION),
        (flow(suppliers=100, queue=(100, 0), offers=(100, 300)), -MILLION),
        (flow(rivals=100, volumes=(1,)), None),
        (flow(rivals=100, volumes=()), None),
    ],
    ids=[
        "a quiet market",
        "rivals take",
        "suppliers sell to the queue",
        "more rivals than suppliers",
        "our queue grows",
        "the offers thin out",
        "the offers pile up",
        "a queue from nothing",
        "everything against us",
        "everything for us",
        "one sample",
        "no sample",
    ],
)
def test_pressure_is_positive_when_the_market_moves_away_from_us(seen: Flow, expected: int | None) -> None:
    assert pressure(seen) == expected


def test_what_was_and_is_nothing_has_not_changed() -> None:
    lull = Flow(Count(500_000), Count(500_001), Count(0), Count(0), Count(9), Count(9), (Count(9), Count(9)))
    assert pressure(lull) == -1
