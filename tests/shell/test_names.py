"""Hosts' names: looked up whatever the application does with its threads."""

import asyncio
import socket
import subprocess
import sys
import threading

import pytest
from tests.shell.test_transport import answer, request, serving

from depthwalker.shell.names import Names
from depthwalker.shell.transport import AioHttpTransport

ENDED = """
import asyncio, threading
from depthwalker.shell.names import Names
def late():
    threading.main_thread().join()
    print(asyncio.run(Names().resolve("localhost", 80))[0]["port"], flush=True)
threading.Thread(target=late).start()
"""


async def test_a_request_finds_its_host_though_the_application_has_filled_asyncios_threads() -> None:
    free = threading.Event()
    async with serving(answer) as (server, _):
        transport = AioHttpTransport(server.url.replace("127.0.0.1", "localhost"))
        busy = [asyncio.get_running_loop().run_in_executor(None, free.wait) for _ in range(64)]
        try:
            assert (await transport.send(request())).status == 200
        finally:
            free.set()
            await asyncio.gather(*busy)
            await transport.close()


def test_a_name_is_found_after_the_main_thread_has_ended() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "80", done.stderr


async def test_addresses_are_numbers_of_the_family_that_is_asked_for() -> None:
    (found,) = await Names().resolve("127.0.0.1", 443, socket.AF_INET)
    assert (found["hostname"], found["host"], found["port"], found["family"]) == (
        "127.0.0.1",
        "127.0.0.1",
        443,
        socket.AF_INET,
    )


async def test_a_name_that_there_is_not_is_said_to() -> None:
    with pytest.raises(socket.gaierror):
        await Names().resolve("nobody.invalid")
