"""Everything that can happen in a small world: three prices, two splits, two walks, up to three contracts.

From each situation every next thing is tried: a request arrives, an answer arrives, either is lost (for ever, or until
later), the exchange turns a request away (for its rate, or for good), the process dies, others sell one contract, a fill is told,
a split walks, its quote is withdrawn. The losses, refusals and deaths together are bounded by `faults`; the interleavings are not. Situations that differ only in when things happened, not
in which came first, are one: ten seconds pass at every step, more than any wait of reconcile's.
"""

import argparse
import time
from collections.abc import Callable, Hashable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from tests.core import scenes
from tests.core.scenes import cents, contracts
from tests.core.stage import Stage
from tests.core.world import Wire
from tests.page import DOCS, commit, kept, put

from depthwalker.core.answer import NotApplied, Rejected, Trouble
from depthwalker.core.command import Amend, Burn, Cancel, Claim, Lookup, Place
from depthwalker.core.execution import split_filled
from depthwalker.core.fact import StopRequested
from depthwalker.core.outcome import Success
from depthwalker.core.units import CONTRACT, SECOND, Count, Micros

PAGE: Final = DOCS / "safety.md"
NAME: Final = "exhaust"
HEAD: Final = (
    "| contracts of each split | walks | losses, refusals or deaths | situations | steps | at commit |",
    "|---|---|---|---|---|---|",
)
STEP: Final = 10
TOP: Final = 51


@dataclass(frozen=True)
class Bounds:
    """The contracts of each split, and how many walks, and losses, refusals or deaths, there may be in all."""

    counts: tuple[int, ...]
    walks: int
    faults: int


TROUBLES: Final = (NotApplied("429"), Rejected(400, "invalid_order", "turned away"))
WORLDS: Final = (
    Bounds((1,), walks=2, faults=1),
    Bounds((3,), walks=2, faults=0),
    Bounds((1, 1), walks=0, faults=0),
    Bounds((1, 1), walks=1, faults=0),
    Bounds((1, 1), walks=2, faults=0),
    Bounds((1,), walks=2, faults=2),
    Bounds((3,), walks=2, faults=1),
    Bounds((1, 2), walks=2, faults=0),
    Bounds((2, 1), walks=2, faults=0),
    Bounds((1, 1), walks=0, faults=1),
)


@dataclass
class Small:
    """A stage, and what may still happen on it."""

    stage: Stage
    walks: int
    faults: int

    def fork(self) -> "Small":
        """Return the same situation, free to go another way."""
        stage = copy(self.stage)
        stage.exchange = copy(stage.exchange)
        stage.exchange.orders = {name: copy(order) for name, order in stage.exchange.orders.items()}
        stage.exchange.spent, stage.exchange.fills = dict(stage.exchange.spent), list(stage.exchange.fills)
        stage.exchange.past, stage.wires = list(stage.exchange.past), [copy(wire) for wire in stage.wires]
        stage.journal, stage.identities = list(stage.journal), set(stage.identities)
        stage.delivered = list(stage.delivered)
        stage.direct(dict(stage.prices))
        return Small(stage, self.walks, self.faults)


Move = Callable[[Small], None]


def begin(bounds: Bounds) -> Small:
    """Return the situation after the first decision: every split's order is on its way at the lowest of the three prices."""
    counts = bounds.counts
    stage = Stage(*counts, parent=scenes.parent(count=contracts(sum(counts)), cap=cents(TOP), seconds=1_000_000))
    stage.policy = replace(stage.policy, lookup_every=Micros(10_000_000 * SECOND))
    stage.act(STEP)
    return Small(stage, bounds.walks, bounds.faults)


def moves(small: Small) -> Iterator[Move]:
    """Yield everything that may happen next."""
    for at, wire in enumerate(small.stage.wires):
        if not wire.landed:
            yield partial(_arrive, at)
        if wire.lost:
            continue
        if wire.landed:
            yield partial(_answer, at)
        if small.faults:
            yield partial(_lose, at, late=False)
            if not wire.landed and not isinstance(wire.command, Lookup):
                yield partial(_lose, at, late=True)
            if not wire.landed and not isinstance(wire.command, Lookup):
                yield from (partial(_turn_away, at, trouble) for trouble in TROUBLES)
    if small.faults:
        yield _die
    for at, _ in enumerate(small.stage.exchange.resting()):
        yield partial(_sell, at)
    if small.stage.exchange.fills:
        yield _tell
    for split, price in small.stage.prices.items():
        if small.walks and price < TOP:
            yield partial(_walk, split)
        yield partial(_withdraw, split)


def _arrive(at: int, small: Small) -> None:
    small.stage.arrive([small.stage.wires[at]])


def _answer(at: int, small: Small) -> None:
    small.stage.answer([small.stage.wires[at]])


def _sell(at: int, small: Small) -> None:
    small.stage.exchange.hit(small.stage.exchange.resting()[at], Count(CONTRACT))


def _tell(small: Small) -> None:
    small.stage._tell(small.stage.exchange.fills[-1])


def _withdraw(split: int, small: Small) -> None:
    del small.stage.prices[split]


def _lose(at: int, small: Small, *, late: bool) -> None:
    small.faults -= 1
    small.stage.lose([small.stage.wires[at]], arrived=False, late=late)


def _turn_away(at: int, trouble: Trouble, small: Small) -> None:
    small.faults -= 1
    small.stage.arrive([small.stage.wires[at]], trouble)


def _die(small: Small) -> None:
    small.faults -= 1
    small.stage.restart()


def _walk(split: int, small: Small) -> None:
    small.walks -= 1
    small.stage.prices[split] += 1


def situation(small: Small) -> Hashable:
    """Return all that bears on what can come, instants by their order alone."""
    stage, state = small.stage, small.stage.state
    instants = {0, stage.now, state.looked_at}
    for order in state.orders:
        instants |= {order.troubled_at, order.closed_at}
    for part in state.splits:
        instants.add(part.refused_at)
    for wire in stage.wires:
        instants |= {fact.at for fact in wire.facts}
    rank = {at: Micros(place) for place, at in enumerate(sorted(instants))}
    blank = Micros(0)
    orders = tuple(
        replace(
            order,
            request=None if order.request is None else replace(order.request, at=blank, ahead=Count(0)),
            ahead=Count(0),
            since=blank,
            placed_at=blank,
            troubles=min(order.troubles, 3),
            cancels=min(order.cancels, 1),
            troubled_at=rank[order.troubled_at],
            closed_at=rank[order.closed_at],
        )
        for order in state.orders
    )
    parts = tuple((part.price, part.revisions, part.refusals, rank[part.refused_at]) for part in state.splits)
    books = tuple(
        (o.order_id, o.client_id, o.price, o.total, o.filled, o.status) for o in stage.exchange.orders.values()
    )
    fills = tuple((fill.order_id, fill.price) for fill in stage.exchange.fills)
    wires = tuple(_under_way(wire, rank) for wire in stage.wires)
    strays = tuple((stray.order_id, stray.trade_id) for stray in state.strays)
    quotes = tuple(sorted(stage.prices.items()))
    looks = (state.looking, rank[state.looked_at], rank[stage.now], min(state.look_failures, 1))
    return small.walks, small.faults, quotes, orders, parts, books, fills, wires, strays, looks, state.winding


def _under_way(wire: Wire, rank: dict[int, Micros]) -> Hashable:
    command = wire.command
    what = replace(command, ahead=Count(0)) if isinstance(command, Place | Amend) else command
    assert isinstance(what, Place | Amend | Cancel | Claim | Burn | Lookup)
    facts = tuple(replace(fact, at=rank[fact.at]) for fact in wire.facts)
    return what, wire.landed, wire.lost, facts, _read(wire)


def _read(wire: Wire) -> Hashable:
    """Return what a read has seen, but for when it was."""
    if wire.read is None:
        return None
    orders, fills = wire.read
    assert isinstance(orders, Success)
    records = tuple(replace(record, created=Micros(0)) for record in orders.unwrap())
    return records, tuple(fill.trade_id for fill in fills.unwrap()) if isinstance(fills, Success) else None


def come_to_rest(small: Small, rested: set[int]) -> None:
    """Check that from here on a normal exchange leaves working exactly what is wanted, and then nothing.

    `rested` are the situations from which that is known: who comes to one of them has come to rest.
    """
    stage, passed = small.stage, set[int]()
    for wire in [wire for wire in stage.wires if wire.lost]:
        if not wire.landed:
            stage.arrive([wire])
        stage.wires.remove(wire)
    for _ in range(2):
        for fill in stage.exchange.fills:
            stage._tell(fill)
        if _settles(small, rested, passed):
            rested |= passed
            return
    wanted = {}
    for part in stage.state.splits:
        left = part.count - split_filled(stage.state, part.number)
        if part.number in stage.prices and left and not stage.state.winding:
            wanted[part.number] = (cents(stage.prices[part.number]), left)
    working = {order.key.split: (order.price, order.total - order.filled) for order in stage.exchange.resting()}
    assert working == wanted, "quiescence: what works is not what is wanted"
    stage._remember(StopRequested("enough", stage.now))
    stage.finish()
    stage.replays()
    rested |= passed


def _settles(small: Small, rested: set[int], passed: set[int]) -> bool:
    """Answer what is under way as it should be until there is nothing; return whether one of `rested` was met before."""
    for _ in range(30):
        here = hash(situation(small))
        if here in rested:
            return True
        passed.add(here)
        if not small.stage.act():
            return False
        small.stage.answer(small.stage.out())
    raise AssertionError("it does not settle")


@dataclass(frozen=True)
class Figures:
    """What an exploration has seen: situations, and the steps between them."""

    situations: int
    steps: int


def explore(bounds: Bounds) -> Figures:
    """Try everything from the beginning on; raise AssertionError where something does not hold.

    Situations are known again by their hash of 64 bits.
    """
    start = begin(bounds)
    seen, waiting, steps = {hash(situation(start))}, [start], 0
    rested: set[int] = set()
    while waiting:
        small = waiting.pop()
        for move in moves(small):
            then = small.fork()
            move(then)
            then.stage.act(STEP)
            steps += 1
            known = hash(situation(then))
            if known not in seen:
                seen.add(known)
                waiting.append(then)
        come_to_rest(small, rested)
    return Figures(len(seen), steps)


def read(text: str) -> Bounds:
    """Return the bounds of a world given as the contracts of each split, walks, and losses, refusals or deaths: `1+2,2,0`."""
    counts, walks, faults = text.split(",")
    return Bounds(tuple(int(count) for count in counts.split("+")), int(walks), int(faults))


def keep(bounds: Bounds, figures: Figures, at: str) -> None:
    """Put a world's figures on the page, among those of the others."""
    world = f"| {' + '.join(map(str, bounds.counts))} | {bounds.walks} | {bounds.faults} |"
    others = [row for row in kept(PAGE, NAME)[len(HEAD) :] if not row.startswith(world)]
    put(PAGE, NAME, [*HEAD, *sorted([*others, f"{world} {figures.situations:,} | {figures.steps:,} | {at} |"])])


def main() -> None:
    """Explore the worlds that are named, or all of the list, and say how large each was."""
    parser = argparse.ArgumentParser(prog="python -m tests.core.small_world")
    parser.add_argument("worlds", nargs="*", type=read, help="contracts of each split, walks, faults: 1+2,2,0")
    parser.add_argument("--keep", action="store_true", help="put the figures into docs/safety.md")
    given = parser.parse_args()
    at = commit() if given.keep else ""
    for bounds in given.worlds or WORLDS:
        begun = time.monotonic()
        figures = explore(bounds)
        counts = " + ".join(str(count) for count in bounds.counts)
        print(
            f"{counts} contracts, {bounds.walks} walks, {bounds.faults} losses, refusals or deaths: {figures.situations:,} situations, "
            f"{figures.steps:,} steps, {time.monotonic() - begun:.0f} s, all invariants hold, all come to rest",
            flush=True,
        )
        if given.keep:
            keep(bounds, figures, at)


if __name__ == "__main__":
    main()
