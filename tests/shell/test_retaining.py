"""Snapshots live seven days and until their week is over; what they came to by the hour stays. On real PostgreSQL."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from depthwalker.shell.cli import main
from depthwalker.shell.queries import DETACH_WEEK, MAKE_WEEKS
from depthwalker.shell.retaining import DEFAULT, WEEKS_AHEAD, Retained, Retired, retain

Connection = psycopg.Connection[TupleRow]
HOURS = """
    SELECT market_id, hour, snapshots, spread, yes_best_bid, yes_total_volume, traded FROM order_book_hours ORDER BY 1, 2
"""


def now() -> datetime:
    return datetime.now(UTC)


def monday(weeks_ago: int) -> datetime:
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday(), weeks=weeks_ago)


def named(weeks_ago: int) -> str:
    year, week, _ = monday(weeks_ago).isocalendar()
    return f"order_book_snapshots_{year}w{week:02d}"


def make_week(database: Connection, weeks_ago: int) -> str:
    start, end = monday(weeks_ago), monday(weeks_ago - 1)
    name = named(weeks_ago)
    database.execute(
        f"CREATE TABLE {name} PARTITION OF order_book_snapshots FOR VALUES FROM ('{start}') TO ('{end}')".encode()
    )
    return name


def keep(
    database: Connection, at: datetime, spread: str | None = "0.02", market: str = "m", volume: int = 100, *trades: str
) -> None:
    prints = [{"trade_id": trade, "taker": "yes", "yes_price": 5000, "count": 150, "at": 0} for trade in trades]
    database.execute(
        "INSERT INTO order_book_snapshots (market_id, timestamp, yes_depth, no_depth, spread, yes_best_bid, "
        "yes_total_volume, trades) VALUES (%s, %s, '[]', '[]', %s, 0.5, %s, %s)",
        (market, at, spread, volume, Jsonb(prints)),
    )


@pytest.fixture
def database(postgres: str) -> Iterator[Connection]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(MAKE_WEEKS, (WEEKS_AHEAD,))  # it is a copy of one that may have been loaded last week
        connection.execute("INSERT INTO markets VALUES ('m', 'M'), ('n', 'N')")
        yield connection


def test_an_old_week_becomes_hours_and_is_dropped(database: Connection) -> None:
    name = make_week(database, 3)
    start = monday(3)
    keep(database, start + timedelta(minutes=1), "0.02", "m", 100, "a")
    keep(database, start + timedelta(minutes=2), "0.04", "m", 300, "a", "b")
    keep(database, start + timedelta(minutes=61), None)
    keep(database, start + timedelta(minutes=1), "0.01", "n")
    keep(database, now())
    looked = retain(database, dry_run=True)
    assert looked == Retained((Retired(name, 4, None),), 0)
    assert retain(database) == Retained((Retired(name, 4, 3),), 0)
    assert database.execute(HOURS).fetchall() == [
        ("m", start, 2, Decimal("0.03"), Decimal("0.5"), 200, 3),
        ("m", start + timedelta(hours=1), 1, None, Decimal("0.5"), 100, 0),
        ("n", start, 1, Decimal("0.01"), Decimal("0.5"), 100, 0),
    ]
    assert database.execute("SELECT count(*) FROM order_book_snapshots").fetchone() == (1,)
    assert database.execute("SELECT to_regclass(%s)", (name,)).fetchone() == (None,)
    assert retain(database) == Retained((), 0), "again: nothing"


def test_a_week_stays_until_its_last_day_is_seven_days_old(database: Connection) -> None:
    recent = make_week(database, 1)
    keep(database, monday(1))
    over = timedelta(days=7) <= now() - monday(0)
    assert retain(database, dry_run=True).retired == ((Retired(recent, 1, None),) if over else ())
    assert retain(database, keep=now() - monday(0) + timedelta(hours=1)).retired == ()
    assert retain(database, keep=now() - monday(0) - timedelta(hours=1)).retired[0].table == recent


def test_what_no_week_took_is_folded_too_and_joins_an_hour_that_is_there(database: Connection) -> None:
    hour = monday(5)
    keep(database, hour, "0.02", "m", 100, "a")
    keep(database, now() + timedelta(days=90))
    assert retain(database).retired == (Retired(DEFAULT, 1, 1),)
    keep(database, hour + timedelta(minutes=5), "0.05", "m", 400, "b")
    keep(database, hour + timedelta(minutes=6), "0.05", "m", 400)
    assert retain(database).retired == (Retired(DEFAULT, 2, 1),)
    assert database.execute(HOURS).fetchall() == [("m", hour, 3, Decimal("0.04"), Decimal("0.5"), 300, 3)]
    assert database.execute("SELECT count(*) FROM order_book_snapshots").fetchone() == (1,), "the future stays"


def test_a_run_that_broke_off_is_finished(database: Connection) -> None:
    name = make_week(database, 4)
    keep(database, monday(4))
    database.execute(DETACH_WEEK, (name,))
    assert retain(database).retired == (Retired(name, 1, 1),)


def test_it_makes_the_weeks_to_come(database: Connection) -> None:
    database.execute(f"DROP TABLE {named(-4)}".encode())
    assert retain(database).weeks_made == 1


def test_writers_go_on_meanwhile_and_no_snapshot_is_lost(postgres: str, database: Connection) -> None:
    names = [make_week(database, ago) for ago in (3, 4, 5)]
    for ago in (3, 4, 5):
        keep(database, monday(ago))
    begun, stop, written = threading.Event(), threading.Event(), [0]

    def write() -> None:
        with psycopg.connect(postgres, autocommit=True) as own:
            while not stop.is_set():
                keep(own, monday(3) + timedelta(minutes=written[0] % 7_000))
                keep(own, now())
                written[0] += 1
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    assert {one.table for one in retain(database).retired} >= set(names)
    stop.set()
    writer.join()
    retain(database)
    (kept,) = database.execute("SELECT sum(snapshots) FROM order_book_hours").fetchall()
    (raw,) = database.execute("SELECT count(*) FROM order_book_snapshots").fetchall()
    assert (kept[0], raw[0]) == (3 + written[0], written[0])


def test_two_runs_take_turns(postgres: str, database: Connection) -> None:
    make_week(database, 3)
    keep(database, monday(3))
    found: list[Retained] = []

    def run() -> None:
        with psycopg.connect(postgres, autocommit=True) as own:
            found.append(retain(own))

    both = [threading.Thread(target=run) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(len(one.retired) for one in found) == [0, 1]


def test_a_long_transaction_is_not_waited_for_among_writers(postgres: str, database: Connection) -> None:
    name = make_week(database, 3)
    with psycopg.connect(postgres) as reader:
        reader.execute("SELECT count(*) FROM order_book_snapshots")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            database.execute(DETACH_WEEK, (name,))
    assert retain(database).retired == (Retired(name, 0, 0),)


def test_the_command_tells_what_it_did(
    postgres: str, database: Connection, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres)
    name = make_week(database, 3)
    keep(database, monday(3))
    assert main(["db", "retain", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{name}: 1 snapshots would be retired\n"
    assert main(["db", "retain"]) == 0
    assert capsys.readouterr().out == f"{name}: 1 snapshots came to 1 hours and are gone\n"
    assert main(["db", "retain"]) == 0
    assert capsys.readouterr().out == "nothing is older than seven days\n"
    assert main(["db", "retain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"retired": [], "weeks_made": 0}
