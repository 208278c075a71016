"""From a book to an order that is answered, over loopback HTTP, and what has which share of it.

Each sample is one execution at its real runner, with its plan made and its book still to come. The book comes; the runner
looks, decides, makes its intent durable, signs, sends; a process that accepts every order at once answers. Beside each
sample go the two things that nobody can do without, bare: the same request by plain aiohttp, and a durable insert.
"""

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from typing_extensions import override

from bench import bed, scene
from bench.measure import Effort, Table, Timing, clocked, shown, timing
from depthwalker.core.book import Book
from depthwalker.core.config import Algorithm, PolicyName
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Planned, Started
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import observe
from depthwalker.core.projection import project
from depthwalker.core.split import Split
from depthwalker.core.units import Micros, Price
from depthwalker.shell import codec
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.feed import Feed
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.ports import Clock, HttpRequest, HttpResponse, Transport, Venue
from depthwalker.shell.rows import rows
from depthwalker.shell.runner import Runner
from depthwalker.shell.signing import PrivateKey, Signer
from depthwalker.shell.spool import Seat, Spool
from depthwalker.shell.transport import AioHttpTransport

OWN_TARGET_US: Final = 300
RSA_BITS: Final = 2048
WARM_UP: Final = 5
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Sample:
    """Nanoseconds: the whole way, its stations, and the two bare ones measured beside it."""

    total: int
    append: int
    signature: int
    transport: int
    bare_insert: int
    bare_request: int

    def inside(self) -> int:
        """Return what our own code took between the stations."""
        return self.total - self.append - self.signature - self.transport


class _TimedSigner(Signer):
    """The signer, with a note of how long the last signature took."""

    __slots__ = ("spent_ns",)

    def __init__(self, key: PrivateKey) -> None:
        super().__init__("bench", key)
        self.spent_ns = 0

    @override
    def sign(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
        begun = time.perf_counter_ns()
        headers = super().sign(method, path, now)
        self.spent_ns = time.perf_counter_ns() - begun
        return headers


class _TimedTransport:
    """Satisfies `Transport`: passes requests on, keeps the last one, and tells when it was answered."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.begun_ns = 0
        self.ended_ns = 0
        self.request: HttpRequest | None = None
        self.answered = asyncio.Event()

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.begun_ns = time.perf_counter_ns()
        response = await self._inner.send(request)
        self.ended_ns = time.perf_counter_ns()
        assert response.status == 201, response
        self.request = request
        self.answered.set()
        return response

    async def close(self) -> None:
        await self._inner.close()


class _HandFed(Feed):
    """A feed whose book is handed to it; it never polls."""

    def __init__(self, venue: Venue, clock: Clock, limiter: Limiter) -> None:
        super().__init__(scene.MARKET, STANDARD, venue, clock, limiter, Micros(0))
        self.listener: Callable[[], None] | None = None
        self.asked = asyncio.Event()

    @override
    def watch(self, listener: Callable[[], None]) -> None:
        self.listener = listener

    @override
    async def leave(self, listener: Callable[[], None]) -> None:
        self.listener = None

    @override
    def hurry(self) -> None:
        self.asked.set()  # the runner does this when it begins to wait for a book

    def deliver(self, book: Book) -> int:
        """Take in a book, tell the listener, and return when that began."""
        assert self.listener is not None
        begun = time.perf_counter_ns()
        self.book = book
        self.history = observe(self.history, book, book.at)
        self.listener()
        return begun


class _Bench:
    """Everything that the samples share."""

    def __init__(self, url: str, key: PrivateKey, store: bed.TimedStore, probe: bed.Probe, spool: Spool) -> None:
        self.clock = SystemClock()
        self.signer = _TimedSigner(key)
        self.transport = _TimedTransport(AioHttpTransport(url))
        self.venue = KalshiVenue(self.transport, self.signer, self.clock)
        self.store = store
        self._probe = probe
        self._spool = spool
        self._url = url

    async def sample(self, session: aiohttp.ClientSession) -> Sample:
        """Return one way from book to answer."""
        feed, runner = await self._ready()
        running = asyncio.create_task(runner.run())
        await feed.asked.wait()
        await asyncio.sleep(0)  # the runner now waits for the book, and for nothing else
        self.transport.answered.clear()
        begun = feed.deliver(scene.book(at=self.clock.now()))
        await self.transport.answered.wait()
        ended, append = self.transport.ended_ns, self.store.appends[-1]
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return Sample(
            total=ended - begun,
            append=append.ended_ns - append.begun_ns,
            signature=self.signer.spent_ns,
            transport=ended - self.transport.begun_ns,
            bare_insert=await self._probe.insert_ns(codec.encode_all(append.facts).decode()),
            bare_request=await self._bare_ns(session),
        )

    async def _ready(self) -> tuple[_HandFed, Runner]:
        """Return a runner that has its plan, and the feed that its book will come from."""
        now = self.clock.now()
        started, planned = _beginning(now)
        seat = await bed.seat(self.store, started)
        state = evolve(evolve(START, started), planned)
        await self.store.append(seat.execution_id, seat.epoch, seat.next_seq, (planned,), project(state))
        limiter = Limiter(self.clock, None, lambda: 0)
        feed = _HandFed(self.venue, self.clock, limiter)
        feed.history = scene.history(now)
        return feed, self._runner(state, Seat(seat.execution_id, seat.epoch, seat.next_seq + 1), feed, limiter)

    def _runner(self, state: State, seat: Seat, feed: Feed, limiter: Limiter) -> Runner:
        assert state.policy is not None
        return Runner(
            state,
            state.policy,
            seat,
            venue=self.venue,
            store=self.store,
            spool=self._spool,
            feed=feed,
            clock=self.clock,
            limiter=limiter,
            walkers=lambda: (0, 5),
            others=lambda _: (),
            ema_slippage=0,
        )

    async def _bare_ns(self, session: aiohttp.ClientSession) -> int:
        """Return what the request just sent takes again, by nothing but aiohttp."""
        sent = self.transport.request
        assert sent is not None
        url = f"{self._url}{sent.path}"
        begun = time.perf_counter_ns()
        async with session.post(url, data=sent.body, headers=sent.headers) as response:
            await response.read()
        return time.perf_counter_ns() - begun


def tables(effort: Effort) -> tuple[Table, ...]:
    """Measure and return the table of tick-to-order, a column a kind of key."""
    keys: tuple[tuple[str, PrivateKey], ...] = (
        ("Ed25519", Ed25519PrivateKey.generate()),
        (f"RSA-{RSA_BITS}", generate_private_key(public_exponent=65_537, key_size=RSA_BITS)),
    )
    with bed.folder() as folder, bed.server(folder) as dsn, _answering() as url:
        found = tuple((name, *asyncio.run(_samples(dsn, folder, url, key, effort))) for name, key in keys)
    return tuple(_shares(name, samples, encoding) for name, samples, encoding in found)


async def _samples(dsn: str, folder: Path, url: str, key: PrivateKey, effort: Effort) -> tuple[list[Sample], Timing]:
    """Return the samples, and what the store's encoding of one of them takes by itself."""
    async with bed.opened(dsn) as (store, probe), aiohttp.ClientSession() as session:
        bench = _Bench(url, key, store, probe, Spool(folder / "spool"))
        samples = [await bench.sample(session) for _ in range(WARM_UP + effort.orders)][WARM_UP:]
        await bench.transport.close()
        last = store.appends[-1]
    encoding = clocked(lambda: (codec.encode_all(last.facts), rows(last.projection, last.facts)), effort)
    return samples, encoding


def _shares(name: str, samples: list[Sample], encoding: Timing) -> Table:
    total = timing(sample.total for sample in samples)
    inside = timing(sample.inside() for sample in samples)
    around = timing(sample.transport - sample.bare_request for sample in samples)
    request = timing(sample.bare_request for sample in samples)
    own = Timing(inside.median_us + around.median_us, inside.min_us + around.min_us)
    pieces = (
        ("bare aiohttp round trip", request, ""),
        (f"signature ({name})", timing(sample.signature for sample in samples), ""),
        ("durable intent (append)", timing(sample.append for sample in samples), ""),
        ("  of it, a bare durable insert", timing(sample.bare_insert for sample in samples), ""),
        ("  of it, our encoding (measured alone)", encoding, ""),
        ("our own share", own, f"< {OWN_TARGET_US}"),
        ("  loop, looks, decision, facts, body", inside, ""),
        ("  transport around aiohttp", around, ""),
        ("tick to order", total, ""),
    )
    table = tuple(
        (what, shown(found.median_us), shown(found.min_us), f"{found.median_us / total.median_us:.0%}", target)
        for what, found, target in pieces
    )
    note = (
        f"{len(samples)} orders, one at a time, {scene.LEVELS}-level books. Microseconds; shares are of the median. "
        f"Target: our own share in under {OWN_TARGET_US}."
    )
    return Table(f"Tick to order over loopback, {name}", note, ("piece", "median", "min", "share", "target"), table)


def _beginning(now: Micros) -> tuple[Started, Planned]:
    """Return the journal of an execution that has its plan: one split, at the best bid."""
    policy = scene.policy(PolicyName.TUNED)
    parent = replace(scene.parent(PolicyName.TUNED, now), execution=secrets.token_hex(16))
    split = Split(1, Price(scene.BEST_YES), parent.count)
    return Started(parent, policy, now), Planned(Algorithm.DYNAMIC_DEPTH_WALKER, "configured", (split,), now)


@contextmanager
def _answering() -> Iterator[str]:
    """Give the URL of a process that accepts every order at once."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.answerer"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait()
