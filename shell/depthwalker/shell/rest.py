"""Requests to the exchange, each signed anew and sent once, and how their answers are judged.

How a failure is judged stands in one function, `judge`: only a request that may have taken effect is Unknown, and an answer
that cannot be read leaves its request Unknown as well. `Rest` also keeps what every request needs to know of the exchange:
its clock, and the shards of its markets.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, TypeVar
from urllib.parse import quote

from depthwalker.core.answer import NotApplied, Rejected, Trouble, Unknown
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.skew import UNKNOWN_SKEW, Skew, correction, sighted
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.ports import Clearance, Clock, HttpRequest, HttpResponse, Lost, NotSent, Transport
from depthwalker.shell.reading import Unreadable
from depthwalker.shell.signing import Signer
from depthwalker.shell.timekeeping import sightings
from depthwalker.shell.wire import AUTO_SHARD, ErrorWords, Listing, read_error

T = TypeVar("T")

ROOT: Final = "/trade-api/v2"
ORDERS: Final = f"{ROOT}/portfolio/events/orders"  # the V2 mutations; V1's are gone (410)
RECORDS: Final = f"{ROOT}/portfolio/orders"  # the reads

WRITE: Final = "write"  # the kinds of requests: order entry,
READ: Final = "read"  # private reads,
PUBLIC: Final = "public"  # market data, which needs no key

PAGE: Final = "1000"
MOST_PAGES: Final = 50
PAUSES: Final = ("trading_is_paused", "exchange_is_paused")
THROTTLED: Final = 429
NOT_APPLIED: Final = (410, THROTTLED)
TIMED_OUT: Final = (408, 499)  # a gateway's own time-outs
FRESH: Final = Micros(SECOND)  # how old a signature may become before it goes out; five seconds are too old
EXPIRED: Final = "header_timestamp_expired"

Query: TypeAlias = tuple[tuple[str, str], ...]


def classify(status: int, body: bytes) -> Trouble:
    """Return what an answer other than 2xx says of its request (fact sheet, section 5.11)."""
    return judge(status, read_error(body))


def judge(status: int, words: ErrorWords) -> Trouble:
    """Return what a status and the exchange's words say of a request; the single table."""
    said = f"{status} {words.code} {words.detail}".rstrip()
    paused = status == 409 and words.code in PAUSES
    if status in NOT_APPLIED or paused or _stale(status, words):
        return NotApplied(said, paused)
    wordless = status == 409 and not words.code  # it can mean that the id was used already, and a gateway knows no ids
    if 400 <= status < 500 and status not in TIMED_OUT and not wordless:
        return Rejected(status, words.code or f"http_{status}", words.detail)
    return Unknown(said)


class Rest:
    """The exchange's REST interface. Without a signer private requests are NotApplied."""

    def __init__(self, transport: Transport, signer: Signer | None, clock: Clock) -> None:
        self._transport = transport
        self._signer = signer
        self._clock = clock
        self.on_throttled: Callable[[str], None] | None = None  # told the method of every request that got a 429
        self.meter: Callable[[str], Awaitable[None]] | None = None  # returns when a GET, READ or PUBLIC, may go out
        self._skew = UNKNOWN_SKEW
        self._fastest = Micros(0)  # the least correction that there was: how fast our clock was at most
        self._shards: dict[str, int] = {}  # as the markets last named them

    @property
    def skew(self) -> Skew:
        """Return what is known of the exchange's clock."""
        return self._skew

    def now(self) -> Micros:
        """Return our own clock's time."""
        return self._clock.now()

    def on_their_clock(self, at: Micros) -> Micros:
        """Return what the exchange's clock shows when ours shows `at`."""
        return Micros(at + correction(self._skew))

    def earliest(self, at: Micros) -> Micros:
        """Return the least that the exchange's clock may have shown when ours shows or showed `at`.

        A clock that was fast comes nearer to it where it is set right and the machine sleeps; what is at the exchange was
        signed by the correction of its time.
        """
        return Micros(at + self._fastest)

    def their_now(self) -> Micros:
        """Return what the exchange's clock shows, as far as its answers have told: what is signed is judged by that."""
        return self.on_their_clock(self._clock.now())

    def shard(self, ticker: str) -> int:
        """Return a market's shard, or AUTO_SHARD, which leaves the routing to the exchange."""
        return self._shards.get(ticker, AUTO_SHARD)

    def note_shard(self, ticker: str, shard: int) -> None:
        """Keep a market's shard for the requests to come."""
        self._shards[ticker] = shard

    async def get(
        self, kind: str, path: str, query: Query = (), cleared: Clearance | None = None
    ) -> Outcome[bytes, Trouble]:
        """Return the body of a successful GET."""
        return await self.send(kind, "GET", path, query, None, cleared)

    async def metered(self, kind: str) -> str:
        """Clear a GET: return when its tokens are spent. Each page of a list and each repetition has its own."""
        if self.meter is not None:
            await self.meter(kind)
        return ""

    async def send(
        self,
        kind: str,
        method: str,
        path: str,
        query: Query = (),
        body: bytes | None = None,
        cleared: Clearance | None = None,
    ) -> Outcome[bytes, Trouble]:
        """Return the body of a successful answer, or what became of the request."""
        return successful(await self.answer(kind, method, path, query, body, cleared))

    async def answer(
        self,
        kind: str,
        method: str,
        path: str,
        query: Query = (),
        body: bytes | None = None,
        cleared: Clearance | None = None,
        *,
        dated: bool = False,
    ) -> Outcome[HttpResponse, Trouble]:
        """Return the answer whatever its status; `dated` learns the exchange's clock from its Date.

        A request is signed before it is cleared, so that what it has to wait for and the signature take the same time, and
        nothing lies between its tokens and its sending. A GET that nobody else clears is cleared by the meter.
        A read that the exchange finds signed at the wrong time is asked once more, by the clock just learned; a mutation
        is not: nothing is mutated without the core's knowing, and it was not applied.
        """
        if cleared is None and method == "GET":
            cleared = partial(self.metered, kind)
        answer = await self._once(kind, method, path, query, body, cleared, dated=dated)
        if method == "GET" and isinstance(answer, Success) and _expired(answer.unwrap()):
            return await self._once(kind, method, path, query, body, cleared, dated=dated)
        return answer

    async def pages(
        self, kind: str, path: str, query: Query, read: Callable[[bytes], Outcome[Listing[T], Unreadable]]
    ) -> Outcome[tuple[T, ...], Trouble]:
        """Return every item of a list, the last page's last item first: the exchange lists the newest first."""
        found: tuple[T, ...] = ()
        cursor: Query = ()
        for _ in range(MOST_PAGES):
            page = read_with(await self.get(kind, path, (*query, ("limit", PAGE), *cursor)), read)
            if isinstance(page, Failure):
                return page
            found += page.unwrap().items
            if not page.unwrap().cursor:
                return Success(found[::-1])
            cursor = (("cursor", page.unwrap().cursor),)
        return Failure(Unknown(f"{path} has more than {MOST_PAGES} pages of {PAGE}"))

    async def _once(
        self,
        kind: str,
        method: str,
        path: str,
        query: Query,
        body: bytes | None,
        cleared: Clearance | None,
        *,
        dated: bool,
    ) -> Outcome[HttpResponse, Trouble]:
        if self._signer is None and kind != PUBLIC:
            return Failure(NotApplied("no key: give key_id and key_file"))
        typed = {} if body is None else {"Content-Type": "application/json"}
        signed_at = self._clock.now()
        signed = await self._signed(method, path, signed_at)
        if cleared is not None:
            reason = await cleared()
            if reason:
                return Failure(NotApplied(reason))
            if self._clock.now() - signed_at > FRESH:
                signed = await self._signed(method, path, self._clock.now())
        sent = self._clock.now()
        try:
            answer = await self._transport.send(HttpRequest(method, path, query, {**signed, **typed}, body))
        except NotSent as error:
            return Failure(NotApplied(f"not sent: {error}"))
        except Lost as error:
            return Failure(Unknown(f"no answer: {error}"))
        self._learn_clock(answer, sent, dated=dated, stamped=method != "GET")
        if answer.status == THROTTLED and self.on_throttled is not None:
            self.on_throttled(method)
        return Success(answer)

    async def _signed(self, method: str, path: str, now: Micros) -> Mapping[str, str]:
        if self._signer is None:
            return {}
        return await self._signer.sign_aside(method, path, self.on_their_clock(now))

    def _learn_clock(self, answer: HttpResponse, sent: Micros, *, dated: bool, stamped: bool) -> None:
        """Narrow the skew by an answer; one that refused our time says that what was known is wrong."""
        expired = _expired(answer)
        self._skew = UNKNOWN_SKEW if expired else self._skew
        for one in sightings(answer, sent, self._clock.now(), dated=dated or expired, stamped=stamped):
            self._skew = sighted(self._skew, one)
        self._fastest = min(self._fastest, correction(self._skew))


def successful(outcome: Outcome[HttpResponse, Trouble]) -> Outcome[bytes, Trouble]:
    """Return the body of an answer whose status is 2xx, or what its status and body say of the request."""
    match outcome:
        case Success(answer) if 200 <= answer.status < 300:
            return Success(answer.body)
        case Success(answer):
            return Failure(classify(answer.status, answer.body))
        case Failure(trouble):
            return Failure(trouble)


def read_with(answer: Outcome[bytes, Trouble], read: Callable[[bytes], Outcome[T, Unreadable]]) -> Outcome[T, Trouble]:
    """Return what a body says; an unreadable one is Unknown."""
    match answer:
        case Success(body):
            return readable(read(body))
        case Failure(trouble):
            return Failure(trouble)


def readable(outcome: Outcome[T, Unreadable]) -> Outcome[T, Trouble]:
    """Return a reading as an outcome of its request."""
    match outcome:
        case Success(found):
            return Success(found)
        case Failure(unreadable):
            return Failure(Unknown(unreadable.in_words()))


def since_query(ticker: str, since: Micros) -> Query:
    """Return the query of one market's records from the whole second of `since`."""
    return (("ticker", ticker), ("min_ts", str(max(0, since) // SECOND)))


def part(text: str) -> str:
    """Return a text as one part of a path, whatever it holds."""
    return quote(text, safe="")


def _expired(answer: HttpResponse) -> bool:
    return _stale(answer.status, read_error(answer.body))


def _stale(status: int, words: ErrorWords) -> bool:
    """Return whether a request was signed at the wrong time: the next is signed by the clock just learned."""
    return status == 401 and words.code == EXPIRED
