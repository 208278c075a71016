"""The kill switch: pulled once, every worker cancels what rests and ends, and nothing new begins until it is released."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path

import pytest
from tests.shell.clocks import SteppingClock
from tests.shell.rig import ME, AnEdge, Moment, Rig, abandon, as_store, rests, rigged, simple, until

from depthwalker.core.units import SECOND
from depthwalker.shell.api import TradingStopped
from depthwalker.shell.journal import Pulled, StoreUnavailable
from depthwalker.shell.ports import HttpRequest
from depthwalker.shell.sentinel import LOOK, Sentinel
from depthwalker.shell.store import PostgresStore

GROUPED: dict[str, object] = {"order_groups": True}


async def pull(rig: Rig, reason: str = "the desk is on fire") -> None:
    async with PostgresStore(rig.dsn) as store:
        await store.pull_switch(reason, "me")


async def test_every_worker_cancels_what_rests_and_ends(postgres: str, tmp_path: Path) -> None:
    assert LOOK * 2 <= SECOND, "asked often enough to be obeyed within a second"
    async with rigged(postgres, tmp_path) as rig:
        one, other = Moment(), Moment()
        async with rig.engine(on_turn=one.when(rests)) as first, rig.engine(on_turn=other.when(rests)) as second:
            calls = [
                asyncio.create_task(engine.execute_trade(AnEdge(number, "0.45", 5), simple(60)))
                for number, engine in ((1, first), (2, second))
            ]
            await asyncio.gather(one.come(), other.come())
            await pull(rig)
            for trade in await asyncio.gather(*calls):
                assert (trade.result.status, trade.quantity) == ("cancelled", Decimal(0))
                assert trade.result.reason.endswith("kill switch: the desk is on fire")
                await rig.settled(trade, alone=False)
        assert rig.exchange.resting(ME) == ()


async def test_nothing_new_begins_until_it_is_released_and_what_has_ended_is_still_told(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        before = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        await pull(rig)
        orders = len(rig.own())
        for edge in (AnEdge(2, "0.47", 5), AnEdge(2, "0.47", 5, action="sell")):
            with pytest.raises(TradingStopped, match=r"the desk is on fire.*depthwalker stop --release"):
                await engine.execute_trade(edge, simple(1))
        assert len(rig.own()) == orders
        assert await engine.execute_trade(AnEdge(1, "0.47", 5), simple()) == before
        async with PostgresStore(rig.dsn) as released:
            assert await released.release_switch("me")
        await engine._sentinel.look()
        after = await engine.execute_trade(AnEdge(2, "0.47", 5), simple())
        assert after.quantity == Decimal(5)


async def test_while_it_is_pulled_nothing_is_read_made_or_kept_for_what_may_not_begin(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine(GROUPED) as engine:
        await pull(rig)
        await engine._sentinel.look()
        sent = len(rig.wires[0].sent)
        with pytest.raises(TradingStopped, match="the desk is on fire"):
            await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        asked = [request.path for request in rig.wires[0].sent[sent:]]
        # What the engine reads of the exchange and the account, whenever it comes to it, is for nobody's parent.
        assert [path for path in asked if "/exchange/" not in path and "/account/" not in path] == []
        assert await rig.rows("SELECT count(*) FROM order_book_snapshots") == [(0,)]
        assert await rig.rows("SELECT count(*) FROM worker_groups") == [(0,)]


async def test_what_had_not_begun_when_it_was_pulled_is_refused_and_its_key_is_free(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        reading, answered = Moment(), asyncio.Event()

        async def hold(request: HttpRequest) -> None:
            if "/markets/" in request.path:
                reading.set()
                await answered.wait()

        rig.wires[0].before = hold
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 5), simple()))
        await reading.come()
        await pull(rig)
        await engine._sentinel.look()
        answered.set()
        with pytest.raises(TradingStopped, match=r"\(the desk is on fire\)"):
            await call
        assert await rig.rows("SELECT count(*) FROM execution_state") == [(0,)]


async def test_nothing_unexpected_ends_the_watch(postgres: str, tmp_path: Path) -> None:
    resting, bugs = Moment(), 1

    def fail(call: str) -> str:
        nonlocal bugs
        if call == "switch" and bugs:
            bugs -= 1
            raise ZeroDivisionError
        return ""

    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        store.fail = fail
        async with rig.engine(on_turn=resting.when(rests), store=as_store(store)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 5), simple(60)))
            await resting.come()
            await pull(rig)
            assert (await call).result.reason.endswith("kill switch: the desk is on fire")
        assert bugs == 0


async def test_a_stop_that_comes_while_the_released_switch_is_read_again_is_obeyed(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:

        def meanwhile(call: str) -> str:
            if call == "recent_slippages":  # the last that is read before the switch is
                engine._sentinel.pulled = Pulled(1, "it was released since", "me", rig.clock.now())
            elif call == "switch" and store.calls["recent_slippages"]:
                store.fail = lambda _: ""
                engine.stop("by hand")
            return ""

        store.fail = meanwhile
        trade = await engine.execute_trade(AnEdge(1, "0.45", 5), simple(60))
        assert trade.result.reason.endswith("by hand")
        await rig.settled(trade)


async def test_the_order_groups_of_the_worker_are_triggered_and_later_orders_have_new_ones(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        resting = Moment()
        async with rig.engine(GROUPED, on_turn=resting.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 5), simple(60)))
            await resting.come()
            await pull(rig)
            await rig.settled(await call)
            ((group, triggered),) = await rig.rows("SELECT group_id, triggered_at IS NOT NULL FROM worker_groups")
            assert triggered
            assert rig.exchange.exchange.groups[str(group)].group.triggered
            async with PostgresStore(rig.dsn) as store:
                await store.release_switch("me")
            again = await engine.execute_trade(AnEdge(2, "0.47", 5), simple())
            assert again.quantity == Decimal(5)
            ((later, _), *_) = await rig.rows(
                "SELECT group_id, made_at FROM worker_groups WHERE triggered_at IS NULL ORDER BY made_at"
            )
            assert later != group


async def test_what_a_dead_worker_left_is_taken_up_only_to_end_it(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        resting = Moment()
        async with rig.engine(on_turn=resting.when(rests)) as first:
            call = asyncio.create_task(first.execute_trade(AnEdge(1, "0.45", 5), simple(60)))
            await resting.come()
            await abandon(first)
            await asyncio.gather(call, return_exceptions=True)
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        await pull(rig)
        async with rig.engine() as second:
            (trade,) = (await second.recover()).trades
            assert trade.result.status == "cancelled"
            await rig.settled(trade)


async def test_a_database_that_is_away_for_long_is_told_once(
    postgres: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def looks(more: int) -> None:
        enough = store.calls["switch"] + more
        await until(lambda: store.calls["switch"] >= enough)

    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)):
        for _ in range(2):
            store.down = True
            await looks(5)
            store.down = False
            await looks(2)
    told = [one for one in caplog.records if "kill switch cannot be read" in one.getMessage()]
    assert len([one for one in told if one.levelno >= logging.WARNING]) == 2


async def test_a_pull_is_obeyed_once_also_where_the_database_was_away_before(postgres: str, tmp_path: Path) -> None:
    asked: list[str] = []
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as shaky, PostgresStore(postgres) as store:
        sentinel = Sentinel(as_store(shaky), SteppingClock(), None, asked.append)
        await sentinel.look()
        assert (asked, await sentinel.ends()) == ([], "")
        await store.pull_switch("one", "me")
        shaky.down = True
        with pytest.raises(StoreUnavailable):
            await sentinel.look()
        shaky.down = False
        await sentinel.look()
        await sentinel.look()
        assert asked == ["kill switch: one"]
        shaky.down = True
        assert await sentinel.ends() == "kill switch: one", "as far as it knows"
        shaky.down = False
        await store.release_switch("me")
        assert await sentinel.ends() == ""
        await store.pull_switch("two", "me")
        await sentinel.look()
        assert asked == ["kill switch: one", "kill switch: two"]


async def test_the_switch_is_pulled_once_and_its_history_kept(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        assert await store.switch() is None
        assert not await store.release_switch("me")
        first = await store.pull_switch("one", "me")
        assert await store.pull_switch("two", "you") == first == await store.switch()
        assert (first.reason, first.by) == ("one", "me")
        assert await store.release_switch("you")
        assert await store.switch() is None
        second = await store.pull_switch("two", "you")
        assert second.pull_id > first.pull_id
