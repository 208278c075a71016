"""HTTP over aiohttp, each request sent exactly once.

A failure is `NotSent` only while not one byte can have left: the request's headers had not been handed to the connection.
Everything later is `Lost`, whatever its name. aiohttp by itself sends an idempotent request (GET, PUT, DELETE) a second time
when a kept-alive connection drops; it does so only for its own exceptions, so the innermost layer replaces those by ours.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.names import Names
from depthwalker.shell.ports import HttpRequest, HttpResponse, Lost, NotSent

API_ROOT: Final = "/trade-api/v2"
LONGEST_ANSWER: Final = 16_000_000  # bytes; a page of 1,000 orders is under one million
KEPT_ALIVE: Final = 30  # seconds; a connection idle for longer is likely to be closed at the other end


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait for a connection, for the request to leave, and for each part of the answer."""

    connect: Micros
    send: Micros
    answer: Micros


USUAL: Final = Timeouts(connect=Micros(3 * SECOND), send=Micros(2 * SECOND), answer=Micros(5 * SECOND))


class _Sending:
    """Whether one request may have left."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = False


class _Broken(Exception):
    """Stands for any failure of one attempt, in a class that aiohttp does not answer with a second attempt."""


class AioHttpTransport:
    """One session with keep-alive for one host."""

    def __init__(self, base_url: str, timeouts: Timeouts = USUAL) -> None:
        """`base_url` may end in /trade-api/v2, as the exchange's own documentation writes it."""
        self._origin = base_url.rstrip("/").removesuffix(API_ROOT)
        self._timeouts = timeouts
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Return the whole answer, whatever its status; redirects are not followed. Raises NotSent or Lost."""
        sending = _Sending()
        try:
            return await self._attempt(request, sending)
        except Exception as error:  # noqa: BLE001 - any failure after sending, of any class, must be Lost
            reason = _reason(error)
        # Raised outside the handler: the original carries the request's headers, and with them the signature.
        if sending.begun:
            raise Lost(reason)
        raise NotSent(reason)

    async def close(self) -> None:
        """Close the connections; a later request is NotSent."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _attempt(self, request: HttpRequest, sending: _Sending) -> HttpResponse:
        query = f"?{urlencode(request.query)}" if request.query else ""
        url = URL(f"{self._origin}{request.path}{query}", encoded=True)  # as signed: not quoted anew
        async with self._opened().request(
            request.method,
            url,
            headers=request.headers,
            data=request.body,
            allow_redirects=False,
            trace_request_ctx=sending,
        ) as response:
            return HttpResponse(response.status, dict(response.headers), await _bounded(response))

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise _Broken("the transport is closed")
        if self._session is None:
            self._session = _session(self._timeouts)
        return self._session


def _session(timeouts: Timeouts) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_sending)
    whole = timeouts.connect + timeouts.send + timeouts.answer
    return aiohttp.ClientSession(
        # As many connections as there are requests: the rate budget bounds those, and no cancel waits behind reads that hang.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE, resolver=Names()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=whole / SECOND,
            connect=timeouts.connect / SECOND,
            sock_connect=timeouts.connect / SECOND,
            sock_read=timeouts.answer / SECOND,
        ),
        headers={"User-Agent": "depthwalker", "Accept": "application/json"},
        trace_configs=[trace],
        middlewares=[_once],
    )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body; one longer than any the exchange documents is not read to its end."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LONGEST_ANSWER:
            raise _Broken(f"the answer is longer than {LONGEST_ANSWER} bytes")
    return bytes(body)


async def _note_sending(
    _session: aiohttp.ClientSession, context: object, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    sending = getattr(context, "trace_request_ctx", None)  # aiohttp calls this just before the first byte
    assert isinstance(sending, _Sending)
    sending.begun = True


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        reason = _reason(error)
    raise _Broken(reason)


def _reason(error: Exception) -> str:
    """Return an error's name and cause, never its own text, which may show a request's headers."""
    match error:
        case _Broken():
            return str(error)
        case asyncio.TimeoutError():
            return f"timed out ({type(error).__name__})"
        case OSError() if error.strerror:
            return f"{type(error).__name__}: {error.strerror}"
        case _:
            return type(error).__name__
