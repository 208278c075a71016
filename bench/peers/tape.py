"""The tape that every engine replays: one binary market in cents, drawn from a seed, always two-sided and never crossed.

Two tables of whole numbers. `changes`: what an event did to one level (`side` 0 bids for YES, 1 offers of YES), the contracts
it added or took and what it left. `takes`: who bought (`side` 1, the offers) or sold (0, the bids), down to which price.
An event without a take is somebody adding or cancelling. An engine's own file is made of these before it is timed.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
GAP_US: Final = 20_000  # the mean; a million events are 5.6 hours
TAKES: Final = 0.043
LOWEST, HIGHEST = 20, 80  # cents that the touch stays between
DEPTH: Final = 12  # levels a side that are furnished and changed
LEVEL: Final = 250  # contracts that a level tends to hold
SHALLOW: Final = 0.45  # the chance that a change is at the best level; geometric behind it
BIDS, OFFERS = 0, 1


@dataclass(frozen=True, slots=True)
class Drawn:
    """Whole numbers by row.

    `opening`: side, cents, contracts. `changes`: event, at in microseconds, side, cents, change, what it left.
    `takes`: event, at, side taken from, limit in cents, contracts.
    """

    opening: Ints
    changes: Ints
    takes: Ints


class _Market:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.levels = ([0] * 101, [0] * 101)
        self.best = [49, 52]
        self.memory = OFFERS
        for side in (BIDS, OFFERS):
            for behind in range(DEPTH):
                self.levels[side][self.price(side, behind)] = self.chance.randrange(LEVEL // 2, 2 * LEVEL)

    def price(self, side: int, behind: int) -> int:
        return self.best[side] - behind if side == BIDS else self.best[side] + behind

    def opening(self) -> list[tuple[int, int, int]]:
        return [(side, cents, held) for side in (0, 1) for cents, held in enumerate(self.levels[side]) if held]

    def take(self) -> tuple[int, int, int, list[tuple[int, int, int]]]:
        """Return (side, limit, contracts, hits): somebody sweeps what one side holds, never all of it."""
        if self.chance.random() < 0.4:
            self.memory = self.chance.randrange(2)
        side = self.memory
        if not LOWEST < self.best[side] < HIGHEST:
            side = OFFERS if self.best[side] <= LOWEST else BIDS
        left = wanted = 1 + int(self.chance.expovariate(1 / 60))
        hits: list[tuple[int, int, int]] = []
        while left:
            cents = self.best[side]
            hit = min(left, self.levels[side][cents])
            hits.append(self.change(side, cents, -hit))
            left -= hit
            if len(hits) == 2:
                break
        return side, hits[-1][0], wanted - left, hits

    def touch(self) -> tuple[int, int, int, int]:
        """Return (side, cents, change, left): somebody adds or cancels, the likelier to add the less rests there."""
        chance = self.chance
        while True:
            side = chance.randrange(2)
            if self.best[OFFERS] - self.best[BIDS] > 1 and chance.random() < 0.15:
                behind = -1
            else:
                behind = 0
                while behind < DEPTH and chance.random() > SHALLOW:
                    behind += 1
            cents = self.price(side, behind)
            held = self.levels[side][cents]
            size = 1 + int(chance.expovariate(1 / 40))
            if chance.random() * 2 * LEVEL > held:
                return side, *self.change(side, cents, size)
            if held > size or behind:
                return side, *self.change(side, cents, -min(held, size))

    def change(self, side: int, cents: int, change: int) -> tuple[int, int, int]:
        levels = self.levels[side]
        levels[cents] += change
        step = -1 if side == BIDS else 1
        if levels[cents] and (cents - self.best[side]) * step < 0:
            self.best[side] = cents
        while not levels[self.best[side]]:
            self.best[side] += step
        return cents, change, levels[cents]


def draw(events: int, seed: int) -> Drawn:
    """Return so many events of a market; the same for the same seed."""
    market = _Market(seed)
    opening, at = market.opening(), 0
    changes: list[tuple[int, ...]] = []
    takes: list[tuple[int, ...]] = []
    for event in range(events):
        at += 1 + int(market.chance.expovariate(1 / GAP_US))
        if market.chance.random() < TAKES:
            side, limit, count, hits = market.take()
            takes.append((event, at, side, limit, count))
            changes.extend((event, at, side, *hit) for hit in hits)
        else:
            changes.append((event, at, *market.touch()))
    return Drawn(*(np.array(rows, dtype=np.int64) for rows in (opening, changes, takes)))


def write(tape: Drawn, folder: Path) -> None:
    """Keep a tape."""
    np.savez(folder / "tape.npz", opening=tape.opening, changes=tape.changes, takes=tape.takes)


def read(folder: Path) -> Drawn:
    """Return a tape that was kept."""
    with np.load(folder / "tape.npz") as kept:
        return Drawn(kept["opening"], kept["changes"], kept["takes"])
