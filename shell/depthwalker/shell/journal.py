"""The journal as the runner needs it: numbered, fenced appends. Postgres is one implementation; the simulation's another."""

from dataclasses import dataclass
from typing import Protocol

from depthwalker.core.execution import State
from depthwalker.core.fact import Fact


class StoreUnavailable(Exception):
    """The database cannot be reached, or the outcome of a commit is not known."""


class Superseded(Exception):
    """Another worker holds the execution's lease: this one may write nothing any more."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The right to write one execution's journal: its id, the lease's epoch, the number of the next entry."""

    execution_id: int
    epoch: int
    next_seq: int


class Journal(Protocol):
    """Appends facts durably, once. Raises StoreUnavailable or Superseded."""

    async def append(self, seat: Seat, facts: tuple[Fact, ...], state: State) -> Seat:
        """Make the facts durable, with the projections of `state`, and return the seat for the next append.

        The same append may be repeated after StoreUnavailable: entries that are there already are not written again.
        """
        ...
