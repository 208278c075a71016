"""The synchronous twin of the engine, for callers without an event loop: one runs in a thread of its own.

with SyncEngine.open(settings) as engine:
    trade = engine.execute_trade(edge, method)
"""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from typing import TypeVar

from depthwalker.shell.api import Edge, EngineClosed, ExecutionResult, Market, Method, Queued, Trade
from depthwalker.shell.engine import Engine, Executor
from depthwalker.shell.settings import Settings

T = TypeVar("T")


class SyncEngine:
    """Every call blocks until the engine's has returned. An interrupt winds the call's execution down, and waits for it."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
        """`thread` runs the loop."""
        self._engine = engine
        self._loop = loop
        self._thread = thread
        self._gate = threading.RLock()  # of a signal handler's calls too
        self._closed = False

    @classmethod
    @contextmanager
    def open(cls, settings: Settings | None = None, *, dsn: str | None = None) -> "Iterator[SyncEngine]":
        """Open an engine in its own thread; leaving the context, or the interpreter, waits until nothing rests."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="depthwalker", daemon=True)
        thread.start()
        stack = AsyncExitStack()
        entering = asyncio.run_coroutine_threadsafe(stack.enter_async_context(Engine.open(settings, dsn=dsn)), loop)

        def leave() -> None:
            if not thread.is_alive():  # it was left before, or is another process's: threads are not forked
                return
            entering.cancel()
            asyncio.run_coroutine_threadsafe(_leave(stack), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

        atexit.register(leave)  # the interpreter's end stops the thread: whoever leaves later would wait for ever
        try:
            engine = cls(entering.result(), loop, thread)
            try:
                yield engine
            finally:
                engine._close()
        finally:
            atexit.unregister(leave)  # first: a second interrupt leaves at once
            leave()

    def execute_trade(self, edge: Edge, method: Method, *, request_key: str | None = None) -> Trade:
        """Execute an edge and return the trade row; see `Engine.execute_trade`."""
        return self._run(self._engine.execute_trade(edge, method, request_key=request_key))

    def execute(self, edge: Edge, method: Method, market: Market | None = None) -> ExecutionResult:
        """Execute an edge in a market and return what it came to; see `Engine.execute`."""
        return self._run(self._engine.execute(edge, method, market))

    def submit(
        self, edge: Edge, method: Method, *, request_key: str | None = None, start_within: timedelta | None = None
    ) -> Queued:
        """Queue an edge for workers; see `Engine.submit`."""
        return self._run(self._engine.submit(edge, method, request_key=request_key, start_within=start_within))

    def queued(self, request_key: str) -> Queued | None:
        """Return how a queued parent stands."""
        return self._run(self._engine.queued(request_key))

    def wait(self, request_key: str) -> Trade:
        """Return the trade of a queued parent when a worker has executed it; see `Engine.wait`."""
        return self._run(self._engine.wait(request_key))

    def get_executor(self, method: Method) -> "SyncExecutor":
        """Return the executor of a method's algorithm. Raises ValueError on an unknown one."""
        return SyncExecutor(self._run, self._engine.get_executor(method))

    def watch(self, tickers: Iterable[str]) -> None:
        """Keep these markets' books and recent flow current."""
        self._run(self._engine.watch(tickers))

    def _close(self) -> None:
        """Let no call come any more: one that came after the last look at the loop's tasks would never return."""
        with self._gate:
            self._closed = True

    def _run(self, work: Coroutine[None, None, T]) -> T:
        if not self._closed and not self._thread.is_alive():  # without the gate, which another thread may have held
            work.close()
            raise EngineClosed("the engine runs in the process that this one was forked from: open another one")
        with self._gate:
            if self._closed:
                work.close()
                raise EngineClosed("the engine is closed: open another one")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # An interrupt, or whatever else a signal handler raises; of a call that has ended nothing is left to cancel.
            future.cancel()
            raise


class SyncExecutor:
    """Executes edges, blocking; the specification's OrderExecutor."""

    def __init__(
        self, run: Callable[[Coroutine[None, None, ExecutionResult]], ExecutionResult], executor: Executor
    ) -> None:
        """`run` has the engine's loop do it, and waits."""
        self._run = run
        self._executor = executor
        self.algorithm = executor.algorithm

    def execute(self, edge: Edge, method: Method, market: Market | None = None) -> ExecutionResult:
        """Execute an edge in a market and return what it came to; see `Executor.execute`."""
        return self._run(self._executor.execute(edge, method, market))


async def _leave(stack: AsyncExitStack) -> None:
    """Close what was opened, also where an interrupt came while it was opening; nothing is left running."""
    await stack.aclose()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*left, return_exceptions=True)
    await stack.aclose()
