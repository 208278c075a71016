"""One market as it is now, kept current while anybody watches: book, recent history, grid, status, fees.

All executions in a market share one feed. The websocket's book is used as long as it is current; otherwise the exchange is
polled, and so are trades that the websocket may have missed. A poll that fails leaves the old book, whose age every view
shows.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol

from depthwalker.core.answer import Market, MarketStatus, TradePrint, Trouble
from depthwalker.core.book import EMPTY, Book, OwnOrder, without
from depthwalker.core.channel import Channel
from depthwalker.core.fees import FeeRates
from depthwalker.core.flow import NO_HISTORY, WINDOW, History, observe, record, sample_due
from depthwalker.core.outcome import Outcome, Success
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.ports import Clock, Venue
from depthwalker.shell.tasks import beside, end, wait

LOG: Final = logging.getLogger("depthwalker")
MARKET_INTERVAL: Final = Micros(10 * SECOND)
FEES_INTERVAL: Final = Micros(60 * SECOND)
FEES_POLLED: Final = Micros(
    300 * SECOND
)  # of a watched market: two requests each time, of a budget that orders need, too
LIVE_INTERVALS: Final = 2  # how many polls' time the websocket's book counts as current after its last sign of life
FLOW_WAIT: Final = Micros(SECOND // 2)
# No more than this of a gap is read back: what traded before matters to no order, and may be more than can be read, however often.
LONGEST_GAP: Final = Micros(900 * SECOND)
OVERLAP: Final = Micros(2 * SECOND)  # trades are read back a little, since the exchange's clock is not ours


class Line(Protocol):
    """The websocket as a feed needs it."""

    def book(self, ticker: str) -> Book | None: ...

    def following(self, channel: Channel) -> bool: ...


class Due:
    """Something that is to be read, until a reading that began after it was last asked for has succeeded."""

    def __init__(self, *, asked: bool = False) -> None:
        self.asked = int(asked)
        self._done = 0

    def __bool__(self) -> bool:
        return self.asked > self._done

    def ask(self) -> None:
        """Ask for it, again if it is being read just now: that reading may have begun before what speaks for it."""
        self.asked += 1

    def done(self, asked: int) -> None:
        """Count as read what was asked for when the reading began."""
        self._done = max(self._done, asked)


class Feed:
    """Book, history and market of one ticker; `watch` it and it polls, until the last one leaves or the market is over."""

    def __init__(
        self,
        market: Market,
        rates: FeeRates,
        venue: Venue,
        clock: Clock,
        interval: Micros,
        own: Callable[[], tuple[OwnOrder, ...]] = tuple,
        line: Line | None = None,
        watched: Callable[[], None] | None = None,
    ) -> None:
        """`own` gives what the book may show of our own orders, which must not count as the market's flow.

        `line` is the websocket, if there is one; `watched` is told whenever `wanted` may have changed.
        """
        self.market = market
        self.rates = rates
        self.book: Book = EMPTY
        self.history: History = NO_HISTORY
        self._venue = venue
        self._clock = clock
        self._interval = interval
        self._own = own
        self._line = line
        self._watched = watched or _nobody
        self._trades_due = Due(asked=True)
        self._fees_due = Due()
        self._market_due = Due()
        self._telling = False
        self._listeners: list[Callable[[], None]] = []
        self._hurry = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._market_read = self._fees_read = self._fees_asked = clock.now()
        self._traded_until = Micros(clock.now() - WINDOW)

    def watch(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change; the first watcher starts the polling."""
        self._listeners.append(listener)
        if self._polling is None:
            self._forget_old_trades(WINDOW)  # longer before anybody watched it is of no use
            self._trades_due.ask()
            self._polling = asyncio.create_task(self._poll(), name=f"feed {self.market.ticker}")
            self._watched()

    async def leave(self, listener: Callable[[], None]) -> None:
        """Stop calling `listener`; the last one to leave ends the polling."""
        self._listeners.remove(listener)
        if not self._listeners and self._polling is not None:
            polling, self._polling = self._polling, None
            polling.cancel()
            self._watched()
            await end(polling)

    @property
    def wanted(self) -> bool:
        """Return whether anybody watches, and there is still something to see."""
        return self._polling is not None and not self.over()

    def take_book(self, book: Book) -> None:
        """Take in a book of the websocket's."""
        self._show(book)
        self._tell_soon()

    def take_trade(self, trade: TradePrint) -> None:
        """Take in a trade of the websocket's."""
        self.history = record(self.history, (trade,))
        if not self._trades_due:  # else what was missed came before this one, and is yet to be read
            self._traded_until = max(self._traded_until, trade.at)
        self._tell_soon()

    def take_market(self, market: Market) -> None:
        """Take in the market as the websocket tells that it is now."""
        self.market = market
        self._tell_soon()

    def miss_trades(self) -> None:
        """Read the trades again: the websocket may have missed some."""
        self._trades_due.ask()
        self._hurry.set()

    def reread_fees(self) -> None:
        """Read the market's fees again with the next poll."""
        self._fees_due.ask()
        self._hurry.set()

    def open(self) -> bool:
        """Return whether the market accepts orders, as far as it was last read."""
        return self.market.status is MarketStatus.ACTIVE

    def over(self) -> bool:
        """Return whether the market takes no order any more, for good, as far as it was last read."""
        return self.market.status.over()

    async def arrival(self) -> Book:
        """Return the book that a parent meets, read now unless the last poll's is younger than an interval; the old one if that fails.

        The trades are read with it, so that a first decision knows the flow of late, unless that takes long.
        """
        if self._clock.now() - self.book.at > self._interval:
            if not self.wanted:
                self._forget_old_trades(WINDOW)
            async with beside(self._read_trades_unless_told()) as trades:
                await self._read_book()
                await wait({trades}, self._clock, Micros(self._clock.now() + FLOW_WAIT))
        return self.book

    def hurry(self) -> None:
        """Read the book as soon as the budget allows, instead of at the next interval."""
        self._hurry.set()

    async def refresh_market(self) -> None:
        """Read the market now, unless it was read within the interval."""
        if self._market_due or self._clock.now() - self._market_read >= MARKET_INTERVAL:
            await self._read_market()

    async def fees(self) -> Outcome[FeeRates, Trouble]:
        """Return the fees in force, read now unless they were read within the interval."""
        if self._fees_due or self._clock.now() - self._fees_read >= FEES_INTERVAL:
            return await self._read_fees()
        return Success(self.rates)

    def reread_market(self) -> None:
        """Read the market itself again with the next poll: its grid or status may have changed."""
        self._market_due.ask()
        self._hurry.set()

    async def _poll(self) -> None:
        while True:
            self._hurry.clear()
            try:
                await self._read()
                self._tell()
            except Exception:
                LOG.exception("%s: a poll failed; the next one is due as usual", self.market.ticker)
            # Whoever watches new markets every quarter of an hour would come to ask for dead ones alone.
            if self.over():
                self._watched()
                return
            next_poll = asyncio.ensure_future(self._clock.sleep_until(Micros(self._clock.now() + self._interval)))
            hurried = asyncio.ensure_future(self._hurry.wait())
            try:
                await asyncio.wait({next_poll, hurried}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                next_poll.cancel()
                hurried.cancel()

    def _tell_soon(self) -> None:
        """Tell the listeners once, however many messages came in at a time."""
        if not self._telling and self._listeners:
            self._telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        for listener in tuple(self._listeners):
            try:
                listener()
            except Exception:
                LOG.exception("%s: a listener failed", self.market.ticker)

    def _show(self, book: Book) -> None:
        self.book = book
        if sample_due(self.history, book.at):
            self.history = observe(self.history, without(book, self._own()), book.at)

    def _live_book(self) -> Book | None:
        """Return the websocket's book while it is current."""
        live = None if self._line is None else self._line.book(self.market.ticker)
        late = live is None or self._clock.now() - live.at > LIVE_INTERVALS * self._interval
        return None if late else live

    async def _read_book(self) -> None:
        live = self._live_book()
        if live is not None:
            self._show(live)
            return
        before = self.book
        book = await self._venue.book(self.market.ticker)
        if isinstance(book, Success) and self.book is before:  # what the websocket told meanwhile is newer
            self._show(book.unwrap())

    async def _read(self) -> None:
        await self._read_book()
        await self.refresh_market()
        # Nobody tells of a series' new fees, and without a websocket of an event's neither. A market not read yet names no event.
        old = self._clock.now() - self._fees_asked >= FEES_POLLED
        if (self._fees_due or old) and self.market.event_ticker:
            await self._read_fees()
        await self._read_trades_unless_told()

    async def _read_trades_unless_told(self) -> None:
        if self._trades_due or not self._trades_followed():
            await self._read_trades()

    def _trades_followed(self) -> bool:
        """Return whether the websocket tells all trades: one that has gone silent still has its subscription."""
        return self._line is not None and self._line.following(Channel.TRADE) and self._live_book() is not None

    async def _read_trades(self) -> None:
        asked = self._trades_due.asked
        self._forget_old_trades(LONGEST_GAP)
        trades = await self._venue.trades(self.market.ticker, Micros(self._traded_until - OVERLAP))
        if isinstance(trades, Success):
            prints = trades.unwrap()
            self.history = record(self.history, prints)
            self._traded_until = max((trade.at for trade in prints), default=self._traded_until)
            self._trades_due.done(asked)

    def _forget_old_trades(self, span: Micros) -> None:
        """Read none that traded longer ago than this."""
        self._traded_until = max(self._traded_until, Micros(self._clock.now() - span))

    async def _read_fees(self) -> Outcome[FeeRates, Trouble]:
        asked, began = self._fees_due.asked, self._clock.now()
        self._fees_asked = began
        rates = await self._venue.fee_rates(self.market)
        if isinstance(rates, Success):
            self.rates = rates.unwrap()
            self._fees_read = began
            self._fees_due.done(asked)
        return rates

    async def _read_market(self) -> None:
        asked = self._market_due.asked
        market = await self._venue.market(self.market.ticker)
        if isinstance(market, Success):
            self.market = market.unwrap()
            self._market_read = self._clock.now()
            self._market_due.done(asked)


def _nobody() -> None:
    """Tell nobody."""
