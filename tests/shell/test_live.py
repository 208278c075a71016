"""Executions with the websocket: its frames tell what happens, whatever befalls them the end is the exchange's own.

As in the other tests of the shell everything is real: the exchange, its websocket with its faults, the database.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from tests.shell.rig import (
    SIGNER,
    TICKER,
    AnEdge,
    Hurried,
    Moment,
    Rig,
    Wire,
    rests,
    rigged,
    simple,
    until,
    walker,
)

from depthwalker.core.book import Book
from depthwalker.core.channel import Channel
from depthwalker.core.fact import Observed
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import MILLION, SECOND
from depthwalker.shell.conduct import runners
from depthwalker.shell.dialler import AioHttpDialler
from depthwalker.shell.engine import Engine
from depthwalker.shell.feed import MARKET_INTERVAL, Feed
from depthwalker.shell.journal import Store
from depthwalker.shell.paper import (
    FRAME,
    HANDSHAKE,
    Answered,
    Blow,
    Duplicated,
    Fault,
    Held,
    Lost,
    PaperExchange,
    Reply,
)
from depthwalker.shell.paper import lifecycle as life
from depthwalker.shell.paper.fee_schedule import Fees
from depthwalker.shell.socket import Socket
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.transport import AioHttpTransport

MISSING = Lost(applied=True)
BAD_GATEWAY = Answered(Reply(502, b"<html>", "text/html"))
NO_SUCH_PATH = Answered(Reply(404, b"404 page not found", "text/plain"))
SLOWLY = {
    "dynamic_depth_walker": {"walk_interval_seconds": 30}
}  # own orders are read every 30 s, if nothing calls for it
WHOLE = AnEdge(1, "0.45", 60)


@asynccontextmanager
async def live(rig: Rig, store: Store | None = None) -> AsyncIterator[tuple[Engine, Moment]]:
    """An engine whose websocket is open and keeps the market's book, and the moment at which an order of it rests."""
    settings = rig.settings({"book_interval_seconds": 1})
    placed = Moment()
    opening = Engine.open(
        settings,
        dsn=rig.dsn,
        store=store,
        signer=SIGNER,
        transport=Wire(AioHttpTransport(settings.base_url), rig._look),
        clock=rig.clock,
        dialler=AioHttpDialler(rig.exchange.socket_url, SIGNER, rig.clock.now),
        on_turn=placed.when(rests),
    )
    async with opening as engine:
        await engine.watch([TICKER])
        await whole(engine, rig)
        yield engine, placed


def socket(engine: Engine) -> Socket:
    assert engine._socket is not None
    return engine._socket


async def whole(engine: Engine, rig: Rig) -> None:
    """Wait until everything is subscribed, what it may have missed is read, and its book is the exchange's."""
    line, feed = socket(engine), engine._markets.feeds[TICKER]

    def followed() -> bool:
        book, true = line.book(TICKER), rig.exchange.book(TICKER)
        due = feed._trades_due or feed._fees_due or feed._market_due
        channels = (Channel.FILL, Channel.ORDER, Channel.LIFECYCLE, Channel.TRADE)
        return book is not None and levels(book) == levels(true) and all(map(line.following, channels)) and not due

    await until(followed)


def levels(book: Book) -> tuple[object, object]:
    return book.yes, book.no


def flow(rig: Rig, engine: Engine) -> Feed:
    return engine._markets.feeds[TICKER]


def times(kind: str, fault: Fault, count: int) -> Callable[[PaperExchange], None]:
    """Let the next so many frames or requests of a kind meet a fault."""

    def plan(exchange: PaperExchange) -> None:
        for nth in range(1, count + 1):
            exchange.faults.add(kind, fault, nth)

    return plan


def struck(blow: Blow, *refusals: Answered) -> Callable[[PaperExchange], None]:
    """Strike the connection; who dials again meets the refusals first."""

    def strike(exchange: PaperExchange) -> None:
        for nth, refusal in enumerate(refusals, 1):
            exchange.faults.add(HANDSHAKE, refusal, nth)
        assert exchange.sockets.strike(blow) == 1

    return strike


# What the frames tell


async def test_fills_and_the_ends_of_orders_are_told_by_frames_alone_each_execution_its_own(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, _):
        before = Counter(rig.exchange.requests)
        running = asyncio.gather(
            engine.execute_trade(AnEdge(1, "0.45", 60), simple(60, **SLOWLY)),
            engine.execute_trade(AnEdge(2, "0.45", 50), simple(60, **SLOWLY)),
        )
        await until(lambda: len(rig.exchange.resting("me")) == 2)
        rig.sell(4_500, 40, 40, 40)
        trades = await running
        asked = Counter(rig.exchange.requests) - before
        states = [await rig.settled(trade, alone=False) for trade in trades]
        assert [trade.quantity for trade in trades] == [60, 50]
        assert {(trade.price, trade.result.status) for trade in trades} == {(Decimal("0.45"), "completed")}
        assert asked["create"] == 2
        assert not asked.keys() & {"book", "trades", "fills", HANDSHAKE}, asked
        assert asked["orders"] <= 2
        assert asked.total() <= 6, asked
        assert sum(len(order.trades) for state in states for order in state.orders) == 4
        assert engine._markets.feeds[TICKER].history.trades


async def test_a_taking_order_is_over_with_its_frames(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, _):
        before = Counter(rig.exchange.requests)
        trade = await engine.execute_trade(AnEdge(1, "0.47", 60), simple(25, **SLOWLY))
        asked = Counter(rig.exchange.requests) - before
        await rig.settled(trade)
        assert (trade.quantity, trade.price) == (Decimal(60), Decimal("0.47"))
        assert not asked.keys() & {"book", "trades"}, asked
        assert asked.total() <= 5, asked


async def test_a_walk_over_the_websocket_polls_no_book(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, _):
        before = Counter(rig.exchange.requests)
        trade = await engine.execute_trade(WHOLE, walker(8, interval=1))
        asked = Counter(rig.exchange.requests) - before
        await rig.settled(trade)
        assert trade.quantity == 60
        assert trade.result.total_walks >= 1
        assert not asked.keys() & {"book", "trades"}, asked


# What befalls the frames


FATES: dict[str, Callable[[PaperExchange], object]] = {
    "fills lost": times(FRAME + "fill", MISSING, 9),
    "all lost": lambda exchange: [times(FRAME + kind, MISSING, 9)(exchange) for kind in ("fill", "user_order")],
    "orders lost": times(FRAME + "user_order", MISSING, 9),
    "fills twice": times(FRAME + "fill", Duplicated(), 9),
    "orders twice": times(FRAME + "user_order", Duplicated(), 9),
    "fills late": times(FRAME + "fill", Held(), 9),
    "orders late": times(FRAME + "user_order", Held(), 9),
    "trades lost": times(FRAME + "trade", MISSING, 1),
    "trades twice": times(FRAME + "trade", Duplicated(), 9),
    "books late": times(FRAME + "orderbook_delta", Held(), 3),
}


async def test_whatever_befalls_the_frames_each_fill_counts_once(postgres: str, tmp_path: Path) -> None:
    async def one(name: str) -> None:
        async with rigged(postgres, tmp_path) as rig, live(rig, store) as (engine, placed):
            FATES[name](rig.exchange)
            edge = AnEdge(list(FATES).index(name), "0.45", 60)
            running = asyncio.create_task(engine.execute_trade(edge, simple(60)))
            await placed.come()
            rig.sell(4_500, 20, 20, 20)
            trade = await running
            state = await rig.settled(trade)
            assert (trade.quantity, trade.price, trade.result.status) == (Decimal(60), Decimal("0.45"), "completed"), (
                name
            )
            assert sum(len(order.trades) for order in state.orders) == 3, name
            if name == "fills lost":  # the order's own frames say that it is filled, and so its fills are looked up
                assert rig.exchange.requests["fills"] >= 1
                assert any(isinstance(fact, Observed) for fact in await rig.journal(trade.execution_id))

    async with PostgresStore(postgres) as store:
        await store.migrate()
        await asyncio.gather(*map(one, FATES))


# What befalls the connection


BLOWS: dict[str, Callable[[PaperExchange], None]] = {
    "reset": struck(Blow.RESET),
    "closed": struck(Blow.CLOSE),
    "overflow": struck(Blow.OVERFLOW),
    "a bad gateway": struck(Blow.RESET, BAD_GATEWAY, BAD_GATEWAY, BAD_GATEWAY),
    "no such path": struck(Blow.CLOSE, NO_SUCH_PATH, NO_SUCH_PATH),
    "a lost delta": times(FRAME + "orderbook_delta", MISSING, 1),
}


async def test_whatever_befalls_the_connection_it_comes_back_and_the_end_is_the_exchanges(
    postgres: str, tmp_path: Path
) -> None:
    async def one(name: str) -> None:
        async with rigged(postgres, tmp_path) as rig, live(rig, store) as (engine, placed):
            edge = AnEdge(100 + list(BLOWS).index(name), "0.45", 60)
            running = asyncio.create_task(engine.execute_trade(edge, simple(60)))
            await placed.come()
            rig.sell(4_500, 10, 10)
            BLOWS[name](rig.exchange)
            rig.sell(4_500, 10, 10, 10, 10)
            trade = await running
            await rig.settled(trade)
            assert (trade.quantity, trade.price) == (Decimal(60), Decimal("0.45")), name
            await whole(engine, rig)
            again = name not in {"overflow", "a lost delta"}
            assert rig.exchange.answers[HANDSHAKE, 101] == 1 + again, name

    async with PostgresStore(postgres) as store:
        await store.migrate()
        await asyncio.gather(*map(one, BLOWS))


async def test_while_the_websocket_cannot_be_opened_the_market_is_polled(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, placed):
        running = asyncio.create_task(engine.execute_trade(WHOLE, simple(60)))
        await placed.come()
        before = Counter(rig.exchange.requests)
        struck(Blow.RESET, *[BAD_GATEWAY] * 200)(rig.exchange)
        polled = ("book", "trades", "orders", HANDSHAKE)
        await until(lambda: all(rig.exchange.requests[kind] >= before[kind] + 2 for kind in polled), 20)
        rig.sell(4_500, 30, 30)
        trade = await running
        await rig.settled(trade)
        assert trade.quantity == 60
        assert not socket(engine).connected


async def test_a_connection_that_has_gone_silent_is_polled_beside_and_dialled_anew(
    postgres: str, tmp_path: Path
) -> None:
    async with rigged(postgres, tmp_path, clock=Hurried(20)) as rig, live(rig) as (engine, placed):
        running = asyncio.create_task(engine.execute_trade(WHOLE, simple(120)))
        await placed.come()
        before = Counter(rig.exchange.requests)
        struck(Blow.SILENCE)(rig.exchange)
        await until(lambda: rig.exchange.requests["book"] >= before["book"] + 2)
        assert rig.exchange.requests["trades"] > before["trades"]
        assert socket(engine).connected
        rig.sell(4_500, 30, 30)
        trade = await running
        await rig.settled(trade)
        assert trade.quantity == 60
        await until(lambda: rig.exchange.answers[HANDSHAKE, 101] == 2)


async def test_closing_an_engine_whose_connection_is_silent_leaves_nothing_resting_or_running(
    postgres: str, tmp_path: Path
) -> None:
    before = asyncio.all_tasks()
    async with rigged(postgres, tmp_path) as rig:
        async with live(rig) as (engine, placed):
            running = asyncio.create_task(engine.execute_trade(WHOLE, simple(60)))
            await placed.come()
            struck(Blow.SILENCE)(rig.exchange)
        trade = await running
        await rig.settled(trade)
        assert (trade.quantity, trade.result.status) == (Decimal(0), "cancelled")
        await until(lambda: len(rig.exchange.sockets) == 0)
    assert asyncio.all_tasks() <= before | {running}


# What befalls the market


async def test_a_market_that_is_deactivated_ends_the_execution_at_once(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, placed):
        running = asyncio.create_task(engine.execute_trade(WHOLE, simple(60, **SLOWLY)))
        await placed.come()
        since = rig.clock.now()
        life.deactivate(rig.exchange.exchange, TICKER)
        trade = await running
        assert rig.clock.now() - since < min(3 * SECOND, MARKET_INTERVAL)
        await rig.settled(trade)
        assert (trade.quantity, trade.result.status) == (Decimal(0), "failed")
        assert "not open" in trade.result.reason
        assert not flow(rig, engine).open()


async def test_a_new_grid_is_taken_from_the_frame(postgres: str, tmp_path: Path) -> None:
    finer = dict(STRUCTURES)["deci_cent"]
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, placed):
        running = asyncio.create_task(engine.execute_trade(WHOLE, simple(10, **SLOWLY)))
        await placed.come()
        since = rig.clock.now()
        life.regrid(rig.exchange.exchange, TICKER, finer)
        await until(lambda: flow(rig, engine).market.grid == finer)
        assert rig.clock.now() - since < MARKET_INTERVAL
        (runner,) = runners(engine._conducts)
        await until(lambda: runner.state.grid == finer)
        engine.stop()
        trade = await running
        state = await rig.settled(trade)
        assert state.grid == finer


async def test_fees_that_change_are_read_again(postgres: str, tmp_path: Path) -> None:
    twice = Fees(multiplier=2 * MILLION)
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, _):
        before = flow(rig, engine).rates
        life.change_fees(rig.exchange.exchange, "RIG", "RIG-26", twice, rig.clock.now())
        await until(lambda: flow(rig, engine).rates != before)
        assert flow(rig, engine).rates == twice.rates


async def test_fees_that_changed_while_nobody_was_connected_are_read_again(postgres: str, tmp_path: Path) -> None:
    twice = Fees(multiplier=2 * MILLION)
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, _):
        struck(Blow.RESET, *[BAD_GATEWAY] * 2)(rig.exchange)
        await until(lambda: not socket(engine).connected)
        life.change_fees(rig.exchange.exchange, "RIG", "RIG-26", twice, rig.clock.now())
        await until(lambda: flow(rig, engine).rates == twice.rates)


# Without it


async def test_switched_off_it_is_never_dialled(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        for at, switch in enumerate(("false", "true")):
            settings = rig.settings({"websocket": switch})
            async with Engine.open(settings, dsn=rig.dsn, signer=SIGNER, clock=rig.clock) as engine:
                trade = await engine.execute_trade(AnEdge(at, "0.47", 60), simple(20))
                await rig.settled(trade, alone=not at)
                assert trade.quantity == 60
                if at:
                    await until(lambda: rig.exchange.requests[HANDSHAKE] == 1)
                assert rig.exchange.requests[HANDSHAKE] == at


async def test_without_a_key_it_is_never_dialled(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig:
        async with Engine.open(rig.settings(), dsn=rig.dsn, clock=rig.clock) as engine:
            await engine.watch([TICKER])
            await until(lambda: rig.exchange.requests["trades"] >= 2)
        assert rig.exchange.requests[HANDSHAKE] == 0
