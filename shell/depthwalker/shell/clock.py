"""The world's own time and chance, behind the `Clock` and `Chance` ports; the simulation puts others there."""

import asyncio
import secrets
import time
from typing import Final

from depthwalker.core.units import MILLION, SECOND, Micros

# A wall clock may be stepped and a laptop may sleep: no sleep outlives this without looking at the clock again.
LONGEST_NAP: Final = SECOND


class SystemClock:
    """UTC from the machine's clock, and sleep on the running event loop."""

    def now(self) -> Micros:
        """Return UTC microseconds since the epoch."""
        return Micros(time.time_ns() // 1_000)

    async def sleep_until(self, when: Micros) -> None:
        """Return at `when` or later; a time that has passed still yields to other tasks once."""
        await asyncio.sleep(0)
        while (left := when - self.now()) > 0:  # noqa: ASYNC110 - nothing signals that the wall clock got there
            await asyncio.sleep(min(left, LONGEST_NAP) / SECOND)


class SystemChance:
    """Draws from the operating system's generator."""

    def hex(self, digits: int) -> str:
        """Return that many hexadecimal digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def jitter(self) -> int:
        """Return a uniform draw from 0 to 999,999 parts per million."""
        return secrets.randbelow(MILLION)
