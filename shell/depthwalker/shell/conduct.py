"""Conducts one execution at a time from its request to its trade: admission, the runner, the lease, joining and taking over.

What a store or an exchange does meanwhile never loses an execution: it is retried, joined, or told as unresolved.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, assert_never

from depthwalker.core.book import Leg, OwnOrder, without
from depthwalker.core.depth import Thresholds
from depthwalker.core.execution import START, State, evolve, total_filled
from depthwalker.core.fact import FORMAT, Fact, Resumed, Started
from depthwalker.core.hindsight import needed_until
from depthwalker.core.ids import EXECUTION_DIGITS
from depthwalker.core.momentum import ema_slippage
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.parent import Action, Holding, Identity, Refusal, RefusalKind, admit, in_words
from depthwalker.core.policy import policy_for
from depthwalker.core.rollout import Arm
from depthwalker.core.routing import TROUBLE_SPAN
from depthwalker.core.units import SECOND, Count, Micros
from depthwalker.core.view import View
from depthwalker.shell.api import (
    DatabaseTrouble,
    EngineClosed,
    ExchangeTrouble,
    InvalidEdge,
    OrderRefused,
    Trade,
    TradingStopped,
    Unresolved,
)
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.feed import MARKET_INTERVAL, Feed
from depthwalker.shell.grouping import Groups
from depthwalker.shell.journal import (
    Attached,
    Begun,
    Claimed,
    Origin,
    Promised,
    Store,
    StoreError,
    StoreUnavailable,
    SwitchPulled,
    TurnedDown,
    Unfit,
)
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.logs import Lasting
from depthwalker.shell.markets import Markets, NoSuchMarket, succeeded
from depthwalker.shell.observer import Observer
from depthwalker.shell.ports import Chance, Clock, Venue
from depthwalker.shell.result import bounds, trade_of
from depthwalker.shell.runner import Runner
from depthwalker.shell.sentinel import Sentinel
from depthwalker.shell.settings import Settings
from depthwalker.shell.spool import Seat, Spool
from depthwalker.shell.tasks import beside, wait
from depthwalker.shell.ticket import Job, job_of, refuse_another
from depthwalker.shell.troubles import Troubles
from depthwalker.shell.warden import Warden
from depthwalker.shell.watchers import Watchers
from depthwalker.shell.writer import LeaseLost

LOG: Final = logging.getLogger("depthwalker")
LEASE: Final = Micros(15 * SECOND)
RENEWAL: Final = Micros(5 * SECOND)
EMA_WINDOW: Final = Micros(600 * SECOND)  # the specification's ten minutes
JOIN_INTERVAL: Final = Micros(SECOND // 4)
TYPES: Final = (
    "edge_id, method_id, strategy_id, model_id and market_id must be of the types that the engine's own tables have, "
    "and request_key shorter than 2,700 bytes"
)
STORE_RETRY: Final = Micros(SECOND)
TRIGGER_PATIENCE: Final = Micros(SECOND)  # a belt: no cancel waits for it
READ_LAG: Final = Micros(SECOND)  # what a position may lag behind fills, with room to spare (fact sheet, section 5.3)


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
    stop: str = ""
    leaves: bool = False  # stopped by hand here: what another worker executes is not waited for
    doubtful: bool = False  # the store was asked to begin it: from then on it may have begun

    def end(self, reason: str) -> None:
        """Ask the execution to wind down, or not to begin."""
        if self.runner is None:
            self.stop = self.stop or reason
        else:
            self.runner.stop(reason)

    def running(self) -> Unresolved | None:
        """Return what may be filled of an execution that runs here, or that may have begun."""
        if self.runner is not None:
            return bounds(self.runner.execution_id, self.runner.state)
        if self.doubtful and self.execution_id is None:
            return Unresolved(None, Count(0), self.job.ticket.count)
        return None


@dataclass(frozen=True, slots=True)
class Seated:
    """An execution that this process has begun or taken up: its market's feed, its state, its seat in the journal."""

    feed: Feed
    state: State
    seat: Seat


class Conductor:
    """Conducts the executions of one process. `conducts` are those under way, by request key; the engine keeps them."""

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        store: Store,
        clock: Clock,
        chance: Chance,
        limiter: Limiter,
        markets: Markets,
        conducts: dict[str, Conduct],
        on_turn: Callable[[State, View], None] | None,
        worker: str,
        groups: Groups | None,
        sentinel: Sentinel,
        warden: Warden,
        observer: Observer,
        watchers: Watchers,
    ) -> None:
        self.closing = False
        self._settings = settings
        self._venue = venue
        self._store = store
        self._clock = clock
        self._chance = chance
        self._limiter = limiter
        self._markets = markets
        self._conducts = conducts
        self._on_turn = on_turn
        self._worker = worker
        self._groups = groups
        self._sentinel = sentinel
        self._warden = warden
        self._observer = observer
        self._troubles = Troubles(clock)
        self._watchers = watchers
        self._spool = Spool(settings.state_directory / "spool")
        self._sell_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def conduct(self, job: Job) -> Trade:
        """Run the job's execution, or wait for the one that its request key names already, and return its trade."""
        try:
            return await self._conducted(job)
        except OrderRefused as refused:
            await self._note(job, refused.refusal.kind.value, str(refused))
            raise

    async def _conducted(self, job: Job) -> Trade:
        try:
            found = await self._store.find(job.request_key)
            begun = found or await self._begin(job)
            if isinstance(begun, Attached):
                self._check_ours(job, begun)
        except SwitchPulled as pulled:
            await self._note(job, "trading_stopped", str(pulled))
            raise TradingStopped(str(pulled)) from pulled
        except TurnedDown as told:
            another = f"request key {job.request_key!r} {told}: give another key"
            raise OrderRefused(Refusal(RefusalKind.KEY_TAKEN, another)) from told
        except Unfit as unfit:
            raise InvalidEdge(f"{unfit}: {TYPES}") from unfit
        except StoreError as error:
            raise DatabaseTrouble(str(error)) from error
        if isinstance(begun, Attached):
            return await self._join(job, begun.execution_id)
        try:
            async with beside(self._renew(begun.seat)):
                return await self._run(job, begun)
        except LeaseLost as lost:
            LOG.warning("%s; waiting for it", lost)
            return await self._join(job, begun.seat.execution_id)

    async def _begin(self, job: Job) -> Seated | Attached:
        """Admit the parent and make its execution durable.

        Raises OrderRefused, ExchangeTrouble, StoreError, and EngineClosed where it was stopped meanwhile.
        """
        # The database would refuse it in the end: nothing is asked of the exchange for it, and no book kept, again and again.
        if await self._sentinel.ends() and self._sentinel.pulled is not None:
            raise SwitchPulled(self._sentinel.pulled.reason)
        try:
            feed = await self._markets.feed(job.ticker)
        except NoSuchMarket as none:
            asked = f"{none}, asked at {self._settings.base_url}"
            raise OrderRefused(Refusal(RefusalKind.NO_SUCH_MARKET, asked)) from none
        if self._groups is not None:
            await self._groups.join(job.ticker)
        if job.config.max_cost is not None:  # fees included: those of long ago would keep it only by luck
            succeeded(job.ticker, await feed.fees())
        arrival = await feed.arrival()
        others = without(arrival, own_orders(runners(self._conducts, job.ticker)))
        snapshot = await self._store.snapshot(job.ticker, others, arrival.at, job.market_id) if arrival.at else None
        origin = Origin(
            request_key=job.request_key,
            source=job.source,
            account=self._settings.account,
            exchange=self._settings.exchange,
            market_id=job.market_id,
            edge_id=job.edge_id,
            method_id=job.method_id,
            strategy_id=job.strategy_id,
            model_id=job.model_id,
            snapshot_id=snapshot,
        )
        arm = await self._warden.assign(job)
        if job.ticket.action is Action.SELL:
            return await self._until_told(job, lambda: self._begin_sell(job, feed, origin, arm))
        started = self._admit(job, feed, Holding(Count(0), Count(0)), arm)

        async def begin() -> Seated | Attached:
            conduct.doubtful = True
            return _seated(feed, started, await self._store.begin(origin, started, self._worker, LEASE))

        conduct = self._conducts[job.request_key]
        return await self._until_told(job, begin)

    async def _begin_sell(self, job: Job, feed: Feed, origin: Origin, arm: Arm | None) -> Seated | Attached:
        """Admit a sell by what is held and not promised yet, or find that an earlier try began it."""
        conduct = self._conducts[job.request_key]
        async with (
            self._sell_locks[job.ticker],  # without the time limit that the store's lock has
            self._store.admission(self._settings.account, job.ticker) as admission,
        ):
            found = await self._store.find(job.request_key) if conduct.doubtful else None
            if found is not None:
                return found
            promised = await admission.promised_sells(job.ticket.outcome)
            holding = Holding(await self._position(job, promised), promised.count)
            started = self._admit(job, feed, holding, arm)
            conduct.doubtful = True
            return _seated(feed, started, await admission.begin(origin, started, self._worker, LEASE))

    async def _until_told(self, job: Job, begin: Callable[[], Awaitable[Seated | Attached]]) -> Seated | Attached:
        """Ask to begin until the store says whether it has begun: unknown to us it would be executed by whoever finds it."""
        doubt = Lasting(LOG)
        while True:
            try:
                return await begin()
            except StoreUnavailable as error:
                if not self._conducts[job.request_key].doubtful:
                    raise
                doubt.tell("%s: whether it has begun is unknown; it is asked again (%s)", job.request_key, error)
                await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))

    def _check_ours(self, job: Job, found: Attached) -> None:
        """Raise OrderRefused where the key names an execution of another account or exchange: it is neither ours nor joined."""
        if found.account == self._settings.account and self._settings.is_here(found.exchange):
            return
        whose = f"account {found.account!r} at {found.exchange or 'its own exchange'}"
        told = f"request key {job.request_key!r} names execution {found.execution_id} of {whose}: give another key"
        raise OrderRefused(Refusal(RefusalKind.KEY_TAKEN, told))

    async def _check_order(self, job: Job, execution_id: int) -> Count:
        """Return the count of an execution of the job's order, the job's where its journal cannot be read here.

        Raises OrderRefused where it is of another order, or StoreError.
        """
        try:
            started, *_ = await self._store.load(execution_id)
        except Unreadable:  # another version's; its trade can be told all the same
            return job.ticket.count
        state = evolve(START, started)
        assert state.policy is not None
        refuse_another(job, job_of(job.request_key, state, state.policy))
        return state.parent.count

    async def _note(self, job: Job, kind: str, message: str) -> None:
        """Keep that a parent was refused; where that cannot be kept, it is refused all the same."""
        self._watchers.refused(kind)
        try:
            await self._store.refused(self._settings.account, job.ticker, job.request_key, kind, message)
        except StoreError as error:
            LOG.warning("%s: that it was refused could not be kept (%s)", job.request_key, error)

    def _admit(self, job: Job, feed: Feed, holding: Holding, arm: Arm | None) -> Started:
        self._go_on(job)
        identity = Identity(self._settings.installation, self._chance.hex(EXECUTION_DIGITS))
        now = self._clock.now()
        wind_down = self._settings.wind_down
        match admit(job.ticket, feed.market, feed.rates, job.config, holding, identity, now, wind_down):
            case Success(parent):
                thresholds = Thresholds(self._settings.thin, self._settings.liquid)
                return Started(parent, policy_for(job.config, thresholds), now, FORMAT, arm)
            case Failure(refusal):
                raise OrderRefused(refusal)
            case _ as never:
                assert_never(never)

    def _go_on(self, job: Job) -> None:
        """Begin nothing that was stopped before: its request key stays unused. Raises SwitchPulled or EngineClosed.

        What may have begun goes on and is ended: left alone, another worker would execute it.
        """
        conduct = self._conducts[job.request_key]
        stop = "" if conduct.doubtful else conduct.stop
        if stop and self._sentinel.pulled is not None:
            raise SwitchPulled(self._sentinel.pulled.reason)
        if stop:
            raise EngineClosed(f"{job.ticker}: it was stopped before it began ({stop}): nothing was sent")

    async def _position(self, job: Job, promised: Promised) -> Count:
        """Return the confirmed position in the job's outcome.

        It is read late enough to show every fill that the promise, read before, no longer counts.
        """
        if promised.lately:
            await self._clock.sleep_until(Micros(self._clock.now() + READ_LAG))
        signed = succeeded(job.ticker, await self._venue.position(job.ticker))
        return Count(max(0, signed if job.ticket.outcome is Leg.YES else -signed))

    async def _run(self, job: Job, seated: Seated, *news: Fact) -> Trade:
        feed, state, seat = seated.feed, seated.state, seated.seat
        assert state.policy is not None
        walkers = await self._walkers_before(seat.execution_id)
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
            walkers=lambda: (walkers, self._settings.max_concurrent),
            others=lambda runner: self._others(job.ticker, runner),
            ema_slippage=await self._ema_slippage(job.ticker),
            on_turn=self._on_turn,
            troubles=self._troubles,
            elsewhere=await self._troubles_elsewhere(),
        )
        conduct = self._conducts[job.request_key]
        ends = await self._sentinel.ends()
        conduct.stop = conduct.stop or ends  # it may have been asked to stop just now
        conduct.execution_id, conduct.runner = seat.execution_id, runner
        if state.arm is not None:
            self._warden.watch()
        runner.receive(*news)
        if conduct.stop:
            runner.stop(conduct.stop)
        deadline = state.parent.deadline
        self._observer.follow(feed, job.market_id, deadline)
        try:
            with self._watchers.execution(seat.execution_id, job.ticker) as tell:
                LOG.info("execution %s runs here: %s", seat.execution_id, job.ticker)
                tell(await runner.run())
                LOG.info("execution %s has ended: %s", seat.execution_id, _end(runner.state))
        except LeaseLost:
            conduct.runner = None  # what it knows is out of date
            raise
        except StoreError as error:
            filled = total_filled(runner.state)
            because = f"nothing rests, but its journal refuses how it ended: {error}; the facts are in the spool"
            raise Unresolved(seat.execution_id, filled, filled, because) from error
        except Exception as bug:
            raise bounds(seat.execution_id, runner.state) from bug
        finally:
            self._observer.follow(feed, job.market_id, needed_until(deadline, runner.state.last_fill_at))
        await self._warden.ended(seat.execution_id, runner.state)
        return await self._trade(seat.execution_id)

    async def _ema_slippage(self, ticker: str) -> int:
        try:
            since = Micros(self._clock.now() - EMA_WINDOW)
            return ema_slippage(await self._store.recent_slippages(ticker, since, paper=self._settings.paper))
        except StoreError:
            return ema_slippage(())

    async def _trade(self, execution_id: int) -> Trade:
        """Return the trade of a finished execution, as soon as the store answers."""
        away = Lasting(LOG)
        while True:
            try:
                record = await self._store.trade(execution_id)
            except StoreUnavailable as error:
                away.tell("execution %s: its trade cannot be read (%s)", execution_id, error)
                await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))
                continue
            assert record is not None
            if record.trade_error:
                LOG.warning(
                    "execution %s: the table trades refuses its row (%s): once it takes it, `depthwalker db rebuild` writes it",
                    *(execution_id, record.trade_error),
                )
            return trade_of(record)

    async def _join(self, job: Job, execution_id: int) -> Trade:
        """Wait for an execution that another call or worker started; take it up if nobody runs it any more.

        Raises OrderRefused where it is of another order.
        """
        conduct = self._conducts[job.request_key]
        conduct.execution_id = execution_id
        wanted = Count(0)  # of the execution, which may be another count than the job's
        away = Lasting(LOG)
        while not self.closing and (conduct.callers or not conduct.stop):
            try:
                wanted = wanted or await self._check_order(job, execution_id)
                return await self._joined(job, execution_id)
            except StoreUnavailable as error:
                away.tell("execution %s: it cannot be followed (%s)", execution_id, error)
                await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))
            except (StoreError, Unreadable) as error:
                raise Unresolved(execution_id, Count(0), wanted or job.ticket.count, str(error)) from error
            except LeaseLost as lost:
                LOG.warning("%s; waiting for it", lost)
            except _StillHeld:
                away.over()
            if conduct.leaves:
                break
            await self._clock.sleep_until(Micros(self._clock.now() + JOIN_INTERVAL))
        because = f"{conduct.stop or 'the engine is closing'}, and it goes on in another worker"
        raise Unresolved(execution_id, Count(0), wanted or job.ticket.count, because)

    async def _joined(self, job: Job, execution_id: int) -> Trade:
        """Return the trade if there is one, or else the one that taking over leads to. Raises _StillHeld."""
        record = await self._store.trade(execution_id)
        if record is not None:
            return trade_of(record)
        claimed = await self._store.claim(execution_id, self._worker, LEASE)
        if not isinstance(claimed, Claimed):
            raise _StillHeld
        seat = Seat(execution_id, claimed.epoch, len(claimed.facts) + 1)
        state = reduce(evolve, claimed.facts, START)
        async with (
            beside(self._renew(seat)),
            beside(self._learn(state.parent.ticker)),
            beside(self._trigger(claimed.former)) as triggering,
        ):
            await wait({triggering}, self._clock, Micros(self._clock.now() + TRIGGER_PATIENCE))
            feed = self._markets.resumed(state)
            return await self._run(job, Seated(feed, state, seat), Resumed(self._worker, self._clock.now()))

    async def _learn(self, ticker: str) -> None:
        """Read a market and its fees once the exchange tells them, and have its orders belong to a group from then on."""
        while True:
            try:
                await self._markets.feed(ticker)
            except ExchangeTrouble as error:
                LOG.warning("%s; until it can be read, executions taken up go on as their journals had it", error)
                await self._clock.sleep_until(Micros(self._clock.now() + MARKET_INTERVAL))
                continue
            if self._groups is not None:
                await self._groups.join(ticker)
            return

    async def _trigger(self, former: str) -> None:
        """Have what a dead worker's groups left cancelled."""
        if self._groups is not None and former != self._worker:
            await self._groups.trigger(former)

    async def _renew(self, seat: Seat) -> None:
        """Hold the lease; a lost one shows at the next append, so nothing is done about it here."""
        away = Lasting(LOG)
        while True:
            await self._clock.sleep_until(Micros(self._clock.now() + RENEWAL))
            try:
                await self._store.renew(seat.execution_id, seat.epoch, LEASE)
                away.over()
            except StoreError as error:
                away.tell("execution %s: its lease could not be renewed (%s)", seat.execution_id, error)
            except Exception:
                LOG.exception("execution %s: its lease could not be renewed", seat.execution_id)

    async def _walkers_before(self, execution_id: int) -> int:
        try:
            return await self._store.walkers(self._settings.account, execution_id)
        except StoreError:
            return 0  # a store that is away winds everything down

    async def _troubles_elsewhere(self) -> int:
        since = Micros(self._clock.now() - TROUBLE_SPAN)
        try:
            return await self._store.troubles(self._settings.account, self._worker, since)
        except StoreError:
            return 0

    def _others(self, ticker: str, besides: Runner) -> tuple[Runner, ...]:
        return tuple(runner for runner in runners(self._conducts, ticker) if runner is not besides)


def runners(conducts: Mapping[str, Conduct], ticker: str | None = None) -> tuple[Runner, ...]:
    """Return the executions that run here, of one market or of all."""
    every = (conduct.runner for conduct in conducts.values() if conduct.runner is not None)
    return tuple(runner for runner in every if ticker is None or runner.state.parent.ticker == ticker)


def own_orders(among: tuple[Runner, ...]) -> tuple[OwnOrder, ...]:
    """Return what a book may show of these executions."""
    return tuple(order for runner in among for order in runner.own_orders())


def _seated(feed: Feed, started: Started, told: Begun | Attached) -> Seated | Attached:
    if isinstance(told, Attached):
        return told
    return Seated(feed, evolve(START, started), Seat(told.execution_id, told.epoch, 2))


def _end(state: State) -> str:
    """Return how an execution ended, and by which algorithm and why that, which may be another than the method's."""
    if state.finished is None:
        return ""
    ran = "" if state.algorithm is None else f" ({state.algorithm.value}, {in_words(state.plan_reason, state.parent)})"
    return f"{state.finished.status.value}, {state.finished.reason}{ran}"
