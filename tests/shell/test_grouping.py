"""Order groups: one a worker and shard; who takes over cancels what a dead worker left and has refused what it still sends."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from tests.shell.rig import ME, TICKER, AnEdge, Moment, Rig, abandon, rests, rigged, simple

from depthwalker.core.units import SECOND
from depthwalker.shell import grouping
from depthwalker.shell.ports import HttpRequest

GROUPED: dict[str, object] = {"order_groups": True}
KEPT = "SELECT group_id, shard, worker, triggered_at IS NOT NULL FROM worker_groups ORDER BY made_at"


def groups(rig: Rig) -> dict[str, bool]:
    """Return the exchange's groups, and whether each is triggered."""
    return {group_id: kept.group.triggered for group_id, kept in rig.exchange.exchange.groups.items()}


def group_of_orders(rig: Rig) -> set[str]:
    ledger = rig.exchange.exchange.ledgers[ME]
    return {order.group for order in ledger.resting()}


async def test_every_order_belongs_to_a_group_that_the_database_knows_and_closing_deletes(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        resting = Moment()
        async with rig.engine(GROUPED, on_turn=resting.when(rests)) as engine:
            calls = [asyncio.create_task(engine.execute_trade(AnEdge(n, "0.45", 5), simple(3))) for n in (1, 2)]
            await resting.come()
            ((group, shard, _, triggered),) = await rig.rows(KEPT)
            assert (group_of_orders(rig), shard, triggered) == ({group}, 0, False)
            for trade in await asyncio.gather(*calls):
                await rig.settled(trade, alone=False)
            assert groups(rig) == {group: False}
        assert groups(rig) == {}
        assert await rig.rows(KEPT) == []


async def test_taking_over_cancels_what_the_dead_worker_left_and_buys_it_anew(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        resting = Moment()
        async with rig.engine(GROUPED, on_turn=resting.when(rests)) as first, rig.engine(GROUPED) as second:
            call = asyncio.create_task(
                first.execute_trade(AnEdge(1, "0.45", 5), simple(40, max_slippage_dollars="0.05"))
            )
            await resting.come()
            ((dead, _, _, _),) = await rig.rows(KEPT)
            await abandon(first)
            await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
            taking = asyncio.create_task(second.execute_trade(AnEdge(1, "0.45", 5), simple(40)))
            await asyncio.gather(call, return_exceptions=True)
            async with asyncio.timeout(10):
                while not groups(rig).get(str(dead)):  # noqa: ASYNC110 - nothing signals it
                    await asyncio.sleep(0.01)
            second.stop()
            trade = await taking
            await rig.settled(trade)
            assert trade.quantity == Decimal(0)
            assert [(group, triggered) for group, _, _, triggered in await rig.rows(KEPT) if group == dead] == [
                (dead, True)
            ]


async def test_a_trigger_that_is_not_answered_keeps_no_cancel_waiting(postgres: str, tmp_path: Path) -> None:
    resting, answered = Moment(), asyncio.Event()

    async def hold(request: HttpRequest) -> None:
        if request.path.endswith("/trigger"):
            await answered.wait()

    async with (
        rigged(postgres, tmp_path) as rig,
        rig.engine(GROUPED, on_turn=resting.when(rests)) as first,
        rig.engine(GROUPED) as second,
    ):
        call = asyncio.create_task(first.execute_trade(AnEdge(1, "0.45", 5), simple(40)))
        await resting.come()
        await abandon(first)
        await asyncio.gather(call, return_exceptions=True)
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        rig.wires[1].before = hold
        (trade,) = (await second.recover(wind_down=True)).trades
        assert "DELETE" in {request.method for request in rig.wires[1].sent}
        answered.set()
        await rig.settled(trade)


async def test_an_order_refused_for_its_group_is_placed_without_one(postgres: str, tmp_path: Path) -> None:
    """The exchange may trigger a group by itself; an execution goes on."""
    async with rigged(postgres, tmp_path) as rig, rig.engine(GROUPED) as engine:
        await engine.watch([TICKER])
        bought = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        assert bought.quantity == 5
        assert engine._groups is not None
        assert await engine._groups.trigger() == 1
        assert await engine._groups.trigger() == 0
        again = await engine.execute_trade(AnEdge(2, "0.47", 5), simple())
        await rig.settled(again, alone=False)
        third = await engine.execute_trade(AnEdge(3, "0.47", 5), simple())
        await rig.settled(third, alone=False)
        assert third.quantity == 5


async def test_the_group_of_a_live_engine_outlasts_others_however_long_it_idles(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "SIGN_OF_LIFE", SECOND)
    async with rigged(postgres, tmp_path) as rig, rig.engine(GROUPED) as idle:
        await idle.execute_trade(AnEdge(1, "0.47", 5), simple())
        ((group, _, _, _),) = await rig.rows(KEPT)
        await rig.rows(
            """
            UPDATE worker_groups
            SET made_at = made_at - interval '25 hours', used_at = used_at - interval '25 hours' RETURNING 1
            """
        )
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        await rig.shows("SELECT 1 FROM worker_groups WHERE used_at > made_at + interval '1 hour'")
        async with rig.engine(GROUPED):
            pass
        assert groups(rig) == {group: False}
        trade = await idle.execute_trade(AnEdge(2, "0.47", 5), simple())
        assert trade.quantity == 5


async def test_the_group_of_an_engine_that_died_long_ago_is_deleted(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine(GROUPED) as dead:
        await dead.execute_trade(AnEdge(1, "0.47", 5), simple())
        await rig.rows("UPDATE worker_groups SET used_at = used_at - interval '25 hours' RETURNING 1")
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        async with rig.engine(GROUPED):
            pass
        assert groups(rig) == {}


async def test_groups_nobody_needs_any_more_are_deleted_when_an_engine_closes(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        async with rig.engine(GROUPED) as engine:
            await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
            assert engine._groups is not None
            await engine._groups.trigger()
            await rig.rows("UPDATE worker_groups SET triggered_at = triggered_at - interval '2 minutes' RETURNING 1")
        assert groups(rig) == {}
        assert await rig.rows(KEPT) == []
