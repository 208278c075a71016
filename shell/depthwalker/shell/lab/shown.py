"""The report as lines of text: one table a queue model and class, cheapest algorithm first."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

from depthwalker.shell.lab.report import ALL, Row

HEADINGS: Final = (
    ("shortfall_cents", "cents", 8, 3),
    ("captured", "share", 7, 3),
    ("fill_rate", "fill", 6, 3),
    ("fill_rate_of_bound", "bound", 6, 3),
    ("slippage_bps_in_reach", "slip bp", 9, 1),
    ("seconds_to_full", "full s", 7, 1),
    ("walks", "walks", 6, 1),
    ("calls", "calls", 6, 1),
    ("markout_30s_cents", "mark30", 7, 2),
)


def shown(report: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines."""
    yield f"fill model: {report['fill_model']}"
    if report["left_out"]:
        yield f"left out: {report['left_out']}"
    rows = report["rows"]
    assert isinstance(rows, list)
    kept = sorted((row for row in rows if row["file"] == ALL), key=_order)
    for (model, liquidity), group in groupby(kept, key=_group):
        listed = list(group)
        yield ""
        yield f"{liquidity}, {model} queue, {listed[0]['parents']} parents (bound {listed[0]['bound_cents']:.3f} cents)"
        yield f"{'':22}{'interval':>18}" + "".join(f"{name:>{width}}" for _, name, width, _ in HEADINGS)
        for row in listed:
            yield f"{row['algorithm']:22}{_between(row['shortfall_cents_ci']):>18}" + "".join(
                _cell(row[key], width, decimals) for key, _, width, decimals in HEADINGS
            )


def _cell(value: object, width: int, decimals: int) -> str:
    return f"{value:{width}.{decimals}f}" if isinstance(value, (int, float)) else f"{'-':>{width}}"


def _between(interval: object) -> str:
    return f"{interval[0]:.3f} .. {interval[1]:.3f}" if isinstance(interval, list) else "-"


def _group(row: Row) -> tuple[str, str]:
    return str(row["queue_model"]), str(row["liquidity"])


def _order(row: Row) -> tuple[tuple[str, str], float]:
    shortfall = row["shortfall_cents"]
    assert isinstance(shortfall, float)
    return _group(row), shortfall
