"""What went wrong for others where bytes, sockets and processes matter, directed at this engine; the links are to the accidents.

Those that the core alone decides are in tests/core/test_accidents.py; docs/accidents.md lists them all.
"""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.shell.rig import ME, TICKER, AnEdge, Hurried, rigged, simple, until, walker
from tests.shell.scripted import trading
from tests.shell.test_kalshi import ACK, PLACE
from tests.shell.test_live import BAD_GATEWAY, live, socket, struck

from depthwalker.core.answer import Unknown
from depthwalker.core.book import Leg
from depthwalker.core.fact import AmendIntended
from depthwalker.core.outcome import Failure
from depthwalker.core.units import parse_count, parse_price
from depthwalker.shell.api import Trade, Unresolved
from depthwalker.shell.paper import HANDSHAKE, Answered, Blow, Reply

RETIRED = b'{"error":{"code":"deprecated_v1_order_endpoint","message":"Please switch to the V2 endpoints"}}'


async def test_a_retired_endpoint_answers_2xx_and_makes_no_order(postgres: str, tmp_path: Path) -> None:
    """github.com/DarriEy/Auramaur/pull/186, github.com/DarriEy/Auramaur/pull/187: taken for an order, for ever pending."""
    async with rigged(postgres, tmp_path, clock=Hurried(8)) as rig, rig.engine() as engine:
        for nth in range(1, 500):
            rig.exchange.faults.add("create", Answered(Reply(200, RETIRED)), nth)
        edge, method = AnEdge(1, "0.45", 60), simple(8)
        with pytest.raises(Unresolved) as unresolved:
            await engine.execute_trade(edge, method)
        assert (unresolved.value.filled_at_least, unresolved.value.filled_at_most) == (Decimal(0), Decimal(60))
        assert rig.own() == ()
        rig.exchange.faults.heal()
        trade = await engine.execute_trade(edge, method)
        assert (trade.execution_id, trade.quantity) == (unresolved.value.execution_id, Decimal(0))
        await rig.settled(trade)


@pytest.mark.parametrize("body", [RETIRED, b"{}", b"", b'{"order": {}}', b'{"order": null}'])
async def test_an_answer_without_an_order_is_taken_for_one(body: bytes) -> None:
    """github.com/DarriEy/Auramaur/pull/185."""
    async with trading((201, body)) as (exchange, venue):
        placed = await venue.place(PLACE)
    assert isinstance(placed, Failure)
    assert isinstance(placed.failure(), Unknown), "whether there is an order is not known"
    assert len(exchange.requests) == 1


async def test_an_exit_is_repriced_as_an_entry(postgres: str, tmp_path: Path) -> None:
    """github.com/freqtrade/freqtrade/issues/8973: a sell's replacement bought, and the position grew."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        bought = await engine.execute_trade(AnEdge(1, "0.47", 60), simple())
        sold = await engine.execute_trade(AnEdge(2, "0.45", 60, "yes", "sell"), walker(4))
        assert bought.quantity == sold.quantity == 60
        assert any(isinstance(fact, AmendIntended) for fact in await rig.journal(sold.execution_id))
        state = await rig.settled(sold, alone=False)
        assert {record.leg for record in rig.own(state.parent.execution)} == {Leg.NO}
        assert rig.exchange.position(ME, TICKER) == 0


@pytest.mark.parametrize(("price", "count"), [("0.5800", "1.74"), ("0.5800", "3.50"), ("0.9620", "1.00")])
async def test_an_amount_has_more_decimals_than_the_exchange_takes(price: str, count: str) -> None:
    """github.com/Polymarket/py-clob-client/issues/121, github.com/Polymarket/py-clob-client/issues/253.

    And github.com/Polymarket/py-clob-client/issues/305: products and quotients of floats, and where to round them.
    """
    asked = replace(PLACE, price=parse_price(price).unwrap(), count=parse_count(count).unwrap())
    async with trading((201, ACK)) as (exchange, venue):
        await venue.place(asked)
    sent = exchange.requests[0].body
    assert (sent["price"], sent["count"]) == (price, count)


async def test_an_order_that_takes_what_there_is_is_sent_as_all_or_nothing(postgres: str, tmp_path: Path) -> None:
    """github.com/nautechsystems/nautilus_trader/issues/4006: refused, because it could not be filled in full."""
    async with trading((201, ACK)) as (exchange, venue):
        await venue.place(replace(PLACE, immediate=True, post_only=False, expires=None))
    assert exchange.requests[0].body["time_in_force"] == "immediate_or_cancel"
    async with rigged(postgres, tmp_path) as rig, rig.engine() as engine:
        call = asyncio.create_task(engine.execute_trade(AnEdge(1, "0.47", 300), simple()))
        await until(lambda: rig.exchange.position(ME, TICKER) == 20_000)
        engine.stop()
        trade = await call
        assert (trade.quantity, trade.price) == (Decimal(200), Decimal("0.47")), "200 of the 300 are offered"
        await rig.settled(trade)


async def test_one_order_processed_twice_at_once_is_two(postgres: str, tmp_path: Path) -> None:
    """github.com/QuantConnect/Lean/issues/9292: two threads took up the legs of one combo, and both sent it."""
    async with rigged(postgres, tmp_path) as rig, rig.engine() as one, rig.engine() as two:
        calls = [engine.execute_trade(AnEdge(1, "0.47", 60), simple()) for engine in (one, two, two, one)]
        trade, *others = await asyncio.gather(*calls)
        assert set(others) == {trade}
        assert rig.exchange.position(ME, TICKER) == 6_000
        await rig.settled(trade)


async def test_what_became_of_the_orders_while_the_connection_was_lost(postgres: str, tmp_path: Path) -> None:
    """github.com/bitfinexcom/bitfinex-api-node/issues/247: one filled, one stayed, and one was placed meanwhile."""
    async with rigged(postgres, tmp_path) as rig, live(rig) as (engine, _):

        async def execute(edge_id: int, count: int) -> asyncio.Task[Trade]:
            running = asyncio.create_task(engine.execute_trade(AnEdge(edge_id, "0.45", count), simple(60)))
            await until(lambda: len(rig.exchange.orders(ME)) == edge_id)
            return running

        filled, stays = await execute(1, 60), await execute(2, 50)
        struck(Blow.RESET, *[BAD_GATEWAY] * 3)(rig.exchange)
        await until(lambda: not socket(engine).connected)
        rig.sell(4_500, 60)
        placed = await execute(3, 40)
        assert (await filled).quantity == 60
        await until(lambda: rig.exchange.answers[HANDSHAKE, 101] == 2)
        assert [record.remaining for record in rig.exchange.resting(ME)] == [5_000, 4_000]
        rig.sell(4_500, 50, 40)
        trades = await asyncio.gather(filled, stays, placed)
        assert [trade.quantity for trade in trades] == [60, 50, 40]
        for trade in trades:
            await rig.settled(trade, alone=False)
