"""A rollout in the engine: arms assigned and kept, walkers ended when it stops, and the guard that stops it."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from tests.shell.arms import evidence, moved, parents
from tests.shell.rig import ME, AMethod, AnEdge, Moment, Rig, abandon, as_store, rests, rigged, walker

from depthwalker.core.execution import START
from depthwalker.core.replay import Replayed, replay
from depthwalker.core.rollout import SHARES, Arm, Move, Stage, bucket, read
from depthwalker.shell import warden
from depthwalker.shell.journal import StoreUnavailable
from depthwalker.shell.settings import HOSTS, trades_live
from depthwalker.shell.store import PostgresStore

ONE = next(edge for edge in range(1, 999) if bucket(str(edge)) < SHARES[Stage.TENTH])  # the walker's from 10 % on
OTHER = next(edge for edge in range(1, 999) if bucket(str(edge)) >= SHARES[Stage.FULL])  # control for good


def taking_part(seconds: float = 2) -> AMethod:
    return AMethod({**walker(seconds).execution_config, "rollout": True})


async def arms(rig: Rig) -> list[tuple[object, ...]]:
    return await rig.rows(
        "SELECT e.edge_id, e.arm, m.arm, e.algorithm, split_part(e.algorithm_reason, ';', 1) "
        "FROM execution_state e JOIN execution_metrics m USING (execution_id) ORDER BY e.execution_id"
    )


async def stands(rig: Rig) -> str:
    async with PostgresStore(rig.dsn) as store:
        return read(await store.rollout(ME)).stopped


async def test_before_it_begins_and_without_the_method_s_word_nothing_changes(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await engine.execute_trade(AnEdge(OTHER, "0.47", 5), taking_part())
        moved(postgres, ME, Stage.TENTH, 0)
        await engine.execute_trade(AnEdge(OTHER, "0.47", 5), walker(), request_key="no part of it")
        assert await arms(rig) == [(OTHER, None, None, "dynamic_depth_walker", "configured")] * 2


async def test_where_money_is_real_nobody_has_the_walker_before_it_begins(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout is of one account and database: under another name, or in a new one, it has not begun."""
    monkeypatch.setattr(warden, "trades_live", lambda _: True)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await engine.execute_trade(AnEdge(ONE, "0.47", 5), taking_part())
        await engine.execute_trade(AnEdge(ONE, "0.47", 5), walker(), request_key="no part of it")
        assert await arms(rig) == [
            (ONE, "control", "control", "simple_limit", "rollout: control"),
            (ONE, None, None, "dynamic_depth_walker", "configured"),
        ]


async def test_the_edge_decides_which_arm_a_parent_is_in_and_the_journal_says_so(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.TENTH, 0)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trades = [await engine.execute_trade(AnEdge(edge, "0.47", 5), taking_part()) for edge in (ONE, OTHER)]
        assert await arms(rig) == [
            (ONE, "walker", "walker", "dynamic_depth_walker", "configured"),
            (OTHER, "control", "control", "simple_limit", "rollout: control"),
        ]
        assert await rig.rows("SELECT * FROM execution_fallbacks") == [], "control runs as assigned"
        for trade in trades:
            assert isinstance(replay(await rig.journal(trade.execution_id)), Replayed)
            await rig.settled(trade, alone=False)
        async with PostgresStore(rig.dsn) as store:
            assert [one.arm for one in await store.assigned(ME, START.parent.started)] == [Arm.WALKER, Arm.CONTROL]


async def test_when_it_stops_every_worker_ends_its_walkers_and_leaves_control_alone(
    postgres: str, tmp_path: Path
) -> None:
    moved(postgres, ME, Stage.HALF, 0)
    async with rigged(postgres, tmp_path) as rig:
        first, second = Moment(), Moment()
        async with rig.engine(on_turn=first.when(rests)) as one, rig.engine(on_turn=second.when(rests)) as other:
            walking = asyncio.create_task(one.execute_trade(AnEdge(ONE, "0.45", 5), taking_part(60)))
            plain = asyncio.create_task(other.execute_trade(AnEdge(OTHER, "0.45", 5), taking_part(60)))
            await asyncio.gather(first.come(), second.come())
            moved(postgres, ME, Stage.HALF, 0, Move.STOP)
            ended = await walking
            assert (ended.result.status, ended.result.reason.split("; ")[-1]) == ("cancelled", "rollout stopped: test")
            await rig.settled(ended, alone=False)
            assert not plain.done()
            after = await one.execute_trade(AnEdge(ONE, "0.47", 5), taking_part(), request_key="later")
            assert after.quantity == Decimal(5)
            assert (await arms(rig))[-1] == (ONE, "control", "control", "simple_limit", "rollout: control")
            other.stop()
            await plain


async def test_nothing_unexpected_ends_the_watch(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.HALF, 0)
    resting, bugs = Moment(), 1

    def fail(call: str) -> str:
        nonlocal bugs
        if call == "rollout" and bugs and shaky.calls["begin"]:  # not what is read to assign its arm
            bugs -= 1
            raise ZeroDivisionError
        return ""

    async with rigged(postgres, tmp_path) as rig, rig.shaky() as shaky:
        shaky.fail = fail
        async with rig.engine(on_turn=resting.when(rests), store=as_store(shaky)) as engine:
            walking = asyncio.create_task(engine.execute_trade(AnEdge(ONE, "0.45", 5), taking_part(60)))
            await resting.come()
            moved(postgres, ME, Stage.HALF, 0, Move.STOP)
            assert (await walking).result.reason.endswith("rollout stopped: test")
        assert bugs == 0


async def test_a_walker_that_was_taken_up_from_a_dead_process_ends_too(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.HALF, 0)
    async with rigged(postgres, tmp_path) as rig:
        resting, again = Moment(), Moment()
        async with rig.engine(on_turn=resting.when(rests)) as first:
            call = asyncio.create_task(first.execute_trade(AnEdge(ONE, "0.45", 5), taking_part(60)))
            await resting.come()
            await abandon(first)
            await asyncio.gather(call, return_exceptions=True)
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        async with rig.engine(on_turn=again.when(rests)) as second:
            taken = asyncio.create_task(second.recover())
            await again.come()
            moved(postgres, ME, Stage.HALF, 0, Move.STOP)
            async with asyncio.timeout(10):
                (trade,) = (await taken).trades
            assert trade.result.reason.endswith("rollout stopped: test")
            await rig.settled(trade)


async def test_slippage_past_the_hard_limit_disables_the_walker_at_once(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.TENTH, 0)
    async with rigged(postgres, tmp_path) as rig, rig.engine({"guard_max_slippage_percent": "0.01"}) as engine:
        trade = await engine.execute_trade(AnEdge(ONE, "0.45", 5), taking_part(4))
        assert trade.quantity == Decimal(5)
        assert (await stands(rig)).endswith("is past the hard limit of 1.00 %")
        (_, (by, _, known)) = evidence(postgres, ME)
        assert by == "guard"
        assert known["walkers"] == 0, "none had a control's to be compared with"
        await engine.execute_trade(AnEdge(ONE, "0.45", 5), taking_part(4), request_key="later")
        assert len(evidence(postgres, ME)) == 2


async def test_a_broken_invariant_disables_it(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.TENTH, 0)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(OTHER, "0.47", 5), taking_part())
        assert await stands(rig) == ""
        await rig.rows("UPDATE child_orders SET price = 0.99 RETURNING 1")
        await engine._warden.ended(trade.execution_id, await rig.fold(trade.execution_id))
        await rig.rows("UPDATE child_orders SET price = 0.47 RETURNING 1")
        assert (await stands(rig)).startswith("an invariant is broken: number 2 in execution 1 (order 1-0 at 0.9900")


async def test_so_does_one_of_an_execution_that_takes_no_part(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(OTHER, "0.47", 5), walker())
        await rig.rows("UPDATE child_orders SET price = 0.99 RETURNING 1")
        state = await rig.fold(trade.execution_id)
        await engine._warden.ended(trade.execution_id, state)
        moved(postgres, ME, Stage.TENTH, 0)
        assert await stands(rig) == ""
        await engine._warden.ended(trade.execution_id, state)
        await rig.rows("UPDATE child_orders SET price = 0.47 RETURNING 1")
        assert (await stands(rig)).startswith("an invariant is broken: number 2 in execution 1")


async def test_three_worse_days_disable_it_and_good_ones_do_not(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await engine._warden.look()
        moved(postgres, ME, Stage.TENTH, 9)
        parents(postgres, ME, (5, 4), walker="5", control="1")
        parents(postgres, ME, (3,), walker="1", control="2")
        await engine._warden.look()
        assert await stands(rig) == ""
        parents(postgres, ME, (2, 1), walker="5", control="1")
        await engine._warden.look()
        assert await stands(rig) == "", "the days are reviewed once a day"
        parents(postgres, ME, (3,), walker="9", control="1")
        async with rig.engine() as later:
            await later._warden.look()
        assert (await stands(rig)).startswith("dearer than control on three days running")


async def test_a_store_that_does_not_answer_is_no_end_of_an_execution(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.TENTH, 0)
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as shaky, rig.engine(store=as_store(shaky)) as engine:
        trade = await engine.execute_trade(AnEdge(ONE, "0.47", 5), taking_part())
        state = await rig.fold(trade.execution_id)
        shaky.down = True
        await engine._warden.ended(trade.execution_id, state)
        try:
            await engine._warden.look()
        except StoreUnavailable:
            shaky.down = False
        assert await stands(rig) == ""


def test_only_the_demo_exchange_and_this_machine_are_paper() -> None:
    assert trades_live(HOSTS["prod"])
    assert trades_live("https://api.elections.kalshi.com/trade-api/v2")
    assert trades_live("https://EXTERNAL-API.kalshi.com")
    assert trades_live("https://demo.example.com/trade-api/v2")
    assert not trades_live(HOSTS["demo"])
    assert not trades_live("https://demo-api.kalshi.co/trade-api/v2")
    assert not trades_live("http://127.0.0.1:8000/trade-api/v2")
