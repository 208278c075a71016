"""How long the program takes to answer: the whole process, from its start to its end, beside an interpreter that does nothing."""

import os
import subprocess
import sys
import time
from typing import Final

from bench.measure import Effort, Table, Timing, shown, timing

TARGET_US: Final = 300_000
PROGRAM: Final = ("-m", "depthwalker.shell")
CALLS: Final = (
    ("python -c pass", ("-c", "pass")),
    ("depthwalker --help", (*PROGRAM, "--help")),
    ("depthwalker execute --help", (*PROGRAM, "execute", "--help")),
    ("depthwalker worker --help", (*PROGRAM, "worker", "--help")),
    ("depthwalker backtest --help", (*PROGRAM, "backtest", "--help")),
    ("a wrong command", (*PROGRAM, "wrong")),
)


def tables(effort: Effort) -> tuple[Table, ...]:
    """Measure every call in turn, so that what slows the machine slows all of them."""
    spans: dict[str, list[float]] = {name: [] for name, _ in CALLS}
    for turn in range(effort.repeats + 1):
        for name, words in CALLS:
            begun = time.perf_counter_ns()
            subprocess.run(
                [sys.executable, *words], capture_output=True, check=False, env={**os.environ, "COLUMNS": "80"}
            )
            if turn:  # the first one fills the caches
                spans[name].append(time.perf_counter_ns() - begun)
    rows = tuple(_row(name, timing(found)) for name, found in spans.items())
    note = f"{effort.repeats} starts of each, in turn. Milliseconds of the wall clock. Target: the program answers in under 300."
    return (Table("Starting", note, ("call", "median ms", "min ms", "target"), rows),)


def _row(name: str, found: Timing) -> tuple[str, ...]:
    target = f"< {TARGET_US // 1_000}" if name.startswith("depthwalker") else ""
    return name, shown(found.median_us / 1_000), shown(found.min_us / 1_000), target
