"""HTML and SVG as values: whatever comes from outside is escaped, because only this module makes markup."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

VOID: Final = frozenset({"meta", "link", "br", "col", "input"})


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is markup already."""

    text: str


Child: TypeAlias = Markup | str | int
Value: TypeAlias = str | int | float | None


def tag(name: str, /, *children: Child, **attributes: Value) -> Markup:
    """Return an element. An attribute's underscores are hyphens, a last one is dropped (`class_`), None leaves it out."""
    told = "".join(f' {_name(key)}="{escape(_shown(value))}"' for key, value in attributes.items() if value is not None)
    if name in VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(children).text}</{name}>")


def joined(children: Iterable[Child]) -> Markup:
    """Return children one after the other; texts are escaped."""
    return Markup("".join(child.text if isinstance(child, Markup) else escape(str(child)) for child in children))


def number(value: float) -> str:
    """Return a coordinate: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else number(value)
