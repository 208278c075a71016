"""What stands now, for whoever watches: executions in flight and past, the budget, the kill switch. Read, never written.

An execution in flight is the fold of its journal, as its worker has it; only what was added since the last look is read.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, LiteralString

from psycopg.rows import TupleRow

from depthwalker.core.execution import START, State, evolve
from depthwalker.core.units import Count, Micros, Money, Price
from depthwalker.shell import codec
from depthwalker.shell.archive import Archive
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.frame import Frame, frame
from depthwalker.shell.happening import Happening, happenings
from depthwalker.shell.journal import Pulled

SHOWN: Final = 40  # executions in flight that are drawn; more are counted
PAST: Final = 50
TOLD: Final = 6  # latest happenings of an execution

NOW: Final[LiteralString] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
IN_FLIGHT: Final[LiteralString] = """
    SELECT e.execution_id, e.request_key, e.ticker, l.owner, l.expires_at <= clock_timestamp(), count(*) OVER ()
    FROM execution_state e JOIN execution_leases l USING (execution_id)
    WHERE e.status = 'executing' ORDER BY e.execution_id DESC LIMIT %s
"""
PAST_ONES: Final[LiteralString] = """
    SELECT e.execution_id, e.ticker, e.side, e.action, e.algorithm, e.status, coalesce(e.ending, ''),
        (extract(epoch FROM e.completed_at) * 1000000)::bigint, (e.target_quantity * 100)::bigint,
        (e.filled_quantity * 100)::bigint, (e.target_price * 10000)::bigint, (e.average_fill_price * 10000)::bigint,
        (m.shortfall_cents * 10000)::bigint
    FROM execution_state e LEFT JOIN execution_metrics m USING (execution_id)
    WHERE e.status <> 'executing' ORDER BY e.execution_id DESC LIMIT %s
"""
JOURNAL: Final[LiteralString] = (
    "SELECT seq, body::text FROM execution_journal WHERE execution_id = %s AND seq > %s ORDER BY seq"
)
BUCKETS: Final[LiteralString] = """
    SELECT b.account, b.bucket, floor(b.level)::int, coalesce(sum(l.tokens), 0)::int, count(l.worker)::int,
        (extract(epoch FROM clock_timestamp() - b.at) * 1000000)::bigint
    FROM rate_buckets b
    LEFT JOIN rate_leases l
        ON l.account = b.account AND l.bucket = b.bucket AND l.expires_at > clock_timestamp()
    GROUP BY b.account, b.bucket ORDER BY b.account, b.bucket
"""
SWITCH: Final[LiteralString] = """
    SELECT pull_id, reason, pulled_by, (extract(epoch FROM pulled_at) * 1000000)::bigint
    FROM kill_switch WHERE released_at IS NULL
"""


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
class Live:
    """Everything at `now`, by the database's clock; `flying` counts all in flight, drawn or not."""

    now: Micros
    flights: tuple[Flight, ...]
    flying: int
    past: tuple[Landed, ...]
    budget: tuple[Allowance, ...]
    switch: Pulled | None


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
        )

    async def _flight(self, row: TupleRow, now: Micros) -> Flight:
        number, key, ticker, owner, abandoned, _ = row
        followed = self._followed.get(number, _Followed(0, START, ()))
        if not followed.trouble:
            followed = _folded(followed, await self._archive.rows(JOURNAL, number, followed.seq))
            self._followed[number] = followed
        view = followed.state.latest
        shown = None if view is None else frame(followed.state, view, now)
        return Flight(number, key, ticker, owner, abandoned, shown, followed.told, followed.trouble)


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
