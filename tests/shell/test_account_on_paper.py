"""Every call of the client meets our own exchange once, and both ends agree on what happened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from depthwalker.core.answer import OrderStatus, Rejected
from depthwalker.core.book import Leg
from depthwalker.core.budget import USUAL_COSTS, cost_of
from depthwalker.core.outcome import Success
from depthwalker.core.units import CONTRACT, MILLION, SECOND, Count, Micros, Money
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.paper import Account, Listing, PaperExchange
from depthwalker.shell.ports import PlaceRequest
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.rest import ORDERS
from depthwalker.shell.signing import Signer
from depthwalker.shell.synthetic import synthesize
from depthwalker.shell.transport import AioHttpTransport

ME = "me"
TAPE = synthesize(PROFILES["liquid"], 7, 60)


@asynccontextmanager
async def desk() -> AsyncIterator[tuple[PaperExchange, KalshiVenue, KalshiAccount]]:
    key, clock = Ed25519PrivateKey.generate(), SystemClock()
    mine = Account(ME, "key-1", key.public_key(), Money(1_000 * MILLION))
    async with PaperExchange([Listing(TAPE)], [mine], clock, SystemChance()) as exchange:
        transport = AioHttpTransport(exchange.url)
        venue = KalshiVenue(transport, Signer("key-1", key), clock)
        try:
            yield exchange, venue, KalshiAccount(venue.rest)
        finally:
            await transport.close()


def far_order(client_order_id: str) -> PlaceRequest:
    return PlaceRequest(
        ticker=TAPE.ticker,
        client_order_id=client_order_id,
        leg=Leg.YES,
        price=TAPE.grid.lowest(),
        count=Count(3 * CONTRACT),
        immediate=False,
        post_only=True,
        expires=Micros(SystemClock().now() + 60 * SECOND),
    )


async def test_orders_their_queue_a_decrease_and_their_end_in_a_batch() -> None:
    async with desk() as (exchange, venue, account):
        (await venue.market(TAPE.ticker)).unwrap()
        first, second = [(await venue.place(far_order(name))).unwrap().order_id for name in ("c1", "c2")]
        ahead = {one.order_id: one.ahead for one in (await account.queue_positions([TAPE.ticker])).unwrap()}

        assert ahead[second] - ahead[first] == 3 * CONTRACT
        assert await account.queue_position(first) == Success(ahead[first])

        left = (await account.decrease(TAPE.ticker, first, CONTRACT)).unwrap()
        gone = (await account.cancel_all([(TAPE.ticker, first), (TAPE.ticker, "none"), (TAPE.ticker, second)])).unwrap()

        assert (left.remaining, gone[0].unwrap().reduced_by) == (CONTRACT, CONTRACT)
        assert gone[1].failure() == Rejected(404, "not_found", "not found")
        assert gone[2].unwrap().reduced_by == 3 * CONTRACT
        assert exchange.resting(ME) == ()
        assert {one.status for one in exchange.orders(ME)} == {OrderStatus.CANCELED}


async def test_a_group_kills_its_orders_and_refuses_more() -> None:
    async with desk() as (exchange, venue, account):
        shard = (await venue.market(TAPE.ticker)).unwrap().shard
        group = (await account.create_group(Count(10 * CONTRACT), shard)).unwrap()
        venue.join(shard, group)
        order_id = (await venue.place(far_order("c1"))).unwrap().order_id
        seen = (await account.group(group)).unwrap()

        assert (seen.orders, seen.limit) == ((order_id,), 10 * CONTRACT)
        assert [one.group_id for one in (await account.groups()).unwrap()] == [group]

        (await account.trigger_group(group, shard)).unwrap()
        assert exchange.resting(ME) == ()
        assert isinstance((await venue.place(far_order("c2"))).failure(), Rejected)

        assert venue.group_of(TAPE.ticker) == "", "an order refused for its group leaves it"
        (await account.delete_group(group, shard)).unwrap()
        assert (exchange.resting(ME), (await account.groups()).unwrap()) == ((), ())


async def test_market_data_rates_and_rules() -> None:
    async with desk() as (exchange, venue, account):
        market = (await venue.market(TAPE.ticker)).unwrap()
        page = (await account.markets(status="open")).unwrap()
        books = (await account.books([TAPE.ticker])).unwrap()
        costs = (await account.costs()).unwrap()
        limits = (await account.limits()).unwrap()

        assert page.items == (market,)
        assert books.keys() == {TAPE.ticker}
        assert books[TAPE.ticker].yes
        assert (await account.status()).unwrap().trading_active
        assert (await account.schedule()).unwrap().weeks
        assert (limits.read.refill, limits.write.refill) == (200, 100)
        for method, path in (("POST", ORDERS), ("DELETE", f"{ORDERS}/o1"), ("DELETE", f"{ORDERS}/batched")):
            assert cost_of(costs, method, path) == cost_of(USUAL_COSTS, method, path)
        series = (await venue.fee_rates(market)).unwrap()
        assert series.taker > 0
        assert isinstance(await account.series_fee_changes(market.event_ticker), Success)
        assert isinstance(await account.event_fee_changes(market.event_ticker), Success)
        assert exchange.requests["costs"] == 1
