"""The figures of a siege, as text and in docs/killing.md."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.killing.siege import KINDS, Figures
from tests.simulation.tally import commit

PAGE = Path(__file__).parents[2] / "docs" / "killing.md"


def shown(figures: Figures) -> Iterator[str]:
    """Yield the lines of a siege's table."""
    yield "| killed | times | of them between an order's intent and its answer |"
    yield "| --- | ---: | ---: |"
    for kind in KINDS:
        yield f"| {kind} | {figures.kills[kind]:,} | {figures.between[kind]:,} |"
    yield f"| all | {figures.kills.total():,} | {figures.between.total():,} |"
    yield ""
    yield (
        f"{figures.parents:,} parents, {figures.orders:,} orders and {figures.fills:,} fills in {figures.seconds:,} s (seed"
        f" {figures.seed}): nothing bought twice or past its cap, nothing forgotten on the exchange, every fill in the journals."
    )


def keep(figures: Figures) -> None:
    """Write the figures of a siege into the page, instead of those of the one before."""
    put(PAGE, "siege", (f"At commit {commit()}:", "", *shown(figures)))


def put(page: Path, name: str, lines: Iterable[str]) -> None:
    """Write lines between a page's marks of a name, instead of what is there."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, _, rest = page.read_text().partition(begin)
    text = "\n".join(lines)
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}")
