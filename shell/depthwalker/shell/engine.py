"""The engine: what a trading engine imports. It admits parent orders, runs them, and attaches callers to them.

    async with Engine.open(settings) as engine:
        trade = await engine.execute_trade(edge, method)

A parent has a unique request key (default: edge and method), enforced by the database: calling again attaches to the same
execution and returns the same trade. Cancelling a call winds the execution down; closing the engine waits for that.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial, reduce
from typing import Final, TypeVar, assert_never

from depthwalker.core.answer import Rejected, Trouble
from depthwalker.core.book import Leg, OwnOrder
from depthwalker.core.config import Algorithm
from depthwalker.core.depth import Thresholds
from depthwalker.core.execution import START, State, evolve, total_exposure, total_filled
from depthwalker.core.fact import Fact, Resumed, Started
from depthwalker.core.ids import EXECUTION_DIGITS
from depthwalker.core.momentum import ema_slippage
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Action, Holding, Identity, admit
from depthwalker.core.policy import policy_for
from depthwalker.core.projection import project
from depthwalker.core.reply import describe
from depthwalker.core.units import SECOND, Count, Micros, format_count, format_money, format_price
from depthwalker.core.view import View
from depthwalker.shell.api import (
    DatabaseTrouble,
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
from depthwalker.shell.journal import (
    Appended,
    Attached,
    Claimed,
    NoSuchExecution,
    Origin,
    Store,
    StoreError,
    StoreUnavailable,
    TradeRecord,
)
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import Chance, Clock, Transport, Venue
from depthwalker.shell.postgres import connect_string
from depthwalker.shell.runner import Runner
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer, load_signer
from depthwalker.shell.spool import Seat, Spool, Spooled
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.ticket import Job, read_config, read_job
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.writer import LeaseLost

T = TypeVar("T")

LOG: Final = logging.getLogger("depthwalker")
LEASE: Final = Micros(15 * SECOND)
RENEWAL: Final = Micros(5 * SECOND)
EMA_WINDOW: Final = Micros(600 * SECOND)  # the specification's ten minutes
ALLOWANCE: Final = Micros(10 * SECOND)  # beyond the deadline, before a call is told Unresolved
JOIN_INTERVAL: Final = Micros(SECOND // 4)
STORE_RETRY: Final = Micros(SECOND)
READ_LAG: Final = Micros(SECOND)  # what a position may lag behind fills, with room to spare (fact sheet, section 5.3)
WORKER_DIGITS: Final = 12


class _StillHeld(Exception):
    """Another worker runs the execution."""


@dataclass(slots=True)
class Conduct:
    """One execution of this process: who waits for it, and its runner once it runs."""

    job: Job
    task: "asyncio.Task[Trade]"
    callers: int = 0
    execution_id: int | None = None
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
        self._sell_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
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
        store: Store | None = None,
        clock: Clock | None = None,
        chance: Chance | None = None,
        on_turn: Callable[[State, View], None] | None = None,
    ) -> "AsyncIterator[Engine]":
        """Open an engine; what is not handed in is the real thing.

        Without a database URL an embedded server runs for as long as somebody uses it. A store handed in is open already,
        and stays open. Leaving the context asks every running execution to wind down and waits until nothing of them rests.
        """
        chosen = settings or Settings.load()
        time = clock or SystemClock()
        async with AsyncExitStack() as stack:
            if store is None:
                store = await _opened(stack, dsn or chosen.database_url or await _embedded(stack, chosen))
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
            feed = await self._feed(ticker)
            if self._closing:
                raise EngineClosed("the engine is closing: open another one")
            if ticker not in self._watched:
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
        try:
            if tasks:
                allowance = self._settings.wind_down + ALLOWANCE
                await self._wait(tasks, Micros(self._clock.now() + allowance))
        finally:  # also where closing itself is cancelled: nothing runs on behind a closed transport
            for conduct in tuple(self._conducts.values()):
                if not conduct.task.done():
                    LOG.error("%s", _running(conduct) or f"{conduct.job.request_key} did not start")
                    conduct.task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while self._watched:
                _, feed = self._watched.popitem()
                await feed.leave(_nothing)

    # One call

    async def _attend(self, job: Job) -> Trade:
        """Start or join the job's execution and wait for its end, at most its time-out and the wind-down allowance."""
        if self._closing:
            raise EngineClosed("the engine is closing: open another one")
        conduct = self._conducts.get(job.request_key)
        if conduct is None:
            conduct = Conduct(job, asyncio.create_task(self._conduct(job), name=f"execution {job.request_key}"))
            self._conducts[job.request_key] = conduct
            conduct.task.add_done_callback(lambda task: self._ended(job, task))
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
        unresolved = await self._unresolved(conduct)
        if unresolved is not None:
            raise unresolved
        _stop(conduct, "it could not be started in time")  # should it begin after all, it places nothing
        raise ExchangeTrouble(f"{job.ticker}: the execution could not be started in time")

    def _ended(self, job: Job, task: "asyncio.Task[Trade]") -> None:
        self._conducts.pop(job.request_key, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # every caller may have left
            LOG.debug("%s: %s", job.request_key, error)

    async def _unresolved(self, conduct: Conduct) -> Unresolved | None:
        """Return what is known of an execution that has not ended; None where none has begun."""
        running = _running(conduct)
        if running is not None or conduct.execution_id is None:
            return running
        try:
            state = reduce(evolve, await self._store.load(conduct.execution_id), START)
        except StoreError:
            return Unresolved(conduct.execution_id, Count(0), conduct.job.ticket.count)
        return _bounds(conduct.execution_id, state)

    async def _wait(self, tasks: "set[asyncio.Task[Trade]]", until: Micros) -> None:
        alarm = asyncio.ensure_future(self._clock.sleep_until(until))
        ended = asyncio.ensure_future(asyncio.wait(tasks))
        try:
            await asyncio.wait({alarm, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            ended.cancel()

    # One execution

    async def _conduct(self, job: Job) -> Trade:
        """Run the job's execution, or wait for the one that its request key names already, and return its trade."""
        try:
            found = await self._store.find(job.request_key)
            begun = found or await self._begin(job)
        except StoreError as error:
            raise DatabaseTrouble(str(error)) from error
        if isinstance(begun, Attached):
            return await self._join(job, begun.execution_id)
        _, _, seat = begun
        try:
            return await self._run(job, *begun)
        except LeaseLost as lost:
            LOG.warning("%s; waiting for it", lost)
            return await self._join(job, seat.execution_id)

    async def _begin(self, job: Job) -> tuple[Feed, State, Seat] | Attached:
        """Admit the parent and make its execution durable. Raises OrderRefused or ExchangeTrouble."""
        feed = await self._feed(job.ticker)
        arrival = await feed.fresh_book()
        snapshot = await self._store.snapshot(job.ticker, arrival, arrival.at, job.market_id) if arrival.at else None
        origin = Origin(
            request_key=job.request_key,
            source=job.source,
            account=self._settings.account,
            market_id=job.market_id,
            edge_id=job.edge_id,
            method_id=job.method_id,
            strategy_id=job.strategy_id,
            model_id=job.model_id,
            snapshot_id=snapshot,
        )
        if job.ticket.action is Action.BUY:
            started = self._admit(job, feed, Holding(Count(0), Count(0)))
            begun = await self._store.begin(origin, started, self._worker, LEASE)
        else:
            async with (
                self._sell_locks[job.ticker],  # without the time limit that the store's lock has
                self._store.admission(self._settings.account, job.ticker) as admission,
            ):
                promised = await admission.promised_sells(job.ticket.outcome)
                started = self._admit(job, feed, Holding(await self._position(job, promised), promised))
                begun = await admission.begin(origin, started, self._worker, LEASE)
        if isinstance(begun, Attached):
            return begun
        return feed, evolve(START, started), Seat(begun.execution_id, begun.epoch, 2)

    def _admit(self, job: Job, feed: Feed, holding: Holding) -> Started:
        identity = Identity(self._settings.installation, self._chance.hex(EXECUTION_DIGITS))
        now = self._clock.now()
        wind_down = self._settings.wind_down
        match admit(job.ticket, feed.market, feed.rates, job.config, holding, identity, now, wind_down):
            case Success(parent):
                thresholds = Thresholds(self._settings.thin, self._settings.liquid)
                return Started(parent, policy_for(job.config, thresholds), now)
            case Failure(refusal):
                raise OrderRefused(refusal)
            case _ as never:
                assert_never(never)

    async def _position(self, job: Job, promised: Count) -> Count:
        """Return the confirmed position in the job's outcome.

        It is read late enough to show every fill that the promise, read before, no longer counts.
        """
        lately = Micros(self._clock.now() - READ_LAG)
        if promised or await self._store.recent_slippages(job.ticker, lately):
            await self._clock.sleep_until(Micros(self._clock.now() + READ_LAG))
        await self._limiter.acquire(Purpose.READ)
        signed = _read(job.ticker, await self._venue.position(job.ticker))
        return Count(max(0, signed if job.ticket.outcome is Leg.YES else -signed))

    async def _run(self, job: Job, feed: Feed, state: State, seat: Seat, *news: Fact) -> Trade:
        assert state.policy is not None
        runner = Runner(
            state,
            state.policy,
            seat,
            venue=self._venue,
            store=self._store,
            spool=self._spool,
            feed=feed,
            clock=self._clock,
            limiter=self._limiter,
            walkers=lambda: (self._walkers_beside(job), self._settings.max_concurrent),
            others=lambda runner: self._own_orders(job.ticker, runner),
            ema_slippage=await self._ema_slippage(job.ticker),
            on_turn=self._on_turn,
        )
        conduct = self._conducts[job.request_key]
        conduct.execution_id, conduct.runner = seat.execution_id, runner
        runner.receive(*news)
        if conduct.stop:
            runner.stop(conduct.stop)
        renewing = asyncio.create_task(self._renew(seat))
        try:
            await runner.run()
        except LeaseLost:
            conduct.runner = None  # what it knows is out of date
            raise
        except StoreError as error:
            raise DatabaseTrouble(_unwritten(seat.execution_id, runner.state, error)) from error
        except Exception as bug:
            raise _bounds(seat.execution_id, runner.state) from bug
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        return await self._trade(seat.execution_id)

    async def _ema_slippage(self, ticker: str) -> int:
        try:
            return ema_slippage(await self._store.recent_slippages(ticker, Micros(self._clock.now() - EMA_WINDOW)))
        except StoreError:
            return ema_slippage(())

    async def _trade(self, execution_id: int) -> Trade:
        """Return the trade of a finished execution, as soon as the store answers."""
        while True:
            try:
                record = await self._store.trade(execution_id)
            except StoreUnavailable as error:
                LOG.warning("execution %s: its trade cannot be read (%s)", execution_id, error)
                await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))
                continue
            assert record is not None
            return trade_of(record)

    async def _join(self, job: Job, execution_id: int) -> Trade:
        """Wait for an execution that another call or worker started; take it up if nobody runs it any more."""
        conduct = self._conducts[job.request_key]
        conduct.execution_id = execution_id
        while not self._closing and (conduct.callers or not conduct.stop):
            try:
                return await self._joined(job, execution_id)
            except (StoreUnavailable, ExchangeTrouble) as error:
                LOG.warning("execution %s: it cannot be followed (%s)", execution_id, error)
                await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))
            except StoreError as error:
                raise DatabaseTrouble(str(error)) from error
            except LeaseLost as lost:
                LOG.warning("%s; waiting for it", lost)
            except _StillHeld:
                pass
            await self._clock.sleep_until(Micros(self._clock.now() + JOIN_INTERVAL))
        raise EngineClosed(f"the engine is closing; execution {execution_id} goes on in another worker")

    async def _joined(self, job: Job, execution_id: int) -> Trade:
        """Return the trade if there is one, or else the one that taking over leads to. Raises _StillHeld."""
        record = await self._store.trade(execution_id)
        if record is not None:
            return trade_of(record)
        claimed = await self._store.claim(execution_id, self._worker, LEASE)
        if not isinstance(claimed, Claimed):
            raise _StillHeld
        state = reduce(evolve, claimed.facts, START)
        feed = await self._feed(state.parent.ticker)
        seat = Seat(execution_id, claimed.epoch, len(claimed.facts) + 1)
        return await self._run(job, feed, state, seat, Resumed(self._worker, self._clock.now()))

    async def _renew(self, seat: Seat) -> None:
        """Hold the lease; a lost one shows at the next append, so nothing is done about it here."""
        while True:
            await self._clock.sleep_until(Micros(self._clock.now() + RENEWAL))
            try:
                await self._store.renew(seat.execution_id, seat.epoch, LEASE)
            except StoreError as error:
                LOG.warning("execution %s: its lease could not be renewed (%s)", seat.execution_id, error)

    async def _feed(self, ticker: str) -> Feed:
        """Return the market's feed, reading the market and its fees the first time. Raises ExchangeTrouble."""
        async with self._feed_lock:
            feed = self._feeds.get(ticker)
            if feed is None:
                await self._limiter.acquire(Purpose.PUBLIC)
                market = _read(ticker, await self._venue.market(ticker))
                await self._limiter.acquire(Purpose.PUBLIC)
                rates = _read(ticker, await self._venue.fee_rates(market))
                interval = self._settings.book_interval
                own = partial(self._own_orders, ticker)
                feed = Feed(market, rates, self._venue, self._clock, self._limiter, interval, own)
                self._feeds[ticker] = feed
            else:
                await feed.refresh_market()
            return feed

    async def _journal_spool(self) -> None:
        """Journal the facts that an earlier process could not, where this database knows their execution."""
        for spooled in self._spool.kept():
            try:
                await self._journal_spooled(spooled)
            except NoSuchExecution:
                continue
            except StoreUnavailable as error:
                raise DatabaseTrouble(f"the database cannot be used: {error}") from error
            except StoreError as error:
                LOG.warning("execution %s: its facts stay in the spool (%s)", spooled.seat.execution_id, error)

    async def _journal_spooled(self, spooled: Spooled) -> None:
        seat = spooled.seat
        earlier = await self._store.load(seat.execution_id)
        state = reduce(evolve, (*earlier[: seat.next_seq - 1], *spooled.facts), START)
        if state.parent.execution != spooled.uuid:
            return
        appended = await self._store.append(seat.execution_id, seat.epoch, seat.next_seq, spooled.facts, project(state))
        if isinstance(appended, Appended):
            self._spool.drop(spooled.uuid)
        else:
            LOG.error("execution %s was taken over: its spooled facts stay in the spool", seat.execution_id)

    # All executions of this process

    def _runners(self) -> tuple[Runner, ...]:
        return tuple(conduct.runner for conduct in self._conducts.values() if conduct.runner is not None)

    def _live_orders(self) -> int:
        return sum(runner.live_orders() for runner in self._runners())

    def _walkers_beside(self, job: Job) -> int:
        return sum(
            conduct.job.config.algorithm is not Algorithm.SIMPLE_LIMIT
            for conduct in self._conducts.values()
            if conduct.runner is not None and conduct.job is not job and _walks(conduct.runner)
        )

    def _own_orders(self, ticker: str, besides: Runner | None = None) -> tuple[OwnOrder, ...]:
        runners = (runner for runner in self._runners() if runner is not besides)
        return tuple(
            order for runner in runners if runner.state.parent.ticker == ticker for order in runner.own_orders()
        )


class Executor:
    """Executes edges with one algorithm: what the specification's factory returns."""

    def __init__(self, engine: Engine, algorithm: Algorithm) -> None:
        self._engine = engine
        self.algorithm = algorithm

    async def execute(self, edge: Edge, method: Method, market: Market | None = None) -> ExecutionResult:
        """Execute an edge by a method's configuration; raises as `Engine.execute_trade`."""
        return await self._engine.execute(edge, method, market)


def trade_of(record: TradeRecord) -> Trade:
    """Return the public trade of a stored one."""
    result = ExecutionResult(
        execution_id=record.execution_id,
        status=record.status.value,
        filled_quantity=Decimal(format_count(record.quantity)),
        average_fill_price=None if record.price is None else Decimal(format_price(record.price)),
        slippage_percent=None if record.slippage is None else Decimal(record.slippage).scaleb(-6),
        total_walks=record.walks,
        fill_rate=Decimal(record.fill_rate).scaleb(-6),
        fees=Decimal(format_money(record.fees)),
        algorithm=record.algorithm.value,
        reason=record.ending,
    )
    return Trade(
        execution_id=record.execution_id,
        edge_id=record.edge_id,
        method_id=record.method_id,
        strategy_id=record.strategy_id,
        model_id=record.model_id,
        market_id=record.market_id,
        side=record.outcome.value,
        action=record.action.value,
        quantity=result.filled_quantity,
        price=result.average_fill_price,
        target_price=Decimal(format_price(record.target)),
        slippage_percent=result.slippage_percent,
        result=result,
    )


def load_key(settings: Settings) -> Signer | None:
    """Return the signer of the settings' key, or None where no key is named. Raises ExchangeTrouble."""
    if settings.key_id is None or settings.key_file is None:
        return None
    match load_signer(settings.key_id, settings.key_file):
        case Success(signer):
            return signer
        case Failure(trouble):
            raise ExchangeTrouble(trouble.in_words())
        case _ as never:
            assert_never(never)


async def _opened(stack: AsyncExitStack, url: str) -> PostgresStore:
    store = PostgresStore(url)
    try:
        await stack.enter_async_context(store)
        await store.migrate()
    except StoreError as error:
        raise DatabaseTrouble(f"the database cannot be used: {error}; check DATABASE_URL") from error
    return store


async def _embedded(stack: AsyncExitStack, settings: Settings) -> str:
    """Start or join the embedded server, for as long as the stack is open."""
    server = connect_string(settings.state_directory / "postgres")
    url = await asyncio.to_thread(server.__enter__)
    stack.push(server)
    return url


def _read(ticker: str, outcome: Outcome[T, Trouble]) -> T:
    match outcome:
        case Success(found):
            return found
        case Failure(Rejected(404, _, _)):
            raise ExchangeTrouble(f"there is no market {ticker}: check the ticker and the exchange (base_url)")
        case Failure(trouble):
            raise ExchangeTrouble(f"{ticker}: {describe(trouble)}")
        case _ as never:
            assert_never(never)


def _walks(runner: Runner) -> bool:
    return runner.state.algorithm is not Algorithm.SIMPLE_LIMIT


def _stop(conduct: Conduct, reason: str) -> None:
    if conduct.runner is None:
        conduct.stop = conduct.stop or reason
    else:
        conduct.runner.stop(reason)


def _running(conduct: Conduct) -> Unresolved | None:
    if conduct.runner is None:
        return None
    return _bounds(conduct.runner.execution_id, conduct.runner.state)


def _bounds(execution_id: int, state: State) -> Unresolved:
    """Return what may have been and may yet be filled; before it winds down that is the whole parent."""
    most = total_exposure(state) if state.winding else max(state.parent.count, total_filled(state))
    return Unresolved(execution_id, total_filled(state), Count(most))


def _unwritten(execution_id: int, state: State, error: StoreError) -> str:
    filled, wanted = format_count(total_filled(state)), format_count(state.parent.count)
    return (
        f"execution {execution_id} ended with {filled} of {wanted} contracts and nothing resting, but its journal refused "
        f"how ({error}); the facts are in the spool"
    )


def _nothing() -> None:
    """Watch a feed for its history alone."""
