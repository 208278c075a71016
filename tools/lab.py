"""The laboratory's judgement of every algorithm: `make lab` writes docs/lab.md and docs/lab.json, from any recordings.

The protocol is fixed: buy at the best offer of arrival, 10 and 100 contracts of both outcomes, a parent every 30 seconds, 40
seconds each, 100 ms of latency, both queue models. Recordings on which the policy was chosen are shown apart from those that
judge it, told by their ticker's event and their day, whatever a file is called; without recordings the synthetic markets are run.
"""

import argparse
import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from tools.lab_page import WALKER, How, page

from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION
from depthwalker.core.parent import Action
from depthwalker.core.policy import policy_for
from depthwalker.core.units import CENT_MONEY, CONTRACT, DAY, SECOND, Count, Micros
from depthwalker.shell.commands.arguments import whole
from depthwalker.shell.ending import Wrong
from depthwalker.shell.lab.asked import capped, names_of, tape_of
from depthwalker.shell.lab.bound import Way
from depthwalker.shell.lab.experiment import Design, Measured, experiment
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampling
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.report import Row, report
from depthwalker.shell.lab.session import Session, repeated, session_of, standing_on
from depthwalker.shell.profiles import PROFILES

PAGE: Final = Path(__file__).parents[1] / "docs" / "lab.md"
TARGETS: Final = ("lab", "lab-large", "lab-cents", "lab-fast")  # of make, each named as the page that it writes
TUNED_DAY: Final = Micros((date(2023, 4, 10) - date(1970, 1, 1)).days * DAY)
TUNED_ON: Final = Session("INXD-23APR10-ATM", TUNED_DAY, TUNED_DAY)  # the policy's parameters were chosen on it
HORIZON: Final = Micros(40 * SECOND)
EVERY: Final = Micros(30 * SECOND)
LATENCY: Final = Micros(SECOND // 10)
BLOCK: Final = Micros(10 * HORIZON)
COUNTS: Final = (Count(10 * CONTRACT), Count(100 * CONTRACT))
CAP: Final = "2.5%,0.03"
SEED, SYNTHETIC_SECONDS = 1, 1_800
SOON, LATE, PARTLY = "filled before the rest is taken", "filled as the rest is taken", "not filled to the end"
ENDS: Final = (SOON, LATE, PARTLY)
BEST: Final = tuple(way.value for way in Way)
KEPT_DIGITS: Final = 4  # of cents, basis points, seconds and shares
ENDINGS: Final = (".gz", ".jsonl", ".parquet")
PATTERNS: Final = ("*.jsonl.gz", "*.jsonl", "*.parquet")


@dataclass(frozen=True, slots=True)
class Task:
    """One market. `source` is a file, or the name of a synthetic market; `name` is what the tables call it."""

    source: str
    name: str
    every: Micros
    counts: tuple[Count, ...] = COUNTS
    cap: str = CAP


@dataclass(frozen=True, slots=True)
class Played:
    """What every algorithm made of a market's parents."""

    name: str
    session: Session | None
    found: Measured

    @property
    def half(self) -> str:
        """Return which half the market belongs to: what is of the event or the day that the policy was tuned on never judges."""
        session = self.session
        tuned = session is not None and (session.event == TUNED_ON.event or session.common_day(TUNED_ON) is not None)
        return "tuning" if tuned else "judging"


def played(task: Task) -> Played | str:
    """Return what every algorithm made of a market's parents, or why it cannot be played."""
    try:
        tape = tape_of(task.source, SEED, SYNTHETIC_SECONDS)
    except Wrong as wrong:
        return str(wrong)
    found = experiment([(task.name, tape)], design(task.every, task.counts, task.cap))
    return Played(task.name, session_of(task.source, tape), found)


def design(every: Micros = EVERY, counts: tuple[Count, ...] = COUNTS, cap: str = CAP) -> Design:
    """Return the protocol. Raises Wrong where the cap is none."""
    config = capped(replace(DEFAULT_EXECUTION, timeout=HORIZON), cap)
    sampling = Sampling(counts, tuple(Leg), Action.BUY, Aim("offer", 0), every, every, config)
    return Design(tuple(players(config).values()), sampling, tuple(QueueModel), LATENCY, BLOCK)


def merged(parts: Iterable[Measured]) -> Measured:
    """Return what several markets came to together."""
    whole = Measured(left_out=Counter())
    for part in parts:
        whole.outcomes.extend(part.outcomes)
        whole.left_out.update(part.left_out)
        whole.fill_models.update(part.fill_models)
        whole.trades.update(part.trades)
    return whole


def judged(markets: Sequence[Played]) -> Row:
    """Return what the markets of a half came to together, and on what that stands."""
    whole = merged(market.found for market in markets)
    return {
        "markets": [market.name for market in markets],
        **standing_on(market.session for market in markets),
        **report(whole),
        "above_the_bound": above_the_bound(whole),
    }


def above_the_bound(measured: Measured) -> list[Row]:
    """Return what the walker paid beyond the clairvoyant bound under the worst queue, and what the best single switch does.

    By what that switch does, which is what the walker would have had to know, and by how the walker's parents ended.
    """
    took_from = policy_for(design().sampling.config).take_before
    found: dict[tuple[str, str], list[tuple[float, float]]] = {
        **{("best", way): [] for way in BEST},
        **{("ended", how): [] for how in ENDS},
    }
    for one in measured.outcomes:
        result, parent = one.result, one.result.sampled.parent
        if (result.algorithm, result.model) != (WALKER, QueueModel.WORST):
            continue
        late = result.last is not None and parent.started + result.last >= parent.wind_down - took_from
        how = PARTLY if not result.full else LATE if late else SOON
        each = 2 * CENT_MONEY * (parent.count / CONTRACT)
        excess = (result.twice_shortfall - one.bound) / each, (one.switch - one.bound) / each
        for key in (("best", one.way.value), ("ended", how)):
            found[key].append(excess)
    return [
        {"by": by, "was": was, **_excess(some, [one for key in found if key[0] == by for one in found[key]])}
        for (by, was), some in found.items()
    ]


def _excess(some: list[tuple[float, float]], every: list[tuple[float, float]]) -> Row:
    """Return the mean cents above the bound of some parents, the walker's and the best switch's, and the walker's share of all."""
    whole = sum(walked for walked, _ in every)
    return {
        "parents": len(some),
        "cents": sum(walked for walked, _ in some) / len(some) if some else None,
        "switch_cents": sum(switched for _, switched in some) / len(some) if some else None,
        "share_of_parents": len(some) / len(every) if every else None,
        "share_of_excess": sum(walked for walked, _ in some) / whole if whole else None,
    }


def sources(given: Sequence[Path]) -> list[str]:
    """Return the recordings that are named, those of folders too; where nothing is named, the synthetic markets.

    What is no path as it stands are several, separated by spaces: so make hands them over. Raises Wrong.
    """
    named = [path for one in given for path in ([one] if one.exists() else map(Path, str(one).split()))]
    files = [file for one in named for file in (_recordings(one) if one.is_dir() else [one])]
    return [str(file) for file in files] if given else list(PROFILES)


def _recordings(folder: Path) -> list[Path]:
    found = sorted(file for pattern in PATTERNS for file in folder.glob(pattern))
    if not found:
        raise Wrong(f"{folder} holds no recording: none of {', '.join(PATTERNS)}")
    return found


def kept(result: Row) -> Row:
    """Return what is kept beside the page: all but the pairs that the walker is not in, in as many digits as mean anything.

    The fill model of each file is told once for all of its rows.
    """
    rows, paired = result["rows"], result["paired"]
    assert isinstance(rows, list)
    assert isinstance(paired, list)
    brief = {"rows": _unmodelled(rows), "paired": _unmodelled(pair for pair in paired if pair["a"] == WALKER)}
    return {key: _digits(value) for key, value in (result | brief).items()}


def _unmodelled(rows: Iterable[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key != "fill_model"} for row in rows]


def _digits(value: object) -> object:
    match value:
        case float():
            return round(value, KEPT_DIGITS)
        case list():
            return [_digits(one) for one in value]
        case dict():
            return {key: _digits(one) for key, one in value.items()}
        case _:
            return value


def command(out: Path, argv: Sequence[str]) -> str:
    """Return what writes a page: make for those that the documentation keeps, else the words that were given."""
    if out.resolve().parent == PAGE.parent and out.stem in TARGETS:
        return f"make {out.stem} DATA=folder"
    return shlex.join(("python", "-m", "tools.lab", *argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, write, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.lab", description="Judge every algorithm.")
    parser.add_argument("data", nargs="*", type=Path, help="recordings, or folders of them")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    parser.add_argument(
        "--figures", action=argparse.BooleanOptionalAction, default=True, help="all figures beside the page, as .json"
    )
    parser.add_argument("--every", type=whole(1, 86_400), default=EVERY // SECOND, help="seconds between parents")
    parser.add_argument("--count", type=whole(1, 1_000_000), nargs="+", default=[10, 100], help="contracts of a parent")
    parser.add_argument("--cap", default=CAP, help="above the target, as of `depthwalker backtest`")
    parser.add_argument("--title", default="", help="what the page's title adds")
    parser.add_argument("--jobs", type=whole(1, 1_000), default=2)
    given = parser.parse_args(argv)
    since = time.monotonic()
    counts = tuple(Count(count * CONTRACT) for count in dict.fromkeys(given.count))
    every = Micros(given.every * SECOND)
    try:
        asked = sources(given.data)
        design(every, counts, given.cap)
        names = names_of([(source, SEED) for source in asked], ENDINGS)
    except Wrong as wrong:
        parser.error(str(wrong))
    tasks = [Task(source, name, every, counts, given.cap) for source, name in zip(asked, names, strict=True)]
    parts: dict[str, list[Played]] = {}
    before: list[tuple[str, Session | None]] = []
    refused: dict[str, str] = {}
    with ProcessPoolExecutor(given.jobs) as pool:
        for task, part in zip(tasks, pool.map(played, tasks), strict=True):
            if isinstance(part, str):
                refused[task.name] = part
                continue
            again = repeated(part.session, before)
            if again is not None:
                refused[task.name] = again
                continue
            before.append((task.name, part.session))
            print(f"{task.name}: {len(part.found.outcomes)} executions", file=sys.stderr, flush=True)
            if not part.found.outcomes:
                refused[task.name] = "no parent could be sampled"
                continue
            parts.setdefault(part.half, []).append(part)
    if not parts:
        print(
            "nothing could be played: " + "; ".join(f"{name}: {why}" for name, why in refused.items()), file=sys.stderr
        )
        return 2
    found = {half: judged(markets) for half, markets in parts.items()}
    seconds = round(time.monotonic() - since)
    how = How(
        every=given.every,
        counts=tuple(given.count),
        cap=given.cap,
        seconds=seconds,
        jobs=given.jobs,
        title=given.title,
        stem=given.out.stem,
        command=command(given.out, sys.argv[1:] if argv is None else argv),
        figures=given.figures,
    )
    given.out.write_text(page(found, refused, how), encoding="utf-8")
    if given.figures:
        figures = {half: kept(result) for half, result in found.items()}
        given.out.with_suffix(".json").write_text(json.dumps(figures, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
