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

from depthwalker.core.book import OwnOrder
from depthwalker.core.command import (
    Amend,
    Burn,
    Cancel,
    Claim,
    Command,
    Finish,
    Fresh,
    Hold,
    Lapse,
    Lookup,
    MarkOver,
    Place,
    Plan,
    Recap,
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
from depthwalker.core.execution import State, evolve, total_filled
from depthwalker.core.fact import BUG, STORE_AWAY, Deferred, Fact, LookedUp, OutcomeUnknown, Refused, StopRequested
from depthwalker.core.ledger import Kind, Phase, shown
from depthwalker.core.policy import Policy
from depthwalker.core.routing import MOST_TROUBLES
from depthwalker.core.siblings import own_waits, standing
from depthwalker.core.units import Micros, format_count
from depthwalker.core.view import Conditions, View, Waiting, look, own_offer
from depthwalker.shell.feed import Feed
from depthwalker.shell.journal import Store, StoreError
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.ports import Clock, Venue
from depthwalker.shell.sender import Durable, Facts, Sender
from depthwalker.shell.spool import Seat, Spool
from depthwalker.shell.troubles import Troubles
from depthwalker.shell.writer import LeaseLost, Writer

LOG: Final = logging.getLogger("depthwalker")
EXPOSING: Final = frozenset({Kind.PLACE, Kind.CLAIM, Kind.AMEND})


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
        others: Callable[["Runner"], tuple["Runner", ...]],
        ema_slippage: int,
        on_turn: Callable[[State, View], None] | None = None,
        troubles: Troubles | None = None,
        elsewhere: int = 0,
    ) -> None:
        """`walkers` gives how many other walkers run and how many may, `others` the executions beside one in its market.

        `on_turn` is shown every state and view. `troubles` tells what failed lately in this process, `elsewhere` what had
        failed in others when this execution began.
        """
        self.state = state
        self._policy = policy
        self._writer = Writer(seat, store, spool, clock, lambda: self.state, self._own_write, self._on_writer)
        self._sender = Sender(state.parent, venue, limiter, clock, self._called_off, taken_up=seat.taken_up)
        self._feed = feed
        self._clock = clock
        self._limiter = limiter
        self._walkers = walkers
        self._others = others
        self._ema_slippage = ema_slippage
        self._on_turn = on_turn
        self._troubles = troubles or Troubles(clock)
        self._elsewhere = elsewhere
        self._inbox: list[Fact] = []
        self._wakes: tuple[Wake, ...] = ()
        self._woken_by: View | None = None
        self._awake = asyncio.Event()
        self._stopping = False
        self._requests: set[asyncio.Task[Facts]] = set()
        self._writes: set[asyncio.Task[None]] = set()

    @property
    def execution_id(self) -> int:
        """Return the execution's number in the database."""
        return self._writer.execution_id

    def live_orders(self) -> int:
        """Return how many orders may have to be cancelled, once they are sent."""
        return sum(order.phase is not Phase.CLOSED for order in self.state.orders)

    def unsent(self) -> int:
        """Return how many of them wait for the rate budget."""
        return self._sender.unsent()

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

        Cancelling it stops it, as `stop` does; once it is stopping, cancelling it leaves at once, whatever still rests. A bug
        has not stopped it: cancelled while it cancels because of one, it cancels once more.
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
            await self._writer.write_all()
        except (LeaseLost, StoreError):
            raise
        except (Exception, KeyboardInterrupt, SystemExit):
            LOG.exception("execution %s: a bug; cancelling what rests", self.execution_id)
            self._on_turn = None  # whoever watches may be what raised, and would again
            try:
                await self._abandon()
            except asyncio.CancelledError:  # as an event loop that is left does to every task
                await self._abandon()
            raise
        finally:
            for task in (*self._requests, *self._writes):
                task.cancel()  # before anything is awaited: whoever cancels twice leaves nothing under way either
            await self._feed.leave(self._on_feed)
            await asyncio.gather(*self._requests, *self._writes, return_exceptions=True)
        return self.state

    async def _turn(self) -> None:
        """Fold what has arrived, decide once, act, and wait if nothing else is to be done."""
        if self._writer.lost is not None:
            raise self._writer.lost
        self._awake.clear()
        news, seen = tuple(self._inbox), self._woken_by
        self._inbox.clear()
        self._woken_by = None
        self._remember(news)
        # What was seen as this turn was asked for holds no more if another execution has placed or moved an order since.
        view = self._view() if news or seen is None or self._beset(seen) else seen
        commands = self._decided(view)
        self._show(view)
        self._remember(intents(commands, view))
        raising = tuple(command for command in commands if raises_exposure(command))
        for command in commands:
            if command not in raising:
                self._act(command)
        if raising:
            durable = self._writer.write_durably().known
            try:
                await asyncio.sleep(0)  # the append gets on its way before the requests are made ready
            finally:
                for command in raising:
                    self._act(command, durable)
        else:
            self._writer.write_soon()
        if commands and isinstance(commands[-1], WaitUntil):
            await self._rest(commands[-1])  # whatever was sent ends in a fact, which wakes
        else:
            if all(isinstance(command, Hold | Plan | WindDown) for command in commands):
                self._woken_by = view  # nothing that it shows has changed by that
            await asyncio.sleep(0)  # whatever is decided, others get their turn

    def _decided(self, view: View) -> tuple[Command, ...]:
        """Return what is to be done. A bug in an algorithm winds down, for which no algorithm is asked."""
        try:
            return decide(self.state, view, self._policy)
        except Exception as bug:
            if self.state.winding:
                raise
            LOG.exception("execution %s: the decision failed; winding down", self.execution_id)
            self._troubles.note(MOST_TROUBLES)
            return (WindDown(f"{BUG}: {type(bug).__name__}: {bug}"),)

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
        grid = feed.market.grid.of(parent.leg)
        walkers, most = self._walkers()
        conditions = Conditions(
            grid=grid,
            rates=feed.rates,
            tokens=self._limiter.calls_left(),
            walkers=walkers,
            max_walkers=most,
            ema_slippage=self._ema_slippage,
            open=feed.open(),
            troubles=self._troubles.lately() + self._elsewhere,
            over=feed.over(),
        )
        waiting = tuple(
            Waiting(order.key.split, order.price, order.ahead, order.since)
            for order in self.state.orders
            if order.phase is Phase.LIVE
        )
        own = (*self.own_orders(), *(order for other in self._others(self) for order in other.own_orders()))
        stand, waits = self._siblings()
        cap, now = self.state.cap, self._clock.now()
        return look(feed.book, feed.history, parent.leg, cap, own, waiting, conditions, now, stand, own_waits=waits)

    def _siblings(self) -> tuple[tuple[Waiting, ...], bool]:
        """Return which orders of the account's other executions stand against this one, and whether one of those waits for ours."""
        leg, others = self.state.parent.leg, [other.state for other in self._others(self)]
        return standing(leg, others), own_waits(leg, others)

    def _beset(self, seen: View) -> bool:
        """Return whether other executions stand otherwise than a view shows."""
        stand, waits = self._siblings()
        return (seen.own_offer, seen.own_waits) != (own_offer(stand), waits)

    def _remember(self, facts: tuple[Fact, ...]) -> None:
        before = total_filled(self.state)
        for fact in facts:
            self.state = evolve(self.state, fact)
            self._writer.add(fact)
            if _failed(fact) and not self.state.winding:  # later it may have been called off
                self._troubles.note()
            if isinstance(fact, Refused) and fact.code in {"invalid_price", "MARKET_INACTIVE"}:
                self._feed.reread_market()
        filled, wanted = total_filled(self.state), self.state.parent.count
        if filled > max(before, wanted):  # booked as it is: nothing of ours can have done it
            told = "execution %s: the exchange has filled %s contracts, and only %s were asked for"
            LOG.error(told, self.execution_id, format_count(filled), format_count(wanted))

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
        alarm = asyncio.create_task(self._ring(wait.at))
        try:
            await self._awake.wait()
        finally:
            self._wakes = ()
            alarm.cancel()

    async def _ring(self, at: Micros) -> None:
        await self._clock.sleep_until(at)
        self._awake.set()

    def _on_writer(self) -> None:
        """What cannot be journalled must not grow."""
        if self._writer.lost is None:
            self.receive(StopRequested(STORE_AWAY, self._clock.now()))
        self._awake.set()

    # Acting

    def _act(self, command: Command, durable: Durable | None = None) -> None:
        """Start what a command asks for; an order goes out once its intent is `durable`, if that is given."""
        sender = self._sender
        match command:
            case Place(key, price, count, style, _, _):
                self._send(
                    sender.create(key, Kind.PLACE, price, count, style, durable),
                    partial(OutcomeUnknown, key, Kind.PLACE),
                )
            case Claim(key, price, count, style):
                self._send(
                    sender.create(key, Kind.CLAIM, price, count, style), partial(OutcomeUnknown, key, Kind.CLAIM)
                )
            case Burn(key, price):
                self._send(sender.burn(key, price), partial(OutcomeUnknown, key, Kind.BURN))
            case Amend():
                self._send(sender.amend(command, durable), partial(OutcomeUnknown, command.key, Kind.AMEND))
            case Cancel(key, order_id):
                self._send(sender.cancel(key, order_id), partial(OutcomeUnknown, key, Kind.CANCEL))
            case Lookup():
                self._send(sender.look_up(lambda: self.state), LookedUp)
            case WindDown():
                sender.call_off()
            case Tick() | Hold() | Plan() | Regrid() | Recap() | MarkOver() | Lapse() | Finish() | WaitUntil():
                pass  # their facts are all there is to them
            case _ as never:
                assert_never(never)

    def _send(self, request: Coroutine[None, None, Facts], unknown: Callable[[str, Micros], Fact]) -> None:
        """Start a request; should it end without telling a fact, `unknown` makes the one that says so (invariant 10)."""

        def ended(task: "asyncio.Task[Facts]") -> None:
            if task.cancelled():
                self.receive(unknown("the request was cancelled", self._clock.now()))
            elif (error := task.exception()) is not None:
                self.receive(unknown(_bug(error), self._clock.now()))
            else:
                self.receive(*task.result())

        task = asyncio.create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        task.add_done_callback(ended)

    def _own_write(self, task: "asyncio.Task[None]") -> None:
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    def _called_off(self, kind: Kind) -> str:
        """Return why a request that waited for the rate budget must not go out any more, or nothing."""
        if self._writer.lost is not None:
            return "another worker has taken over"
        ends = self._stopping or self._writer.trouble is not None or self.state.stop or self.state.winding
        late = self._clock.now() >= self.state.parent.wind_down
        return "winding down" if (ends or late) and kind in EXPOSING else ""

    async def _abandon(self) -> None:
        """Cancel or burn everything that may rest, without asking anybody: only its expiration would end it otherwise.

        What is under way is waited for, since it may come to rest; not the store, nor what waits for the rate budget.
        """
        with suppress(Exception):
            self._remember((StopRequested(BUG, self._clock.now()),))  # nothing that waits is sent any more
            self._sender.call_off()
            await asyncio.gather(*self._requests, return_exceptions=True)
            self._remember(tuple(self._inbox))
        orders = [order for order in self.state.orders if order.phase is not Phase.CLOSED]
        lowest = self.state.grid.lowest()
        await asyncio.gather(
            *(
                self._sender.cancel(order.key, order.order_id)
                if order.order_id
                else self._sender.burn(order.key, lowest)
                for order in orders
            ),
            return_exceptions=True,
        )


def _failed(fact: Fact) -> bool:
    """Return whether a fact tells of a request that failed or was never answered."""
    return isinstance(fact, Deferred | OutcomeUnknown) or (isinstance(fact, LookedUp) and bool(fact.failure))


def _bug(error: BaseException) -> str:
    """Return what went wrong inside the venue's adapter, which promises not to raise."""
    LOG.error("the venue raised", exc_info=error)
    return f"{type(error).__name__} in the client"
