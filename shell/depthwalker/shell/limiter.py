"""The rate budget as something to wait on; the arithmetic is the core's `budget`.

Two profiles of one limiter: the exchange's read and write buckets with their token costs, and the specification's calls a
minute, where every call costs one. Cancels never wait for what is kept in reserve for them (invariant 7).
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, assert_never

from depthwalker.core.budget import (
    BASIC,
    USUAL_COSTS,
    Bucket,
    Costs,
    Limits,
    Rate,
    available_within,
    bucket_of,
    cost_of,
    per_minute,
    ready_at,
    rerated,
    spend,
)
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.ports import Clock
from depthwalker.shell.rest import ORDERS

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
            bucket_of(_used(BASIC.write), now) if calls_per_minute is None else per_minute(calls_per_minute, now)
        )
        self._read: Bucket = bucket_of(_used(BASIC.read), now)
        self._costs = _costs(USUAL_COSTS)

    def learn(self, limits: Limits, costs: Costs) -> None:
        """Go by what the exchange gives this account from now on; what was spent stays spent."""
        if self._flat:
            return
        now = self._clock.now()
        self._read = rerated(self._read, _used(limits.read), now)
        self._write = rerated(self._write, _used(limits.write), now)
        self._costs = _costs(costs)

    def calls_left(self) -> int:
        """Return how many orders could be entered within one tick without touching the reserve."""
        left = available_within(self._write, TICK, self._clock.now()) - self._reserve()
        return max(0, left // self._cost(Purpose.ENTRY))

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
        return 1 if self._flat else self._costs[purpose]

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


def _used(rate: Rate) -> Rate:
    return Rate(rate.refill, rate.capacity * USED // USED_OF)


def _costs(costs: Costs) -> Mapping[Purpose, int]:
    """Return what a request of each kind costs; reads are lists and market data, none of which is cheaper."""
    return {
        Purpose.ENTRY: cost_of(costs, "POST", ORDERS),
        Purpose.CANCEL: cost_of(costs, "DELETE", f"{ORDERS}/:order_id"),
        Purpose.READ: costs.default,
        Purpose.PUBLIC: costs.default,
    }
