"""Workers share one queue: each parent is executed once, whoever dies, and what is stopped leaves the rest queued."""

import asyncio
import json
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import psycopg
import pytest
from tests.shell.command_line import FAST, SLOW, Venue, method, order, started, trading_at
from tests.shell.rig import (
    ME,
    AMarket,
    AnEdge,
    Moment,
    Rig,
    abandon,
    of_another_version,
    rests,
    rigged,
    simple,
    until,
    walker,
)

from depthwalker.core.execution import State
from depthwalker.core.units import Micros
from depthwalker.shell.api import DatabaseTrouble, InvalidEdge, NotExecuted, OrderRefused, Trade
from depthwalker.shell.cli import main
from depthwalker.shell.engine import Engine
from depthwalker.shell.job_queue import JobQueue, Standing, Taken
from depthwalker.shell.journal import StoreUnavailable, TradeRecord
from depthwalker.shell.ports import HttpRequest
from depthwalker.shell.postgres import schema_path
from depthwalker.shell.settings import HOSTS, Settings
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.ticket import read_job
from depthwalker.shell.worker import Worker

Ends = list[tuple[str, Trade | str]]


async def die(engine: Engine, worker: Worker, work: "asyncio.Task[None]") -> None:
    """End a worker and its engine's executions as the death of their process does: nothing is put back either."""
    abandoning = asyncio.create_task(abandon(engine))
    await asyncio.sleep(0)  # it has begun: no call that is cancelled now winds anything down
    for task in (work, *worker._held.values()):
        task.cancel()
    await asyncio.gather(abandoning, work, return_exceptions=True)


@asynccontextmanager
async def working(
    rig: Rig, slots: int = 4, on_turn: Callable[[State, object], None] | None = None
) -> AsyncIterator[tuple[Engine, Worker, Ends]]:
    """A worker in an engine of its own, not yet at work, and the ends that it tells."""
    ends: Ends = []

    def told(taken: Taken, end: Trade | str) -> None:
        ends.append((taken.request_key, end))

    async with rig.engine(on_turn=on_turn) as engine:
        assert engine.queue is not None
        yield engine, Worker(engine, engine.queue, rig.clock, engine.worker, slots, told), ends


async def let_all_leases_run_out(rig: Rig) -> None:
    await rig.rows("UPDATE execution_queue SET held_until = clock_timestamp() WHERE status = 'taken' RETURNING 1")
    await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")


async def test_what_is_queued_is_executed_once_by_any_of_the_workers(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        for _ in range(2):
            for number in range(1, 9):
                queued = await caller.submit(AnEdge(number, "0.47", 5), simple())
                assert (queued.standing, queued.execution_id) == ("queued", None)
        async with working(rig, slots=2) as (_, one, ends), working(rig, slots=3) as (_, other, more):
            await asyncio.gather(one.run(drain=True), other.run(drain=True))
        assert sorted(key for key, _ in (*ends, *more)) == [f"edge {n} method 1" for n in range(1, 9)]
        assert ends, "each has had its share"
        assert more
        for number in range(1, 9):
            trade = await caller.wait(f"edge {number} method 1")
            assert trade.quantity == Decimal(5)
            await rig.settled(trade, alone=False)
        assert rig.exchange.position(ME, "RIG-26-A") == 8 * 500
        assert await rig.rows("SELECT count(*) FROM queue_waiting") == [(0,)]
        again = await caller.submit(AnEdge(1, "0.47", 5), simple())
        assert (again.standing, again.execution_id) == ("done", (await caller.wait("edge 1 method 1")).execution_id)


async def test_a_trade_that_cannot_be_read_is_trouble_with_the_database(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_: PostgresStore, execution_id: int) -> TradeRecord | None:
        raise StoreUnavailable(f"execution {execution_id}: the database went away")

    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        queued = await caller.submit(AnEdge(1, "0.47", 5), simple())
        async with working(rig) as (_, worker, _):
            await worker.run(drain=True)
        with monkeypatch.context() as patched:
            patched.setattr(PostgresStore, "trade", gone)
            with pytest.raises(DatabaseTrouble, match="the database went away"):
                await caller.wait(queued.request_key)
        assert (await caller.wait(queued.request_key)).quantity == Decimal(5)


async def test_what_cannot_be_executed_is_told_with_the_reason(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        with pytest.raises(InvalidEdge, match="position_size"):
            await caller.submit(AnEdge(1, "0.47", 0.001), simple())
        await caller.submit(AnEdge(2, "0.47", 5, action="sell"), simple())
        await caller.submit(AnEdge(3, "0.47", 5), simple(), start_within=timedelta(0))
        await caller.submit(AnEdge(4, "0.47", 5, market=AMarket("NOWHERE", "NOWHERE")), simple())
        await caller.submit(AnEdge(cast("int", "five"), "0.47", 5), simple())
        async with working(rig) as (_, worker, ends):
            await asyncio.wait_for(worker.run(drain=True), 20)
        assert dict(ends)["edge 3 method 1"] == "late"
        for number, reason in (
            ("five", "refused: .*bigint.*: edge_id, .* must be of the types that the engine's own tables have"),
            (2, "refused: .*position"),
            (3, "late: it was not to begin"),
            (4, "refused: there is no market NOWHERE"),
        ):
            with pytest.raises(NotExecuted, match=reason):
                await caller.wait(f"edge {number} method 1")
        with pytest.raises(NotExecuted, match="not in the queue"):
            await caller.wait("nobody knows it")
        assert await caller.queued("nobody knows it") is None
        assert rig.own() == ()


async def test_what_the_database_does_not_hold_is_refused_and_not_asked_for_again_and_again(
    postgres: str, tmp_path: Path
) -> None:
    long = secrets.token_hex(8_000)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        with pytest.raises(InvalidEdge, match=r"index row .*: .*request_key shorter than 2,700 bytes"):
            await caller.execute_trade(AnEdge(1, "0.47", 5), simple(), request_key=long)
        with pytest.raises(InvalidEdge, match=r"index row .*: request_key must be shorter than 2,700 bytes"):
            await caller.submit(AnEdge(1, "0.47", 5), simple(), request_key=long)
        with pytest.raises(InvalidEdge, match="start_within a matter of years"):
            await caller.submit(AnEdge(1, "0.47", 5), simple(), start_within=timedelta.max)
        assert rig.own() == ()


async def test_a_key_under_which_another_order_is_queued_is_refused(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller, PostgresStore(postgres) as store:
        await caller.submit(AnEdge(1, "0.47", 5), simple(), request_key="k")
        assert (await caller.submit(AnEdge(2, "0.48", 5), simple(), request_key="k")).standing == "queued", "it moved"
        with pytest.raises(OrderRefused, match="names an earlier order, to buy yes of RIG-26-A: give another key"):
            await caller.submit(AnEdge(2, "0.47", 5, side="no"), simple(), request_key="k")
        elsewhere = store.queue("somebody else")
        with pytest.raises(OrderRefused, match=f"'k' is queued for account '{ME} "):
            await elsewhere.put(read_job(AnEdge(1, "0.47", 5), simple(), None, "k"), None)
        await rig.rows("UPDATE execution_queue SET job = job - 'ticket' WHERE request_id = 1 RETURNING 1")
        again = await caller.submit(AnEdge(2, "0.47", 5, side="no"), simple(), request_key="k")
        assert again.standing == "queued", "what another version queued cannot be compared"
        assert rig.own() == ()


async def test_what_a_dead_worker_held_another_one_sees_to_its_end(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        resting = Moment()
        await caller.submit(AnEdge(1, "0.45", 5), simple())
        await caller.submit(AnEdge(2, "0.47", 5), simple())
        async with working(rig, slots=1, on_turn=resting.when(rests)) as (engine, dying, _):
            work = asyncio.create_task(dying.run())
            await resting.come()
            await die(engine, dying, work)
            assert len(rig.exchange.resting(ME)) == 1
            await let_all_leases_run_out(rig)
            async with working(rig) as (second, heir, ends):
                work = asyncio.create_task(heir.run(drain=True))
                async with asyncio.timeout(15):
                    while "edge 2 method 1" not in dict(ends):  # noqa: ASYNC110 - nothing signals it
                        await asyncio.sleep(0.01)
                second.stop("enough")
                await work
            assert sorted(dict(ends)) == ["edge 1 method 1", "edge 2 method 1"]
            trade = await caller.wait("edge 1 method 1")
            assert trade.result.reason.endswith("enough")
            await rig.settled(trade, alone=False)
            assert await rig.rows("SELECT count(*) FROM execution_state") == [(2,)]


async def test_stopping_winds_down_what_runs_and_leaves_the_rest_queued(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        resting = Moment()
        for number in (1, 2):
            await caller.submit(AnEdge(number, "0.45", 5), simple(60))
        async with working(rig, slots=1, on_turn=resting.when(rests)) as (_, worker, ends):
            work = asyncio.create_task(worker.run())
            await resting.come()
            worker.stop()
            await work
        ((key, trade),) = ends
        assert key == "edge 1 method 1"
        assert isinstance(trade, Trade)
        assert trade.result.status == "cancelled"
        rest = await caller.queued("edge 2 method 1")
        assert rest is not None
        assert rest.standing == "queued"
        assert rig.exchange.resting(ME) == ()


@pytest.mark.parametrize(("action", "read"), [("buy", "/markets/"), ("sell", "/portfolio/positions")])
async def test_what_has_not_begun_when_its_worker_is_stopped_the_next_one_executes(
    postgres: str, tmp_path: Path, action: str, read: str
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        await caller.execute_trade(AnEdge(1, "0.47", 5), simple())
        await caller.submit(AnEdge(2, "0.47" if action == "buy" else "0.44", 5, action=action), simple())
        reading, answered = Moment(), asyncio.Event()

        async def hold(request: HttpRequest) -> None:
            if read in request.path:
                reading.set()
                await answered.wait()

        async with working(rig) as (_, stopped, ends):
            rig.wires[-1].before = hold
            work = asyncio.create_task(stopped.run())
            await reading.come()
            stopped.stop()
            answered.set()
            await work
        queued = await caller.queued("edge 2 method 1")
        assert queued is not None
        assert (queued.standing, queued.execution_id, ends) == ("queued", None, [])
        assert "the worker is stopping" in queued.message
        assert await rig.rows("SELECT count(*) FROM execution_state") == [(1,)]
        async with working(rig) as (_, heir, _):
            await heir.run(drain=True)
        assert (await caller.wait("edge 2 method 1")).quantity == Decimal(5)
        assert rig.exchange.position(ME, "RIG-26-A") == (1000 if action == "buy" else 0)


async def test_what_comes_from_the_queue_after_the_stop_is_put_back(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        await caller.submit(AnEdge(1, "0.47", 5), simple())
        async with await psycopg.AsyncConnection.connect(postgres) as other, working(rig) as (_, stopped, ends):
            await other.execute("LOCK TABLE execution_queue")
            work = asyncio.create_task(stopped.run())
            await rig.shows("SELECT 1 FROM pg_locks WHERE relation = 'execution_queue'::regclass AND NOT granted")
            stopped.stop()
            await other.commit()
            await work
        assert ends == []
        assert await rig.rows("SELECT status, message FROM execution_queue") == [("queued", "the worker is stopping")]
        assert await rig.rows("SELECT count(*) FROM execution_state") == [(0,)]


async def test_what_another_version_queued_is_put_back_for_it_and_the_rest_is_executed(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        for number in (1, 2):
            await caller.submit(AnEdge(number, "0.47", 5), simple())
        await rig.rows("UPDATE execution_queue SET job = job - 'ticket' WHERE request_id = 1 RETURNING 1")
        async with working(rig, slots=1) as (_, worker, ends):
            work = asyncio.create_task(worker.run())
            assert (await caller.wait("edge 2 method 1")).quantity == Decimal(5)
            worker.stop()
            await work
        assert "edge 1 method 1" not in dict(ends)
        ((status, message, pausing),) = await rig.rows(
            "SELECT status, message, not_before > submitted_at + interval '4 seconds' FROM execution_queue WHERE request_id = 1"
        )
        assert (status, pausing) == ("queued", True)
        assert "ticket" in str(message)


async def test_an_execution_that_another_version_wrote_is_left_to_it(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        resting = Moment()
        await caller.submit(AnEdge(1, "0.45", 5), simple(60))
        async with working(rig, on_turn=resting.when(rests)) as (engine, dying, _):
            work = asyncio.create_task(dying.run())
            await resting.come()
            await die(engine, dying, work)
        await let_all_leases_run_out(rig)
        async with of_another_version(rig, 1), working(rig) as (_, old, ends):
            work = asyncio.create_task(old.run())
            await rig.shows("SELECT 1 FROM execution_queue WHERE position('OfTomorrow' IN message) > 0")
            old.stop()
            await work
        assert ends == []
        assert await rig.rows("SELECT expires_at <= clock_timestamp() FROM execution_leases") == [(True,)]


async def test_a_stopped_market_of_the_kill_switch_puts_parents_back(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller, PostgresStore(postgres) as store:
        await caller.submit(AnEdge(1, "0.47", 5), simple())
        await store.pull_switch("rehearsal", "me")
        async with working(rig) as (_, worker, ends):
            work = asyncio.create_task(worker.run())
            await rig.shows("SELECT 1 FROM execution_queue WHERE status = 'queued' AND tries = 1")
            worker.stop()
            await work
        queued = await caller.queued("edge 1 method 1")
        assert queued is not None
        assert (queued.standing, ends) == ("queued", [])
        assert "trading is stopped (rehearsal)" in queued.message


async def test_a_pulled_switch_is_not_tried_with_every_parent_of_the_queue(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller, PostgresStore(postgres) as store:
        for number in range(1, 13):
            await caller.submit(AnEdge(number, "0.47", 5), simple())
        await store.pull_switch("rehearsal", "me")
        async with working(rig, slots=1) as (_, worker, ends):
            work = asyncio.create_task(worker.run())
            await rig.shows("SELECT 1 FROM execution_queue WHERE status = 'queued' AND tries = 1")
            await asyncio.sleep(0.5)
            assert await rig.rows("SELECT sum(tries)::int FROM execution_queue") == [(1,)]
            await store.release_switch("me")
            await until(lambda: len(ends) >= 11)
            worker.stop()
            await work


async def test_an_exchange_that_is_away_for_long_is_told_once_for_each_request(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("depthwalker.shell.worker.PAUSE", Micros(1_000))
    monkeypatch.setattr("depthwalker.shell.worker.LOOK_S", 0.01)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        await caller.submit(AnEdge(1, "0.47", 5), simple())
        await rig.exchange.stop()
        async with working(rig) as (_, worker, _):
            work = asyncio.create_task(worker.run())
            await rig.shows("SELECT 1 FROM execution_queue WHERE tries >= 4")
            worker.stop()
            await work
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len([one for one in told if one.startswith("request 1:")]) == 1


async def test_a_queue_that_is_away_for_long_is_told_once(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    async def away(*_: object) -> tuple[Taken, ...]:
        nonlocal asked
        asked += 1
        raise StoreUnavailable("pulled out")

    def unheard(_: JobQueue) -> object:
        raise StoreUnavailable("pulled out")

    monkeypatch.setattr("depthwalker.shell.worker.LOOK_S", 0.01)
    async with rigged(postgres, tmp_path) as rig, working(rig) as (_, worker, _):
        work = asyncio.create_task(worker.run())
        for wanted in (5, 10):
            with monkeypatch.context() as patched:
                patched.setattr(JobQueue, "take", away)
                patched.setattr(JobQueue, "listening", unheard)
                worker._awake.set()
                await until(lambda: asked >= wanted)  # noqa: B023 - waited for here
            await asyncio.sleep(0.1)
        worker.stop()
        await work
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert Counter(told) == {
        "the queue cannot be read (pulled out)": 2,
        "the queue cannot be listened to (pulled out)": 1,
    }


async def test_workers_with_nothing_to_take_do_not_wake_each_other(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    take = JobQueue.take

    async def counted(queue: JobQueue, worker: str, most: int, ttl: Micros) -> tuple[Taken, ...]:
        nonlocal asked
        asked += 1
        return await take(queue, worker, most, ttl)

    monkeypatch.setattr(JobQueue, "take", counted)
    async with rigged(postgres, tmp_path) as rig, working(rig) as (_, one, ends), working(rig) as (_, other, more):
        work = [asyncio.create_task(worker.run()) for worker in (one, other)]
        async with rig.engine() as caller:
            await caller.submit(AnEdge(1, "0.47", 5), simple())
            await until(lambda: bool(ends or more))
        await asyncio.sleep(0.2)
        before = asked
        await asyncio.sleep(1)
        assert asked - before <= 4, "each looks once a second"
        for worker in (one, other):
            worker.stop()
        await asyncio.gather(*work)


async def test_processes_together_walk_no_more_at_once_than_the_limit(postgres: str, tmp_path: Path) -> None:
    keys: dict[str, object] = {"max_concurrent": 1}
    async with rigged(postgres, tmp_path) as rig, rig.engine(keys) as one, rig.engine(keys) as other:
        trades = await asyncio.gather(
            *(
                engine.execute_trade(AnEdge(number, "0.45", 5), walker(12, interval=4))
                for number, engine in enumerate((one, other, one, other), start=1)
            )
        )
        reasons = {trade.execution_id: (await rig.fold(trade.execution_id)).plan_reason for trade in trades}
        first, *rest = sorted(reasons)
        assert reasons[first] == "configured"
        assert all("concurrency" in reasons[number] for number in rest)


async def test_what_has_not_begun_in_time_is_late_also_when_it_was_taken_before(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller, PostgresStore(postgres) as store:
        queue, now = store.queue(rig.settings().trading_account), Micros(0)
        await caller.execute_trade(AnEdge(1, "0.47", 5), simple())
        for number in (1, 2, 3):
            await caller.submit(AnEdge(number, "0.47", 5), simple(), start_within=timedelta(hours=1))
        first = await queue.take("a", 5, caller._settings.wind_down)
        assert [taken.late for taken in first] == [False, False, False]
        await queue.put_back("a", first[1].request_id, now, "trading is stopped")
        await let_all_leases_run_out(rig)
        await rig.rows("UPDATE execution_queue SET start_by = clock_timestamp() RETURNING 1")
        begun, put_back, left = await queue.take("b", 5, caller._settings.wind_down)
        assert (begun.late, put_back.late, left.late) == (False, True, True)


async def test_what_is_told_late_is_not_bought_by_the_worker_that_had_taken_it_before(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller:
        key = (await caller.submit(AnEdge(1, "0.47", 5), simple(), start_within=timedelta(hours=1))).request_key
        async with working(rig) as (_, stalled, _), working(rig) as (_, heir, more):
            admitting, goes_on = asyncio.Event(), asyncio.Event()

            async def stall(request: HttpRequest) -> None:
                if "/markets/" in request.path and not goes_on.is_set():
                    admitting.set()
                    await goes_on.wait()

            rig.wires[-2].before = stall  # the process sleeps, as its machine does, while it admits the parent
            first = asyncio.create_task(stalled.run())
            await asyncio.wait_for(admitting.wait(), 10)
            await let_all_leases_run_out(rig)
            await rig.rows("UPDATE execution_queue SET start_by = clock_timestamp() RETURNING 1")
            second = asyncio.create_task(heir.run())
            await rig.shows("SELECT 1 FROM execution_queue WHERE status = 'late'")
            await until(lambda: dict(more) == {key: "late"})
            with pytest.raises(NotExecuted, match="late"):
                await caller.wait(key)
            goes_on.set()
            await until(lambda: not stalled._held)
            heir.stop()
            stalled.stop()
            await asyncio.gather(first, second)
        assert rig.exchange.position(ME, "RIG-26-A") == 0, "its caller was told that it had not been executed"
        with pytest.raises(OrderRefused, match="was told as late, not executed: give another key"):
            await caller.execute_trade(AnEdge(1, "0.47", 5), simple(), request_key=key)


async def test_a_request_that_has_begun_meanwhile_is_not_turned_down(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller, PostgresStore(postgres) as store:
        await caller.submit(AnEdge(1, "0.47", 5), simple())
        queue: JobQueue = store.queue(rig.settings().trading_account)
        (taken,) = await queue.take("b", 5, caller._settings.wind_down)
        bought = await caller.execute_trade(AnEdge(1, "0.47", 5), simple())
        assert not await queue.turn_down("b", taken.request_id, Standing.LATE, "it was not to begin any more")
        assert not await queue.turn_down("a", taken.request_id, Standing.REFUSED, "not its own", unless_begun=False)
        await queue.put_back("b", taken.request_id, Micros(0), "it has begun meanwhile")
        async with working(rig) as (_, worker, ends):
            await worker.run(drain=True)
        assert ends == [(taken.request_key, bought)]


async def test_what_was_queued_before_the_account_was_named_otherwise_is_still_taken(
    postgres: str, tmp_path: Path
) -> None:
    now = Settings.of(base_url=HOSTS["prod"], account="main").trading_account
    async with rigged(postgres, tmp_path), PostgresStore(postgres) as store:
        job = read_job(AnEdge(1, "0.47", 5), simple(), None, "k")
        await store.queue(f"main {HOSTS['prod']}").put(job, None)  # as f369963 named it
    with psycopg.connect(postgres) as connection:
        connection.execute(schema_path().read_bytes())  # as the first engine of this version does
    async with PostgresStore(postgres) as store:
        again = await store.queue(now).put(job, None)
        assert again.standing.value == "queued", "the same call, repeated"
        assert await store.queue(now).take("w", 5, Micros(10**7)), "it waits for a worker"


async def test_a_lease_that_has_run_out_is_anybodys_and_what_ended_nobodys(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as caller, PostgresStore(postgres) as store:
        await caller.submit(AnEdge(1, "0.47", 5), simple())
        queue: JobQueue = store.queue(rig.settings().trading_account)
        (mine,) = await queue.take("a", 5, caller._settings.wind_down)
        assert await queue.take("b", 5, caller._settings.wind_down) == ()
        await queue.hold("a", [mine.request_id], caller._settings.wind_down)
        await let_all_leases_run_out(rig)
        (theirs,) = await queue.take("b", 5, caller._settings.wind_down)
        assert (theirs.tries, theirs.job(), theirs.late) == (2, mine.job(), False)
        await queue.put_back("a", mine.request_id, caller._settings.wind_down, "too late")
        found = await queue.find("edge 1 method 1")
        assert found is not None
        assert (found.standing.value, found.worker, await queue.waiting()) == ("taken", "b", 1)
        assert await store.queue("another account").take("c", 5, caller._settings.wind_down) == ()


# From the terminal


@pytest.fixture
def venue(tmp_path: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    with trading_at(tmp_path, monkeypatch, new_database()) as opened:
        assert main(["db", "load"]) == 0
        yield opened


def test_an_order_is_queued_from_the_terminal_and_a_worker_process_executes_it(
    venue: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = [*order(key="k1", method=method(tmp_path / "fast.json", FAST)), "--queue"]
    capsys.readouterr()
    assert main(fast) == 0
    assert capsys.readouterr().out == "queued, request key k1; `depthwalker worker` executes it\n"
    assert main([*fast, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"request_key": "k1", "standing": "queued", "execution_id": None}
    assert main([part.replace("=yes", "=no") for part in fast]) == 2
    assert "request key 'k1' names an earlier order" in capsys.readouterr().err
    assert main(["worker", "--drain", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["request_key"], told["trade"]["result"]["status"]) == ("k1", "completed")
    assert venue.resting() == 0
    assert main(fast) == 0
    assert capsys.readouterr().out == "done already, request key k1: execution 1; `depthwalker report 1` draws it\n"
    nowhere = [*order("NOWHERE-1", key="k2"), "--queue"]
    assert main(nowhere) == 0
    assert main(["worker", "--drain"]) == 0
    capsys.readouterr()
    assert main(nowhere) == 1
    assert "request key k2 is refused already: there is no market NOWHERE-1" in capsys.readouterr().err
    monkeypatch.delenv("DEPTHWALKER_KEY_ID")
    monkeypatch.delenv("DEPTHWALKER_KEY_FILE")
    assert main(["worker"]) == 2
    assert "no API key" in capsys.readouterr().err


def test_ctrl_c_stops_a_worker_and_nothing_of_it_rests(venue: Venue, tmp_path: Path) -> None:
    assert main([*order(method=method(tmp_path / "slow.json", SLOW), target="0.40"), "--queue"]) == 0
    with started(["worker"], "takes what is queued") as process:
        while not venue.resting():
            assert process.poll() is None
        process.send_signal(2)
        assert process.wait(20) == 130
    assert venue.resting() == 0
