"""Readings of the exchange's clock, out of its answers: the Date header, and the milliseconds of an order's answer."""

from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

import msgspec

from depthwalker.core.skew import Sighting
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.ports import HttpResponse
from depthwalker.shell.reading import EPOCH, MICROSECOND

MILLISECOND: Final = Micros(1_000)


class _Stamped(msgspec.Struct, frozen=True):
    ts_ms: int | None = None


def sightings(
    answer: HttpResponse, sent: Micros, received: Micros, *, dated: bool, stamped: bool
) -> Iterator[Sighting]:
    """Yield what an answer shows of the exchange's clock; `stamped` where its body may carry ts_ms, `dated` to read Date.

    A cached answer shows the time at which it was made: /markets is up to 15 s old (fact sheet, section 1).
    """
    headers = {name.lower(): value for name, value in answer.headers.items()}
    date = _date(headers.get("date", "")) if dated and headers.get("age", "0") == "0" else None
    if date is not None:
        yield Sighting(date, SECOND, sent, received)
    stamp = _stamp(answer.body) if stamped and 200 <= answer.status < 300 else None
    if stamp is not None:
        yield Sighting(Micros(stamp * MILLISECOND), MILLISECOND, sent, received)


@lru_cache(maxsize=8)
def _date(text: str) -> Micros | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return Micros((found.replace(tzinfo=found.tzinfo or UTC) - EPOCH) // MICROSECOND)


def _stamp(body: bytes) -> int | None:
    try:
        return msgspec.json.decode(body, type=_Stamped).ts_ms
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
