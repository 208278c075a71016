"""What comes from outside may be anything: it is read, or refused with a typed failure; never a crash, a hang, a flood."""

import asyncio
import contextlib
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

import pyarrow as pa
import pyarrow.parquet as pq
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
from depthwalker.shell.cli import main
from depthwalker.shell.config import parse_config
from depthwalker.shell.frames import read_frame
from depthwalker.shell.lab.parquet import RECORDING, Broken, tell, write_recording
from depthwalker.shell.ports import HttpRequest, Lost
from depthwalker.shell.recording import LONGEST_LINE, MOST_LINES, load
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
LINES: Final[tuple[dict[str, object], ...]] = (
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
TIMES: Final = st.integers(-(2**63), 2**63 - 1)
KINDS: Final[tuple[tuple[pa.DataType, st.SearchStrategy[object]], ...]] = (
    *(
        (kind, TIMES)
        for kind in (pa.int64(), pa.timestamp("us"), pa.timestamp("ns"), pa.duration("us"), pa.duration("ns"))
    ),
    (pa.timestamp("us", tz="Mars/Phobos"), TIMES),
    (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.binary(), st.binary(max_size=9)),
    (pa.string(), st.text(max_size=9)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
    (pa.list_(pa.list_(pa.string())), st.lists(st.lists(st.text(max_size=9), max_size=3), max_size=3)),
    (pa.struct({"a": pa.int64()}), st.just({"a": 1})),
    (pa.map_(pa.string(), pa.int64()), st.just({"a": 1})),
)
READERS: Final[tuple[Callable[[bytes], object], ...]] = (
    lambda body: wire.read_market(body, "A"),
    wire.read_markets,
    lambda body: wire.read_book(body, AT),
    wire.read_trades,
    wire.read_order,
    wire.read_orders,
    lambda body: wire.read_fills(body, AT, {"o1"}),
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
        assert isinstance(await venue.fills("A", AT, {"o1"}), Success | Failure)
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


@st.composite
def spoiled_parquet(draw: st.DrawFn) -> bytes:
    """A sound file with some bytes changed, or its end gone."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(LINES, schema=RECORDING), file)
    spoilt = bytearray(file.getvalue())
    for at, byte in draw(st.lists(st.tuples(st.integers(4, len(spoilt) - 1), st.integers(0, 255)), max_size=4)):
        spoilt[at] = byte
    return bytes(spoilt[: draw(st.none() | st.integers(4, len(spoilt)))])


@st.composite
def odd_parquet(draw: st.DrawFn) -> bytes:
    """A sound file of columns that a recording has, or not, of any type and with any values."""
    columns: dict[str, pa.Array] = {}
    for name in draw(st.lists(st.sampled_from([*RECORDING.names, "x"]), unique=True)):
        kind, values = draw(st.sampled_from(KINDS))
        columns[name] = pa.array(draw(st.lists(st.none() | values, min_size=2, max_size=2)), kind)
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


@given(spoiled_parquet() | odd_parquet())
@settings(max_examples=200)
def test_parquet_is_told_as_lines_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    file, told = folder / "fuzzed.parquet", folder / "told.jsonl"
    file.write_bytes(content)
    with told.open("wb") as out, contextlib.suppress(Broken):  # which is the only thing raised
        tell(file, out)
    assert isinstance(load(told), Success | Failure)


def test_a_packed_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
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


def test_a_recording_without_end_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthwalker.shell.recording.LONGEST_RECORDING", 1_000_000)
    lines = [LINES[0] | {"ts": f"2026-07-{day:02}T00:00:00Z", "ticker": "T" * 100_000} for day in range(1, 32)]
    packed, parquet = tmp_path / "bomb.jsonl.gz", tmp_path / "bomb.parquet"
    packed.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    write_recording(parquet, lines)
    assert packed.stat().st_size + parquet.stat().st_size < 200_000
    for path in (packed, parquet):
        refused = load(path)
        assert isinstance(refused, Failure)
        assert "longer than 1 MB unpacked: split it, each part beginning with a snapshot" in refused.failure().reason


def test_a_cell_is_bounded_as_a_line_is(tmp_path: Path) -> None:
    path = tmp_path / "long.parquet"
    write_recording(path, [LINES[0] | {"ticker": "T" * LONGEST_LINE}])
    assert f"longer than {LONGEST_LINE} bytes" in str(load(path))


def test_a_row_of_any_amount_is_refused_by_bounded_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A million times the same ten thousand bytes, which a dictionary of one entry and one run make of a few hundred."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["9" * 10_000]))
    path = tmp_path / "bomb.parquet"
    side = pa.ListArray.from_arrays(pa.array([0, 1_000_000], pa.int32()), texts)
    pq.write_table(pa.table({"yes": side}), path, store_schema=False)
    assert path.stat().st_size < 100_000
    assert main(["backtest", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path} cannot be replayed: it is Parquet that cannot be read: " in said


def test_more_lines_at_once_than_can_be_searched_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dense.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (LINES[0], *[LINES[2]] * MOST_LINES)))
    assert f"more than {MOST_LINES} within 2 seconds" in str(load(path))
