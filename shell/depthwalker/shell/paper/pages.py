"""Queries as the exchange reads them: numbers checked, pages with cursors, and what it cannot read ignored.

A cursor that is garbage begins anew and a filter value that it does not know finds nothing, both silently (recorded).
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from depthwalker.core.units import SECOND
from depthwalker.shell.paper.reply import invalid_query

T = TypeVar("T")
Query: TypeAlias = Mapping[str, str]
MOST, USUAL = 1_000, 100
_ENDLESS: Final = 1 << 62


def page(
    rows: Sequence[T], query: Query, model: str, serial: Callable[[T], int], most: int = MOST, usual: int = USUAL
) -> tuple[Sequence[T], str]:
    """Return one page of rows that descend by serial, and the cursor to the next; raises Refusal."""
    limit = number(query, "limit", model, most) or usual
    before = _serial_of(query.get("cursor", ""))
    left = [row for row in rows if before is None or serial(row) < before]
    more = len(left) > limit
    return left[:limit], (_cursor_of(serial(left[limit - 1])) if more else "")


def number(query: Query, name: str, model: str, most: int) -> int:
    """Return a number from 0 to `most`, 0 where it is not there; raises Refusal."""
    text = query.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise invalid_query(model, name.capitalize(), "lte" if text.isdigit() else "gte")
    return int(text)


def instants(query: Query, name: str = "ts") -> tuple[int, int]:
    """Return the span from min_`name` to max_`name` in microseconds; what is no number is no bound."""
    return _micros(query.get(f"min_{name}", ""), 0), _micros(query.get(f"max_{name}", ""), _ENDLESS)


def names(query: Query, name: str) -> frozenset[str]:
    """Return a list that commas separate."""
    return frozenset(filter(None, query.get(name, "").split(",")))


def fits(query: Query, name: str, value: str) -> bool:
    """Return whether a value passes a filter that may not be there."""
    return query.get(name, "") in {"", value}


def primary(query: Query) -> bool:
    """Return whether a query is about the primary subaccount, the only one that there is."""
    return query.get("subaccount", "") in {"", "0"}


def _micros(text: str, otherwise: int) -> int:
    return min(int(text[:18]) * SECOND, _ENDLESS) if text.isascii() and text.isdigit() else otherwise


def _cursor_of(serial: int) -> str:
    return base64.urlsafe_b64encode(str(serial).encode()).decode()


def _serial_of(cursor: str) -> int | None:
    try:
        return int(base64.urlsafe_b64decode(cursor)) if cursor else None
    except (binascii.Error, ValueError):
        return None
