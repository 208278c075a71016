"""Clocks for tests: time is data."""

from depthwalker.core.units import Micros


class SteppingClock:
    """Time moves only when somebody sleeps, and then at once."""

    def __init__(self, now: int = 1_000_000_000) -> None:
        self._now = Micros(now)

    def now(self) -> Micros:
        return self._now

    async def sleep_until(self, when: Micros) -> None:
        self._now = max(self._now, when)
