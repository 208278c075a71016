"""What is asked of the exchange now and then: what it gives this account, and whether it is there, which keeps it near."""

import logging
from typing import Final

from depthwalker.core.outcome import Success
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.ports import Clock
from depthwalker.shell.transport import KEPT_ALIVE

LOG: Final = logging.getLogger("depthwalker")
AGAIN: Final = Micros(600 * SECOND)  # a tier may change at any time, with notice
WARM: Final = Micros(KEPT_ALIVE * SECOND * 2 // 3)  # before an idle connection is given up
RETRY: Final = Micros(30 * SECOND)


async def keep_rates(account: KalshiAccount, limiter: Limiter, clock: Clock) -> None:
    """Have the limiter go by the account's own limits and costs, until cancelled; by the lowest tier's until they are read."""
    while True:
        known = False
        try:
            known = await _read(account, limiter)
        except Exception:
            LOG.exception("the account's limits cannot be read")
        await clock.sleep_until(Micros(clock.now() + (AGAIN if known else RETRY)))


async def keep_warm(venue: KalshiVenue, clock: Clock) -> None:
    """Keep a connection open for the next order, and the exchange's clock known, until cancelled."""
    while True:
        try:
            await venue.warm()
        except Exception:
            LOG.exception("the exchange cannot be asked for its status")
        await clock.sleep_until(Micros(clock.now() + WARM))


async def _read(account: KalshiAccount, limiter: Limiter) -> bool:
    limits = await account.limits()
    costs = await account.costs()
    if not isinstance(limits, Success) or not isinstance(costs, Success):
        LOG.info("the account's limits cannot be read: those of the lowest tier are kept to")
        return False
    limiter.learn(limits.unwrap(), costs.unwrap())
    return True
