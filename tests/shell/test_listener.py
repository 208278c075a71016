"""A listener that is closed leaves no caller waiting, whenever that one came."""

import asyncio
import gc
import socket
from contextlib import suppress

import pytest
from aiohttp import web

from depthwalker.shell.listener import Listener

HERE = "127.0.0.1"


async def answer(_: web.Request) -> web.Response:
    return web.Response(text="here")


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/", answer)
    return app


@pytest.mark.parametrize("turns", range(4))
async def test_a_caller_who_comes_as_it_closes_is_hung_up_on(turns: int) -> None:
    """Before its connection is accepted, in the turn of the loop in which it is, and after."""
    listener = Listener(application(), linger=0.1)
    port = await listener.listen(HERE, 0)
    with socket.create_connection((HERE, port), timeout=5) as caller:
        for _ in range(turns):
            await asyncio.sleep(0)
        await listener.close()
        with suppress(ConnectionResetError):
            assert caller.recv(1) == b""
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, port), timeout=5)


async def test_it_listens_at_several_ports_until_it_is_closed_once_or_twice() -> None:
    listener = Listener(application(), linger=0.1)
    ports = {await listener.listen(HERE, 0) for _ in range(2)}
    assert len(ports) == 2
    await listener.close()
    await listener.close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HERE, port), timeout=5)


async def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open() -> None:
    with socket.create_server((HERE, 0)) as other:
        listener = Listener(application(), linger=0.1)
        with pytest.raises(OSError, match="in use"):
            await listener.listen(HERE, other.getsockname()[1])
        await listener.close()
