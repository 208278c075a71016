"""Many policies on one parent: what they decide alike is decided, and replayed, once.

`decide` is pure, so policies that agree in all that it read of one of them have the same answer; of a number that it only
compared, they have to agree on which side of it they are (see `ranged`). They go on as one execution for as long as their
commands agree, and part where these do not; each ends exactly as it would have ended alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import lru_cache
from operator import is_
from typing import TypeAlias, TypeVar, cast

import numpy as np
import numpy.typing as npt

from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.command import Command
from depthwalker.core.config import Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.parent import Parent
from depthwalker.core.policy import Policy
from depthwalker.core.units import Micros
from depthwalker.core.view import View
from depthwalker.shell.lab.columns import Ints
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import Exchange, QueueModel
from depthwalker.shell.lab.ranged import Range, Ranged
from depthwalker.shell.lab.replay import Replay, Run

T = TypeVar("T")
_Path: TypeAlias = tuple[str, ...]
_known: dict[type, tuple[str, ...]] = {}  # the names of a record's fields


class _Columns:
    """Policies side by side: by its path, what each has there; what is not a number by the place of the first that has it too."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        leaves = [_leaves(policy, ()) for policy in policies]
        self.columns = {path: _column([each[path] for each in leaves]) for path in leaves[0]}

    def varying(self, members: Ints, among: Iterable[_Path]) -> frozenset[_Path]:
        """Return in what some policies differ."""
        if len(members) == 1:
            return frozenset()
        return frozenset([path for path in among if np.ptp(self.columns[path][members])])


def _column(values: list[object]) -> Ints:
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    return np.array(numbers if len(numbers) == len(values) else list(map(values.index, values)), dtype=np.int64)


@dataclass(slots=True)
class _Group:
    """Policies that have decided alike so far, by their places; `varying` is what they differ in."""

    replay: Replay
    exchange: Indexed
    members: Ints
    varying: frozenset[_Path]
    first: "_Watched | None" = None  # the first member's policy

    def remain(self, members: Ints, varying: frozenset[_Path]) -> None:
        """Go on with some of the members."""
        self.members, self.varying, self.first = members, varying, None


@dataclass(slots=True)
class _Reads:
    """What was read of a policy, of that in which others differ: numbers with the bounds asked for, all else as it is."""

    varying: frozenset[_Path]
    ranges: dict[_Path, Range] = field(default_factory=dict)
    others: set[_Path] = field(default_factory=set)

    def read(self, path: _Path, value: object) -> object:
        """Note that a value in which others differ is read, and return what is to be read in its place."""
        if isinstance(value, int) and not isinstance(value, bool):
            return Ranged(self.ranges.setdefault(path, Range(value)))
        self.others.add(path)
        return value

    def alike(self, members: Ints, columns: dict[_Path, Ints]) -> npt.NDArray[np.bool_]:
        """Return which policies would have been told the same as the first of them."""
        found = np.ones(len(members), dtype=np.bool_)
        for path, asked in self.ranges.items():
            column = columns[path][members]
            found &= (column >= asked.low) & (column <= asked.high)
        for path in self.others:
            column = columns[path][members]
            found &= column == column[0]
        return found


class _Watched:
    """A policy, or a part of it, that notes what is read of it. What does not vary is read as it is, and looked for once."""

    def __init__(self, value: object, reads: _Reads, path: _Path = ()) -> None:
        self._value = value
        self._path = path
        self._reads = reads

    def afresh(self) -> _Reads:
        """Return what will be read from now on."""
        self._reads.ranges.clear()
        self._reads.others.clear()
        return self._reads

    def __getattr__(self, name: str) -> object:
        value: object = getattr(self._value, name)
        path = (*self._path, name)
        if path in self._reads.varying:
            return self._reads.read(path, value)
        found = _Watched(value, self._reads, path) if is_dataclass(value) else value
        self.__dict__[name] = found
        return found


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
    columns = _columns_of(tuple(policies))
    found: dict[int, T] = {}
    exchange = Indexed(index, parent, model)
    everyone = np.arange(len(policies))
    replay = Replay(exchange, policies[0], strategy_of, latency)
    groups = [_Group(replay, exchange, everyone, columns.varying(everyone, columns.columns))]
    while groups:
        group = groups.pop()
        while group.replay.state.finished is None:
            view = group.replay.look()
            first, *others = _decided(group, view, policies, columns, strategy_of).items()
            for commands, members in others:
                twin = group.exchange.fork()
                parted = _Group(group.replay.on(twin), twin, members, columns.varying(members, group.varying))
                parted.replay.obey(commands, view)
                groups.append(parted)
            commands, members = first
            if others:
                group.remain(members, columns.varying(members, group.varying))
            group.replay.obey(commands, view)
        found |= dict.fromkeys(group.members.tolist(), told(group.replay.ended(), group.exchange))
    return [found[place] for place in range(len(policies))]


def _decided(
    group: _Group,
    view: View,
    policies: Sequence[Policy],
    columns: _Columns,
    strategy_of: Callable[[Algorithm], Strategy],
) -> dict[tuple[Command, ...], Ints]:
    """Return the members by what they decide on a view."""
    left = group.members
    if not group.varying:
        return {decide(group.replay.state, view, policies[left[0]], strategy_of): left}
    found: dict[tuple[Command, ...], list[Ints]] = {}
    watched = group.first = group.first or _Watched(policies[left[0]], _Reads(group.varying))
    while True:
        reads = watched.afresh()
        commands = decide(group.replay.state, view, cast("Policy", watched), strategy_of)  # it reads as one
        if reads.ranges:
            commands = cast("tuple[Command, ...]", _exact(commands))
        alike = reads.alike(left, columns.columns)
        found.setdefault(commands, []).append(left[alike])
        left = left[~alike]
        if not len(left):
            return {commands: np.concatenate(members) for commands, members in found.items()}
        watched = _Watched(policies[left[0]], _Reads(group.varying))


def _exact(value: object) -> object:
    """Return a value with plain numbers in it: what is commanded has to be what every member would command."""
    if isinstance(value, Ranged):
        return value.exact()
    if isinstance(value, tuple):
        told = tuple([_exact(one) for one in value])
        return value if all(map(is_, told, value)) else told
    names = _fields(type(value))
    if names:
        parts = [getattr(value, name) for name in names]
        plain = [_exact(part) for part in parts]
        if not all(map(is_, plain, parts)):
            return type(value)(*plain)
    return value


def _fields(kind: type) -> tuple[str, ...]:
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = tuple(one.name for one in fields(kind)) if is_dataclass(kind) else ()
    return found


@lru_cache(maxsize=2)
def _columns_of(policies: tuple[Policy, ...]) -> _Columns:
    return _Columns(policies)


def _leaves(value: object, path: _Path) -> dict[_Path, object]:
    """Return everything that can be read of a policy, by its path."""
    if not is_dataclass(value):
        return {path: value}
    found: dict[_Path, object] = {}
    for one in fields(value):
        found.update(_leaves(getattr(value, one.name), (*path, one.name)))
    return found
