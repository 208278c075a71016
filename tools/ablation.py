"""What each part of the walker is worth: `make ablation` takes them away one at a time and writes docs/ablation.md."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import joblib
from tools import lab

from depthwalker.core.algorithms.placing import at
from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import WALKER
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import State
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Desire
from depthwalker.core.units import SECOND, Micros
from depthwalker.core.view import View
from depthwalker.shell.ending import Wrong
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.report import Row
from depthwalker.shell.lab.space import Frame, variants
from depthwalker.shell.lab.sweep import Half, Search, tasks, tried
from depthwalker.shell.lab.sweep_command import JUDGED_SEED, halves, market_of
from depthwalker.shell.lab.sweep_report import sweep_report

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parent / "docs" / "ablation.md"
SPACE: Final = HERE / "ablation.toml"
CAP: Final = "2.5%,0.03"
HEAD: Final = """\
# What each part of the walker is worth

`make ablation TUNE="recordings" JUDGE="others"` changes one thing at a time (`tools/ablation.toml`; in `tools/ablation.py` what
no constant of the policy takes away) and runs the laboratory's protocol ([lab](lab.md)) with a parent every {every} s, worst queue:
by how many cents a contract it becomes dearer (+) or cheaper (-) than the walker as it stands, parent by parent, with the 95 %
interval of a block bootstrap. A part is worth having where the interval without it is above zero; a change whose interval is
below zero on both halves would be an improvement.

Tuning: {tuning}. Judging: {judging}.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.ablation")
    parser.add_argument("--tune", nargs="+", default=["moderate"])
    parser.add_argument("--judge", nargs="+", default=["moderate", "thin"])
    parser.add_argument("--every", type=int, default=60)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(argv)
    try:
        rows = ablated(given.tune, given.judge, Micros(given.every * SECOND))
    except Wrong as wrong:
        parser.error(str(wrong))
    names = (", ".join(Path(one).name.removesuffix(".jsonl.gz") for one in half) for half in (given.tune, given.judge))
    head = HEAD.format(every=given.every, tuning=next(names), judging=next(names))
    given.out.write_text("\n".join([head, *table(rows), ""]), encoding="utf-8")
    print(given.out)
    return 0


def ablated(tuning: Sequence[str], judging: Sequence[str], every: Micros) -> list[Row]:
    """Return what the walker comes to with one thing changed at a time, a row a change, half and class. Raises Wrong."""
    protocol = lab.design(every)
    given = variants(SPACE, Frame(lab.HORIZON, CAP), None, 0)
    changes = (*given, *(replace(given[0], varied=varied, strategy_of=strategy) for varied, strategy in OTHERWISE))
    search = Search(changes, protocol.sampling, (QueueModel.WORST,), protocol.latency, protocol.block)
    markets = halves(
        [market_of(name, seed, Half.TUNING) for seed, name in enumerate(tuning)],
        [market_of(name, seed, Half.JUDGING) for seed, name in enumerate(judging, JUDGED_SEED)],
    )
    calls = (joblib.delayed(tried)(search, task) for task in tasks(search, markets))
    rows = sweep_report(list(chain.from_iterable(joblib.Parallel(n_jobs=2)(calls))), search.variants)["rows"]
    assert isinstance(rows, list)
    return rows


def never_down(_: Algorithm) -> Strategy:
    """Return the walker that stays where it is when the market comes to it."""
    return replace(WALKER, desire=_stays_above)


def _stays_above(state: State, view: View, policy: Policy) -> Desire:
    wanted = WALKER.desire(state, view, policy)
    parts = {part.number: part for part in state.splits}
    return replace(
        wanted,
        quotes=tuple(
            at(parts[quote.split], parts[quote.split].price, view, "it stays above")
            if quote.price < parts[quote.split].price
            else quote
            for quote in wanted.quotes
        ),
    )


OTHERWISE: Final = (("never follows the market down", never_down),)  # what no constant of the policy takes away


def table(rows: list[dict[str, object]]) -> Iterator[str]:
    """Yield a table a class of liquidity: a line a change."""
    by_key = {(row["liquidity"], row["policy"], row["half"]): row for row in rows}
    changes = {row["policy"]: row["varied"] for row in rows if row["policy"]}
    for liquidity in ("all", "thin", "moderate", "liquid"):
        base = {half: by_key.get((liquidity, 0, half)) for half in ("tuning", "judging")}
        if any(row is None for row in base.values()):
            continue
        counts = ", ".join(f"{row['parents']:,} parents {half}" for half, row in base.items() if row is not None)
        yield f"## {liquidity}: {counts}"
        yield ""
        yield "| change | tuning | judging | filled | calls | most |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: |"
        yield f"| as it stands | {_cents(base['tuning'])} | {_cents(base['judging'])} | {_rest(base['judging'])} |"
        for policy, change in changes.items():
            tuned, judged = (by_key.get((liquidity, policy, half)) for half in ("tuning", "judging"))
            yield f"| {change} | {_difference(tuned)} | {_difference(judged)} | {_rest(judged)} |"
        yield ""


def _cents(row: dict[str, object] | None) -> str:
    return "-" if row is None else f"{row['cents']:.3f} cents"


def _difference(row: dict[str, object] | None) -> str:
    if row is None:
        return "-"
    interval = "" if row["low"] is None else f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"{row['less']:+.3f}{interval}"


def _rest(row: dict[str, object] | None) -> str:
    return "- | - | -" if row is None else f"{row['fill_rate']:.1%} | {row['calls']:.1f} | {row['most_calls']}"


if __name__ == "__main__":
    sys.exit(main())
