"""What each part of the walker is worth: `make ablation` takes them away one at a time and writes docs/ablation.md."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from depthwalker.shell.cli import main as depthwalker

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parent / "docs" / "ablation.md"
SPACE: Final = HERE / "ablation.toml"
HEAD: Final = """\
# What each part of the walker is worth

`make ablation TUNE="recordings" JUDGE="others"` changes one thing at a time (`tools/ablation.toml`) and runs the laboratory's
protocol ([lab](lab.md)) with a parent every {every} s, worst queue: by how many cents a contract it becomes dearer (+) or cheaper (-)
than the walker as it stands, parent by parent, with the 95 % interval of a block bootstrap. A part is worth having where the
interval without it is above zero; a change whose interval is below zero on both halves would be an improvement.

Tuning: {tuning}. Judging: {judging}.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.ablation")
    parser.add_argument("--tune", nargs="+", default=["moderate"])
    parser.add_argument("--judge", nargs="+", default=["moderate", "thin"])
    parser.add_argument("--every", default="60")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        words = ["sweep", *given.tune, "--judge", *given.judge, "--space", str(SPACE), "--every", given.every]
        words += [
            "--queue-model",
            "worst",
            "--cap",
            "2.5%,0.03",
            "--out",
            str(Path(folder, "s.parquet")),
            "--json",
        ]
        with redirect_stdout(StringIO()) as found:
            code = depthwalker(words)
        if code:
            return code
        report = json.loads(found.getvalue())
    names = (", ".join(Path(one).name.removesuffix(".jsonl.gz") for one in half) for half in (given.tune, given.judge))
    head = HEAD.format(every=given.every, tuning=next(names), judging=next(names))
    given.out.write_text("\n".join([head, *table(report["rows"]), ""]), encoding="utf-8")
    print(given.out)
    return 0


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
