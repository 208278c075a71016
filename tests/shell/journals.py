"""Executions kept as files, one fact a line: what tests of a store write into it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from itertools import accumulate
from pathlib import Path

from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Fact, Started
from depthwalker.core.projection import project
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell import codec
from depthwalker.shell.journal import Appended, Begun, Origin, Source, Store

JOURNALS = Path(__file__).parent.parent / "data" / "journals"
NAMES = sorted(path.stem for path in JOURNALS.glob("*.jsonl"))
TTL = Micros(30 * SECOND)
EXPIRED = Micros(0)


def journal(name: str) -> tuple[Started, tuple[Fact, ...]]:
    """Return an execution's first fact, and the others."""
    facts = tuple(codec.decode(line) for line in (JOURNALS / f"{name}.jsonl").read_bytes().splitlines())
    assert isinstance(facts[0], Started)
    return facts[0], facts[1:]


def folded(*facts: Fact) -> State:
    return reduce(evolve, facts, START)


def origin(key: str = "edge 7, method 3", account: str = "") -> Origin:
    return Origin(key, Source.ENGINE, account, edge_id=7, method_id=3, strategy_id=1, model_id=2)


def parent_of(started: Started, uuid: int) -> Started:
    """Return another parent like this one."""
    return replace(started, parent=replace(started.parent, execution=f"{uuid:032x}"))


async def start(store: Store, name: str, key: str | None = None) -> tuple[Begun, State, tuple[Fact, ...]]:
    """Begin a kept execution; return it with its state and the facts to come."""
    started, rest = journal(name)
    begun = await store.begin(origin(key or name), started, "worker-1", TTL)
    assert isinstance(begun, Begun)
    return begun, folded(started), rest


async def replay(store: Store, name: str) -> int:
    """Append a kept journal fact by fact and return the execution's number."""
    begun, state, rest = await start(store, name)
    for seq, (fact, after) in enumerate(_steps(state, rest), start=2):
        assert await store.append(begun.execution_id, begun.epoch, seq, (fact,), project(after)) == Appended(seq, False)
    return begun.execution_id


def _steps(state: State, facts: tuple[Fact, ...]) -> Iterator[tuple[Fact, State]]:
    return zip(facts, list(accumulate(facts, evolve, initial=state))[1:], strict=True)
