"""What stands now, for whoever watches: executions in flight and past, the budget, the kill switch. Read, never written.

An execution in flight is the fold of its journal, as its worker has it; only what was added since the last look is read.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, LiteralString

from psycopg.rows import TupleRow

from depthwalker.core.book import Ladder
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.rollout import Arm, Assigned, Entry, Move, Stage
from depthwalker.core.units import SECOND, Count, Micros, Money, Price
from depthwalker.shell import codec
from depthwalker.shell.archive import Archive
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.evidence import Standing, standing_of
from depthwalker.shell.frame import Frame, frame
from depthwalker.shell.happening import Happening, happenings
from depthwalker.shell.journal import Pulled, StoreError
from depthwalker.shell.queries import ASSIGNED, NOW, ROLLOUT, SWITCH
from depthwalker.shell.rows import read_depth

BOOKS_SHOWN: Final = 12
REFUSED: Final = 10
ODD: Final = 20  # broken invariants, and reasons of fallbacks
SELDOM: Final = Micros(30 * SECOND)  # how often what costs a look at whole tables is looked at
SHOWN: Final = 40  # executions in flight that are drawn; more are counted
PAST: Final = 50
TOLD: Final = 6  # latest happenings of an execution

IN_FLIGHT: Final[LiteralString] = """
    SELECT e.execution_id, e.request_key, e.ticker || CASE e.source WHEN 'paper' THEN ' (paper)' ELSE '' END, l.owner, l.expires_at <= clock_timestamp(), count(*) OVER ()
    FROM execution_state e JOIN execution_leases l USING (execution_id)
    WHERE e.status = 'executing' ORDER BY e.execution_id DESC LIMIT %s
"""
PAST_ONES: Final[LiteralString] = """
    SELECT e.execution_id, e.ticker || CASE e.source WHEN 'paper' THEN ' (paper)' ELSE '' END, e.side, e.action, e.algorithm, e.status, coalesce(e.ending, ''),
        (extract(epoch FROM e.completed_at) * 1000000)::bigint, (e.target_quantity * 100)::bigint,
        (e.filled_quantity * 100)::bigint, (e.target_price * 10000)::bigint, (e.average_fill_price * 10000)::bigint,
        (m.shortfall_cents * 10000)::bigint
    FROM execution_state e LEFT JOIN execution_metrics m USING (execution_id)
    WHERE e.completed_at IS NOT NULL ORDER BY e.completed_at DESC, e.execution_id DESC LIMIT %s
"""
JOURNAL: Final[LiteralString] = (
    "SELECT seq, body::text FROM execution_journal WHERE execution_id = %s AND seq > %s ORDER BY seq"
)
BUCKETS: Final[LiteralString] = """
    SELECT account, bucket, level, leased, workers::int, (extract(epoch FROM since) * 1000000)::bigint
    FROM rate_limit_use WHERE since < interval '1 day' ORDER BY account, bucket
"""
BOOKS: Final[LiteralString] = """
    SELECT m.market_id::text, (extract(epoch FROM s.timestamp) * 1000000)::bigint, s.yes_depth::text, s.no_depth::text
    FROM (SELECT DISTINCT market_id FROM (SELECT market_id FROM execution_state ORDER BY execution_id DESC LIMIT 100) e) m
    CROSS JOIN LATERAL (
        SELECT timestamp, yes_depth, no_depth FROM order_book_snapshots b
        WHERE b.market_id = m.market_id ORDER BY timestamp DESC LIMIT 1) s
    ORDER BY s.timestamp DESC LIMIT %s
"""
BROKEN: Final[LiteralString] = "SELECT execution_id, invariant, detail FROM broken_invariants LIMIT %s"
FALLBACKS: Final[LiteralString] = """
    SELECT reason, ran, sum(executions)::int FROM execution_fallbacks
    WHERE day > (clock_timestamp() AT TIME ZONE 'UTC')::date - 7 GROUP BY reason, ran ORDER BY 3 DESC, 1, 2 LIMIT %s
"""
QUEUE: Final[LiteralString] = """
    SELECT account, queued::int, taken::int, (extract(epoch FROM longest_wait) * 1000000)::bigint
    FROM queue_waiting ORDER BY account
"""
REFUSALS: Final[LiteralString] = """
    SELECT (extract(epoch FROM refused_at) * 1000000)::bigint, account, ticker, kind, message, times
    FROM parent_refusals WHERE refused_at > clock_timestamp() - interval '1 day' ORDER BY refused_at DESC LIMIT %s
"""
ROLLOUTS: Final[LiteralString] = "SELECT DISTINCT account FROM rollout_journal ORDER BY account"


@dataclass(frozen=True, slots=True)
class Flight:
    """An execution in flight. `frame` is None before its first view; `trouble` says why its journal cannot be shown."""

    execution_id: int
    request_key: str
    ticker: str
    owner: str
    abandoned: bool
    frame: Frame | None
    told: tuple[Happening, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Landed:
    """An execution that has ended; `cost` in microdollars a contract."""

    execution_id: int
    ticker: str
    outcome: str
    action: str
    algorithm: str
    status: str
    ending: str
    at: Micros
    wanted: Count
    filled: Count
    target: Price
    average: Price | None
    cost: Money | None


@dataclass(frozen=True, slots=True)
class Allowance:
    """One bucket of an account's rate budget: tokens that nobody has leased, tokens leased, and by how many workers."""

    account: str
    bucket: str
    free: int
    leased: int
    workers: int
    since: Micros


@dataclass(frozen=True, slots=True)
class Queued:
    """An account's parents that wait for a worker, those that one has, and how long the first has waited."""

    account: str
    waiting: int
    taken: int
    longest: Micros | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A parent that was not admitted lately, why, and how often it was asked for."""

    at: Micros
    account: str
    ticker: str
    kind: str
    reason: str
    times: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The latest snapshot of a market's book: YES bids and NO bids, best first."""

    market: str
    at: Micros
    yes: Ladder
    no: Ladder


@dataclass(frozen=True, slots=True)
class Breach:
    """A row that breaks an invariant (docs/architecture.md numbers them)."""

    execution_id: int
    invariant: int
    detail: str


@dataclass(frozen=True, slots=True)
class Fallback:
    """How often in seven days executions ran another algorithm than configured, for one reason."""

    reason: str
    ran: str
    executions: int


@dataclass(frozen=True, slots=True)
class Rolled:
    """An account's rollout."""

    account: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked at seldom, at `at`; `trouble` says why it could not be."""

    at: Micros
    breaches: tuple[Breach, ...]
    fallbacks: tuple[Fallback, ...]
    trouble: str = ""


NOT_YET: Final = Watch(Micros(0), (), ())


@dataclass(frozen=True, slots=True)
class Live:
    """Everything at `now`, by the database's clock; `flying` counts all in flight, drawn or not."""

    now: Micros
    flights: tuple[Flight, ...]
    flying: int
    past: tuple[Landed, ...]
    budget: tuple[Allowance, ...]
    switch: Pulled | None
    queue: tuple[Queued, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    books: tuple[Seen, ...] = ()
    rollouts: tuple[Rolled, ...] = ()
    watch: Watch = NOT_YET


@dataclass(frozen=True, slots=True)
class _Followed:
    seq: int
    state: State
    told: tuple[Happening, ...]
    trouble: str = ""


class Lookout:
    """Looks at a database again and again, and remembers what it has folded."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._followed: dict[int, _Followed] = {}
        self._watch = NOT_YET
        self._rolled: dict[str, tuple[Micros, Rolled]] = {}

    async def look(self) -> Live:
        """Return what stands now. Raises StoreError."""
        clock = (await self._archive.rows(NOW))[0][0]
        flying = await self._archive.rows(IN_FLIGHT, SHOWN)
        flights = [await self._flight(row, Micros(clock)) for row in flying]
        kept = {flight.execution_id for flight in flights}
        self._followed = {number: one for number, one in self._followed.items() if number in kept}
        pulled = await self._archive.rows(SWITCH)
        return Live(
            now=Micros(clock),
            flights=tuple(flights),
            flying=flying[0][5] if flying else 0,
            past=tuple(Landed(*row) for row in await self._archive.rows(PAST_ONES, PAST)),
            budget=tuple(Allowance(*row) for row in await self._archive.rows(BUCKETS)),
            switch=Pulled(*pulled[0]) if pulled else None,
            queue=tuple(Queued(*row) for row in await self._archive.rows(QUEUE)),
            refusals=tuple(Refusal(*row) for row in await self._archive.rows(REFUSALS, REFUSED)),
            books=tuple(_seen(row) for row in await self._archive.rows(BOOKS, BOOKS_SHOWN)),
            rollouts=tuple([await self._rollout(row[0], Micros(clock)) for row in await self._archive.rows(ROLLOUTS)]),
            watch=await self._watched(Micros(clock)),
        )

    async def _rollout(self, account: str, now: Micros) -> Rolled:
        """Return where a rollout stands; its arms are compared anew when it moved, and seldom otherwise."""
        found = await self._archive.rows(ROLLOUT, account)
        entries = tuple(Entry(number, at, Move(move), Stage(stage), *rest) for number, at, move, stage, *rest in found)
        at, before = self._rolled.get(account, (Micros(0), None))
        if before is not None and before.standing.entries == entries and now - at < SELDOM:
            return before
        rolled = Rolled(account, await standing_of(self._assigned, account, entries, now))
        self._rolled[account] = now, rolled
        return rolled

    async def _assigned(self, account: str, since: Micros) -> tuple[Assigned, ...]:
        rows = await self._archive.rows(ASSIGNED, account, since)
        return tuple(Assigned(Arm(arm), *rest) for arm, *rest in rows)

    async def _watched(self, now: Micros) -> Watch:
        if now - self._watch.at >= SELDOM:
            try:
                breaches = tuple(Breach(*row) for row in await self._archive.rows(BROKEN, ODD))
                fallbacks = tuple(Fallback(*row) for row in await self._archive.rows(FALLBACKS, ODD))
                self._watch = Watch(now, breaches, fallbacks)
            except StoreError as slow:  # it was cut off: what can be looked at quickly is still shown
                self._watch = replace(self._watch, at=now, trouble=str(slow))
        return self._watch

    async def _flight(self, row: TupleRow, now: Micros) -> Flight:
        number, key, ticker, owner, abandoned, _ = row
        followed = self._followed.get(number, _Followed(0, START, ()))
        if not followed.trouble:
            followed = _folded(followed, await self._archive.rows(JOURNAL, number, followed.seq))
            self._followed[number] = followed
        view = followed.state.latest
        shown = None if view is None else frame(followed.state, view, now)
        return Flight(number, key, ticker, owner, abandoned, shown, followed.told, followed.trouble)


def _seen(row: TupleRow) -> Seen:
    market, at, yes, no = row
    return Seen(market, Micros(at), read_depth(yes), read_depth(no))


def _folded(before: _Followed, rows: list[TupleRow]) -> _Followed:
    """Return an execution with the entries that were added to its journal."""
    seq, state, told = before.seq, before.state, list(before.told)
    for number, body in rows:
        try:
            fact = codec.decode(body)
        except Unreadable as unreadable:
            return replace(before, trouble=f"its journal is not this version's: {unreadable}")
        after = evolve(state, fact)
        told += happenings(state, after, fact.at)
        seq, state = number, after
    return _Followed(seq, state, tuple(told[-TOLD:]))


def age(span: Micros) -> str:
    """Return a span in words, in the largest unit that is full."""
    whole = timedelta(microseconds=max(0, span))
    if whole.days:
        return f"{whole.days} d"
    hours, rest = divmod(whole.seconds, 3600)
    return f"{hours} h" if hours else f"{rest // 60} min" if rest >= 60 else f"{rest} s"
