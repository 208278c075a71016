"""Listening for callers of an application, and ceasing to without leaving behind one that has just come.

asyncio's server (`Server._attach`, an assertion) drops a connection that it accepted in the very turn of the loop in which
it is closed: nobody closes that one, and its caller waits for ever. So accepting ends first, and a turn later the server.
"""

import asyncio

from aiohttp import web


class Listener:
    """An application, served wherever `listen` was called for; what it still answers in the end has `linger` seconds."""

    def __init__(self, app: web.Application, linger: float) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=linger)
        self._servers: list[asyncio.Server] = []

    async def listen(self, host: str, port: int) -> int:
        """Listen there too, and return the port, which is a free one where 0 is asked for. Raises OSError."""
        if self._runner.server is None:
            await self._runner.setup()
        answer = self._runner.server
        assert answer is not None
        server = await asyncio.get_running_loop().create_server(answer, host, port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Close every connection; a second call does nothing."""
        servers, self._servers = self._servers, []
        loop = asyncio.get_running_loop()
        for socket in (socket for server in servers for socket in server.sockets):
            loop.remove_reader(socket.fileno())
        await asyncio.sleep(0)
        for server in servers:
            server.close()
        await self._runner.cleanup()
