"""A client that others wrote trades on our exchange: pykalshi places, amends, cancels and reads its fills."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from depthwalker.core.book import Leg, ladders
from depthwalker.core.units import MILLION, Money, format_price
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.paper import Account, Listing, PaperExchange
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.synthetic import synthesize

pytest.importorskip("pykalshi", reason="pykalshi is not installed here")
import pykalshi

ME = "me"
TAPE = synthesize(PROFILES["liquid"], 7, 30)
LOW, HIGHER = "0.0100", "0.0200"


@asynccontextmanager
async def trader(folder: Path) -> AsyncIterator[tuple[PaperExchange, pykalshi.AsyncKalshiClient]]:
    key = generate_private_key(public_exponent=65537, key_size=2048)  # the only kind it takes
    file = folder / "key.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    account = Account(ME, "key-1", key.public_key(), Money(1_000 * MILLION))
    async with PaperExchange([Listing(TAPE)], [account], SystemClock(), SystemChance()) as exchange:
        client = pykalshi.AsyncKalshiClient(
            api_key_id="key-1", private_key_path=str(file), api_base=exchange.url, max_retries=0
        )
        async with client:
            yield exchange, client


async def test_it_reads_the_market_and_its_balance(tmp_path: Path) -> None:
    async with trader(tmp_path) as (_, client):
        market = await client.get_market(TAPE.ticker)
        balance = await client.portfolio.get_balance()

    assert market.ticker == TAPE.ticker
    assert balance.balance == 100_000


async def test_it_rests_amends_and_cancels_an_order(tmp_path: Path) -> None:
    async with trader(tmp_path) as (exchange, client):
        placed = await client.portfolio.place_order(
            TAPE.ticker, book_side="bid", price_dollars=LOW, count_fp="3.00", post_only=True
        )
        await client.portfolio.amend_order(
            placed.order_id, ticker=TAPE.ticker, book_side="bid", price_dollars=HIGHER, count_fp="5.00"
        )
        (resting,) = exchange.resting(ME)
        (listed,) = await client.portfolio.get_orders(ticker=TAPE.ticker)
        cancelled = await client.portfolio.cancel_order(placed.order_id)

        assert (resting.order_id, format_price(resting.price), resting.remaining) == (placed.order_id, HIGHER, 500)
        assert (listed.order_id, listed.data.yes_price_dollars) == (placed.order_id, HIGHER)
        assert cancelled.order_id == placed.order_id
        assert exchange.resting(ME) == ()


async def test_it_takes_what_is_offered_and_reads_its_fills_and_position(tmp_path: Path) -> None:
    async with trader(tmp_path) as (exchange, client):
        offer, _ = ladders(exchange.book(TAPE.ticker), Leg.YES).offers[0]
        taken = await client.portfolio.place_order(
            TAPE.ticker,
            book_side="bid",
            price_dollars="0.9900",
            count_fp="2.00",
            time_in_force=pykalshi.TimeInForce.IOC,
        )
        fills = await client.portfolio.get_fills(ticker=TAPE.ticker)
        (position,) = await client.portfolio.get_positions(ticker=TAPE.ticker)

        assert sum(float(fill.count_fp) for fill in fills) == 2
        assert {fill.order_id for fill in fills} == {taken.order_id}
        assert all(float(fill.yes_price_dollars) * 10_000 >= offer for fill in fills)
        assert float(position.position_fp) == 2
        assert exchange.position(ME, TAPE.ticker) == 200


async def test_a_refusal_reaches_it_as_its_own_error(tmp_path: Path) -> None:
    async with trader(tmp_path) as (exchange, client):
        with pytest.raises(pykalshi.KalshiAPIError) as caught:
            await client.portfolio.place_order(
                TAPE.ticker, book_side="bid", price_dollars="0.9900", count_fp="1.00", post_only=True
            )

        assert "invalid_order" in str(caught.value)
        assert exchange.resting(ME) == ()
