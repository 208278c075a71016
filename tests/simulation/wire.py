"""A transport without sockets: requests reach the paper exchange's own handlers, after a latency and through faults."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from enum import Enum
from random import Random

from multidict import MultiDict
from tests.simulation.loop import outside

from depthwalker.core.units import MILLION, SECOND, Micros
from depthwalker.shell.paper import PaperExchange, Reply
from depthwalker.shell.paper.auth import PublicKey, signer
from depthwalker.shell.paper.endpoint import PREFIX, PUBLIC, Call, Endpoint
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.fields import size
from depthwalker.shell.paper.options import Options
from depthwalker.shell.paper.reply import Refusal, throttled
from depthwalker.shell.paper.routes import endpoints
from depthwalker.shell.paper.tariff import Meter
from depthwalker.shell.ports import Clock, HttpRequest, HttpResponse, Lost, NotSent

TIMEOUT_S = 5.0
MOST_ODDS = 0.7
WRITING = frozenset({"create", "amend", "cancel"})
OFTEN = WRITING | {"group_trigger"}  # the last is rare: else some fault would not meet it in a few thousand worlds


class Fault(Enum):
    """What a request may meet."""

    NOT_SENT = "not sent"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    LATE = "delayed past the timeout"
    DUPLICATE = "duplicate"
    THROTTLED = "429"
    GATEWAY = "5xx"
    ACCEPTED_5XX = "5xx after acceptance"
    SLOW = "reordered"


class SeededChance:
    """The `Chance` of a seed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"

    def jitter(self) -> int:
        return self._random.randrange(MILLION)


class Desk:
    """The exchange's handlers behind their authentication and rate limits, called directly."""

    def __init__(self, paper: PaperExchange, options: Options, key: PublicKey, clock: Clock) -> None:
        self._meter = Meter(options.allowance)
        self._keys = {"kid": ("me", key)}
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[Endpoint, str]] = {}
        self._routes = [
            (endpoint, re.compile(_pattern(endpoint.path)))
            for endpoint in endpoints(paper.exchange, options, self._meter)
        ]

    def route(self, request: HttpRequest) -> tuple[Endpoint, str]:
        """Return what answers a request, and what it is about."""
        asked = request.method, request.path
        if asked not in self._known:
            self._known[asked] = self._found(request)
        return self._known[asked]

    def _found(self, request: HttpRequest) -> tuple[Endpoint, str]:
        for endpoint, pattern in self._routes:
            found = pattern.fullmatch(request.path)
            if endpoint.method == request.method and found is not None:
                return endpoint, found.groupdict().get("part") or ""
        raise AssertionError(f"no such request: {request.method} {request.path}")

    def answer(self, request: HttpRequest) -> Reply:
        """Let a request take effect."""
        endpoint, part = self.route(request)
        now, account = self._clock.now(), ""
        try:
            if endpoint.scope != PUBLIC:
                account = signer(request.headers, request.method, request.path, now, self._keys)
                price, body = endpoint.price, request.body or b""
                tokens = price.tokens * (size(body) if price.per_item else 1)
                if not self._meter.spend(account, price.lane, tokens, now):
                    raise throttled(signed=True)
            return endpoint.act(Call(account, part, MultiDict(request.query), request.body or b""))
        except Refusal as refused:
            return refused.reply


class Bell:
    """Has the exchange do what is due, whenever something is; `look` is called after it."""

    def __init__(self, exchange: Exchange, clock: Clock, look: Callable[[], None] = lambda: None) -> None:
        self._exchange = exchange
        self._clock = clock
        self._look = look
        self._alarm: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Have it done now, and whenever there is more."""
        self._exchange.advance()
        self._look()
        self.stop()
        due = self._exchange.due()
        if due is not None:
            self._alarm = outside((due - self._clock.now()) / SECOND, self.ring)

    def stop(self) -> None:
        """Have nothing done any more."""
        if self._alarm is not None:
            self._alarm.cancel()


class SimulatedTransport:
    """A `Transport`. `heard` is called after whatever took effect, `touched` before an order's request meets a fault.

    `losses` are faults that the nth request of a kind meets, once; `met` counts faults by the kind of request. What is under way arrives whether or not the process lives on.
    """

    def __init__(
        self,
        desk: Desk,
        clock: Clock,
        random: Random,
        odds: float,
        losses: dict[tuple[str, int], Fault],
        met: Counter[tuple[str, str]],
        heard: Callable[[HttpRequest, Reply], None],
        touched: Callable[[HttpRequest], None],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._desk = desk
        self._clock = clock
        self._random = random
        self._odds = odds
        self._losses = losses
        self._sent: Counter[str] = Counter()
        self._met = met
        self._heard = heard
        self._touched = touched
        self._timeout_s = timeout_s
        self._closed = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        if self._closed:
            raise NotSent("closed")
        kind = self._desk.route(request)[0].kind
        odds = min(MOST_ODDS, self._odds * 2) if kind in OFTEN else self._odds / 2
        self._sent[kind] += 1
        fault = self._losses.pop((kind, self._sent[kind]), None)
        if self._random.random() < odds:
            fault = self._random.choice(list(Fault))
        if fault is not None:
            self._met[fault.value, kind] += 1
            if kind in WRITING:
                self._touched(request)
        return await self._meet(request, fault)

    async def close(self) -> None:
        self._closed = True

    async def _meet(self, request: HttpRequest, fault: Fault | None) -> HttpResponse:
        there, back = self._random.uniform(0.001, 0.03), self._random.uniform(0.001, 0.03)
        if fault is Fault.NOT_SENT:
            await asyncio.sleep(there)
            raise NotSent("no connection")
        if fault is Fault.REQUEST_LOST:
            await asyncio.sleep(there)
            raise Lost("the connection was closed")
        if fault is Fault.LATE:
            outside(self._timeout_s * self._random.uniform(0.5, 1.5), lambda: self._apply(request))
            await asyncio.sleep(self._timeout_s)
            raise Lost("no answer in time")
        if fault is Fault.SLOW:
            there, back = there * self._random.randint(1, 40), back * self._random.randint(1, 40)
        if fault is Fault.THROTTLED:
            await asyncio.sleep(there + back)
            return self._response(Reply(429, b'{"error":{"code":"too_many_requests"}}'))
        if fault is Fault.GATEWAY:
            await asyncio.sleep(there + back)
            return self._response(Reply(502, b"<html>Bad Gateway</html>", "text/html"))
        replies: list[Reply] = []
        times = 2 if fault is Fault.DUPLICATE else 1
        outside(there, lambda: replies.extend(self._apply(request) for _ in range(times)))
        await asyncio.sleep(there + back)
        reply = self._random.choice(replies)
        if fault is Fault.ANSWER_LOST:
            raise Lost("the connection was closed")
        if fault is Fault.ACCEPTED_5XX:
            return self._response(Reply(500, b'{"error":{"code":"internal_server_error"}}'))
        return self._response(reply)

    def _apply(self, request: HttpRequest) -> Reply:
        reply = self._desk.answer(request)
        self._heard(request, reply)
        return reply

    def _response(self, reply: Reply) -> HttpResponse:
        date = formatdate(Micros(self._clock.now()) / SECOND, usegmt=True)
        return HttpResponse(reply.status, {"Date": date, "Content-Type": reply.content_type}, reply.body)


def _pattern(path: str) -> str:
    named = re.sub(r"\{(\w+):(.+?)\}", r"(?P<\1>\2)", PREFIX + path)
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", named)
