"""The laboratory's judgement of every algorithm: `make lab` writes docs/lab.md and docs/lab.json, from any recordings.

The protocol is fixed: buy at the best offer of arrival, 10 and 100 contracts of both outcomes, a parent every 30 seconds, 40
seconds each, 100 ms of latency, both queue models. Recordings on which the policy was chosen are shown apart from those that
judge it. A recording is told by its name; without recordings the synthetic markets are run.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.parent import Action
from depthwalker.core.tape import Tape
from depthwalker.core.units import CONTRACT, SECOND, Count, Micros, Price
from depthwalker.shell.lab.experiment import Design, Measured, experiment, indexed
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampling
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.report import ALL, Row, report
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize

PAGE: Final = Path(__file__).parents[1] / "docs" / "lab.md"
WALKER: Final = "dynamic_depth_walker"
TUNED_ON: Final = ("kalshi_INXD-23APR10", "kalshi_INXD-23AUG31")  # the policy's parameters were chosen on these
HORIZON: Final = Micros(40 * SECOND)
EVERY: Final = Micros(30 * SECOND)
LATENCY: Final = Micros(SECOND // 10)
BLOCK: Final = Micros(10 * HORIZON)
COUNTS: Final = (Count(10 * CONTRACT), Count(100 * CONTRACT))
PERCENT, CENTS = 25_000, Price(300)
SYNTHETIC_SECONDS: Final = 1_800
CAPS: Final = {"2.5 % and 3 cents": (PERCENT, CENTS), "2.5 % alone": (PERCENT, None)}
MAIN: Final = next(iter(CAPS))
CLASSES: Final = (ALL, "thin", "moderate", "liquid")
COLUMNS: Final = (
    "algorithm",
    "parents",
    "cents a contract",
    "95 %",
    "filled",
    "in reach",
    "slippage in reach, %",
    "s to full",
    "walks",
    "calls",
    "of the saving",
)


@dataclass(frozen=True, slots=True)
class Task:
    """One market under one cap. `source` is a file, or the name of a synthetic market."""

    source: str
    cap: str
    every: Micros

    @property
    def name(self) -> str:
        """Return what the market is called in the tables."""
        return Path(self.source).name.removesuffix(".gz").removesuffix(".jsonl")

    @property
    def half(self) -> str:
        """Return which half the market belongs to."""
        return "tuning" if self.name.startswith(TUNED_ON) else "judging"


def measured(task: Task) -> Measured | str:
    """Return what every algorithm made of a market's parents, or why it cannot be played."""
    tape = _tape(task.source)
    if isinstance(tape, str):
        return tape
    return experiment([(task.name, indexed(tape))], design(task.cap, task.every))


def design(cap: str, every: Micros = EVERY) -> Design:
    """Return the protocol under a cap."""
    percent, cents = CAPS[cap]
    config = replace(DEFAULT_EXECUTION, timeout=HORIZON, slippage_ppm=percent, slippage_dollars=cents)
    sampling = Sampling(COUNTS, tuple(Leg), Action.BUY, Aim("offer", 0), every, every, config)
    return Design(tuple(players(config).values()), sampling, tuple(QueueModel), LATENCY, BLOCK)


def merged(parts: Iterable[Measured]) -> Measured:
    """Return what several markets came to together."""
    whole = Measured(left_out=Counter())
    for part in parts:
        whole.outcomes.extend(part.outcomes)
        whole.left_out.update(part.left_out)
        whole.fill_models.update(part.fill_models)
    return whole


def sources(given: Sequence[Path]) -> list[str]:
    """Return the recordings that are named, those of folders too; without any, the synthetic markets."""
    files = [file for one in given for file in (sorted(one.glob("*.jsonl.gz")) if one.is_dir() else [one])]
    return [str(file) for file in files] or list(PROFILES)


def _tape(source: str) -> Tape | str:
    if source in PROFILES:
        return synthesize(PROFILES[source], 1, SYNTHETIC_SECONDS)
    match load(Path(source)):
        case Success(tape):
            return tape
        case Failure(unplayable):
            return unplayable.reason


def page(found: dict[str, dict[str, Row]], refused: dict[str, str], markets: dict[str, list[str]], seconds: int) -> str:
    """Return the page."""
    text = [
        "# The laboratory's judgement",
        "",
        "`make lab DATA=folder` writes this page, and [lab.json](lab.json) beside it, from the recordings that it is given (without",
        "any, from the synthetic markets). Every parent buys at the best offer of its arrival, 10 and 100 contracts of both outcomes,",
        "every 30 seconds for 40 seconds, with 100 ms of latency. Cost is implementation shortfall against the mid at arrival, fees in,",
        "the rest completed at the horizon whatever the cap: cents a contract, lower is better. Intervals are of a block bootstrap over",
        "blocks of ten horizons; `of the saving` is the share of what lies between taking at once and the clairvoyant bound. Two queue",
        "models bracket the truth: `worst` (last in the queue, cancels ahead never help) and `prorata`. `in reach` is the mean fill rate",
        "of parents whose count was offered under the cap at arrival, for which the specification has its targets: thin 96 % filled at",
        "1.2 % of slippage at the most, liquid 97 % at 0.5 %, 25 s to the full fill, at most 20 calls.",
        "",
        f"Judged by one run of {seconds} s on two shared cores. A loss is reported as plainly as a win.",
    ]
    for half, about in (
        ("judging", "## On markets that the policy was not chosen on"),
        ("tuning", "## On markets that it was chosen on"),
    ):
        if half not in found:
            continue
        text += ["", about, "", f"Markets: {', '.join(markets[half])}."]
        for cap, result in found[half].items():
            left = ", ".join(f"{times:,} x {why}" for why, times in sorted(_counts(result).items())) or "none"
            text += ["", f"### Cap: {cap}", "", f"{result['runs']:,} executions; parents left out: {left}."]
            for model in QueueModel:
                text += _model(result, model.value, whole=cap == MAIN)
    if refused:
        text += ["", "## What cannot be played", "", *(f"* {name}: {why}" for name, why in sorted(refused.items()))]
    return "\n".join([*text, ""])


def _model(result: Row, model: str, *, whole: bool) -> Iterator[str]:
    for liquidity in CLASSES if whole else (ALL,):
        pairs = [
            one
            for one in _rows(result, "paired")
            if (one["a"], one["liquidity"], one["queue_model"]) == (WALKER, liquidity, model)
        ]
        lines = [
            one
            for one in _rows(result, "rows")
            if (one["liquidity"], one["file"], one["queue_model"]) == (liquidity, ALL, model)
        ]
        if not pairs:
            continue
        yield from ("", f"**{liquidity}, {model} queue**", "")
        if lines:
            yield f"| {' | '.join(COLUMNS)} |"
            yield f"| --- |{' ---: |' * (len(COLUMNS) - 1)}"
            yield from (_line(line) for line in sorted(lines, key=lambda line: _float(line["shortfall_cents"])))
            yield ""
        yield (
            "The walker less each opponent, cents a contract, parent by parent: "
            + "; ".join(
                f"{pair['b']} {_signed(pair['mean_cents'])} [{_signed(pair['cents_low'])}, {_signed(pair['cents_high'])}]"
                for pair in sorted(pairs, key=lambda pair: -_float(pair["mean_cents"]))
            )
            + f" ({pairs[0]['parents']:,} parents)."
        )


def _line(row: Row) -> str:
    interval = row["shortfall_cents_ci"]
    low, high = interval if isinstance(interval, list) else (None, None)
    slippage = row["slippage_bps_in_reach"]
    cells = (
        str(row["algorithm"]),
        f"{row['parents']:,}",
        _shown(row["shortfall_cents"], 3),
        f"{_shown(low, 3)} to {_shown(high, 3)}",
        _percent(row["fill_rate"]),
        _percent(row["fill_rate_in_reach"]),
        "-" if slippage is None else _shown(_float(slippage) / 100, 2),
        _shown(row["seconds_to_full"], 1),
        _shown(row["walks"], 1),
        _shown(row["calls"], 1),
        _percent(row["captured"]),
    )
    return f"| {' | '.join(cells)} |"


def _rows(result: Row, which: str) -> list[Row]:
    found = result[which]
    assert isinstance(found, list)
    return found


def _counts(result: Row) -> dict[str, int]:
    found = result["left_out"]
    assert isinstance(found, dict)
    return found


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _shown(value: object, digits: int) -> str:
    return "-" if value is None else f"{_float(value):.{digits}f}"


def _signed(value: object) -> str:
    return "-" if value is None else f"{_float(value):+.3f}"


def _percent(value: object) -> str:
    return "-" if value is None else f"{100 * _float(value):.1f} %"


def kept(result: Row) -> Row:
    """Return what is kept beside the page: everything but the pairs that the walker is not in."""
    return {**result, "paired": [pair for pair in _rows(result, "paired") if pair["a"] == WALKER]}


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, write, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.lab", description="Judge every algorithm.")
    parser.add_argument("data", nargs="*", type=Path, help="recordings, or folders of them")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page; the figures go beside it, as .json")
    parser.add_argument("--every", type=int, default=EVERY // SECOND, help="seconds between parents")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(argv)
    since = time.monotonic()
    tasks = [Task(source, cap, Micros(given.every * SECOND)) for source in sources(given.data) for cap in CAPS]
    parts: dict[tuple[str, str], list[Measured]] = {}
    refused: dict[str, str] = {}
    markets: dict[str, list[str]] = {}
    with ProcessPoolExecutor(given.jobs) as pool:
        for task, part in zip(tasks, pool.map(measured, tasks), strict=True):
            if isinstance(part, str):
                refused[task.name] = part
                continue
            print(f"{task.name}, {task.cap}: {len(part.outcomes)} executions", file=sys.stderr, flush=True)
            if not part.outcomes:
                refused[task.name] = "no parent could be sampled"
                continue
            parts.setdefault((task.half, task.cap), []).append(part)
            if task.cap == MAIN:
                markets.setdefault(task.half, []).append(task.name)
    if not parts:
        print(
            "nothing could be played: " + "; ".join(f"{name}: {why}" for name, why in refused.items()), file=sys.stderr
        )
        return 2
    found: dict[str, dict[str, Row]] = {}
    for (half, cap), some in parts.items():
        found.setdefault(half, {})[cap] = report(merged(some))
    given.out.write_text(page(found, refused, markets, round(time.monotonic() - since)), encoding="utf-8")
    figures = {half: {cap: kept(result) for cap, result in by_cap.items()} for half, by_cap in found.items()}
    given.out.with_suffix(".json").write_text(json.dumps(figures, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
