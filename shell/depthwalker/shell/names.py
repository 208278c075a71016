"""Looks hosts' names up in threads of our own: asyncio's are the application's, which may fill them, and end with its main thread."""

import socket
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from depthwalker.shell.aside import Aside

ASIDE: Final = Aside(4, "names")
NUMBERS: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Names(AbstractResolver):
    """The resolver of a connector."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a host's addresses. Raises socket.gaierror."""
        look = partial(
            socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        return [
            ResolveResult(hostname=host, host=str(at[0]), port=port, family=kind, proto=protocol, flags=NUMBERS)
            for kind, _, protocol, _, at in await ASIDE.run(look)
        ]

    @override
    async def close(self) -> None:
        """Do nothing: the threads are everybody's."""
