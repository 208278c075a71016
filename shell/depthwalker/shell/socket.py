"""The exchange's websocket kept open: what comes in is folded by `core.stream`, what that asks for is sent.

It decides nothing. A connection that ends, that the fold gives up or on which nothing was heard for a while is dialled anew,
with growing and jittered pauses. After each new subscription the owner is told what it may have missed (`Missed`), so that
fills and orders are read by REST from there on. As long as nothing else is heard, a ping a second asks for a sign of life:
a quiet market's book is as current as the last one.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from depthwalker.core import stream as streams
from depthwalker.core.book import Book
from depthwalker.core.channel import BookDelta, Channel, Failed, Illegible
from depthwalker.core.line import BookChanged
from depthwalker.core.subscriptions import Heard, News
from depthwalker.core.units import MILLION, SECOND, Micros
from depthwalker.shell.dialler import Connection, Dialler, Dropped
from depthwalker.shell.frames import read_frame, write_command
from depthwalker.shell.ports import Chance, Clock
from depthwalker.shell.tasks import end

LOG: Final = logging.getLogger("depthwalker")
OF_THE_ACCOUNT: Final = (Channel.FILL, Channel.ORDER, Channel.LIFECYCLE)
IN_A_ROW: Final = 64  # frames, before other tasks get their turn: a full buffer is read without a pause
PING: Final = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, from which silence on to ping, from which to dial anew; the pauses between two attempts."""

    beat: Micros
    ping: Micros
    silence: Micros
    shortest: Micros
    longest: Micros


USUAL: Final = Pace(
    beat=Micros(SECOND // 4),
    ping=Micros(SECOND),
    silence=Micros(30 * SECOND),
    shortest=Micros(SECOND // 4),
    longest=Micros(30 * SECOND),
)


def pause(attempt: int, jitter: int, pace: Pace = USUAL) -> Micros:
    """Return how long to wait before a further attempt, from half the doubled pause to all of it; jitter in ppm."""
    whole = min(pace.longest, pace.shortest << min(attempt, 32))
    return Micros(whole // 2 + whole * jitter // (2 * MILLION))


class Socket:
    """One connection at a time, from `start` to `close`. `listener` is told the news, in order; it must not block."""

    def __init__(
        self,
        dialler: Dialler,
        clock: Clock,
        chance: Chance,
        listener: Callable[[News], None],
        channels: tuple[Channel, ...] = OF_THE_ACCOUNT,
        pace: Pace = USUAL,
    ) -> None:
        """`channels` are subscribed for all markets; books and trades for those that are wanted."""
        self._dialler = dialler
        self._clock = clock
        self._chance = chance
        self._listener = listener
        self._pace = pace
        self._stream = streams.begin(channels)
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._heard_at = Micros(0)
        self._running: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Return whether a connection is open."""
        return self._stream.desk.connected

    @property
    def heard_at(self) -> Micros:
        """Return when anything was last heard on a connection: what it keeps is as current as that."""
        return self._heard_at

    def book(self, ticker: str) -> Book | None:
        """Return a market's book, dated by the last sign of life; None where it is not known."""
        found = streams.book(self._stream, ticker)
        return None if found is None else Book(found.yes, found.no, self._heard_at)

    def following(self, channel: Channel) -> bool:
        """Return whether a channel's frames come in."""
        return streams.following(self._stream, channel)

    def want(self, tickers: Iterable[str]) -> None:
        """Follow the books and trades of these markets and no others."""
        self._step(streams.want(self._stream, frozenset(tickers), self._clock.now()))

    def start(self) -> None:
        """Begin to dial; needs a running loop."""
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="websocket")

    async def close(self) -> None:
        """Close the connection and end all tasks."""
        running, self._running = self._running, None
        if running is not None:
            await end(running)
        await self._dialler.close()

    async def _run(self) -> None:
        attempt = 0
        while True:
            useful = False
            try:
                useful = await self._connection()
            except Dropped as dropped:
                LOG.log(logging.DEBUG if attempt else logging.WARNING, "websocket: not connected (%s)", dropped)
            except Exception:
                LOG.exception("websocket: a bug; dialling anew")
            attempt = 0 if useful else attempt + 1
            waiting = pause(attempt, self._chance.jitter(), self._pace)
            await self._clock.sleep_until(Micros(self._clock.now() + waiting))

    async def _connection(self) -> bool:
        """Return, when a connection has ended, whether it was of use: one that never was must not be dialled at once."""
        connection = await self._dialler.dial()
        try:
            return await self._conversation(connection)
        finally:
            await connection.close()

    async def _conversation(self, connection: Connection) -> bool:
        now = self._heard_at = self._clock.now()
        self._outbox = asyncio.Queue()
        self._step(streams.opened(self._stream, now))
        parts = (self._receive(connection), self._send(connection), self._watch())
        tasks = [asyncio.create_task(part, name="websocket part") for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            LOG.warning("websocket: dialling anew (%s)", "; ".join(sorted(task.result() for task in done)))
            return bool(self._stream.lines)
        finally:
            await end(*tasks)
            self._step(streams.lost(self._stream))

    # The three parts of a conversation: each returns why it is over

    async def _receive(self, connection: Connection) -> str:
        count = 0
        try:
            while True:
                text = await connection.receive()
                now = self._heard_at = self._clock.now()
                redial = "" if text is None else self._take(text, now)
                if redial:
                    return redial
                count += 1
                if count % IN_A_ROW == 0:
                    await asyncio.sleep(0)
        except Dropped as dropped:
            return str(dropped)

    async def _send(self, connection: Connection) -> str:
        try:
            while True:
                text = await self._outbox.get()
                await (connection.send(text) if text else connection.ping())
        except Dropped as dropped:
            return str(dropped)

    async def _watch(self) -> str:
        asked = self._heard_at
        while True:
            await self._clock.sleep_until(Micros(self._clock.now() + self._pace.beat))
            now = self._clock.now()
            if now - self._heard_at >= self._pace.silence:
                return f"nothing was heard for {self._pace.silence // SECOND} s"
            if now - max(asked, self._heard_at) >= self._pace.ping:
                asked = now
                self._outbox.put_nowait(PING)
            redial = self._step(streams.tick(self._stream, now))
            if redial:
                return redial

    def _take(self, text: bytes, now: Micros) -> str:
        frame = read_frame(text, now, yes_scale=self._stream.desk.use_yes_price)
        if isinstance(frame, BookDelta):
            fitting = streams.advanced(self._stream, frame)
            if fitting is not None:
                self._stream, book = fitting
                self._tell(BookChanged(frame.ticker, book))
                return ""
        if isinstance(frame, Illegible):
            LOG.warning("websocket: a frame cannot be read (%s)", frame.why)
        elif isinstance(frame, Failed):
            LOG.warning("websocket: error %s: %s", frame.code, frame.reason)
        return self._step(streams.hear(self._stream, frame, now))

    def _step(self, heard: Heard) -> str:
        """Take a step of the fold: send what it asks for, tell what is new, return why to dial anew, if so."""
        self._stream = heard.stream
        for command in heard.asks:
            self._outbox.put_nowait(write_command(command))
        for news in heard.news:
            self._tell(news)
        return heard.redial

    def _tell(self, news: News) -> None:
        try:
            self._listener(news)
        except Exception:
            LOG.exception("websocket: whoever listens raised")
