"""How long snapshots live: raw for seven days and until their week is over, as hourly aggregates for good.

A week is first detached, which holds writers up for a moment and gives up after two seconds rather than wait among them, and
then folded into hours and dropped in one commit. Whatever breaks off is finished by the next run; two runs take turns.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
from psycopg.sql import SQL, Identifier

from depthwalker.shell.queries import (
    DETACH_WEEK,
    EXPIRED_STRAYS,
    EXPIRED_WEEKS,
    FOLD_SNAPSHOTS,
    MAKE_WEEKS,
    RETAIN_LOCK,
    RETAIN_UNLOCK,
)

KEEP: Final = timedelta(days=7)
WEEKS_AHEAD: Final = 4
TRIES: Final = 10
DEFAULT: Final = "order_book_snapshots_default"


@dataclass(frozen=True, slots=True)
class Retired:
    """A table whose snapshots are over: how many, and the hours that they came to (None: only looked at)."""

    table: str
    snapshots: int
    hours: int | None


@dataclass(frozen=True, slots=True)
class Retained:
    """What a run did, or would do."""

    retired: tuple[Retired, ...]
    weeks_made: int


def retain(connection: psycopg.Connection, *, keep: timedelta = KEEP, dry_run: bool = False) -> Retained:
    """Retire what is older than `keep` and make the coming weeks. Raises psycopg.Error; LockNotAvailable: run it again."""
    before = (datetime.now(UTC) - keep).replace(minute=0, second=0, microsecond=0)
    if dry_run:
        return Retained(_looked(connection, before, keep), 0)
    connection.execute(RETAIN_LOCK)
    try:
        retired = [_week(connection, week, attached) for week, attached in connection.execute(EXPIRED_WEEKS, (keep,))]
        strays = _fold(connection, DEFAULT, before)
        made = connection.execute(MAKE_WEEKS, (WEEKS_AHEAD,)).fetchone()
    finally:
        connection.execute(RETAIN_UNLOCK)
    assert made is not None
    return Retained((*retired, *((strays,) if strays.snapshots else ())), made[0])


def in_words(found: Retained) -> str:
    """Return what was done as JSON."""
    return json.dumps(asdict(found), indent=2)


def _looked(connection: psycopg.Connection, before: datetime, keep: timedelta) -> tuple[Retired, ...]:
    weeks = tuple(
        Retired(week, _count(connection, week), None)
        for week, _ in connection.execute(EXPIRED_WEEKS, (keep,)).fetchall()
    )
    strays = connection.execute(EXPIRED_STRAYS, (before,)).fetchone()
    assert strays is not None
    return (*weeks, *((Retired(DEFAULT, strays[0], None),) if strays[0] else ()))


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


def _week(connection: psycopg.Connection, week: str, attached: bool) -> Retired:
    if attached:
        _patiently(connection, week)
    return _fold(connection, week, None)


def _patiently(connection: psycopg.Connection, week: str) -> None:
    """Detach a week, letting writers through between tries."""
    for left in reversed(range(TRIES)):
        try:
            connection.execute(DETACH_WEEK, (week,))
        except psycopg.errors.LockNotAvailable:
            if not left:
                raise
        else:
            return


def _fold(connection: psycopg.Connection, table: str, before: datetime | None) -> Retired:
    row = connection.execute(FOLD_SNAPSHOTS, (table, before)).fetchone()
    assert row is not None
    return Retired(table, *row)
