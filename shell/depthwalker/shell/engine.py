"""The engine: what a trading engine imports. It admits parent orders, runs them, and attaches callers to them.

    async with Engine.open(settings) as engine:
        trade = await engine.execute_trade(edge, method)

A parent has a unique request key (default: edge and method), enforced by the database: calling again attaches to the same
execution and returns the same trade. Cancelling a call winds the execution down; closing the engine waits for that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from depthwalker.core.answer import Rejected, Trouble
from depthwalker.core.book import Leg, OwnOrder
from depthwalker.core.config import Algorithm
from depthwalker.core.depth import Thresholds
from depthwalker.core.execution import START, State, evolve, total_exposure, total_filled
from depthwalker.core.fact import Resumed, Started
from depthwalker.core.ids import EXECUTION_DIGITS
from depthwalker.core.momentum import ema_slippage
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Action, Holding, Identity, Parent, admit
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.reply import describe
from depthwalker.core.units import SECOND, Count, Micros
from depthwalker.core.view import View
from depthwalker.shell.api import (
    Edge,
    EngineClosed,
    ExchangeTrouble,
    ExecutionResult,
    Market,
    Method,
    OrderRefused,
    Trade,
    Unresolved,
)
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.feed import Feed
from depthwalker.shell.journal import Seat, Superseded
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import Chance, Clock, Transport, Venue
from depthwalker.shell.runner import Runner
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer
from depthwalker.shell.spool import Spool
from depthwalker.shell.ticket import Job, read_config, read_job

LOG: Final = logging.getLogger("depthwalker")
LEASE: Final = Micros(15 * SECOND)
RENEWAL: Final = Micros(5 * SECOND)
EMA_WINDOW: Final = Micros(600 * SECOND)  # the specification's ten minutes
ALLOWANCE: Final = Micros(10 * SECOND)  # beyond the deadline, before a call is told Unresolved
WORKER_DIGITS: Final = 12


@dataclass(slots=True)
class Conduct:
    """One execution of this process: who waits for it, and its runner once it runs."""

    job: Job
    task: "asyncio.Task[Trade]"
    callers: int = 0
    runner: Runner | None = None
    stop: str = field(default="")


class Engine:
    """Executes parent orders on one exchange with one database. Open it with `Engine.open`."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        store: Store,
        clock: Clock,
        chance: Chance,
        on_turn: Callable[[State, View], None] | None = None,
    ) -> None:
        self._settings = settings
        self._venue = venue
        self._store = store
        self._clock = clock
        self._chance = chance
        self._on_turn = on_turn
        self._worker = chance.hex(WORKER_DIGITS)
        self._limiter = Limiter(clock, settings.calls_per_minute, self._live_orders)
        self._spool = Spool(settings.state_directory / "spool")
        self._conducts: dict[str, Conduct] = {}
        self._feeds: dict[str, Feed] = {}
        self._feed_lock = asyncio.Lock()
        self._watched: dict[str, Feed] = {}
        self._closing = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings | None = None,
        *,
        dsn: str | None = None,
        signer: Signer | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        chance: Chance | None = None,
        on_turn: Callable[[State, View], None] | None = None,
    ) -> "AsyncIterator[Engine]":
        """Open an engine; what is not handed in is the real thing.

        Without a database URL an embedded server runs for as long as somebody uses it. Leaving the context asks every
        running execution to wind down and waits until nothing of them rests.
        """
        chosen = settings or Settings.load()
        time = clock or SystemClock()
        async with AsyncExitStack() as stack:
            url = dsn or chosen.database_url or await asyncio.to_thread(stack.enter_context, connect_string())
            store = PostgresStore(url)
            await store.open()
            stack.push_async_callback(store.close)
            wire = transport or AioHttpTransport(chosen.base_url)
            stack.push_async_callback(wire.close)
            venue = KalshiVenue(wire, signer or load_key(chosen), time)
            engine = cls(chosen, venue, store, time, chance or SystemChance(), on_turn)
            stack.push_async_callback(engine.close)
            await engine._journal_spool()
            yield engine

    async def execute_trade(self, edge: Edge, method: Method, *, request_key: str | None = None) -> Trade:
        """Execute an edge by a method's configuration and return the trade row.

        Raises InvalidEdge, InvalidMethod, OrderRefused or ExchangeTrouble before anything was sent; Unresolved when the
        end could not be confirmed in time. Calling again with the same key never buys twice.
        """
        return await self._attend(read_job(edge, method, None, request_key))

    async def execute(self, edge: Edge, method: Method, market: Market | None = None) -> ExecutionResult:
        """Execute an edge in a market (default: the edge's) and return what it came to; raises as `execute_trade`."""
        return (await self._attend(read_job(edge, method, market, None))).result

    async def execute_job(self, job: Job) -> Trade:
        """Execute a job read elsewhere, as the command line does; raises as `execute_trade`."""
        return await self._attend(job)

    def get_executor(self, method: Method) -> "Executor":
        """Return the executor of a method's algorithm. Raises ValueError on an unknown one (specification, factory)."""
        return Executor(self, read_config(method).algorithm)

    async def watch(self, tickers: Iterable[str]) -> None:
        """Keep these markets' books and recent flow current, so that a first decision already has a history."""
        for ticker in tickers:
            if ticker not in self._watched:
                feed = await self._feed(ticker)
                feed.watch(_nothing)
                self._watched[ticker] = feed

    def stop(self, reason: str = "stopped by hand") -> int:
        """Ask every running execution to cancel what rests, confirm, and end; return how many were asked."""
        for conduct in self._conducts.values():
            _stop(conduct, reason)
        return len(self._conducts)

    async def close(self) -> None:
        """Wind down what runs and wait for it. Raises nothing: what could not be confirmed is logged, with its exposure."""
        self._closing = True
        self.stop("the engine is closing")
        tasks = {conduct.task for conduct in self._conducts.values()}
        if tasks:
            allowance = self._settings.wind_down + ALLOWANCE
            await self._wait(tasks, Micros(self._clock.now() + allowance))
        for conduct in tuple(self._conducts.values()):
            if not conduct.task.done():
                LOG.error("%s", _unresolved(conduct) or f"{conduct.job.request_key} did not start")
                conduct.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for feed in self._watched.values():
            await feed.leave(_nothing)
        self._watched.clear()

    # One call

    async def _attend(self, job: Job) -> Trade:
        """Start or join the job's execution and wait for its end, at most its time-out and the wind-down allowance."""
        if self._closing:
            raise EngineClosed("the engine is closing: open another one")
        conduct = self._conducts.get(job.request_key)
        if conduct is None:
            conduct = Conduct(job, asyncio.create_task(self._conduct(job), name=f"execution {job.request_key}"))
            self._conducts[job.request_key] = conduct
            conduct.task.add_done_callback(lambda _: self._conducts.pop(job.request_key, None))
        conduct.callers += 1
        allowance = job.config.timeout + self._settings.wind_down + ALLOWANCE
        try:
            await self._wait({conduct.task}, Micros(self._clock.now() + allowance))
        except asyncio.CancelledError:
            if conduct.callers == 1:
                _stop(conduct, "the call was cancelled")
            raise
        finally:
            conduct.callers -= 1
        if conduct.task.done():
            return conduct.task.result()
        raise _unresolved(conduct) or ExchangeTrouble(f"{job.ticker}: the execution could not be started in time")

    async def _wait(self, tasks: "set[asyncio.Task[Trade]]", until: Micros) -> None:
        alarm = asyncio.ensure_future(self._clock.sleep_until(until))
        ended = asyncio.ensure_future(asyncio.wait(tasks))
        try:
            await asyncio.wait({alarm, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            ended.cancel()
