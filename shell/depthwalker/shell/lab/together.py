"""Many policies on one parent: what they decide alike is decided, and replayed, once.

`decide` is pure, so policies that agree in all that it read of one of them have the same answer. They go on as one execution
for as long as their commands agree, and part where these do not; each ends exactly as it would have ended alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TypeAlias, TypeVar, cast

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.command import Command
from depthwalker.core.config import Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.parent import Parent
from depthwalker.core.policy import Policy
from depthwalker.core.units import Micros
from depthwalker.core.view import View
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import Exchange, QueueModel
from depthwalker.shell.lab.replay import Replay, Run

T = TypeVar("T")
_Path: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """Policies that have decided alike so far, by their places; `varying` is what they differ in."""

    replay: Replay
    exchange: Indexed
    members: list[int]
    varying: frozenset[_Path]


class _Watched:
    """A policy, or a part of it, that notes what is read of it."""

    __slots__ = ("_path", "_reads", "_value")

    def __init__(self, value: object, path: _Path, reads: dict[_Path, object]) -> None:
        self._value = value
        self._path = path
        self._reads = reads

    def __getattr__(self, name: str) -> object:
        value: object = getattr(self._value, name)
        path = (*self._path, name)
        if is_dataclass(value):
            return _Watched(value, path, self._reads)
        self._reads[path] = value
        return value


def replay_all(
    index: Index,
    parent: Parent,
    model: QueueModel,
    policies: Sequence[Policy],
    strategy_of: Callable[[Algorithm], Strategy],
    latency: Micros,
    told: Callable[[Run, Exchange], T],
) -> list[T]:
    """Return what is told of the parent under each of the policies, in their order; once of those that never parted."""
    leaves = [_leaves(policy, ()) for policy in policies]
    found: dict[int, T] = {}
    exchange = Indexed(index, parent, model)
    everyone = list(range(len(policies)))
    replay = Replay(exchange, policies[0], strategy_of, latency)
    groups = [_Group(replay, exchange, everyone, _varying(leaves, everyone))]
    while groups:
        group = groups.pop()
        while group.replay.state.finished is None:
            view = group.replay.look()
            first, *others = _decided(group, view, policies, leaves, strategy_of).items()
            for commands, members in others:
                twin = group.exchange.fork()
                parted = _Group(group.replay.on(twin), twin, members, _varying(leaves, members))
                parted.replay.obey(commands, view)
                groups.append(parted)
            commands, members = first
            if others:
                group.members, group.varying = members, _varying(leaves, members)
            group.replay.obey(commands, view)
        found |= dict.fromkeys(group.members, told(group.replay.ended(), group.exchange))
    return [found[place] for place in everyone]


def _decided(
    group: _Group,
    view: View,
    policies: Sequence[Policy],
    leaves: Sequence[dict[_Path, object]],
    strategy_of: Callable[[Algorithm], Strategy],
) -> dict[tuple[Command, ...], list[int]]:
    """Return the members by what they decide on a view."""
    found: dict[tuple[Command, ...], list[int]] = {}
    left = group.members
    while left:
        reads: dict[_Path, object] = {}
        watched = cast("Policy", _Watched(policies[left[0]], (), reads))  # it reads as one
        commands = decide(group.replay.state, view, watched, strategy_of)
        asked = [(path, value) for path, value in reads.items() if path in group.varying]
        alike = [member for member in left if all(leaves[member][path] == value for path, value in asked)]
        found.setdefault(commands, []).extend(alike)
        left = [] if len(alike) == len(left) else sorted({*left}.difference(alike))
    return found


def _leaves(value: object, path: _Path) -> dict[_Path, object]:
    """Return everything that can be read of a policy, by its path."""
    if not is_dataclass(value):
        return {path: value}
    found: dict[_Path, object] = {}
    for field in fields(value):
        found.update(_leaves(getattr(value, field.name), (*path, field.name)))
    return found


def _varying(leaves: Sequence[dict[_Path, object]], members: Sequence[int]) -> frozenset[_Path]:
    first = leaves[members[0]]
    return frozenset(path for path, value in first.items() if any(leaves[member][path] != value for member in members))
