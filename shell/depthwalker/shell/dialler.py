"""One websocket connection to the exchange over aiohttp: signed upgrade, text in, text out, signs of life.

`Connection` and `Dialler` are the ports behind which the simulation puts another world. Every failure is `Dropped`; its reason
never shows a header, and with it the signature.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import aiohttp

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.names import Names
from depthwalker.shell.signing import Signer
from depthwalker.shell.transport import API_ROOT

PATH: Final = "/trade-api/ws/v2"
DIAL_WITHIN: Final = Micros(10 * SECOND)
CLOSE_WITHIN: Final = Micros(SECOND // 4)  # for the other end's goodbye: one that has gone silent gives none
REDIRECTS: Final = range(300, 400)
LONGEST_MESSAGE: Final = 64 * 1024 * 1024  # a first snapshot of many markets is large
_CLOSING: Final = aiohttp.ClientWSTimeout(
    ws_close=CLOSE_WITHIN / SECOND  # pyright: ignore[reportCallIssue] - attrs under aiohttp's own decorator
)


class Dropped(Exception):
    """There is no connection, or none any more, for this reason."""


class Connection(Protocol):
    """An open websocket. `receive` gives the next text, or None for a mere sign of life; all but `close` raise Dropped."""

    async def receive(self) -> bytes | None: ...

    async def send(self, text: str) -> None: ...

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


class Dialler(Protocol):
    """Opens connections. Raises Dropped."""

    async def dial(self) -> Connection: ...

    async def close(self) -> None: ...


def socket_url(base_url: str) -> str:
    """Return the websocket's address that belongs to a REST base URL (fact sheet, section 1)."""
    parts = urlsplit(base_url.rstrip("/").removesuffix(API_ROOT))
    host = parts.netloc.replace("external-api.", "external-api-ws.", 1)
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{host}{PATH}"


class AioHttpDialler:
    """Dials one address. Each upgrade is signed anew, at the exchange's time: the timestamp has to be fresh by its clock."""

    def __init__(self, url: str, signer: Signer, their_now: Callable[[], Micros]) -> None:
        self._url = url
        self._signer = signer
        self._their_now = their_now
        self._session: aiohttp.ClientSession | None = None

    async def dial(self) -> Connection:
        """Return an open connection. Raises Dropped."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=Names()),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "depthwalker"},
                middlewares=[_here],
            )
        headers = self._signer.sign("GET", urlsplit(self._url).path, self._their_now())
        try:
            async with asyncio.timeout(DIAL_WITHIN / SECOND):
                opened = await self._session.ws_connect(
                    self._url,
                    headers=headers,
                    autoping=False,  # pings are signs of life, and would not be seen
                    decode_text=False,
                    max_msg_size=LONGEST_MESSAGE,
                    timeout=_CLOSING,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = _reason(error)
        else:
            return AioHttpConnection(opened)
        raise Dropped(reason)

    async def close(self) -> None:
        """Close what is left open."""
        if self._session is not None:
            await self._session.close()


class AioHttpConnection:
    """A websocket of aiohttp. Pings are answered while somebody receives."""

    def __init__(self, opened: "aiohttp.ClientWebSocketResponse[Literal[False]]") -> None:
        self._socket = opened

    async def receive(self) -> bytes | None:
        """Return the next text, or None for a ping or a pong. Raises Dropped."""
        message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is aiohttp.WSMsgType.PING:
            await _carried(self._socket.pong(message.data))
            return None
        if message.type is aiohttp.WSMsgType.PONG:
            return None
        raise Dropped(f"closed with code {self._socket.close_code}")

    async def send(self, text: str) -> None:
        """Send a text. Raises Dropped."""
        await _carried(self._socket.send_str(text))

    async def ping(self) -> None:
        """Ask for a pong. Raises Dropped."""
        await _carried(self._socket.ping())

    async def close(self) -> None:
        """Say goodbye, wait a moment for the answer, and close."""
        await self._socket.close()


async def _here(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Follow no redirect: aiohttp would take our signature to whoever is named, and his frames for the exchange's."""
    response = await handler(request)
    if response.status in REDIRECTS:
        response.close()
        raise Dropped(f"the upgrade was answered with {response.status}")
    return response


async def _carried(sending: Awaitable[None]) -> None:
    try:
        await sending
    except (aiohttp.ClientError, OSError) as error:
        raise Dropped(_reason(error)) from None


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.WSServerHandshakeError():
            return f"the upgrade was answered with {error.status}"
        case OSError() if error.strerror:
            return f"{type(error).__name__}: {error.strerror}"
        case _:
            return type(error).__name__
