"""The line between workers and exchange: a relay on loopback that knows what is unanswered, can be cut, and held up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Call:
    """A connection: `asked` while a request of it that writes is on its way or its answer is."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    asked: bool = False


@dataclass
class Line:
    """Relays every connection to the exchange's port. Orders that come while `held` is set wait for it, whatever comes later."""

    port: int
    calls: set[Call] = field(default_factory=set)
    held: asyncio.Event | None = None
    _server: asyncio.Server | None = None

    async def open(self) -> int:
        """Listen, and return the port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> bool:
        """Reset every connection; return whether an order's request was unanswered on one of them."""
        asked = any(call.asked for call in self.calls)
        for call in tuple(self.calls):
            for end in (call.client, call.server):
                end.transport.abort()
        return asked

    async def close(self) -> None:
        """Cut everything and stop listening."""
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _relay(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            client.transport.abort()
            return
        call = Call(client, server)
        self.calls.add(call)

        async def asking(some: bytes) -> None:
            call.asked = call.asked or some.startswith((b"POST ", b"DELETE ", b"PUT "))
            if self.held is not None and some.startswith(b"POST "):
                await self.held.wait()

        async def answered(_: bytes) -> None:
            call.asked = False

        try:
            await asyncio.gather(_pump(reader, server, asking), _pump(answers, client, answered))
        finally:
            self.calls.discard(call)
            client.close()
            server.close()


async def _pump(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, seen: Callable[[bytes], Awaitable[None]]
) -> None:
    with suppress(OSError):
        while some := await source.read(65_536):
            await seen(some)
            sink.write(some)
            await sink.drain()
    with suppress(OSError, RuntimeError):
        sink.write_eof()
