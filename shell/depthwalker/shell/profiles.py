"""Three kinds of market in numbers measured on recordings: thin, moderate, liquid.

Every number names the key of the calibration file that it was measured under, `train.` left out. Units: prices 1e-4 dollar,
counts 1e-2 contract, the fair value 1e-6 dollar, rates in events per million seconds and side, shares in parts per million.

Where one class has no recorded stream of its own, the mixture is stated: thin takes depth and spread from the exchange's
thin books of 2026 and its dynamics from a thin betting exchange; liquid takes depth from the liquid books of 2026, trades
from 15-minute crypto tapes, and the moderate market's touch of each level, made `LIQUID_PACE` times as frequent.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from depthwalker.core.grid import CENT_GRID, PriceGrid
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import CENT, Count, Price

Quantiles: TypeAlias = tuple[Count, ...]  # at QUANTILES, of a size
QUANTILES: Final = (50_000, 250_000, 500_000, 750_000, 900_000, 950_000, 990_000)
LIQUID_PACE: Final = 31  # ours: the ratio of taker orders an hour, 2332 / 75


@dataclass(frozen=True, slots=True)
class Touches:
    """How often others add or cancel, by where: inside the spread, at the best price, 1 to 5 ticks behind it, deeper."""

    improve: int
    behind: tuple[int, int, int, int, int, int]
    deep: int

    def faster(self, times: int) -> "Touches":
        """Return the same pattern at a multiple of the pace."""
        best, one, two, three, four, five = (rate * times for rate in self.behind)
        return Touches(self.improve * times, (best, one, two, three, four, five), self.deep * times)


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of market. `bands` are the bounds of what rests within 5 cents of the best price, weaker side first."""

    name: str
    grid: PriceGrid
    spreads: tuple[tuple[Price, int], ...]  # with their share of the time
    spread_life: int  # seconds for which a spread is sought, in the mean; ours
    bands: tuple[tuple[Count, Count], tuple[Count, Count]]
    occupied: tuple[
        int, int, int, int, int, int
    ]  # share of the time in which 0 to 5 ticks behind the best hold a level
    adds: Quantiles
    removes: Quantiles
    takes: Quantiles
    takes_per_hour: int
    # Share of takers after whom another comes within `follows` seconds; by the gaps between the recorded ones.
    followed: int
    follows: int
    sign_memory: int  # autocorrelation of the takers' side from one taker to the next
    touches: Touches
    fair_minute: int  # standard deviation of the fair value's change in a minute
    fair_rest: int  # seconds from one move of the fair value to the next, in the mean; ours
    impact: Price  # how far a taker moves the fair value; ours
    fractional: int  # share of sizes that are not whole contracts


def _counts(*contracts: str) -> Quantiles:
    return tuple(
        Count(int(whole) * 100 + int(cents.ljust(2, "0")))
        for whole, _, cents in (text.partition(".") for text in contracts)
    )


def _cents(shares: dict[int, int]) -> tuple[tuple[Price, int], ...]:
    return tuple((Price(cents * CENT), share) for cents, share in shares.items())


_WHOLE: Final = 100
_MODERATE_TOUCHES: Final = Touches(
    # moderate.dynamics_kalshi_2023_with_tape.rates_per_second_per_side.by_distance, add_x and rem_x together
    improve=21_128,
    behind=(81_438, 50_349, 64_011, 55_216, 46_864, 37_077),
    deep=155_570,
)

THIN: Final = Profile(
    name="thin",
    grid=CENT_GRID,
    # thin.depth_kalshi_2026_cross_section.spread_cents_distribution, its 3 to 10 cents: wider books never trade in a minute
    spreads=_cents({3: 18_500, 4: 18_500, 5: 12_800, 6: 22_700, 7: 22_700, 8: 12_800, 9: 11_400, 10: 15_600}),
    spread_life=300,
    # thin.depth_kalshi_2026_cross_section.depth_5c_per_side: weaker p25 to the class's bound, other to p75
    bands=((Count(29 * _WHOLE), Count(95 * _WHOLE)), (Count(40 * _WHOLE), Count(265 * _WHOLE))),
    # thin.depth_kalshi_2026_cross_section.gap_best_to_second_level_cents: p50 1, p75 6, a level every other cent
    occupied=(1_000_000, 500_000, 400_000, 400_000, 400_000, 400_000),
    # thin.dynamics_betfair_proxy.size_quantiles: add, remove, taker_order
    adds=_counts("9.83", "19.99", "28.91", "57.64", "158.13", "189.04", "412.33"),
    removes=_counts("9.43", "19.99", "28.70", "56.34", "158.15", "190.85", "497.58"),
    takes=_counts("4.16", "9.75", "19.99", "33.82", "77.38", "126.26", "296.76"),
    takes_per_hour=68,  # thin.dynamics_betfair_proxy.taker_orders_per_hour
    followed=780_000,
    follows=5,
    sign_memory=103_000,  # thin.dynamics_betfair_proxy.trade_sign_acf_taker_orders.1
    # thin.dynamics_betfair_proxy.rates_per_second_per_side.by_distance, add_x and rem_x together
    touches=Touches(improve=29_710, behind=(62_899, 94_591, 55_315, 18_856, 7_792, 4_105), deep=16_768),
    fair_minute=8_370,  # thin.dynamics_betfair_proxy.mid_change_1min_cents.std
    fair_rest=120,
    impact=Price(10),
    fractional=0,
)

MODERATE: Final = Profile(
    name="moderate",
    grid=CENT_GRID,
    # moderate.dynamics_kalshi_2023_with_tape.spread_cents_distribution_time_weighted
    spreads=_cents({1: 246_400, 2: 302_000, 3: 276_500, 4: 121_100, 5: 27_500, 6: 7_400}),
    spread_life=60,
    # moderate.depth_kalshi_2026_cross_section.depth_5c_per_side: p25 to p75
    bands=((Count(705 * _WHOLE), Count(2_715 * _WHOLE)), (Count(705 * _WHOLE), Count(2_715 * _WHOLE))),
    # moderate.dynamics_kalshi_2023_with_tape.level_size_by_ticks_behind_best, the occupied_share of each
    occupied=(1_000_000, 785_000, 778_000, 729_000, 698_000, 578_000),
    # moderate.dynamics_kalshi_2023_with_tape.size_quantiles: add, remove, taker_order
    adds=_counts("2.00", "100.00", "300.00", "600.00", "800.00", "900.00", "1748.00"),
    removes=_counts("4.00", "100.00", "303.00", "600.00", "800.00", "900.00", "1799.00"),
    takes=_counts("1.00", "2.00", "11.00", "48.00", "198.00", "300.00", "738.51"),
    takes_per_hour=75,  # moderate.dynamics_kalshi_2023_with_tape.taker_orders_per_hour
    followed=650_000,
    follows=12,
    sign_memory=393_000,  # moderate.dynamics_kalshi_2023_with_tape.trade_sign_acf_taker_orders.1
    touches=_MODERATE_TOUCHES,
    fair_minute=19_660,  # moderate.dynamics_kalshi_2023_with_tape.mid_change_1min_cents.std
    fair_rest=60,
    impact=Price(30),
    fractional=0,
)

LIQUID: Final = Profile(
    name="liquid",
    grid=dict(STRUCTURES)["tapered_deci_cent"],  # price_grid_kalshi_2026_KXETH15M
    # liquid.book_polymarket_2026_1s.spread_cents_distribution_time_weighted
    spreads=_cents({1: 915_600, 2: 56_900, 3: 12_200, 4: 8_600}),
    spread_life=10,
    # liquid.depth_kalshi_2026_cross_section.depth_5c_per_side: p5 to p50
    bands=((Count(3_562 * _WHOLE), Count(9_989 * _WHOLE)), (Count(3_562 * _WHOLE), Count(9_989 * _WHOLE))),
    # liquid.book_polymarket_2026_1s.level_size_by_ticks_behind_best: occupied_share (the source shows five levels)
    occupied=(1_000_000, 973_000, 971_000, 970_000, 972_000, 972_000),
    # liquid.depth_kalshi_2026_cross_section.level_size_by_occupied_rank, rank 0 for both: no stream tells orders apart
    adds=_counts("22.00", "474.70", "1317.80", "2500.00", "2500.00", "2500.00", "2500.00"),
    removes=_counts("22.00", "474.70", "1317.80", "2500.00", "2500.00", "2500.00", "2500.00"),
    # liquid.tape_kalshi_2026_KXETH15M.high_third: taker_order_size, taker_orders_per_15min, acf, fractional_size_share
    takes=_counts("1.00", "4.31", "14.58", "37.56", "101.98", "175.00", "518.66"),
    takes_per_hour=2_332,
    followed=300_000,
    follows=1,
    sign_memory=188_000,
    touches=_MODERATE_TOUCHES.faster(LIQUID_PACE),
    fair_minute=90_710,  # liquid.book_polymarket_2026_1s.mid_change_1min_cents.std
    fair_rest=2,
    impact=Price(3),
    fractional=306_000,
)

PROFILES: Final = {profile.name: profile for profile in (THIN, MODERATE, LIQUID)}
