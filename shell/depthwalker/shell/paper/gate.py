"""What every request goes through: the faults that it meets, who sent it, whether that may be, and who pays for it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias

from aiohttp import web

from depthwalker.core.units import Micros
from depthwalker.shell.paper.auth import KEY, signer
from depthwalker.shell.paper.endpoint import PUBLIC, Call, Endpoint
from depthwalker.shell.paper.faults import Answered, Cut, Delayed, Duplicated, Fault, Faults, Lost
from depthwalker.shell.paper.fields import size
from depthwalker.shell.paper.ledger import Account
from depthwalker.shell.paper.reply import Refusal, Reply, forbidden, refusal, throttled
from depthwalker.shell.paper.tariff import Allowance, Lane, Meter
from depthwalker.shell.ports import Clock

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_NOT_JSON: Final = ("text/", "multipart/", "application/x-www-form-urlencoded")
_ANYBODY: Final = ""


class Gate:
    """Serves endpoints; `touched` is called after each request that may have changed something."""

    def __init__(
        self,
        accounts: Iterable[Account],
        clock: Clock,
        faults: Faults,
        requests: Counter[str],
        answers: Counter[tuple[str, int]],
        public_rate: int | None,
        touched: Callable[[], None],
    ) -> None:
        self._accounts = {account.key_id: account for account in accounts}
        self._keys = {key_id: (account.name, account.public_key) for key_id, account in self._accounts.items()}
        self._clock = clock
        self._faults = faults
        self._requests = requests
        self._answers = answers
        self._strangers = None if public_rate is None else Meter(_alike(public_rate))
        self._touched = touched

    def serve(self, endpoint: Endpoint, meter: Meter) -> Handler:
        """Return what answers an endpoint's requests."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self._requests[endpoint.kind] += 1
            fault = self._faults.met(endpoint.kind, request.headers.get(KEY, ""))
            body = await request.read()
            if isinstance(fault, Answered | Lost) and not fault.applied:
                return await _faulty(request, fault, None)
            if isinstance(fault, Delayed) and not fault.applied:
                await self._wait(fault.by)
            reply = self._answered(request, body, endpoint, meter)
            if isinstance(fault, Duplicated):
                again = self._answered(request, body, endpoint, meter)
                reply = again if fault.last else reply
            self._touched()
            if isinstance(fault, Delayed) and fault.applied:
                await self._wait(fault.by)
            return await _faulty(request, fault, reply)

        return handle

    async def missing(self, _: web.Request) -> web.StreamResponse:
        """Answer a request that is not of the contract."""
        self._requests["unknown"] += 1
        return response(refusal(404, "not_found").reply)

    async def _wait(self, by: Micros) -> None:
        await self._clock.sleep_until(Micros(self._clock.now() + by))

    def _answered(self, request: web.Request, body: bytes, endpoint: Endpoint, meter: Meter) -> Reply:
        try:
            account = self._admitted(request, endpoint)
            self._charge(request, body, endpoint, meter)
            if body and request.content_type.startswith(_NOT_JSON):
                raise refusal(400, "invalid_content_type")
            reply = endpoint.act(Call(account, request.match_info.get("part", ""), request.query, body))
        except Refusal as refused:
            reply = refused.reply
        self._answers[endpoint.kind, reply.status] += 1
        return reply

    def _admitted(self, request: web.Request, endpoint: Endpoint) -> str:
        """Return the account that may make the request, empty where anybody may."""
        if endpoint.scope == PUBLIC:
            return ""
        path, _, _ = request.raw_path.partition("?")
        seen = Micros(self._clock.now() + self._faults.skew)
        account = signer(request.headers, request.method, path, seen, self._keys)
        scopes = self._accounts[request.headers[KEY]].scopes
        if not scopes & {endpoint.scope, endpoint.scope.partition("::")[0]}:
            raise forbidden(endpoint.scope)
        return account

    def _charge(self, request: web.Request, body: bytes, endpoint: Endpoint, meter: Meter) -> None:
        """Bill whoever's key is named, also for what needs none: signed requests count, whatever they are for."""
        now = self._clock.now()
        owner = self._accounts.get(request.headers.get(KEY, ""))
        price = endpoint.price
        if owner is not None:
            tokens = price.tokens * (size(body) if price.per_item else 1)
            if not meter.spend(owner.name, price.lane, tokens, now):
                raise throttled(signed=True)
        elif self._strangers is not None and not self._strangers.spend(_ANYBODY, Lane.READ, price.tokens, now):
            raise throttled(signed=False)


def response(reply: Reply) -> web.Response:
    """Return a reply as the server sends it."""
    if reply.status == 204:
        return web.Response(status=204)
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)


def _alike(rate: int) -> Allowance:
    return Allowance("", rate, rate, rate, rate)


async def _faulty(request: web.Request, fault: Fault | None, reply: Reply | None) -> web.StreamResponse:
    match fault:
        case Lost():
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        case Answered():
            return response(fault.reply)
        case Cut() if reply is not None:
            return await _cut(request, reply)
        case _:
            assert reply is not None
            return response(reply)


async def _cut(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Send a head that promises the whole body and half of it, then close the connection."""
    headers: Mapping[str, str] = {"Content-Type": reply.content_type, "Content-Length": str(max(1, len(reply.body)))}
    begun = web.StreamResponse(status=reply.status, headers=headers)
    await begun.prepare(request)
    await begun.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return begun
