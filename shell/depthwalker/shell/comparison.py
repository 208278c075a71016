"""Algorithms beside each other, from a backtest or from a period: figures of means with their intervals, and tables."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from depthwalker.shell.chart import WIDE, Plot, Scale, axes, svg, titled
from depthwalker.shell.figures import counted
from depthwalker.shell.markup import Child, Markup, joined, tag
from depthwalker.shell.page import drawn, figure, section, swatch, table, text

ROW: Final = 30
COMPARED: Final = 24  # rows of a figure; the table has all
CAUTION: Final = "An interval that holds zero shows no difference."


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its 95 % interval, None where too little is known to claim one."""

    mean: float
    low: float | None
    high: float | None

    def shown(self, decimals: int = 3) -> str:
        """Return it in words."""
        if self.low is None or self.high is None:
            return f"{self.mean:+.{decimals}f}"
        return f"{self.mean:+.{decimals}f} ({self.low:+.{decimals}f} to {self.high:+.{decimals}f})"


@dataclass(frozen=True, slots=True)
class Entrant:
    """What an algorithm cost in one group of parents: cents a contract, and the rest in words as they are shown."""

    group: str
    name: str
    parents: int
    cost: Mean | None
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much `a` cost more than `b` on the same parents, cents a contract; below zero `a` was better."""

    group: str
    a: str
    b: str
    parents: int
    cents: Mean


def costs(entrants: Iterable[Entrant], headings: Sequence[str]) -> Iterator[Child]:
    """Return a section a group: what each algorithm cost, cheapest first."""
    for group, members in groupby(entrants, key=_group_of):
        listed = sorted(members, key=_cost_of)
        known = [(each.name, each.cost, counted(each.parents, "parent")) for each in listed if each.cost is not None]
        figures: list[Child] = []
        if known:
            figures.append(
                _dots(known, "Cost in cents a contract, fees and the unfilled rest in; to the left is better.")
            )
        yield section(
            f"Cost: {group}",
            *figures,
            table(
                f"{group}: every algorithm; means over parents, 95 % intervals",
                (text("algorithm"), figure("parents"), figure("cost ¢"), *(figure(each) for each in headings)),
                (
                    (
                        text(each.name),
                        figure(str(each.parents)),
                        figure("" if each.cost is None else each.cost.shown()),
                        *(figure(cell) for cell in each.cells),
                    )
                    for each in listed
                ),
            ),
        )


def differences(pairs: Iterable[Difference]) -> Iterator[Child]:
    """Return a section a group: differences on the same parents."""
    for group, members in groupby(pairs, key=_group_of):
        listed = list(members)
        first = listed[0].a
        known = [(each.b, each.cents, counted(each.parents, "parent")) for each in listed if each.a == first]
        yield section(
            f"Differences: {group}",
            _dots(
                known,
                f"Cost of {first} less that of each other one on the same parents, cents a contract; left of zero {first} is "
                f"better. {CAUTION}",
            ),
            table(
                f"{group}: paired differences, cents a contract",
                (text("first"), text("second"), figure("parents"), figure("difference ¢"), text("so")),
                (
                    (
                        text(each.a),
                        text(each.b),
                        figure(str(each.parents)),
                        figure(each.cents.shown(), _judged(each.cents)),
                        text(_verdict(each)),
                    )
                    for each in listed
                ),
            ),
        )


def _dots(rows: Sequence[tuple[str, Mean, str]], caption: str) -> Markup:
    more = f" The first {COMPARED} of {len(rows)}." if len(rows) > COMPARED else ""
    return drawn(
        lambda width: _dot_plot(rows[:COMPARED], width, caption),
        caption + more,
        (
            ("mean", swatch(tag("circle", class_="dot", cx=13, cy=6, r=4))),
            ("95 % interval", swatch(tag("line", class_="whisker", x1=1, x2=25, y1=6, y2=6))),
        ),
    )


def _dot_plot(rows: Sequence[tuple[str, Mean, str]], width: int, caption: str) -> Markup:
    edges = [edge for _, mean, _ in rows for edge in (mean.mean, mean.low, mean.high) if edge is not None]
    low, high = min(0.0, *edges), max(0.0, *edges)
    if low == high:
        high = 1.0
    narrow = width < WIDE
    tall = ROW + (14 if narrow else 0)  # a phone has the names above the lines
    left = 14 if narrow else 300
    area = Plot(
        width, tall * len(rows) + 40, Scale(low, high, left + 8, width - 66), Scale(0, 1, tall * len(rows) + 14, 8)
    )
    shown = [_dot(row, area, 12 + tall * place, narrow=narrow) for place, row in enumerate(rows)]
    zero = tag("line", class_="line zero", x1=area.x(0), x2=area.x(0), y1=area.y.start, y2=area.y.end)
    words = "; ".join(f"{name} {mean.shown(2)}" for name, mean, _ in rows[:6])
    return svg(area, f"{caption} {words}.", axes(area, _marks(low, high, narrow=narrow), ()), zero, *shown)


def _dot(row: tuple[str, Mean, str], area: Plot, top: int, *, narrow: bool) -> Markup:
    name, mean, note = row
    y = top + (26 if narrow else 12)
    parts: list[Child] = [
        tag(
            "text",
            name,
            class_="name" if narrow else "name end",
            x=4 if narrow else 296,
            y=top + (10 if narrow else 16),
        )
    ]
    if mean.low is not None and mean.high is not None:
        parts.append(tag("line", class_="whisker", x1=area.x(mean.low), x2=area.x(mean.high), y1=y, y2=y))
    parts.append(
        titled("circle", f"{name}: {mean.shown()} cents, {note}", class_="dot", cx=area.x(mean.mean), cy=y, r=5)
    )
    end = area.x(mean.high if mean.high is not None else mean.mean)
    parts.append(tag("text", f"{mean.mean:+.2f}", x=end + 10, y=y + 4))
    return joined(parts)


def _marks(low: float, high: float, *, narrow: bool) -> list[tuple[float, str]]:
    """Return round values: the steps are 1, 2 or 5 times a power of ten, below one too."""
    most, step = (5 if narrow else 9), 1e-3
    for factor in (2.0, 2.5, 2.0) * 8:
        if (high - low) / step < most:
            break
        step *= factor
    first, last = -int(-low // step), int(high // step)
    decimals = max(0, min(3, -int(f"{step:e}".partition("e")[2])))
    return [(place * step, f"{place * step:.{decimals}f}") for place in range(first, last + 1)]


def _judged(mean: Mean) -> str:
    if mean.low is None or mean.high is None or mean.low <= 0 <= mean.high:
        return ""
    return "bad" if mean.mean > 0 else "good"


def _verdict(each: Difference) -> str:
    match _judged(each.cents):
        case "good":
            return f"{each.a} is cheaper"
        case "bad":
            return f"{each.b} is cheaper"
        case _:
            return "no difference shown" if each.cents.low is not None else "too few blocks to say"


def _group_of(each: Entrant | Difference) -> str:
    return each.group


def _cost_of(each: Entrant) -> tuple[bool, float]:
    return each.cost is None, 0 if each.cost is None else each.cost.mean
