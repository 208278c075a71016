"""The `serve` command: a live page over the database, for one machine and those who hold its token.

It listens on loopback unless told otherwise. Everything is read over connections that cannot write; the kill switch alone has
one of its own. A token is needed for everything: the first visit brings it in the address, a cookie keeps it from then on.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from depthwalker.core.story import tell
from depthwalker.shell.archive import Archive
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.db import database
from depthwalker.shell.dossier import page_of
from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.interrupt import until_interrupted
from depthwalker.shell.journal import NoSuchExecution, Store, StoreError
from depthwalker.shell.listener import Listener
from depthwalker.shell.live import Lookout
from depthwalker.shell.live_page import (
    CONFIRM_RELEASE,
    CONFIRM_STOP,
    SCRIPT,
    event,
    fragments,
    live_page,
    refused_page,
)
from depthwalker.shell.markup import joined
from depthwalker.shell.settings import Settings
from depthwalker.shell.somebody import somebody
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.voice import Unwritten, complain, say

TOKEN_VARIABLE: Final = "DEPTHWALKER_SERVE_TOKEN"  # noqa: S105 - its name, not its value
SHORTEST_TOKEN: Final = 16
COOKIE: Final = "depthwalker"
LOOK_S: Final = 0.5
BEAT_S: Final = 15.0
WATCHERS: Final = 32
LONGEST_REASON: Final = 200
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


class Broadcast:
    """Looks at the database while anybody watches, and hands each watcher the parts that changed since its last ones."""

    def __init__(self, lookout: Lookout) -> None:
        self._lookout = lookout
        self._changed = asyncio.Condition()
        self._parts: Mapping[str, str] = {}
        self._watchers = 0
        self._turn = asyncio.Lock()

    @property
    def watchers(self) -> int:
        """Return how many watch."""
        return self._watchers

    async def page(self, form_token: str) -> str:
        """Return the whole page as it stands now. Raises StoreError."""
        async with self._turn:
            return live_page(await self._lookout.look(), form_token)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            if self._watchers:
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        try:
            async with self._turn:
                parts = fragments(await self._lookout.look())
        except StoreError as error:
            trouble = f"The database cannot be read: what is shown may be old ({_plain(error)})."
            parts = {**self._parts, "trouble": joined((trouble,)).text}
        else:
            parts = {**parts, "trouble": ""}
        async with self._changed:
            self._parts = parts
            self._changed.notify_all()

    async def watch(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send what changes, as it changes, until cancelled or the watcher is gone."""
        self._watchers += 1
        sent: dict[str, str] = {}
        try:
            while True:
                parts = dict(self._parts)
                news = {name: html for name, html in parts.items() if sent.get(name) != html}
                await send(event(news) if news else b": still here\n\n")
                sent = parts
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._until_changed(parts), BEAT_S)
        finally:
            self._watchers -= 1

    async def _until_changed(self, parts: Mapping[str, str]) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._parts != parts)


class Desk:
    """The pages and what they may do. `token` opens them."""

    def __init__(self, archive: Archive, store: Store, token: str) -> None:
        self.broadcast = Broadcast(Lookout(archive))
        self._archive = archive
        self._store = store
        self._token = token
        self._form_token = hmac.new(token.encode(), b"forms", hashlib.sha256).hexdigest()
        self._streams: set[asyncio.Task[object]] = set()

    def application(self, names: frozenset[str]) -> web.Application:
        """Return what answers requests, those to an address or to one of these names."""
        app = web.Application(middlewares=[_guarded(names, self._knows)], client_max_size=4096)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/live.js", self._script),
                web.get("/events", self._events),
                web.get(r"/executions/{number:[0-9]{1,18}}", self._report),
                web.post("/stop", self._stop),
                web.post("/release", self._release),
            ]
        )
        app.on_shutdown.append(self._end_streams)
        app.on_response_prepare.append(_forbid)
        return app

    def _knows(self, request: web.Request) -> bool:
        """Return whether a request brings the token, in its cookie or as a bearer's."""
        kind, _, borne = request.headers.get("Authorization", "").partition(" ")
        given = (
            request.cookies.get(COOKIE, ""),
            borne if kind.lower() == "bearer" else "",
            request.query.get("token", ""),
        )
        return any(hmac.compare_digest(each.encode(errors="surrogateescape"), self._token.encode()) for each in given)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if "token" in request.query:
            seen = _back()  # so that the token stays in no address bar and no history
            seen.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict", path="/")
            return seen
        try:
            return _html(await self.broadcast.page(self._form_token))
        except StoreError as error:
            return _html(refused_page(f"The database cannot be read: {_plain(error)}."), 503)

    async def _script(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=SCRIPT, content_type="text/javascript")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self.broadcast.watchers >= WATCHERS:
            return _html(refused_page(f"{WATCHERS} watch already: close a page."), 503)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self.broadcast.watch(stream.write)
        finally:
            self._streams.discard(task)
        return stream

    async def _end_streams(self, _app: web.Application) -> None:
        for task in tuple(self._streams):
            task.cancel()

    async def _report(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        try:
            facts = await self._archive.facts(number)
        except NoSuchExecution as missing:
            return _html(refused_page(f"{missing}."), 404)
        except Unreadable as unreadable:
            return _html(refused_page(f"The journal of execution {number} is not this version's: {unreadable}."), 500)
        except StoreError as error:
            return _html(refused_page(f"The database cannot be read: {_plain(error)}."), 503)
        return _html(await asyncio.to_thread(lambda: page_of(tell(facts), number)))

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        form = await self._form(request)
        reason = form.get("reason", "").strip()
        if not reason or len(reason) > LONGEST_REASON:
            return _html(refused_page(f"Say why, in at most {LONGEST_REASON} characters. Nothing was stopped."), 400)
        if form.get("confirm") != CONFIRM_STOP:
            return _html(refused_page(f"It was not confirmed: type {CONFIRM_STOP}. Nothing was stopped."), 400)
        try:
            await self._store.pull_switch(reason, f"{somebody()}, the live page")
        except StoreError as error:
            return _html(
                refused_page(f"The kill switch may not be pulled: {_plain(error)}. Run depthwalker stop."), 503
            )
        complain(f"the kill switch is pulled from the page: {reason}")
        return _back()

    async def _release(self, request: web.Request) -> web.StreamResponse:
        form = await self._form(request)
        if form.get("confirm") != CONFIRM_RELEASE:
            return _html(refused_page(f"It was not confirmed: type {CONFIRM_RELEASE}. Nothing has changed."), 400)
        try:
            await self._store.release_switch(f"{somebody()}, the live page")
        except StoreError as error:
            return _html(refused_page(f"The kill switch may still be pulled: {_plain(error)}."), 503)
        complain("the kill switch is released from the page")
        return _back()

    async def _form(self, request: web.Request) -> dict[str, str]:
        """Return what one of our own forms sent. Raises HTTPForbidden for any other's."""
        found = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin.partition("://")[2] != request.host
        if foreign or not hmac.compare_digest(found.get("form", "").encode(), self._form_token.encode()):
            raise web.HTTPForbidden(text="this form is not one of this page's: load the page again")
        return found


def _guarded(names: frozenset[str], knows: Callable[[web.Request], bool]) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not _asked(request, names):
            return web.Response(status=421, text="this is not the host that was asked for")
        if knows(request):
            return await handler(request)
        return _html(
            refused_page("The token is missing or wrong: open the address that depthwalker serve printed."), 401
        )

    return guard


async def _forbid(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _back() -> web.Response:
    return web.Response(status=303, headers={"Location": "/"})


def _html(page: str, status: int = 200) -> web.Response:
    return web.Response(text=page, content_type="text/html", status=status)


def _plain(error: StoreError) -> str:
    return " ".join(str(error).split())


# The command


def run_serve(place: Place, *, as_json: bool) -> int:
    """Serve the page until Ctrl-C and return the exit code."""
    settings = Settings.load()
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or set(token) & set(' ;,&#%+"\\'):
        raise Wrong(f"{TOKEN_VARIABLE}: at least {SHORTEST_TOKEN} letters, digits, - or _")
    with database(settings) as dsn:
        try:
            asyncio.run(_serve(place, dsn, token, as_json=as_json))
        except (BrokenPipeError, Unwritten):  # of the output
            raise
        except OSError as error:
            said = error.strerror or str(error)
            raise Ended(
                FAILED,
                f"{place.host} port {place.port} cannot be used: {said}; give another --host or --port (0: a free one)",
            ) from error
    return OK


async def _serve(place: Place, dsn: str, token: str, *, as_json: bool) -> None:
    stopped = until_interrupted()
    async with AsyncExitStack() as stack:
        url = await serving(stack, place, dsn, token)
        address = f"{url}/?token={token}"
        if as_json:
            say(json.dumps({"url": url, "token": token, "open": address}))
        else:
            say(address)
            complain("open that address in a browser; Ctrl-C ends it")
            if not is_loopback(place.host):
                complain("it listens beyond this machine, without encryption: put a TLS proxy or a tunnel before it")
        await stopped.wait()


async def serving(stack: AsyncExitStack, place: Place, dsn: str, token: str) -> str:
    """Serve the page for as long as the stack is open, and return its URL. Raises OSError and StoreError."""
    archive = await stack.enter_async_context(Archive(dsn))
    store = await stack.enter_async_context(PostgresStore(dsn))
    desk = Desk(archive, store, token)
    listener = Listener(desk.application(_names(place.host)), linger=1)
    stack.push_async_callback(listener.close)
    port = await listener.listen(place.host, place.port)
    looking = asyncio.create_task(desk.broadcast.run())
    stack.callback(looking.cancel)
    return f"http://{_named(place.host)}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether nobody but this machine can reach it."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _named(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _names(host: str) -> frozenset[str]:
    """Return the names under which it may be asked, beside addresses: no other site's that was made to lead here."""
    return frozenset(
        {"localhost"} if is_loopback(host) else {"localhost", host, socket.gethostname(), socket.getfqdn()}
    )


def _asked(request: web.Request, names: frozenset[str]) -> bool:
    """Return whether a request names this machine (DNS rebinding names another)."""
    try:
        host = request.url.host or ""
    except ValueError:
        return False
    with suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return host in names
