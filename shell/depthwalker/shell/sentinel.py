"""Obeys the kill switch: once it is pulled, every execution of this process cancels what rests, and ends.

The database is asked twice a second, so that everybody obeys within one; that nothing new begins the database sees to
itself. Where it cannot be asked, executions that write wind down by themselves.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.grouping import Groups
from depthwalker.shell.journal import Pulled, Store, StoreError
from depthwalker.shell.logs import Lasting
from depthwalker.shell.ports import Clock

LOG: Final = logging.getLogger("depthwalker")
LOOK: Final = Micros(SECOND // 2)


class Sentinel:
    """The kill switch as one process sees it: `pulled`, as last seen.

    `stop` asks every running execution to end, for the reason given.
    """

    def __init__(self, store: Store, clock: Clock, groups: Groups | None, stop: Callable[[str], object]) -> None:
        self._store = store
        self._clock = clock
        self._groups = groups
        self._stop = stop
        self.pulled: Pulled | None = None

    async def ends(self) -> str:
        """Return why an execution that begins now has to end, or nothing; that the switch was released may be news."""
        if self.pulled is not None:
            with suppress(StoreError):
                await self.look()
        return self.reason()

    def reason(self) -> str:
        """Return why everything has to end, as last seen, or nothing."""
        return "" if self.pulled is None else f"kill switch: {self.pulled.reason}"

    async def keep_watch(self) -> None:
        """Obey the switch until cancelled."""
        await keep_looking(self.look, self._clock, "the kill switch")

    async def look(self) -> None:
        """Read the switch, and obey it where it is newly pulled. Raises StoreError."""
        before, self.pulled = self.pulled, await self._store.switch()
        if self.pulled is None:
            if before is not None:
                LOG.warning("the kill switch is released")
            return
        if before is not None and before.pull_id == self.pulled.pull_id:
            return
        LOG.warning("the kill switch was pulled by %s: %s", self.pulled.by, self.pulled.reason)
        self._stop(self.reason())
        if self._groups is not None:
            await self._groups.throw()


async def keep_looking(look: Callable[[], Awaitable[None]], clock: Clock, what: str) -> None:
    """Look at something in the store until cancelled. Nothing else ends it: what goes wrong is logged, and looked at again."""
    away = Lasting(LOG)
    while True:
        try:
            await look()
            away.over()
        except StoreError as error:
            away.tell("%s cannot be read (%s)", what, error)
        except Exception:
            LOG.exception("%s cannot be read", what)
        await clock.sleep_until(Micros(clock.now() + LOOK))
