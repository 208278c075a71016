"""The synthetic profiles beside what was recorded: `make calibration` writes docs/calibration.md.

The recorded figures are kept here, each with the key of the calibration file that it stands under; `--data FOLDER` measures the
recordings themselves once more, by the code that measures the profiles' tapes.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from tools.market_figures import figures

from depthwalker.core.outcome import Success
from depthwalker.core.tape import Tape
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize

PAGE: Final = Path(__file__).parents[1] / "docs" / "calibration.md"
REMEASURED: Final = "## The recordings, measured by the same code\n"
TAPES: Final = {"thin": (10, 7_200), "moderate": (10, 7_200), "liquid": (8, 900)}  # seeds, seconds
FILES: Final = {"thin": "betfair_BF*", "moderate": "kalshi_INXD-23APR*", "liquid": "polymarket_PM*"}

THIN_DEPTH: Final = "thin.depth_kalshi_2026_cross_section"
THIN_PROXY: Final = "thin.dynamics_betfair_proxy"
TAPED: Final = "moderate.dynamics_kalshi_2023_with_tape"
MODERATE_DEPTH: Final = "moderate.depth_kalshi_2026_cross_section"
LIQUID_DEPTH: Final = "liquid.depth_kalshi_2026_cross_section"
LIQUID_BOOK: Final = "liquid.book_polymarket_2026_1s"
LIQUID_TAPE: Final = "liquid.tape_kalshi_2026_KXETH15M.high_third"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a profile may be from what was recorded: `factor` times as much or as little, or else `apart`."""

    factor: float
    apart: float

    def admits(self, value: float, low: float, high: float) -> bool:
        """Return whether a value is near enough to a range."""
        return min(low / self.factor, low - self.apart) <= value <= max(high * self.factor, high + self.apart)

    def text(self) -> str:
        """Return it in words."""
        parts = [f"x{self.factor:g}"] if self.factor != 1 else []
        parts += [f"+-{self.apart:g}"] if self.apart else []
        return " or ".join(parts)


CENT: Final = Tolerance(1, 1)
SHARE: Final = Tolerance(1, 0.15)
RESTING: Final = Tolerance(2, 0)
FLOW: Final = Tolerance(1.5, 0)
SIZE: Final = Tolerance(2, 1)
MEMORY: Final = Tolerance(1, 0.1)
FILLED: Final = Tolerance(1.5, 0.02)


class Evidence(Enum):
    """What a recorded figure is worth: it was measured on markets of the kind, or on something that stands for them."""

    OWN = "own"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A figure as recorded: one value, or the lowest and the highest where sources differ."""

    figure: str
    values: tuple[float, ...]
    tolerance: Tolerance
    source: str
    evidence: Evidence = Evidence.OWN

    def verdict(self, value: float) -> str:
        """Return how a profile's own figure stands to it."""
        within = self.tolerance.admits(value, min(self.values), max(self.values))
        if self.evidence is Evidence.OWN:
            return "within" if within else OUTSIDE
        return f"the data cannot say: {'within' if within else 'outside'} by the stand-in"


OUTSIDE: Final = "**outside**"


def _sizes(name: str, source: str, evidence: Evidence, *values: float) -> tuple[Recorded, ...]:
    return tuple(
        Recorded(f"{name}, p{part}", (value,), SIZE, source, evidence)
        for part, value in zip((25, 50, 90), values, strict=True)
    )


def _fills(where: str, source: str, evidence: Evidence, *values: tuple[float, ...]) -> tuple[Recorded, ...]:
    return tuple(
        Recorded(f"filled {where} within {seconds} s", value, FILLED, source, evidence)
        for seconds, value in zip((10, 20, 40), values, strict=True)
    )


RECORDED: Final = {
    "thin": (
        # of the cross-section's 3 to 10 cents, the books that the profile is for
        Recorded("spread, median", (6,), CENT, f"{THIN_DEPTH}.spread_cents_distribution, 3 to 10"),
        Recorded("spread of 4 or less", (0.274,), SHARE, f"{THIN_DEPTH}.spread_cents_distribution, 3 to 10"),
        Recorded("spread of 10 or less", (1,), SHARE, f"{THIN_DEPTH}.spread_cents_distribution, 3 to 10"),
        Recorded(
            "at the best price, median",
            (18.5, 42),
            RESTING,
            f"{THIN_DEPTH}.level_size_by_occupied_rank; {THIN_PROXY}.best_size_median",
        ),
        Recorded("within 5 cents, weaker side, median", (59,), RESTING, f"{THIN_DEPTH}.depth_5c_per_side"),
        Recorded("book changes an hour", (2165.7,), FLOW, f"{THIN_PROXY}.events_per_hour", Evidence.PROXY),
        Recorded("takers' orders an hour", (68.38,), FLOW, f"{THIN_PROXY}.taker_orders_per_hour", Evidence.PROXY),
        Recorded("contracts taken an hour", (2445.7,), FLOW, f"{THIN_PROXY}.contracts_per_hour", Evidence.PROXY),
        Recorded(
            "takers' sides, autocorrelation",
            (0.103,),
            MEMORY,
            f"{THIN_PROXY}.trade_sign_acf_taker_orders.1",
            Evidence.PROXY,
        ),
        Recorded(
            "mid's change in a minute, deviation",
            (0.837,),
            FLOW,
            f"{THIN_PROXY}.mid_change_1min_cents.std",
            Evidence.PROXY,
        ),
        *_sizes("added", f"{THIN_PROXY}.size_quantiles.add", Evidence.PROXY, 19.99, 28.91, 158.13),
        *_sizes("cancelled", f"{THIN_PROXY}.size_quantiles.remove", Evidence.PROXY, 19.99, 28.7, 158.15),
        *_sizes("a taker's order", f"{THIN_PROXY}.size_quantiles.taker_order", Evidence.PROXY, 9.75, 19.99, 77.38),
        *_fills("at the best", f"{THIN_PROXY}.fill_probability.tape", Evidence.PROXY, (0.0274,), (0.0423,), (0.0678,)),
        *_fills(
            "a tick behind", f"{THIN_PROXY}.fill_probability.tape", Evidence.PROXY, (0.0126,), (0.0211,), (0.0344,)
        ),
    ),
    "moderate": (
        Recorded("spread, median", (2,), CENT, f"{TAPED}.spread_cents_median"),
        Recorded("spread of 1 or less", (0.246,), SHARE, f"{TAPED}.spread_cents_distribution_time_weighted"),
        Recorded("spread of 2 or less", (0.548,), SHARE, f"{TAPED}.spread_cents_distribution_time_weighted"),
        Recorded("spread of 4 or less", (0.946,), SHARE, f"{TAPED}.spread_cents_distribution_time_weighted"),
        Recorded("at the best price, median", (242, 252), RESTING, f"{TAPED}.best_size_median"),
        Recorded(
            "within 5 cents, weaker side, median",
            (1500, 2167),
            RESTING,
            f"{MODERATE_DEPTH}.depth_5c_per_side; {TAPED}.depth_5c_median",
        ),
        Recorded("within 5 cents, stronger side, median", (4004,), RESTING, f"{TAPED}.depth_5c_median"),
        Recorded("book changes an hour", (3764.1,), FLOW, f"{TAPED}.events_per_hour"),
        Recorded("takers' orders an hour", (75.06,), FLOW, f"{TAPED}.taker_orders_per_hour"),
        Recorded("contracts taken an hour", (4853.9,), FLOW, f"{TAPED}.contracts_per_hour"),
        Recorded("takers' sides, autocorrelation", (0.393,), MEMORY, f"{TAPED}.trade_sign_acf_taker_orders.1"),
        Recorded("mid's change in a minute, deviation", (1.966,), FLOW, f"{TAPED}.mid_change_1min_cents.std"),
        *_sizes("added", f"{TAPED}.size_quantiles.add", Evidence.OWN, 100, 300, 800),
        *_sizes("cancelled", f"{TAPED}.size_quantiles.remove", Evidence.OWN, 100, 303, 800),
        *_sizes("a taker's order", f"{TAPED}.size_quantiles.taker_order", Evidence.OWN, 2, 11, 198),
        *_fills("at the best", f"{TAPED}.fill_probability.tape", Evidence.OWN, (0.0401,), (0.0766,), (0.1391,)),
        *_fills("a tick behind", f"{TAPED}.fill_probability.tape", Evidence.OWN, (0.0086,), (0.0242,), (0.0584,)),
    ),
    "liquid": (
        Recorded("spread, median", (1, 2), CENT, f"{LIQUID_BOOK}.spread_cents_median; {LIQUID_DEPTH}.spread_cents"),
        Recorded(
            "spread of 1 or less",
            (0.489, 0.916),
            SHARE,
            f"{LIQUID_DEPTH}.spread_cents_distribution; {LIQUID_BOOK}.spread_cents_distribution_time_weighted",
        ),
        Recorded(
            "spread of 2 or less",
            (0.685, 0.973),
            SHARE,
            f"{LIQUID_DEPTH}.spread_cents_distribution; {LIQUID_BOOK}.spread_cents_distribution_time_weighted",
        ),
        Recorded("at the best price, median", (1317.8,), RESTING, f"{LIQUID_DEPTH}.level_size_by_occupied_rank"),
        Recorded("within 5 cents, weaker side, median", (9989.2,), RESTING, f"{LIQUID_DEPTH}.depth_5c_per_side"),
        Recorded("takers' orders an hour", (2332,), FLOW, f"{LIQUID_TAPE}.taker_orders_per_15min"),
        Recorded("contracts taken an hour", (101479,), FLOW, f"{LIQUID_TAPE}.contracts_per_15min"),
        Recorded(
            "takers' sides, autocorrelation", (0.188,), MEMORY, f"{LIQUID_TAPE}.taker_sign_acf_mean_over_markets.1"
        ),
        Recorded("mid's change in a minute, deviation", (9.071,), FLOW, f"{LIQUID_BOOK}.mid_change_1min_cents.std"),
        *_sizes("a taker's order", f"{LIQUID_TAPE}.taker_order_size", Evidence.OWN, 4.31, 14.58, 101.98),
        *_fills(
            "at the best",
            f"{LIQUID_BOOK}.fill_probability, lower and upper",
            Evidence.OWN,
            (0.6492, 0.7116),
            (0.782, 0.8167),
            (0.8603, 0.8821),
        ),
        *_fills(
            "a tick behind",
            f"{LIQUID_BOOK}.fill_probability, lower and upper",
            Evidence.OWN,
            (0.399, 0.43),
            (0.586, 0.618),
            (0.725, 0.748),
        ),
    ),
}


def drawn(name: str, seeds: int, seconds: int) -> Iterator[Tape]:
    """Yield so many tapes of a profile."""
    return (synthesize(PROFILES[name], seed, seconds) for seed in range(seeds))


def verdicts(name: str, found: dict[str, float]) -> dict[str, str]:
    """Return how a profile's figures stand to the recorded ones, by the figure's name."""
    return {recorded.figure: recorded.verdict(found[recorded.figure]) for recorded in RECORDED[name]}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the page; fail where a profile is outside what was recorded of its own kind."""
    parser = argparse.ArgumentParser(prog="python -m tools.calibration", description=__doc__)
    named = ", ".join(FILES.values())
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"measure the recordings in it that are called {named} too"
    )
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(argv)
    measured = [] if given.data is None else [*_remeasured(given.data)]
    if given.data is not None and not measured:
        parser.error(f"{given.data} holds no recording that can be read and is called {named}")
    found = {name: figures(drawn(name, *TAPES[name])) for name in RECORDED}
    before = given.out.read_text(encoding="utf-8") if given.out.exists() else ""
    kept = "\n".join((*measured, "")) if measured else before.partition(REMEASURED)[2]
    text = "\n".join(_page(found)) + (f"\n{REMEASURED}{kept}" if kept else "")
    given.out.write_text(text, encoding="utf-8")
    wrong = [
        f"{name}: {figure}" for name in found for figure, told in verdicts(name, found[name]).items() if told == OUTSIDE
    ]
    print(f"wrote {given.out}", *wrong, sep="\n")
    return 1 if wrong else 0


HEAD: Final = """# Synthetic markets beside recorded ones

Written by `make calibration`, which fails where a profile is outside its tolerance. The profile's figures are measured on {tapes}
of drawn tapes. The recorded ones stand under the keys named in a calibration of public recordings; the figures may be copied,
the recordings may not. Both are measured alike: spreads and what rests by their share of the time; a taker's order is what comes
from one side within 100 ms; `filled` is the share of orders of ten contracts, one every ten seconds on each side, last in the queue
at the best bid or a tick behind it, that have any fill within so many seconds, cancels ahead counted in proportion.

A figure is within its tolerance where it differs by no more than the factor or the distance named, whichever admits more, from the
recorded value, or from the range of two sources. Two days of one recorded market differ by more (the last tables): by two in what
rests, in sizes and in how many orders are filled, by a half in rates, by 0.25 in the takers' memory. Nothing much tighter can be
claimed. Sizes are contracts, prices cents.
"""
ABOUT: Final = {
    "thin": """No stream of a really thin Kalshi book could be had. Spread and depth are those of thin books in snapshots, of which the profile
takes the spreads of 3 to 10 cents: the median of all is 34 cents, and nobody trades there within a minute. What happens in the book
comes from a betting exchange, whose books are three times as deep and whose spread is 2 cents: it stands in, and where it does the
data cannot say whether the profile is right. A wider spread makes every hole in the book a larger move of the mid, so that figure is
above the stand-in's.""",
    "moderate": """Two sessions of one Kalshi market in 2023 with every change and trade; depth also from snapshots of 2026.""",
    "liquid": """Books of 15-minute crypto markets elsewhere, seen once a second and five levels deep, trades of such markets on Kalshi, depth from
snapshots of Kalshi's liquid books: three sources for one profile. How often a liquid book changes within a second, and by which sizes,
none of them shows: the profile takes the moderate market's pattern, as much faster as its trades are, and the data cannot say. The
books whose fill probabilities stand below have some sixty contracts at the best price, a twentieth of the snapshots' depth that the
profile takes: no source has both, so the data cannot say either how soon so deep a book fills an order.""",
}


def _page(found: dict[str, dict[str, float]]) -> Iterator[str]:
    tapes = ", ".join(f"{seeds * seconds / 3_600:g} hours ({name})" for name, (seeds, seconds) in TAPES.items())
    yield HEAD.format(tapes=tapes)
    for name, measured in found.items():
        told = verdicts(name, measured)
        yield f"## {name.capitalize()}\n\n{ABOUT[name]}\n"
        yield "| figure | profile | recorded | tolerance | verdict | source |"
        yield "| --- | ---: | ---: | ---: | --- | --- |"
        for one in RECORDED[name]:
            values = " to ".join(shown(value) for value in one.values)
            profile = shown(measured[one.figure])
            cells = (one.figure, profile, values, one.tolerance.text(), told[one.figure], f"`{one.source}`")
            yield f"| {' | '.join(cells)} |"
        yield ""


def _remeasured(folder: Path) -> Iterator[str]:
    """Yield a table of what the recordings themselves show, file by file."""
    for name, pattern in FILES.items():
        files = sorted(folder.glob(pattern))
        tapes = [tape.unwrap() for tape in map(load, files) if isinstance(tape, Success)]
        measured = [figures([tape]) for tape in tapes]
        if not measured:
            continue
        yield f"\n{name.capitalize()}, file by file:\n"
        yield f"| figure | {' | '.join(tape.ticker for tape in tapes)} |"
        yield f"| --- |{' ---: |' * len(tapes)}"
        for one in RECORDED[name]:
            yield f"| {one.figure} | {' | '.join(shown(each[one.figure]) for each in measured)} |"


def shown(value: float) -> str:
    """Return a figure with three digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3g}"


if __name__ == "__main__":
    raise SystemExit(main())
