"""The Week-16 decision on trades that it should accept, reject, put off, and call too few; the specification's own numbers."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.assessment import (
    LEAST,
    PERCENT,
    UNTOLD,
    Answer,
    Assessment,
    Category,
    Executed,
    Finding,
    Unit,
    Verdict,
    assess,
)
from depthwalker.core.depth import SPEC_THRESHOLDS, Liquidity
from depthwalker.core.units import CONTRACT, MILLION, Count, Money

DOLLAR: Final = Money(MILLION)
TWO: Final = Money(2 * DOLLAR)
VOLUMES: Final = {Liquidity.LIQUID: 250, Liquidity.MODERATE: 70, Liquidity.THIN: 20}


def trades(
    number: int, liquidity: Liquidity, slippage: int, *, failed: int = 0, cost: Money = TWO
) -> tuple[Executed, ...]:
    """Return so many trades whose slippage (ppm) varies by a tenth around a mean; the first `failed` filled nothing."""
    volume = Count(VOLUMES[liquidity] * CONTRACT)
    nothing = Executed(False, None, None, volume, None)
    around = (slippage - slippage // 10, slippage + slippage // 10)
    filled = tuple(Executed(True, around[n % 2], cost, volume, None) for n in range(number - failed))
    return (*(nothing for _ in range(failed)), *filled)


POOR: Final = (
    *trades(150, Liquidity.LIQUID, 12_000, failed=10),
    *trades(50, Liquidity.MODERATE, 18_000, failed=5),
    *trades(150, Liquidity.THIN, 32_000, failed=40),
)


def judged(of: tuple[Executed, ...], *, profitable: bool | None = None) -> Assessment:
    return assess(of, SPEC_THRESHOLDS, profitable=profitable)


def finding(of: Assessment, name: str) -> Finding:
    return next(one for one in of.criteria if one.name == name)


def finding_against(of: Assessment) -> Finding:
    return next(one for one in of.against if one.name == "profit of the system")


def test_poor_execution_in_thin_markets_is_worth_an_advanced_algorithm() -> None:
    found = judged(POOR)
    assert found.answer is Answer.IMPLEMENT
    assert {one.verdict for one in found.criteria} == {Verdict.MET}
    assert found.reasons[:2] == ("average slippage is above 1.5 %", "slippage in thin markets is above 2.5 %")
    cost = finding(found, "cumulative slippage cost")
    assert (cost.value, cost.threshold, cost.unit, cost.interval) == (590 * DOLLAR, 500 * DOLLAR, Unit.MONEY, None)


def test_good_execution_is_not() -> None:
    found = judged(trades(300, Liquidity.LIQUID, 6_000, failed=3))
    assert found.answer is Answer.DO_NOT
    assert found.reasons == ("average slippage is below 1.0 %", "thin markets among trades is below 20.0 %")


def test_neither_good_nor_poor_is_put_off_and_says_what_is_missing() -> None:
    found = judged((*trades(70, Liquidity.LIQUID, 9_000), *trades(40, Liquidity.THIN, 22_000)))
    assert found.answer is Answer.DEFER
    assert "average slippage is not above 1.5 %" in found.reasons
    assert "cumulative slippage cost is not above $500" in found.reasons


def test_too_few_trades_are_an_answer() -> None:
    found = judged(trades(12, Liquidity.THIN, 40_000))
    assert found.answer is Answer.TOO_FEW
    assert "average slippage: 12 trades tell too little, 30 are needed" in found.reasons
    assert {one.verdict for one in found.criteria} == {Verdict.TOO_FEW}
    assert judged(()).answer is Answer.TOO_FEW
    assert judged(()).categories == ()


def test_a_system_that_earns_nothing_yet_mends_its_edges_first() -> None:
    assert judged(POOR, profitable=False).answer is Answer.DO_NOT
    assert judged(POOR, profitable=False).reasons == ("profit of the system is below $0",)
    assert judged(POOR, profitable=True).answer is Answer.IMPLEMENT
    assert UNTOLD not in judged(POOR, profitable=True).reasons
    assert judged(POOR).reasons[-1] == UNTOLD, "a rule that nobody could judge is not passed in silence"
    losing = tuple(replace(trade, profit=Money(-DOLLAR)) for trade in POOR)
    assert judged(losing).answer is Answer.DO_NOT
    assert judged(losing, profitable=True).answer is Answer.IMPLEMENT
    assert judged((*losing[:3], *POOR[3:])).answer is Answer.TOO_FEW


def test_the_specifications_example_has_few_thin_trades_and_little_slippage_over_all() -> None:
    """245 liquid at 0.8 %, 112 moderate at 1.5 %, 87 thin at 2.8 % with 12 % failures: its own table contradicts its answer."""
    found = judged(
        (
            *trades(245, Liquidity.LIQUID, 8_000, failed=5),
            *trades(112, Liquidity.MODERATE, 15_000, failed=6),
            *trades(87, Liquidity.THIN, 28_000, failed=10),
        )
    )
    lines = {line.liquidity: (line.trades, line.slippage) for line in found.categories}
    assert lines == {Liquidity.LIQUID: (245, 8_000), Liquidity.MODERATE: (112, 15_000), Liquidity.THIN: (87, 27_964)}
    assert [line.failed for line in found.categories if line.liquidity is Liquidity.THIN] == [114_943]
    assert finding(found, "slippage in thin markets").verdict is Verdict.MET
    assert finding(found, "average slippage").verdict is Verdict.MISSED
    assert found.answer is Answer.DO_NOT
    assert found.reasons == ("thin markets among trades is below 20.0 %, which so few trades leave unsure",)


def test_a_trade_without_a_volume_is_in_no_class() -> None:
    found = judged((*POOR, Executed(False, None, None, None, None)))
    assert [(line.liquidity, line.trades, line.volatility) for line in found.categories if line.liquidity is None] == [
        (None, 1, None)
    ]
    assert finding(found, "thin markets among trades").trades == len(POOR)


def test_the_specification_s_thresholds() -> None:
    found = judged(POOR, profitable=True)
    assert [(one.name, one.threshold, one.above) for one in (*found.criteria, *found.against)] == [
        ("average slippage", 15_000, True),
        ("slippage in thin markets", 25_000, True),
        ("fill failures", 100_000, True),
        ("thin markets among trades", 300_000, True),
        ("cumulative slippage cost", 500 * DOLLAR, True),
        ("average slippage", 10_000, False),
        ("thin markets among trades", 200_000, False),
        ("profit of the system", 0, False),
    ]


def test_thirty_trades_are_enough_and_one_less_says_nothing() -> None:
    assert Verdict.TOO_FEW not in {one.verdict for one in judged(trades(30, Liquidity.THIN, 40_000)).criteria}
    few = judged(trades(29, Liquidity.THIN, 40_000))
    assert {one.verdict for one in few.criteria} == {Verdict.TOO_FEW}
    assert finding(few, "fill failures") == Finding(
        "fill failures", Unit.RATIO, None, 100_000, True, 29, Verdict.TOO_FEW, None, sure=False
    )


@pytest.mark.parametrize(
    ("failed", "of", "value", "interval"),
    [(10, 100, 100_000, (54_571, 176_199)), (0, 96, 0, (0, 40_001)), (96, 96, MILLION, (959_999, MILLION))],
)
def test_a_share_lies_in_wilson_s_interval(failed: int, of: int, value: int, interval: tuple[int, int]) -> None:
    """Two standard errors, a millionth wider on either side for the rounding."""
    found = finding(judged(trades(of, Liquidity.LIQUID, 8_000, failed=failed)), "fill failures")
    assert (found.value, found.interval) == (value, interval)


def test_a_class_s_volatility_is_the_standard_deviation_of_its_sample() -> None:
    found = judged((*trades(30, Liquidity.LIQUID, 9_000), *trades(2, Liquidity.MODERATE, 10_000)))
    assert [line.volatility for line in found.categories] == [915, 1_414]


def test_a_class_in_which_nothing_filled_has_no_slippage() -> None:
    assert judged(trades(2, Liquidity.THIN, 9_000, failed=2)).categories == (
        Category(Liquidity.THIN, 2, None, None, MILLION),
    )


def test_what_somebody_says_of_the_profit_is_sure() -> None:
    assert finding_against(judged(POOR, profitable=False)) == Finding(
        "profit of the system", Unit.MONEY, None, 0, False, 0, Verdict.MET, None, sure=True
    )


@pytest.mark.parametrize(("profit", "verdict"), [(0, Verdict.MISSED), (-1, Verdict.MET)])
def test_a_system_that_breaks_even_is_not_one_that_loses(profit: int, verdict: Verdict) -> None:
    one, *others = (replace(trade, profit=Money(0)) for trade in POOR)
    assert finding_against(judged((replace(one, profit=Money(profit)), *others))).verdict is verdict


def test_exactly_one_percent_is_not_below_it() -> None:
    level = tuple(Executed(True, PERCENT, DOLLAR, Count(1), None) for _ in range(LEAST))
    assert judged(level).against[0].verdict is Verdict.MISSED


@pytest.mark.parametrize("slippage", [15_000, 15_001])
def test_exactly_the_threshold_does_not_meet_it(slippage: int) -> None:
    level = tuple(Executed(True, slippage, DOLLAR, Count(1), None) for _ in range(LEAST))
    met = finding(judged(level), "average slippage").verdict is Verdict.MET
    assert met is (slippage > 15 * PERCENT // 10)


EXECUTED: Final = st.builds(
    Executed,
    st.just(True),
    st.integers(-200_000, 200_000),
    st.integers(-(10**9), 10**9).map(Money),
    st.integers(0, 20_000).map(Count),
    st.none(),
)


@given(st.lists(EXECUTED, min_size=LEAST, max_size=60))
def test_a_value_lies_in_its_interval_and_worse_trades_never_turn_met_into_missed(of: list[Executed]) -> None:
    found = judged(tuple(of))
    for one in found.criteria:
        if one.interval is not None and one.value is not None:
            assert one.interval[0] <= one.value <= one.interval[1]
    worse = judged(tuple(replace(trade, slippage=(trade.slippage or 0) + 1_000) for trade in of))
    before, after = finding(found, "average slippage"), finding(worse, "average slippage")
    assert before.verdict is not Verdict.MET or after.verdict is Verdict.MET
