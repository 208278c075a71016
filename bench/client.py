"""Our client beside pykalshi: the same frames, the same orders, the same answering process, taking turns in one run.

Books: raw frames of one market with a hundred levels a leg, until the best bid and offer, and ten levels a side, are there.
Orders: from the call to the answer's value, with an RSA key (pykalshi takes no other) and a process that accepts at once;
plain aiohttp sends one order signed beforehand, and what a client takes beyond that is its own.
"""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pykalshi
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench import scene
from bench.measure import Effort, Table, Timing, clocked, shown, timing
from bench.wire import RSA_BITS, WARM_UP, answering
from depthwalker.core import stream as streams
from depthwalker.core.book import Book, Leg, complement, top
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
PRICE: Final = Price(4_500)
COUNT: Final = Count(10 * CONTRACT)
Placing = Callable[[int], Awaitable[None]]


def tables(effort: Effort) -> tuple[Table, ...]:
    """Measure and return the tables: books, and orders."""
    with _key() as (key, file):
        return _books(effort, file), asyncio.run(_orders(effort, key, file))


# Books


def _books(effort: Effort, file: Path) -> Table:
    snapshot, deltas = _frames()
    client = pykalshi.KalshiClient(api_key_id="bench", private_key_path=str(file), api_base="http://127.0.0.1")
    timed = {
        "depthwalker, best bid and offer": clocked(_ours(snapshot, deltas, _best), effort),
        "pykalshi, best bid and offer": clocked(_theirs(client, snapshot, deltas, _their_best), effort),
        "depthwalker, ten levels a side": clocked(_ours(snapshot, deltas, _ten), effort),
        "pykalshi, ten levels a side": clocked(_theirs(client, snapshot, deltas, _their_ten), effort),
    }
    rows = tuple((what, *_rate(spent)) for what, spent in timed.items())
    note = (
        f"{DELTAS} raw deltas of one market with {scene.LEVELS} levels a leg, each parsed, applied in sequence, and the "
        "question asked of the book after every one. Medians of processor time."
    )
    return Table("Book messages, beside pykalshi", note, ("client and question", "messages a second", "us"), rows)


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
    snapshot = {"type": "orderbook_snapshot", "sid": SID, "seq": 1, "msg": {"market_ticker": scene.TICKER, **rows}}
    deltas = []
    for number in range(DELTAS):
        leg, price = luck.choice(where)
        change = luck.choice([Count(CONTRACT), Count(-CONTRACT)]) if counts[leg, price] > CONTRACT else Count(CONTRACT)
        counts[leg, price] = Count(counts[leg, price] + change)
        msg = {
            "market_ticker": scene.TICKER,
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
    return top(book.bids(Leg.YES), LEVELS), complement(top(book.bids(Leg.NO), LEVELS))


def _theirs(
    client: pykalshi.KalshiClient,
    snapshot: str,
    deltas: tuple[str, ...],
    ask: Callable[[pykalshi.OrderbookManager], object],
) -> Callable[[], None]:
    """Return the run through pykalshi's feed and book, as its documentation puts them together."""
    feed, manager = client.feed(), pykalshi.OrderbookManager(scene.TICKER)

    def handle(message: pykalshi.OrderbookSnapshotMessage | pykalshi.OrderbookDeltaMessage) -> None:
        if isinstance(message, pykalshi.OrderbookDeltaMessage):
            manager.apply_delta(message.side, message.price_dollars, message.delta_fp)
            ask(manager)
        else:
            manager.apply_snapshot(message.yes_dollars, message.no_dollars)

    feed.on("orderbook_delta", handle)

    def run() -> None:
        feed._dispatch(snapshot)  # noqa: SLF001 - the way of a frame, without a socket
        for text in deltas:
            feed._dispatch(text)  # noqa: SLF001

    return run


def _their_best(manager: pykalshi.OrderbookManager) -> object:
    return manager.best_bid, manager.best_ask


def _their_ten(manager: pykalshi.OrderbookManager) -> object:
    return manager.bid_depth(LEVELS), manager.ask_depth(LEVELS)


# Orders


@dataclass(frozen=True, slots=True)
class _Trip:
    """Nanoseconds of one order by each way, one after the other."""

    bare: int
    ours: int
    theirs: int


async def _orders(effort: Effort, key: RSAPrivateKey, file: Path) -> Table:
    with answering() as url:
        transport = AioHttpTransport(url)
        venue = KalshiVenue(transport, Signer("bench", key), SystemClock())
        client = pykalshi.AsyncKalshiClient(
            api_key_id="bench", private_key_path=str(file), api_base=f"{url}/trade-api/v2", max_retries=0
        )
        async with aiohttp.ClientSession() as session, client:
            ways = (_bare(session, url, key), _placing(venue), _their_placing(client))
            trips = [_Trip(*[await _timed(way, number) for way in ways]) for number in range(WARM_UP + effort.orders)]
            crowds = [await _crowd(way, effort.orders) for way in ways]
        await transport.close()
    return _table(tuple(trips[WARM_UP:]), crowds, effort.orders)


def _table(trips: tuple[_Trip, ...], crowds: list[int], orders: int) -> Table:
    names = ("plain aiohttp, signed beforehand", "depthwalker", "pykalshi")
    whole = (
        timing(trip.bare for trip in trips),
        timing(trip.ours for trip in trips),
        timing(trip.theirs for trip in trips),
    )
    added = ("", *(shown(timing(spans).median_us) for spans in _beyond(trips)))
    rows = tuple(
        (name, shown(spent.median_us), beyond, f"{1_000_000 / spent.median_us:,.0f}", f"{orders * 10**9 / crowd:,.0f}")
        for name, spent, beyond, crowd in zip(names, whole, added, crowds, strict=True)
    )
    note = (
        f"{len(trips)} orders by each client in turn, RSA-{RSA_BITS} signatures; then as many again, {TOGETHER} under way "
        "at once. Microseconds are medians; `added` is the median over pairs."
    )
    columns = ("client", "round trip us", "added us", "orders a second, one at a time", f"{TOGETHER} at once")
    return Table("Orders, beside pykalshi", note, columns, rows)


def _beyond(trips: tuple[_Trip, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(trip.ours - trip.bare for trip in trips), tuple(trip.theirs - trip.bare for trip in trips)


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


def _their_placing(client: pykalshi.AsyncKalshiClient) -> Placing:
    async def place(number: int) -> None:
        placed = await client.portfolio.place_order(
            scene.TICKER,
            book_side="bid",
            price_dollars=format_price(PRICE),
            count_fp=format_count(COUNT),
            client_order_id=f"theirs-{number}",
            post_only=True,
        )
        assert placed.order_id

    return place


@contextmanager
def _key() -> Iterator[tuple[RSAPrivateKey, Path]]:
    key = generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key.pem"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        yield key, file
