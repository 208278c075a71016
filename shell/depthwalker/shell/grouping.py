"""The order groups of this process, one a shard: who takes over from it cancels what it left and refuses what it still sends.

A belt, not a proof: what the exchange does with a group's orders is not established, so nothing depends on it, and no failure
here stops an execution. The proof is the client order id and the order's own record.
"""

import asyncio
import logging
from typing import Final

from depthwalker.core.answer import Rejected, Trouble
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.reply import describe
from depthwalker.core.units import CONTRACT, DAY, SECOND, Count, Micros
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.journal import Store, StoreError, WorkerGroup
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import Clock
from depthwalker.shell.wire import AUTO_SHARD

LOG: Final = logging.getLogger("depthwalker")
LIMIT: Final = Count(1_000_000 * CONTRACT)  # the most that a group may have: fills are not what it is for (section 5.9)
TRIGGERED_FOR: Final = Micros(60 * SECOND)  # whatever a dead worker sent has arrived by then
SIGN_OF_LIFE: Final = Micros(600 * SECOND)
UNUSED_FOR: Final = DAY  # many signs of life: a database may have been away for long


class Groups:
    """The groups of one worker, and what becomes of others'."""

    def __init__(
        self, venue: KalshiVenue, store: Store, limiter: Limiter, clock: Clock, account: str, worker: str
    ) -> None:
        """`account` names the account and its exchange: an account of the same name elsewhere is another one."""
        self._venue = venue
        self._exchange = KalshiAccount(venue.rest)
        self._store = store
        self._limiter = limiter
        self._clock = clock
        self._account = account
        self._worker = worker
        self._making = asyncio.Lock()

    async def join(self, ticker: str) -> None:
        """Have the orders of a market, whose shard is known, belong to a group that others know of."""
        shard = self._venue.rest.shard(ticker)
        if shard == AUTO_SHARD:
            return
        async with self._making:
            if self._venue.group_of(ticker):
                return
            await self._limiter.acquire(Purpose.ENTRY)
            made = await self._exchange.create_group(LIMIT, shard)
            if isinstance(made, Failure):
                LOG.warning("shard %s: no order group (%s)", shard, describe(made.failure()))
                return
            group = WorkerGroup(made.unwrap(), shard, self._worker)
            try:
                await self._store.keep_group(self._account, group)
            except StoreError as error:  # nobody could trigger it
                LOG.warning("shard %s: its order group could not be kept (%s)", shard, error)
                return
            self._venue.join(shard, group.group_id)

    async def show_life(self) -> None:
        """Show others that this worker's groups are in use, until cancelled, so that they do not delete them."""
        while True:
            await self._clock.sleep_until(Micros(self._clock.now() + SIGN_OF_LIFE))
            try:
                await self._store.use_groups(self._account, self._worker)
            except StoreError as error:
                LOG.warning("that the order groups are in use could not be noted (%s)", error)

    async def trigger(self, worker: str | None = None) -> int:
        """Cancel what rests of a worker, or of all the account's, and have its later orders refused; return the groups."""
        try:
            found = await self._store.groups(self._account, worker)
            for group in found:
                await self._limiter.acquire(Purpose.RESOLVE)
                triggered = await self._exchange.trigger_group(group.group_id, group.shard)
                if _is_gone(triggered):
                    await self._store.forget_group(self._account, group.group_id)
                elif isinstance(triggered, Success):
                    await self._store.group_triggered(self._account, group.group_id)
                    LOG.warning("the orders of worker %s in shard %s are cancelled", group.worker, group.shard)
                else:
                    LOG.warning("order group %s was not triggered (%s)", group.group_id, describe(triggered.failure()))
        except StoreError as error:
            LOG.warning("order groups cannot be read (%s)", error)
            return 0
        return len(found)

    async def throw(self) -> None:
        """Trigger this worker's own groups; orders placed after it belong to new ones. Raises StoreError."""
        for group in await self._store.groups(self._account, self._worker):
            self._venue.join(group.shard, "")
        await self.trigger(self._worker)

    async def leave(self) -> None:
        """Delete this worker's groups, and those that are of no use to anybody any more."""
        try:
            own = await self._store.groups(self._account, self._worker)
            for group in (*own, *await self._store.spent_groups(self._account, TRIGGERED_FOR, UNUSED_FOR)):
                await self._limiter.acquire(Purpose.ENTRY)
                deleted = await self._exchange.delete_group(group.group_id, group.shard)
                if isinstance(deleted, Success) or _is_gone(deleted):
                    await self._store.forget_group(self._account, group.group_id)
        except StoreError as error:
            LOG.warning("order groups are left at the exchange (%s)", error)


def _is_gone(outcome: Outcome[None, Trouble]) -> bool:
    match outcome:
        case Failure(Rejected(404, _, _)):
            return True
        case _:
            return False
