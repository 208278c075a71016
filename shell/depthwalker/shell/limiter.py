"""The rate budget as something to wait on; the arithmetic is the core's `budget`.

Two profiles of one limiter: the exchange's read and write buckets with their token costs, and the specification's calls a
minute, where every call costs one. Cancels never wait for what is kept in reserve for them (invariant 7).
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, assert_never

from depthwalker.core.budget import (
    CANCEL_COST,
    CREATE_COST,
    Bucket,
    available_within,
    full,
    per_minute,
    ready_at,
    spend,
)
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.ports import Clock

BASIC_READ: Final = 200  # tokens a second of the lowest tier (fact sheet, section 6)
BASIC_WRITE: Final = 100
# Requests do not arrive as evenly as they leave: a fifth of the exchange's bucket is left to absorb that.
USED: Final = 4
USED_OF: Final = 5
TICK: Final = Micros(4 * SECOND)
POLLING_LEAVES: Final = 4  # market data leaves a quarter of a budget that it shares with everything else


class Purpose(Enum):
    """What a request is for; it tells the bucket and the cost."""

    ENTRY = "entry"
    CANCEL = "cancel"
    READ = "read"
    PUBLIC = "public"


class Limiter:
    """Hands out tokens in the order asked for; `live` tells how many orders may have to be cancelled."""

    def __init__(self, clock: Clock, calls_per_minute: int | None, live: Callable[[], int]) -> None:
        now = clock.now()
        self._clock = clock
        self._live = live
        self._flat = calls_per_minute is not None
        self._write: Bucket = (
            full(BASIC_WRITE, SECOND, BASIC_WRITE * USED // USED_OF, now)
            if calls_per_minute is None
            else per_minute(calls_per_minute, now)
        )
        self._read: Bucket = full(BASIC_READ, SECOND, BASIC_READ * USED // USED_OF, now)

    def calls_left(self) -> int:
        """Return how many orders could be entered within one tick without touching the reserve."""
        left = available_within(self._write, TICK, self._clock.now()) - self._reserve()
        return max(0, left if self._flat else left // CREATE_COST)

    async def acquire(self, purpose: Purpose) -> None:
        """Return when the request may be sent, with its tokens spent."""
        reads = purpose in {Purpose.READ, Purpose.PUBLIC} and not self._flat
        cost = self._cost(purpose)
        while True:
            now = self._clock.now()
            bucket = self._read if reads else self._write
            reserve = 0 if reads else self._kept_from(purpose)
            ready = ready_at(bucket, cost, reserve, now)
            if ready <= now:
                break
            await self._clock.sleep_until(ready)
        if reads:
            self._read = spend(bucket, cost, now)
        else:
            self._write = spend(bucket, cost, now)

    def _cost(self, purpose: Purpose) -> int:
        if self._flat:
            return 1
        return CANCEL_COST if purpose is Purpose.CANCEL else CREATE_COST

    def _kept_from(self, purpose: Purpose) -> int:
        """Return the tokens that this purpose must leave: polling a market must not starve what an execution needs to end."""
        match purpose:
            case Purpose.CANCEL:
                return 0
            case Purpose.ENTRY | Purpose.READ:
                return self._reserve()
            case Purpose.PUBLIC:
                return self._reserve() + self._write.capacity // POLLING_LEAVES
            case _ as never:
                assert_never(never)

    def _reserve(self) -> int:
        return self._live() * self._cost(Purpose.CANCEL)
