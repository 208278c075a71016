"""An order group as a value: a switch that a rolling sum of fills throws (fact sheet, section 5.9).

A group counts the contracts that its orders filled in the last 15 seconds. When the count exceeds the limit, the group is
triggered: its resting orders are to be cancelled and new ones refused until it is reset. Nothing is cancelled here.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.units import SECOND, Count, Micros

WINDOW: Final = Micros(15 * SECOND)  # a fill counts for less than this
LIMITS: Final = (1, 1_000_000)  # whole contracts, both included


@dataclass(frozen=True, slots=True)
class Group:
    """A limit in contracts, the fills that may still count against it (oldest first), and whether it was thrown."""

    limit: Count
    fills: tuple[tuple[Micros, Count], ...] = ()
    triggered: bool = False


def counted(group: Group, now: Micros) -> Count:
    """Return how many contracts count against the limit now."""
    return Count(sum(count for at, count in group.fills if now - at < WINDOW))


def fill(group: Group, count: Count, now: Micros) -> Group:
    """Return the group after a fill of one of its orders; a sum above the limit triggers it."""
    recent = tuple(one for one in group.fills if now - one[0] < WINDOW)
    return _judged(Group(group.limit, (*recent, (now, count)), group.triggered), now)


def limit(group: Group, contracts: Count, now: Micros) -> Group:
    """Return the group under another limit; one below what counts now triggers it."""
    return _judged(Group(contracts, group.fills, group.triggered), now)


def trigger(group: Group) -> Group:
    """Return the group triggered by hand."""
    return Group(group.limit, group.fills, triggered=True)


def reset(group: Group) -> Group:
    """Return the group at work again, its counter at nothing."""
    return Group(group.limit)


def _judged(group: Group, now: Micros) -> Group:
    return trigger(group) if counted(group, now) > group.limit else group
