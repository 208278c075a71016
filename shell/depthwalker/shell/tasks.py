"""Ending tasks for certain.

A cancellation can be lost: a library that waits for two things at once (a connection of psycopg's pool, `asyncio.wait_for` before
Python 3.12) may return what came at the very moment that it was cancelled. Whoever cancels once and waits then waits for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Final

from depthwalker.core.units import Micros
from depthwalker.shell.ports import Clock

AGAIN_S: Final = 0.25


async def end(*tasks: "asyncio.Task[object] | asyncio.Task[None]") -> None:
    """Cancel tasks, again and again where it was lost, and return when all have ended; what they raised is dropped."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Have something done meanwhile, and no longer."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        await end(task)


async def wait(tasks: "Iterable[asyncio.Task[object]]", clock: Clock, until: Micros) -> None:
    """Wait for tasks until they have all ended, but no longer than until an instant; they go on."""
    alarm = asyncio.ensure_future(clock.sleep_until(until))
    ended = asyncio.ensure_future(asyncio.wait(tasks))
    try:
        await asyncio.wait({alarm, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        alarm.cancel()
        ended.cancel()
