"""One self-contained HTML page: no script, no font and no image from elsewhere, light and dark, wide and narrow."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from depthwalker.shell.chart import NARROW, WIDE
from depthwalker.shell.markup import Child, Markup, tag

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
ICON: Final = "data:,"
STYLE: Final = """
:root { color-scheme: light dark;
  --ground: #ffffff; --sheet: #f6f7f9; --ink: #1b1f24; --soft: #57606a; --rule: #d5dae0; --grid: #e6e9ed;
  --ours: #2f7fd0; --theirs: #c9821b; --s1: #0b5cad; --s2: #b3420d; --s3: #0f7a55; --s4: #8a3a94;
  --cap: #c0202c; --good: #157a3c; --bad: #b3261e; --mid: #57606a; --fill: #157a3c; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0f1318; --sheet: #171c23; --ink: #e6eaef; --soft: #9aa5b1; --rule: #303841; --grid: #232a32;
  --ours: #4b93dd; --theirs: #d79a3d; --s1: #7ab8f5; --s2: #f29a6b; --s3: #5fd0a3; --s4: #d79be0;
  --cap: #ff6b70; --good: #56d364; --bad: #ff7b72; --mid: #9aa5b1; --fill: #56d364; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 960px; margin: 0 auto; padding: 20px 16px 48px }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 36px 0 8px }
p { margin: 6px 0; max-width: 46em } .soft { color: var(--soft) }
a { color: var(--s1) }
dl.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: 10px; margin: 18px 0 }
dl.cards div { background: var(--sheet); border: 1px solid var(--rule); border-radius: 8px; padding: 8px 12px }
dt { color: var(--soft); font-size: .8rem } dd { margin: 0; font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere }
dd small { display: block; font-size: .78rem; font-weight: 400; color: var(--soft) }
figure { margin: 10px 0; background: var(--sheet); border: 1px solid var(--rule); border-radius: 8px; padding: 10px }
figcaption { color: var(--soft); font-size: .85rem; margin-top: 6px }
svg { display: block; width: 100%; height: auto } svg.narrow { display: none }
.key { display: flex; flex-wrap: wrap; gap: 4px 14px; list-style: none; padding: 0; margin: 8px 0 0; font-size: .82rem }
.key svg, .key svg.wide { display: inline-block; width: 26px; height: 12px; vertical-align: -1px; margin-right: 5px }
.table { overflow-x: auto; border: 1px solid var(--rule); border-radius: 8px; max-height: 480px; overflow-y: auto }
table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums }
caption { text-align: left; padding: 8px 10px; color: var(--soft) }
th, td { padding: 5px 10px; text-align: left; border-top: 1px solid var(--rule); vertical-align: top }
thead th { border-top: 0; position: sticky; top: 0; background: var(--sheet); white-space: nowrap }
.n { text-align: right; white-space: nowrap } .good { color: var(--good) } .bad { color: var(--bad) }
text { font: 12px system-ui, sans-serif; fill: var(--ink) } text.tick { fill: var(--soft) }
text.end { text-anchor: end } text.mid { text-anchor: middle } text.name { font-weight: 600 }
.grid { stroke: var(--grid); stroke-width: 1 } .line { fill: none; stroke-width: 1.5; stroke: var(--soft) }
.line.cap { stroke: var(--cap); stroke-width: 2 } .line.target { stroke: var(--soft); stroke-dasharray: 2 4 }
.line.mid-price { stroke: var(--mid); stroke-dasharray: 6 3 } .line.zero { stroke: var(--soft); stroke-width: 1 }
.line.wound { stroke: var(--soft); stroke-dasharray: 1 3 } .line.pace { stroke: var(--soft); stroke-dasharray: 6 4 }
.line.filled { stroke: var(--fill); stroke-width: 2.5 }
.line.momentum { stroke: var(--s4) } .line.pressure { stroke: var(--s2) } .line.imbalance { stroke: var(--s3) }
.depth { fill: none } .ours { stroke: var(--ours) } .theirs { stroke: var(--theirs) }
.d1 { stroke-opacity: .10 } .d2 { stroke-opacity: .18 } .d3 { stroke-opacity: .28 } .d4 { stroke-opacity: .40 }
.d5 { stroke-opacity: .55 }
.stand { stroke-width: 4; stroke-linecap: round } .stand.take { stroke-dasharray: 1 5 }
.walk, .line.split { fill: none; stroke-width: 2 }
.s1 { stroke: var(--s1) } .s2 { stroke: var(--s2) } .s3 { stroke: var(--s3) } .s4 { stroke: var(--s4) }
.line.s1 { stroke: var(--s1) } .line.s2 { stroke: var(--s2) } .line.s3 { stroke: var(--s3) } .line.s4 { stroke: var(--s4) }
.fill { stroke: var(--fill); stroke-width: 2; fill: var(--fill); fill-opacity: .35 } .fill.taken { fill: none }
.deed { fill: var(--soft) } .deed.walked { fill: var(--s4) } .deed.taken { fill: var(--fill) }
.deed.refused { fill: var(--bad) } .deed.placed { fill: var(--s1) }
.bar { fill: var(--soft) } .bar.worse { fill: var(--bad) } .bar.better { fill: var(--good) }
.dot { fill: var(--s1) } .dot.b { fill: var(--s2) } .whisker { stroke: var(--s1); stroke-width: 2 }
@media (max-width: 640px) { svg.wide { display: none } svg.narrow { display: block } main { padding: 14px 10px 40px }
  figure { padding: 6px } th, td { padding: 5px 7px } }
@media (max-width: 640px) { .key svg.wide { display: inline-block } }
@media print { .table { max-height: none } }
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A figure at the top of a page."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's cell; numbers are set to the right, and `href` makes it a link."""

    text: str
    numeric: bool = False
    class_: str = ""
    href: str = ""


def page(title: str, lead: Iterable[Child], sections: Iterable[Child]) -> str:
    """Return a report as a whole document."""
    return document(title, (tag("h1", title), *lead, *sections))


def document(title: str, body: Iterable[Child], *, style: str = "", policy: str = POLICY) -> str:
    """Return a whole document; without a `policy` of its own it has the one that it is served with."""
    own = [tag("meta", http_equiv="Content-Security-Policy", content=policy)] if policy else []
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        *own,
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href=ICON),
        tag("title", title),
        tag("style", Markup(STYLE + style)),
    )
    whole = tag("html", tag("head", *head), tag("body", tag("main", *body)), lang="en")
    return f"<!doctype html>\n{whole.text}\n"


def section(title: str, *children: Child) -> Markup:
    """Return a part of the page under a heading."""
    return tag("section", tag("h2", title), *children, aria_label=title)


def cards(shown: Iterable[Card]) -> Markup:
    """Return the figures at the top."""
    return tag(
        "dl",
        *(tag("div", tag("dt", card.name), tag("dd", card.value, *_noted(card.note))) for card in shown),
        class_="cards",
    )


def drawn(draw: Callable[[int], Markup], caption: str, key: Sequence[tuple[str, Markup]] = ()) -> Markup:
    """Return a figure in both widths, of which the page shows the one that fits."""
    shown = [tag("li", swatch, name) for name, swatch in key]
    listed = [tag("ul", *shown, class_="key", aria_label="what the signs mean")] if shown else []
    return tag("figure", draw(WIDE), draw(NARROW), *listed, tag("figcaption", caption))


def swatch(*shapes: Markup) -> Markup:
    """Return a sign of a key."""
    return tag("svg", *shapes, class_="wide", viewBox="0 0 26 12", aria_hidden="true")


def table(caption: str, headings: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> Markup:
    """Return a table that scrolls inside the page."""
    head = tag("thead", tag("tr", *(tag("th", one.text, class_=_class(one), scope="col") for one in headings)))
    body = tag("tbody", *(tag("tr", *(tag("td", _linked(one), class_=_class(one)) for one in row)) for row in rows))
    whole = tag("table", tag("caption", caption), head, body)
    return tag("div", whole, class_="table", role="region", aria_label=caption, tabindex=0)


def text(*words: str) -> Cell:
    """Return a cell of words."""
    return Cell(" ".join(words))


def figure(shown: str, class_: str = "") -> Cell:
    """Return a cell of a number."""
    return Cell(shown, numeric=True, class_=class_)


def _linked(cell: Cell) -> Child:
    return tag("a", cell.text, href=cell.href) if cell.href else cell.text


def _class(cell: Cell) -> str | None:
    return f"{'n ' if cell.numeric else ''}{cell.class_}".strip() or None


def _noted(note: str) -> tuple[Markup, ...]:
    return (tag("small", note),) if note else ()
