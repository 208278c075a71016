"""One execution at work: what it sees, what it sends when, and what it does not send any more."""

import asyncio
import itertools
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from tests.shell.rig import AnEdge, Moment, abandon, as_store, quiet, rests, rigged, sellers, simple, until, walker
from typing_extensions import override

from depthwalker.core.execution import State
from depthwalker.core.fact import Deferred
from depthwalker.core.units import SECOND
from depthwalker.core.view import View
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.paper import Options
from depthwalker.shell.ports import HttpRequest, HttpResponse


async def test_its_own_orders_are_not_in_the_book_it_sees(postgres: str, tmp_path: Path) -> None:
    seen: list[View] = []

    def keep(state: State, view: object) -> None:
        assert isinstance(view, View)
        if rests(state) and view.now < state.parent.started + 2 * SECOND:
            seen.append(view)

    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=keep) as engine:
        await asyncio.gather(
            engine.execute_trade(AnEdge(1, "0.45", 60), simple(3)),
            engine.execute_trade(AnEdge(2, "0.46", 60), simple(3)),
            engine.execute_trade(AnEdge(3, "0.52", 60, "no"), simple(3)),
        )
    assert len(seen) >= 3
    assert {(view.best_bid(), view.best_offer()) for view in seen} == {(4_400, 4_700), (5_300, 5_600)}


class Gated(Limiter):
    """A limiter whose budget for new orders is spent until `open` is set."""

    def hold(self) -> asyncio.Event:
        self._open = asyncio.Event()
        return self._open

    @override
    async def acquire(self, purpose: Purpose) -> None:
        if purpose is Purpose.ENTRY:
            await self._open.wait()
        await super().acquire(purpose)


@pytest.mark.parametrize("comes", [True, False], ids=["budget-comes", "budget-never-comes"])
async def test_an_order_that_waited_for_its_budget_is_not_sent_once_the_execution_winds_down(
    postgres: str, tmp_path: Path, comes: bool
) -> None:
    intended = Moment()
    async with (
        rigged(postgres, tmp_path) as rig,
        rig.engine(on_turn=intended.when(lambda state: bool(state.orders))) as engine,
    ):
        engine._conductor._limiter = gated = Gated(rig.clock, None, lambda: 0)
        gate = gated.hold()
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 60), simple(20)))
        await intended.come()
        engine.stop("enough")
        if comes:
            gate.set()
        trade = await call
        assert (trade.result.status, trade.quantity) == ("cancelled", Decimal(0))
        assert rig.exchange.requests["create"] == 0
        facts = await rig.journal(trade.execution_id)
        assert [fact.reason for fact in facts if isinstance(fact, Deferred)] == ["winding down"]
        await rig.settled(trade)


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_sent_while_its_intent_hangs_in_the_store(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:
        store.hang = asyncio.Event()
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 60), simple(20)))
        await until(lambda: bool(list((tmp_path / "spool").glob("*.jsonl"))))
        assert rig.exchange.requests["create"] == 0
        store.hang.set()
        trade = await call
        assert "the store is unavailable" in trade.result.reason
        assert rig.exchange.requests["create"] == 0
        await rig.settled(trade)


@pytest.mark.usefixtures("impatient")
async def test_a_cancellation_while_an_intent_is_written_sends_nothing(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:
        store.hang = asyncio.Event()
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 60), simple(20)))
        await until(lambda: bool(store.calls["append"]))
        (task,) = (task for task in asyncio.all_tasks() if task.get_name().startswith("execution "))
        task.cancel()
        store.hang.set()
        trade = await call
        assert trade.result.status == "cancelled"
        assert rig.exchange.requests["create"] == 0
        await rig.settled(trade)


async def test_a_full_disk_under_the_spool_does_not_keep_it_from_cancelling(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    (tmp_path / "spool").write_text("in the way")
    async with (
        rigged(postgres, tmp_path) as rig,
        rig.shaky() as store,
        rig.engine(store=as_store(store), on_turn=placed.when(rests)) as engine,
    ):
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
        await placed.come()
        store.down = True
        await until(lambda: not rig.exchange.resting("me"))
        store.down = False
        await rig.settled(await call)


async def test_a_worker_may_die_at_any_request_and_the_next_one_goes_on(postgres: str, tmp_path: Path) -> None:
    """Each worker dies before or after its own first, second or third request about orders; in the end all is right."""
    edge, method = AnEdge(1, "0.45", 60), walker(600)  # whatever the machine takes: no worker finds it at its end
    tape = quiet(*sellers(4_500, 1, *range(2, 80, 2)))
    plenty = Options(usage_tier="prime")  # seven workers in a moment, each with a budget that it believes its own
    async with rigged(postgres, tmp_path, tape, options=plenty) as rig:
        for nth, sent in ((1, False), (1, True), (2, False), (2, True), (3, False), (3, True)):
            async with rig.engine() as engine:
                dies = Moment()
                hook = partial(_stuck, nth, itertools.count(1), dies)
                if sent:
                    rig.wires[-1].after = hook
                else:
                    rig.wires[-1].before = hook
                call = asyncio.create_task(engine.execute_trade(edge, method))
                await dies.come()
                await abandon(engine)
                await asyncio.gather(call, return_exceptions=True)
            await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        rested = Moment()
        async with rig.engine(on_turn=rested.when(rests)) as last:
            call = asyncio.create_task(last.execute_trade(edge, method))
            await rested.come()
            (task,) = (task for task in asyncio.all_tasks() if task.get_name().startswith("execution "))
            task.cancel()
            trade = await call
        await rig.settled(trade)
        epochs = await rig.rows("SELECT max(epoch) FROM execution_leases")
        assert epochs == [(7,)]


async def _stuck(nth: int, count: "itertools.count[int]", dies: Moment, request: HttpRequest) -> None:
    if "portfolio" in request.path and next(count) == nth:
        dies.set()
        await asyncio.Event().wait()


async def test_more_filled_than_was_asked_for_is_booked_and_logged_as_an_error(
    postgres: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told(_: HttpRequest, answer: HttpResponse) -> HttpResponse:
        body = answer.body
        for key in (b"fill_count", b"fill_count_fp", b"count_fp"):  # the create's, the record's and the fill's
            body = body.replace(b'"%s":"5.00"' % key, b'"%s":"7.00"' % key)
        return replace(answer, body=body)

    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        rig.wires[0].told = told
        trade = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        assert trade.quantity == 7
        errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
        assert errors == ["execution 1: the exchange has filled 7.00 contracts, and only 5.00 were asked for"]
        assert await rig.rows("SELECT invariant, detail FROM broken_invariants") == [(1, "7.00 of 5.00 filled")]
        await rig.rows("UPDATE execution_state SET target_quantity = 7 RETURNING 1")  # what every test's end looks for
        await rig.rows("UPDATE split_orders SET quantity = 7 RETURNING 1")
