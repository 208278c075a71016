"""A rollout's evidence: the parents that it rests on, where they leave it, and what they say as JSON.

The JSON is in microdollars a contract and parts per million.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from depthwalker.core.guard import Trip, day_of, review
from depthwalker.core.rollout import Advised, Assigned, Comparison, Entry, Rollout, Stage, advise, compare, read
from depthwalker.core.units import Micros
from depthwalker.shell.settings import PAPER

# The finished parents of an account's arms since an instant, oldest first; raises StoreError.
AssignedSince: TypeAlias = Callable[[str, Micros], Awaitable[tuple[Assigned, ...]]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rollout stands: its arms beside each other, what that advises, and what the guard would trip on today.

    One that is stopped has nothing to be disabled any more: `danger` is None.
    """

    rollout: Rollout
    found: Comparison
    advised: Advised
    danger: Trip | None
    entries: tuple[Entry, ...]


async def standing_of(assigned: AssignedSince, account: str, entries: tuple[Entry, ...], now: Micros) -> Standing:
    """Return where the rollout with this journal stands. Raises StoreError."""
    rollout = read(entries)
    counted = await parents(assigned, account, rollout)
    found = compare(counted)
    danger = None if rollout.stopped else review(counted, day_of(now))
    return Standing(rollout, found, advise(rollout, found, now), danger, entries)


async def parents(assigned: AssignedSince, account: str, rollout: Rollout) -> tuple[Assigned, ...]:
    """Return the finished parents that count since the stage began. Raises StoreError.

    At the paper stage they are those of `depthwalker paper`; where it was never run, those of engines, which trade on the
    demo exchange or a paper one. No paper counts later.
    """
    if rollout.stage is None:
        return ()
    if rollout.stage is Stage.PAPER and (found := await assigned(account + PAPER, rollout.since)):
        return found
    return await assigned(account, rollout.since)


def evidence(found: Comparison) -> str:
    """Return the arms beside each other as a JSON object."""
    return msgspec.json.encode(found).decode()
