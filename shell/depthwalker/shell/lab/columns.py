"""A tape as columns: what rested where after each event, who took what, all whole numbers, in the order of the events.

A snapshot in mid-tape is flattened to the changes that it amounts to, so that what a parent took away stays away. `at` begins at
`ORIGIN`, because instant 0 means never in the core.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from depthwalker.core.book import Book, Ladder, Leg
from depthwalker.core.grid import PriceGrid
from depthwalker.core.tape import Arrive, Event, Flow, Replace, Take, Tape, Withdraw, books
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros
from depthwalker.shell.lab.market import ORIGIN

Ints: TypeAlias = npt.NDArray[np.int64]
SILENCE: Final = Micros(300 * SECOND)  # the longest after which a snapshot says what changed just now


@dataclass(frozen=True, slots=True)
class Side:
    """The bids of one leg: `prices` ascend, `opening` rests there first; then a row a change, `count` what it leaves."""

    prices: Ints
    opening: Ints
    event: Ints
    level: Ints
    change: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class Takes:
    """A row a taker: `leg` 0 acquires YES and 1 NO; `floor` is the lowest bid of the other leg that it accepts."""

    event: Ints
    leg: Ints
    count: Ints
    floor: Ints


@dataclass(frozen=True, slots=True)
class Columns:
    """One market: `at` of each event, both sides, and the takers."""

    ticker: str
    grid: PriceGrid
    span: Micros
    at: Ints
    yes: Side
    no: Side
    takes: Takes

    def side(self, leg: Leg) -> Side:
        """Return the bids of a leg."""
        return self.yes if leg is Leg.YES else self.no


_Row: TypeAlias = tuple[int, int, int, int]  # event, price, change, count after it


def columns_of(tape: Tape) -> Columns:
    """Return a flattened tape as columns."""
    levels: dict[Leg, dict[int, int]] = {leg: _counts(tape.opening.bids(leg)) for leg in Leg}
    rows: dict[Leg, list[_Row]] = {leg: [] for leg in Leg}
    takes: list[_Row] = []
    for number, event in enumerate(tape.events):
        for leg, price, change in _changes(event.flow, levels):
            count = levels[leg].pop(price, 0) + change
            if count:
                levels[leg][price] = count
            rows[leg].append((number, price, change, count))
        if isinstance(event.flow, Take) and event.flow.count > 0:
            taken = event.flow
            takes.append((number, int(taken.leg is Leg.NO), taken.count, DOLLAR - taken.limit))
    return Columns(
        ticker=tape.ticker,
        grid=tape.grid,
        span=tape.span,
        at=np.array([event.at + ORIGIN for event in tape.events], dtype=np.int64),
        yes=_side(tape.opening.yes, rows[Leg.YES]),
        no=_side(tape.opening.no, rows[Leg.NO]),
        takes=Takes(*_table(takes)),
    )


def flattened(tape: Tape) -> Tape:
    """Return the tape with each snapshot as the withdrawals and then the arrivals that it amounts to."""
    if not any(isinstance(event.flow, Replace) for event in tape.events):
        return tape
    events: list[Event] = []
    for event, before in zip(tape.events, books(tape), strict=False):
        flow = event.flow
        events.extend(Event(event.at, one) for one in (_apart(before, flow) if isinstance(flow, Replace) else (flow,)))
    return replace(tape, events=tuple(events))


def silences(tape: Tape) -> tuple[tuple[Micros, Micros], ...]:
    """Return when nobody recorded: for minutes nothing happened, and then a snapshot shows another book, or an empty one says so."""
    return (*_unnoticed(tape), *_told(tape))


def _unnoticed(tape: Tape) -> Iterator[tuple[Micros, Micros]]:
    sinces = [Micros(0), *(event.at for event in tape.events)]
    if all(later - since <= SILENCE for since, later in pairwise(sinces)):
        return
    for since, event, before in zip(sinces, tape.events, books(tape), strict=False):
        flow = event.flow
        if isinstance(flow, Replace) and event.at - since > SILENCE and _apart(before, flow):
            yield Micros(ORIGIN + since), Micros(ORIGIN + event.at)


def _told(tape: Tape) -> Iterator[tuple[Micros, Micros]]:
    """Yield when the book was not known by the recorder's own word: from an empty snapshot on, until something rests again.

    At the instant of that snapshot the book is empty already, so that the stretch begins before it.
    """
    since: Micros | None = None
    for event in tape.events:
        if isinstance(event.flow, Replace) and not (event.flow.yes or event.flow.no):
            since = event.at if since is None else since
        elif since is not None and isinstance(event.flow, Replace | Arrive):
            yield Micros(ORIGIN + since - 1), Micros(ORIGIN + event.at)
            since = None
    if since is not None:
        yield Micros(ORIGIN + since - 1), Micros(ORIGIN + tape.span)


def _apart(before: Book, wanted: Replace) -> list[Flow]:
    gone: list[Flow] = []
    come: list[Flow] = []
    for leg, old, new in ((Leg.YES, dict(before.yes), dict(wanted.yes)), (Leg.NO, dict(before.no), dict(wanted.no))):
        for price in sorted({*old, *new}):
            change = new.get(price, 0) - old.get(price, 0)
            if change < 0:
                gone.append(Withdraw(leg, price, Count(-change)))
            elif change > 0:
                come.append(Arrive(leg, price, Count(change)))
    return [*gone, *come]


def _changes(flow: Flow, levels: dict[Leg, dict[int, int]]) -> tuple[tuple[Leg, int, int], ...]:
    match flow:
        case Arrive(leg, price, count):
            return ((leg, price, count),)
        case Withdraw(leg, price, count):
            gone = min(count, levels[leg].get(price, 0))
            return ((leg, price, -gone),) if gone > 0 else ()
        case Take(leg, limit, count):
            return tuple(_hits(leg.other(), DOLLAR - limit, count, levels[leg.other()]))
        case Replace():
            raise TypeError("a tape is flattened before it becomes columns")
        case _ as never:
            assert_never(never)


def _counts(ladder: Ladder) -> dict[int, int]:
    return {int(price): int(count) for price, count in ladder}


def _hits(leg: Leg, floor: int, count: int, levels: dict[int, int]) -> Iterator[tuple[Leg, int, int]]:
    left = count
    for price in sorted((price for price in levels if price >= floor), reverse=True):
        if left <= 0:
            return
        hit = min(left, levels[price])
        left -= hit
        yield leg, price, -hit


def _side(opening: Ladder, rows: list[_Row]) -> Side:
    event, price, change, count = _table(rows)
    opened = _counts(opening)
    prices = np.array(sorted({*opened, *price.tolist()}), dtype=np.int64)
    return Side(
        prices=prices,
        opening=np.array([opened.get(one, 0) for one in prices.tolist()], dtype=np.int64),
        event=event,
        level=np.searchsorted(prices, price).astype(np.int64),
        change=change,
        count=count,
    )


def _table(rows: list[_Row]) -> tuple[Ints, Ints, Ints, Ints]:
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    event, first, second, third = (np.ascontiguousarray(column) for column in table.T)
    return event, first, second, third
