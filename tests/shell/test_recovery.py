"""What a dead process left is taken up without anybody calling for it; what belongs to nobody here is left alone."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import LiteralString

import pytest
from tests.shell.rig import (
    ME,
    SIGNER,
    TICKER,
    AMethod,
    AnEdge,
    Hurried,
    Moment,
    Rig,
    abandon,
    as_store,
    of_another_version,
    once_fast,
    rests,
    rigged,
    simple,
    until,
    walker,
)

from depthwalker.core.book import Leg
from depthwalker.core.fact import StopRequested
from depthwalker.core.ids import ClientId
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell import stop
from depthwalker.shell.api import ExchangeTrouble, OrderRefused, Trade
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.engine import Engine
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.paper import lifecycle
from depthwalker.shell.ports import HttpRequest, Lost, PlaceRequest
from depthwalker.shell.spool import Seat, Spool
from depthwalker.shell.transport import AioHttpTransport

EDGE = AnEdge(1, "0.43", 60)
OURS, THEIRS, NOBODY = "0123abcd", "89abcdef", "f" * 32
THREE_WEEKS = Micros(21 * 86_400 * SECOND)
CONTINUE, WIND_DOWN = {"recovery": "continue"}, {"recovery": "wind_down"}


async def die(rig: Rig, method: AMethod, edge: AnEdge = EDGE) -> None:
    """Let an engine die with an order resting that its journal knows, and its lease run out."""
    placed = Moment()
    async with rig.engine(on_turn=placed.when(rests)) as dies:
        doomed = asyncio.create_task(dies.execute_trade(edge, method))
        await placed.come()
        await rig.shows("SELECT 1 FROM execution_journal WHERE kind = 'Accepted'")
        await abandon(dies)
        await asyncio.gather(doomed, return_exceptions=True)
    assert rig.exchange.resting("me"), "a dead worker cancels nothing"
    await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")


async def the_trade(rig: Rig, engine: Engine, which: LiteralString = "true") -> Trade:
    """Wait until the execution has ended, the only one or one of several, and return its trade as a call would."""
    await rig.shows(
        f"SELECT 1 WHERE NOT EXISTS (SELECT FROM execution_state WHERE status = 'executing' AND {which})", 30
    )
    return await engine.execute_trade(EDGE, simple(6))


async def test_an_engine_that_opens_goes_on_with_what_nobody_runs(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(60))
        async with rig.engine(CONTINUE) as engine:
            rig.sell(4_300, 900)
            trade = await the_trade(rig, engine)
        assert trade.quantity == 60
        state = await rig.settled(trade)
        assert len(state.orders) == 1, "the order that rested is the order that fills"
        assert await rig.rows("SELECT count(*) FROM execution_state") == [(1,)]


async def test_or_winds_it_down_where_the_settings_say_so(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600))
        async with rig.engine(WIND_DOWN) as engine:
            trade = await the_trade(rig, engine)
        assert (trade.result.status, trade.result.reason) == ("cancelled", "0.00 of 60.00 contracts; recovered")
        await rig.settled(trade)
        # Whoever winds it down has not read a book yet: the rest costs what it was offered for last, 0.47 and the fee.
        assert await rig.rows("SELECT round(shortfall_cents, 2)::text FROM execution_metrics") == [("3.24",)]


async def test_or_leaves_it_where_recovery_is_off(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(30))
        async with rig.engine() as engine:
            assert not engine._conducts
            assert rig.exchange.resting("me")
            found = await engine.recover(wind_down=True)
        (trade,) = found.trades
        assert (found.troubles, found.held, found.strays) == ((), (), ())
        await rig.settled(trade)


async def test_who_calls_meanwhile_joins_what_was_taken_up(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(60))
        async with rig.engine(CONTINUE) as engine:
            await until(lambda: bool(engine._conducts))
            joining = asyncio.create_task(engine.execute_trade(EDGE, simple(60)))
            rig.sell(4_300, 900)
            trade = await joining
        assert trade.quantity == 60
        await rig.settled(trade)


async def test_what_ended_while_nobody_looked_is_found_weeks_later(postgres: str, tmp_path: Path) -> None:
    """The exchange lists an order for fourteen days after its end; from then on only its archive has it."""
    clock = Hurried(3)
    async with rigged(postgres, tmp_path, clock=clock) as rig:
        await die(rig, simple(60))
        rig.sell(4_300, 900)
        clock.leap(THREE_WEEKS)
        rig.exchange.exchange.advance()
        assert not rig.exchange.resting("me")
        async with rig.engine() as engine:
            (trade,) = (await engine.recover(wind_down=True)).trades
        assert "GET /trade-api/v2/historical/orders" in {f"{one.method} {one.path}" for one in rig.wires[-1].sent}
        assert trade.quantity == 60
        await rig.settled(trade)


async def test_a_request_that_was_lost_weeks_ago_has_never_come(postgres: str, tmp_path: Path) -> None:
    """Neither the list nor the archive has it, and its market is over."""
    clock, lost = Hurried(3), Moment()

    async def lose(request: HttpRequest) -> None:
        if request.method == "POST" and "orders" in request.path:
            lost.set()
            raise Lost("the line is dead")

    async with rigged(postgres, tmp_path, clock=clock) as rig:
        async with rig.engine() as dies:
            rig.wires[-1].before = lose
            doomed = asyncio.create_task(dies.execute_trade(EDGE, simple(60)))
            await lost.come()
            await abandon(dies)
            await asyncio.gather(doomed, return_exceptions=True)
        await rig.rows("UPDATE execution_leases SET expires_at = clock_timestamp() RETURNING 1")
        clock.leap(THREE_WEEKS)
        lifecycle.determine(rig.exchange.exchange, TICKER, "no")
        lifecycle.finalize(rig.exchange.exchange, TICKER)
        async with rig.engine() as engine:
            (trade,) = (await engine.recover(wind_down=True)).trades
        assert trade.quantity == 0
        await rig.settled(trade)


async def test_what_is_at_another_exchange_is_left_to_that_ones_workers(postgres: str, tmp_path: Path) -> None:
    """Both share the database and the account's name: its request sent again here would buy a second time."""
    async with rigged(postgres, tmp_path / "there") as there, rigged(postgres, tmp_path / "here") as here:
        await die(there, simple(600))
        async with here.engine() as engine:
            found = await engine.recover(wind_down=True)
            assert (found.trades, found.held) == ((), ())
            assert found.elsewhere == ((1, there.exchange.url),)
            with pytest.raises(OrderRefused, match="names execution 1 of account 'me' at http"):
                await engine.execute_trade(EDGE, simple(6))
            assert here.own() == ()
        async with there.engine() as engine:
            (trade,) = (await engine.recover(wind_down=True)).trades
        await there.settled(trade)


async def test_the_key_of_another_accounts_execution_joins_nothing(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600))
        async with rig.engine({"account": "another"}) as engine:
            with pytest.raises(OrderRefused, match="give another key"):
                await engine.execute_trade(EDGE, simple(6))
        async with rig.engine() as engine:
            (trade,) = (await engine.recover(wind_down=True)).trades
        await rig.settled(trade)


def losing(*paths: str) -> Callable[[HttpRequest], Awaitable[None]]:
    """Lose what is read at these paths, for ever."""

    async def lose(request: HttpRequest) -> None:
        if request.method == "GET" and any(path in request.path for path in paths):
            raise Lost("the line is dead")

    return lose


@pytest.mark.parametrize("path", ["/markets", "/events/", "/series/"])
async def test_what_rests_is_cancelled_though_neither_its_market_nor_its_fees_can_be_read(
    postgres: str, tmp_path: Path, path: str
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600))
        async with rig.engine() as engine:
            rig.wires[-1].before = losing(path)
            found = await engine.recover(wind_down=True)
        assert found.troubles == ()
        (trade,) = found.trades
        assert trade.result.status == "cancelled"
        await rig.settled(trade)


async def test_what_rests_is_cancelled_though_nothing_at_all_can_be_read(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600))
        async with rig.engine() as engine:
            rig.wires[-1].before = losing("/portfolio/orders", "/markets", "/events/", "/series/")
            recovering = asyncio.create_task(engine.recover(wind_down=True))
            await until(lambda: not rig.exchange.resting(ME))
            rig.wires[-1].before = None
            (trade,) = (await recovering).trades
        assert trade.result.status == "cancelled"
        await rig.settled(trade)


async def test_what_is_taken_up_goes_on_by_its_journal_until_its_market_can_be_read(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600))
        async with rig.engine(CONTINUE) as engine:
            rig.wires[-1].before = losing("/series/")
            await until(lambda: bool(engine._markets.feeds))
            feed = engine._markets.feeds[TICKER]
            state = await rig.the_state()
            assert (feed.market.grid, feed.rates) == (state.grid, state.parent.rates)
            with pytest.raises(ExchangeTrouble, match="no answer: the line is dead"):
                await engine.execute_trade(AnEdge(2, "0.43", 5), simple(1))
            rig.wires[-1].before = None
            await until(lambda: feed.market.event_ticker != "")
            engine.stop()
            await rig.settled(await the_trade(rig, engine))


async def test_what_has_not_ended_in_time_is_told_with_its_orders_and_what_to_do(postgres: str, tmp_path: Path) -> None:
    """Without its record an order is not known to be closed; that what rests cannot be read keeps nobody from taking it up."""
    clock = Hurried(10)
    async with rigged(postgres, tmp_path, clock=clock) as rig:
        await die(rig, simple(600))
        (resting,) = rig.exchange.resting("me")
        async with rig.engine() as engine:
            rig.wires[-1].before = losing("/portfolio/orders", "/historical/orders")
            began = clock.now()
            found = await engine.recover(wind_down=True, cancel_strays=True)
            assert clock.now() - began < 40 * SECOND, "the wind-down and its allowance, and no longer"
            assert found.trades == ()
            trouble, strays = found.troubles
            assert trouble.startswith("execution 1 is not confirmed ended: 0.00 to 60.00 contracts filled; order ")
            known = [resting.order_id, resting.client_order_id]  # the first where its answer was journalled in time
            assert any(f"order {name} may rest in {TICKER} until 20" in trouble for name in known)
            assert trouble.endswith(" UTC, when it expires: run this again, or cancel it at the exchange")
            assert "belong to nothing could not be read: run this again (resting orders cannot be read: " in strays
            assert (await rig.the_state()).winding == "recovered"
            rig.wires[-1].before = None
            await rig.settled(await the_trade(rig, engine))


async def test_what_goes_on_is_waited_for_until_its_deadline_and_the_wind_down(postgres: str, tmp_path: Path) -> None:
    clock = Hurried(10)
    async with rigged(postgres, tmp_path, clock=clock) as rig:
        await die(rig, simple(30))
        deadline = (await rig.the_state()).parent.deadline
        async with rig.engine() as engine:
            rig.wires[-1].before = losing("/portfolio/orders", "/historical/orders")
            (trouble, _) = (await engine.recover()).troubles
            assert deadline < clock.now() < deadline + 40 * SECOND
            assert "execution 1 is not confirmed ended" in trouble
            rig.wires[-1].before = None
            await rig.settled(await the_trade(rig, engine))


async def test_an_execution_that_ends_while_resting_orders_are_read_leaves_no_stray(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600))

        async def until_it_has_ended(request: HttpRequest) -> None:
            if dict(request.query).get("status") == "resting":
                await rig.shows("SELECT 1 WHERE NOT EXISTS (SELECT FROM execution_state WHERE status = 'executing')")

        async with rig.engine() as engine:
            rig.wires[-1].after = until_it_has_ended
            found = await engine.recover(wind_down=True)
        assert (found.troubles, found.strays) == ((), ())
        assert len(found.trades) == 1


async def test_a_lease_is_held_from_the_moment_it_is_taken_over(postgres: str, tmp_path: Path) -> None:
    """What is to be read before it ends may take longer than the lease lasts."""
    read = asyncio.Event()

    async def wait(request: HttpRequest) -> None:
        if "/portfolio/orders" in request.path:
            await read.wait()

    async with rigged(postgres, tmp_path, clock=Hurried(30)) as rig, rig.shaky() as store:
        await die(rig, simple(600))
        async with rig.engine(store=as_store(store)) as engine:
            rig.wires[-1].before = wait
            taking = asyncio.create_task(engine.recover(wind_down=True))
            await until(lambda: store.calls["renew"] > 0)
            read.set()
            (trade,) = (await taking).trades
        await rig.settled(trade)


async def test_what_another_version_wrote_is_left_to_it_and_the_rest_is_taken_up(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await die(rig, simple(600), AnEdge(2, "0.43", 60))
        await die(rig, simple(600))
        async with AsyncExitStack() as stack:
            async with of_another_version(rig, 1):
                engine = await stack.enter_async_context(rig.engine(WIND_DOWN))
                assert (await the_trade(rig, engine, "execution_id = 2")).execution_id == 2
                (trouble,) = (await engine.recover()).troubles
                assert "execution 1 is left to the version that wrote it: there is no fact 'OfTomorrow'" in trouble
                assert await rig.rows("SELECT execution_id FROM execution_state WHERE status = 'executing'") == [(1,)]
            await the_trade(rig, engine)
        assert rig.exchange.resting("me") == ()


async def test_what_lasts_is_told_once(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("depthwalker.shell.recovery.SWEEP", Micros(SECOND // 20))
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        await die(rig, simple(600))
        async with of_another_version(rig, 1), rig.engine(WIND_DOWN, store=as_store(store)):
            await until(lambda: store.calls["load"] >= 5)
            store.down, looked = True, store.calls["unfinished"]
            await until(lambda: store.calls["unfinished"] >= looked + 5)
            store.down, looked = False, store.calls["load"]
            await until(lambda: store.calls["load"] >= looked + 3)
    told = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert len([one for one in told if "left to the version that wrote it" in one]) == 1
    assert len([one for one in told if "recovery: it is tried again" in one]) == 1


async def test_nothing_unexpected_ends_the_watch(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.shaky() as store:
        await die(rig, simple(600))
        bugs = Counter({"unfinished": 1, "load": 1})

        def fail(name: str) -> str:
            if bugs[name] > 0:
                bugs[name] -= 1
                raise ZeroDivisionError
            return ""

        store.fail = fail
        async with rig.engine(WIND_DOWN, store=as_store(store)) as engine:
            trade = await the_trade(rig, engine)
        assert trade.result.status == "cancelled"
        assert bugs.total() == 0


async def test_what_another_worker_runs_is_left_to_it(postgres: str, tmp_path: Path) -> None:
    placed = Moment()
    async with rigged(postgres, tmp_path) as rig, rig.engine(on_turn=placed.when(rests)) as runs, rig.engine() as other:
        running = asyncio.create_task(runs.execute_trade(EDGE, walker(5)))
        await placed.come()
        found = await other.recover(cancel_strays=True)
        assert (found.trades, found.troubles, found.strays) == ((), (), ())
        assert len(found.held) == 1
        assert rig.exchange.resting("me"), "its orders are no strays"
        await rig.settled(await running)


@asynccontextmanager
async def venue(rig: Rig) -> AsyncIterator[KalshiVenue]:
    transport = AioHttpTransport(rig.exchange.url)
    try:
        yield KalshiVenue(transport, SIGNER, rig.clock)
    finally:
        await transport.close()


async def rest(rig: Rig, client_order_id: str) -> str:
    """Rest an order of the account and return its id."""
    expires = Micros((rig.clock.now() // SECOND + 600) * SECOND)
    request = PlaceRequest(TICKER, client_order_id, Leg.YES, Price(1_000), Count(100), False, True, expires)
    async with venue(rig) as one:
        return (await one.place(request)).unwrap().order_id


async def test_our_orders_that_belong_to_nothing_are_told_and_cancelled_if_asked(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        stray = await rest(rig, ClientId(OURS, NOBODY, 1, 0).text())
        others = {await rest(rig, ClientId(THEIRS, NOBODY, 1, 0).text())}
        told = await engine.recover()
        assert told.strays == (stray,)
        assert {record.order_id for record in rig.exchange.resting("me")} == {stray, *others}
        await engine.recover(cancel_strays=True)
        assert {record.order_id for record in rig.exchange.resting("me")} == others
        assert (await engine.recover()).strays == ()


async def test_an_engine_that_opens_cancels_them_where_the_settings_say_so(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await rest(rig, ClientId(OURS, NOBODY, 1, 0).text())
        async with rig.engine(CONTINUE):
            await until(lambda: bool(rig.exchange.requests["orders"]))
            assert rig.exchange.resting("me")
        async with rig.engine({**CONTINUE, "strays": "cancel"}):
            await until(lambda: not rig.exchange.resting("me"))


async def test_a_stray_whose_cancel_failed_is_not_told_as_ended(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await rest(rig, ClientId(OURS, NOBODY, 1, 0).text())

        async def no_cancels(request: HttpRequest) -> None:
            if request.method == "DELETE":
                raise Lost("no answer")

        rig.wires[-1].before = no_cancels
        found = await engine.recover(wind_down=True, cancel_strays=True)
        assert rig.exchange.resting(ME), "its cancel never came"
        told = stop.Stopped("by hand", (), found)
        said = list(stop._told(told))
        assert found.troubles, said
        assert "everything has ended and nothing rests" not in said


async def test_an_engine_whose_strays_are_cancelled_tries_again_where_that_failed(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        await rest(rig, ClientId(OURS, NOBODY, 1, 0).text())
        failed = asyncio.Event()

        async def no_first_cancel(request: HttpRequest) -> None:
            if request.method == "DELETE" and not failed.is_set():
                failed.set()
                raise Lost("no answer")

        async with rig.engine({**CONTINUE, "strays": "cancel"}):
            rig.wires[-1].before = no_first_cancel
            await asyncio.wait_for(failed.wait(), 10)
            await until(lambda: not rig.exchange.resting(ME))


async def test_spooled_facts_of_what_another_version_went_on_with_keep_no_engine_from_opening(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig:
        placed = Moment()
        async with rig.engine(on_turn=placed.when(rests)) as dies:
            doomed = asyncio.create_task(dies.execute_trade(AnEdge(1, "0.43", 60), simple(60)))
            await placed.come()
            await rig.shows("SELECT 1 FROM execution_journal WHERE kind = 'Accepted'")
            await abandon(dies)
            await asyncio.gather(doomed, return_exceptions=True)
        ((number, uuid),) = await rig.rows("SELECT execution_id, uuid FROM execution_state")
        assert isinstance(number, int)
        assert isinstance(uuid, str)
        facts = await rig.journal(number)
        spool = Spool(tmp_path / "spool")
        spool.keep(uuid, Seat(number, 1, len(facts) + 1), (StopRequested("the store is unavailable", rig.clock.now()),))
        async with of_another_version(rig, number), rig.engine(CONTINUE) as engine:
            assert (await engine.execute_trade(AnEdge(2, "0.47", 5), simple(10))).quantity == 5


async def test_what_a_dead_worker_left_is_cancelled_by_one_whose_clock_was_hours_fast_as_it_began(
    postgres: str, tmp_path: Path
) -> None:
    clock = once_fast(2)
    async with rigged(postgres, tmp_path, clock=SystemClock()) as rig:
        await die(rig, simple(600))
        rig.clock = clock
        async with rig.engine(WIND_DOWN):
            await until(lambda: not rig.exchange.resting(ME), 10)


async def test_without_the_exchange_nothing_is_judged(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        await rig.exchange.stop()
        with pytest.raises(ExchangeTrouble, match="resting orders cannot be read"):
            await engine.recover(cancel_strays=True)
