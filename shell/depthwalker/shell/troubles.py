"""How many requests of this process failed lately: what an elaborate algorithm does not begin among."""

from collections import deque

from depthwalker.core.routing import TROUBLE_SPAN
from depthwalker.core.units import Micros
from depthwalker.shell.ports import Clock


class Troubles:
    """The failures of the last minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: deque[Micros] = deque(maxlen=1_000)

    def note(self, count: int = 1) -> None:
        """Note failures, now."""
        self._times.extend([self._clock.now()] * count)

    def lately(self) -> int:
        """Return how many there were."""
        now = self._clock.now()
        while self._times and self._times[0] <= now - TROUBLE_SPAN:
            self._times.popleft()
        return len(self._times)
