"""What the exchange gives this account, read at the start and now and then: the limiter goes by it."""

import logging
from typing import Final

from depthwalker.core.outcome import Success
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import Clock

LOG: Final = logging.getLogger("depthwalker")
AGAIN: Final = Micros(600 * SECOND)  # a tier may change at any time, with notice
RETRY: Final = Micros(30 * SECOND)


async def keep_rates(account: KalshiAccount, limiter: Limiter, clock: Clock) -> None:
    """Have the limiter go by the account's own limits and costs, until cancelled; by the lowest tier's until they are read."""
    while True:
        known = await _read(account, limiter)
        await clock.sleep_until(Micros(clock.now() + (AGAIN if known else RETRY)))


async def _read(account: KalshiAccount, limiter: Limiter) -> bool:
    await limiter.acquire(Purpose.READ)
    limits = await account.limits()
    await limiter.acquire(Purpose.PUBLIC)
    costs = await account.costs()
    if not isinstance(limits, Success) or not isinstance(costs, Success):
        LOG.info("the account's limits cannot be read: those of the lowest tier are kept to")
        return False
    limiter.learn(limits.unwrap(), costs.unwrap())
    return True
