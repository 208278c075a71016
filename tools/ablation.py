"""What each part of the walker is worth: `make ablation` takes them away one at a time and writes docs/ablation.md."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, product
from pathlib import Path
from typing import Final

import joblib
from tools import lab
from tools.lab_page import standing
from tools.otherwise import OTHERWISE

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.commands.arguments import whole
from depthwalker.shell.ending import Wrong
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.report import ALL, Row
from depthwalker.shell.lab.session import standing_on
from depthwalker.shell.lab.space import Frame, variants
from depthwalker.shell.lab.sweep import Half, Market, Search, tasks, tried
from depthwalker.shell.lab.sweep_command import JUDGED_SEED, halves, market_of
from depthwalker.shell.lab.sweep_report import sweep_report

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parent / "docs" / "ablation.md"
SPACE: Final = HERE / "ablation.toml"
CAP: Final = "2.5%,0.03"
HEAD: Final = """\
# What each part of the walker is worth

`make ablation TUNE="recordings" JUDGE="others"` changes one thing at a time (`tools/ablation.toml`; in `tools/otherwise.py`
what no constant of the policy takes away, and signals that it does not have) and runs the laboratory's protocol ([lab](lab.md))
with a parent every {every} s, under both queues: by how many cents a contract it becomes dearer (+) or cheaper (-) than the walker as it
stands, parent by parent, with the 95 % interval of a block bootstrap, none of them corrected for how many there are. A part is worth having where the interval without it is above zero; a change whose interval is
below zero would be an improvement. Which parts stay and which changes are left out all the same is said first, with the reason.
Fills and calls are those of the judging markets under the worst queue.
The changes that end in "too" add a signal to the sizes at the touch; each was tried with weights of both signs, here stands one.

Tuning: {tuning}. {tuned}

Judging: {judging}. {judged}
"""
HALVES: Final = ("tuning", "judging")
VALUE: Final = "a value of the distance to the microprice, which has to have one: a cent"
SHARE: Final = "a value of the share that the flow has to be likely to serve, which has to have one: a fifth"
ADDED: Final = "a signal that the walker does not have, and which would have to make it cheaper"
DEARER: Final = "fuller, but dearer beyond noise on the judging half"
REASONS: Final = {
    "never waits for the flow": "dearer beyond noise on the judging half",
    "rests at the best bid instead of a tick above it": "dearer beyond noise in moderate markets",
    "rests in the middle of the spread": "dearer beyond noise where it was tuned",
    "the sizes at the touch count for nothing": "dearer beyond noise on the judging half",
    "never takes near the microprice": "dearer beyond noise where it was tuned",
    "a tick every 2 s instead of 4": "the specification's cadence, no signal; more ticks are more calls",
    "a tick every 8 s": "the specification's cadence, no signal",
    "own orders read every 4 s instead of 20": "an economy of calls, no signal: it need only cost nothing",
    "no saving of calls": "a bound on calls, no signal: the specification's twenty at most; it need only cost nothing",
    "takes the rest 2 s before the end instead of 5": "later and less filled: the specification's time and fill rate are nearer than the cents",
    "takes the rest 10 s before the end": "sooner and fuller, but dearer where it was tuned",
    "takes within half a cent of the microprice instead of one": VALUE,
    "takes within two cents of the microprice": VALUE,
    "waits for a half instead of a fifth": SHARE,
    "waits for a tenth": SHARE,
    "waits though less is offered than was asked for": "less would be filled of what is out of reach, and large parents would be dearer",
    "takes all there is while less than three times what was asked for is offered": DEARER,
    "takes all there is while the best offer is at the last price under the cap": DEARER,
    "keeps the first place of its queue instead of walking up": ADDED,
    "which side traded lately counts, too": ADDED,
    "what was added to the book lately counts, too": ADDED,
    "the depth within five cents counts, too": ADDED,
    "the best three levels count, too": ADDED,
    "never takes before the end": "most would be left unfilled: the specification's fill rates",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.ablation")
    parser.add_argument("--tune", nargs="+", default=["moderate"])
    parser.add_argument("--judge", nargs="+", default=["moderate", "thin"])
    parser.add_argument("--every", type=whole(1, 86_400), default=lab.EVERY // SECOND)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(argv)
    try:
        markets = halves(
            [market_of(name, seed, Half.TUNING) for seed, name in enumerate(given.tune)],
            [market_of(name, seed, Half.JUDGING) for seed, name in enumerate(given.judge, JUDGED_SEED)],
        )
    except Wrong as wrong:
        parser.error(str(wrong))
    rows = ablated(markets, Micros(given.every * SECOND))
    given.out.write_text("\n".join([head(markets, given.every), *stays(rows), *table(rows), ""]), encoding="utf-8")
    print(given.out)
    return 0


def head(markets: Sequence[Market], every: int) -> str:
    """Return what stands above the tables."""
    tuning, judging = ([market for market in markets if market.half is half] for half in Half)
    return HEAD.format(
        every=every,
        tuning=", ".join(map(_name, tuning)),
        tuned=standing(standing_on(market.session for market in tuning)),
        judging=", ".join(map(_name, judging)),
        judged=standing(standing_on(market.session for market in judging)),
    )


def _name(market: Market) -> str:
    return Path(market.source).name.removesuffix(".jsonl.gz")


def ablated(markets: tuple[Market, ...], every: Micros) -> list[Row]:
    """Return what the walker comes to with one thing changed at a time, a row a change, queue model, half and class."""
    protocol = lab.design(every)
    given = variants(SPACE, Frame(lab.HORIZON, CAP), None, 0)
    changes = (
        *given,
        *(replace(given[0], varied=varied, strategy_of=strategy, named=True) for varied, strategy in OTHERWISE),
    )
    search = Search(changes, protocol.sampling, tuple(QueueModel), protocol.latency, protocol.block)
    calls = (joblib.delayed(tried)(search, task) for task in tasks(search, markets))
    rows = sweep_report(list(chain.from_iterable(joblib.Parallel(n_jobs=2)(calls))), search.variants)["rows"]
    assert isinstance(rows, list)
    return rows


def stays(rows: list[Row]) -> Iterator[str]:
    """Yield which parts stay though without them it is no dearer beyond noise, and which cheaper changes are left out, and why."""
    level: dict[str, list[str]] = {}
    cheaper: dict[str, list[str]] = {}
    for half, model in product(HALVES, QueueModel):
        where = f"{half}, {model.value}"
        for row in rows:
            if row["policy"] and (row["half"], row["queue_model"], row["liquidity"]) == (half, model.value, ALL):
                low, high = (row[end] for end in ("low", "high"))
                if isinstance(high, float) and high < 0:
                    cheaper.setdefault(str(row["varied"]), []).append(where)
                elif not isinstance(low, float) or low <= 0:
                    level.setdefault(str(row["varied"]), []).append(where)
    within = {change: where for change, where in level.items() if change not in cheaper}
    yield from _reasons(
        "No dearer beyond noise on the half and under the queue that are named, and what they change stays all the same",
        within,
    )
    yield from _reasons(
        "Cheaper beyond noise on the half and under the queue that are named, and left out all the same", cheaper
    )


def _reasons(what: str, changes: dict[str, list[str]]) -> Iterator[str]:
    yield f"{what} (all classes together; more is said in [policies](guides/policy.md)):{'' if changes else ' none.'}"
    yield ""
    for change, where in changes.items():
        everywhere = len(where) == len(HALVES) * len(QueueModel)
        named = "everywhere" if everywhere else "; ".join(where)
        yield f"* {change} ({named}): {REASONS.get(change, 'no reason is written down.')}"
    yield from [""] if changes else []


def table(rows: list[Row]) -> Iterator[str]:
    """Yield a table a class of liquidity: a line a change."""
    by_key = {(row["liquidity"], row["policy"], row["half"], row["queue_model"]): row for row in rows}
    changes = {row["policy"]: row["varied"] for row in rows if row["policy"]}
    worst = QueueModel.WORST.value
    columns = [(half, model.value) for half, model in product(HALVES, QueueModel)]
    for liquidity in ("all", "thin", "moderate", "liquid"):
        base = {column: by_key.get((liquidity, 0, *column)) for column in columns}
        if any(row is None for row in base.values()):
            continue
        counts = ", ".join(
            f"{row['parents']:,} parents {half}" for (half, model), row in base.items() if row and model == worst
        )
        yield f"## {liquidity}: {counts}"
        yield ""
        yield f"| change | {' | '.join(', '.join(column) for column in columns)} | filled | calls | most |"
        yield f"| --- |{' ---: |' * (len(columns) + 3)}"
        yield f"| as it stands | {' | '.join(map(_cents, base.values()))} | {_rest(base['judging', worst])} |"
        for policy, change in changes.items():
            found = {column: by_key.get((liquidity, policy, *column)) for column in columns}
            yield f"| {change} | {' | '.join(map(_difference, found.values()))} | {_rest(found['judging', worst])} |"
        yield ""


def _cents(row: Row | None) -> str:
    return "-" if row is None else f"{row['cents']:.3f} cents"


def _difference(row: Row | None) -> str:
    if row is None:
        return "-"
    interval = "" if row["low"] is None else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"{row['less']:+.3f}{interval}"


def _rest(row: Row | None) -> str:
    return "- | - | -" if row is None else f"{row['fill_rate']:.1%} | {row['calls']:.1f} | {row['most_calls']}"


if __name__ == "__main__":
    sys.exit(main())
