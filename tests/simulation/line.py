"""A websocket without sockets: frames of the exchange's own feed, in order, after a latency and through faults."""

import asyncio
from collections import Counter
from collections.abc import Callable
from enum import Enum
from random import Random

import msgspec
from tests.simulation.loop import PROCESS, outside

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.dialler import Connection, Dropped
from depthwalker.shell.paper.channels import Feed, Frame
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.notices import Notice
from depthwalker.shell.ports import Clock

SOCKET = "websocket"
LONGEST_DELAY_S = 3.0


class FrameFault(Enum):
    """What a frame may meet, or the connection that carries it."""

    GAP = "frame lost"
    TWICE = "frame twice"
    HELD = "frames held back"
    SILENCE = "connection goes silent"
    RESET = "connection reset"


class SimulatedDialler:
    """A `Dialler` of one account; `met` counts what went wrong."""

    def __init__(
        self, exchange: Exchange, account: str, clock: Clock, random: Random, odds: float, met: Counter[tuple[str, str]]
    ) -> None:
        self._exchange = exchange
        self._account = account
        self._clock = clock
        self._random = random
        self._odds = odds
        self._met = met

    async def dial(self) -> Connection:
        """Return an open connection. Raises Dropped."""
        await asyncio.sleep(self._random.uniform(0.002, 0.06))
        if self._random.random() < self._odds:
            self._met["not connected", SOCKET] += 1
            raise Dropped("the upgrade was answered with 503")
        return SimulatedConnection(self._exchange, self._account, self._clock, self._random, self._odds / 8, self._met)

    async def close(self) -> None:
        """Nothing is left open."""


class SimulatedConnection:
    """A `Connection`: what is said to it and what it says arrives in order, whether or not the process lives on."""

    def __init__(
        self, exchange: Exchange, account: str, clock: Clock, random: Random, odds: float, met: Counter[tuple[str, str]]
    ) -> None:
        self._clock = clock
        self._random = random
        self._odds = odds
        self._met = met
        self._inbox: asyncio.Queue[bytes | Dropped | None] = asyncio.Queue()
        self._feed = Feed(exchange, account, self._emit)
        self._leave = exchange.notices.subscribe(self._hear)
        self._process = PROCESS.get()
        self._open = True
        self._silent = False
        self._there = self._back = clock.now()

    async def receive(self) -> bytes | None:
        """Return the next text, or None for a pong. Raises Dropped."""
        found = await self._inbox.get()
        if isinstance(found, Dropped):
            raise found
        return found

    async def send(self, text: str) -> None:
        """Send a text. Raises Dropped."""
        if not self._open:
            raise Dropped("closed")
        self._there = self._later(self._there, lambda: self._take(text))

    async def ping(self) -> None:
        """Ask for a pong. Raises Dropped."""
        if not self._open:
            raise Dropped("closed")
        if not self._silent:
            self._put(None)

    async def close(self) -> None:
        """Hear nothing more."""
        if self._open:
            self._open = False
            self._leave()

    def _hear(self, notice: Notice) -> None:
        if self._process is not None and self._process.dead:
            self._open = False
            self._leave()
        if self._open:
            self._feed.hear(notice)

    def _take(self, text: str) -> None:
        if self._open and not self._silent:
            self._feed.take(text)

    def _emit(self, frame: Frame) -> None:
        if not self._open or self._silent:
            return
        text = msgspec.json.encode(frame)
        fault = self._random.choice(list(FrameFault)) if self._random.random() < self._odds else None
        if fault is not None:
            self._met[fault.value, SOCKET] += 1
        match fault:
            case FrameFault.GAP:
                pass
            case FrameFault.TWICE:
                self._put(text)
                self._put(text)
            case FrameFault.HELD:
                held = round(self._random.uniform(0, LONGEST_DELAY_S) * SECOND)
                self._back = Micros(max(self._back, self._clock.now()) + held)
                self._put(text)
            case FrameFault.SILENCE:
                self._silent = True
            case FrameFault.RESET:
                self._put(Dropped("the connection was reset"))
                self._silent = True
            case None:
                self._put(text)

    def _put(self, what: bytes | Dropped | None) -> None:
        self._back = self._later(self._back, lambda: self._inbox.put_nowait(what))

    def _later(self, earlier: Micros, what: Callable[[], None]) -> Micros:
        """Have something happen after a latency, and after what was to happen earlier; return when."""
        at = Micros(max(earlier, self._clock.now() + round(self._random.uniform(0.001, 0.03) * SECOND)))
        outside((at - self._clock.now()) / SECOND, what)
        return at
