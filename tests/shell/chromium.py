"""A real browser without a window, driven over its own debugging socket: what the tests of pages look with."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from depthwalker.shell.browser import find_browser, flags

PATIENCE_S = 30

needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="no Chromium or Chrome here: apt-get install chromium"
)


class Browser:
    """One tab. `requests` are the addresses that it asked for, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.requests: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._loaded = False

    async def call(self, method: str, **params: object) -> dict[str, object]:
        """Return what the browser answers to one of its protocol's commands."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            said = await self._hear()
            if said.get("id") == number:
                assert "error" not in said, said
                result = said["result"]
                assert isinstance(result, dict)
                return result

    async def open(self, url: str, *, width: int = 1000, height: int = 800, dark: bool = False) -> None:
        """Show a page in a window of this size, and wait until it is loaded."""
        for domain in ("Page", "Network", "Runtime"):
            await self.call(f"{domain}.enable")
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self._loaded = False
        await self.call("Page.navigate", url=url)
        while not self._loaded:
            await self._hear()

    async def value(self, script: str) -> object:
        """Return what an expression comes to in the page; a promise is waited for."""
        said = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        result = said["result"]
        assert isinstance(result, dict)
        return result.get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true in the page; one that is being replaced may have nothing yet to look at."""
        holds = f"(() => {{ try {{ return {script} }} catch {{ return false }} }})()"
        looks = f"new Promise(done => {{ const look = () => {holds} ? done(true) : setTimeout(look, 50); look() }})"
        assert await asyncio.wait_for(self.value(looks), PATIENCE_S)

    async def picture(self) -> bytes:
        """Return a PNG of the whole page."""
        said = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(str(said["data"]))

    async def _hear(self) -> dict[str, object]:
        said = await self._socket.receive_json(timeout=PATIENCE_S)
        assert isinstance(said, dict)
        self._loaded = self._loaded or said.get("method") == "Page.loadEventFired"
        if said.get("method") == "Network.requestWillBeSent":
            self.requests.append(said["params"]["request"]["url"])
        return said


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Start a browser with a profile of its own, and end it."""
    with _started() as port_file:
        async with aiohttp.ClientSession() as session:
            url = await asyncio.wait_for(_tab(session, port_file), PATIENCE_S)
            async with session.ws_connect(url, max_msg_size=0) as socket:
                yield Browser(socket)


@contextmanager
def _started() -> Iterator[Path]:
    """Give the file in which a browser writes its port."""
    program = find_browser()
    assert program is not None
    profile = Path(tempfile.mkdtemp(prefix="depthwalker-browser-"))
    command = [program, *flags(profile), "--remote-debugging-port=0", "about:blank"]
    try:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield profile / "DevToolsActivePort"
            finally:
                process.terminate()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


async def _tab(session: aiohttp.ClientSession, port_file: Path) -> str:
    """Return the debugging socket of the browser's tab, once it has one."""
    while True:
        if port := _port(port_file):
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [tab for tab in json.loads(await answer.text()) if tab["type"] == "page"]
            if tabs:
                return str(tabs[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(0.05)


def _port(file: Path) -> str:
    return file.read_text().partition("\n")[0] if file.exists() else ""
