"""What is measured a minute after an execution, from the snapshots that its engine kept: against a paper exchange."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.core.test_projection import BUY, FIRST, PLANNED, at, closed, filled, placed, viewed
from tests.core.test_projection import started as begun_by
from tests.shell.rig import AMethod, AnEdge, Hurried, Rig, quiet, rigged, sellers, simple, walker

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Book
from depthwalker.core.fact import Accepted, Filled, Finished, Status
from depthwalker.core.hindsight import Sight
from depthwalker.core.tape import Tape
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.cli import main
from depthwalker.shell.measuring import Measured, measure, measure_due

TIMES = 10  # a minute after the last fill comes within seven seconds
BASICS = "estimated_basic_slippage, estimated_basic_fill_rate, improvement_over_basic, measured_note, slippage_percent"
MARKOUTS = "markout_5s_cents, markout_30s_cents, markout_60s_cents"


@asynccontextmanager
async def executed(dsn: str, folder: Path, tape: Tape, edge: AnEdge, method: AMethod) -> AsyncIterator[Rig]:
    """A rig after an execution and all that its engine keeps of the market."""
    clock = Hurried(TIMES)
    async with rigged(dsn, folder, tape, clock=clock) as rig:
        async with rig.engine({"book_interval_seconds": 1}) as engine:
            await engine.execute_trade(edge, method)
            await clock.sleep_until(Micros(clock.now() + 66 * SECOND))
        yield rig


def due(rig: Rig) -> dict[int, Measured]:
    with psycopg.connect(rig.dsn, autocommit=True) as connection:
        return measure_due(connection, Micros(rig.clock.now() + 10 * SECOND))


async def the_row(rig: Rig) -> dict[str, object]:
    async with (
        await psycopg.AsyncConnection.connect(rig.dsn) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        await cursor.execute(f"SELECT {BASICS}, {MARKOUTS} FROM execution_metrics".encode())
        found = await cursor.fetchone()
    assert found is not None
    return found


async def test_a_plain_limit_order_is_no_better_than_itself(postgres: str, tmp_path: Path) -> None:
    async with executed(postgres, tmp_path, quiet(), AnEdge(1, "0.48", 10), simple()) as rig:
        kept = await rig.rows("SELECT count(*), min(timestamp), max(timestamp) FROM order_book_snapshots")
        assert list(await asyncio.to_thread(due, rig)) == [1]
        row = await the_row(rig)
        assert await asyncio.to_thread(due, rig) == {}, "once is enough"
    assert kept[0][0] in range(8, 80), "a market that stands still is kept every five seconds"
    assert row["measured_note"] is None
    assert (row["estimated_basic_fill_rate"], row["improvement_over_basic"]) == (1, 0)
    assert row["estimated_basic_slippage"] == row["slippage_percent"] != 0
    # Bought at 0.47 where the mid stays 0.455: a cent and a half lost, whenever one looks.
    assert [row[name] for name in MARKOUTS.split(", ")] == [-1.5, -1.5, -1.5]


async def test_a_walker_that_filled_where_a_limit_order_would_not_have(postgres: str, tmp_path: Path) -> None:
    tape = quiet(*sellers(4_400, 5, *range(4, 120, 4)))
    async with executed(postgres, tmp_path, tape, AnEdge(1, "0.43", 10), walker(120, interval=2)) as rig:
        await asyncio.to_thread(due, rig)
        row = await the_row(rig)
        trades = await rig.rows(
            "SELECT DISTINCT t ->> 'trade_id' FROM order_book_snapshots, jsonb_array_elements(trades) AS t"
        )
    assert row["slippage_percent"] is not None, "it walked and was filled"
    assert (row["estimated_basic_fill_rate"], row["estimated_basic_slippage"]) == (0, None)
    assert row["improvement_over_basic"] is None, "there is no price to compare with"
    assert len(trades) >= 3, "what traded is kept with the books"


async def test_what_was_not_kept_is_told_and_not_asked_for_again(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, clock=Hurried(1)) as rig:
        async with rig.engine() as engine:
            await engine.execute_trade(AnEdge(1, "0.47", 10), simple())
        assert await asyncio.to_thread(due, rig) == {}, "a minute has not passed"
        late = Micros(rig.clock.now() + 100 * SECOND)

        def measure() -> dict[int, Measured]:
            with psycopg.connect(rig.dsn, autocommit=True) as connection:
                return measure_due(connection, late)

        found = await asyncio.to_thread(measure)
        assert found[1].note.startswith("no book for ")
        assert found[1].markouts[2] is None
        assert await asyncio.to_thread(measure) == {}


async def test_a_journal_that_cannot_be_read_holds_nothing_up(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        async with rig.engine() as engine:
            await engine.execute_trade(AnEdge(1, "0.47", 10), simple())
        unread = """
            ALTER TABLE execution_journal DISABLE TRIGGER ALL;
            UPDATE execution_journal SET body = body || '{"fact": "Future"}' WHERE seq = 2;
        """
        mended = """
            UPDATE execution_journal SET body = body || jsonb_build_object('fact', kind) WHERE seq = 2;
            ALTER TABLE execution_journal ENABLE TRIGGER ALL;
        """
        late = Micros(rig.clock.now() + 100 * SECOND)

        def measure() -> dict[int, Measured]:
            with psycopg.connect(rig.dsn, autocommit=True) as connection:
                connection.execute(unread)
                try:
                    return measure_due(connection, late)
                finally:
                    connection.execute(mended)

        assert (await asyncio.to_thread(measure))[1].note.startswith(
            "its journal cannot be read: there is no fact 'Future'"
        )


def test_the_command_tells_what_it_found(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres)
    assert main(["db", "measure"]) == 0
    assert main(["db", "measure", "--json"]) == 0
    assert capsys.readouterr().out == "0 executions measured\n{}\n"


# What is told of fills and books


def sights(*, one_sided_from: int = 1_000) -> tuple[Sight, ...]:
    return tuple(
        Sight(
            Book(
                ((Price(6900), Count(20_000)),),
                () if second >= one_sided_from else ((Price(2800), Count(1000)),),
                at(second),
            ),
            (),
        )
        for second in range(-1, 110, 5)
    )


def taken(trade: str, price: int, count: int, second: int) -> Filled:
    fact = filled("a", trade, price, count, second)
    return replace(fact, fill=replace(fact.fill, taker=True))


BEGUN = (begun_by(BUY), viewed(), PLANNED, placed(FIRST), Accepted(FIRST, "a", None, at(3)))
ENDED = (closed(FIRST, "a", OrderStatus.EXECUTED, 7200, 6000, 6), Finished(Status.COMPLETED, "", at(38)))


def test_a_fill_that_is_told_again_is_measured_once() -> None:
    one, two = taken("1", 7000, 100, 4), taken("2", 7200, 5900, 5)
    once = measure((*BEGUN, one, two, *ENDED), sights())
    assert measure((*BEGUN, *[one] * 51, two, *ENDED), sights()) == once


def test_a_markout_without_a_mid_says_why_it_is_missing() -> None:
    found = measure((*BEGUN, taken("1", 7000, 6000, 4), *ENDED), sights(one_sided_from=9))
    assert None in found.markouts
    assert found.note == "no mid where a markout needs one"
