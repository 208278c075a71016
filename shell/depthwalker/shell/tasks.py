"""Ending tasks for certain.

A cancellation can be lost: a library that waits for two things at once (a connection of psycopg's pool, `asyncio.wait_for` before
Python 3.12) may return what came at the very moment that it was cancelled. Whoever cancels once and waits then waits for ever.
"""

import asyncio
from typing import Final

AGAIN_S: Final = 0.25


async def end(*tasks: "asyncio.Task[object] | asyncio.Task[None]") -> None:
    """Cancel tasks, again and again where it was lost, and return when all have ended; what they raised is dropped."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
