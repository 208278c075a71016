"""An exchange that answers as it is told, behind real HTTP, for tests of the client."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from depthwalker.core.units import Micros
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.listener import Listener
from depthwalker.shell.ports import Clock
from depthwalker.shell.rest import WRITE
from depthwalker.shell.signing import PrivateKey, Signer
from depthwalker.shell.transport import AioHttpTransport

NOW = Micros(1_703_123_456_789_000)
ROOT = "/trade-api/v2"

Answer = tuple[int, object] | tuple[int, object, Mapping[str, str]] | Exception


class FixedClock:
    def now(self) -> Micros:
        return NOW

    async def sleep_until(self, when: Micros) -> None:
        raise AssertionError("the client never waits")


@dataclass
class Received:
    method: str
    path: str
    query: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    port: int
    body: Mapping[str, object]


@dataclass
class Exchange:
    """Answers in turn, the last answer for ever; an exception drops the connection after the request was taken in.

    `calls` has the kind of each request: a read's as it is metered, a write's once it has come.
    """

    answers: tuple[Answer, ...]
    requests: list[Received] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        if request.method != "GET":
            self.calls.append(WRITE)
        self.requests.append(
            Received(
                request.method,
                request.path,
                dict(request.query),
                tuple(request.query.items()),
                dict(request.headers),
                _port(request),
                json.loads(text) if text else {},
            )
        )
        planned = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(planned, Exception):
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, body = planned[:2]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=content, headers=planned[2] if len(planned) == 3 else {})

    async def meter(self, kind: str) -> None:
        self.calls.append(kind)


def _port(request: web.Request) -> int:
    """Return the client's port, which tells one connection from another."""
    assert request.transport is not None
    peer: tuple[str, int] = request.transport.get_extra_info("peername")
    return peer[1]


@asynccontextmanager
async def trading(
    *answers: Answer, signed: bool = True, key: PrivateKey | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[Exchange, KalshiVenue]]:
    exchange = Exchange(answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", exchange.answer)
    listener = Listener(app, linger=0.1)
    exchange.url = f"http://127.0.0.1:{await listener.listen('127.0.0.1', 0)}{ROOT}"
    transport = AioHttpTransport(exchange.url)
    try:
        signer = Signer("key-1", key or Ed25519PrivateKey.generate()) if signed else None
        venue = KalshiVenue(transport, signer, clock or FixedClock())
        venue.rest.meter = exchange.meter
        yield exchange, venue
    finally:
        await transport.close()
        await listener.close()
