"""The figures of one execution, drawn from its story at any width. Every one of them says in words what it shows."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from depthwalker.core.book import Ladder
from depthwalker.core.ledger import Style
from depthwalker.core.parent import Action
from depthwalker.core.story import Deed, Mark, Moment, Parts, Stand, Story, paced
from depthwalker.core.units import CENT, CENT_MONEY, CONTRACT, MILLION, SECOND, Count, Micros, Money, Price
from depthwalker.shell.chart import (
    WIDE,
    Plot,
    Scale,
    axes,
    broken,
    plot,
    span_label,
    steps,
    svg,
    thinned,
    ticks,
    titled,
)
from depthwalker.shell.figures import counted, short_count, short_price, signed_percent
from depthwalker.shell.markup import Markup, joined, tag

MARGIN: Final = Price(2 * CENT)
WEIGHTS: Final = 5  # shades of a level's depth
DRAWN: Final = 500  # shapes of a kind; a figure with more says so
HEIGHT: Final = {True: 300, False: 380}  # by whether it is narrow
SMALL: Final = {True: 200, False: 190}
COLOURS: Final = 4
POINTED: Final = {
    Deed.PLACE: "placed",
    Deed.TAKE: "taken",
    Deed.WALK: "walked",
    Deed.MOVE: "moved",
    Deed.HOLD: "held",
    Deed.CANCEL: "cancelled",
    Deed.REFUSED: "refused",
}


def ladder(story: Story, width: int) -> Markup:
    """Return prices over time: the book, our orders, walks and fills, the mid, the target and the cap."""
    area = _area(story, width, HEIGHT[width < WIDE], _prices(story))
    return svg(
        area,
        _ladder_words(story),
        _book(story, area),
        axes(area, _seconds(story, area), _price_ticks(area)),
        _level(area, story.parent.ticket.target, "target", "target"),
        broken(
            [
                (_x(area, story, one.at), None if one.twice_mid is None else area.y(one.twice_mid / 2))
                for one in _columns(story, area)
            ],
            "mid-price",
            area.x.end,
        ),
        steps([(_x(area, story, one.at), area.y(one.cap)) for one in _columns(story, area)], "cap", area.x.end),
        *(_stand(story, area, stand) for stand in story.stands[:DRAWN]),
        *_walks(story, area),
        *(_fill(story, area, marks) for marks in _together(story, area)),
        _wound(story, area),
    )


def queue(story: Story, width: int) -> Markup:
    """Return the contracts estimated to stand before each split's order."""
    series = {number: _ahead(story, number) for number in splits(story)}
    most = max((count for points in series.values() for _, count in points if count is not None), default=0)
    area = _area(story, width, SMALL[width < WIDE], (0, max(CONTRACT, most)))
    lines = [
        broken(
            [
                (_x(area, story, at), None if count is None else area.y(count))
                for at, count in thinned(points, lambda point: _x(area, story, point[0]) * 10)
            ],
            f"split s{_colour(number)}",
            area.x.end,
        )
        for number, points in series.items()
    ]
    return svg(area, _queue_words(story, most), axes(area, _seconds(story, area), _count_ticks(area)), *lines)


def signals(story: Story, width: int) -> Markup:
    """Return momentum, pressure and imbalance over time, and a mark at each decision."""
    values = [value for one in story.moments for value in (one.momentum, one.pressure or 0, one.imbalance)]
    most = min(MILLION, max((abs(value) for value in values), default=0))
    most = max(MILLION // 5, most)
    area = _area(story, width, SMALL[width < WIDE] + 30, (-most, most))
    columns = _columns(story, area)
    return svg(
        area,
        _signal_words(story),
        axes(area, _seconds(story, area), [(tick * 10_000, f"{tick} %") for tick in ticks(-most / 1e4, most / 1e4, 5)]),
        steps([(area.x.start, area.y(0))], "zero", area.x.end),
        broken([(_x(area, story, one.at), area.y(one.momentum)) for one in columns], "momentum", area.x.end),
        broken(
            [(_x(area, story, one.at), None if one.pressure is None else area.y(one.pressure)) for one in columns],
            "pressure",
            area.x.end,
        ),
        broken([(_x(area, story, one.at), area.y(one.imbalance)) for one in columns], "imbalance", area.x.end),
        *_deeds(story, area),
    )


def progress(story: Story, width: int) -> Markup:
    """Return what was filled by when, beside an even pace."""
    parent = story.parent
    most = max(parent.count, sum(mark.count for mark in story.marks))
    area = _area(story, width, SMALL[width < WIDE], (0, most))
    filled, total = [(area.x.start, area.y(0))], 0
    for mark in story.marks:
        total += mark.count
        filled.append((_x(area, story, mark.at), area.y(total)))
    x, y = _x(area, story, parent.wind_down), area.y(parent.count)
    pace = f"M{area.x.start} {area.y(0):.1f}L{x:.1f} {y:.1f}H{area.x.end}"
    return svg(
        area,
        _progress_words(story),
        axes(area, _seconds(story, area), _count_ticks(area)),
        tag("path", class_="line pace", d=pace),
        steps(thinned(filled, lambda point: point[0] * 10), "filled", area.x.end),
        _wound(story, area),
    )


def waterfall(story: Story, width: int) -> Markup:
    """Return the cost's parts, each beginning where the one before it ended, and their sum."""
    parts = story.parts
    assert parts is not None
    bars = _bars(parts)
    edges = [edge for _, _, start, end in bars for edge in (start, end)]
    low, high = min(0, *edges), max(0, *edges)
    row, left, label = 34, 84, 58
    before = label if low < 0 else 0  # room for the figures of bars that end below zero
    area = Plot(
        width,
        24 + row * len(bars),
        Scale(low, high, left + before, width - label),
        Scale(0, 1, 12 + row * len(bars), 12),
    )
    count = parent_count(story)
    shown = [
        joined(
            (
                tag("text", name, class_="name end", x=left - 8, y=12 + row * place + 21),
                titled(
                    "rect",
                    f"{name}: {cents_each(end - start, count)} cents a contract",
                    class_=f"bar {kind}",
                    x=min(area.x(start), area.x(end)),
                    y=12 + row * place + 6,
                    width=max(1.0, abs(area.x(end) - area.x(start))),
                    height=row - 12,
                ),
                tag(
                    "text",
                    cents_each(end - start, count),
                    class_="value" if end >= start else "value end",
                    x=area.x(end) + (6 if end >= start else -6),
                    y=12 + row * place + 21,
                ),
            )
        )
        for place, (name, kind, start, end) in enumerate(bars)
    ]
    zero = tag("line", class_="line zero", x1=area.x(0), x2=area.x(0), y1=12, y2=12 + row * len(bars))
    return svg(area, _waterfall_words(story), zero, *shown)


def parent_count(story: Story) -> Count:
    """Return the contracts that a cost is spread over: the parent's, or what was filled if that is more."""
    return Count(max(story.parent.count, sum(mark.count for mark in story.marks)))


def cents_each(twice: int, count: Count) -> str:
    """Return a doubled sum of money as cents a contract, with its sign."""
    return f"{twice * CONTRACT / (2 * count) / CENT_MONEY:+.3f}"


def dollars(twice: int) -> str:
    """Return a doubled sum of money in dollars, with its sign."""
    return f"{twice / 2_000_000:+.4f}"


def exact(twice: int) -> str:
    """Return a doubled sum of money in dollars, exact: half a microdollar takes seven decimals."""
    whole, rest = divmod(abs(twice) * 5, 10_000_000)
    return f"{'-' if twice < 0 else '+'}{whole}.{rest:07d}"


def named(parts: Parts) -> tuple[tuple[str, int], ...]:
    """Return the parts of a cost with their names, doubled."""
    return (
        ("spread", parts.spread),
        ("fees", parts.fees),
        ("drift", parts.drift),
        ("unfilled", parts.unfilled),
    )


def _bars(parts: Parts) -> list[tuple[str, str, int, int]]:
    bars, at = [], 0
    for name, size in named(parts):
        bars.append((name, "worse" if size > 0 else "better", at, at + size))
        at += size
    return [*bars, ("in all", "sum", 0, at)]


# Areas and axes


def _area(story: Story, width: int, height: int, ys: tuple[float, float]) -> Plot:
    return plot(width, height, (0, max(1, _end(story) - story.parent.started)), ys)


def _end(story: Story) -> Micros:
    """Return where the time axis ends: the end, or for one that runs as far as its journal goes."""
    finished = story.projection.execution.completed
    last = max((mark.at for mark in story.marks), default=story.until)
    return Micros(max(finished or story.until, last, story.parent.started + SECOND))


def _x(area: Plot, story: Story, at: Micros) -> float:
    return area.x(at - story.parent.started)


def _seconds(story: Story, area: Plot) -> list[tuple[float, str]]:
    whole = (_end(story) - story.parent.started) / SECOND
    marks = ticks(0, whole, 6 if area.narrow() else 11)
    return [(second * SECOND, span_label(second, int(whole))) for second in marks]


def _price_ticks(area: Plot) -> list[tuple[float, str]]:
    found = ticks(area.y.low / CENT, area.y.high / CENT, 9)
    return [(cent * CENT, f"{cent / 100:.2f}") for cent in found]


def _count_ticks(area: Plot) -> list[tuple[float, str]]:
    found = ticks(area.y.low / CONTRACT, area.y.high / CONTRACT, 5)
    return [(count * CONTRACT, f"{count:,}") for count in found]


def _columns(story: Story, area: Plot) -> tuple[Moment, ...]:
    return thinned(story.moments, lambda one: _x(area, story, one.at))


def _prices(story: Story) -> tuple[int, int]:
    parent = story.parent
    seen = [parent.ticket.target, story.projection.execution.cap]
    seen += [one.cap for one in story.moments]
    seen += [stand.price for stand in story.stands]
    seen += [mark.price for mark in story.marks]
    seen += [ladder[0][0] for one in story.moments for ladder in (one.beside, one.facing) if ladder]
    return max(0, min(seen) - MARGIN), min(10_000, max(seen) + MARGIN)


# The book


def _book(story: Story, area: Plot) -> Markup:
    columns = _columns(story, area)
    shades = _shades([count for one in columns for side in (one.beside, one.facing) for _, count in side])
    ends = [*(_x(area, story, one.at) for one in columns), area.x.end][1:]
    thick = max(2.0, min(9.0, _cent(area)))
    sides = ("ours", "theirs")
    return joined(
        _levels(area, side, f"depth {name}", _x(area, story, one.at), end, thick, shades)
        for one, end in zip(columns, ends, strict=True)
        for name, side in zip(sides, (one.beside, one.facing), strict=True)
    )


def _cent(area: Plot) -> float:
    low = area.y.low
    return abs(area.y(low + CENT) - area.y(low)) - 1


def _shades(counts: Sequence[Count]) -> list[Count]:
    """Return the counts from which a level is drawn a shade darker."""
    ranked = sorted(counts)
    return [ranked[len(ranked) * place // WEIGHTS] for place in range(1, WEIGHTS)] if ranked else []


def _levels(
    area: Plot, side: Ladder, class_: str, start: float, end: float, thick: float, shades: Sequence[Count]
) -> Markup:
    """Return a ladder as one path for each shade, so that a level costs a few characters."""
    by_shade: dict[int, list[str]] = {}
    for price, count in side:
        if area.y.low <= price <= area.y.high:
            shade = sum(count >= edge for edge in shades) + 1
            by_shade.setdefault(shade, []).append(f"M{start:.0f} {area.y(price):.0f}h{max(1.0, end - start):.0f}")
    return joined(
        tag("path", class_=f"{class_} d{shade}", stroke_width=thick, d="".join(parts))
        for shade, parts in sorted(by_shade.items())
    )


# What we did


def _stand(story: Story, area: Plot, stand: Stand) -> Markup:
    start, end = _x(area, story, stand.start), _x(area, story, stand.end or _end(story))
    return titled(
        "line",
        f"split {stand.key.split}: {short_count(stand.count)} at {short_price(stand.price)} ({stand.reason})",
        class_=f"stand s{_colour(stand.key.split)}" + (" take" if stand.style is Style.TAKE else ""),
        x1=start,
        x2=max(end, start + 3),
        y1=area.y(stand.price),
        y2=area.y(stand.price),
    )


def _walks(story: Story, area: Plot) -> Iterator[Markup]:
    for one in [each for each in story.decisions if each.deed is Deed.WALK or each.before is not None][:DRAWN]:
        if one.before is None or one.price is None or one.price == one.before:
            continue
        x, old, new = _x(area, story, one.at), area.y(one.before), area.y(one.price)
        tip = 4 if new > old else -4
        yield titled(
            "path",
            f"split {one.split}: {one.deed.value} {short_price(one.before)} to {short_price(one.price)}, {one.reason}",
            class_=f"walk s{_colour(one.split)}",
            d=f"M{x:.1f} {old:.1f}V{new:.1f}m-3 {-tip}l3 {tip}l3 {-tip}",
        )


def _together(story: Story, area: Plot) -> list[list[Mark]]:
    """Return the fills, those that would cover one another as one."""
    groups: dict[tuple[int, Price, bool], list[Mark]] = {}
    for mark in story.marks:
        groups.setdefault((round(_x(area, story, mark.at) / 3), mark.price, mark.taker), []).append(mark)
    return sorted(groups.values(), key=_size, reverse=True)[:DRAWN]


def _size(marks: Iterable[Mark]) -> int:
    return sum(mark.count for mark in marks)


def _fill(story: Story, area: Plot, marks: list[Mark]) -> Markup:
    first, count = marks[0], Count(_size(marks))
    share = count / max(1, story.parent.count)
    kind = "taken" if first.taker else "rested"
    return titled(
        "circle",
        f"{short_count(count)} filled at {short_price(first.price)}, {'taking' if first.taker else 'resting'}",
        class_=f"fill {kind}",
        cx=_x(area, story, first.at),
        cy=area.y(first.price),
        r=3.5 + 9 * share**0.5,
    )


def _level(area: Plot, price: Price, class_: str, name: str) -> Markup:
    return joined(
        (
            tag("line", class_=f"line {class_}", x1=area.x.start, x2=area.x.end, y1=area.y(price), y2=area.y(price)),
            tag("text", name, class_="tick end", x=area.x.end - 2, y=area.y(price) - 4),
        )
    )


def _wound(story: Story, area: Plot) -> Markup:
    """Return where winding down began."""
    at = next((one.at for one in story.decisions if one.deed is Deed.WIND_DOWN), None)
    if at is None:
        return Markup("")
    x = _x(area, story, at)
    return titled("line", "winding down begins", class_="line wound", x1=x, x2=x, y1=area.y.start, y2=area.y.end)


def _deeds(story: Story, area: Plot) -> Iterator[Markup]:
    shown = [one for one in story.decisions if one.deed in POINTED]
    for one in thinned(shown, lambda each: _x(area, story, each.at) * 4 + each.split)[:DRAWN]:
        x, y = _x(area, story, one.at), area.y.start - 2
        yield titled(
            "path",
            f"{one.deed.value}, split {one.split}: {one.reason}",
            class_=f"deed {POINTED[one.deed]}",
            d=f"M{x:.1f} {y:.0f}l-4 -8h8z",
        )


def splits(story: Story) -> tuple[int, ...]:
    """Return the splits that were ever placed, as many as the figures tell apart."""
    return tuple(dict.fromkeys(stand.key.split for stand in story.stands))[: 2 * COLOURS]


def _colour(split: int) -> int:
    return (split - 1) % COLOURS + 1


def _ahead(story: Story, split: int) -> list[tuple[Micros, Count | None]]:
    """Return the queue before a split's order: as it joined, and as every view saw it; None where it has none."""
    points: list[tuple[Micros, Count | None]] = []
    moments = sorted(story.moments, key=_at)  # an execution of a day has tens of thousands, and as many stays
    for stand in story.stands:
        if stand.key.split == split and stand.style is Style.REST:
            end = stand.end or _end(story)
            points += [(stand.start, stand.ahead), (end, None)]
            inside = moments[bisect_right(moments, stand.start, key=_at) : bisect_left(moments, end, key=_at)]
            points += [(one.at, count) for one in inside for number, count in one.ahead if number == split]
    return _ordered(points)


def _at(one: Moment) -> Micros:
    return one.at


def _ordered(points: list[tuple[Micros, Count | None]]) -> list[tuple[Micros, Count | None]]:
    """Return points in order of time; where one stay ends as the next begins, only the beginning counts."""
    ranked = sorted(points, key=lambda point: (point[0], point[1] is not None))
    return [one for one, following in pairwise([*ranked, None]) if one and not _replaced(one, following)]


def _replaced(one: tuple[Micros, Count | None], following: tuple[Micros, Count | None] | None) -> bool:
    return one[1] is None and following is not None and following[0] == one[0]


# In words


def _ladder_words(story: Story) -> str:
    row, ticket = story.projection.execution, story.parent.ticket
    side = "bids" if ticket.action is Action.BUY else "offers"
    walks = sum(len(split.walks) for split in story.projection.splits)
    return (
        f"Prices over time: our orders stood among the {side} at {counted(len(story.stands), 'price')} in turn, walked "
        f"{counted(walks, 'time')} and filled {short_count(row.filled)} of {short_count(row.count)} contracts in "
        f"{counted(len(story.marks), 'fill')}; "
        f"target {short_price(ticket.target)}, cap {short_price(row.cap)}."
    )


def _queue_words(story: Story, most: int) -> str:
    return (
        f"Contracts estimated to stand before our order of each of {len(splits(story))} splits: "
        f"at most {short_count(Count(most))}."
    )


def _signal_words(story: Story) -> str:
    row = story.projection
    last = row.metrics.momentum if row.metrics is not None else 0
    return (
        f"Momentum, pressure and imbalance at {len(story.moments)} views, and {len(story.decisions)} decisions; "
        f"the last walk was judged by {signed_percent(last)}."
    )


def _progress_words(story: Story) -> str:
    row, parent = story.projection.execution, story.parent
    even = paced(parent, parent.count, story.until)
    return f"Filled over time: {short_count(row.filled)} contracts at the end, an even pace would have {short_count(even)}."


def _waterfall_words(story: Story) -> str:
    parts = story.parts
    assert parts is not None
    count = parent_count(story)
    told = ", ".join(f"{name} {cents_each(size, count)}" for name, size in named(parts))
    return f"Cost in cents a contract: {told}; in all {cents_each(parts.twice_total(), count)}."


def money(amount: Money) -> str:
    """Return dollars with four decimals."""
    return f"{amount / MILLION:,.4f}"
