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
from depthwalker.core.parent import Action
from depthwalker.core.policy import policy_for
from depthwalker.core.units import CONTRACT, SECOND, Count, Micros, Price
from depthwalker.shell.ending import Wrong
from depthwalker.shell.lab.asked import tape_of
from depthwalker.shell.lab.experiment import Design, Measured, experiment, indexed
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampling
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.report import ALL, Row, report
from depthwalker.shell.profiles import PROFILES

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
SOON, LATE, PARTLY = "filled before the rest is taken", "filled as the rest is taken", "not filled to the end"
ENDS: Final = (SOON, LATE, PARTLY)
CENT_MONEY: Final = 10_000  # microdollars
KEPT_DIGITS: Final = 4  # of cents, basis points, seconds and shares
PATTERNS: Final = ("*.jsonl.gz", "*.jsonl", "*.parquet")
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
    "most",
    "of the saving",
)
THIN_FILL, LIQUID_FILL, THIN_SLIPPAGE, LIQUID_SLIPPAGE = 0.96, 0.97, 120.0, 50.0  # the specification's
SECONDS_TO_FULL, CALLS, MOST_CALLS = 25.0, 8.0, 20.0


@dataclass(frozen=True, slots=True)
class Task:
    """One market. `source` is a file, or the name of a synthetic market."""

    source: str
    every: Micros

    @property
    def name(self) -> str:
        """Return what the market is called in the tables."""
        return Path(self.source).name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".parquet")

    @property
    def half(self) -> str:
        """Return which half the market belongs to."""
        return "tuning" if self.name.startswith(TUNED_ON) else "judging"


def measured(task: Task) -> Measured | str:
    """Return what every algorithm made of a market's parents, or why it cannot be played."""
    try:
        tape = tape_of(task.source, 1, SYNTHETIC_SECONDS)
    except Wrong as wrong:
        return str(wrong)
    return experiment([(task.name, indexed(tape))], design(task.every))


def design(every: Micros = EVERY) -> Design:
    """Return the protocol."""
    config = replace(DEFAULT_EXECUTION, timeout=HORIZON, slippage_ppm=PERCENT, slippage_dollars=CENTS)
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


def halves(parts: dict[str, list[Measured]]) -> Iterator[tuple[str, Measured]]:
    """Yield each half with what its markets came to together."""
    for half, some in parts.items():
        yield half, merged(some)


def above_the_bound(measured: Measured) -> list[Row]:
    """Return what the walker paid beyond the clairvoyant bound under the worst queue, by how its parents ended."""
    took_from = policy_for(design().sampling.config).take_before
    found: dict[str, list[float]] = {how: [] for how in ENDS}
    for one in measured.outcomes:
        result, parent = one.result, one.result.sampled.parent
        if (result.algorithm, result.model) != (WALKER, QueueModel.WORST):
            continue
        late = result.last is not None and parent.started + result.last >= parent.wind_down - took_from
        how = PARTLY if not result.full else LATE if late else SOON
        found[how].append((result.twice_shortfall - one.bound) / 2 / CENT_MONEY / (parent.count / CONTRACT))
    whole, parents = sum(map(sum, found.values())), sum(map(len, found.values()))
    return [
        {
            "ended": how,
            "parents": len(excess),
            "cents": sum(excess) / len(excess) if excess else None,
            "share_of_parents": len(excess) / parents if parents else None,
            "share_of_excess": sum(excess) / whole if whole else None,
        }
        for how, excess in found.items()
    ]


def sources(given: Sequence[Path]) -> list[str]:
    """Return the recordings that are named, those of folders too; without any, the synthetic markets.

    What is no path as it stands are several, separated by spaces: so make hands them over.
    """
    named = [path for one in given for path in ([one] if one.exists() else map(Path, str(one).split()))]
    files = [file for one in named for file in (_recordings(one) if one.is_dir() else [one])]
    return [str(file) for file in files] or list(PROFILES)


def _recordings(folder: Path) -> list[Path]:
    return sorted(file for pattern in PATTERNS for file in folder.glob(pattern))


def page(found: dict[str, Row], refused: dict[str, str], markets: dict[str, list[str]], seconds: int) -> str:
    """Return the page."""
    text = [
        "# The laboratory's judgement",
        "",
        "`make lab DATA=folder` writes this page, and [lab.json](lab.json) beside it, from the recordings that it is given (without",
        "any, from the synthetic markets). Every parent buys at the best offer of its arrival, 10 and 100 contracts of both outcomes,",
        "every 30 seconds for 40 seconds, with 100 ms of latency, capped at 2.5 % and at 3 cents above the target (the tighter holds:",
        "2.5 % of a price below a dollar is always below 3 cents, so the specification's percentage alone is the same). Cost is",
        "implementation shortfall against the mid at arrival, fees in, the rest completed at the horizon whatever the cap: cents a",
        "contract, lower is better. Intervals are of a block bootstrap over blocks of ten horizons; `of the saving` is the share of",
        "what lies between taking at once and the clairvoyant bound. Two queue models bracket the truth: `worst` (last in the queue,",
        "cancels ahead never help) and `prorata`. `in reach` is the mean fill rate of parents whose count was offered under the cap at",
        "arrival, for which the specification has its targets; `most` are the calls of the parent that made most.",
        "",
        f"Judged by one run of {seconds} s on two shared cores. A loss is reported as plainly as a win.",
    ]
    for half, about in (
        ("judging", "## On markets that the policy was not chosen on"),
        ("tuning", "## On markets that it was chosen on"),
    ):
        if half not in found:
            continue
        result = found[half]
        left = ", ".join(f"{times:,} x {why}" for why, times in sorted(_counts(result).items())) or "none"
        text += ["", about, "", f"Markets: {', '.join(markets[half])}."]
        text += ["", f"{result['runs']:,} executions; parents left out: {left}."]
        text += ["", *_targets(result), "", *_excess(result)]
        for model in QueueModel:
            text += _model(result, model.value)
    if refused:
        text += ["", "## What cannot be played", "", *(f"* {name}: {why}" for name, why in sorted(refused.items()))]
    return "\n".join([*text, ""])


def _targets(result: Row) -> Iterator[str]:
    """Yield the specification's targets beside what the walker came to under the worst queue."""
    rows = {
        row["liquidity"]: row
        for row in _rows(result, "rows")
        if (row["algorithm"], row["file"], row["queue_model"]) == (WALKER, ALL, QueueModel.WORST.value)
    }
    yield "| the walker, worst queue | target | came to | |"
    yield "| --- | ---: | ---: | --- |"
    for liquidity, fill, slippage in (("thin", THIN_FILL, THIN_SLIPPAGE), ("liquid", LIQUID_FILL, LIQUID_SLIPPAGE)):
        row = rows.get(liquidity)
        if row is not None and row["fill_rate_in_reach"] is not None and row["slippage_bps_in_reach"] is not None:
            filled, slipped = _float(row["fill_rate_in_reach"]), _float(row["slippage_bps_in_reach"])
            yield _target(f"{liquidity}: filled, in reach", f"at least {fill:.0%}", f"{filled:.1%}", met=filled >= fill)
            limit, came = f"at most {slippage / 100:.1f} %", f"{slipped / 100:+.2f} %"
            yield _target(f"{liquidity}: slippage, in reach", limit, came, met=slipped <= slippage)
    for liquidity in CLASSES[1:]:
        row = rows.get(liquidity)
        if row is None:
            continue
        if row["seconds_to_full"] is not None:
            full = _float(row["seconds_to_full"])
            limit = f"at most {SECONDS_TO_FULL:.0f} s"
            yield _target(f"{liquidity}: time to the full fill", limit, f"{full:.1f} s", met=full <= SECONDS_TO_FULL)
        for what, key, most in (("mean", "calls", CALLS), ("most", "calls_most", MOST_CALLS)):
            came_to = _float(row[key])
            yield _target(f"{liquidity}: calls, {what}", f"at most {most:.0f}", f"{came_to:.1f}", met=came_to <= most)


def _target(what: str, limit: str, came_to: str, *, met: bool) -> str:
    return f"| {what} | {limit} | {came_to} | {'met' if met else '**missed**'} |"


def _excess(result: Row) -> Iterator[str]:
    """Yield what stands between the walker and the bound."""
    yield "What stands between the walker and the bound, which knows what comes (all classes, worst queue):"
    yield ""
    yield "| how its parents ended | parents | of all | cents a contract above the bound | of the whole difference |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for row in _rows(result, "above_the_bound"):
        yield (
            f"| {row['ended']} | {row['parents']:,} | {_percent(row['share_of_parents'])} | {_shown(row['cents'], 3)}"
            f" | {_percent(row['share_of_excess'])} |"
        )


def _model(result: Row, model: str) -> Iterator[str]:
    for liquidity in CLASSES:
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
                f"The bound costs {_shown(lines[0]['bound_cents'], 3)} cents a contract, the best single switch in hindsight"
                f" {_shown(lines[0]['switch_cents'], 3)} ({_percent(lines[0]['captured_by_switch'])} of the saving)."
            )
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
        str(row["calls_most"]),
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
    """Return what is kept beside the page: all but the pairs that the walker is not in, in as many digits as mean anything."""
    pairs = [pair for pair in _rows(result, "paired") if pair["a"] == WALKER]
    return {
        **result,
        "rows": [_rounded(row) for row in _rows(result, "rows")],
        "paired": [_rounded(pair) for pair in pairs],
        "above_the_bound": [_rounded(row) for row in _rows(result, "above_the_bound")],
    }


def _rounded(row: Row) -> Row:
    return {key: _digits(value) for key, value in row.items()}


def _digits(value: object) -> object:
    match value:
        case float():
            return round(value, KEPT_DIGITS)
        case list():
            return [_digits(one) for one in value]
        case _:
            return value


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, write, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.lab", description="Judge every algorithm.")
    parser.add_argument("data", nargs="*", type=Path, help="recordings, or folders of them")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page; the figures go beside it, as .json")
    parser.add_argument("--every", type=int, default=EVERY // SECOND, help="seconds between parents")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(argv)
    since = time.monotonic()
    tasks = [Task(source, Micros(given.every * SECOND)) for source in sources(given.data)]
    parts: dict[str, list[Measured]] = {}
    refused: dict[str, str] = {}
    markets: dict[str, list[str]] = {}
    with ProcessPoolExecutor(given.jobs) as pool:
        for task, part in zip(tasks, pool.map(measured, tasks), strict=True):
            if isinstance(part, str):
                refused[task.name] = part
                continue
            print(f"{task.name}: {len(part.outcomes)} executions", file=sys.stderr, flush=True)
            if not part.outcomes:
                refused[task.name] = "no parent could be sampled"
                continue
            parts.setdefault(task.half, []).append(part)
            markets.setdefault(task.half, []).append(task.name)
    if not parts:
        print(
            "nothing could be played: " + "; ".join(f"{name}: {why}" for name, why in refused.items()), file=sys.stderr
        )
        return 2
    found = {half: report(whole) | {"above_the_bound": above_the_bound(whole)} for half, whole in halves(parts)}
    given.out.write_text(page(found, refused, markets, round(time.monotonic() - since)), encoding="utf-8")
    figures = {half: kept(result) for half, result in found.items()}
    given.out.with_suffix(".json").write_text(json.dumps(figures, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
