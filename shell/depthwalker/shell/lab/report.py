"""Results as rows: what each algorithm cost in each class of market, and how much more or less than each other one.

Cents a contract first; basis points of the mid beside them, which explode on cheap contracts: of the outcome that is bought
or sold, whichever leg that acquires. Every parent counts alike.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations, product
from typing import Final, TypeAlias, TypeVar

from depthwalker.core.fees import Precision
from depthwalker.core.parent import Action
from depthwalker.core.units import CENT, DOLLAR, SECOND
from depthwalker.shell.lab.cost import Result
from depthwalker.shell.lab.experiment import Measured, Outcome
from depthwalker.shell.lab.parents import Sampled
from depthwalker.shell.lab.players import TAKE_NOW
from depthwalker.shell.lab.statistics import Estimate, estimated, quantile, ratio

Row: TypeAlias = dict[str, object]
T = TypeVar("T")
ALL: Final = "all"
MIXED: Final = "mixed"  # fill models
FEW_CALLS: Final = 8  # a parent makes usually fewer
TAILS: Final = {"median": 0.5, "p90": 0.9, "p99": 0.99}
OPPOSITE: Final = {  # of a difference the other way round: where each figure comes from
    "mean_bps": "mean_bps",
    "ci_low": "ci_high",
    "ci_high": "ci_low",
    "mean_cents": "mean_cents",
    "cents_low": "cents_high",
    "cents_high": "cents_low",
}


def report(measured: Measured) -> Row:
    """Return everything as a value that JSON can hold."""
    models = sorted(set(measured.fill_models.values()))
    return {
        "runs": len(measured.outcomes),
        "fill_model": models[0] if len(models) == 1 else measured.fill_models,
        "trades": {file: trades.played for file, trades in measured.trades.items()},
        "sides_inferred": {file: trades.guessed for file, trades in measured.trades.items() if trades.guessed},
        "sides_untold": {file: trades.untold for file, trades in measured.trades.items() if trades.untold},
        "left_out": dict(measured.left_out),
        "rows": rows(measured.outcomes),
        "paired": paired(measured.outcomes),
    }


def rows(outcomes: list[Outcome]) -> list[Row]:
    """Return a row an algorithm, class, file and queue model, and those of all files together."""
    takes: dict[object, Outcome] = {
        outcome.key: outcome for outcome in outcomes if outcome.result.algorithm == TAKE_NOW
    }
    groups: dict[tuple[str, str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        result = outcome.result
        for file in (outcome.file, ALL):
            key = result.model.value, result.sampled.liquidity.value, file, result.algorithm
            groups.setdefault(key, []).append(outcome)
    return [_row(key, group, takes) for key, group in sorted(groups.items(), key=_first)]


def paired(outcomes: list[Outcome]) -> list[Row]:
    """Return by how much each algorithm costs more than each other one, parent by parent, on all files and on each by itself."""
    groups: dict[tuple[str, str, str], dict[str, dict[object, Outcome]]] = {}
    for outcome in outcomes:
        result = outcome.result
        for liquidity, file in product((result.sampled.liquidity.value, ALL), (outcome.file, ALL)):
            group = groups.setdefault((result.model.value, liquidity, file), {})
            group.setdefault(result.algorithm, {})[outcome.key] = outcome
    return [
        row
        for key, by_name in sorted(groups.items(), key=_first)
        for first, second in combinations(by_name, 2)
        for row in _both_ways(_pair(key, first, second, by_name))
    ]


def _both_ways(pair: Row) -> tuple[Row, Row]:
    """Return a difference and its opposite: of the same draws, so that the intervals are the same, too."""
    turned = {
        key: None if value is None else 0.0 - value
        for key, opposite in OPPOSITE.items()
        if isinstance(value := pair[opposite], float | None)
    }
    return pair, pair | {"a": pair["b"], "b": pair["a"]} | turned


def _pair(key: tuple[str, str, str], a: str, b: str, by_name: dict[str, dict[object, Outcome]]) -> Row:
    model, liquidity, file = key
    couples = [(one, by_name[b][key]) for key, one in by_name[a].items() if key in by_name[b]]
    blocks = [(one.file, one.block) for one, _ in couples]
    cents = estimated([_cents(one) - _cents(other) for one, other in couples], blocks)
    bps = estimated([_bps(one) - _bps(other) for one, other in couples], blocks)
    return {
        "a": a,
        "b": b,
        "liquidity": liquidity,
        "file": file,
        "queue_model": model,
        "fill_model": _fill_model(one for one, _ in couples),
        "mean_bps": bps.mean,
        "ci_low": bps.low,
        "ci_high": bps.high,
        "mean_cents": cents.mean,
        "cents_low": cents.low,
        "cents_high": cents.high,
        "parents": len(couples),
        "blocks": len(set(blocks)),
    }


def _row(key: tuple[str, str, str, str], group: list[Outcome], takes: dict[object, Outcome]) -> Row:
    model, liquidity, file, algorithm = key
    blocks = [(outcome.file, outcome.block) for outcome in group]
    cents = [_cents(outcome) for outcome in group]
    shortfall, bps = estimated(cents, blocks), estimated([_bps(outcome) for outcome in group], blocks)
    results = [outcome.result for outcome in group]
    wanted = _wanted(group)
    within = [result for result in results if result.sampled.reachable]
    first = [result.first / SECOND for result in results if result.first is not None]
    full = [result.last / SECOND for result in results if result.full and result.last is not None]
    return {
        "algorithm": algorithm,
        "liquidity": liquidity,
        "file": file,
        "queue_model": model,
        "fill_model": _fill_model(group),
        "parents": len(group),
        "fill_rate": sum(result.filled for result in results) / wanted,
        "fill_rate_of_bound": sum(outcome.bound_filled for outcome in group) / wanted,
        "parents_in_reach": len(within),
        "fill_rate_in_reach": _mean([result.filled / result.sampled.parent.count for result in within]),
        **_out_of_reach(group),
        "shortfall_cents": shortfall.mean,
        "shortfall_cents_ci": _interval(shortfall),
        **_spread("shortfall_cents", cents),
        "shortfall_bps": bps.mean,
        **_spread("shortfall_bps", [_bps(outcome) for outcome in group]),
        "shortfall_ci": _interval(bps),
        "bound_cents": _mean([_each(outcome, outcome.bound) for outcome in group]),
        "switch_cents": _mean([_each(outcome, outcome.switch) for outcome in group]),
        **_captured(group, takes, blocks),
        "slippage_bps": _mean(_slippages(results)),
        "slippage_bps_in_reach": _mean(_slippages(within)),
        **_spread("slippage_bps", _slippages(results)),
        "fee_bps": _mean([_fee_bps(result) for result in results]),
        "seconds_to_first": _mean(first),
        **_spread("seconds_to_first", first),
        "parents_full": len(full),
        "seconds_to_full": _mean(full),
        **_spread("seconds_to_full", full),
        "walks": _mean([result.walks for result in results]),
        "calls": _mean([result.calls for result in results]),
        **_spread("calls", [result.calls for result in results]),
        "calls_under_8": sum(result.calls < FEW_CALLS for result in results) / len(results),
        "calls_most": max(result.calls for result in results),
        "tokens": _mean([result.tokens for result in results]),
        **{f"markout_{seconds}s_cents": _markout(group, place) for place, seconds in enumerate((5, 30, 60))},
    }


def _fill_model(group: Iterable[Outcome]) -> str:
    models = {outcome.fill_model for outcome in group}
    return models.pop() if len(models) == 1 else MIXED


def _out_of_reach(group: list[Outcome]) -> Row:
    """Return what was filled where the count was not on offer under the cap at arrival, ratios of sums over such parents."""
    beyond = [outcome for outcome in group if not outcome.result.sampled.reachable]
    wanted, least = _wanted(beyond), sum(outcome.bound_filled for outcome in beyond)
    filled = sum(outcome.result.filled for outcome in beyond)
    return {
        "parents_out_of_reach": len(beyond),
        "fill_rate_out_of_reach": filled / wanted if wanted else None,
        "fill_rate_of_bound_out_of_reach": least / wanted if wanted else None,
        "share_of_bound_out_of_reach": filled / least if least else None,
    }


def _wanted(group: list[Outcome]) -> int:
    return sum(outcome.result.sampled.parent.count for outcome in group)


def _captured(group: list[Outcome], takes: dict[object, Outcome], blocks: list[tuple[str, int]]) -> Row:
    """Return the share of the saving between taking at once and the bound, a ratio of sums over parents."""
    if any(outcome.key not in takes for outcome in group) or _nothing_to_save(group, takes):
        return {"captured": None, "captured_ci": None, "captured_by_switch": None}
    saved = [_cents(takes[outcome.key]) - _cents(outcome) for outcome in group]
    most = [_cents(takes[outcome.key]) - _each(outcome, outcome.bound) for outcome in group]
    switch = [_cents(takes[outcome.key]) - _each(outcome, outcome.switch) for outcome in group]
    share = ratio(saved, most, blocks)
    return {
        "captured": share.mean,
        "captured_ci": _interval(share),
        "captured_by_switch": ratio(switch, most, blocks).mean,
    }


def _nothing_to_save(group: list[Outcome], takes: dict[object, Outcome]) -> bool:
    """Return whether taking at once costs what the bound does but for the rounding of fees, which the bound is spared."""
    twice = sum(takes[outcome.key].result.twice_shortfall - outcome.bound for outcome in group)
    return twice <= 2 * Precision.DIRECT.value * len(group)


def _spread(name: str, values: Sequence[float]) -> Row:
    """Return the median and the tails of a figure."""
    return {f"{name}_{key}": quantile(values, share) if values else None for key, share in TAILS.items()}


def _slippages(results: list[Result]) -> list[float]:
    """Return the slippage of each parent's fills against its target (the specification's), in basis points."""
    targets = [(result, result.sampled.parent.target) for result in results if result.filled]
    return [
        10_000 * (result.value / result.filled - target) / result.sampled.parent.ticket.framed(target)
        for result, target in targets
    ]


def _markout(group: list[Outcome], place: int) -> float | None:
    marks = [outcome.result.markouts[place] for outcome in group]
    count = sum(mark.count for mark in marks)
    return sum(mark.gained for mark in marks) / (2 * CENT * count) if count else None


def _cents(outcome: Outcome) -> float:
    return _each(outcome, outcome.result.twice_shortfall)


def _each(outcome: Outcome, twice: int) -> float:
    """Return a doubled sum of money as cents a contract of the parent."""
    return twice / (2 * CENT * outcome.result.sampled.parent.count)


def _bps(outcome: Outcome) -> float:
    sampled = outcome.result.sampled
    return 10_000 * outcome.result.twice_shortfall / (_twice_mid(sampled) * sampled.parent.count)


def _fee_bps(result: Result) -> float:
    return 20_000 * result.fees / (_twice_mid(result.sampled) * result.sampled.parent.count)


def _twice_mid(sampled: Sampled) -> int:
    """Return twice the mid of the outcome that is bought or sold."""
    return sampled.twice_mid if sampled.parent.ticket.action is Action.BUY else 2 * DOLLAR - sampled.twice_mid


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _interval(estimate: Estimate) -> list[float] | None:
    return None if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]


def _first(item: tuple[T, object]) -> T:
    return item[0]
