"""A relay in front of PostgreSQL, for what a network does to it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from depthwalker.shell.tasks import end


class Wire:
    """A relay to the server's socket that can lose an answer: what was asked is done, and nobody hears of it.

    Frozen it accepts and passes nothing on, without a word.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._relays: set[asyncio.Task[None]] = set()
        self.losing = 0
        self.lost = 0
        self._flows = [_set()]  # of the servers that there have been

    def freeze(self) -> None:
        """Pass nothing on any more, of new connections either."""
        self._flows[-1].clear()

    def thaw(self) -> None:
        """Pass on what was held up, and what comes."""
        self._flows[-1].set()

    def fail_over(self) -> None:
        """Pass on what new connections say; those of before stay frozen."""
        self._flows.append(_set())

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._relays.add(asyncio.create_task(self._relay(reader, writer, self._flows[-1])))

    async def done(self) -> None:
        """Close both sides of every connection: a caller that gave up connecting may have left its own open."""
        for flows in self._flows:
            flows.set()
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)
        for _ in range(2):  # a transport is closed a turn after its `close`
            await asyncio.sleep(0)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        sides, asking = [writer], set[asyncio.Task[None]]()
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._target)
            sides.append(server_writer)
            asking.add(asyncio.create_task(self._pump(reader, server_writer, lambda _: False, flows)))
            await self._pump(server_reader, writer, self._loses, flows)
        finally:
            for side in sides:  # before anything is waited for: `done` may cancel what is ending already
                side.close()
            await end(*asking)
            await asyncio.gather(*(side.wait_closed() for side in sides), return_exceptions=True)

    def _loses(self, data: bytes) -> bool:
        if self.losing and (b"appended" in data or b"already" in data):
            self.losing -= 1
            self.lost += 1
            return True
        return False

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        loses: Callable[[bytes], bool],
        flows: asyncio.Event,
    ) -> None:
        with suppress(ConnectionError):
            while (data := await reader.read(1 << 16)) and not loses(data):
                await flows.wait()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()


@asynccontextmanager
async def relayed(postgres: str, folder: Path) -> AsyncIterator[tuple[str, Wire]]:
    """Give the connection string of a relay, listening in `folder`, to a database."""
    wire = Wire(f"{parse_qs(urlsplit(postgres).query)['host'][0]}/.s.PGSQL.5432")
    server = await asyncio.start_unix_server(wire.accept, folder / ".s.PGSQL.5432")
    try:
        yield re.sub(r"host=[^&]*", f"host={quote(str(folder), safe='')}", postgres), wire
    finally:
        for listening in server.sockets:  # see Listener: whom the server accepts as it is closed it forgets
            asyncio.get_running_loop().remove_reader(listening.fileno())
        await asyncio.sleep(0)
        server.close()
        await wire.done()
        await server.wait_closed()


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
