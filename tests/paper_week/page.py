"""The figures of a week, as text and in docs/paper-week.md."""

from collections.abc import Iterator

from tests.page import DOCS, commit, put
from tests.paper_week.week import Figures, Row, cents

PAGE = DOCS / "paper-week.md"


def shown(figures: Figures) -> Iterator[str]:
    """Yield the page's lines about a week."""
    yield (
        f"{figures.parents + figures.after:,} parents, {figures.orders:,} orders and {figures.fills:,} fills in 7 x 24 hours and the "
        f"days after ({figures.after} of the parents), lived in {figures.seconds / 60:.0f} minutes (seed {figures.seed}). Nothing rested after any hour; no row breaks an invariant "
        f"(`broken_invariants` is empty); every decision replays from its journal as it was made; every fill in the journals "
        f"is the exchange's, and {figures.unheard} of the exchange's are in no journal"
        + (": made in the instant of a kill, and unheard." if figures.unheard else ".")
    )
    yield ""
    yield from (f"* killed {one};" for one in figures.kills)
    yield f"* {figures.inherited} fills were told by a cumulative figure alone when a process died;"
    yield f"* the pause of the exchange: {figures.paused};"
    yield f"* {figures.skipped} parents were skipped because nothing was offered, {figures.unarmed} had no arm."
    yield ""
    yield "| markets | parents: walker, control | filled | walker, cents a contract | control | walker less control |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    yield from map(_line, figures.rows)
    yield ""
    yield "| day | what | parents: walker, control | walker less control, cents a contract | guard | advice at its end |"
    yield "| --- | --- | ---: | ---: | --- | --- |"
    yield from figures.days
    yield ""
    yield "The rollout's journal:"
    yield ""
    yield from (f"* {move}" for move in figures.moves)


def keep(figures: Figures) -> None:
    """Write the figures of a week into the page, instead of those of the one before."""
    put(PAGE, "week", (f"At commit {commit()}:", "", *shown(figures)))


def _line(row: Row) -> str:
    filled = ", ".join(f"{row.filled[arm] * 100:.0f} %" if arm in row.filled else "-" for arm in ("walker", "control"))
    costs = " | ".join(cents(row.cost[arm]) if arm in row.cost else "-" for arm in ("walker", "control"))
    gap = "-" if row.gap is None else cents(row.gap)
    return f"| {row.group} | {row.parents['walker']}, {row.parents['control']} | {filled} | {costs} | {gap} |"
