"""What the differential test asks of every engine: single orders on drawn tapes, each alone on its tape. Plain Python and numpy.

An order is sent between two events and meets the book at once. One that rests stands behind all that is shown at its price and
stays to the end of the tape; one that takes has what is offered at its price or better, and no more.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

from bench.peers.tape import BIDS, OFFERS, Drawn, draw, read, write

Fills: TypeAlias = list[tuple[int, int, int]]  # (microseconds, cents, contracts), one an event and price
EVENTS: Final = 1_200


@dataclass(frozen=True, slots=True)
class Order:
    """Buys YES at a price in cents; `at_us` lies between two events."""

    at_us: int
    cents: int
    count: int
    takes: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """In what simulators differ: when cancels shorten the queue before an order, and what an offer that comes to it fills."""

    queue: str  # "shown": never longer than what is shown; "emptied": gone once nothing is; "kept": by trades alone
    offers: str  # that come to its price. "added": what is added fills it; "again": all of the level does at its every change; "never"


def cases(folder: Path, seeds: range, each: int) -> dict[int, list[Order]]:
    """Draw the tapes and orders, and keep both for the engines."""
    found = {}
    for seed in seeds:
        tape = draw(EVENTS, seed)
        (folder / str(seed)).mkdir()
        write(tape, folder / str(seed))
        found[seed] = _orders(tape, random.Random(seed), each)
    kept = {seed: [asdict(order) for order in orders] for seed, orders in found.items()}
    (folder / "cases.json").write_text(json.dumps(kept), encoding="utf-8")
    return found


def kept(folder: Path) -> Iterator[tuple[int, Drawn, list[Order]]]:
    """Yield the tapes and orders that were kept."""
    for seed, orders in json.loads((folder / "cases.json").read_text(encoding="utf-8")).items():
        yield int(seed), read(folder / seed), [Order(**order) for order in orders]


def _orders(tape: Drawn, chance: random.Random, each: int) -> list[Order]:
    times = sorted({int(at) for at in tape.changes[:, 1]})
    found = []
    for _ in range(each):
        place = chance.randrange(len(times) // 10, len(times) // 2)
        while times[place + 1] - times[place] < 3:
            place += 1
        at_us = times[place] + 1
        levels = book(tape, at_us)
        bid, offer = max(levels[BIDS]), min(levels[OFFERS])
        takes = chance.random() < 0.25
        cents = offer + chance.randrange(3) if takes else chance.choice((bid, bid, bid - 1, max(bid, offer - 1)))
        found.append(Order(at_us, cents, chance.choice((10, 60, 300, 1_000)), takes))
    return found


def book(tape: Drawn, at_us: int) -> tuple[dict[int, int], dict[int, int]]:
    """Return what rests at an instant, bids and offers by their price in cents."""
    levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for side, cents, count in tape.opening.tolist():
        levels[side][cents] = count
    for _, at, side, cents, _, left in tape.changes.tolist():
        if at > at_us:
            break
        _set(levels[side], cents, left)
    return levels


def expected(tape: Drawn, order: Order, rules: Rules) -> Fills:
    """Return what an order fills by the rules, event after event."""
    levels = book(tape, order.at_us)
    if order.takes:
        return list(_taken(levels[OFFERS], order))
    fills: Fills = []
    ahead, left = levels[BIDS].get(order.cents, 0), order.count
    takers = {event: (side, limit, count) for event, _, side, limit, count in tape.takes.tolist()}
    events: dict[int, list[list[int]]] = defaultdict(list)
    for row in tape.changes.tolist():
        if row[1] > order.at_us:
            events[row[0]].append(row)
    for event, rows in events.items():
        filled = 0
        side, limit, count = takers.get(event, (OFFERS, 0, 0))
        hit = side == BIDS and limit <= order.cents
        if hit and rules.queue != "emptied":  # a taker's order is one, whatever levels it goes through
            reached = count - sum(-change for _, _, _, cents, change, _ in rows if cents > order.cents)
            filled, ahead = min(left, max(0, reached - ahead)), max(0, ahead - reached)
        for _, _, at_side, cents, change, rest in rows:
            if hit and rules.queue == "emptied" and cents <= order.cents:  # ... or as many as it goes through
                filled, ahead = min(left, filled + max(0, -change - ahead)), max(0, ahead + change)
            _set(levels[at_side], cents, rest)
            if at_side == OFFERS and cents <= order.cents:
                filled += min(left - filled, {"added": max(0, change), "again": rest, "never": 0}[rules.offers])
            if rules.queue == "emptied" and not levels[BIDS].get(order.cents):
                ahead = 0
        if rules.queue == "shown":
            ahead = min(ahead, levels[BIDS].get(order.cents, 0))
        if filled:
            left -= filled
            fills.append((rows[0][1], order.cents, filled))
    return fills


def _taken(offers: dict[int, int], order: Order) -> Iterator[tuple[int, int, int]]:
    left = order.count
    for cents in sorted(offers):
        if cents > order.cents or not left:
            return
        filled = min(left, offers[cents])
        left -= filled
        yield order.at_us, cents, filled


def _set(level: dict[int, int], cents: int, count: int) -> None:
    if count:
        level[cents] = count
    else:
        level.pop(cents, None)


def merged(fills: list[tuple[int, int, int]]) -> Fills:
    """Return fills with those of one instant and price as one."""
    sums: dict[tuple[int, int], int] = defaultdict(int)
    for at, cents, count in fills:
        sums[at, cents] += count
    return [(at, cents, count) for (at, cents), count in sums.items()]
