"""The live view: every execution in a panel of its own, as many details as the terminal has room for.

Colours only repeat what words and signs say: `*` marks our own contracts in the book.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import zip_longest
from types import TracebackType
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.figures import percent, seconds, short_count, short_price
from depthwalker.shell.frame import Child, Frame, Rung, Rungs
from depthwalker.shell.happening import Happening
from depthwalker.shell.lane import Lane
from depthwalker.shell.voice import plain

PACE_S: Final = 0.2
NARROWEST: Final = 40
SLIM: Final = 10  # what a price and a count need
ROOMY: Final = 11  # inner lines from which headings and reasons are shown
STYLES: Final = {"walked": "yellow", "filled": "green", "refused": "red", "failed": "red", "finished": "bold"}
STALE: Final = Micros(5 * SECOND)


class Screen:
    """Shows lanes on a console until it is left: `with Screen(...)`, then `await screen.run()` beside the work."""

    def __init__(
        self, console: Console, heading: Callable[[], str], lanes: Sequence[Lane], now: Callable[[], Micros]
    ) -> None:
        self._console = console
        self._heading = heading
        self._lanes = lanes
        self._now = now
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    async def run(self) -> None:
        """Draw several times a second, until cancelled."""
        while True:
            width, height = self._console.size
            self._live.update(picture(self._heading(), self._lanes, self._now(), width, height), refresh=True)
            await asyncio.sleep(PACE_S)


def picture(heading: str, lanes: Sequence[Lane], now: Micros, width: int, height: int) -> Layout:
    """Return all lanes at `now`, laid out to fill a terminal of this size."""
    if not lanes:
        whole = Layout(name="whole")
        whole.split_column(Layout(_heading(heading), size=1), Layout(Text("waiting for the first parent")))
        return whole
    columns = fitting_columns(len(lanes), width)
    rows = len(lanes) // columns
    whole = Layout(name="whole")
    whole.split_column(Layout(_heading(heading), size=1), Layout(name="grid"))
    grid = [Layout() for _ in range(rows)]
    heights, widths = shares(height - 1, rows), shares(width, columns)
    for row, line in enumerate(grid):
        line.size = heights[row]
        cells = [Layout(size=widths[column]) for column in range(columns)]
        for column, cell in enumerate(cells):
            # Two rows show an algorithm each, two columns likewise: the lanes come market by market.
            lane = lanes[column * rows + row] if rows == 2 else lanes[row * columns + column]
            cell.update(panel(lane, now, widths[column], heights[row]))
        line.split_row(*cells)
    whole["grid"].split_column(*grid)
    return whole


def _heading(text: str) -> Text:
    return Text(plain(text), style="bold", no_wrap=True, overflow="ellipsis")


def fitting_columns(lanes: int, width: int) -> int:
    """Return how many panels stand side by side: all rows full, none narrower than it must be, three at most."""
    most = max(1, min(3, width // NARROWEST))
    return max(columns for columns in range(1, most + 1) if lanes % columns == 0)


def shares(whole: int, parts: int) -> list[int]:
    """Return a length in parts as equal as they can be."""
    return [whole // parts + (part < whole % parts) for part in range(parts)]


def panel(lane: Lane, now: Micros, width: int, height: int) -> RenderableType:
    """Return one lane as a panel of exactly this size."""
    shown = lane.frame(now)
    room, breadth = height - 2, width - 4
    lines = [Text("waiting for the first look at the market")] if shown is None else details(shown, room, breadth)
    left = room - len(lines)
    events = list(lane.events)[-left:] if left > 0 else []
    lines.extend(_event(event, lane.started(), roomy=room >= ROOMY) for event in events)
    for line in lines:
        line.no_wrap = True
        line.truncate(breadth, overflow="ellipsis")
    corner = lane.ended() or (f"{shown.stage}, {seconds(shown.left)} s left" if shown is not None else "")
    return Panel(
        Text("\n").join(lines[:room]),
        title=Text(plain(lane.name), style="bold"),
        subtitle=corner,
        subtitle_align="right",
        title_align="left",
        width=width,
        height=height,
        border_style="green" if lane.ended() == "completed" else "none",
    )


def details(shown: Frame, room: int, breadth: int) -> list[Text]:
    """Return progress, book and child orders; at least one line is left for what happened."""
    lines = [progress(shown, breadth)]
    roomy = room >= ROOMY
    if roomy:
        lines.append(_terms(shown))
    children = shown.children[: max(0, room - 3)] if not roomy else shown.children[: room - 9]
    rungs = max(1, min(5, room - len(lines) - len(children) - (5 if roomy else 1)))
    lines.extend(ladder(shown.bids, shown.offers, rungs, breadth, headed=roomy))
    lines.extend(child(one, roomy=roomy) for one in children)
    return lines


def progress(shown: Frame, breadth: int) -> Text:
    """Return how much is filled, as a bar and in figures."""
    figures = f" {short_count(shown.filled)}/{short_count(shown.count)} {percent(shown.filled, shown.count)}"
    figures += f" at {short_price(shown.average)}" if shown.average is not None else ""
    length = max(4, min(30, breadth - len(figures)))
    full = length * min(shown.filled, shown.count) // shown.count if shown.count else 0
    return Text.assemble(("#" * full, "green"), ("-" * (length - full), "dim"), figures)


def ladder(bids: Rungs, offers: Rungs, rungs: int, breadth: int, *, headed: bool) -> list[Text]:
    """Return the best prices of both sides, a line a rung, blank where a side has fewer; ours take the last lines."""
    left = [rung(one) for one in visible(bids, rungs)] or [Text("no bid")]
    right = [rung(one) for one in visible(offers, rungs)] or [Text("no offer")]
    if headed:
        left, right = [Text("bids", style="dim"), *left], [Text("offers", style="dim"), *right]
    half = max((breadth - 3) // 2, min(breadth - 3 - SLIM, max(len(text) for text in left)))
    return [_beside(*pair, half) for pair in zip_longest(left, right, fillvalue=Text())]


def visible(side: Rungs, rungs: int) -> Rungs:
    """Return as many rungs as there is room for: the best, but our own rather than a better one of others."""
    own = [index for index, one in enumerate(side) if one.own][:rungs]
    others = [index for index, one in enumerate(side) if not one.own][: rungs - len(own)]
    return tuple(side[index] for index in sorted((*own, *others)))


def rung(one: Rung) -> Text:
    """Return a price with what others and, after a `*`, we have there."""
    others = short_count(one.others) if one.others else ""
    own = (f" *{short_count(one.own)}", "bold cyan") if one.own else ("", "")
    return Text.assemble(f"{short_price(one.price)} ", f"{others:>5}", own)


def child(one: Child, *, roomy: bool) -> Text:
    """Return a split: where its order stands, what it filled, how often it walked, and why it waits."""
    walks = f" {one.walks}w" if one.walks else ""
    note = f" ({one.note})" if one.note and roomy else ""
    filled = f"{short_count(one.filled)}/{short_count(one.count)}"
    return Text.assemble((f"s{one.split}", "bold"), f" {short_price(one.price)} {filled} {one.phase}{walks}{note}")


def _terms(shown: Frame) -> Text:
    terms = f"{shown.action.value} {shown.outcome.value} {short_price(shown.target)} cap {short_price(shown.cap)}"
    stale = ", stale book" if shown.book_age is None or shown.book_age > STALE else ""
    return Text(f"{terms}, walks {shown.walks}, calls {shown.calls}{stale}", style="dim")


def _beside(left: Text, right: Text, half: int) -> Text:
    padded = left.copy()
    padded.truncate(half, overflow="ellipsis", pad=True)
    return Text.assemble(padded, " | ", right)


def _event(event: Happening, started: Micros, *, roomy: bool) -> Text:
    stamp = f"{seconds(Micros(event.at - started)):>5} " if roomy and started else ""
    text = plain(event.text).replace("split ", "s")  # as the panels number them
    return Text.assemble((stamp, "dim"), (f"{event.kind} ", STYLES.get(event.kind, "")), text)
