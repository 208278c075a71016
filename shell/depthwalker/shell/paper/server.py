"""The paper exchange as a server: real HTTP and websockets on one free loopback port, for whoever speaks the contract.

    async with PaperExchange([Listing(tape)], [Account(...)], clock, chance) as exchange:
        ... exchange.url ...

Time and chance are handed in; the flow of the tapes is applied before each request and, by one background task, when it is
due, so that expiries happen while nobody asks. `url` is valid from `start` to `stop`. `notices` is where whoever wants to
hear of every change subscribes, before or after the start.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from email.utils import formatdate
from functools import partial
from typing import Final, Literal, Self

import msgspec
from aiohttp import web

from depthwalker.core.answer import FillRecord, Market, OrderRecord
from depthwalker.core.book import Book
from depthwalker.core.execution import State
from depthwalker.core.fees import FeeRates
from depthwalker.core.ledger import Fill
from depthwalker.core.pit import book
from depthwalker.core.tape import Flow
from depthwalker.core.units import SECOND, Count, Micros, Money
from depthwalker.shell.listener import Listener
from depthwalker.shell.paper import control, lifecycle
from depthwalker.shell.paper.endpoint import PREFIX
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.faults import Faults
from depthwalker.shell.paper.floor import Listing
from depthwalker.shell.paper.gate import Gate
from depthwalker.shell.paper.inheritance import inherit
from depthwalker.shell.paper.ledger import Account
from depthwalker.shell.paper.notices import Notices
from depthwalker.shell.paper.options import Options
from depthwalker.shell.paper.routes import endpoints
from depthwalker.shell.paper.socket import PATH, Sockets
from depthwalker.shell.paper.tariff import Meter
from depthwalker.shell.ports import Chance, Clock

__all__ = ["PREFIX", "Options", "PaperExchange"]

_DEFAULTS: Final = Options()


class PaperExchange:
    """An exchange to trade against without money.

    `requests` counts what came in by kind, `answers` what was decided by kind and status (a 429 of our own making shows
    there), `faults` plans what goes wrong, `notices` tells of every change, `sockets` are the open websockets.
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        accounts: Iterable[Account],
        clock: Clock,
        chance: Chance,
        options: Options = _DEFAULTS,
    ) -> None:
        self.url = ""
        self.requests: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.faults = Faults()
        self.notices = Notices()
        known, markets = tuple(accounts), tuple(listings)
        self._clock = clock
        self._options = options
        self._touched = asyncio.Event()
        self._gate = Gate(
            known, clock, self.faults, self.requests, self.answers, options.public_rate, self._touched.set
        )
        self.sockets = Sockets(known, clock, self.faults, self.requests, self.answers)
        self._open = partial(
            Exchange, markets, known, clock, chance, options.precision, options.inactive_status, self.notices
        )
        self.exchange = self._open()
        self._listener: Listener | None = None
        self._flow: asyncio.Task[None] | None = None
        self._kinds: frozenset[str] = frozenset()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def socket_url(self) -> str:
        """Return the websocket's address, on the same port."""
        return "ws" + self.url.removesuffix(PREFIX).removeprefix("http") + PATH

    @property
    def control_url(self) -> str:
        """Return where the exchange itself is told what to do: see `control`."""
        return self.url.removesuffix(PREFIX) + control.PREFIX

    async def start(self) -> str:
        """Open the markets now and listen; return the base URL, which ends in /trade-api/v2."""
        self.exchange = self._open()
        listener = Listener(self._application(), linger=0.1)
        port = await listener.listen("127.0.0.1", 0)
        self._listener = listener
        self._flow = asyncio.create_task(self._play())
        self.url = f"http://127.0.0.1:{port}{PREFIX}"
        return self.url

    async def stop(self) -> None:
        """Close every connection and end the background task; a second call does nothing."""
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.cancel()
            with suppress(asyncio.CancelledError):
                await flow
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()

    def plan(self, fault: Mapping[str, object]) -> None:
        """Plan a fault as the control endpoint's POST /faults does, once the exchange has started. Raises Refusal."""
        control.plan(self.faults, self._kinds, msgspec.json.encode(fault))

    def enlist(self, listing: Listing) -> None:
        """Open another market."""
        lifecycle.enlist(self.exchange, listing)
        self._touched.set()

    def delist(self, ticker: str) -> None:
        """Close a market and forget it."""
        lifecycle.delist(self.exchange, ticker)
        self._touched.set()

    def play(self, ticker: str, flows: Iterable[Flow]) -> None:
        """Have others do something in a market now."""
        lifecycle.play(self.exchange, ticker, flows)
        self._touched.set()

    def follow(self, ticker: str, market: Market, rates: FeeRates) -> bool:
        """Bring a market to what another exchange's is now; return whether it has just opened."""
        return lifecycle.follow(self.exchange, ticker, market, rates)

    def inherit(self, account: str, state: State, fills: Iterable[Fill]) -> None:
        """Take over an execution's orders from an exchange that died: they are over (`inheritance`)."""
        inherit(self.exchange, account, state, fills)

    def resting(self, account: str) -> tuple[OrderRecord, ...]:
        """Return an account's live orders, oldest first."""
        self.exchange.advance()
        return tuple(kept.record() for kept in self.exchange.ledgers[account].resting())

    def orders(self, account: str) -> tuple[OrderRecord, ...]:
        """Return every order that an account ever had, newest first."""
        self.exchange.advance()
        return tuple(kept.record() for kept in self.exchange.ledgers[account].orders())

    def fills(self, account: str) -> tuple[FillRecord, ...]:
        """Return an account's fills, oldest first."""
        self.exchange.advance()
        return tuple(self.exchange.ledgers[account].fills)

    def position(self, account: str, ticker: str) -> Count:
        """Return an account's position in a market: positive is YES."""
        self.exchange.advance()
        return self.exchange.ledgers[account].holding(ticker).position

    def cash(self, account: str) -> Money:
        """Return an account's cash."""
        self.exchange.advance()
        return self.exchange.ledgers[account].cash

    def book(self, ticker: str) -> Book:
        """Return a market's book, own orders included."""
        now = self.exchange.advance()
        return book(self.exchange.floors[ticker].pit, now)

    async def _play(self) -> None:
        while True:
            self._touched.clear()
            due = self.exchange.due()
            waits = [asyncio.ensure_future(self._touched.wait())]
            if due is not None:
                waits.append(asyncio.ensure_future(self._reached(due)))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
            self.exchange.advance()

    async def _reached(self, due: Micros) -> Literal[True]:
        await self._clock.sleep_until(due)
        return True

    def _application(self) -> web.Application:
        app = web.Application()
        meter = Meter(self._options.allowance)
        listed = endpoints(self.exchange, self._options, meter)
        for endpoint in listed:
            app.router.add_route(endpoint.method, PREFIX + endpoint.path, self._gate.serve(endpoint, meter))
        kinds = frozenset(endpoint.kind for endpoint in listed)
        self.sockets.mount(app, self.exchange)
        self._kinds = control.mount(app, self.exchange, self.faults, self.sockets.strike, kinds, self._touched.set)
        app.router.add_route("*", "/{rest:.*}", self._gate.missing)
        app.on_response_prepare.append(self._date)
        return app

    async def _date(self, _: web.Request, response: web.StreamResponse) -> None:
        """Have every answer carry the exchange's own time, a wrong one too."""
        seen = self._clock.now() + self.faults.skew
        response.headers["Date"] = formatdate(seen / SECOND, usegmt=True)
