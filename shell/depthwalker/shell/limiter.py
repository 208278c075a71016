"""The rate budget as something to wait on; the arithmetic is the core's `budget`, the tokens are in two purses.

Two profiles of one limiter: the exchange's read and write buckets with their token costs, and the specification's calls a
minute, where every call costs one. Cancels never wait for what is kept in reserve for them (invariant 7).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from depthwalker.core.budget import (
    BASIC,
    USUAL_COSTS,
    Costs,
    Limits,
    Rate,
    bucket_of,
    cost_of,
    per_minute,
)
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.ports import Clock
from depthwalker.shell.purse import Pool, Purse
from depthwalker.shell.rest import ORDERS, PUBLIC, Rest

# Requests do not arrive as evenly as they leave: of the exchange's bucket a fifth is left to absorb that, and half where reads
# come in bursts that no reserve for cancels holds back.
WRITES_USED: Final = 800  # of a thousand
READS_USED: Final = 500
TICK: Final = Micros(4 * SECOND)
LOOK: Final = Micros(SECOND)
# Market data leaves half of a budget that it shares: it must not starve what executions need to end. After two
# seconds (SPARING of a purse) it leaves a quarter.
POLLING_LEAVES: Final = 2


class Purpose(Enum):
    """What a request is for; it tells the bucket and the cost."""

    ENTRY = "entry"
    CANCEL = "cancel"
    RESOLVE = "resolve"  # ends what an order whose outcome is not known, or a dead worker's, may still do
    READ = "read"
    PUBLIC = "public"


class Limiter:
    """Hands out tokens in the order asked for; `live` tells how many orders may have to be cancelled."""

    def __init__(
        self, clock: Clock, calls_per_minute: int | None, live: Callable[[], int], pool: Pool | None = None
    ) -> None:
        """With a pool the buckets are those of all processes of the account."""
        now = clock.now()
        self._clock = clock
        self._live = live
        self._flat = calls_per_minute is not None
        self._write = (
            Purse(clock, "write", bucket_of(_used(BASIC.write, WRITES_USED), now), pool)
            if calls_per_minute is None
            else Purse(clock, "calls", per_minute(calls_per_minute, now), pool)
        )
        self._read = Purse(clock, "read", bucket_of(_used(BASIC.read, READS_USED), now), pool)
        self._costs = _costs(USUAL_COSTS)
        self._lines = {purpose: asyncio.Lock() for purpose in Purpose}
        self._waiting: Counter[Purpose] = Counter()

    def learn(self, limits: Limits, costs: Costs) -> None:
        """Go by what the exchange gives this account from now on; what was spent stays spent."""
        if self._flat:
            return
        self._read.go_by(_used(limits.read, READS_USED))
        self._write.go_by(_used(limits.write, WRITES_USED))
        self._costs = _costs(costs)

    def govern(self, rest: Rest) -> None:
        """Have every GET wait for its tokens, and every 429 slow what follows."""
        rest.meter, rest.on_throttled = self.meter, self.refused

    def refused(self, method: str) -> None:
        """Pause what the exchange has just answered with 429: somebody else spends of the account's budget."""
        purse = self._read if method == "GET" and not self._flat else self._write
        purse.refused()

    def calls_left(self) -> int:
        """Return how many orders could be entered within one tick, after those that wait, without touching the reserve."""
        cost = self._cost(Purpose.ENTRY)
        waiting = self._waiting[Purpose.ENTRY] * (cost + self._cost(Purpose.CANCEL))
        return max(0, (self._write.within(TICK) - self._reserve() - waiting) // cost)

    async def acquire(self, purpose: Purpose) -> None:
        """Return when the request may be sent, with its tokens spent."""
        cost = self._cost(purpose)
        reads = purpose in {Purpose.READ, Purpose.PUBLIC} and not self._flat
        purse = self._read if reads else self._write
        spare = purse.capacity // POLLING_LEAVES if purpose is Purpose.PUBLIC else 0
        urgent = purpose is Purpose.CANCEL
        # What resolves an order may spend what is kept for its cancel: else many orders in doubt would keep each other waiting.
        keeps_nothing = reads or purpose in {Purpose.CANCEL, Purpose.RESOLVE}
        self._waiting[purpose] += 1
        try:
            async with self._lines[purpose]:
                await purse.take(cost, _nothing if keeps_nothing else self._reserve, spare=spare, urgent=urgent)
        finally:
            self._waiting[purpose] -= 1

    async def meter(self, kind: str) -> None:
        """Return when a GET, READ or PUBLIC, may be sent, with its tokens spent."""
        await self.acquire(Purpose.PUBLIC if kind == PUBLIC else Purpose.READ)

    async def keep_reserve(self) -> None:
        """Have the tokens for every cancel leased in advance, and give back what is idle, until cancelled."""
        while True:
            await self._write.hold(self._reserve())
            await self._read.hold(0)
            await self._clock.sleep_until(Micros(self._clock.now() + LOOK))

    async def give_back(self) -> None:
        """Leave what is not spent to the account's other processes."""
        await self._write.give_back()
        await self._read.give_back()

    def _cost(self, purpose: Purpose) -> int:
        return 1 if self._flat else self._costs[purpose]

    def _reserve(self) -> int:
        return self._live() * self._cost(Purpose.CANCEL)


def _nothing() -> int:
    return 0


def _used(rate: Rate, thousandths: int) -> Rate:
    return Rate(rate.refill, rate.capacity * thousandths // 1_000)


def _costs(costs: Costs) -> Mapping[Purpose, int]:
    """Return what a request of each kind costs; reads are lists and market data, none of which is cheaper."""
    return {
        Purpose.ENTRY: cost_of(costs, "POST", ORDERS),
        Purpose.RESOLVE: cost_of(costs, "POST", ORDERS),
        Purpose.CANCEL: cost_of(costs, "DELETE", f"{ORDERS}/:order_id"),
        Purpose.READ: costs.default,
        Purpose.PUBLIC: costs.default,
    }
