"""The report as lines of text: one table a queue model and class, cheapest algorithm first, and what the cheapest saves."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from depthwalker.shell.figures import counted, standing, trades_told
from depthwalker.shell.lab.players import WALKER
from depthwalker.shell.lab.report import ALL, MIXED, Row

LEGEND: Final = (
    "cents: a contract above the mid at arrival, fees and the unfilled rest in it; interval: 95 %; the bound: no schedule beats it",
    "share: of what the bound saves on take_now; bound's: its fill; slip bp: past the target, in reach; mark30: cents gained in 30 s",
)
HEADINGS: Final = (
    ("shortfall_cents", "cents", 8, 3),
    ("captured", "share", 7, 3),
    ("fill_rate", "fill", 6, 3),
    ("fill_rate_of_bound", "bound's", 8, 3),
    ("slippage_bps_in_reach", "slip bp", 9, 1),
    ("seconds_to_full", "full s", 7, 1),
    ("walks", "walks", 6, 1),
    ("calls", "calls", 6, 1),
    ("markout_30s_cents", "mark30", 7, 2),
)


def shown(report: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines."""
    rows, models, left_out, refused = report["rows"], report["fill_model"], report["left_out"], report["refused"]
    pairs, days = report["paired"], report["days"]
    trades, inferred, untold = report["trades"], report["sides_inferred"], report["sides_untold"]
    assert isinstance(days, list)
    assert isinstance(trades, dict)
    assert isinstance(inferred, dict)
    assert isinstance(untold, dict)
    assert isinstance(rows, list)
    assert isinstance(pairs, list)
    assert isinstance(left_out, dict)
    assert isinstance(refused, list)
    yield from (
        (f"fill model of {file}: {model}" for file, model in models.items())
        if isinstance(models, dict)
        else (f"fill model: {models}",)
    )
    yield f"trades recorded: {trades_told(trades, inferred, untold)}"
    yield standing(days, descriptive=bool(report["descriptive"]))
    if left_out:
        yield f"left out: {', '.join(f'{count:,} x {reason}' for reason, count in left_out.items())}"
    yield from (f"not played: {one['file']}: {one['reason']}" for one in refused)
    yield from LEGEND
    kept = sorted((row for row in rows if row["file"] == ALL), key=_order)
    for (model, liquidity), group in groupby(kept, key=_group):
        listed = list(group)
        yield ""
        mixed = ", fill models mixed" if listed[0]["fill_model"] == MIXED else ""
        yield (
            f"{liquidity}, {model} queue, {counted(listed[0]['parents'], 'parent')}"
            f" (bound {listed[0]['bound_cents']:.3f} cents){mixed}"
        )
        yield f"{'':22}{'interval':>18}" + "".join(f"{name:>{width}}" for _, name, width, _ in HEADINGS)
        for row in listed:
            yield f"{row['algorithm']:22}{_between(row['shortfall_cents_ci']):>18}" + "".join(
                _cell(row[key], width, decimals) for key, _, width, decimals in HEADINGS
            )
        yield from _paired(
            [str(row["algorithm"]) for row in listed],
            [pair for pair in pairs if pair["file"] == ALL and _group(pair) == (model, liquidity)],
        )


def _paired(cheapest_first: Sequence[str], pairs: Sequence[Row]) -> Iterator[str]:
    """Tell by how much the walker, or else the cheapest, costs more than the cheapest of the others."""
    first = WALKER if WALKER in cheapest_first else cheapest_first[0]
    opponent = next((name for name in cheapest_first if name != first), None)
    for pair in pairs:
        if (pair["a"], pair["b"]) == (first, opponent):
            sure = "" if pair["cents_low"] is None else f" [{pair['cents_low']:+.3f}, {pair['cents_high']:+.3f}]"
            yield f"{first} less {opponent}, parent by parent: {pair['mean_cents']:+.3f}{sure} cents"


def _cell(value: object, width: int, decimals: int) -> str:
    """Return a figure under its heading, apart from the one before it though it be wider."""
    text = f"{value:.{decimals}f}" if isinstance(value, (int, float)) else "-"
    return f" {text:>{width - 1}}"


def _between(interval: object) -> str:
    return f"{interval[0]:.3f} .. {interval[1]:.3f}" if isinstance(interval, list) else "-"


def _group(row: Row) -> tuple[str, str]:
    return str(row["queue_model"]), str(row["liquidity"])


def _order(row: Row) -> tuple[tuple[str, str], float]:
    shortfall = row["shortfall_cents"]
    assert isinstance(shortfall, float)
    return _group(row), shortfall
