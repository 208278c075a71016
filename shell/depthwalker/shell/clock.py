"""The world's own time and chance, behind the `Clock` and `Chance` ports; the simulation puts others there."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Final

from depthwalker.core.units import MILLION, SECOND, Micros

# A wall clock may be stepped and a laptop may sleep: no sleep outlives this without looking at the clock again.
LONGEST_NAP: Final = SECOND


class SystemClock:
    """UTC from the machine's clock, and sleep on the running event loop.

    It never runs backwards: what is due some time after an instant would be due as much later as the wall clock was
    stepped back. How far ahead of the exchange's clock that leaves it is learned from the exchange (`core.skew`).
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = time.monotonic_ns) -> None:
        """Both give nanoseconds; `steady` is never stepped."""
        self._wall = wall
        self._steady = steady
        self._ahead = 0  # the most that the wall clock was ever ahead of the steady one

    def now(self) -> Micros:
        """Return UTC microseconds since the epoch: the wall clock's, or where that was stepped back what has passed since.

        The steady clock may stand still while the machine sleeps; the wall clock, which is then ahead, is followed.
        """
        wall, steady = self._wall(), self._steady()
        self._ahead = max(self._ahead, wall - steady)
        return Micros((self._ahead + steady) // 1_000)

    async def sleep_until(self, when: Micros) -> None:
        """Return at `when` or later. A time that has passed still yields to other tasks once."""
        await asyncio.sleep(0)
        while (left := when - self.now()) > 0:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(min(left, LONGEST_NAP) / SECOND)


class SystemChance:
    """Draws from the operating system's generator."""

    def hex(self, digits: int) -> str:
        """Return that many hexadecimal digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def jitter(self) -> int:
        """Return a uniform draw from 0 to 999,999 parts per million."""
        return secrets.randbelow(MILLION)
