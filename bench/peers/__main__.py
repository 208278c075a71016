"""Our replay beside hftbacktest's and NautilusTrader's: `make bench-peers` writes docs/peers.md.

Every engine is a process of its own, with its own file made of the same tape; seconds are of its processor time, loading and
index building told apart from the run. They take turns, because a shared machine is fast and slow for seconds or minutes: the
quickest turn of each tells most of the engine and least of the machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Final

from bench import page
from bench.measure import Table, text_table
from bench.peers import ours, tape
from bench.peers.schedule import EVENTS, PARENTS, POLICIES, SEED
from bench.peers.told import Filled, One, Sweep, version_of

OURS, HFT, NAUTILUS = "depthwalker", "hftbacktest", "NautilusTrader"
MODULES: Final = {OURS: "bench.peers.ours", HFT: "bench.peers.hft", NAUTILUS: "bench.peers.nautilus"}
PACKAGES: Final = {HFT: "hftbacktest", NAUTILUS: "nautilus_trader"}
FEW, MANY = (2, 5, 20, 40), 400  # parents, beside the usual number; of many hftbacktest stops with an error of its own
COUNTS: Final = {OURS: (*FEW, MANY), HFT: FEW, NAUTILUS: (MANY,)}
SLOW_POLICIES: Final = 3  # of NautilusTrader; the rest is reckoned
ONE_POLICY: Final = (OURS, HFT) * 5 + (NAUTILUS,)  # whose turn it is
SWEEPS: Final = (OURS, HFT, OURS, NAUTILUS, HFT, OURS)


@dataclass(frozen=True, slots=True)
class Found:
    """What one engine came to: by the number of parents (its quickest turn), and the sweep; the most memory of each, in MB."""

    one: dict[int, One]
    one_mb: float
    sweep: Sweep
    sweep_mb: float


class Bench:
    """A tape in a folder, and the engines that run on it."""

    def __init__(self, folder: Path, peers: str) -> None:
        self.folder, self.peers = folder, peers

    def lines(self, engine: str, *words: object) -> list[dict[str, object]]:
        """Return what an engine tells when it is started with these words."""
        python = sys.executable if engine == OURS else self.peers
        command = [python, "-W", "ignore", "-m", MODULES[engine], str(self.folder), *map(str, words)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def version(self, engine: str) -> str:
        """Return an engine's version."""
        if engine == OURS:
            return version(engine)
        return version_of(self.peers, PACKAGES[engine])

    def prepare(self, events: int, seed: int) -> None:
        """Draw the tape and have every engine write it as its own file."""
        drawn = tape.draw(events, seed)
        tape.write(drawn, self.folder)
        ours.prepare(drawn, self.folder / "ours")
        for engine in (HFT, NAUTILUS):
            self.lines(engine, "prepare")

    def one_policy(self, engine: str, counts: Sequence[int]) -> tuple[list[One], float]:
        """Return what an engine needs for the usual parents, in a process of its own, and for other numbers of them."""
        (usual,) = self.lines(engine, "one", PARENTS)
        found = [usual, *self.lines(engine, "one", *counts)]
        return [_one(line) for line in found], _number(usual, "peak_mb")

    def sweep(self, engine: str, policies: int) -> tuple[Sweep, float]:
        """Return what an engine needs for many policies."""
        (swept,) = self.lines(engine, "sweep", policies, PARENTS)
        seconds, whole_s, count = (_number(swept, name) for name in ("seconds", "whole_s", "policies"))
        return Sweep(seconds, whole_s, int(count)), _number(swept, "peak_mb")

    def measure(self, policies: int) -> dict[str, Found]:
        """Return what every engine needs."""
        ones = [(engine, self.one_policy(engine, COUNTS[engine])) for engine in ONE_POLICY]
        sweeps = [(engine, self.sweep(engine, SLOW_POLICIES if engine == NAUTILUS else policies)) for engine in SWEEPS]
        return {
            engine: summed_up(
                [turn for name, turn in ones if name == engine], [turn for name, turn in sweeps if name == engine]
            )
            for engine in MODULES
        }


def summed_up(ones: list[tuple[list[One], float]], sweeps: list[tuple[Sweep, float]]) -> Found:
    """Return what an engine's turns come to; a sweep is long enough to meet the machine as it is on the whole."""
    by_count = zip(*[turn for turn, _ in ones], strict=True)
    run_s, whole_s = median([sweep.seconds for sweep, _ in sweeps]), median([sweep.whole_s for sweep, _ in sweeps])
    return Found(
        {turns[0].parents: _quickest(turns) for turns in by_count},
        max([megabytes for _, megabytes in ones]),
        replace(sweeps[0][0], seconds=run_s, whole_s=whole_s),
        max([megabytes for _, megabytes in sweeps]),
    )


def _quickest(turns: Sequence[One]) -> One:
    run_s, whole_s = min([one.run_s for one in turns]), min([one.whole_s for one in turns])
    return replace(turns[0], run_s=run_s, whole_s=whole_s)


def _number(line: dict[str, object], name: str) -> float:
    value = line[name]
    assert isinstance(value, int | float)
    return value


def _one(line: dict[str, object]) -> One:
    filled = line["filled"]
    assert isinstance(filled, list)
    run_s, whole_s = _number(line, "run_s"), _number(line, "whole_s")
    return One(int(_number(line, "parents")), run_s, whole_s, [(int(a), float(b), float(c)) for a, b, c in filled])


def tables(found: dict[str, Found], versions: dict[str, str], events: int, policies: int) -> tuple[Table, ...]:
    """Return what was found as tables."""
    return (
        Table(
            "One policy",
            f"{PARENTS} parents of one tape of {events:,} events. Seconds of processor time, the quickest of "
            f"{ONE_POLICY.count(OURS)} turns (NautilusTrader: {ONE_POLICY.count(NAUTILUS)}); `run` with the tape in memory "
            "and ready (an index that has answered once, a compiled strategy), `from the file` with loading and index building "
            "included, compiling not. `times ours` is how often ours fits into it.",
            ("engine", "run", "events a second", "times ours", "from the file", "times ours", "peak MB"),
            tuple(_row(f"{engine} {versions[engine]}", one, found[OURS], events) for engine, one in found.items()),
        ),
        Table(
            f"{policies:,} policies",
            f"The same {PARENTS} parents under {policies:,} policies, with the tape in memory and ready, and from the file, which "
            f"is loaded once; medians of {SWEEPS.count(OURS)} turns of ours and {SWEEPS.count(HFT)} of hftbacktest. NautilusTrader "
            f"had one and ran {found[NAUTILUS].sweep.policies} of them; the rest is reckoned at the same pace.",
            ("engine", "run", "times ours", "from the file", "times ours", "peak MB"),
            tuple(_swept_row(engine, one, found[OURS], policies) for engine, one in found.items()),
        ),
        Table(
            "How many parents",
            "The others go through the whole tape however many parents there are, ours through each parent: with how many we "
            "stop being ahead, between the numbers measured by a straight line.",
            ("engine", "run", "from the file"),
            tuple(
                (engine, *(until(found[OURS].one, found[engine].one, whole=whole) for whole in (False, True)))
                for engine in (HFT, NAUTILUS)
            ),
        ),
        Table(
            "What more parents cost",
            "Seconds of processor time, run and from the file.",
            ("parents", *(f"{engine}, {what}" for engine in found for what in ("run", "from the file"))),
            tuple(_cost(parents, found) for parents in sorted(found[OURS].one)),
        ),
        Table(
            "The same fills?",
            "What each parent filled, at which average in cents, and after how many seconds the last of it.",
            ("parent", *found),
            tuple(
                (str(place + 1), *(shown(one.one[PARENTS].filled[place]) for one in found.values()))
                for place in range(PARENTS)
            ),
        ),
    )


def _row(name: str, one: Found, ours: Found, events: int) -> tuple[str, ...]:
    usual, our_usual = one.one[PARENTS], ours.one[PARENTS]
    return (
        name,
        f"{usual.run_s:.3f}",
        f"{events / usual.run_s:,.0f}",
        _times(usual.run_s, our_usual.run_s),
        f"{usual.whole_s:.3f}",
        _times(usual.whole_s, our_usual.whole_s),
        f"{one.one_mb:,.0f}",
    )


def _times(seconds: float, ours_s: float) -> str:
    return f"{seconds / ours_s:,.2f}"


def _swept_row(name: str, one: Found, ours: Found, policies: int) -> tuple[str, ...]:
    (run_s, whole_s), (our_run_s, our_whole_s) = (_swept(found.sweep, policies) for found in (one, ours))
    return (
        name,
        f"{run_s:,.2f}",
        _times(run_s, our_run_s),
        f"{whole_s:,.2f}",
        _times(whole_s, our_whole_s),
        f"{one.sweep_mb:,.0f}",
    )


def _swept(sweep: Sweep, policies: int) -> tuple[float, float]:
    """Return the seconds that so many policies take, in memory and from the file."""
    run_s = sweep.seconds * policies / sweep.policies
    return run_s, run_s + sweep.whole_s - sweep.seconds


def _cost(parents: int, found: dict[str, Found]) -> tuple[str, ...]:
    rows = (one.one.get(parents) for one in found.values())
    cells = (("", "") if row is None else (f"{row.run_s:.3f}", f"{row.whole_s:.3f}") for row in rows)
    return str(parents), *(cell for pair in cells for cell in pair)


def until(ours: dict[int, One], theirs: dict[int, One], *, whole: bool) -> str:
    """Return with how many parents ours takes as long as theirs."""
    counts = sorted(ours.keys() & theirs.keys())
    ahead = [
        (theirs[count].whole_s - ours[count].whole_s) if whole else (theirs[count].run_s - ours[count].run_s)
        for count in counts
    ]
    for place, gained in enumerate(ahead):
        if gained < 0:
            if place == 0:
                return f"less than {counts[0]}"
            before, span = ahead[place - 1], counts[place] - counts[place - 1]
            return f"{counts[place - 1] + span * before / (before - gained):.0f}"
    return f"more than {counts[-1]}"


def shown(filled: Filled) -> str:
    """Return what a parent came to in a cell."""
    count, average, seconds = filled
    return f"{count:,} at {average:.2f} in {seconds:.1f} s"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the tables if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("peers", help="the Python of the peers' environment")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--policies", type=int, default=POLICIES)
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the tables between the markers in FILE")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given.peers)
        bench.prepare(given.events, SEED)
        measured = bench.measure(given.policies)
        versions = {engine: bench.version(engine) for engine in MODULES}
    made = tables(measured, versions, given.events, given.policies)
    print(page.machine(), end="\n\n")
    for table in made:
        print(text_table(table), end="\n\n")
    if given.write is not None:
        page.write_page(given.write, made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
