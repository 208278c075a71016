"""Runs one execution: look, decide, journal, act, remember. It judges nothing.

Facts arrive in an inbox from the requests under way; each turn folds them, decides, journals what is intended and acts. A
command that can raise exposure is sent only after its intent is durable; every other goes out at once. When the store is
gone nothing is raised any more: what rests is cancelled, and the facts wait, in memory and in a spool file.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Final, assert_never

from depthwalker.core.book import Leg, OwnOrder
from depthwalker.core.command import (
    Amend,
    Burn,
    Cancel,
    Claim,
    Command,
    Finish,
    Fresh,
    Lookup,
    Place,
    Plan,
    Regrid,
    Tick,
    WaitUntil,
    Wake,
    WindDown,
    intents,
    raises_exposure,
    woken,
)
from depthwalker.core.decide import decide
from depthwalker.core.execution import State, evolve
from depthwalker.core.fact import Deferred, Fact, LookedUp, OutcomeUnknown, Refused, StopRequested
from depthwalker.core.ids import ClientId
from depthwalker.core.ledger import Kind, OrderKey, Phase, Style, shown
from depthwalker.core.policy import Policy
from depthwalker.core.projection import project
from depthwalker.core.reply import amend_reply, cancel_reply, create_reply, itemisation_due, lookup_reply
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.core.view import Conditions, View, Waiting, look
from depthwalker.shell.feed import Feed
from depthwalker.shell.journal import Appended, Store, StoreError, StoreRefused, StoreUnavailable, Superseded
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import AmendRequest, Clock, PlaceRequest, Venue
from depthwalker.shell.spool import Seat, Spool

LOG: Final = logging.getLogger("depthwalker")
BURN_COUNT: Final = Count(1)
STORE_RETRY: Final = Micros(SECOND)
STORE_PATIENCE: Final = Micros(2 * SECOND)  # a store that takes longer counts as away: cancels must not wait for it
LOOK_BACK: Final = Micros(60 * SECOND)


class LeaseLost(Exception):
    """Another worker has taken the execution over: this one writes and sends nothing more."""


class Runner:
    """One execution at work. `run` ends when it has finished and its journal says so."""

    def __init__(
        self,
        state: State,
        policy: Policy,
        seat: Seat,
        *,
        venue: Venue,
        store: Store,
        spool: Spool,
        feed: Feed,
        clock: Clock,
        limiter: Limiter,
        walkers: Callable[[], tuple[int, int]],
        others: Callable[["Runner"], tuple[OwnOrder, ...]],
        ema_slippage: int,
        on_turn: Callable[[State, View], None] | None = None,
    ) -> None:
        """`walkers` gives how many other walkers run and how many may; `on_turn` is shown every state and view."""
        self.state = state
        self._policy = policy
        self._seat = seat
        self._venue = venue
        self._store = store
        self._spool = spool
        self._feed = feed
        self._clock = clock
        self._limiter = limiter
        self._walkers = walkers
        self._others = others
        self._ema_slippage = ema_slippage
        self._on_turn = on_turn
        self._inbox: list[Fact] = []
        self._unwritten: list[Fact] = []
        self._write_lock = asyncio.Lock()
        self._store_trouble: StoreError | None = None
        self._store_failed_at = Micros(0)
        self._lost: LeaseLost | None = None
        self._wakes: tuple[Wake, ...] = ()
        self._woken_by: View | None = None
        self._awake = asyncio.Event()
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def execution_id(self) -> int:
        """Return the execution's number in the database."""
        return self._seat.execution_id

    def live_orders(self) -> int:
        """Return how many orders may have to be cancelled."""
        return sum(order.phase is not Phase.CLOSED for order in self.state.orders)

    def own_orders(self) -> tuple[OwnOrder, ...]:
        """Return what the feed's book may show of this execution."""
        leg, book_at = self.state.parent.leg, self._feed.book.at
        return tuple(
            OwnOrder(leg, price, count) for order in self.state.orders for price, count in shown(order, book_at)
        )

    def stop(self, reason: str) -> None:
        """Ask the execution to cancel what rests, confirm, and end."""
        self._stopping = True
        self.receive(StopRequested(reason, self._clock.now()))

    async def run(self) -> State:
        """Run to the end and return the final state.

        Cancelling it stops it, as `stop` does; once it is stopping, cancelling it leaves at once, whatever still rests.
        Raises LeaseLost when another worker has taken over, StoreError when the journal refuses how it ended, and a bug of
        ours after everything known to rest has been cancelled.
        """
        self._feed.watch(self._on_feed)
        try:
            while self.state.finished is None:
                try:
                    await self._turn()
                except asyncio.CancelledError:
                    if self._stopping:
                        raise
                    self.stop("cancelled")
            await self._write_all()
        except (LeaseLost, StoreError):
            raise
        except Exception:
            LOG.exception("execution %s: a bug; cancelling what rests", self._seat.execution_id)
            await self._abandon()
            raise
        finally:
            for task in self._tasks:
                task.cancel()  # before anything is awaited: whoever cancels twice leaves nothing under way either
            await self._feed.leave(self._on_feed)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.state

    async def _turn(self) -> None:
        """Fold what has arrived, decide once, act, and wait if nothing else is to be done."""
        if self._lost is not None:
            raise self._lost
        self._awake.clear()
        news, seen = tuple(self._inbox), self._woken_by
        self._inbox.clear()
        self._woken_by = None
        self._remember(news)
        view = self._view() if news or seen is None else seen
        commands = self._decided(view)
        self._show(view)
        self._remember(intents(commands, view))
        raising = tuple(command for command in commands if raises_exposure(command))
        for command in commands:
            if command not in raising:
                self._act(command)
        if not raising:
            self._write_soon()
        else:
            await self._act_durably(raising)
        if commands and isinstance(commands[-1], WaitUntil):
            await self._rest(commands[-1])  # whatever was sent ends in a fact, which wakes
        else:
            await asyncio.sleep(0)  # whatever is decided, others get their turn

    async def _act_durably(self, commands: tuple[Command, ...]) -> None:
        """Act on commands whose intents have to be durable first, or call them off."""
        durable = False
        try:
            durable = await self._durable()
        finally:
            if not durable:
                self._call_off(commands)
        if durable:
            for command in commands:
                self._act(command)

    def _decided(self, view: View) -> tuple[Command, ...]:
        """Return what is to be done. A bug in an algorithm winds down, for which no algorithm is asked."""
        try:
            return decide(self.state, view, self._policy)
        except Exception as bug:
            if self.state.winding:
                raise
            LOG.exception("execution %s: the decision failed; winding down", self._seat.execution_id)
            return (WindDown(f"internal error: {type(bug).__name__}: {bug}"),)

    def _show(self, view: View) -> None:
        if self._on_turn is None:
            return
        try:
            self._on_turn(self.state, view)
        except Exception:
            LOG.exception("execution %s: whoever watches it raised, and is not shown it any more", self.execution_id)
            self._on_turn = None

    def _view(self) -> View:
        parent, feed = self.state.parent, self._feed
        grid = feed.market.grid if parent.leg is Leg.YES else feed.market.grid.complement()
        walkers, most = self._walkers()
        conditions = Conditions(
            grid=grid,
            rates=feed.rates,
            tokens=self._limiter.calls_left(),
            walkers=walkers,
            max_walkers=most,
            ema_slippage=self._ema_slippage,
            open=feed.open(),
        )
        waiting = tuple(
            Waiting(order.key.split, order.price, order.ahead, order.since)
            for order in self.state.orders
            if order.phase is Phase.LIVE
        )
        own = (*self.own_orders(), *self._others(self))
        now = self._clock.now()
        return look(feed.book, feed.history, parent.leg, self.state.cap, own, waiting, conditions, now)

    def _remember(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            self.state = evolve(self.state, fact)
            self._unwritten.append(fact)
            if isinstance(fact, Refused) and fact.code in {"invalid_price", "MARKET_INACTIVE"}:
                self._feed.reread_market()

    def receive(self, *facts: Fact) -> None:
        """Take in what has happened; the next turn folds it."""
        self._inbox.extend(facts)
        self._awake.set()

    def _on_feed(self) -> None:
        if self._awake.is_set() or (not self._wakes and self._on_turn is None):
            return
        view = self._view()
        self._show(view)
        if woken(self._wakes, view):
            self._woken_by = view
            self._awake.set()

    async def _rest(self, wait: WaitUntil) -> None:
        """Sleep until the instant asked for, a fact, or a wake."""
        self._wakes = wait.wakes
        if any(isinstance(wake, Fresh) for wake in wait.wakes):
            self._feed.hurry()
        alarm = asyncio.ensure_future(self._clock.sleep_until(wait.at))
        awake = asyncio.ensure_future(self._awake.wait())
        try:
            await asyncio.wait({alarm, awake}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wakes = ()
            alarm.cancel()
            awake.cancel()

    # Writing

    async def _durable(self) -> bool:
        """Return whether all facts so far are durable now; a store that is too slow counts as away."""
        writing = asyncio.create_task(self._write())
        self._own(writing)
        alarm = asyncio.ensure_future(self._clock.sleep_until(Micros(self._clock.now() + STORE_PATIENCE)))
        try:
            await asyncio.wait({writing, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        if writing.done():
            return not self._unwritten and self._lost is None
        self._store_failed(StoreUnavailable(f"no answer within {STORE_PATIENCE // SECOND} s"))
        return False

    async def _written(self) -> bool:
        """Return whether all facts so far are durable now."""
        async with self._write_lock:
            facts = tuple(self._unwritten)
            if not facts:
                return True
            seat = self._seat
            try:
                appended = await self._store.append(
                    seat.execution_id, seat.epoch, seat.next_seq, facts, project(self.state)
                )
            except StoreError as error:
                self._store_failed(error)
                return False
            except Exception as bug:
                LOG.exception("execution %s: its facts cannot be written", seat.execution_id)
                self._store_failed(StoreRefused(f"{type(bug).__name__}: {bug}"))
                return False
            match appended:
                case Appended(last, _):
                    self._seat = Seat(seat.execution_id, seat.epoch, last + 1)
                case Superseded():
                    raise LeaseLost(f"execution {seat.execution_id} was taken over by another worker")
                case _ as never:
                    assert_never(never)
            del self._unwritten[: len(facts)]
            if self._store_trouble is not None:
                self._drop()
                self._store_trouble = None
            return True

    def _write_soon(self) -> None:
        failed_lately = self._store_trouble is not None and self._clock.now() - self._store_failed_at < STORE_RETRY
        if not self._unwritten or failed_lately:
            return
        if not self._write_lock.locked():
            self._own(asyncio.create_task(self._write()))
        elif self._store_trouble is not None:
            self._store_failed(self._store_trouble)  # it still hangs, and there are newer facts to keep

    async def _write(self) -> None:
        try:
            await self._written()
        except LeaseLost as lost:
            self._lost = lost
            self._awake.set()

    async def _write_all(self) -> None:
        """Return when the journal holds everything, however long the store is away. Raises what it refused for good."""
        while not await self._written() or self._unwritten:
            if self._store_trouble is not None and not isinstance(self._store_trouble, StoreUnavailable):
                raise self._store_trouble
            await self._clock.sleep_until(Micros(self._clock.now() + STORE_RETRY))

    def _store_failed(self, error: StoreError) -> None:
        """Keep the facts locally and wind down: what cannot be journalled must not grow."""
        if self._store_trouble is None:
            LOG.warning("execution %s: the store failed (%s); winding down", self._seat.execution_id, error)
            self.receive(StopRequested("the store is unavailable", self._clock.now()))
        self._store_trouble, self._store_failed_at = error, self._clock.now()
        try:
            self._spool.keep(self.state.parent.execution, self._seat, tuple(self._unwritten))
        except OSError as full:
            LOG.warning("execution %s: its facts cannot be spooled either (%s)", self._seat.execution_id, full)

    def _drop(self) -> None:
        try:
            self._spool.drop(self.state.parent.execution)
        except OSError as stays:
            LOG.warning("execution %s: its spool file stays (%s)", self._seat.execution_id, stays)

    def _call_off(self, commands: tuple[Command, ...]) -> None:
        """Take back intents that were never sent, because they could not be made durable."""
        now = self._clock.now()
        for command in commands:
            if isinstance(command, Place):
                self.receive(Deferred(command.key, Kind.PLACE, "the store is unavailable", now))
            elif isinstance(command, Amend):
                self.receive(Deferred(command.key, Kind.AMEND, "the store is unavailable", now))

    # Acting

    def _act(self, command: Command) -> None:
        match command:
            case Place(key, price, count, style, _, _):
                self._send(self._create(key, Kind.PLACE, price, count, style), partial(OutcomeUnknown, key, Kind.PLACE))
            case Claim(key, price, count, style):
                self._send(self._create(key, Kind.CLAIM, price, count, style), partial(OutcomeUnknown, key, Kind.CLAIM))
            case Burn(key, price):
                burn = self._create(key, Kind.BURN, price, BURN_COUNT, Style.TAKE)
                self._send(burn, partial(OutcomeUnknown, key, Kind.BURN))
            case Amend():
                self._send(self._amend(command), partial(OutcomeUnknown, command.key, Kind.AMEND))
            case Cancel(key, order_id):
                self._send(self._cancel(key, order_id), partial(OutcomeUnknown, key, Kind.CANCEL))
            case Lookup():
                self._send(self._look_up(), LookedUp)
            case Tick() | Plan() | Regrid() | WindDown() | Finish() | WaitUntil():
                pass  # their facts are all there is to them
            case _ as never:
                assert_never(never)

    def _send(self, request: Coroutine[None, None, None], unknown: Callable[[str, Micros], Fact]) -> None:
        """Start a request; should it end without telling a fact, `unknown` makes the one that says so (invariant 10)."""

        def ended(task: "asyncio.Task[None]") -> None:
            if task.cancelled():
                self.receive(unknown("the request was cancelled", self._clock.now()))
            elif (error := task.exception()) is not None:
                self.receive(unknown(_bug(error), self._clock.now()))

        task = asyncio.create_task(request)
        self._own(task)
        task.add_done_callback(ended)

    def _own(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _called_off(self, key: OrderKey, kind: Kind) -> bool:
        """Return whether a request that waited for the rate budget must not go out any more."""
        if self._lost is not None:
            return True
        ends = self._stopping or self._store_trouble is not None or self.state.stop or self.state.winding
        late = self._clock.now() >= self.state.parent.wind_down
        if (ends or late) and kind in {Kind.PLACE, Kind.CLAIM, Kind.AMEND}:
            self.receive(Deferred(key, kind, "winding down", self._clock.now()))
            return True
        return False

    async def _abandon(self) -> None:
        """Cancel or burn everything that may rest, without asking anybody: only its expiration would end it otherwise."""
        with suppress(Exception):
            self._remember((StopRequested("internal error", self._clock.now()),))  # nothing that waits is sent any more
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._remember(tuple(self._inbox))
        orders = [order for order in self.state.orders if order.phase is not Phase.CLOSED]
        lowest = self.state.grid.lowest()
        await asyncio.gather(
            *(
                self._cancel(order.key, order.order_id)
                if order.order_id
                else self._create(order.key, Kind.BURN, lowest, BURN_COUNT, Style.TAKE)
                for order in orders
            ),
            return_exceptions=True,
        )

    async def _create(self, key: OrderKey, kind: Kind, price: Price, count: Count, style: Style) -> None:
        parent = self.state.parent
        rests = style is Style.REST and kind is not Kind.BURN
        request = PlaceRequest(
            ticker=parent.ticker,
            client_order_id=self._client_id(key.split, key.birth),
            leg=parent.leg,
            price=price,
            count=count,
            immediate=not rests,
            post_only=rests,
            expires=parent.expires if rests else None,
        )
        await self._limiter.acquire(Purpose.ENTRY)
        if self._called_off(key, kind):
            return
        outcome = await self._venue.place(request)
        self.receive(create_reply(key, kind, outcome, self._clock.now()))

    async def _amend(self, command: Amend) -> None:
        parent, key = self.state.parent, command.key
        request = AmendRequest(
            ticker=parent.ticker,
            order_id=command.order_id,
            client_order_id=self._client_id(key.split, command.current),
            updated_client_order_id=self._client_id(key.split, command.revision),
            leg=parent.leg,
            price=command.price,
            total=command.total,
        )
        await self._limiter.acquire(Purpose.ENTRY)
        if self._called_off(key, Kind.AMEND):
            return
        outcome = await self._venue.amend(request)
        self.receive(amend_reply(key, command.revision, outcome, self._clock.now()))

    async def _cancel(self, key: OrderKey, order_id: str) -> None:
        await self._limiter.acquire(Purpose.CANCEL)
        outcome = await self._venue.cancel(self.state.parent.ticker, order_id)
        self.receive(cancel_reply(key, outcome, self._clock.now()))

    async def _look_up(self) -> None:
        ticker, since = self.state.parent.ticker, Micros(self.state.parent.started - LOOK_BACK)
        await self._limiter.acquire(Purpose.READ)
        orders = await self._venue.orders(ticker, since)
        fills = None
        if itemisation_due(self.state, orders):
            await self._limiter.acquire(Purpose.READ)
            fills = await self._venue.fills(ticker, since)
        self.receive(*lookup_reply(self.state, orders, fills, self._clock.now()))

    def _client_id(self, split: int, revision: int) -> str:
        parent = self.state.parent
        return ClientId(parent.installation, parent.execution, split, revision).text()


def _bug(error: BaseException) -> str:
    """Return what went wrong inside the venue's adapter, which promises not to raise."""
    LOG.error("the venue raised", exc_info=error)
    return f"{type(error).__name__} in the client"
