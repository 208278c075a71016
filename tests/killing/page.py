"""The figures of a siege, as text and in docs/killing.md."""

from collections.abc import Iterator
from pathlib import Path

from tests.killing.siege import KINDS, Figures
from tests.simulation.tally import commit

PAGE = Path(__file__).parents[2] / "docs" / "killing.md"
BEGIN, END = "<!-- siege: begin -->\n", "<!-- siege: end -->"


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
    before, _, rest = PAGE.read_text().partition(BEGIN)
    text = "\n".join((f"At commit {commit()}:", "", *shown(figures)))
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n\n{END}{rest.partition(END)[2]}")
