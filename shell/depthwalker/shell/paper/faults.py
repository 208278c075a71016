"""What can be made to go wrong: the n-th request of a kind meets a fault, every other is served.

Frames of the websocket are kinds too, `FRAME` and their type: one that is `Lost` is a gap, `Duplicated` comes twice, `Delayed`
holds up all that follow it, and others end more than themselves. Besides single faults there are states that last until they
are healed: a partition, and a clock that is off.
"""

from collections import defaultdict, deque
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from depthwalker.core.units import Micros
from depthwalker.shell.paper.reply import Reply

FRAME: Final = "frame."
HANDSHAKE: Final = "socket"  # the websocket's upgrade, which is a request like any other


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
class Cut:
    """The request takes effect, and the connection closes in the middle of the answer's body."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Another answer than the true one, such as a 429 or a gateway's page, after the request took effect or before."""

    reply: Reply
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Duplicated:
    """The request takes effect twice, as if a proxy had sent it again; the answer is the last one or the first."""

    last: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """The frame is sent after everything else that is on its way."""


class Blow(Enum):
    """What ends more than one frame, at the frame that meets it or at once."""

    OVERFLOW = "overflow"  # the frame's subscription, or all of them, with code 25
    RESET = "reset"  # the connection, without a close frame
    CLOSE = "close"  # the connection, with one
    SILENCE = "silence"  # nothing more is said, and the connection stays open


FrameFault: TypeAlias = Delayed | Lost | Duplicated | Held | Blow
Fault: TypeAlias = Delayed | Lost | Cut | Answered | Duplicated | Held | Blow


class Side(Enum):
    """What a partition loses: requests on their way in, or answers on their way out."""

    REQUESTS = "requests"
    ANSWERS = "answers"


class Faults:
    """The faults to come, by kind of request. `skew` is added to the time against which signatures are judged."""

    def __init__(self) -> None:
        self.skew = Micros(0)
        self._planned: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self._cut_off: dict[str, Side] = {}

    def add(self, kind: str, fault: Fault, nth: int = 1) -> None:
        """Plan a fault for the n-th request of a kind from now, 1 being the next; a second plan replaces the first."""
        planned = self._planned[kind]
        planned.extend([None] * (nth - len(planned)))
        planned[nth - 1] = fault

    def met(self, kind: str, key_id: str = "") -> Fault | None:
        """Return what the request in hand meets: a plan for it, else the partition that its key is behind."""
        fault = self.due(kind)
        if fault is not None:
            return fault
        side = self.side(key_id)
        return None if side is None else Lost(applied=side is Side.ANSWERS)

    def due(self, kind: str) -> Fault | None:
        """Return what is planned for the request or frame in hand."""
        planned = self._planned.get(kind)
        return planned.popleft() if planned else None

    def side(self, key_id: str) -> Side | None:
        """Return what the partition loses that a key is behind, or None where it is behind none."""
        return self._cut_off.get(key_id, self._cut_off.get(""))

    def partition(self, side: Side, key_id: str = "") -> None:
        """Lose every request or every answer of a key, or of everybody, from now on."""
        self._cut_off[key_id] = side

    def heal(self) -> None:
        """End every partition, forget every plan and set the clock right."""
        self.skew = Micros(0)
        self._planned.clear()
        self._cut_off.clear()

    def planned(self) -> dict[str, list[Fault | None]]:
        """Return what is still to come, by kind."""
        return {kind: list(faults) for kind, faults in self._planned.items() if faults}
