"""A market's figures, measured on its tapes: spread, sizes, rates, the takers' memory, and how soon an order at rest fills.

Recorded and drawn tapes are measured by the same code, as the calibration was: shares of the time, not of the events; what
takers do on one side within 100 ms is one taker's order; an order of ten contracts joins last at the best bid, or a tick behind
it, every ten seconds, cancels shrink the queue before it in proportion, and it is filled as the laboratory fills
(`depthwalker.shell.lab.indexed`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, pstdev
from typing import Final

from depthwalker.core.book import Book, Leg, within
from depthwalker.core.config import DEFAULT_EXECUTION
from depthwalker.core.depth import BAND
from depthwalker.core.ledger import OrderKey, Style
from depthwalker.core.parent import Action
from depthwalker.core.tape import Arrive, Take, Tape, Withdraw, books
from depthwalker.core.units import CENT, CONTRACT, DOLLAR, SECOND, Count, Micros
from depthwalker.shell.lab.experiment import indexed
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampled, Sampling, sample

HOUR: Final = 3_600 * SECOND
MINUTE: Final = 60 * SECOND
ONE_ORDER: Final = SECOND // 10
EVERY: Final = Micros(10 * SECOND)
HORIZONS: Final = (10, 20, 40)  # seconds
BEST, BEHIND = Aim("bid", 0), Aim("bid", -1)
TEN: Final = Count(10 * CONTRACT)


@dataclass(slots=True)
class _Weighed:
    """Values with the time for which they held."""

    held: dict[int, int] = field(default_factory=dict)

    def add(self, value: int, span: int) -> None:
        self.held[value] = self.held.get(value, 0) + span

    def median(self) -> int:
        half, past = sum(self.held.values()) / 2, 0
        for value in sorted(self.held):
            past += self.held[value]
            if past >= half:
                break
        else:
            value = 0
        return value


@dataclass(slots=True)
class _Seen:
    """What the tapes of one market showed so far."""

    span: int = 0
    changes: int = 0
    spreads: _Weighed = field(default_factory=_Weighed)
    best: _Weighed = field(default_factory=_Weighed)
    weaker: _Weighed = field(default_factory=_Weighed)
    stronger: _Weighed = field(default_factory=_Weighed)
    adds: list[int] = field(default_factory=list)
    removes: list[int] = field(default_factory=list)
    orders: list[int] = field(default_factory=list)
    signs: list[list[int]] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)  # of twice the mid, in a minute
    filled: dict[tuple[Aim, int], list[bool]] = field(default_factory=dict)


def figures(tapes: Iterable[Tape]) -> dict[str, float]:
    """Return what is found on the tapes together, by the figure's name; sizes in contracts, prices in cents."""
    seen = _Seen()
    for tape in tapes:
        _watch(tape, seen)
    found = {
        "spread, median": seen.spreads.median() / CENT,
        **{f"spread of {cents} or less": _share(seen.spreads, cents * CENT) for cents in (1, 2, 4, 10)},
        "at the best price, median": seen.best.median() / CONTRACT,
        "within 5 cents, weaker side, median": seen.weaker.median() / CONTRACT,
        "within 5 cents, stronger side, median": seen.stronger.median() / CONTRACT,
        "book changes an hour": seen.changes * HOUR / seen.span,
        "takers' orders an hour": len(seen.orders) * HOUR / seen.span,
        "contracts taken an hour": sum(seen.orders) / CONTRACT * HOUR / seen.span,
        "takers' sides, autocorrelation": _autocorrelation(seen.signs),
        "mid's change in a minute, deviation": pstdev(seen.moves) / 2 / CENT if seen.moves else 0.0,
    }
    for name, sizes in (("added", seen.adds), ("cancelled", seen.removes), ("a taker's order", seen.orders)):
        found |= {f"{name}, p{part}": _quantile(sizes, part) / CONTRACT for part in (25, 50, 90)}
    for where, aim in (("at the best", BEST), ("a tick behind", BEHIND)):
        for seconds in HORIZONS:
            filled = seen.filled.get((aim, seconds), [])
            found[f"filled {where} within {seconds} s"] = mean(filled) if filled else 0.0
    return found


def _watch(tape: Tape, seen: _Seen) -> None:
    times = [Micros(0), *(event.at for event in tape.events), tape.span]
    mids: dict[int, int] = {}
    for (start, end), book in zip(pairwise(times), books(tape), strict=True):
        if book.yes and book.no:
            _weigh(book, end - start, seen)
            for minute in range(-(-start // MINUTE), -(-end // MINUTE)):
                mids[minute] = book.yes[0][0] + DOLLAR - book.no[0][0]
    seen.moves += [mids[minute + 1] - mid for minute, mid in mids.items() if minute + 1 in mids]
    seen.span += tape.span
    seen.changes += len(tape.events)
    for event in tape.events:
        match event.flow:
            case Arrive(count=count):
                seen.adds.append(count)
            case Withdraw(count=count):
                seen.removes.append(count)
            case _:
                pass
    orders = list(_orders(tape))
    seen.orders += [count for _, count in orders]
    seen.signs.append([sign for sign, _ in orders])
    index = indexed(tape)
    for aim in (BEST, BEHIND):
        wanted = Sampling((TEN,), tuple(Leg), Action.BUY, aim, EVERY, EVERY, DEFAULT_EXECUTION)
        for drawn in sample(index, wanted):
            if isinstance(drawn, Sampled):
                exchange = Indexed(index, drawn.parent, QueueModel.PRORATA)
                for seconds, filled in zip(HORIZONS, _waited(exchange, drawn), strict=True):
                    seen.filled.setdefault((aim, seconds), []).append(filled)


def _weigh(book: Book, span: int, seen: _Seen) -> None:
    seen.spreads.add(DOLLAR - book.yes[0][0] - book.no[0][0], span)
    weaker, stronger = sorted((within(book.yes, BAND), within(book.no, BAND)))
    seen.weaker.add(weaker, span)
    seen.stronger.add(stronger, span)
    for bids in (book.yes, book.no):
        seen.best.add(bids[0][1], span)


def _orders(tape: Tape) -> Iterator[tuple[int, int]]:
    """Yield takers' orders as (side, count)."""
    last, sign, count = -ONE_ORDER, 0, 0
    for event in tape.events:
        if isinstance(event.flow, Take):
            side = 1 if event.flow.leg is Leg.YES else -1
            if side != sign or event.at - last > ONE_ORDER:
                if count:
                    yield sign, count
                sign, count = side, 0
            last, count = event.at, count + event.flow.count
    if count:
        yield sign, count


def _waited(exchange: Indexed, sampled: Sampled) -> Iterator[bool]:
    """Yield whether an order at rest at the parent's target has any fill, horizon by horizon."""
    parent = sampled.parent
    exchange.place(OrderKey(0, 0), parent.target, parent.count, Style.REST, parent.started)
    for seconds in HORIZONS:
        exchange.advance(Micros(parent.started + seconds * SECOND))
        yield bool(exchange.account.fills)


def _share(weighed: _Weighed, most: int) -> float:
    return sum(span for value, span in weighed.held.items() if value <= most) / max(1, sum(weighed.held.values()))


def _autocorrelation(series: Sequence[Sequence[int]]) -> float:
    """Return how much each sign is like the one before it, over all the series."""
    both = [pair for signs in series for pair in pairwise(signs)]
    average = mean(sign for signs in series for sign in signs) if both else 0.0
    variance = 1 - average * average
    return mean((one - average) * (other - average) for one, other in both) / variance if both and variance else 0.0


def _quantile(values: Sequence[int], part: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * part // 100)] if ordered else 0.0
