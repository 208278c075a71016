"""The engine: what a trading engine imports. It admits parent orders, runs them, and attaches callers to them.

    async with Engine.open(settings) as engine:
        trade = await engine.execute_trade(edge, method)

A parent has a unique request key (default: edge and method), enforced by the database: calling again attaches to the same
execution and returns the same trade. Cancelling a call winds the execution down; closing the engine waits for that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial, reduce
from typing import Final

from depthwalker.core.book import OwnOrder
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.rollout import Arm
from depthwalker.core.units import SECOND, Count, Micros
from depthwalker.core.view import View
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.api import (
    DatabaseTrouble,
    Edge,
    EngineClosed,
    ExchangeTrouble,
    ExecutionResult,
    InvalidEdge,
    InvalidMethod,
    Market,
    Method,
    NotExecuted,
    Queued,
    Recovered,
    Trade,
    Unresolved,
)
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.conduct import Conduct, Conductor, own_orders, runners
from depthwalker.shell.dialler import AioHttpDialler, Dialler, socket_url
from depthwalker.shell.grouping import Groups
from depthwalker.shell.job_queue import Entry, JobQueue, Standing
from depthwalker.shell.journal import Store, StoreError, Unfinished, Unfit
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.markets import Markets
from depthwalker.shell.news import NewsRoom
from depthwalker.shell.observer import Observer
from depthwalker.shell.opening import embedded_server, load_key, open_store
from depthwalker.shell.ports import Chance, Clock, Transport
from depthwalker.shell.purse import StorePool
from depthwalker.shell.rates import keep_rates, keep_warm
from depthwalker.shell.recovery import Recovery
from depthwalker.shell.result import bounds, not_ended, trade_of
from depthwalker.shell.sentinel import Sentinel
from depthwalker.shell.settings import Recovering, Settings
from depthwalker.shell.signing import Signer
from depthwalker.shell.socket import Socket
from depthwalker.shell.spool import Spool
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.tasks import end, wait
from depthwalker.shell.ticket import Job, job_of, read_config, read_job, refuse_another
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.unspool import journal_spool
from depthwalker.shell.warden import Warden
from depthwalker.shell.watchers import Gauges, Watchers
from depthwalker.shell.watching import watching_as

LOG: Final = logging.getLogger("depthwalker")
WORKER_DIGITS: Final = 12
QUEUE_LOOK: Final = Micros(SECOND // 4)
ALLOWANCE: Final = Micros(10 * SECOND)  # beyond the deadline, before a call is told Unresolved
# The same for what a dead process left: what it had sent may have to be waited for until no read can show it any more.
TAKEN_UP: Final = Micros(30 * SECOND)
QUEUEABLE: Final = "request_key must be shorter than 2,700 bytes, and start_within a matter of years at most"
UNREAD: Final = "which orders rest and belong to nothing could not be read: run this again"


class Engine:
    """Executes parent orders on one exchange with one database. Open it with `Engine.open`."""

    def __init__(
        self,
        settings: Settings,
        venue: KalshiVenue,
        store: Store,
        clock: Clock,
        chance: Chance,
        on_turn: Callable[[State, View], None] | None = None,
        dialler: Dialler | None = None,
        watchers: Watchers | None = None,
    ) -> None:
        self.worker = chance.hex(WORKER_DIGITS)
        self._settings = settings
        self._store = store
        self._clock = clock
        self._conducts: dict[str, Conduct] = {}
        worker, account = self.worker, settings.trading_account
        self.queue: JobQueue | None = store.queue(account) if isinstance(store, PostgresStore) else None
        pool = StorePool(store, account, worker)
        self._limiter = Limiter(clock, settings.calls_per_minute, self._live_orders, pool)
        self._markets = Markets(venue, clock, settings.book_interval, self._own_orders)
        self._groups = Groups(venue, store, self._limiter, clock, account, worker) if settings.order_groups else None
        self._sentinel = Sentinel(store, clock, self._groups, self._end_all)
        self._warden = Warden(settings, store, clock, self._stop_walkers)
        self._observer = Observer(
            store, clock, settings.snapshot_interval, self._own_orders, polls=settings.calls_per_minute is None
        )
        self._conductor = Conductor(
            settings,
            venue,
            store,
            clock,
            chance,
            self._limiter,
            self._markets,
            self._conducts,
            on_turn,
            worker,
            self._groups,
            self._sentinel,
            self._warden,
            self._observer,
            watchers or Watchers(),
        )
        self._recovery = Recovery(settings, venue, store, clock, self._limiter)
        self._socket: Socket | None = None
        if dialler is not None:
            newsroom = NewsRoom(self._markets.feeds, lambda: runners(self._conducts), clock)
            self._socket = Socket(dialler, clock, chance, newsroom.hear)
            self._markets.follow_by(self._socket)
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self.metrics_port: int | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings | None = None,
        *,
        dsn: str | None = None,
        signer: Signer | None = None,
        transport: Transport | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
        chance: Chance | None = None,
        dialler: Dialler | None = None,
        on_turn: Callable[[State, View], None] | None = None,
    ) -> "AsyncIterator[Engine]":
        """Open an engine; what is not handed in is the real thing.

        Without a database URL an embedded server runs for as long as somebody uses it. A store handed in is open already,
        and stays open. Leaving the context asks every running execution to wind down and waits until nothing of them rests.
        """
        chosen = settings or Settings.load()
        time = clock or SystemClock()
        async with AsyncExitStack() as stack:

            def meanwhile(work: Coroutine[None, None, None]) -> None:
                stack.push_async_callback(end, asyncio.create_task(work))

            if store is None:
                url = dsn or chosen.database_url or await embedded_server(stack, chosen)
                store = await stack.enter_async_context(open_store(url))
            watchers, serve = watching_as(chosen)
            wire = watchers.watched(transport or AioHttpTransport(chosen.base_url), time)
            stack.push_async_callback(wire.close)
            key = signer or load_key(chosen)
            venue = KalshiVenue(wire, key, time)
            if dialler is None and transport is None and key is not None and chosen.websocket:
                dialler = AioHttpDialler(socket_url(chosen.base_url), key, venue.rest.their_now)
            engine = cls(chosen, venue, store, time, chance or SystemChance(), on_turn, dialler, watchers)
            engine._limiter.govern(venue.rest)
            stack.push_async_callback(engine._limiter.give_back)
            meanwhile(engine._limiter.keep_reserve())
            if chosen.calls_per_minute is None:  # else a budget is named, and no call is spent on what can do without
                meanwhile(keep_warm(venue, time))
            if key is not None and chosen.calls_per_minute is None:
                meanwhile(keep_rates(KalshiAccount(venue.rest), engine._limiter, time))
            if engine._socket is not None:
                engine._socket.start()
                stack.push_async_callback(engine._socket.close)
            if key is not None and engine._groups is not None:
                stack.push_async_callback(engine._groups.leave)
                meanwhile(engine._groups.show_life())
            stack.push_async_callback(engine.close)
            stack.push_async_callback(engine._warden.close)
            meanwhile(engine._sentinel.keep_watch())
            await journal_spool(Spool(chosen.state_directory / "spool"), store)
            if key is not None and chosen.recovery is not Recovering.OFF:
                adopt = partial(engine._adopt, wind_down=chosen.recovery is Recovering.WIND_DOWN)
                meanwhile(engine._recovery.keep_watch(adopt, chosen.strays))
            if serve is not None:
                gauges = Gauges(engine._running, engine._limiter.calls_left, lambda: bool(engine._sentinel.reason()))
                engine.metrics_port = await stack.enter_async_context(serve(gauges))
            yield engine

    async def execute_trade(self, edge: Edge, method: Method, *, request_key: str | None = None) -> Trade:
        """Execute an edge by a method's configuration and return the trade row, which stands in `trades` by then.

        Raises InvalidEdge, InvalidMethod, OrderRefused, TradingStopped, DatabaseTrouble, ExchangeTrouble or EngineClosed before
        anything was sent; Unresolved when the end, or that it began, could not be confirmed in time: contracts may be bought.
        Calling again with the same key never buys twice.
        """
        return await self._attend(read_job(edge, method, None, request_key))

    async def execute(self, edge: Edge, method: Method, market: Market | None = None) -> ExecutionResult:
        """Execute an edge in a market (default: the edge's) and return what it came to; raises as `execute_trade`."""
        return (await self._attend(read_job(edge, method, market, None))).result

    async def execute_job(self, job: Job) -> Trade:
        """Execute a job read elsewhere, as the command line does; raises as `execute_trade`."""
        return await self._attend(job)

    async def submit(
        self, edge: Edge, method: Method, *, request_key: str | None = None, start_within: timedelta | None = None
    ) -> Queued:
        """Queue an edge for `depthwalker worker` processes, durably, and return at once; calling again queues nothing twice.

        After `start_within` it is not begun any more. Raises InvalidEdge, InvalidMethod or DatabaseTrouble, and OrderRefused where
        another account's order, or one in another market, outcome or direction, is queued under that key.
        """
        job = read_job(edge, method, None, request_key)
        return await self.submit_job(job, start_within)

    async def submit_job(self, job: Job, start_within: timedelta | None = None) -> Queued:
        """Queue a job read elsewhere; raises as `submit`."""
        within = None if start_within is None else Micros(start_within // timedelta(microseconds=1))
        try:
            return _queued(job.request_key, await self._queue().put(job, within))
        except Unfit as unfit:
            raise InvalidEdge(f"{unfit}: {QUEUEABLE}") from unfit
        except StoreError as error:
            raise DatabaseTrouble(str(error)) from error

    async def queued(self, request_key: str) -> Queued | None:
        """Return how a queued parent stands. Raises DatabaseTrouble."""
        try:
            entry = await self._queue().find(request_key)
        except StoreError as error:
            raise DatabaseTrouble(str(error)) from error
        return None if entry is None else _queued(request_key, entry)

    async def wait(self, request_key: str) -> Trade:
        """Return the trade of a queued parent when a worker has executed it. Raises NotExecuted or DatabaseTrouble."""
        while True:
            found = await self.queued(request_key)
            if found is None:
                raise NotExecuted(f"{request_key!r} is not in the queue")
            if found.standing in {Standing.REFUSED.value, Standing.LATE.value}:
                raise NotExecuted(f"{request_key!r} is {found.standing}: {found.message}")
            if found.execution_id is not None:
                try:
                    record = await self._store.trade(found.execution_id)
                except StoreError as error:
                    raise DatabaseTrouble(str(error)) from error
                assert record is not None, "it is done, so it has ended"
                return trade_of(record)
            await self._clock.sleep_until(Micros(self._clock.now() + QUEUE_LOOK))

    @property
    def wind_down_s(self) -> float:
        """Return how many seconds the end of an execution may take once it is asked for."""
        return (self._settings.wind_down + ALLOWANCE) / SECOND

    def _queue(self) -> JobQueue:
        if self.queue is None:
            raise DatabaseTrouble("there is no queue without a PostgreSQL database")
        self._check_loop()
        return self.queue

    def get_executor(self, method: Method) -> "Executor":
        """Return the executor of a method's algorithm. Raises ValueError on an unknown one (specification, factory)."""
        return Executor(self, read_config(method).algorithm)

    async def recover(self, *, wind_down: bool = False, cancel_strays: bool = False) -> Recovered:
        """Take up every execution that nobody runs any more, wait for their ends, and tell what there was.

        They go on to their deadlines, or wind down; what has not ended a wind-down allowance later is told among the
        troubles, with its orders. Orders of this installation that rest and belong to no unfinished execution are told, and
        cancelled if asked for; other installations' are left alone. Raises DatabaseTrouble, and ExchangeTrouble where nothing was
        taken up and those orders cannot be read.
        """
        taken: dict[int, Conduct] = {}
        troubles: list[str] = []
        until = self._clock.now()
        try:
            left = await self._recovery.left()
            troubles += [
                f"execution {one.execution_id} of account {one.account!r} is left by its workers, and its orders may rest: "
                f"an engine of that account takes it up (DEPTHWALKER_ACCOUNT={one.account})"
                for one in left.anothers
            ]
            for one in left.orphans:
                try:
                    conduct = await self._adopt(one, wind_down=wind_down)
                except Unreadable as other:
                    troubles.append(f"execution {one.execution_id} is left to the version that wrote it: {other}")
                    continue
                if conduct is not None:
                    taken[one.execution_id] = conduct
                    until = until if wind_down else max(until, one.deadline)
        except StoreError as error:
            raise DatabaseTrouble(str(error)) from error
        looking = asyncio.create_task(self._strays(cancel=cancel_strays, alone=not left.orphans))
        tasks = {looking, *(conduct.task for conduct in taken.values())}
        try:
            await wait(tasks, self._clock, Micros(until + self._settings.wind_down + TAKEN_UP))
            ends = [await self._end_of(execution_id, conduct) for execution_id, conduct in taken.items()]
        finally:
            await end(looking)
        strays, unread = ((), (UNREAD,)) if looking.cancelled() else looking.result()
        return Recovered(
            trades=tuple(one for one in ends if isinstance(one, Trade)),
            troubles=(*troubles, *(one for one in ends if isinstance(one, str)), *unread),
            held=tuple(one.execution_id for one in left.held),
            elsewhere=tuple((one.execution_id, one.exchange) for one in left.elsewhere),
            strays=strays,
        )

    async def _strays(self, *, cancel: bool, alone: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the orders that belong to nothing, their cancels sent if asked for, or else why they are not known.

        Raises ExchangeTrouble where they are all there is to tell (`alone`).
        """
        try:
            strays = await self._recovery.strays()
        except (ExchangeTrouble, StoreError) as error:
            if alone and isinstance(error, ExchangeTrouble):
                raise
            return (), (f"{UNREAD} ({error})",)
        failed = await self._recovery.cancel(strays) if cancel else ()
        troubles = tuple(f"order {one} belongs to no execution and may rest: its cancel failed" for one in failed)
        return tuple(one.order_id for one in strays if one.order_id not in failed), troubles

    async def _end_of(self, execution_id: int, conduct: Conduct) -> Trade | str:
        """Return the trade of an execution that was taken up, or why there is none; while it runs, what may be filled and rest."""
        if conduct.task.done():
            (ended,) = await asyncio.gather(conduct.task, return_exceptions=True)
            return ended if isinstance(ended, Trade) else str(ended)
        try:
            return not_ended(execution_id, await self._state(execution_id, conduct))
        except (StoreError, Unreadable) as error:
            return f"execution {execution_id} is not confirmed ended, and its journal cannot be read: {error}"

    async def watch(self, tickers: Iterable[str]) -> None:
        """Keep these markets' (or this one's) books and recent flow current, so that a first decision already has a history."""
        for ticker in (tickers,) if isinstance(tickers, str) else tickers:  # not by its letters
            self._check_open()
            feed = await self._markets.feed(ticker)
            self._check_open()
            self._markets.keep(feed)

    def stop(self, reason: str = "stopped by hand") -> int:
        """Ask every running execution to cancel what rests, confirm, and end; return how many were asked.

        A call whose execution has not begun raises EngineClosed, or TradingStopped: its request key stays unused. One that waits
        for the execution of another worker raises Unresolved: it goes on there.
        """
        for conduct in self._conducts.values():
            conduct.leaves = True
        return self._end_all(reason)

    def _end_all(self, reason: str) -> int:
        """As `stop`, but what other workers execute is waited for: they obey the kill switch as well."""
        for conduct in self._conducts.values():
            conduct.end(reason)
        return len(self._conducts)

    async def close(self) -> None:
        """Wind down what runs and wait for it. Raises nothing: what could not be confirmed is logged, with its exposure."""
        self._closing = self._conductor.closing = True
        self.stop("the engine is closing")
        tasks = {conduct.task for conduct in self._conducts.values()}
        try:
            if tasks:
                allowance = self._settings.wind_down + ALLOWANCE
                await wait(tasks, self._clock, Micros(self._clock.now() + allowance))
        finally:  # also where closing itself is cancelled: nothing runs on behind a closed transport
            for conduct in tuple(self._conducts.values()):
                if not conduct.task.done():
                    LOG.error("%s", conduct.running() or f"{conduct.job.request_key} did not start")
            await end(*tasks)
            await self._observer.close()
            await self._markets.close()

    def _stop_walkers(self, reason: str) -> None:
        """Ask what runs in the walker's arm of a rollout to end."""
        for conduct in self._conducts.values():
            state = None if conduct.runner is None else conduct.runner.state
            if state is not None and state.arm is Arm.WALKER and not state.stop:
                conduct.end(reason)

    def _check_open(self) -> None:
        """Raise EngineClosed where nothing more is begun, or where another event loop than the engine's asks for it."""
        if self._closing:
            raise EngineClosed("the engine is closing: open another one")
        self._check_loop()

    def _check_loop(self) -> None:
        """Raise EngineClosed in another event loop: its locks and connections would be of no use to anybody any more."""
        if asyncio.get_running_loop() is not self._loop:
            raise EngineClosed("the engine runs in another event loop: call it there, open one here, or use SyncEngine")

    # One call

    async def _attend(self, job: Job) -> Trade:
        """Start or join the job's execution and wait for its end, at most its time-out and the wind-down allowance."""
        self._check_open()
        found = self._conducts.get(job.request_key)
        if found is not None:
            refuse_another(job, found.job)
        conduct = found or self._conduct(job)
        conduct.callers += 1
        allowance = job.config.timeout + self._settings.wind_down + ALLOWANCE
        try:
            await wait({conduct.task}, self._clock, Micros(self._clock.now() + allowance))
        except asyncio.CancelledError:
            if conduct.callers == 1:
                conduct.end("the call was cancelled")
            raise
        finally:
            conduct.callers -= 1
        # Cancelled as the engine closed, and not the call: contracts may be bought, and a CancelledError would say nothing of it.
        if conduct.task.done() and not conduct.task.cancelled():
            return conduct.task.result()
        unresolved = await self._unresolved(conduct)
        if conduct.execution_id is None:
            conduct.end("it could not be started in time")  # it does not begin any more, or ends at once
        if unresolved is not None:
            raise unresolved
        raise ExchangeTrouble(f"{job.ticker}: the execution could not be started in time")

    def _conduct(self, job: Job) -> Conduct:
        conduct = Conduct(job, asyncio.create_task(self._conductor.conduct(job), name=f"execution {job.request_key}"))
        self._conducts[job.request_key] = conduct
        conduct.task.add_done_callback(lambda task: self._ended(job, task))
        return conduct

    async def _adopt(self, one: Unfinished, *, wind_down: bool) -> Conduct | None:
        """Take up an execution that nobody runs any more; who calls with its request key joins it.

        None where it cannot be begun here. Raises StoreError, and Unreadable where another version wrote its journal.
        """
        if one.request_key in self._conducts:
            return self._conducts[one.request_key]
        state = reduce(evolve, await self._store.load(one.execution_id), START)
        if self._closing or state.policy is None or self._conducts.get(one.request_key) is not None:
            return self._conducts.get(one.request_key)
        LOG.warning("execution %s: nobody runs it any more; it is taken up", one.execution_id)
        conduct = self._conduct(job_of(one.request_key, state, state.policy))
        conduct.callers = 1  # ourselves: it is wanted until it has ended
        if wind_down:
            conduct.end("recovered")
        return conduct

    def _ended(self, job: Job, task: "asyncio.Task[Trade]") -> None:
        self._conducts.pop(job.request_key, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # every caller may have left
            LOG.debug("%s: %s", job.request_key, error)

    async def _unresolved(self, conduct: Conduct) -> Unresolved | None:
        """Return what is known of an execution that has not ended; None where none has begun."""
        running, execution_id = conduct.running(), conduct.execution_id
        if running is not None or execution_id is None:
            return running
        try:
            return bounds(execution_id, await self._state(execution_id, conduct))
        except (StoreError, Unreadable):
            return Unresolved(execution_id, Count(0), conduct.job.ticket.count)

    async def _state(self, execution_id: int, conduct: Conduct) -> State:
        """Return how an execution stands, from its journal where it does not run here. Raises StoreError or Unreadable."""
        if conduct.runner is not None:
            return conduct.runner.state
        return reduce(evolve, await self._store.load(execution_id), START)

    def _running(self) -> int:
        return len(runners(self._conducts))

    def _live_orders(self) -> int:
        """Return how many orders may have to be cancelled; of those that wait for the budget only the next one's cancel counts."""
        here = runners(self._conducts)
        waiting = sum(runner.unsent() for runner in here)
        return sum(runner.live_orders() for runner in here) - max(0, waiting - 1)

    def _own_orders(self, ticker: str) -> tuple[OwnOrder, ...]:
        return own_orders(runners(self._conducts, ticker))


def _queued(request_key: str, entry: Entry) -> Queued:
    return Queued(request_key, entry.standing.value, entry.execution_id, entry.message)


class Executor:
    """Executes edges with one algorithm: what the specification's factory returns for a method."""

    def __init__(self, engine: Engine, algorithm: Algorithm) -> None:
        self._engine = engine
        self.algorithm = algorithm

    async def execute(self, edge: Edge, method: Method, market: Market | None = None) -> ExecutionResult:
        """Execute an edge by a method's configuration; its row in `trades` is written, as by `Engine.execute_trade`.

        Raises as `Engine.execute_trade`, and InvalidMethod where the method names another algorithm than the executor's.
        """
        asked = read_config(method).algorithm
        if asked is not self.algorithm:
            raise InvalidMethod(
                f"the method's algorithm is {asked.value}, and this executor's is {self.algorithm.value}: "
                "get_executor(method) returns the one of the method"
            )
        return await self._engine.execute(edge, method, market)
