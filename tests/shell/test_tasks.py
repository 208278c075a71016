"""Tasks end however often a cancellation is lost on the way."""

import asyncio
from contextlib import suppress

from depthwalker.shell.tasks import end


async def deaf(times: int) -> None:
    """Lose so many cancellations, and then end by one."""
    for _ in range(times):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def fails() -> None:
    raise ValueError("dropped")


async def test_a_lost_cancellation_is_sent_again() -> None:
    async with asyncio.timeout(10):
        tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
        await asyncio.sleep(0)
        await end(*tasks)
        assert all(task.cancelled() for task in tasks)


async def test_what_has_ended_or_failed_is_left_alone() -> None:
    failed = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await end(failed)
    await end()
    assert isinstance(failed.exception(), ValueError)
