"""Our client beside other people's: the same frames, the same orders, the same answering process, taking turns in one run.

Books: raw frames of one market with a hundred levels a leg, until the best bid and offer, and ten levels a side, are there.
Orders: from the call to the answer's value, with an RSA key (the others take no other) and a process that accepts at once;
plain aiohttp sends one order signed beforehand, and what a client takes beyond that is its own.
"""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import rivals, scene
from bench.measure import Effort, Table, Timing, clocked, shown, timing
from bench.rivals import COUNT, PRICE, Placing
from bench.wire import RSA_BITS, WARM_UP, answering
from depthwalker.core import stream as streams
from depthwalker.core.book import Book, Leg, complement
from depthwalker.core.channel import BookDelta, Channel
from depthwalker.core.outcome import Success
from depthwalker.core.units import CONTRACT, DOLLAR, SECOND, Count, Micros, Price, format_count, format_price
from depthwalker.core.view import LEVELS
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.frames import read_frame
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.ports import PlaceRequest
from depthwalker.shell.rest import ORDERS
from depthwalker.shell.signing import Signer
from depthwalker.shell.transport import AioHttpTransport

DELTAS: Final = 1_000
TOGETHER: Final = 16  # orders under way at once
SID: Final = 1


def tables(effort: Effort) -> tuple[Table, ...]:
    """Measure and return the tables: books, and orders."""
    with _key() as (key, file):
        return _books(effort, file), asyncio.run(_orders(effort, key, file))


# Books


def _books(effort: Effort, file: Path) -> Table:
    snapshot, deltas = _frames()
    runs = {"depthwalker, best bid and offer": _ours(snapshot, deltas, _best)}
    runs |= {f"{rival.name}, best bid and offer": rival.best(file, snapshot, deltas) for rival in rivals.present()}
    runs |= {"depthwalker, ten levels a side": _ours(snapshot, deltas, _ten)}
    runs |= {f"{rival.name}, ten levels a side": rival.ten(file, snapshot, deltas) for rival in rivals.present()}
    rows = tuple((what, *_rate(clocked(run, effort))) for what, run in runs.items())
    note = (
        f"{DELTAS} raw deltas of one market with {scene.LEVELS} levels a leg, each parsed, applied in sequence, and the "
        f"question asked of the book after every one. Medians of processor time. {rivals.absent()}"
    ).rstrip()
    return Table("Book messages, beside other clients", note, ("client and question", "messages a second", "us"), rows)


def _rate(spent: Timing) -> tuple[str, str]:
    each = spent.median_us / DELTAS
    return f"{1_000_000 / each:,.0f}", shown(each)


def _frames() -> tuple[str, tuple[str, ...]]:
    """Return a snapshot and the deltas after it, as the exchange writes them; no level is ever emptied."""
    luck, book = random.Random(1), scene.book()
    legs = {"yes": book.yes, "no": book.no}
    counts = {(leg, price): count for leg, levels in legs.items() for price, count in levels}
    where = tuple(counts)
    rows = {f"{leg}_dollars_fp": [_row(*level) for level in levels] for leg, levels in legs.items()}
    snapshot = {
        "type": "orderbook_snapshot",
        "sid": SID,
        "seq": 1,
        "msg": {"market_ticker": scene.TICKER, "market_id": "m", **rows},
    }
    deltas = []
    for number in range(DELTAS):
        leg, price = luck.choice(where)
        change = luck.choice([Count(CONTRACT), Count(-CONTRACT)]) if counts[leg, price] > CONTRACT else Count(CONTRACT)
        counts[leg, price] = Count(counts[leg, price] + change)
        msg = {
            "market_ticker": scene.TICKER,
            "market_id": "m",
            "price_dollars": format_price(price),
            "delta_fp": f"{'-' if change < 0 else ''}{format_count(Count(abs(change)))}",
            "side": leg,
            "ts_ms": scene.NOW // 1_000,
        }
        deltas.append(json.dumps({"type": "orderbook_delta", "sid": SID, "seq": number + 2, "msg": msg}))
    return json.dumps(snapshot), tuple(deltas)


def _row(price: Price, count: Count) -> tuple[str, str]:
    return format_price(price), format_count(count)


def _ours(snapshot: str, deltas: tuple[str, ...], ask: Callable[[Book], object]) -> Callable[[], None]:
    """Return the run through our stream, from texts to answers: what the socket does with a frame."""
    at = scene.NOW
    asked = streams.opened(
        streams.want(streams.begin((Channel.BOOK,), use_yes_price=False), frozenset({scene.TICKER}), at).stream, at
    )
    subscribed = {"id": 1, "type": "subscribed", "msg": {"channel": Channel.BOOK.value, "sid": SID}}
    stream = streams.hear(asked.stream, read_frame(json.dumps(subscribed), at), at).stream
    ready = streams.hear(stream, read_frame(snapshot, at, yes_scale=False), at).stream
    assert streams.book(ready, scene.TICKER) is not None

    def run() -> None:
        now = ready
        for text in deltas:
            frame = read_frame(text, at, yes_scale=False)
            assert isinstance(frame, BookDelta)
            fitting = streams.advanced(now, frame)
            assert fitting is not None
            now, book = fitting
            ask(book)

    return run


def _best(book: Book) -> tuple[Price, Price]:
    return book.yes[0][0], Price(DOLLAR - book.no[0][0])


def _ten(book: Book) -> object:
    return book.bids(Leg.YES)[:LEVELS], complement(book.bids(Leg.NO)[:LEVELS])


# Orders


async def _orders(effort: Effort, key: RSAPrivateKey, file: Path) -> Table:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(answering())
        transport = AioHttpTransport(url)
        stack.push_async_callback(transport.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        ways = {
            "plain aiohttp, signed beforehand": _bare(session, url, key),
            "depthwalker": _placing(KalshiVenue(transport, Signer("bench", key), SystemClock())),
        }
        for rival in rivals.present():
            ways[rival.name] = await stack.enter_async_context(rival.placing(f"{url}/trade-api/v2", file))
        turns = [[await _timed(way, number) for way in ways.values()] for number in range(WARM_UP + effort.orders)]
        crowds = [await _crowd(way, effort.orders) for way in ways.values()]
    return _table(tuple(ways), turns[WARM_UP:], crowds, effort.orders)


def _table(names: tuple[str, ...], turns: list[list[int]], crowds: list[int], orders: int) -> Table:
    """Return the table of nanoseconds: a turn is one order by each way, plain aiohttp first."""
    rows = []
    for place, (name, crowd) in enumerate(zip(names, crowds, strict=True)):
        whole = timing(turn[place] for turn in turns)
        added = shown(timing(turn[place] - turn[0] for turn in turns).median_us) if place else ""
        alone, together = 1_000_000 / whole.median_us, orders * 10**9 / crowd
        rows.append((name, shown(whole.median_us), added, f"{alone:,.0f}", f"{together:,.0f}"))
    note = (
        f"{len(turns)} orders by each client in turn, RSA-{RSA_BITS} signatures; then as many again, {TOGETHER} under way "
        f"at once. Microseconds are medians; `added` is the median over turns. {rivals.absent()}"
    ).rstrip()
    columns = ("client", "round trip us", "added us", "orders a second, one at a time", f"{TOGETHER} at once")
    return Table("Orders, beside other clients", note, columns, tuple(rows))


async def _timed(way: Placing, number: int) -> int:
    begun = time.perf_counter_ns()
    await way(number)
    return time.perf_counter_ns() - begun


async def _crowd(way: Placing, orders: int) -> int:
    """Return the nanoseconds of so many orders, a few at a time."""
    turns = asyncio.Semaphore(TOGETHER)

    async def one(number: int) -> None:
        async with turns:
            await way(number)

    begun = time.perf_counter_ns()
    await asyncio.gather(*(one(number) for number in range(orders)))
    return time.perf_counter_ns() - begun


def _bare(session: aiohttp.ClientSession, url: str, key: RSAPrivateKey) -> Placing:
    headers = dict(Signer("bench", key).sign("POST", ORDERS, scene.NOW)) | {"Content-Type": "application/json"}
    terms = {
        "ticker": scene.TICKER,
        "client_order_id": "bare",
        "side": "bid",
        "count": format_count(COUNT),
        "price": format_price(PRICE),
        "time_in_force": "good_till_canceled",
        "post_only": True,
    }
    body = json.dumps(terms).encode()

    async def place(_: int) -> None:
        async with session.post(f"{url}{ORDERS}", data=body, headers=headers) as response:
            await response.read()

    return place


def _placing(venue: KalshiVenue) -> Placing:
    async def place(number: int) -> None:
        expires = Micros(scene.NOW + 60 * SECOND)
        request = PlaceRequest(scene.TICKER, f"ours-{number}", Leg.YES, PRICE, COUNT, False, True, expires)
        assert isinstance(await venue.place(request), Success)

    return place


@contextmanager
def _key() -> Iterator[tuple[RSAPrivateKey, Path]]:
    key = generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield key, file
