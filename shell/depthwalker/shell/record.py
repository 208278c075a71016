"""The `record` command: a market's book and trades as the exchange shows them, kept in the backtest's format.

One file a market, JSON Lines, only ever appended to: a recorder that was stopped or killed goes on in the same file, and
what it missed is an empty book there (core `recorder`). Needs no database; without a key it polls what is public.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final

from depthwalker.core.recorder import Recorder, begin, close, record_look, unknown_from
from depthwalker.core.recording import Line, Print
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.dialler import AioHttpDialler, socket_url
from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.feed import Feed
from depthwalker.shell.interrupt import until_interrupted
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.markets import Markets
from depthwalker.shell.news import NewsRoom
from depthwalker.shell.opening import load_key, require_key
from depthwalker.shell.ports import Clock
from depthwalker.shell.recording import line_text, resume
from depthwalker.shell.settings import Settings
from depthwalker.shell.socket import Socket
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.voice import complain, say

STALE_INTERVALS: Final = 4  # of polling: a book not heard of for longer counts as unknown
# So far a file may go beyond the clock: what is recorded meanwhile is of one instant.
AHEAD: Final = Micros(10 * SECOND)
PROGRESS_EVERY: Final = Micros(10 * SECOND)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for; `seconds` None records until Ctrl-C."""

    tickers: tuple[str, ...]
    folder: Path
    seconds: int | None
    as_json: bool


class Reel:
    """One market's file, open for appending by this process alone. Raises ValueError where it is something else.

    What a look shows is written at once, or not at all: `trouble` is why it could not be, and nothing is written after it.
    """

    def __init__(self, ticker: str, path: Path, clock: Clock, stale_after: Micros, failed: Callable[[], None]) -> None:
        self.lines = 0
        self.trades = 0
        self.path = path
        self.trouble: OSError | None = None
        self._ticker = ticker
        self._clock = clock
        self._stale_after = stale_after
        self._failed = failed
        self._file = path.open("ab", buffering=0)
        try:
            last = _claimed(self._file, path, ticker)
            if last > clock.now() + AHEAD:
                late = "ends later than this machine's clock shows"
                raise ValueError(f"{path} {late}: set the clock, or record into another folder")  # noqa: TRY301
        except ValueError:
            self._file.close()
            raise
        self._recorder: Recorder = begin(last)
        if last:
            self._write((unknown_from(last),))  # what happened since is not known

    def look(self, feed: Feed) -> None:
        """Write what has changed in a market."""
        self._recorder, lines = record_look(
            self._recorder, feed.book, feed.history.trades, self._clock.now(), self._stale_after
        )
        self._write(lines)

    def close(self) -> None:
        """Close the file; it ends with a book that is not known any more."""
        self._write(close(self._recorder))
        self._file.close()

    def told(self) -> dict[str, object]:
        """Return what this run has written."""
        return {"ticker": self._ticker, "file": str(self.path), "lines": self.lines, "trades": self.trades}

    def _write(self, lines: tuple[Line, ...]) -> None:
        if not lines or self.trouble is not None:
            return
        end = self._file.seek(0, os.SEEK_END)
        left = memoryview("".join(line_text(self._ticker, line) for line in lines).encode())
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.trouble = error
            self._file.truncate(end)  # a part of a line is none
            self._failed()
            return
        self.lines += len(lines)
        self.trades += sum(isinstance(line.body, Print) for line in lines)


def _claimed(file: FileIO, path: Path, ticker: str) -> Micros:
    """Return the time of a recording's last line, the file being nobody else's from now on. Raises ValueError."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        raise ValueError(f"{path} is being recorded by another process: record into another folder") from taken
    return resume(path, ticker)


def run_record(wish: Wish) -> int:
    """Record until Ctrl-C, or for as long as was asked, and return the exit code."""
    settings = Settings.load()
    if settings.key_id is not None:
        require_key(settings)
    wish.folder.mkdir(parents=True, exist_ok=True)
    reels = asyncio.run(_record(wish, settings))
    for reel in reels:
        if reel.trouble is not None:
            why = f"{reel.path} cannot be written: {reel.trouble.strerror}"
            raise Ended(FAILED, f"{why}; what it holds can be played, and the next run goes on in it")
    told = [reel.told() for reel in reels]
    if wish.as_json:
        say(json.dumps(told, indent=2))
    else:
        say(*(f"{one['file']}: {one['lines']} lines more, {one['trades']} of them trades" for one in told))
        say(f"try: depthwalker backtest {' '.join(str(reel.path) for reel in reels)}")
    return OK


async def _record(wish: Wish, settings: Settings) -> list[Reel]:
    clock, chance = SystemClock(), SystemChance()
    stopped = until_interrupted()
    async with AsyncExitStack() as stack:
        key = load_key(settings)
        wire = AioHttpTransport(settings.base_url)
        stack.push_async_callback(wire.close)
        venue = KalshiVenue(wire, key, clock)
        Limiter(clock, settings.calls_per_minute, lambda: 0).govern(venue.rest)
        markets = Markets(venue, clock, settings.book_interval, lambda _: ())
        if key is not None and settings.websocket:
            newsroom = NewsRoom(markets.feeds, tuple, clock)
            dialler = AioHttpDialler(socket_url(settings.base_url), key, venue.rest.their_now)
            socket = Socket(dialler, clock, chance, newsroom.hear)
            markets.follow_by(socket)
            socket.start()
            stack.push_async_callback(socket.close)
        feeds = {ticker: await markets.feed(ticker) for ticker in dict.fromkeys(wish.tickers)}
        stack.push_async_callback(markets.close)
        stale_after = Micros(STALE_INTERVALS * settings.book_interval)
        reels = _open(stack, feeds, wish.folder, clock, stale_after, stopped.set)
        await _until(stopped, reels, clock, wish.seconds)
    return reels


def _open(
    stack: AsyncExitStack,
    feeds: Mapping[str, Feed],
    folder: Path,
    clock: Clock,
    stale_after: Micros,
    failed: Callable[[], None],
) -> list[Reel]:
    """Open the files, then watch the markets; they are left and closed in the opposite order."""
    reels: list[Reel] = []
    for ticker, feed in feeds.items():
        try:
            reel = Reel(ticker, folder / f"{ticker}.jsonl", clock, stale_after, failed)
        except ValueError as wrong:
            raise Wrong(str(wrong)) from wrong
        stack.callback(reel.close)
        listener = partial(reel.look, feed)
        feed.watch(listener)
        stack.push_async_callback(feed.leave, listener)
        reels.append(reel)
    return reels


async def _until(stopped: asyncio.Event, reels: list[Reel], clock: Clock, seconds: int | None) -> None:
    """Return when asked to stop or when the time is up, and tell meanwhile how it goes."""
    asked = asyncio.ensure_future(stopped.wait())
    end = None if seconds is None else clock.now() + seconds * SECOND
    try:
        while not stopped.is_set() and (end is None or clock.now() < end):
            pause = PROGRESS_EVERY if end is None else min(PROGRESS_EVERY, end - clock.now())
            alarm = asyncio.ensure_future(clock.sleep_until(Micros(clock.now() + pause)))
            await asyncio.wait({asked, alarm}, return_when=asyncio.FIRST_COMPLETED)
            alarm.cancel()
            complain(*(f"{reel.path.stem}: {reel.lines} lines, {reel.trades} trades" for reel in reels))
    finally:
        asked.cancel()
