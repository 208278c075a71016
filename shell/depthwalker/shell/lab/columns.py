"""A tape as columns: what rested where after each event, who took what, all whole numbers, in the order of the events.

A snapshot in mid-tape becomes the changes that it amounts to, so that what a parent took away stays away. `at` begins at
`ORIGIN`, because instant 0 means never in the core.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from depthwalker.core.book import Ladder, Leg
from depthwalker.core.grid import PriceGrid
from depthwalker.core.tape import Arrive, Flow, Replace, Take, Tape, Withdraw
from depthwalker.core.units import DOLLAR, SECOND, Micros

Ints: TypeAlias = npt.NDArray[np.int64]
ORIGIN: Final = Micros(1_000_000_000 * SECOND)


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
    """Return the tape as columns."""
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


def _changes(flow: Flow, levels: dict[Leg, dict[int, int]]) -> tuple[tuple[Leg, int, int], ...]:
    match flow:
        case Arrive(leg, price, count):
            return ((leg, price, count),)
        case Withdraw(leg, price, count):
            gone = min(count, levels[leg].get(price, 0))
            return ((leg, price, -gone),) if gone > 0 else ()
        case Take(leg, limit, count):
            return tuple(_hits(leg.other(), DOLLAR - limit, count, levels[leg.other()]))
        case Replace(yes, no):
            return _replaced({Leg.YES: _counts(yes), Leg.NO: _counts(no)}, levels)
        case _ as never:
            assert_never(never)


def _replaced(after: dict[Leg, dict[int, int]], before: dict[Leg, dict[int, int]]) -> tuple[tuple[Leg, int, int], ...]:
    """Return the changes that lead from a book to another, whatever leaves first."""
    changes = [
        (leg, price, after[leg].get(price, 0) - before[leg].get(price, 0))
        for leg in Leg
        for price in sorted({*after[leg], *before[leg]})
    ]
    return tuple(sorted((change for change in changes if change[2]), key=_grows))


def _grows(change: tuple[Leg, int, int]) -> bool:
    return change[2] > 0


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
