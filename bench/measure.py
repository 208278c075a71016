"""Timings and tables. A figure is the median of many repeats, with the smallest beside it: the machine may be busy."""

import gc
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from itertools import repeat
from statistics import median
from typing import Final

NS_A_US: Final = 1_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure: repeats of a timing, nanoseconds of each, orders sent, seconds of an execution, rows written."""

    repeats: int
    repeat_ns: int
    orders: int
    execution_s: int
    inserts: int
    snapshots: int


USUAL: Final = Effort(repeats=45, repeat_ns=3_000_000, orders=400, execution_s=12, inserts=400, snapshots=1_000_000)
QUICK: Final = Effort(repeats=9, repeat_ns=500_000, orders=60, execution_s=4, inserts=60, snapshots=30_000)
TINY: Final = Effort(repeats=1, repeat_ns=1, orders=3, execution_s=1, inserts=3, snapshots=3_000)


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds of one call."""

    median_us: float
    min_us: float

    def cells(self) -> tuple[str, str]:
        """Return both as text."""
        return shown(self.median_us), shown(self.min_us)


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, a line or two on what it shows, the columns' names, the rows."""

    name: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def clocked(action: Callable[[], object], effort: Effort) -> Timing:
    """Return what a call costs in this thread's processor time, the call itself (some 30 ns) included."""
    action()
    calls = max(1, effort.repeat_ns // max(1, _spent_ns(action, 1)))
    was_on = gc.isenabled()
    gc.disable()
    try:
        return timing(_spent_ns(action, calls) / calls for _ in range(effort.repeats))
    finally:
        if was_on:
            gc.enable()


def timing(spans_ns: Iterable[float]) -> Timing:
    """Return the median and the smallest of spans in nanoseconds."""
    spans = [span / NS_A_US for span in spans_ns]
    return Timing(median(spans), min(spans))


def _spent_ns(action: Callable[[], object], calls: int) -> int:
    turns = repeat(None, calls)
    begun = time.thread_time_ns()  # what others do on the machine still slows the caches, and nothing else
    for _ in turns:
        action()
    return time.thread_time_ns() - begun


def shown(us: float) -> str:
    """Return microseconds with three figures or so."""
    return f"{us:,.0f}" if us >= 100 else f"{us:.1f}" if us >= 10 else f"{us:.2f}"


def deep_bytes(value: object) -> int:
    """Return what a value takes with everything in it, each object once; enum members and constants are shared."""
    seen: dict[int, object] = {}
    left = [value]
    while left:
        one = left.pop()
        if id(one) not in seen and not isinstance(one, (Enum, bool, type)) and one is not None:
            seen[id(one)] = one
            left.extend(_parts(one))
    return sum(sys.getsizeof(one) for one in seen.values())


def _parts(value: object) -> Iterator[object]:
    if is_dataclass(value):
        yield from (getattr(value, field.name) for field in fields(value))
    elif isinstance(value, (tuple, list, frozenset)):
        yield from value


def text_table(table: Table) -> str:
    """Return a table for the terminal: the first column to the left, the figures to the right."""
    widths = [max(len(row[at]) for row in (table.columns, *table.rows)) for at in range(len(table.columns))]
    lines = [_aligned(row, widths) for row in (table.columns, *table.rows)]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([table.name, table.note, "", *lines])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def markdown_table(table: Table) -> str:
    """Return a table as Markdown, under a heading."""
    rule = ("---", *("---:" for _ in table.columns[1:]))
    lines = [f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows)]
    return "\n".join([f"### {table.name}", "", table.note, "", *lines])
