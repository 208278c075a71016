"""What an engine's process tells of itself: lines of JSON on its standard output. Plain Python: every engine imports it."""

import json
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")
Filled: TypeAlias = tuple[int, float, float]  # contracts, their average in cents, seconds until the last
REPEATS: Final = 5


@dataclass(frozen=True, slots=True)
class One:
    """So many parents under one policy, in seconds of the process's own time: the run alone, and all of it from the file."""

    parents: int
    run_s: float
    whole_s: float
    filled: list[Filled]


@dataclass(frozen=True, slots=True)
class Sweep:
    """So many policies over the same tape: with it in memory and ready, and all of it from the file."""

    seconds: float
    whole_s: float
    policies: int


def summed(fills: list[tuple[float, int, float]]) -> Filled:
    """Return what fills (seconds, contracts, cents) come to."""
    count = sum(one for _, one, _ in fills)
    paid = sum(one * cents for _, one, cents in fills)
    return count, paid / count if count else 0.0, fills[-1][0] if fills else 0.0


def repeats(parents: int) -> int:
    """Return how often a run of so many parents is timed."""
    return REPEATS if parents < 100 else 1


def clocked(action: Callable[[], T], repeats: int) -> tuple[float, T]:
    """Return the median of the processor time that a call takes, and what it returned last."""
    spans = []
    while True:
        begun = time.process_time()
        found = action()
        spans.append(time.process_time() - begun)
        if len(spans) == repeats:
            return sorted(spans)[repeats // 2], found


def say(what: One | Sweep) -> None:
    """Print a result, with the most memory that the process has had so far."""
    print(json.dumps({**asdict(what), "peak_mb": _peak_mb()}), flush=True)


def _peak_mb() -> float:
    """Return the process's own peak: what `getrusage` tells includes that of whoever started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def version_of(python: str, package: str) -> str:
    """Return the version of a package in another environment."""
    asked = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", asked], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
