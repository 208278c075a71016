"""A journal read again: its facts folded, and every decision whose view it holds recomputed from that view.

A decision stands in the journal as the view that it acted on and, right behind, the facts that it intended. What is
recomputed must be the same, to the last word (invariant 8). A decision that only reads orders keeps no view, and a policy
of another version decided by other rules: neither can be compared, and both are counted.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from depthwalker.core.command import intents
from depthwalker.core.decide import decide
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import (
    BUG,
    FORMAT,
    AmendIntended,
    CapChanged,
    Fact,
    Finished,
    GridChanged,
    Held,
    Lapsed,
    LookupStarted,
    MarketOver,
    PlaceIntended,
    Planned,
    Requested,
    Started,
    Viewed,
    WindingDown,
)
from depthwalker.core.policy import VERSION, Policy

INTENTS: Final = (
    Held,
    Planned,
    PlaceIntended,
    AmendIntended,
    Requested,
    LookupStarted,
    GridChanged,
    CapChanged,
    MarketOver,
    Lapsed,
    WindingDown,
    Finished,
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The journal's last state; how many decisions came out the same, and how many could not be compared."""

    state: State
    same: int
    passed: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The first decision that comes out otherwise: the number of its view's entry, what is journalled, and what comes out."""

    entry: int
    journalled: tuple[Fact, ...]
    recomputed: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Newer:
    """The journal is of a format that this version does not know yet."""

    format: int


Reading: TypeAlias = Replayed | Difference | Newer


def replay(facts: tuple[Fact, ...]) -> Reading:
    """Fold a whole journal and recompute its decisions."""
    state, same, passed = START, 0, 0
    policy: Policy | None = None
    for place, fact in enumerate(facts):
        match fact:
            case Started(_, given, _, form, _):
                if form > FORMAT:
                    return Newer(form)
                policy = given if given.version == VERSION else None
            case Viewed(view, _, _):
                journalled = (fact, *_intended(facts, place + 1))
                if policy is None or _failed(journalled):
                    passed += 1
                else:
                    recomputed = intents(decide(state, view, policy), view)
                    if not _agree(journalled, recomputed):
                        return Difference(place + 1, journalled, recomputed)
                    same += 1
            case _:
                pass
        state = evolve(state, fact)
    return Replayed(state, same, passed)


def _intended(facts: tuple[Fact, ...], first: int) -> tuple[Fact, ...]:
    """Return what was intended from an entry on, up to the first fact that only happened."""
    last = first
    while last < len(facts) and isinstance(facts[last], INTENTS):
        last += 1
    return facts[first:last]


def _failed(journalled: tuple[Fact, ...]) -> bool:
    """Return whether the decision was a bug, which nothing recomputes."""
    return any(isinstance(fact, WindingDown) and fact.reason.startswith(BUG) for fact in journalled)


def _agree(journalled: tuple[Fact, ...], recomputed: tuple[Fact, ...]) -> bool:
    """Return whether they are the same; reads of a later decision, which keeps no view, may follow in the journal."""
    rest = journalled[len(recomputed) :]
    return journalled[: len(recomputed)] == recomputed and all(isinstance(fact, LookupStarted) for fact in rest)
