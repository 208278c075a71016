"""The websocket's end at the exchange: signed upgrade, heartbeat, frames out as they arise, and what goes wrong with them.

Frames wait in one queue a connection, so a fault that is met by one of them happens at its place in the order. A connection
that was made silent neither says nor hears anything, and stays open. Source: fact sheet, sections 1 and 7.1.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.paper.auth import KEY, PublicKey, signer
from depthwalker.shell.paper.channels import Feed, Frame
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.faults import (
    FRAME,
    HANDSHAKE,
    Answered,
    Blow,
    Delayed,
    Duplicated,
    Faults,
    Held,
    Lost,
    Side,
)
from depthwalker.shell.paper.gate import response
from depthwalker.shell.paper.ledger import Account
from depthwalker.shell.paper.reply import Refusal, Reply, answer, refusal
from depthwalker.shell.ports import Clock

PATH: Final = "/trade-api/ws/v2"
UNSIGNED: Final = answer({"code": "token_authentication_failure"}, 401)
HEARTBEAT: Final = b"heartbeat"
BEAT: Final = Micros(10 * SECOND)
BUFFER: Final = 65_536  # frames that wait for a client that does not read, before its subscriptions overflow
_GOODBYE: Final = 0.1  # seconds for the other end's close frame
_LONGEST: Final = 64 * 1024 * 1024
_GONE: Final = frozenset({WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR})

Waiting: TypeAlias = bytes | Delayed | Blow


class Line:
    """One open connection of one key."""

    def __init__(
        self,
        request: web.Request,
        opened: web.WebSocketResponse,
        account: str,
        exchange: Exchange,
        faults: Faults,
        buffer: int,
    ) -> None:
        self.key_id = request.headers[KEY]
        self.feed = Feed(exchange, account, self._emit)
        self._request = request
        self._opened = opened
        self._clock = exchange.clock
        self._faults = faults
        self._buffer = buffer
        self._silent = False
        self._outbox: deque[Waiting] = deque()
        self._held: list[bytes] = []
        self._waiting = asyncio.Event()

    async def talk(self) -> None:
        """Listen and speak until the connection is over."""
        tasks = [asyncio.create_task(part) for part in (self._listen(), self._speak(), self._beat())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if self._silent:  # who is silent says no goodbye either
                self._abort()
        for result in results:  # that the other end is gone is no news, a bug is
            if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                raise result

    def strike(self, blow: Blow) -> None:
        """Have a blow fall once what waits has been sent."""
        match blow:
            case Blow.OVERFLOW:
                for sid in self.feed.sids():
                    self.feed.end(sid)
            case Blow.RESET | Blow.CLOSE | Blow.SILENCE:
                self._put(blow)

    async def leave(self) -> None:
        """Say goodbye; one that is silent just goes."""
        if self._silent:
            self._abort()
        await self._opened.close(code=WSCloseCode.GOING_AWAY)

    def _emit(self, frame: Frame) -> None:
        if self._silent:
            return
        kind, sid = str(frame["type"]), frame.get("sid")
        if len(self._outbox) >= self._buffer and isinstance(sid, int) and kind != "error":
            self.feed.end(sid)
            return
        text = msgspec.json.encode(frame) + b"\n"
        match self._faults.due(FRAME + kind):
            case Lost():
                pass
            case Held():
                self._held.append(text)
                self._waiting.set()
            case Duplicated():
                self._put(text, text)
            case Delayed() as delayed:
                self._put(delayed, text)
            case Blow.OVERFLOW if isinstance(sid, int):
                self.feed.end(sid)
            case Blow() as blow:
                self.strike(blow)
            case _:
                self._put(text)

    def _put(self, *waiting: Waiting) -> None:
        self._outbox.extend(waiting)
        self._waiting.set()

    def _abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    # The parts of a conversation; the first to end ends it

    async def _listen(self) -> None:
        while True:
            message = await self._opened.receive()
            if message.type in _GONE:
                break
            if self._silent or self._faults.side(self.key_id) is Side.REQUESTS:
                continue
            if message.type is WSMsgType.PING:
                await self._opened.pong(message.data)
            elif message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                self.feed.take(message.data)

    async def _speak(self) -> None:
        while True:
            if not self._outbox:
                self._outbox.extend(self._held)
                self._held.clear()
            if not self._outbox:
                self._waiting.clear()
                await self._waiting.wait()
                continue
            match self._outbox.popleft():
                case bytes() as text:
                    if self._faults.side(self.key_id) is not Side.ANSWERS:
                        await self._opened.send_frame(text, WSMsgType.TEXT)
                case Delayed(by):
                    await self._clock.sleep_until(Micros(self._clock.now() + by))
                case Blow.SILENCE:
                    self._silent = True
                    self._outbox.clear()
                case Blow.CLOSE:
                    return
                case _:
                    self._abort()
                    return

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep_until(Micros(self._clock.now() + BEAT))
            if not self._silent and self._faults.side(self.key_id) is not Side.ANSWERS:
                await self._opened.ping(HEARTBEAT)


class Sockets:
    """All open connections of an exchange; `buffer` is how many frames may wait on those that are yet to come."""

    def __init__(
        self,
        accounts: Iterable[Account],
        clock: Clock,
        faults: Faults,
        requests: Counter[str],
        answers: Counter[tuple[str, int]],
    ) -> None:
        self.buffer = BUFFER
        self._keys: Mapping[str, tuple[str, PublicKey]] = {
            account.key_id: (account.name, account.public_key) for account in accounts
        }
        self._clock = clock
        self._faults = faults
        self._requests = requests
        self._answers = answers
        self._lines: list[Line] = []

    def __len__(self) -> int:
        return len(self._lines)

    def mount(self, app: web.Application, exchange: Exchange) -> None:
        """Serve the websocket; its connections are closed when the server stops."""

        async def serve(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, exchange)

        app.router.add_get(PATH, serve)
        app.on_shutdown.append(self._leave)

    def strike(self, blow: Blow, key_id: str = "") -> int:
        """Strike all open connections of a key, or of everybody, and return how many those are."""
        struck = [line for line in self._lines if key_id in {"", line.key_id}]
        for line in struck:
            line.strike(blow)
        return len(struck)

    async def _serve(self, request: web.Request, exchange: Exchange) -> web.StreamResponse:
        self._requests[HANDSHAKE] += 1
        match self._faults.met(HANDSHAKE, request.headers.get(KEY, "")):
            case Answered(reply):
                return self._refused(reply)
            case Lost():
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            case Delayed(by):
                await self._clock.sleep_until(Micros(self._clock.now() + by))
            case _:
                pass
        try:
            seen = Micros(self._clock.now() + self._faults.skew)
            account = signer(request.headers, "GET", PATH, seen, self._keys)
        except Refusal:
            return self._refused(UNSIGNED)
        opened = web.WebSocketResponse(autoping=False, autoclose=False, timeout=_GOODBYE, max_msg_size=_LONGEST)
        if not opened.can_prepare(request).ok:
            return self._refused(refusal(400, "bad_request").reply)
        await opened.prepare(request)
        self._answers[HANDSHAKE, 101] += 1
        await self._hold(Line(request, opened, account, exchange, self._faults, self.buffer), exchange)
        return opened

    async def _hold(self, line: Line, exchange: Exchange) -> None:
        self._lines.append(line)
        quiet = exchange.notices.subscribe(line.feed.hear)
        try:
            await line.talk()
        finally:
            quiet()
            self._lines.remove(line)

    async def _leave(self, _: web.Application) -> None:
        await asyncio.gather(*(line.leave() for line in self._lines), return_exceptions=True)

    def _refused(self, reply: Reply) -> web.Response:
        self._answers[HANDSHAKE, reply.status] += 1
        return response(reply)
