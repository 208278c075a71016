"""The Week-16 decision, whether trades justify an advanced algorithm (specification, When to Implement).

A pure function of trades. Ratios are parts per million, money microdollars; positive slippage is worse. An interval is the
value with two standard errors on either side, for a share Wilson's: it says how sure a verdict is, never what it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from depthwalker.core.depth import Liquidity, Thresholds, categorize
from depthwalker.core.units import MILLION, Count, Money, root, round_div

PERCENT: Final = MILLION // 100
CLASSES: Final[tuple[Liquidity | None, ...]] = (Liquidity.LIQUID, Liquidity.MODERATE, Liquidity.THIN, None)
LEAST: Final = 30  # trades below which a mean or a share says too little


@dataclass(frozen=True, slots=True)
class Executed:
    """A trade as the decision needs it: None where the engine's table does not tell.

    `slippage` is None where nothing was filled; `cost` is what was paid beyond the target in all; `volume` the contracts near
    the touch at entry, `profit` what the trade has earned.
    """

    filled: bool
    slippage: int | None
    cost: Money | None
    volume: Count | None
    profit: Money | None


class Unit(Enum):
    """What a value is."""

    RATIO = "ratio"  # parts per million
    MONEY = "money"  # microdollars


class Verdict(Enum):
    """What a criterion comes to."""

    MET = "met"
    MISSED = "missed"
    TOO_FEW = "too few trades"


@dataclass(frozen=True, slots=True)
class Finding:
    """One criterion. It is met where the value is `above` the threshold, or below it; `sure` where the whole interval is."""

    name: str
    unit: Unit
    value: int | None
    threshold: int
    above: bool
    trades: int
    verdict: Verdict
    interval: tuple[int, int] | None
    sure: bool


UNTOLD: Final = "whether the system earns money is not judged: neither its trades nor anybody said"


class Answer(Enum):
    """The overall answer."""

    IMPLEMENT = "implement"
    DEFER = "defer"
    DO_NOT = "do not implement"
    TOO_FEW = "too few trades"


@dataclass(frozen=True, slots=True)
class Category:
    """A line of the specification's query; None in `liquidity` for trades without a volume."""

    liquidity: Liquidity | None
    trades: int
    slippage: int | None
    volatility: int | None
    failed: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer and why, the criteria for it and those against it, and the query's lines."""

    answer: Answer
    reasons: tuple[str, ...]
    criteria: tuple[Finding, ...]
    against: tuple[Finding, ...]
    categories: tuple[Category, ...]
    trades: int


def assess(trades: tuple[Executed, ...], thresholds: Thresholds, *, profitable: bool | None = None) -> Assessment:
    """Judge trades by the specification's table; `profitable` overrides what their profits add up to."""
    classes = [_liquidity(trade, thresholds) for trade in trades]
    thin = tuple(trade for trade, of in zip(trades, classes, strict=True) if of is Liquidity.THIN)
    known = sum(of is not None for of in classes)
    criteria = (
        _mean("average slippage", trades, 15 * PERCENT // 10, above=True),
        _mean("slippage in thin markets", thin, 25 * PERCENT // 10, above=True),
        _share("fill failures", sum(not trade.filled for trade in trades), len(trades), 10 * PERCENT, above=True),
        _share("thin markets among trades", len(thin), known, 30 * PERCENT, above=True),
        _total("cumulative slippage cost", [trade.cost for trade in trades], 500 * MILLION, above=True),
    )
    profit = _profit(trades, profitable)
    against = (
        _mean("average slippage", trades, PERCENT, above=False),
        _share("thin markets among trades", len(thin), known, 20 * PERCENT, above=False),
        *profit,
    )
    answer, reasons = _answer(criteria, against)
    if answer is Answer.IMPLEMENT and not profit:
        reasons = (*reasons, UNTOLD)
    return Assessment(answer, reasons, criteria, against, _categories(trades, classes), len(trades))


def _answer(criteria: tuple[Finding, ...], against: tuple[Finding, ...]) -> tuple[Answer, tuple[str, ...]]:
    forbidding = [one for one in against if one.verdict is Verdict.MET]
    if forbidding:
        return Answer.DO_NOT, _reasons(forbidding)
    few = [one for one in (*criteria, *against) if one.verdict is Verdict.TOO_FEW]
    if few:
        return Answer.TOO_FEW, _reasons(few)
    missed = [one for one in criteria if one.verdict is Verdict.MISSED]
    return (Answer.DEFER, _reasons(missed)) if missed else (Answer.IMPLEMENT, _reasons(list(criteria)))


def _reasons(findings: list[Finding]) -> tuple[str, ...]:
    """Return each finding in a few words, in the order given, each once."""
    told: list[str] = []
    for reason in map(_reason, findings):
        if reason not in told:
            told.append(reason)
    return tuple(told)


def _reason(one: Finding) -> str:
    if one.verdict is Verdict.TOO_FEW:
        return f"{one.name}: {one.trades} trades tell too little, {LEAST} are needed"
    relation = ("" if one.verdict is Verdict.MET else "not ") + ("above" if one.above else "below")
    doubt = "" if one.sure else ", which so few trades leave unsure"
    return f"{one.name} is {relation} {_in_words(one.unit, one.threshold)}{doubt}"


def _in_words(unit: Unit, value: int) -> str:
    if unit is Unit.MONEY:
        return f"${value // MILLION}"
    whole, tenths = divmod(value * 10 // PERCENT, 10)
    return f"{whole}.{tenths} %"


def _mean(name: str, trades: tuple[Executed, ...], threshold: int, *, above: bool) -> Finding:
    values = [trade.slippage for trade in trades if trade.slippage is not None]
    if len(values) < LEAST:
        return _few(name, Unit.RATIO, threshold, len(values), above=above)
    middle, spread = round_div(sum(values), len(values)), root(4 * _variance(values) // len(values))
    return _judged(name, Unit.RATIO, middle, threshold, len(values), (middle - spread, middle + spread), above=above)


def _share(name: str, part: int, of: int, threshold: int, *, above: bool) -> Finding:
    if of < LEAST:
        return _few(name, Unit.RATIO, threshold, of, above=above)
    centre = round_div((part + 2) * MILLION, of + 4)
    half = root(4 * MILLION * MILLION * (part * (of - part) + of) // of) // (of + 4)
    interval = (max(0, centre - half - 1), min(MILLION, centre + half + 1))
    return _judged(name, Unit.RATIO, round_div(part * MILLION, of), threshold, of, interval, above=above)


def _total(name: str, parts: list[Money | None], threshold: int, *, above: bool) -> Finding:
    """Return a sum's finding: it is what it is, so there is no interval."""
    values = [part for part in parts if part is not None]
    if len(values) < LEAST:
        return _few(name, Unit.MONEY, threshold, len(values), above=above)
    return _judged(name, Unit.MONEY, sum(values), threshold, len(values), None, above=above)


def _profit(trades: tuple[Executed, ...], profitable: bool | None) -> tuple[Finding, ...]:
    """Return whether the system earns nothing yet; no criterion at all where nobody knows."""
    name = "profit of the system"
    if profitable is not None:
        verdict = Verdict.MISSED if profitable else Verdict.MET
        return (Finding(name, Unit.MONEY, None, 0, above=False, trades=0, verdict=verdict, interval=None, sure=True),)
    profits = [trade.profit for trade in trades]
    return () if all(profit is None for profit in profits) else (_total(name, profits, 0, above=False),)


def _few(name: str, unit: Unit, threshold: int, trades: int, *, above: bool) -> Finding:
    return Finding(name, unit, None, threshold, above, trades, Verdict.TOO_FEW, None, sure=False)


def _judged(
    name: str, unit: Unit, found: int, threshold: int, trades: int, interval: tuple[int, int] | None, *, above: bool
) -> Finding:
    beyond: Callable[[int], bool] = (lambda one: one > threshold) if above else (lambda one: one < threshold)
    met = beyond(found)
    sure = interval is None or all(beyond(end) is met for end in interval)
    return Finding(name, unit, found, threshold, above, trades, Verdict.MET if met else Verdict.MISSED, interval, sure)


def _variance(values: list[int]) -> int:
    """Return the sample variance of at least two values."""
    count, total = len(values), sum(values)
    return (count * sum(one * one for one in values) - total * total) // (count * (count - 1))


def _liquidity(trade: Executed, thresholds: Thresholds) -> Liquidity | None:
    return None if trade.volume is None else categorize(trade.volume, trade.volume, thresholds)


def _categories(trades: tuple[Executed, ...], classes: list[Liquidity | None]) -> tuple[Category, ...]:
    found: list[Category] = []
    for liquidity in CLASSES:
        among = [trade for trade, of in zip(trades, classes, strict=True) if of is liquidity]
        values = [trade.slippage for trade in among if trade.slippage is not None]
        if among:
            found.append(
                Category(
                    liquidity=liquidity,
                    trades=len(among),
                    slippage=round_div(sum(values), len(values)) if values else None,
                    volatility=root(_variance(values)) if len(values) > 1 else None,
                    failed=round_div(sum(not trade.filled for trade in among) * MILLION, len(among)),
                )
            )
    return tuple(found)
