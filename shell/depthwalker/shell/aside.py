"""Threads of our own, for what must neither stop the event loop nor wait for asyncio's, which the application may fill."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Aside:
    """A few threads that live as long as the process; one that is forked has its own."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = threads
        self._name = name
        self._begin()
        # Threads are not forked, and a pool begins none while it counts one idle.
        os.register_at_fork(after_in_child=self._begin)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` does in a thread; in the event loop's, once the main thread has ended: Python begins no more then."""
        try:
            done = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError:
            return work()
        return await done

    def _begin(self) -> None:
        self._pool = ThreadPoolExecutor(self._threads, self._name)
