"""The HTTP transport: sent once, and NotSent only where nothing can have left."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from depthwalker.core.units import Micros
from depthwalker.shell.ports import HttpRequest, Lost, NotSent, Transport
from depthwalker.shell.tasks import end
from depthwalker.shell.transport import USUAL, AioHttpTransport, Timeouts

PATH = "/trade-api/v2/portfolio/events/orders/1"
QUICK = Timeouts(connect=Micros(200_000), send=Micros(100_000), answer=Micros(100_000))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Serve = Callable[[int, asyncio.StreamWriter], Awaitable[None]]


def request(method: str = "GET", body: bytes | None = None) -> HttpRequest:
    return HttpRequest(method, PATH, (("market_ticker", "A B"),), {"KALSHI-ACCESS-SIGNATURE": "hidden"}, body)


class Server:
    """A raw HTTP server that counts what reaches it and answers as it is told."""

    def __init__(self, serve: Serve) -> None:
        self.requests: list[str] = []
        self.connections = 0
        self.serve = serve
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(_length(head))
                self.requests.append(head.decode().split("\r\n")[0])
                await self.serve(len(self.requests), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _length(head: bytes) -> int:
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(lengths[0].split(b":")[1]) if lengths else 0


@asynccontextmanager
async def serving(serve: Serve, timeouts: Timeouts = USUAL) -> AsyncIterator[tuple[Server, Transport]]:
    server = Server(serve)
    listener = await asyncio.start_server(server, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    transport = AioHttpTransport(f"{server.url}/trade-api/v2", timeouts)
    try:
        yield server, transport
    finally:
        await transport.close()
        listener.close()
        for writer in server.writers:
            writer.close()
        await listener.wait_closed()


async def answer(number: int, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def answer_once_then_die(number: int, writer: asyncio.StreamWriter) -> None:
    if number == 1:
        writer.write(OK)
    else:
        writer.close()


async def test_the_answer_comes_back_whole_and_the_connection_is_kept() -> None:
    async with serving(answer) as (server, transport):
        first = await transport.send(request())
        await transport.send(request("POST", b"{}"))

    assert (first.status, first.body) == (200, b"{}")
    assert server.requests == [
        f"GET {PATH}?market_ticker=A+B HTTP/1.1",
        f"POST {PATH}?market_ticker=A+B HTTP/1.1",
    ]
    assert server.connections == 1


@pytest.mark.parametrize("method", ["DELETE", "PUT", "GET", "POST"])
async def test_a_dropped_kept_connection_loses_the_request_and_sends_it_once(method: str) -> None:
    async with serving(answer_once_then_die) as (server, transport):
        await transport.send(request())
        with pytest.raises(Lost):
            await transport.send(request(method))

    assert len(server.requests) == 2
    assert server.connections == 1


async def test_aiohttp_by_itself_would_send_it_twice() -> None:
    """Should this fail, aiohttp has changed, and what keeps our transport from it can go."""
    async with serving(answer_once_then_die) as (server, _), aiohttp.ClientSession(server.url) as session:
        async with session.get("/"):
            pass
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.delete("/")

    assert len(server.requests) == 3


async def test_a_server_without_tls_is_sent_nothing() -> None:
    async with serving(answer) as (server, _):
        transport = AioHttpTransport(server.url.replace("http:", "https:"), QUICK)
        with pytest.raises(NotSent):
            await transport.send(request("POST", b"{}"))
        await transport.close()

    assert server.requests == []


async def test_no_answer_in_time_is_lost() -> None:
    async def keep_silent(number: int, writer: asyncio.StreamWriter) -> None:
        pass

    async with serving(keep_silent, QUICK) as (server, transport):
        with pytest.raises(Lost, match="timed out"):
            await transport.send(request("POST", b"{}"))

    assert len(server.requests) == 1


async def test_half_an_answer_is_lost() -> None:
    async def half(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(OK[:-1])
        writer.close()

    async with serving(half) as (_, transport):
        with pytest.raises(Lost):
            await transport.send(request("POST", b"{}"))


async def test_what_is_not_http_is_lost() -> None:
    async def babble(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"babble\r\n\r\n")

    async with serving(babble) as (_, transport):
        with pytest.raises(Lost):
            await transport.send(request("DELETE"))


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async def redirect(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 307 There\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    async with serving(redirect) as (server, transport):
        assert (await transport.send(request("POST", b"{}"))).status == 307

    assert len(server.requests) == 1


async def test_a_refused_connection_is_not_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        transport = AioHttpTransport(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(NotSent):
            await transport.send(request("POST", b"{}"))
        await transport.close()


async def test_a_connection_that_never_opens_is_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):  # takes the only place in the queue
            transport = AioHttpTransport(f"https://127.0.0.1:{full.getsockname()[1]}", QUICK)
            with pytest.raises(NotSent):
                await transport.send(request("POST", b"{}"))
            await transport.close()


async def test_a_cancel_does_not_wait_for_a_connection_behind_reads_that_are_not_answered() -> None:
    async def answer_all_but_reads(number: int, writer: asyncio.StreamWriter) -> None:
        if server.requests[-1].startswith("DELETE"):
            writer.write(OK)

    reads = 120  # of so many markets, at an exchange whose market data hangs
    patient = Timeouts(connect=Micros(500_000), send=Micros(500_000), answer=Micros(30_000_000))
    async with serving(answer_all_but_reads, patient) as (server, transport):
        hanging = [asyncio.create_task(transport.send(request())) for _ in range(reads)]
        while len(server.requests) < reads // 2:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)
        try:
            assert (await transport.send(request("DELETE"))).status == 200
        finally:
            await end(*hanging)


async def test_a_closed_transport_sends_nothing() -> None:
    async with serving(answer) as (server, transport):
        await transport.close()
        with pytest.raises(NotSent, match="closed"):
            await transport.send(request())

    assert server.requests == []


async def test_no_failure_shows_the_signature() -> None:
    async with serving(answer_once_then_die) as (_, transport):
        await transport.send(request())
        with pytest.raises(Lost) as caught:
            await transport.send(request("DELETE"))

    assert caught.value.__context__ is None
    assert "hidden" not in repr(caught.value) + repr(request())
