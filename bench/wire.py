"""From a book to an order that is answered, over loopback HTTP, and what has which share of it.

Each sample is one execution at its real runner, with its plan made and its book still to come. The book comes; the runner
looks, decides, makes its intent durable and its request ready meanwhile, sends; a process that accepts every order at once answers. What nobody can
do without is measured bare: a durable insert beside each sample, and afterwards, back to back with our transport, the same
request by plain aiohttp. Only back to back is their difference ours; the round trip of a sample also wakes a cold machine.
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
from bench.measure import NS_A_US, Effort, Table, Timing, clocked, shown, timing
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
PATIENCE_S: Final = 30
ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Sample:
    """Nanoseconds: the whole way, its stations, and the bare insert beside it; of the signature what the append left over."""

    total: int
    append: int
    signature: int
    waited: int
    transport: int
    bare_insert: int

    def inside(self) -> int:
        """Return what our own code took between the stations."""
        return self.total - self.append - self.waited - self.transport


@dataclass(frozen=True, slots=True)
class _Trips:
    """Nanoseconds of one request sent twice: by our transport, and by nothing but aiohttp."""

    ours: int
    bare: int


class _TimedSigner(Signer):
    """The signer, with a note of when the last signature was made."""

    __slots__ = ("begun_ns", "ended_ns")

    def __init__(self, key: PrivateKey) -> None:
        super().__init__("bench", key)
        self.begun_ns = self.ended_ns = 0

    @override
    def sign(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
        self.begun_ns = time.perf_counter_ns()
        headers = super().sign(method, path, now)
        self.ended_ns = time.perf_counter_ns()
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

    def __init__(self, venue: Venue, clock: Clock) -> None:
        super().__init__(scene.MARKET, STANDARD, venue, clock, Micros(0))
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
        self.state: State = START

    async def sample(self) -> Sample:
        """Return one way from book to answer."""
        feed, runner = await self._ready()
        running = asyncio.create_task(runner.run())
        async with asyncio.timeout(PATIENCE_S):
            await feed.asked.wait()
            await asyncio.sleep(0)  # the runner now waits for the book, and for nothing else
            self.transport.answered.clear()
            begun = feed.deliver(scene.book(at=self.clock.now()))
            await self.transport.answered.wait()
        ended, append = self.transport.ended_ns, self.store.appends[-1]
        self.state = runner.state
        runner.stop("measured")
        running.cancel()  # a runner that is stopping leaves at once: there is nobody here who could confirm a cancel
        with suppress(asyncio.CancelledError):
            await running
        return Sample(
            total=ended - begun,
            append=append.ended_ns - append.begun_ns,
            signature=self.signer.ended_ns - self.signer.begun_ns,
            waited=max(0, self.signer.ended_ns - max(self.signer.begun_ns, append.ended_ns)),
            transport=ended - self.transport.begun_ns,
            bare_insert=await self._probe.insert_ns(codec.encode_all(append.facts).decode()),
        )

    async def _ready(self) -> tuple[_HandFed, Runner]:
        """Return a runner that has its plan, and the feed that its book will come from."""
        now = self.clock.now()
        started, planned = _beginning(now)
        seat = await bed.seat(self.store, started)
        state = evolve(evolve(START, started), planned)
        await self.store.append(seat.execution_id, seat.epoch, seat.next_seq, (planned,), project(state))
        limiter = Limiter(self.clock, None, lambda: 0)
        feed = _HandFed(self.venue, self.clock)
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

    async def round_trips(self, session: aiohttp.ClientSession) -> _Trips:
        """Return what the last request takes again, by our transport and by nothing but aiohttp."""
        sent = self.transport.request
        assert sent is not None
        await self.transport.send(sent)
        begun = time.perf_counter_ns()
        async with session.post(f"{self._url}{sent.path}", data=sent.body, headers=sent.headers) as response:
            await response.read()
        bare = time.perf_counter_ns() - begun
        return _Trips(self.transport.ended_ns - self.transport.begun_ns, bare)


def tables(effort: Effort, given: str = "") -> tuple[Table, ...]:
    """Measure and return the table of tick-to-order, a column a kind of key."""
    keys: tuple[tuple[str, PrivateKey], ...] = (
        ("Ed25519", Ed25519PrivateKey.generate()),
        (f"RSA-{RSA_BITS}", generate_private_key(public_exponent=65_537, key_size=RSA_BITS)),
    )
    with bed.folder() as folder, bed.server(folder, given) as dsn, answering() as url:
        found = [asyncio.run(_samples(dsn, folder, url, name, key, effort)) for name, key in keys]
    return tuple(_shares(one) for one in found)


@dataclass(frozen=True, slots=True)
class _Found:
    """The samples with one kind of key, the round trips by our transport and without it, and parts of our own code alone."""

    key: str
    samples: tuple[Sample, ...]
    trips: tuple[_Trips, ...]
    projecting: Timing
    encoding: Timing


async def _samples(dsn: str, folder: Path, url: str, name: str, key: PrivateKey, effort: Effort) -> _Found:
    async with bed.opened(dsn) as (store, probe), aiohttp.ClientSession() as session:
        bench = _Bench(url, key, store, probe, Spool(folder / "spool"))
        samples = [await bench.sample() for _ in range(WARM_UP + effort.orders)]
        trips = [await bench.round_trips(session) for _ in range(WARM_UP + effort.orders)]
        await bench.transport.close()
        last, state = store.appends[-1], bench.state
    projecting = clocked(lambda: project(state), effort)
    encoding = clocked(lambda: (codec.encode_all(last.facts), rows(last.projection, last.facts)), effort)
    return _Found(name, tuple(samples[WARM_UP:]), tuple(trips[WARM_UP:]), projecting, encoding)


def _around(trips: tuple[_Trips, ...]) -> Timing:
    """Return what our transport adds: the median over pairs, since neighbours share what the machine was doing."""
    pairs = timing(trip.ours - trip.bare for trip in trips)
    least = min(trip.ours for trip in trips) - min(trip.bare for trip in trips)
    return Timing(pairs.median_us, least / NS_A_US)


def _shares(found: _Found) -> Table:
    samples = found.samples
    total = timing(sample.total for sample in samples)
    inside = timing(sample.inside() for sample in samples)
    bare, around = timing(trip.bare for trip in found.trips), _around(found.trips)
    own = Timing(inside.median_us + around.median_us, inside.min_us + around.min_us)
    pieces = (
        ("from book to request: our loop, looks, decision, facts, body", inside, ""),
        ("- of it, projecting the state, alone", found.projecting, ""),
        ("durable intent (append)", timing(sample.append for sample in samples), ""),
        ("- of it, a bare durable insert", timing(sample.bare_insert for sample in samples), ""),
        ("- of it, our encoding, alone", found.encoding, ""),
        (f"signature ({found.key}), made beside the append", timing(sample.signature for sample in samples), ""),
        ("- of it, waited for after the append", timing(sample.waited for sample in samples), ""),
        ("HTTP round trip", timing(sample.transport for sample in samples), ""),
        ("- of it, bare aiohttp, back to back", bare, ""),
        ("- of it, our transport around aiohttp, back to back", around, ""),
        ("tick to order", total, ""),
        ("our own share: from book to request, and around aiohttp", own, f"< {OWN_TARGET_US}"),
    )
    table = tuple(
        (what, shown(spent.median_us), shown(spent.min_us), f"{spent.median_us / total.median_us:.0%}", target)
        for what, spent, target in pieces
    )
    note = (
        f"{len(samples)} orders, one at a time, {scene.LEVELS}-level books; from the feed's call to the answer's last "
        f"byte. Microseconds; shares are of the median. Target: our own share in under {OWN_TARGET_US}."
    )
    return Table(
        f"Tick to order over loopback, {found.key}", note, ("piece", "median", "min", "share", "target"), table
    )


def _beginning(now: Micros) -> tuple[Started, Planned]:
    """Return the journal of an execution that has its plan: one split, at the best bid."""
    policy = scene.policy(PolicyName.TUNED)
    parent = replace(scene.parent(PolicyName.TUNED, now), execution=secrets.token_hex(16))
    split = Split(1, Price(scene.BEST_YES), parent.count)
    return Started(parent, policy, now), Planned(Algorithm.DYNAMIC_DEPTH_WALKER, "configured", (split,), now)


@contextmanager
def answering() -> Iterator[str]:
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
