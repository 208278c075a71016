"""What can be made to go wrong: the n-th request of a kind meets a fault, every other is served."""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import TypeAlias

from depthwalker.core.units import Micros
from depthwalker.shell.paper.reply import Reply


@dataclass(frozen=True, slots=True)
class Delayed:
    """The request takes effect (or, where `applied`, has taken effect) and is answered `by` microseconds later."""

    by: Micros
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection closes without an answer, after the request took effect or before."""

    applied: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """Another answer than the true one, such as a 429 or a gateway's page, after the request took effect or before."""

    reply: Reply
    applied: bool = False


Fault: TypeAlias = Delayed | Lost | Answered


class Faults:
    """The faults to come, by kind of request."""

    def __init__(self) -> None:
        self._planned: defaultdict[str, deque[Fault | None]] = defaultdict(deque)

    def add(self, kind: str, fault: Fault, nth: int = 1) -> None:
        """Plan a fault for the n-th request of a kind from now, 1 being the next; a second plan replaces the first."""
        planned = self._planned[kind]
        planned.extend([None] * (nth - len(planned)))
        planned[nth - 1] = fault

    def met(self, kind: str) -> Fault | None:
        """Return what the request in hand meets."""
        planned = self._planned[kind]
        return planned.popleft() if planned else None
