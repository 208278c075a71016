"""Requests and their judgement: every error of the fact sheet's section 5.11 in every shape, the clock, and one sending."""

import asyncio
import json
import threading
import time
from base64 import b64decode
from collections.abc import Mapping
from email.utils import formatdate

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from tests.shell.clocks import SteppingClock
from tests.shell.scripted import NOW, ROOT, trading
from typing_extensions import override

from depthwalker.core.answer import NotApplied, Rejected, Trouble, Unknown
from depthwalker.core.book import Leg
from depthwalker.core.skew import WIDEST, correction
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.ports import HttpRequest, HttpResponse, PlaceRequest
from depthwalker.shell.rest import EXPIRED, classify
from depthwalker.shell.signing import Signer, signed_text
from depthwalker.shell.timekeeping import sightings

HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
ORDER = PlaceRequest("T", "dw-1", Leg.YES, Price(4_800), Count(100), False, True, Micros(NOW + 60 * SECOND))
ACK = {"order_id": "o1", "client_order_id": "dw-1", "fill_count": "0.00", "remaining_count": "1.00"}
STALE = {"error": {"code": EXPIRED, "message": "header timestamp expired"}}

# Every row of the fact sheet's section 5.11: status, code, and whether its request was refused or never applied.
REFUSED = (
    (400, "insufficient_balance"),
    (400, "available_balance_too_low"),
    (400, "invalid_order"),
    (400, "invalid_order_size"),
    (400, "invalid_price"),
    (400, "invalid_parameters"),
    (400, "missing_parameters"),
    (400, "bad_request"),
    (400, "invalid_content_type"),
    (400, "order_id_and_client_order_id_mismatch"),
    (400, "order_side_mismatch"),
    (400, "order_ticker_mismatch"),
    (400, "MARKET_INACTIVE"),
    (409, "MARKET_INACTIVE"),
    (400, "market_closed"),
    (404, "not_found"),
    (404, "market_not_found"),
    (404, "user_not_found"),
    (400, "user_not_found"),
    (409, "order_already_exists"),
    (409, "fill_or_kill_insufficient_resting_volume"),
    (400, "NOTIONAL_RISK_LIMIT_EXCEEDED"),
    (401, "authentication_error"),
    (401, "signature_is_missing_from_headers"),
    (401, "token_authentication_failure"),
    (403, "missing_scope"),
)
NEVER_APPLIED = (
    (401, EXPIRED),
    (409, "trading_is_paused"),
    (409, "exchange_is_paused"),
    (410, "deprecated_v1_order_endpoint"),
    (429, "too_many_requests"),
)
OPEN = (408, 499, 500, 502, 503, 504, 520, 301, 302, 307)


def nested(code: str, detail: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "m", "details": detail, "service": "exchange"}}).encode()


def flat(code: str, detail: str) -> bytes:
    return json.dumps({"code": code, "message": "m", "details": detail}).encode()


@pytest.mark.parametrize("shape", [nested, flat])
@pytest.mark.parametrize(("status", "code"), REFUSED)
def test_what_the_exchange_looked_at_and_refused_is_rejected(status: int, code: str, shape: object) -> None:
    body = nested(code, "why") if shape is nested else flat(code, "why")

    assert classify(status, body) == Rejected(status, code, "why")


@pytest.mark.parametrize("shape", [nested, flat])
@pytest.mark.parametrize(("status", "code"), NEVER_APPLIED)
def test_what_never_came_to_the_matching_is_not_applied(status: int, code: str, shape: object) -> None:
    body = nested(code, "why") if shape is nested else flat(code, "why")

    assert classify(status, body) == NotApplied(f"{status} {code} why", paused=code.endswith("is_paused"))


@pytest.mark.parametrize("body", [b"", HTML, b"{}", nested("internal_error", ""), nested("order_already_exists", "")])
@pytest.mark.parametrize("status", OPEN)
def test_a_gateway_and_a_server_error_leave_it_open_whatever_they_say(status: int, body: bytes) -> None:
    assert isinstance(classify(status, body), Unknown)


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (400, b'{"msg":"Parameter validation failed"}', Rejected(400, "http_400", "Parameter validation failed")),
        (429, b'{"error":"too many requests"}', NotApplied("429 too many requests")),
        (400, b'{"error":"bad luck"}', Rejected(400, "bad luck", "")),
        (404, b"", Rejected(404, "http_404", "")),
        (404, HTML, Rejected(404, "http_404", "")),
        (409, b"", Unknown("409")),
        (403, HTML, Rejected(403, "http_403", "")),
        (429, HTML, NotApplied("429")),
        (401, b'{"code":"token_authenti', Rejected(401, "http_401", "")),
        (400, nested("invalid_price", "")[:-9], Rejected(400, "http_400", "")),
        (422, b"[]", Rejected(422, "http_422", "")),
    ],
)
def test_bare_string_empty_foreign_and_truncated_bodies_are_judged_by_their_status(
    status: int, body: bytes, trouble: Trouble
) -> None:
    assert classify(status, body) == trouble


def test_four_things_hide_behind_409() -> None:
    codes = (
        "order_already_exists",
        "fill_or_kill_insufficient_resting_volume",
        "trading_is_paused",
        "exchange_is_paused",
    )

    assert [type(classify(409, nested(code, ""))) for code in codes] == [Rejected, Rejected, NotApplied, NotApplied]


class Answering:
    """A transport whose exchange has a clock `ahead` of ours, and refuses what is signed 5 seconds off."""

    def __init__(self, clock: SteppingClock, ahead: int, headers: Mapping[str, str] | None = None) -> None:
        self.clock = clock
        self.ahead = ahead
        self.extra = headers or {}
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        theirs = self.clock.now() + self.ahead
        headers = {"Date": formatdate(theirs // SECOND, usegmt=True), **self.extra}
        signed_at = int(request.headers["KALSHI-ACCESS-TIMESTAMP"]) * 1_000
        if abs(signed_at - theirs) > 5 * SECOND:
            return HttpResponse(401, headers, json.dumps(STALE).encode())
        body = {**ACK, "ts_ms": theirs // 1_000} if request.method == "POST" else {"balance": 1}
        return HttpResponse(201 if request.method == "POST" else 200, headers, json.dumps(body).encode())

    async def close(self) -> None:
        pass


def wired(ahead: int, headers: Mapping[str, str] | None = None) -> tuple[Answering, KalshiVenue]:
    clock = SteppingClock(NOW)
    transport = Answering(clock, ahead, headers)
    return transport, KalshiVenue(transport, Signer("key-1", Ed25519PrivateKey.generate()), clock)


async def test_a_clock_that_is_right_is_signed_by() -> None:
    transport, venue = wired(0)

    await venue.balance()
    await venue.balance()

    assert correction(venue.rest.skew) == 0
    assert transport.requests[1].headers["KALSHI-ACCESS-TIMESTAMP"] == str(NOW // 1_000)


@pytest.mark.parametrize("ahead", [40 * SECOND, -40 * SECOND, 1_000 * SECOND + 123_456])
async def test_a_read_signed_at_the_wrong_time_is_asked_once_more_by_the_exchanges_clock(ahead: int) -> None:
    transport, venue = wired(ahead)

    (await venue.balance()).unwrap()

    assert len(transport.requests) == 2
    assert abs(correction(venue.rest.skew) - ahead) <= SECOND


async def test_a_mutation_signed_at_the_wrong_time_is_not_sent_again_and_the_next_one_passes() -> None:
    transport, venue = wired(40 * SECOND)

    first = await venue.place(ORDER)
    second = await venue.place(ORDER)

    assert isinstance(first.failure(), NotApplied)
    assert second.unwrap().order_id == "o1"
    assert len(transport.requests) == 2


async def test_an_order_expires_by_the_exchanges_clock_at_a_whole_second_or_after() -> None:
    transport, venue = wired(40 * SECOND + 300_000)
    await venue.place(ORDER)
    await venue.place(ORDER)  # its answer carries milliseconds
    await venue.place(ORDER)

    sent: Mapping[str, object] = json.loads(transport.requests[-1].body or b"")

    assert sent["expiration_time"] == (NOW + 100 * SECOND + 300_000) // SECOND + 1
    assert correction(venue.rest.skew) == 40 * SECOND + 300_000


async def test_a_clock_that_is_set_while_we_run_is_followed() -> None:
    transport, venue = wired(0)
    await venue.place(ORDER)
    transport.ahead = -60 * SECOND

    (await venue.balance()).unwrap()

    assert abs(correction(venue.rest.skew) + 60 * SECOND) <= SECOND


@pytest.mark.parametrize(("ahead", "seconds"), [(-600, -600), (600, 0)])
async def test_records_are_listed_from_the_earlier_of_both_clocks(ahead: int, seconds: int) -> None:
    transport, venue = wired(ahead * SECOND)
    await venue.place(ORDER)
    await venue.place(ORDER)  # its answer carries milliseconds

    await venue.orders("T", NOW)
    await venue.fills("T", NOW, ())

    asked = [dict(request.query)["min_ts"] for request in transport.requests[2:]]
    assert asked == [str(NOW // SECOND + seconds)] * 2


async def test_and_as_early_as_our_clock_was_ever_fast() -> None:
    """It was set right while we ran, and the machine slept: since then ours, which never runs backwards, is right as well."""
    transport, venue = wired(-3 * 3_600 * SECOND)
    await venue.place(ORDER)
    await venue.place(ORDER)  # at the exchange three hours before NOW
    transport.ahead = 0
    (await venue.balance()).unwrap()
    assert correction(venue.rest.skew) == 0

    await venue.orders("T", NOW)
    await venue.fills("T", NOW, ())

    asked = [int(dict(request.query)["min_ts"]) for request in transport.requests[-2:]]
    assert asked == [NOW // SECOND - 3 * 3_600] * 2


async def test_an_exchange_that_always_complains_is_asked_twice_and_no_more() -> None:
    async with trading((401, STALE)) as (exchange, venue):
        assert (await venue.balance()).failure() == NotApplied(f"401 {EXPIRED} header timestamp expired")

    assert len(exchange.requests) == 2


@pytest.mark.parametrize(("ahead", "low"), [(0, 0), (4 * SECOND, 3 * SECOND), (-4 * SECOND, -4 * SECOND)])
async def test_warming_shows_the_exchanges_clock_before_anything_is_refused(ahead: int, low: int) -> None:
    transport, venue = wired(ahead)

    await venue.warm()
    await venue.balance()

    assert low <= correction(venue.rest.skew) <= low + SECOND
    assert len(transport.requests) == 2


async def test_a_clock_that_was_not_refused_is_not_corrected_by_the_way() -> None:
    _, venue = wired(4 * SECOND)  # the exchange takes 5: a proxy's Date would be a poor reason

    await venue.balance()

    assert correction(venue.rest.skew) == 0


@pytest.mark.parametrize(
    ("ahead", "headers"),
    [
        (3 * SECOND, {"Age": "12"}),
        (2 * WIDEST, {}),
        (0, {"Date": "soon"}),
        (0, {"Date": f"Mon, 30 Nov {'9' * 20} 00:00:00 GMT"}),
    ],
)
async def test_a_cached_answer_and_a_clock_of_another_age_are_no_clock(ahead: int, headers: Mapping[str, str]) -> None:
    _, venue = wired(ahead, headers)

    await venue.warm()
    await venue.balance()

    assert correction(venue.rest.skew) == 0


def test_only_a_successful_answers_own_stamp_counts() -> None:
    def seen(status: int, body: bytes, *, stamped: bool = True) -> int:
        return len(list(sightings(HttpResponse(status, {}, body), NOW, NOW, dated=True, stamped=stamped)))

    assert seen(201, b'{"ts_ms":1703123456789}') == 1
    assert seen(201, b'{"ts_ms":1703123456789}', stamped=False) == 0
    assert seen(400, b'{"ts_ms":1703123456789}') == 0
    assert [seen(200, body) for body in (b"", b"[]", b"\xff", b'{"ts_ms":"1"}', b'{"order_id":"o1"}')] == [0] * 5


async def test_an_rsa_signature_leaves_the_loop_free_and_is_the_same_request() -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)

    async with trading((200, {"balance": 1}), key=key) as (exchange, venue):
        await asyncio.gather(*(venue.balance() for _ in range(5)))

    assert len(exchange.requests) == 5
    assert len({request.headers["KALSHI-ACCESS-SIGNATURE"] for request in exchange.requests}) == 5
    assert all(len(b64decode(request.headers["KALSHI-ACCESS-SIGNATURE"])) == 256 for request in exchange.requests)


async def test_only_an_rsa_signature_is_made_in_a_thread() -> None:
    made_in: list[threading.Thread] = []

    class Noting(Signer):
        __slots__ = ()

        @override
        def sign(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
            made_in.append(threading.current_thread())
            return super().sign(method, path, now)

    for key in (Ed25519PrivateKey.generate(), generate_private_key(public_exponent=65537, key_size=2048)):
        headers = await Noting("key-1", key).sign_aside("GET", ROOT, NOW)
        assert headers["KALSHI-ACCESS-TIMESTAMP"] == str(NOW // 1_000)

    assert [thread is threading.main_thread() for thread in made_in] == [True, False]


async def test_an_application_that_keeps_every_thread_of_asyncio_busy_delays_no_signature() -> None:
    done = threading.Event()
    busy = [asyncio.create_task(asyncio.to_thread(done.wait)) for _ in range(100)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            signer = Signer("key-1", generate_private_key(public_exponent=65537, key_size=2048))
            assert await signer.sign_aside("GET", ROOT, NOW)
    finally:
        done.set()
        await asyncio.gather(*busy)


async def test_a_slow_signature_does_not_stop_the_loop() -> None:
    class Slow(Signer):
        __slots__ = ()

        @override
        def sign(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
            time.sleep(0.05)  # in its thread
            return {"text": signed_text(str(now), method, path)}

    signing = asyncio.create_task(
        Slow("key-1", generate_private_key(public_exponent=65537, key_size=2048)).sign_aside("GET", ROOT, NOW)
    )
    turns = 0
    while not signing.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10


async def test_every_get_is_metered_on_its_own_each_page_and_each_repetition_just_before_it_goes_out() -> None:
    asked: list[tuple[str, int]] = []
    page, last = {"orders": [], "cursor": "p2"}, {"orders": [], "cursor": ""}
    async with trading((200, page), (401, STALE), (200, last), (404, {}), (200, ACK)) as (exchange, venue):

        async def meter(kind: str) -> None:
            asked.append((kind, len(exchange.requests)))

        venue.rest.meter = meter
        await venue.resting()
        await venue.market("T")
        await venue.place(ORDER)
    assert asked == [("read", 0), ("read", 1), ("read", 2), ("public", 3)]
    assert len(exchange.requests) == 5


async def test_a_get_is_signed_before_it_waits_for_its_tokens_and_anew_if_that_took_long() -> None:
    clock = SteppingClock()
    signed_at = []
    async with trading((200, {"balance": 1}), clock=clock) as (exchange, venue):
        for wait in (0, 60 * SECOND):
            begun = clock.now()

            async def meter(_: str, wait: int = wait) -> None:
                await clock.sleep_until(Micros(clock.now() + wait))

            venue.rest.meter = meter
            await venue.balance()
            signed_at.append(int(exchange.requests[-1].headers["KALSHI-ACCESS-TIMESTAMP"]) - begun // 1_000)
    assert signed_at == [0, 60_000]


async def test_a_book_is_dated_when_its_request_went_out_not_when_it_began_to_wait() -> None:
    clock = SteppingClock()
    async with trading((200, {"orderbook_fp": {"yes_dollars": [], "no_dollars": []}}), clock=clock) as (_, venue):

        async def meter(_: str) -> None:
            await clock.sleep_until(Micros(clock.now() + SECOND))

        venue.rest.meter = meter
        begun = clock.now()
        book = (await venue.book("T")).unwrap()
    assert book.at == begun + SECOND
