"""Looks for what a dead process left: executions whose lease has run out, and our orders that belong to nothing.

Executions are taken up first: what the exchange does not tell of other orders keeps nobody from cancelling what is known.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from depthwalker.core.answer import OrderRecord
from depthwalker.core.ids import parse_client_id
from depthwalker.core.outcome import Failure
from depthwalker.core.reply import describe
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import ExchangeTrouble
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.journal import Store, StoreError, Unfinished
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.logs import Lasting
from depthwalker.shell.ports import Clock, Venue
from depthwalker.shell.settings import Settings, Strays

LOG: Final = logging.getLogger("depthwalker")
SWEEP: Final = Micros(5 * SECOND)  # between two looks for executions that nobody runs any more


@dataclass(frozen=True, slots=True)
class Left:
    """What there is: executions that nobody runs, those that somebody does, those of another exchange, and another account's here."""

    orphans: tuple[Unfinished, ...]
    held: tuple[Unfinished, ...]
    elsewhere: tuple[Unfinished, ...]
    anothers: tuple[Unfinished, ...]


class Recovery:
    """Recovery for one account, its exchange and one installation."""

    def __init__(self, settings: Settings, venue: Venue, store: Store, clock: Clock, limiter: Limiter) -> None:
        self._settings = settings
        self._venue = venue
        self._store = store
        self._clock = clock
        self._limiter = limiter

    async def left(self) -> Left:
        """Return what there is now. Raises StoreError."""
        everybodys = await self._store.unfinished()
        accounts = tuple(one for one in everybodys if one.account == self._settings.account)
        ours = self._here(accounts)
        return Left(
            orphans=tuple(one for one in ours if one.expired),
            held=tuple(one for one in ours if not one.expired),
            elsewhere=tuple(one for one in accounts if one not in ours),
            anothers=tuple(
                one
                for one in everybodys
                if one not in accounts and one.expired and one.exchange == self._settings.exchange != ""
            ),
        )

    async def strays(self) -> tuple[OrderRecord, ...]:
        """Return the resting orders of ours that belong to no execution. Raises ExchangeTrouble or StoreError.

        Executions are read before the orders and after them: one may end, and one may begin, while those are read.
        """
        before = await self._store.unfinished()
        resting = await self._venue.resting()
        if isinstance(resting, Failure):
            raise ExchangeTrouble(f"resting orders cannot be read: {describe(resting.failure())}")
        everybodys = {one.uuid for one in (*before, *await self._store.unfinished())}
        return tuple(record for record in resting.unwrap() if self._astray(record, everybodys))

    async def cancel(self, strays: tuple[OrderRecord, ...]) -> tuple[str, ...]:
        """Cancel orders and return those whose cancel was not acknowledged."""
        failed: list[str] = []
        for stray in strays:
            await self._limiter.acquire(Purpose.CANCEL)
            cancelled = await self._venue.cancel(stray.ticker, stray.order_id)
            if isinstance(cancelled, Failure):
                LOG.warning("order %s: its cancel failed (%s)", stray.order_id, describe(cancelled.failure()))
                failed.append(stray.order_id)
        return tuple(failed)

    async def keep_watch(self, adopt: Callable[[Unfinished], Awaitable[object]], strays: Strays) -> None:
        """Adopt whatever nobody runs, now and every few seconds, until cancelled; deal with strays once.

        Nothing else ends it: what goes wrong is logged, and looked at again.
        """
        dealt, trouble = False, Lasting(LOG)
        left: dict[int, Lasting] = {}
        while True:
            try:
                found = self._here(await self._store.unfinished(self._settings.account))
                orphans = [one for one in found if one.expired]
                left = {one.execution_id: left.get(one.execution_id) or Lasting(LOG) for one in orphans}
                for one in orphans:
                    await _take_up(one, adopt, left[one.execution_id])
                dealt = dealt or await self._deal(strays)
                trouble.over()
            except (StoreError, ExchangeTrouble) as error:
                trouble.tell("recovery: it is tried again (%s)", error)
            except Exception:
                LOG.exception("recovery: it is tried again")
            await self._clock.sleep_until(Micros(self._clock.now() + SWEEP))

    def _here(self, accounts: tuple[Unfinished, ...]) -> tuple[Unfinished, ...]:
        """Return those at our exchange: an account of the same name elsewhere is another one."""
        return tuple(one for one in accounts if self._settings.is_here(one.exchange))

    async def _deal(self, policy: Strays) -> bool:
        strays = await self.strays()
        for stray in strays:
            LOG.warning(
                "order %s (%s) in %s rests and belongs to no unfinished execution",
                stray.order_id,
                stray.client_order_id,
                stray.ticker,
            )
        if policy is Strays.CANCEL:
            return not await self.cancel(strays)
        return True

    def _astray(self, record: OrderRecord, unfinished: set[str]) -> bool:
        identity = parse_client_id(record.client_order_id)
        return (
            identity is not None
            and identity.installation == self._settings.installation
            and identity.execution not in unfinished
        )


async def _take_up(one: Unfinished, adopt: Callable[[Unfinished], Awaitable[object]], trouble: Lasting) -> None:
    """Adopt one; what cannot be keeps no other from it. Raises StoreError."""
    try:
        await adopt(one)
    except StoreError:
        raise
    except Unreadable as other:
        trouble.tell("execution %s: it is left to the version that wrote it (%s)", one.execution_id, other)
    except Exception:
        LOG.exception("execution %s: it cannot be taken up", one.execution_id)
