"""The control endpoint: whoever runs the exchange says over HTTP what goes wrong, what is paused, how a market comes out.

It stands under /control, beside the contract and never under it, takes no signature, and answers programs on the loopback
only, no page in a browser. Bodies are JSON objects, times are milliseconds, prices and multipliers decimal texts. GET
/control returns `USAGE`.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from depthwalker.core.outcome import Success
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import Micros, Price, parse_money, parse_price
from depthwalker.shell.paper import lifecycle
from depthwalker.shell.paper.channels import TYPES
from depthwalker.shell.paper.exchange import Exchange
from depthwalker.shell.paper.fault_forms import BLOWS, FRAMES, REQUESTS, blow, frame_fault, number, request_fault, told
from depthwalker.shell.paper.faults import FRAME, HANDSHAKE, Blow, Faults, Side
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.paper.fields import BOOL, INT, STRING, Fields, decode, one_of, present
from depthwalker.shell.paper.lifecycle import Pause
from depthwalker.shell.paper.reply import Refusal, Reply, answer, refusal

PREFIX: Final = "/control"
USAGE: Final = {
    "GET /control": "this list",
    "GET /control/faults": "the faults to come, and the kinds of request that can meet one",
    "POST /control/faults": {
        "kind": "create, cancel, amend ... : see GET /control/faults",
        "fault": " | ".join(REQUESTS),
        "nth": "of the requests of that kind from now; 1, the next, where absent",
        "ms": "how long a delay takes",
        "applied": "whether a delay or an answer comes after the request took effect",
        "last": "whether a duplicate is answered with the second answer (true where absent)",
        "status, body, content_type": "of an answer, such as 502 and text/html",
        "of a frame (kind frame.trade, frame.orderbook_delta ...)": " | ".join(FRAMES),
    },
    "POST /control/sockets": {
        "fault": f"{' | '.join(BLOWS)}, at once",
        "key_id": "everybody's if absent",
    },
    "DELETE /control/faults": "forget all plans, end partitions, set the clock right",
    "POST /control/partition": {
        "side": "requests | answers: what is lost",
        "key_id": "whose; everybody's where absent",
    },
    "POST /control/clock": {"skew_ms": "how far the exchange's clock is ahead when it judges signatures"},
    "POST /control/pause and /control/resume": {"what": "trading | exchange", "shard": "everywhere where absent"},
    "POST /control/markets/{ticker}/deactivate and /activate": "pause one market; its orders go when it is back",
    "POST /control/markets/{ticker}/close": {"in_ms": "from now; 0 where absent; a closed market may open again"},
    "POST /control/markets/{ticker}/determine": {"result": "yes | no | scalar", "value": "of YES, for scalar: 0.4200"},
    "POST /control/markets/{ticker}/dispute and /settle": "contest the result; pay every position",
    "POST /control/markets/{ticker}/regrid": {"structure": "the new price grid's name, such as deci_cent"},
    "POST /control/fees": {
        "series_ticker or event_ticker": "whose fees change",
        "fee_type": "such as quadratic_with_maker_fees; absent ends an event's override",
        "fee_multiplier": "decimal text; 1 where absent",
        "in_ms": "from now; 0 where absent",
    },
}
_FAULT: Final = {
    "kind": STRING,
    "fault": STRING,
    "nth": INT,
    "ms": INT,
    "applied": BOOL,
    "last": BOOL,
    "status": INT,
    "body": STRING,
    "content_type": STRING,
}
_FEES: Final = {
    "series_ticker": STRING,
    "event_ticker": STRING,
    "fee_type": STRING,
    "fee_multiplier": STRING,
    "in_ms": INT,
}
_MARKET: Final = {"in_ms": INT, "result": STRING, "value": STRING, "structure": STRING}
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_MILLI: Final = 1_000
_FRAMES: Final = frozenset(FRAME + kind for kind in TYPES)
Act: TypeAlias = Callable[[web.Request, bytes], Reply]
Strike: TypeAlias = Callable[[Blow, str], int]


def mount(
    app: web.Application,
    exchange: Exchange,
    faults: Faults,
    strike: Strike,
    requests: frozenset[str],
    touched: Callable[[], None],
) -> frozenset[str]:
    """Add the control endpoint to the server and return the kinds of request and frame that can meet a fault.

    `touched` is called after each request, `strike` hits open websockets.
    """
    kinds = requests | {HANDSHAKE} | _FRAMES
    for method, path, act in (
        ("GET", "", lambda *_: answer(USAGE)),
        ("GET", "/faults", lambda *_: _planned(faults, kinds)),
        ("POST", "/faults", lambda _, body: plan(faults, kinds, body)),
        ("DELETE", "/faults", lambda *_: _heal(faults)),
        ("POST", "/sockets", lambda _, body: _strike(strike, body)),
        ("POST", "/partition", lambda _, body: _partition(faults, body)),
        ("POST", "/clock", lambda _, body: _skew(faults, body)),
        ("POST", "/pause", lambda _, body: _pause(lifecycle.pause, exchange, body)),
        ("POST", "/resume", lambda _, body: _pause(lifecycle.resume, exchange, body)),
        ("POST", "/markets/{ticker}/{verb}", partial(_market, exchange)),
        ("POST", "/fees", lambda _, body: _fees(exchange, body)),
    ):
        app.router.add_route(method, PREFIX + path, _served(act, touched))
    return kinds


def _served(act: Act, touched: Callable[[], None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        # A page in a browser sends an origin, no program does.
        if request.remote not in _LOOPBACK or "Origin" in request.headers:
            return web.Response(status=404)
        try:
            reply = act(request, await request.read() or b"{}")
        except Refusal as refused:
            reply = refused.reply
        touched()
        return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)

    return handle


def _planned(faults: Faults, kinds: frozenset[str]) -> Reply:
    plans = {
        kind: [None if fault is None else told(fault) for fault in planned]
        for kind, planned in faults.planned().items()
    }
    return answer({"kinds": sorted(kinds), "planned": plans, "skew_ms": faults.skew // _MILLI})


def plan(faults: Faults, kinds: frozenset[str], body: bytes) -> Reply:
    """Plan a fault for a request or a frame to come; raises Refusal."""
    fields = decode(body, "Fault", _FAULT)
    present(fields, ("kind", "fault"))
    if fields["kind"] not in kinds:
        raise refusal(400, "invalid_parameters", f"kind is one of {', '.join(sorted(kinds))}")
    nth = number(fields, "nth", 1)
    if nth < 1:
        raise refusal(400, "invalid_parameters", "nth is 1 or more")
    kind = str(fields["kind"])
    faults.add(kind, frame_fault(fields) if kind in _FRAMES else request_fault(fields), nth)
    return _done()


def _strike(strike: Strike, body: bytes) -> Reply:
    fields = decode(body, "Fault", {"fault": STRING, "key_id": STRING})
    present(fields, ("fault",))
    return answer({"connections": strike(blow(fields["fault"]), str(fields.get("key_id", "")))})


def _heal(faults: Faults) -> Reply:
    faults.heal()
    return _done()


def _partition(faults: Faults, body: bytes) -> Reply:
    fields = decode(body, "Partition", {"side": STRING, "key_id": STRING})
    side = one_of(Side, fields, "side", "side is requests or answers")
    faults.partition(side, str(fields.get("key_id", "")))
    return _done()


def _skew(faults: Faults, body: bytes) -> Reply:
    faults.skew = Micros(number(decode(body, "Clock", {"skew_ms": INT}), "skew_ms", 0) * _MILLI)
    return _done()


def _pause(act: Callable[[Exchange, Pause, int | None], None], exchange: Exchange, body: bytes) -> Reply:
    fields = {"what": Pause.TRADING.value} | decode(body, "Pause", {"what": STRING, "shard": INT})
    what = one_of(Pause, fields, "what", "what is trading or exchange")
    act(exchange, what, number(fields, "shard", 0) if "shard" in fields else None)
    return _done()


def _market(exchange: Exchange, request: web.Request, body: bytes) -> Reply:
    fields, ticker = decode(body, "Market", _MARKET), request.match_info["ticker"]
    match request.match_info["verb"]:
        case "deactivate":
            lifecycle.deactivate(exchange, ticker)
        case "activate":
            lifecycle.activate(exchange, ticker)
        case "close":
            lifecycle.move_close(exchange, ticker, _moment(exchange, fields))
        case "determine":
            lifecycle.determine(exchange, ticker, str(fields.get("result", "")), _price(fields))
        case "dispute":
            lifecycle.dispute(exchange, ticker)
        case "settle":
            lifecycle.finalize(exchange, ticker)
        case "regrid":
            grids = dict(STRUCTURES)
            name = str(fields.get("structure", ""))
            if name not in grids:
                raise refusal(400, "invalid_parameters", f"structure is one of {', '.join(grids)}")
            lifecycle.regrid(exchange, ticker, grids[name])
        case verb:
            raise refusal(404, "not_found", f"no such verb: {verb}")
    return _done()


def _fees(exchange: Exchange, body: bytes) -> Reply:
    fields = decode(body, "Fees", _FEES)
    series, event = str(fields.get("series_ticker", "")), str(fields.get("event_ticker", ""))
    owner = next(
        (
            floor.listing
            for floor in exchange.floors.values()
            if (floor.listing.event_ticker == event if event else floor.listing.series_ticker == series)
        ),
        None,
    )
    if owner is None:
        raise refusal(404, "not_found", "no market of that series or event")
    match parse_money(str(fields.get("fee_multiplier", "1"))):
        case Success(multiplier) if multiplier >= 0:
            fees = Fees(str(fields["fee_type"]), multiplier) if "fee_type" in fields else None
        case _:
            raise refusal(400, "invalid_parameters", "fee_multiplier is a decimal text of 0 or more")
    if fees is None and not event:
        raise refusal(400, "missing_parameters", "fee_type")
    lifecycle.change_fees(exchange, owner.series_ticker, event, fees, _moment(exchange, fields))
    return _done()


def _moment(exchange: Exchange, fields: Fields) -> Micros:
    return Micros(exchange.clock.now() + number(fields, "in_ms", 0) * _MILLI)


def _price(fields: Fields) -> Price | None:
    match parse_price(str(fields.get("value", ""))):
        case Success(price):
            return price
        case _:
            return None


def _done() -> Reply:
    return Reply(200, msgspec.json.encode({}))
