"""The paper exchange as a server: real HTTP on a free loopback port, for tests, demos and anything that speaks the contract.

    async with PaperExchange([Listing(tape)], [Account(...)], clock, chance) as exchange:
        ... exchange.url ...

Time and chance are handed in; the flow of the tapes is applied before each request and, by one background task, when it is
due, so that expiries happen while nobody asks. `url` is valid from `start` to `stop`.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Self, TypeAlias

from aiohttp import web

from depthwalker.core.answer import FillRecord, OrderRecord
from depthwalker.core.book import Book
from depthwalker.core.fees import Precision
from depthwalker.core.pit import book
from depthwalker.core.units import Count, Micros, Money
from depthwalker.shell.paper import reads
from depthwalker.shell.paper.auth import signer
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.faults import Answered, Delayed, Faults, Lost
from depthwalker.shell.paper.floor import Listing
from depthwalker.shell.paper.forms import read_amend, read_create
from depthwalker.shell.paper.ledger import Account
from depthwalker.shell.paper.reply import Refusal, Reply, answer, refusal
from depthwalker.shell.ports import Chance, Clock

PREFIX: Final = "/trade-api/v2"
_COSTS: Final = (
    ("DELETE", "/portfolio/events/orders/:order_id", 2),
    ("DELETE", "/portfolio/events/orders/batched", 2),
    ("GET", "/portfolio/orders/:order_id", 2),
)
_LEGACY: Final = "https://docs.kalshi.com/api-reference/orders/create-order-v2"


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ from exchange to exchange; `read_lag` is that of GET order and GET positions."""

    read_lag: Micros = Micros(0)  # noqa: RUF009 - an int
    precision: Precision = Precision.DIRECT
    usage_tier: str = "basic"
    read_rate: int = 200
    write_rate: int = 100
    inactive_status: int = 400  # not established: which status MARKET_INACTIVE carries


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the handlers see it; `account` is empty where none was needed."""

    account: str
    part: str
    query: Mapping[str, str]
    body: bytes


_Act: TypeAlias = Callable[[Call], Reply]
_DEFAULTS: Final = Options()


class PaperExchange:
    """An exchange to trade against without money. `requests` counts what came in, `faults` plans what goes wrong."""

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
        self.faults = Faults()
        known, markets = tuple(accounts), tuple(listings)
        self._keys = {account.key_id: (account.name, account.public_key) for account in known}
        self._clock = clock
        self._options = options
        self._open = partial(Exchange, markets, known, clock, chance, options.precision, options.inactive_status)
        self.exchange = self._open()
        self._runner: web.AppRunner | None = None
        self._flow: asyncio.Task[None] | None = None
        self._touched = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Open the markets now and listen; return the base URL, which ends in /trade-api/v2."""
        self.exchange = self._open()
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runner = runner
        self._flow = asyncio.create_task(self._play())
        _, port = runner.addresses[0][:2]
        self.url = f"http://127.0.0.1:{port}{PREFIX}"
        return self.url

    async def stop(self) -> None:
        """Close every connection and end the background task; a second call does nothing."""
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.cancel()
            with suppress(asyncio.CancelledError):
                await flow
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

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
        mine, theirs = self._private(), self._public()
        for routes, public in ((mine, False), (theirs, True)):
            for method, path, kind, act in routes:
                app.router.add_route(method, PREFIX + path, self._served(kind, act, public=public))
        app.router.add_route("*", "/{rest:.*}", self._served("unknown", _unknown, public=True))
        return app

    def _private(self) -> list[tuple[str, str, str, _Act]]:
        ex, lag = self.exchange, self._options.read_lag
        orders = "/portfolio/events/orders"
        return [
            ("POST", orders, "create", lambda call: ex.create(call.account, read_create(call.body))),
            ("POST", orders + "/{part}/amend", "amend", lambda c: ex.amend(c.account, c.part, read_amend(c.body))),
            ("DELETE", orders + "/{part}", "cancel", self._cancel),
            ("GET", "/portfolio/orders/{part}", "order", lambda call: reads.order(ex, call.account, call.part, lag)),
            ("GET", "/portfolio/orders", "orders", lambda call: reads.orders(ex, call.account, call.query)),
            ("GET", "/portfolio/fills", "fills", lambda call: reads.fills(ex, call.account, call.query)),
            ("GET", "/portfolio/balance", "balance", lambda call: reads.balance(ex, call.account)),
            ("GET", "/portfolio/positions", "positions", lambda c: reads.positions(ex, c.account, c.query, lag)),
            ("GET", "/account/limits", "limits", self._limits),
            ("POST", "/portfolio/orders", "legacy", _legacy),
            ("DELETE", "/portfolio/orders/{part}", "legacy", _legacy),
        ]

    def _public(self) -> list[tuple[str, str, str, _Act]]:
        ex = self.exchange
        return [
            ("GET", "/markets/trades", "trades", lambda call: reads.trades(ex, call.query)),
            ("GET", "/markets/{part}", "market", lambda call: reads.market(ex, call.part)),
            ("GET", "/markets", "markets", lambda call: reads.markets(ex, call.query)),
            ("GET", "/markets/{part}/orderbook", "book", lambda call: reads.orderbook(ex, call.part, call.query)),
            ("GET", "/events/{part}", "event", lambda call: reads.event(ex, call.part)),
            ("GET", "/series/{part}", "series", lambda call: reads.series(ex, call.part)),
            ("GET", "/exchange/status", "status", self._status),
            ("GET", "/account/endpoint_costs", "costs", _costs),
        ]

    def _served(self, kind: str, act: _Act, *, public: bool) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            self.requests[kind] += 1
            fault = self.faults.met(kind)
            body = await request.read()
            if isinstance(fault, Answered | Lost) and not fault.applied:
                return _sent(request, fault)
            if isinstance(fault, Delayed) and not fault.applied:
                await self._clock.sleep_until(Micros(self._clock.now() + fault.by))
            reply = self._answered(request, body, act, public=public)
            self._touched.set()
            if isinstance(fault, Answered | Lost):
                return _sent(request, fault)
            if isinstance(fault, Delayed) and fault.applied:
                await self._clock.sleep_until(Micros(self._clock.now() + fault.by))
            return _response(reply)

        return serve

    def _answered(self, request: web.Request, body: bytes, act: _Act, *, public: bool) -> Reply:
        path, _, _ = request.raw_path.partition("?")
        try:
            account = "" if public else signer(request.headers, request.method, path, self._clock.now(), self._keys)
            part = request.match_info.get("part", "")
            return act(Call(account, part, dict(request.query), body))
        except Refusal as refused:
            return refused.reply

    def _cancel(self, call: Call) -> Reply:
        shard = call.query.get("exchange_index", "")
        number = int(shard) if shard.isdigit() else None
        return self.exchange.cancel(call.account, call.part, number, call.query.get("market_ticker", ""))

    def _status(self, _: Call) -> Reply:
        flags = {"exchange_active": self.exchange.exchange_active, "trading_active": self.exchange.trading_active}
        return answer(flags)

    def _limits(self, _: Call) -> Reply:
        read, write = (
            {"refill_rate": rate, "bucket_capacity": rate}
            for rate in (self._options.read_rate, self._options.write_rate)
        )
        return answer({"usage_tier": self._options.usage_tier, "read": read, "write": write, "grants": []})


def _sent(request: web.Request, fault: Answered | Lost) -> web.Response:
    if isinstance(fault, Answered):
        return _response(fault.reply)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)


def _unknown(_: Call) -> Reply:
    raise refusal(404, "not_found")


def _legacy(_: Call) -> Reply:
    raise refusal(410, "deprecated_v1_order_endpoint", _LEGACY, "Please switch to the V2 endpoints")


def _costs(_: Call) -> Reply:
    rows = [{"method": method, "path": PREFIX + path, "cost": cost} for method, path, cost in _COSTS]
    return answer({"default_cost": 10, "endpoint_costs": rows})
