"""What charts are made of: scales, ticks, axes, lines of steps. Pure: numbers in, SVG out, no colours but classes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias, TypeVar

from depthwalker.shell.markup import Child, Markup, joined, number, tag

T = TypeVar("T")
Point: TypeAlias = tuple[float, float]

WIDE, NARROW = 920, 360
GAP: Final = 6


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`; the same value twice lies in the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; values outside stay at the edge."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Plot:
    """An area with two scales; `y` grows upwards."""

    width: int
    height: int
    x: Scale
    y: Scale

    def narrow(self) -> bool:
        """Return whether it is drawn for a phone."""
        return self.width < WIDE


def plot(width: int, height: int, xs: tuple[float, float], ys: tuple[float, float]) -> Plot:
    """Return a plot with room for the labels of both axes."""
    return Plot(width, height, Scale(*xs, 56, width - 14), Scale(*ys, height - 26, 12))


def ticks(low: float, high: float, most: int) -> tuple[int, ...]:
    """Return at most `most` round whole numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    step = 1
    while (high - low) / step >= most:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    first = -int(-low // step) if low % step else int(low // step)
    found = range(first * step, int(high // step) * step + 1, step)
    return tuple(value for value in found if low <= value <= high)


def axes(area: Plot, xs: Iterable[tuple[float, str]], ys: Iterable[tuple[float, str]]) -> Markup:
    """Return grid lines with their labels."""
    x, y = area.x, area.y
    across = [
        joined(
            (
                tag("line", class_="grid", x1=x.start, x2=x.end, y1=y(value), y2=y(value)),
                tag("text", label, class_="tick end", x=x.start - GAP, y=y(value) + 4),
            )
        )
        for value, label in ys
    ]
    down = [
        joined(
            (
                tag("line", class_="grid", x1=x(value), x2=x(value), y1=y.start, y2=y.end),
                tag("text", label, class_="tick mid", x=x(value), y=y.start + 17),
            )
        )
        for value, label in xs
    ]
    return joined((*across, *down))


def steps(points: Sequence[Point], class_: str, until: float | None = None) -> Markup:
    """Return a line that keeps each value until the next one, and the last one to the pixel `until`."""
    if not points:
        return Markup("")
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for (_, before), (x, y) in pairwise(points):
        parts.append(f"H{number(x)}" if y == before else f"H{number(x)}V{number(y)}")
    if until is not None:
        parts.append(f"H{number(until)}")
    return tag("path", class_=f"line {class_}", d="".join(parts))


def broken(points: Sequence[tuple[float, float | None]], class_: str, until: float) -> Markup:
    """Return a line of steps with gaps where a value is missing."""
    runs: list[list[Point]] = [[]]
    ends: list[float] = []
    for x, y in points:
        if y is not None:
            runs[-1].append((x, y))
        elif runs[-1]:
            ends.append(x)
            runs.append([])
    closing = [*ends, until]
    return joined(steps(run, class_, end) for run, end in zip(runs, closing, strict=False) if run)


def thinned(items: Iterable[T], place: Callable[[T], float]) -> tuple[T, ...]:
    """Return the last item of each pixel: more cannot be seen, and a long execution stays a small page."""
    kept = {round(place(item)): item for item in items}
    return tuple(kept.values())


def svg(area: Plot, label: str, *children: Child) -> Markup:
    """Return a drawing with a name that is read aloud."""
    return tag(
        "svg",
        *children,
        class_="narrow" if area.narrow() else "wide",
        viewBox=f"0 0 {area.width} {area.height}",
        role="img",
        aria_label=label,
    )


def titled(name: str, title: str, **attributes: str | int | float | None) -> Markup:
    """Return a shape that says what it is when it is pointed at."""
    return tag(name, tag("title", title), **attributes)


def span_label(seconds: int, whole: int) -> str:
    """Return an instant since the start, as a drawing of `whole` seconds labels it."""
    if whole < 180:
        return f"{seconds} s"
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if whole >= 3600 else f"{rest // 60}:{rest % 60:02d}"
