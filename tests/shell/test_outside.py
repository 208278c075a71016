"""What comes from outside may be anything: it is read, or refused with a typed failure; never a crash, a hang, a flood."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.shell.scripted import trading
from tests.shell.test_kalshi import ACK, RECORD, TRADE

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.channel import Frame
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell import wire
from depthwalker.shell.config import parse_config
from depthwalker.shell.frames import read_frame
from depthwalker.shell.ports import HttpRequest, Lost
from depthwalker.shell.recording import load
from depthwalker.shell.settings import Settings, SettingsError
from depthwalker.shell.transport import LONGEST_ANSWER, AioHttpTransport

AT: Final = Micros(1_790_000_000 * SECOND)
DEEP: Final = b"[" * 200_000
DEEP_OBJECTS: Final = b'{"error":' * 100_000
LONG_NUMBER: Final = b'{"balance": ' + b"9" * 100_000 + b"}"
HOSTILE: Final = (DEEP, DEEP_OBJECTS, LONG_NUMBER, b"\xff\xfe", b"", b"null", b'{"ticker": "\\ud800"}')
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("1e999") | st.just("-0"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
LEVELS: Final = [["0.4700", "3.00"], ["0.4600", "1.00"]]
MARKET: Final = {
    "ticker": "A",
    "event_ticker": "E",
    "status": "active",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "close_time": "2026-11-27T00:00:00Z",
    "exchange_index": 0,
}
BODIES: Final[tuple[object, ...]] = (
    ACK,
    {"order": RECORD},
    {"orders": [RECORD], "cursor": ""},
    {"trades": [TRADE], "cursor": "x"},
    {"fills": [{**TRADE, **RECORD}], "cursor": ""},
    {"market": MARKET},
    {"markets": [MARKET], "cursor": ""},
    {"orderbook_fp": {"yes_dollars": LEVELS, "no_dollars": LEVELS}},
    {"market_positions": [{"ticker": "A", "position_fp": "1.00"}], "cursor": ""},
    {"balance": 12, "balance_dollars": "0.1200"},
    {"error": {"code": "invalid_order", "message": "m", "details": "d"}},
)
FRAMES: Final[tuple[object, ...]] = tuple(
    {"type": kind, "sid": 1, "seq": 2, "msg": msg}
    for kind, msg in (
        ("orderbook_delta", {"market_ticker": "A", "price_dollars": "0.47", "delta_fp": "1.00", "side": "no"}),
        ("orderbook_snapshot", {"market_ticker": "A", "yes_dollars_fp": LEVELS, "no_dollars_fp": LEVELS}),
        ("trade", TRADE),
        ("fill", {**TRADE, **RECORD}),
        ("user_order", RECORD),
        ("market_lifecycle_v2", {"market_ticker": "A", "event_type": "price_level_structure_updated"}),
        ("subscribed", {"sid": 1, "channel": "trade"}),
        ("error", {"code": 6, "msg": "x"}),
    )
)
LINES: Final[tuple[object, ...]] = (
    {"ts": "2026-07-01T00:00:00.000Z", "type": "snapshot", "ticker": "T", "yes": LEVELS, "no": [["0.4800", "3.00"]]},
    {"ts": "2026-07-01T00:00:01.000Z", "type": "delta", "ticker": "T", "side": "no", "price": "0.48", "delta": "-1.00"},
    {
        "ts": "2026-07-01T00:00:01.000Z",
        "type": "trade",
        "ticker": "T",
        "yes_price": "0.52",
        "count": "1",
        "taker_side": "yes",
    },
)
READERS: Final[tuple[Callable[[bytes], object], ...]] = (
    wire.read_market,
    wire.read_markets,
    lambda body: wire.read_book(body, AT),
    wire.read_trades,
    wire.read_order,
    wire.read_orders,
    wire.read_fills,
    lambda body: wire.read_ack(body, AT),
    lambda body: wire.read_cancel_ack(body, AT, "o1"),
    wire.read_positions,
    wire.read_balance,
)


@st.composite
def spoiled(draw: st.DrawFn, sound: tuple[object, ...]) -> bytes:
    """A sound document in which some value is anything, or a key is gone; or what is no document at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    document: object = json.loads(json.dumps(draw(st.sampled_from(sound))))
    for _ in range(draw(st.integers(0, 2))):
        document = _spoil(draw, document)
    return json.dumps(document).encode()


def _spoil(draw: st.DrawFn, value: object) -> object:
    match value:
        case dict() if value:
            key = draw(st.sampled_from(sorted(value)))
            if draw(st.integers(0, 5)) == 0:
                return {name: inner for name, inner in value.items() if name != key}
            return {**value, key: _spoil(draw, value[key])}
        case list() if value:
            at = draw(st.integers(0, len(value) - 1))
            return [*value[:at], _spoil(draw, value[at]), *value[at + 1 :]]
        case str():
            return draw(JSON | st.text(max_size=8) | st.from_regex(r"\A-?[0-9]{0,30}\.?[0-9]{0,12}(e[0-9]{1,4})?\Z"))
        case _:
            return draw(JSON)


@given(spoiled(BODIES))
@settings(max_examples=300)
@example(DEEP)
@example(DEEP_OBJECTS)
@example(LONG_NUMBER)
def test_a_body_is_read_or_refused(body: bytes) -> None:
    for read in READERS:
        assert isinstance(read(body), Success | Failure)
    assert isinstance(wire.read_error(body), wire.ErrorWords)


@given(spoiled(FRAMES), st.booleans())
@settings(max_examples=400)
@example(DEEP, True)
@example(DEEP_OBJECTS, True)
@example(LONG_NUMBER, True)
def test_a_frame_is_read_or_illegible(text: bytes, scale: bool) -> None:
    assert type(read_frame(text, AT, yes_scale=scale)) in get_args(Frame)


@pytest.mark.parametrize("status", [200, 201, 400, 404, 409, 429, 500])
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_whatever_an_answer_is_every_request_ends_in_an_outcome(status: int, body: bytes) -> None:
    market = Market("A", "E", MarketStatus.ACTIVE, CENT_GRID, AT, 0)
    async with trading((status, body)) as (_, venue):
        assert isinstance(await venue.cancel("A", "o1"), Success | Failure)
        assert isinstance(await venue.order("o1"), Success | Failure)
        assert isinstance(await venue.orders("A", AT), Success | Failure)
        assert isinstance(await venue.fills("A", AT), Success | Failure)
        assert isinstance(await venue.book("A"), Success | Failure)
        assert isinstance(await venue.market("A"), Success | Failure)
        assert isinstance(await venue.fee_rates(market), Success | Failure)
        assert isinstance(await venue.balance(), Success | Failure)
        assert isinstance(await venue.position("A"), Success | Failure)


async def test_pages_without_end_are_given_up() -> None:
    async with trading((200, {"orders": [], "cursor": "again"})) as (exchange, venue):
        assert isinstance(await venue.orders("A", AT), Failure)
    assert len(exchange.requests) < 1_000


async def test_an_answer_without_end_is_lost_before_it_fills_the_memory() -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(20 * LONGEST_ANSWER // 1_000_000):
                await response.write(bytes(1_000_000))
        except ConnectionError:
            pass
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", flood)
    async with TestServer(app) as server:
        transport = AioHttpTransport(str(server.make_url("/")).rstrip("/"))
        tracemalloc.start()
        try:
            with pytest.raises(Lost, match="longer than"):
                await asyncio.wait_for(transport.send(HttpRequest("GET", "/x", (), {}, None)), 30)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await transport.close()
    assert most < 4 * LONGEST_ANSWER


@given(st.dictionaries(st.sampled_from(("algorithm", "order_timeout_seconds", "x", "dynamic_depth_walker")), JSON))
@example({"order_timeout_seconds": float("nan")})
@example({"order_timeout_seconds": 10**400})
@example({"max_slippage_percent": "1e999999999"})
@example({"dynamic_depth_walker": {"split_ratios": [float("inf"), "0.4"]}})
def test_a_configuration_is_taken_or_refused(raw: dict[str, object]) -> None:
    assert isinstance(parse_config(raw), Success | Failure)


@given(st.binary(max_size=40) | st.just(b"a = " + DEEP) | st.just(b"max_walks = 1e999999999") | st.just(b"a" * 9_999))
def test_a_file_of_settings_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "settings.toml"
    file.write_bytes(content)
    with contextlib.suppress(SettingsError):  # which names what is wrong, and is the only thing raised
        Settings.load(file, {})


@given(st.lists(spoiled(LINES), max_size=4))
@example([DEEP])
@example([LONG_NUMBER])
def test_a_recording_plays_or_is_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "fuzzed.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert isinstance(load(path), Success | Failure)


def test_a_packed_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for _ in range(200):
            packed.write(b" " * 1_000_000)
    tracemalloc.start()
    try:
        refused = load(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(refused, Failure)
    assert most < 100_000_000
