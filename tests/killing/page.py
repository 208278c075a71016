"""The figures of a siege, as text and in docs/killing.md."""

from collections.abc import Iterator

from tests.killing.siege import KINDS, Figures
from tests.page import DOCS, commit, put

PAGE = DOCS / "killing.md"


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
