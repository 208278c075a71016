"""The engine end to end: what a caller asks for, what the exchange's books then say, and that both agree with every row."""

import asyncio
import json
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from tests.shell.rig import (
    ME,
    PAGE,
    TICKER,
    AMarket,
    AMethod,
    AnEdge,
    Hurried,
    Moment,
    abandon,
    as_store,
    ladder,
    once_fast,
    quiet,
    rests,
    rigged,
    simple,
    until,
    walker,
)
from typing_extensions import override

from depthwalker.core.book import Leg
from depthwalker.core.execution import State
from depthwalker.core.parent import RefusalKind
from depthwalker.core.replay import Difference, replay
from depthwalker.core.siblings import AGAINST
from depthwalker.core.story import tell
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import SECOND, Micros, Money
from depthwalker.shell import pool
from depthwalker.shell.api import (
    DatabaseTrouble,
    EngineClosed,
    ExchangeTrouble,
    InvalidEdge,
    InvalidMethod,
    OrderRefused,
    Unresolved,
)
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.feed import FEES_INTERVAL
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.paper import Delayed, Options
from depthwalker.shell.ports import HttpRequest, HttpResponse
from depthwalker.shell.postgres import schema_marking
from depthwalker.shell.signing import Signer

GRIDS = dict(STRUCTURES)


# What is bought and sold


@pytest.mark.parametrize(
    ("side", "target"),
    [pytest.param("yes", "0.47", id="yes"), pytest.param("no", "0.56", id="no")],
)
async def test_a_plain_limit_order_buys_and_sells_what_is_offered(
    postgres: str, tmp_path: Path, side: str, target: str
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        bought = await engine.execute_trade(AnEdge(1, target, 60, side), simple())
        assert (bought.quantity, bought.price, bought.result.status) == (Decimal(60), Decimal(target), "completed")
        await rig.settled(bought)
        low = "0.44" if side == "yes" else "0.53"
        sold = await engine.execute_trade(AnEdge(2, low, "12.34", side, "sell"), simple())
        assert (sold.quantity, sold.price, sold.action) == (Decimal("12.34"), Decimal(low), "sell")
        await rig.settled(sold, alone=False)
        held = rig.exchange.position("me", TICKER)
        assert abs(held) == 6000 - 1234


async def test_an_end_that_the_journal_refuses_is_no_trouble_before_anything_was_bought(
    postgres: str, tmp_path: Path
) -> None:
    """DatabaseTrouble says that this call has begun nothing: whoever believes it orders again, under another key."""
    async with (
        rigged(postgres, tmp_path) as rig,
        rig.engine() as engine,
        await psycopg.AsyncConnection.connect(postgres, autocommit=True) as sql,
    ):
        await sql.execute("ALTER TABLE execution_metrics ADD CONSTRAINT refusing CHECK (filled_quantity = 0)")
        with pytest.raises(Unresolved, match="its journal refuses how it ended") as told:
            await engine.execute_trade(AnEdge(1, "0.47", 10), simple())
        assert (told.value.filled_at_least, told.value.filled_at_most) == (Decimal(10), Decimal(10))
        await sql.execute("ALTER TABLE execution_metrics DROP CONSTRAINT refusing")
        trade = await engine.execute_trade(AnEdge(1, "0.47", 10), simple())
        assert trade.quantity == Decimal(10)
        await rig.settled(trade)


async def test_a_trade_that_the_engines_table_refuses_is_told(
    postgres: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as sql:
            await sql.execute("ALTER TABLE trades ADD CONSTRAINT too_small CHECK (quantity > 1000)")
        bought = await engine.execute_trade(AnEdge(1, "0.47", 60), simple())
        assert bought.quantity == Decimal(60)
        assert "execution 1: the table trades refuses its row" in caplog.text
        assert "too_small" in caplog.text


@pytest.mark.parametrize("count", ["0.01", 12.34, Decimal("12.34"), 7])
async def test_counts_are_exact_to_a_hundredth_whatever_they_come_as(
    postgres: str, tmp_path: Path, count: Decimal | float | str
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(1, 0.47, count), simple())
        assert trade.quantity == Decimal(str(count))
        await rig.settled(trade)


async def test_the_walker_splits_walks_and_takes_the_rest(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.45", 60), walker(3))
        state = await rig.settled(trade)
        assert trade.quantity == 60
        assert len(state.splits) == 2
        assert trade.result.total_walks >= 2
        assert trade.result.algorithm == "dynamic_depth_walker"
        history = await rig.rows("SELECT walk_count FROM split_orders ORDER BY level")
        assert sum(int(str(count)) for (count,) in history) == trade.result.total_walks


async def test_a_resting_order_is_filled_by_those_who_come_to_it(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        running = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), simple(60)))
        await placed.come()
        rig.sell(4_500, 25, 25, 25)
        trade = await running
        state = await rig.settled(trade)
        assert trade.quantity == 60
        assert trade.price == Decimal("0.45")
        assert {len(order.trades) for order in state.orders} == {3}


def _dear(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Have every series charge twice its fees."""
    if "/series/" not in request.path:
        return answer
    series = {**json.loads(answer.body)["series"], "fee_multiplier": 2}
    return HttpResponse(answer.status, answer.headers, json.dumps({"series": series}).encode())


async def test_the_most_that_a_contract_may_cost_includes_the_fees_of_now(postgres: str, tmp_path: Path) -> None:
    """Nobody tells an engine without a websocket that they have changed since its first execution in the market."""
    clock = Hurried(3)
    async with rigged(postgres, tmp_path, clock=clock) as rig, rig.engine() as engine:
        capped = simple(1, max_cost_per_contract="0.49")
        before = await rig.settled(await engine.execute_trade(AnEdge(1, "0.47", 5), capped))
        rig.wires[0].told = _dear
        clock.leap(FEES_INTERVAL)
        after = await rig.settled(await engine.execute_trade(AnEdge(2, "0.47", 5), capped), alone=False)
        assert (before.parent.cap, after.parent.cap) == (4_700, 4_500)


async def test_fees_that_cannot_be_read_are_no_ground_for_a_cost(postgres: str, tmp_path: Path) -> None:
    clock = Hurried(3)
    async with rigged(postgres, tmp_path, clock=clock) as rig, rig.engine() as engine:
        await engine.watch([TICKER])
        clock.leap(FEES_INTERVAL)
        rig.exchange.faults.add("event", PAGE)
        with pytest.raises(ExchangeTrouble):
            await engine.execute_trade(AnEdge(1, "0.47", 5), simple(max_cost_per_contract="0.49"))
        assert rig.exchange.requests["create"] == 0


async def test_the_specifications_flow_places_at_least_two_splits(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.48", 100), walker(2, policy="spec"))
        state = await rig.settled(trade)
        assert len({order.key.split for order in state.orders}) >= 2
        assert [part.count for part in state.splits] == [6000, 4000]


@pytest.mark.parametrize("name", ["tapered_deci_cent", "deci_cent"])
async def test_the_edge_of_a_finer_grid_is_traded_at_its_own_prices(postgres: str, tmp_path: Path, name: str) -> None:
    tape = quiet(yes=ladder(420, 10, (200, 300)), no=ladder(9_530, 10, (200, 300)), grid=GRIDS[name])
    async with rigged(postgres, tmp_path, tape) as rig, rig.engine() as engine:
        method = walker(60, base_increment="0.001", aggressive_increment="0.001")  # it ends once it is filled
        trade = await engine.execute_trade(AnEdge(1, "0.0445", 50), method)
        await rig.settled(trade)
        assert trade.quantity == 50
        assert trade.price is not None
        assert trade.price <= Decimal("0.047")


@pytest.mark.parametrize("empty", ["yes", "no", "both"])
async def test_an_empty_side_is_a_case_and_no_error(postgres: str, tmp_path: Path, empty: str) -> None:
    tape = quiet(
        yes=() if empty in {"yes", "both"} else ladder(4_400, 100, (200,)),
        no=() if empty in {"no", "both"} else ladder(5_300, 100, (200,)),
    )
    async with rigged(postgres, tmp_path, tape) as rig, rig.engine() as engine:
        one, two = await asyncio.gather(
            engine.execute_trade(AnEdge(1, "0.45", 60), walker(1)),
            engine.execute_trade(AnEdge(2, "0.45", 60), simple(1)),
        )
        for trade in (one, two):
            await rig.settled(trade, alone=False)
            assert trade.result.status in {"completed", "failed"}
        assert rig.exchange.position("me", TICKER) == (one.quantity + two.quantity) * 100


async def test_nothing_filled_is_failed_and_has_a_trade_row_all_the_same(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.30", 60), simple(1))
        await rig.settled(trade)
        assert (trade.quantity, trade.price, trade.slippage_percent) == (Decimal(0), None, None)
        assert trade.result.status == "failed"
        assert "time-out" in trade.result.reason


# An order of the account's own in the way


@pytest.mark.parametrize(
    ("side", "action", "target", "method"),
    [
        pytest.param("no", "buy", "0.56", simple(60), id="buying NO, by taking"),
        pytest.param("yes", "sell", "0.44", simple(60), id="selling YES, by taking"),
        pytest.param("no", "buy", "0.55", simple(60), id="buying NO, at rest"),
        pytest.param("no", "buy", "0.56", walker(60, policy="spec"), id="buying NO, by walking"),
        pytest.param("yes", "sell", "0.44", walker(60, policy="spec"), id="selling YES, by walking"),
    ],
)
async def test_what_would_meet_the_accounts_own_order_waits_until_that_has_gone(
    postgres: str, tmp_path: Path, side: str, action: str, target: str, method: AMethod
) -> None:
    """Others bid 44, we ourselves 45: who sells at 44 meets our own order first, and the exchange cancels his."""
    waits = Moment()
    opposed = waits.when(lambda state: any(part.held == AGAINST for part in state.splits))
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=opposed) as engine:
        if action == "sell":
            await rig.settled(await engine.execute_trade(AnEdge(1, "0.47", 20), simple()))
        resting = asyncio.create_task(engine.execute_trade(AnEdge(2, "0.45", 20), simple(60)))
        await until(lambda: bool(rig.exchange.resting(ME)))
        calls = len(rig.wires[0].sent)
        opposing = asyncio.create_task(engine.execute_trade(AnEdge(3, target, 20, side, action), method))
        await waits.come()
        await asyncio.sleep(1)  # three seconds of the exchange's
        assert {request.method for request in rig.wires[0].sent[calls:]} <= {"GET"}, "nothing goes out in vain"
        rig.sell(4_500, 20)
        bought = await resting
        assert bought.quantity == Decimal(20)
        await rig.settled(bought, alone=False)
        if target == "0.55":
            await until(lambda: any(record.leg is Leg.NO for record in rig.exchange.resting(ME)))
            rig.buy(4_500, 20)
        done = await opposing
        state = await rig.settled(done, alone=False)
        assert done.quantity == Decimal(20)
        assert AGAINST in [one.reason for one in tell(await rig.journal(done.execution_id)).decisions]
        # A book that was asked for before ours had gone still shows it, as anybody's: what takes that takes nothing, once.
        assert len(state.orders) <= len(state.splits) + 1
        assert not isinstance(replay(await rig.journal(done.execution_id)), Difference)


async def test_what_others_bid_before_the_accounts_own_order_is_sold_to_all_the_same(
    postgres: str, tmp_path: Path
) -> None:
    """Others bid for 200 at 44 and ours came after them: a sale to them does not meet it, and is not held up."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await rig.settled(await engine.execute_trade(AnEdge(1, "0.47", 20), simple()))
        resting = asyncio.create_task(engine.execute_trade(AnEdge(2, "0.44", 20), simple(60)))
        await until(lambda: bool(rig.exchange.resting(ME)))
        sold = await engine.execute_trade(AnEdge(3, "0.44", 20, "yes", "sell"), simple(9))
        await rig.settled(sold, alone=False)
        assert sold.quantity == Decimal(20)
        assert rig.exchange.resting(ME), "and ours still waits"
        rig.sell(4_400, 200)
        assert (await resting).quantity == Decimal(20)


async def test_two_that_hold_each_other_up_at_the_end_both_take_from_others(postgres: str, tmp_path: Path) -> None:
    """Both rest inside 44 and 47, and both want to take at once: each order would meet the other's that is at rest."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        one, two = await asyncio.gather(
            engine.execute_trade(AnEdge(1, "0.45", 20), walker(20, split_ratios=[1.0])),
            engine.execute_trade(AnEdge(2, "0.54", 20, "no"), walker(20, split_ratios=[1.0])),
        )
        for trade in (one, two):
            await rig.settled(trade, alone=False)
            assert trade.quantity == Decimal(20)


async def test_two_that_start_at_once_against_each_other_both_end(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trades = await asyncio.gather(
            engine.execute_trade(AnEdge(1, "0.46", 20), walker(6)),
            engine.execute_trade(AnEdge(2, "0.55", 20, "no"), walker(6)),
            engine.execute_trade(AnEdge(3, "0.45", 20), simple(6)),
            engine.execute_trade(AnEdge(4, "0.56", 20, "no"), simple(6)),
        )
        for trade in trades:
            state = await rig.settled(trade, alone=False)
            assert state.calls <= 20


# Never twice


async def test_calling_again_never_buys_twice(postgres: str, tmp_path: Path) -> None:
    edge, method = AnEdge(1, "0.45", 60), walker(2)
    async with rigged(postgres, tmp_path) as rig:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as engine, rig.engine() as other:
            running = asyncio.create_task(engine.execute_trade(edge, method))
            again = asyncio.create_task(engine.execute_trade(edge, method))
            await placed.come()
            elsewhere = asyncio.create_task(other.execute_trade(edge, method))
            first, second, third = await asyncio.gather(running, again, elsewhere)
            fourth = await engine.execute_trade(edge, method)
            fifth = await other.execute_trade(edge, method)
        assert first == second == third == fourth == fifth
        state = await rig.settled(first)
        assert len(rig.own()) == len([order for order in state.orders if order.order_id])
        async with rig.engine() as later:
            assert await later.execute_trade(edge, method) == first


async def test_two_engines_that_start_at_once_run_one_execution(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as one, rig.engine() as two:
        calls = [engine.execute_trade(AnEdge(1, "0.47", 60), simple()) for engine in (one, two, one, two)]
        trades = await asyncio.gather(*calls)
        assert len(set(trades)) == 1
        await rig.settled(trades[0])


async def test_a_request_key_of_the_callers_own_names_the_execution(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        one = await engine.execute_trade(AnEdge(1, "0.47", 10), simple(), request_key="a")
        two = await engine.execute_trade(AnEdge(1, "0.47", 10), simple(), request_key="b")
        assert await engine.execute_trade(AnEdge(9, "0.47", 99), simple(), request_key="a") == one
        assert one.execution_id != two.execution_id
        assert rig.exchange.position("me", TICKER) == 2000


@pytest.mark.parametrize("ended", [False, True], ids=["under way", "ended"])
async def test_the_key_of_an_order_elsewhere_or_in_another_direction_is_refused_and_its_trade_kept_from_the_caller(
    postgres: str, tmp_path: Path, ended: bool
) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as one, rig.engine() as two:
        call = asyncio.create_task(one.execute_trade(AnEdge(1, "0.43", 60), simple(6), request_key="a"))
        await placed.come()
        if ended:
            one.stop()
            await call
        for engine in (one, two):
            for other in (AnEdge(1, "0.43", 60, side="no"), AnEdge(1, "0.43", 60, market=AMarket("X", "X"))):
                with pytest.raises(OrderRefused, match="earlier order, to buy yes of RIG-26-A") as refused:
                    await engine.execute_trade(other, simple(6), request_key="a")
                assert refused.value.refusal.kind is RefusalKind.KEY_TAKEN
        assert await two.execute_trade(AnEdge(1, "0.44", 9), simple(6), request_key="a") == await call


# Stopping


async def test_cancelling_the_call_winds_down_and_a_second_call_tells_how_it_ended(
    postgres: str, tmp_path: Path
) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), simple(30)))
        await placed.come()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        trade = await engine.execute_trade(AnEdge(1, "0.43", 60), simple(30))
        assert trade.result.status == "cancelled"
        assert "the call was cancelled" in trade.result.reason
        await rig.settled(trade)


async def test_one_of_several_callers_may_leave_without_stopping_the_others(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        leaves, stays = (asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), simple(60))) for _ in range(2))
        await placed.come()
        leaves.cancel()
        rig.sell(4_300, 900)
        trade = await stays
        assert leaves.cancelled()
        assert trade.result.status == "completed"
        assert trade.quantity == 60
        await rig.settled(trade)


@pytest.mark.parametrize("way", ["stop", "close"])
async def test_stopping_and_closing_cancel_what_rests_and_confirm_it(postgres: str, tmp_path: Path, way: str) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as engine:
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), walker(30)))
        await placed.come()
        if way == "stop":
            assert engine.stop() == 1
        else:
            await engine.close()
            assert call.done() or not rig.exchange.resting("me")
            with pytest.raises(EngineClosed):
                await engine.execute_trade(AnEdge(2), simple())
            with pytest.raises(EngineClosed):
                await engine.watch([TICKER])
        trade = await call
        assert trade.result.status == "cancelled"
        await rig.settled(trade)


async def test_each_read_is_paid_for_once_whoever_asks_the_market_its_fees_the_book_trades_and_orders(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid: list[str] = []

    class Counting(Limiter):
        @override
        async def meter(self, kind: str) -> None:
            await super().meter(kind)
            paid.append(kind)

    monkeypatch.setattr("depthwalker.shell.engine.Limiter", Counting)
    writing = {"create", "amend", "cancel"}
    async with rigged(postgres, tmp_path) as rig:
        async with rig.engine({"order_groups": False}) as engine:
            await engine.execute_trade(AnEdge(1, "0.47", 60), walker(2))
        reads = {kind: count for kind, count in rig.exchange.requests.items() if kind not in writing}
    assert len(paid) == sum(reads.values())
    assert min(reads[kind] for kind in ("market", "event", "series", "book", "trades")) > 0


async def test_what_is_stopped_before_it_has_begun_never_begins_and_its_key_is_free(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        rig.exchange.faults.add("book", Delayed(Micros(SECOND // 2)))
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 60), simple()))
        await asyncio.sleep(0)
        engine.stop("no more")
        with pytest.raises(EngineClosed, match=r"before it began \(no more\)"):
            await call
        assert rig.exchange.requests["create"] == 0
        trade = await engine.execute_trade(AnEdge(1, "0.47", 60), simple())
        assert (trade.result.status, trade.quantity) == ("completed", Decimal(60))


async def test_a_call_that_only_waits_for_another_worker_leaves_when_it_is_stopped(
    postgres: str, tmp_path: Path
) -> None:
    """It cannot cancel what another process has at rest, and waited until the end of that, up to the time-out."""
    placed = Moment()
    edge, method = AnEdge(1, "0.43", 60), simple(30)
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as runs:
        running = asyncio.create_task(runs.execute_trade(edge, method))
        await placed.come()
        async with rig.engine() as waits:
            waiting = asyncio.create_task(waits.execute_trade(edge, method))
            await until(lambda: any(conduct.execution_id for conduct in waits._conducts.values()))
            assert waits.stop("enough") == 1
            async with asyncio.timeout(5):
                with pytest.raises(Unresolved, match=r"\(enough, and it goes on in another worker\): 0.00 to 60.00"):
                    await waiting
        assert rig.exchange.resting("me")
        runs.stop()
        await rig.settled(await running)


async def test_an_engine_that_only_waits_for_another_one_closes_at_once(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    edge, method = AnEdge(1, "0.43", 60), simple(30)
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as runs:
        running = asyncio.create_task(runs.execute_trade(edge, method))
        await placed.come()
        async with rig.engine() as waits:
            waiting = asyncio.create_task(waits.execute_trade(edge, method))
            await asyncio.sleep(0)
            async with asyncio.timeout(5):
                await waits.close()
            with pytest.raises(Unresolved, match="goes on in another worker"):
                await waiting
        assert rig.exchange.resting("me")
        runs.stop()
        await rig.settled(await running)


async def test_an_amend_that_is_being_signed_as_it_is_stopped_keeps_no_cancel_waiting(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing, signed = asyncio.Event(), asyncio.Event()
    real = Signer.sign_aside

    async def slowly(self: Signer, method: str, path: str, now: Micros) -> object:
        if path.endswith("/amend"):  # as an RSA key in a busy thread
            signing.set()
            await signed.wait()
        return await real(self, method, path, now)

    monkeypatch.setattr(Signer, "sign_aside", slowly)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), walker(120, interval=1)))
        await asyncio.wait_for(signing.wait(), 20)
        purse = engine._limiter._write
        purse._paused_until = Micros(rig.clock.now() + 16 * SECOND)  # as after five 429 in a row, of others' making
        engine.stop("kill switch")
        await rig.shows("SELECT 1 FROM execution_journal WHERE kind = 'WindingDown'")
        signed.set()
        asked = rig.clock.now()
        await until(lambda: not rig.exchange.resting(ME), 20)
        took = (rig.clock.now() - asked) / SECOND
        await asyncio.gather(call, return_exceptions=True)
        assert took < 3, f"nothing rests after {took:.1f} s"


def test_a_handler_that_exits_while_an_execution_is_at_its_turn_leaves_nothing_at_rest(
    postgres: str, tmp_path: Path
) -> None:
    """`signal.signal(SIGTERM, lambda *_: sys.exit())` raises wherever the main thread is: here inside a turn."""
    left: list[object] = []

    def exits(state: State, _: object) -> None:
        if rests(state):
            raise SystemExit(0)

    async def main() -> None:
        async with rigged(postgres, tmp_path) as rig:
            try:
                async with rig.engine(on_turn=exits) as engine:
                    await engine.execute_trade(AnEdge(1, "0.43", 60), simple(600))
            finally:
                left.extend(rig.exchange.resting(ME))

    with pytest.raises(SystemExit):
        asyncio.run(main())
    assert left == []


async def test_a_clock_that_was_hours_fast_as_the_process_began_and_is_right_now_can_trade_and_cancel(
    postgres: str, tmp_path: Path
) -> None:
    clock = once_fast(2)
    async with rigged(postgres, tmp_path, clock=SystemClock()) as rig:
        rig.clock = clock
        async with rig.engine() as engine:
            trade = await engine.execute_trade(AnEdge(1, "0.47", 5), simple(4))
        assert trade.quantity == 5, trade.result.reason


# Another worker


async def test_what_may_be_filled_is_the_executions_count_not_the_repeated_calls(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as runs:
            first = asyncio.create_task(runs.execute_trade(AnEdge(1, "0.43", 60), simple(60)))
            await placed.come()
            async with rig.engine() as joins:
                second = asyncio.create_task(joins.execute_trade(AnEdge(1, "0.43", 5), simple(60)))
                await until(lambda: any(one.execution_id for one in joins._conducts.values()))
                # A turn of the join's, in which it reads the execution's count.
                await rig.shows("SELECT 1 FROM execution_journal")
            with pytest.raises(Unresolved) as told:
                await second
            rig.sell(4_300, 525)
            runs.stop()
            bought = (await first).quantity
        assert bought == 25
        assert told.value.filled_at_most >= bought, str(told.value)


async def test_a_call_that_had_bought_is_not_told_that_nothing_was_sent_as_its_engine_closes(
    postgres: str, tmp_path: Path
) -> None:
    """`EngineClosed` is "nothing was sent ... its request key may be used again"; here 25 contracts were bought."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as heir:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.43", 60), simple(60)))
            await placed.come()
            rig.sell(4_300, 525)  # 500 stand before ours, 25 are ours
            await rig.shows("SELECT 1 FROM execution_fills", 20)
            await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
            joining = asyncio.create_task(heir.execute_trade(AnEdge(1, "0.43", 60), simple(60)))
            await rig.shows("SELECT 1 FROM execution_journal WHERE kind = 'Resumed'")
        assert rig.exchange.position(ME, TICKER) == 2_500
        with pytest.raises(Unresolved):
            await call
        heir.stop()
        await joining


async def test_a_dead_workers_execution_is_taken_over_and_ends_right(postgres: str, tmp_path: Path) -> None:
    edge, method = AnEdge(1, "0.43", 60), simple(60)
    async with rigged(postgres, tmp_path) as rig, rig.engine() as other:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as dies:
            doomed = asyncio.create_task(dies.execute_trade(edge, method))
            await placed.come()
            await abandon(dies)
            with pytest.raises(Unresolved):
                await doomed
        assert rig.exchange.resting("me"), "a dead worker cancels nothing"
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        rig.sell(4_300, 900)
        trade = await other.execute_trade(edge, method)
        assert trade.quantity == 60
        state = await rig.settled(trade)
        assert len(state.orders) == 1, "the order that rested is the order that fills"
        epochs = await rig.rows("SELECT DISTINCT epoch FROM execution_journal ORDER BY 1")
        assert epochs == [(1,), (2,)]


async def test_a_worker_that_was_superseded_writes_and_sends_nothing_and_waits_for_the_other(
    postgres: str, tmp_path: Path
) -> None:
    edge, method = AnEdge(1, "0.43", 60), walker(60, interval=0.2)
    async with rigged(postgres, tmp_path) as rig:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as slow, rig.engine() as other:
            losing = asyncio.create_task(slow.execute_trade(edge, method))
            await placed.come()
            await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
            winning = asyncio.create_task(other.execute_trade(edge, method))
            await until(lambda: bool(other._conducts))
            rig.sell(4_300, 900)
            trade = await winning
            assert await losing == trade
        await rig.settled(trade)


# What is refused


async def test_what_cannot_be_an_order_is_refused_by_the_value_and_nothing_is_sent(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        for edge, names in [
            (AnEdge(1, "0.47", 0), "0.00"),
            (AnEdge(1, "0.47", -3), "-3.00"),
            (AnEdge(1, "1", 5), "1.0000"),
            (AnEdge(1, "0", 5), "0.0000"),
            (AnEdge(1, "0.47", 5, "yes", "sell"), "position 0.00"),
        ]:
            with pytest.raises(OrderRefused, match=names):
                await engine.execute_trade(edge, simple())
        for wrong, words in [
            (AnEdge(1, "0.47", "0.001"), "0.001"),
            (AnEdge(1, "0.47", float("nan")), "NaN"),
            (AnEdge(1, 0.1 + 0.2, 5), "0.30000000000000004"),
            (AnEdge(1, "much", 5), "much"),
            (AnEdge(1, "0.47", 5, "maybe"), "maybe"),
            (AnEdge(1, "0.47", 5, "yes", "hold"), "hold"),
            (AnEdge(1, "0.47", 5, market=AMarket("x", " ")), "ticker ' '"),
        ]:
            with pytest.raises(InvalidEdge, match=words):
                await engine.execute_trade(wrong, simple())
        with pytest.raises(InvalidMethod, match="max_walk"):
            await engine.execute_trade(AnEdge(1), AMethod({"max_walk": 3}))
        with pytest.raises(OrderRefused, match=r"no market NOWHERE: .*, asked at http://127\.0\.0\.1:") as nowhere:
            await engine.execute_trade(AnEdge(1, market=AMarket("NOWHERE", "NOWHERE")), simple())
        assert nowhere.value.refusal.kind is RefusalKind.NO_SUCH_MARKET
        with pytest.raises(ValueError, match="vwap"):
            engine.get_executor(AMethod({"algorithm": "vwap"}))
        assert rig.exchange.requests["create"] == 0
        assert await rig.rows("SELECT 1 FROM execution_state") == []


async def test_a_market_that_is_closed_or_closes_too_soon_is_refused(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, closes_after=Micros(3 * SECOND)) as rig, rig.engine() as engine:
        with pytest.raises(OrderRefused) as soon:
            await engine.execute_trade(AnEdge(1, "0.47"), simple(5))
        assert soon.value.refusal.kind is RefusalKind.CLOSES_TOO_SOON
    async with rigged(postgres, tmp_path, closes_after=Micros(0)) as rig, rig.engine() as engine:
        with pytest.raises(OrderRefused) as closed:
            await engine.execute_trade(AnEdge(1, "0.47"), simple())
        assert closed.value.refusal.kind is RefusalKind.MARKET_NOT_OPEN


async def test_a_cap_that_leaves_no_price_is_refused(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        with pytest.raises(OrderRefused) as refused:
            await engine.execute_trade(AnEdge(1, "0.004", 5), simple(max_slippage_dollars="0.001"))
        assert refused.value.refusal.kind is RefusalKind.NO_CAP_PRICE


async def test_too_little_money_is_an_outcome_with_its_reason(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, cash=Money(3_000_000)) as rig, rig.engine() as engine:
        for number, method in enumerate((simple(), walker(60)), 1):
            trade = await engine.execute_trade(AnEdge(number, "0.47", 60), method)
            assert (trade.result.status, trade.quantity) == ("failed", Decimal(0))
            assert "insufficient_balance" in trade.result.reason
            await rig.settled(trade)


async def test_a_market_that_stops_trading_ends_the_execution(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as engine:
            call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.45", 60), walker(20)))
            await placed.come()
            rig.exchange.exchange.floors[TICKER].inactive = True
            trade = await call
            assert "MARKET_INACTIVE" in trade.result.reason or "not open" in trade.result.reason
            await rig.settled(trade)


# Sells


async def test_one_position_is_not_sold_twice(postgres: str, tmp_path: Path) -> None:
    lagging = Options(read_lag=Micros(SECOND // 2))
    async with rigged(postgres, tmp_path, options=lagging) as rig, rig.engine() as engine, rig.engine() as other:
        await rig.settled(await engine.execute_trade(AnEdge(1, "0.47", 60), simple()))
        sells = [
            one.execute_trade(AnEdge(number, "0.44", 60, "yes", "sell"), simple())
            for number, one in enumerate((engine, other, engine), 2)
        ]
        ends = await asyncio.gather(*sells, return_exceptions=True)
        refused = [end for end in ends if isinstance(end, OrderRefused)]
        assert len(refused) == 2, ends
        assert all(one.refusal.kind is RefusalKind.EXCEEDS_POSITION for one in refused)
        with pytest.raises(OrderRefused):
            await engine.execute_trade(AnEdge(8, "0.44", 1, "yes", "sell"), simple())
        assert rig.exchange.position("me", TICKER) == 0


async def test_nor_while_a_sell_that_has_sold_all_of_it_is_still_being_confirmed(postgres: str, tmp_path: Path) -> None:
    """It promises nothing any more, and the position does not show yet what it sold."""
    lagging, confirmed = Options(read_lag=Micros(SECOND // 2)), asyncio.Event()

    async def hold(request: HttpRequest) -> None:
        if request.method == "GET" and request.path.endswith(("/portfolio/orders", "/portfolio/fills")):
            await confirmed.wait()

    async with (
        rigged(postgres, tmp_path, clock=Hurried(1), options=lagging) as rig,
        rig.engine() as engine,
        rig.engine() as other,
    ):
        await rig.settled(await engine.execute_trade(AnEdge(1, "0.47", 60), simple()))
        await rig.clock.sleep_until(Micros(rig.clock.now() + SECOND))
        rig.wires[0].before = hold
        first = asyncio.create_task(engine.execute_trade(AnEdge(2, "0.44", 60, "yes", "sell"), simple()))
        await rig.shows("SELECT 1 FROM execution_state WHERE action = 'sell' AND filled_quantity = target_quantity")
        with pytest.raises(OrderRefused, match=r"position 0\.00"):
            await other.execute_trade(AnEdge(3, "0.44", 60, "yes", "sell"), simple())
        confirmed.set()
        await rig.settled(await first, alone=False)
        assert rig.exchange.position("me", TICKER) == 0


async def test_opening_short_is_allowed_where_the_method_says_so(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.44", 5, "yes", "sell"), simple(opens_short=True))
        await rig.settled(trade)
        assert rig.exchange.position("me", TICKER) == -500


# Which algorithm runs


async def test_the_sixth_walker_runs_the_plain_order_and_says_why(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        calls = [
            asyncio.create_task(engine.execute_trade(AnEdge(number, "0.43", 5), walker(60))) for number in range(1, 6)
        ]
        await rig.shows("SELECT 1 FROM execution_state WHERE algorithm = 'dynamic_depth_walker' HAVING count(*) = 5")
        plain = await engine.execute_trade(AnEdge(6, "0.43", 5), walker(1.5))
        assert plain.result.algorithm == "simple_limit"
        ((reason,),) = await rig.rows(
            "SELECT algorithm_reason FROM execution_state WHERE execution_id = %s", plain.execution_id
        )
        assert reason == "concurrency: 5 walkers run, the limit is 5"
        await rig.settled(plain, alone=False)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        for number in range(1, 6):
            await rig.settled(await engine.execute_trade(AnEdge(number, "0.43", 5), walker(60)), alone=False)


@pytest.mark.parametrize(
    ("method", "keys", "reason"),
    [
        pytest.param(walker(2, min_volume_threshold=5_000), {}, "thin market: 1800.00 contracts within", id="volume"),
        pytest.param(walker(2, enabled=False), {}, "disabled", id="disabled"),
        pytest.param(walker(2), {"calls_per_minute": 8}, "rate budget", id="budget"),
    ],
)
async def test_a_fallback_runs_in_the_same_execution_with_its_reason(
    postgres: str, tmp_path: Path, method: AMethod, keys: dict[str, object], reason: str
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine(keys) as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.47", 5), method)
        assert trade.result.algorithm == "simple_limit"
        ((told,),) = await rig.rows("SELECT algorithm_reason FROM execution_state")
        assert reason in str(told)
        await rig.settled(trade)


@pytest.mark.parametrize("processes", [1, 2])
async def test_ten_executions_run_under_the_specifications_ninety_calls_without_a_429(
    postgres: str, tmp_path: Path, processes: int
) -> None:
    """The exchange counts calls as the profile does: ninety at once and ninety a minute, of each kind (10 tokens a call)."""
    options = Options(read_rate=15, write_rate=15, read_capacity=900, write_capacity=900)
    keys: dict[str, object] = {"calls_per_minute": 90, "book_interval_seconds": 1, "max_concurrent": 10}
    # The shared bucket refills by the database's clock: the exchange's may not run faster.
    async with rigged(postgres, tmp_path, options=options, clock=Hurried(1)) as rig, AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(rig.engine(keys)) for _ in range(processes)]
        trades = await asyncio.gather(
            *(
                engines[number % processes].execute_trade(AnEdge(number, "0.45", 5), walker(12, interval=4))
                for number in range(1, 11)
            )
        )
        for trade in trades:
            await rig.settled(trade, alone=False)
        # All ninety calls are used: a book polled once more costs a split its last amend, so not everything is always bought. But
        # a book not polled for five seconds because half of the calls are left to orders would let none of them buy.
        assert any(trade.quantity for trade in trades), [trade.result.reason for trade in trades]
        assert len({record.client_order_id.split("-")[2] for record in rig.own()}) == len(trades)
        assert not [status for _, status in rig.exchange.answers if status == 429]


# The executor, and the database before anything is sent


async def test_an_executor_executes_and_returns_what_it_came_to(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        executor = engine.get_executor(simple())
        assert executor.algorithm.value == "simple_limit"
        result = await executor.execute(AnEdge(1, "0.47", 5), simple(), AMarket())
        assert (result.status, result.filled_quantity, result.fill_rate) == ("completed", Decimal(5), Decimal(1))
        assert await rig.rows("SELECT execution_id, quantity FROM trades") == [(result.execution_id, 5)]
        trade = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        assert trade.result == result
        with pytest.raises(InvalidMethod, match="algorithm is twap, and this executor's is simple_limit"):
            await executor.execute(AnEdge(2, "0.47", 5), AMethod({"algorithm": "twap"}))
        assert len(await rig.rows("SELECT 1 FROM execution_state")) == 1


async def test_a_database_that_is_away_before_the_start_is_told_and_nothing_is_sent(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store, rig.engine(store=as_store(store)) as engine:
        store.down = True
        for edge in (AnEdge(1, "0.47"), AnEdge(2, "0.47", action="sell")):
            with pytest.raises(DatabaseTrouble, match="pulled out"):
                await engine.execute_trade(edge, simple())
        store.down = False
        assert rig.exchange.requests["create"] == 0
        await rig.settled(await engine.execute_trade(AnEdge(1, "0.47"), simple()))


async def test_a_schema_of_another_version_that_the_role_may_not_load_is_named_with_what_to_do(
    postgres: str, tmp_path: Path
) -> None:
    role = f"role_{postgres.partition('?')[0].rpartition('/')[2]}"
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as owner:
        await owner.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            await owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}".encode())
            await owner.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}".encode())
            await owner.execute("COMMENT ON TABLE depthwalker_installation IS 'schema.sql of another version'")
            async with rigged(postgres.replace("postgres@", f"{role}@", 1), tmp_path) as rig:
                with pytest.raises(DatabaseTrouble, match=r"lacks this version's schema.*permission denied.*db load"):
                    async with rig.engine():
                        pass
                await owner.execute(schema_marking())
                async with rig.engine() as engine:
                    await rig.settled(await engine.execute_trade(AnEdge(1, "0.47"), simple()))
        finally:
            await owner.execute(f"DROP OWNED BY {role}".encode())
            await owner.execute(f"DROP ROLE {role}".encode())


async def test_a_database_that_cannot_be_reached_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_S", 1)
    async with rigged("postgresql://nobody@127.0.0.1:1/none", tmp_path) as rig:
        with pytest.raises(DatabaseTrouble, match="DATABASE_URL"):
            async with rig.engine():
                pass


async def test_a_watched_market_is_watched_once_and_left_at_the_end(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        async with rig.engine() as engine:
            await asyncio.gather(engine.watch([TICKER, TICKER]), engine.watch(TICKER))
            assert [task.get_name() for task in asyncio.all_tasks()].count(f"feed {TICKER}") == 1
        assert f"feed {TICKER}" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_another_event_loop_is_refused_in_words_and_harms_nothing(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        for call in (
            engine.execute_trade(AnEdge(1, "0.47", 5), simple()),
            engine.submit(AnEdge(1, "0.47", 5), simple()),
            engine.watch([TICKER]),
        ):
            with pytest.raises(EngineClosed, match="another event loop"):
                await asyncio.to_thread(asyncio.run, call)
        trade = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        await rig.settled(trade)


async def test_nothing_is_left_running_when_an_engine_has_closed(postgres: str, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await engine.execute_trade(AnEdge(1, "0.47", 5), walker(1))
    assert asyncio.all_tasks() == before
