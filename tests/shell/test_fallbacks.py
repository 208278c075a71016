"""What gives way to the plain limit order, ends early or is refused: each with its reason in the database, and counted."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.shell.clocks import SteppingClock
from tests.shell.rig import ME, AnEdge, Rig, as_store, rigged, simple, walker

from depthwalker.core.decide import TOO_DEAR
from depthwalker.core.execution import START
from depthwalker.core.fact import BUG, STORE_AWAY
from depthwalker.core.routing import CONFIGURED, MOST_TROUBLES, TROUBLE_SPAN, gave_way
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import OrderRefused, TradingStopped
from depthwalker.shell.ports import HttpRequest, NotSent
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.troubles import Troubles


async def counted(rig: Rig) -> list[tuple[object, ...]]:
    return await rig.rows("SELECT reason, ran, executions FROM execution_fallbacks ORDER BY reason")


def failing(times: int, path: str) -> Callable[[HttpRequest], Awaitable[None]]:
    """Let the first so many requests to a path not be sent."""
    left = iter(range(times))

    async def before(request: HttpRequest) -> None:
        if path in request.path and next(left, None) is not None:
            raise NotSent

    return before


async def test_after_repeated_errors_a_walker_gives_way(
    postgres: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        rig.wires[-1].before = failing(MOST_TROUBLES, "/portfolio/events/orders")
        first = await engine.execute_trade(AnEdge(1, "0.47", 10), simple(10))
        assert first.quantity == 10, "it was tried again"
        second = await engine.execute_trade(AnEdge(2, "0.47", 10), walker(2))
        assert second.quantity == 10
        ((reason, algorithm),) = await rig.rows(
            "SELECT algorithm_reason, algorithm FROM execution_state WHERE execution_id = %s", second.execution_id
        )
        assert (reason, algorithm) == (
            "repeated errors: 3 requests of the last minute failed, 3 are too many",
            "simple_limit",
        )
        assert await counted(rig) == [("repeated errors", "simple_limit", 1)]
        ended = f"execution 2 has ended: completed, 10.00 of 10.00 contracts; filled (simple_limit, {reason})"
        assert ended in [one.getMessage() for one in caplog.records]


async def test_errors_of_another_process_count_too_for_a_minute(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as one, rig.engine() as other:
        rig.wires[0].before = failing(MOST_TROUBLES, "/portfolio/events/orders")
        await one.execute_trade(AnEdge(1, "0.47", 10), simple(10))
        trade = await other.execute_trade(AnEdge(2, "0.47", 10), walker(2))
        query = "SELECT algorithm_reason FROM execution_state WHERE execution_id = %s"
        assert await rig.rows(query, trade.execution_id) == [
            ("repeated errors: 3 requests of the last minute failed, 3 are too many",)
        ]
        async with PostgresStore(postgres) as store:
            lately = Micros(rig.clock.now() - TROUBLE_SPAN)
            assert await store.troubles(ME, other.worker, lately) == MOST_TROUBLES
            assert await store.troubles(ME, one.worker, lately) == 0, "its own it counts itself"
            assert await store.troubles("another", other.worker, lately) == 0
            assert await store.troubles(ME, other.worker, rig.clock.now()) == 0


async def test_without_a_book_nothing_runs_and_the_ending_says_so(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        rig.wires[-1].before = failing(1_000, "/orderbook")
        trade = await engine.execute_trade(AnEdge(1, "0.47", 10), walker(2))
        assert trade.quantity == 0
        assert trade.result.reason == "0.00 of 10.00 contracts; no book yet until the time-out"
        assert await counted(rig) == [("no book yet until the time-out", "nothing", 1)]


async def test_a_market_that_closes_soon_is_refused_and_that_is_kept(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, closes_after=Micros(30 * SECOND)) as rig, rig.engine() as engine:
        for _ in range(3):
            with pytest.raises(OrderRefused):
                await engine.execute_trade(AnEdge(1, "0.47", 10), walker(60))
        assert await counted(rig) == [("closes_too_soon", "nothing", 1)]
        ((ticker, message, times),) = await rig.rows("SELECT ticker, message, times FROM parent_refusals")
        assert times == 3, "a parent counts once, however often it is asked for"
        assert f"market {ticker} closes in " in str(message)


async def test_what_the_kill_switch_refuses_is_kept_too(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine, PostgresStore(postgres) as store:
        await store.pull_switch("too windy", "a test")
        with pytest.raises(TradingStopped):
            await engine.execute_trade(AnEdge(1, "0.47", 10), walker(2))
        assert await counted(rig) == [("trading_stopped", "nothing", 1)]
        assert await rig.rows("SELECT message FROM parent_refusals") == [("too windy",)]


@pytest.mark.parametrize(
    ("why", "stop", "reason"),
    [
        ("the market is not open any more", "", "the market is not open any more"),
        ("refused 3 times: invalid_price off the grid", "", "repeated refusals"),
        ("insufficient_balance: 12 cents", "", "insufficient_balance"),
        ("insufficient_balance", "by hand", "insufficient_balance"),
        (TOO_DEAR, "", TOO_DEAR),
        ("internal error: ValueError: 1", "", "internal error"),
        (BUG, BUG, BUG),
        (STORE_AWAY, STORE_AWAY, STORE_AWAY),
        ("the market is odd", "the market is odd", None),
        ("filled", "by hand", None),
        ("time-out", "", None),
    ],
)
async def test_endings_that_nobody_asked_for_are_counted_as_the_core_has_them(
    why: str, stop: str, reason: str | None, postgres: str, tmp_path: Path
) -> None:
    state = replace(START, plan_reason=CONFIGURED, stop=stop, winding=why)
    assert gave_way(state) == (() if reason is None else (reason,))
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await engine.execute_trade(AnEdge(1, "0.47", 10), simple())
        ending, status = f"10.00 of 10.00 contracts; {why}", "cancelled" if why == stop else "completed"
        await rig.rows("UPDATE execution_state SET ending = %s, status = %s RETURNING 1", ending, status)
        assert await counted(rig) == ([] if reason is None else [(reason, "simple_limit", 1)])


async def test_a_refusal_that_cannot_be_kept_is_a_refusal_all_the_same(postgres: str, tmp_path: Path) -> None:
    async with (
        rigged(postgres, tmp_path) as rig,
        rig.shaky() as store,
        rig.engine(store=as_store(store)) as engine,
    ):
        store.fail = lambda name: "before" if name == "refused" else ""
        with pytest.raises(OrderRefused):
            await engine.execute_trade(AnEdge(1, "0.47", 0), walker(2))
        assert store.calls["refused"] == 1


async def test_troubles_are_those_of_the_last_minute() -> None:
    clock = SteppingClock()
    troubles = Troubles(clock)
    start = clock.now()
    troubles.note()
    await clock.sleep_until(Micros(start + TROUBLE_SPAN - 1))
    troubles.note(2)
    assert troubles.lately() == 3
    await clock.sleep_until(Micros(start + TROUBLE_SPAN))
    assert troubles.lately() == 2
