"""The account's rates: read from the exchange, and until they can be the lowest tier's."""

import asyncio

import pytest
from tests.shell.clocks import SteppingClock
from tests.shell.scripted import NOW, trading
from typing_extensions import override

from depthwalker.core.answer import Trouble
from depthwalker.core.budget import Limits
from depthwalker.core.outcome import Outcome
from depthwalker.core.units import Micros
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.rates import AGAIN, RETRY, keep_rates

LIMITS = {
    "usage_tier": "premier",
    "read": {"refill_rate": 1200, "bucket_capacity": 1200},
    "write": {"refill_rate": 1200, "bucket_capacity": 3600},
    "grants": [],
}
COSTS = {"default_cost": 10, "endpoint_costs": []}


class Enough(Exception):
    """The clock was asked to sleep as often as the test wants."""


class Nights(SteppingClock):
    """A clock that remembers how long it was slept on, and ends the test after so many times."""

    def __init__(self, most: int) -> None:
        super().__init__(NOW)
        self.slept: list[int] = []
        self._most = most

    @override
    async def sleep_until(self, when: Micros) -> None:
        self.slept.append(when - self.now())
        if len(self.slept) == self._most:
            raise Enough
        await super().sleep_until(when)


async def kept(clock: Nights, *answers: tuple[int, object]) -> Limiter:
    limiter = Limiter(clock, None, lambda: 0)
    async with trading(*answers) as (_, venue):
        found = await asyncio.gather(keep_rates(KalshiAccount(venue.rest), limiter, clock), return_exceptions=True)
    assert isinstance(found[0], Enough)
    return limiter


async def test_they_are_read_at_once_and_again_later() -> None:
    clock = Nights(2)
    limiter = await kept(clock, (200, LIMITS), (200, COSTS), (200, LIMITS), (200, COSTS))
    assert clock.slept == [AGAIN, AGAIN]
    assert limiter.calls_left() == (3600 * 4 // 5 + 4 * 1200) // 10


async def test_nothing_unexpected_ends_it() -> None:
    class Broken(KalshiAccount):
        broken = True

        @override
        async def limits(self) -> Outcome[Limits, Trouble]:
            if self.broken:
                self.broken = False
                raise ZeroDivisionError
            return await super().limits()

    clock = Nights(2)
    limiter = Limiter(clock, None, lambda: 0)
    async with trading((200, LIMITS), (200, COSTS)) as (_, venue):
        with pytest.raises(Enough):
            await keep_rates(Broken(venue.rest), limiter, clock)
    assert clock.slept == [RETRY, AGAIN]


async def test_where_they_cannot_be_read_the_lowest_tier_counts_and_it_is_tried_again() -> None:
    clock = Nights(2)
    limiter = await kept(clock, (503, b""), (200, COSTS), (200, LIMITS), (401, {}))
    assert clock.slept == [RETRY, RETRY]
    assert limiter.calls_left() == 48
