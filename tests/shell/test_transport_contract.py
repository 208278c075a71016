"""What every `Transport` promises, before the same exchange: aiohttp's over real sockets, and the simulation's."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import pytest
from tests.shell.rig import (
    A_DAY,
    ACCEPTED_500,
    CASH,
    KEY,
    LOST,
    ME,
    NEVER_CAME,
    PAGE,
    SIGNER,
    TICKER,
    TOO_MANY,
    quiet,
    until,
)
from tests.simulation.wire import Desk, Fault, SeededChance, SimulatedTransport

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange
from depthwalker.shell.paper.faults import Delayed, Duplicated
from depthwalker.shell.paper.faults import Fault as PaperFault
from depthwalker.shell.ports import HttpRequest, HttpResponse, Lost, NotSent, Transport
from depthwalker.shell.transport import AioHttpTransport, Timeouts

ORDERS = "/trade-api/v2/portfolio/events/orders"
QUICK_S = 0.2
QUICK = Timeouts(connect=Micros(SECOND), send=Micros(SECOND), answer=Micros(round(QUICK_S * SECOND)))
ON_THE_WIRE: dict[Fault, PaperFault] = {
    Fault.REQUEST_LOST: NEVER_CAME,
    Fault.ANSWER_LOST: LOST,
    Fault.LATE: Delayed(Micros(round(1.5 * QUICK_S * SECOND))),
    Fault.DUPLICATE: Duplicated(),
    Fault.THROTTLED: TOO_MANY,
    Fault.GATEWAY: PAGE,
    Fault.ACCEPTED_5XX: ACCEPTED_500,
    Fault.SLOW: Delayed(Micros(SECOND // 50)),
}
FAILURES: dict[Fault, type[Exception]] = {
    Fault.NOT_SENT: NotSent,
    Fault.REQUEST_LOST: Lost,
    Fault.ANSWER_LOST: Lost,
    Fault.LATE: Lost,
}
STATUSES = {
    Fault.DUPLICATE: {201, 409},
    Fault.THROTTLED: {429},
    Fault.GATEWAY: {502},
    Fault.ACCEPTED_5XX: {500},
    Fault.SLOW: {201},
}
ORDERED = {Fault.ANSWER_LOST, Fault.LATE, Fault.DUPLICATE, Fault.ACCEPTED_5XX, Fault.SLOW}


@dataclass
class Line:
    """A transport to an exchange.

    `meet` has the next create meet a fault, `due` says whether it is still to come, `came` counts the creates that came there.
    """

    transport: Transport
    exchange: PaperExchange
    meet: Callable[[Fault], Awaitable[None]]
    due: Callable[[], bool]
    came: Callable[[], int]

    def names(self) -> list[str]:
        """Return the orders in the exchange's books by their client's ids."""
        return [order.client_order_id for order in self.exchange.orders(ME)]


@asynccontextmanager
async def wired() -> AsyncIterator[Line]:
    account = Account(ME, "kid", KEY.public_key(), CASH)
    listing = Listing(quiet(), closes_after=A_DAY)
    exchange = PaperExchange([listing], [account], SystemClock(), SeededChance(Random(1)))

    async def meet(fault: Fault) -> None:
        if fault is Fault.NOT_SENT:
            await exchange.stop()
        else:
            exchange.faults.add("create", ON_THE_WIRE[fault])

    async with exchange:
        transport = AioHttpTransport(exchange.url, QUICK)
        yield Line(
            transport, exchange, meet, lambda: bool(exchange.faults.planned()), lambda: exchange.requests["create"]
        )
        await transport.close()


@asynccontextmanager
async def simulated() -> AsyncIterator[Line]:
    clock, options = SystemClock(), Options()
    account = Account(ME, "kid", KEY.public_key(), CASH)
    exchange = PaperExchange([Listing(quiet(), closes_after=A_DAY)], [account], clock, SeededChance(Random(1)), options)
    desk = Desk(exchange, options, KEY.public_key(), clock)
    losses: dict[tuple[str, int], Fault] = {}
    met: Counter[tuple[str, str]] = Counter()
    came: list[HttpRequest] = []
    transport = SimulatedTransport(
        desk,
        clock,
        Random(1),
        0.0,
        losses,
        met,
        heard=lambda request, _: came.append(request),
        touched=lambda _: None,
        timeout_s=QUICK_S,
    )

    async def meet(fault: Fault) -> None:
        losses["create", len(came) + met.total() + 1] = fault

    yield Line(transport, exchange, meet, lambda: bool(losses), lambda: len(came))
    await transport.close()


@pytest.fixture(params=[wired, simulated])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    """A line to an exchange, a real one and the simulation's."""
    async with request.param() as opened:
        yield opened


def create(name: str = "one") -> HttpRequest:
    """Return a signed request for an order that rests."""
    body = {
        "ticker": TICKER,
        "client_order_id": name,
        "side": "bid",
        "price": "0.4000",
        "count": "5.00",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    headers = SIGNER.sign("POST", ORDERS, SystemClock().now())
    return HttpRequest("POST", ORDERS, (), headers, json.dumps(body).encode())


def named(answer: HttpResponse) -> str:
    """Return which order an answer is about."""
    return str(json.loads(answer.body)["client_order_id"])


def read(path: str = "/trade-api/v2/portfolio/balance", *query: tuple[str, str]) -> HttpRequest:
    return HttpRequest("GET", path, query, SIGNER.sign("GET", path, SystemClock().now()), None)


async def test_a_whole_answer_comes_back_whatever_its_status(line: Line) -> None:
    created = await line.transport.send(create())
    assert created.status == 201
    assert named(created) == "one"
    assert "Date" in created.headers
    assert (await line.transport.send(create())).status == 409
    unknown = await line.transport.send(read("/trade-api/v2/portfolio/orders/nothing"))
    assert unknown.status == 404
    assert line.names() == ["one"]


async def test_a_query_is_sent_as_it_is_given(line: Line) -> None:
    await line.transport.send(create())
    path = "/trade-api/v2/portfolio/orders"
    for ticker, orders in ((TICKER, 1), ("A B&c=d", 0)):
        answer = await line.transport.send(read(path, ("ticker", ticker), ("limit", "5")))
        assert answer.status == 200
        assert len(json.loads(answer.body)["orders"]) == orders


@pytest.mark.parametrize("fault", Fault)
async def test_a_request_is_sent_once_whatever_it_meets(line: Line, fault: Fault) -> None:
    """NotSent and Lost are all that is raised. After NotSent there is nothing; after Lost nobody knows without asking."""
    await line.meet(fault)
    if fault in FAILURES:
        with pytest.raises(FAILURES[fault]):
            await line.transport.send(create())
    else:
        assert (await line.transport.send(create())).status in STATUSES[fault]
    if fault in ORDERED:
        await until(lambda: line.names() == ["one"])
    else:
        assert line.names() == []
    assert line.came() <= (2 if fault is Fault.DUPLICATE else 1)


@pytest.mark.parametrize("fault", [fault for fault, failure in FAILURES.items() if failure is Lost])
async def test_what_was_lost_may_be_sent_again_by_the_caller_alone(line: Line, fault: Fault) -> None:
    await line.meet(fault)
    with pytest.raises(Lost):
        await line.transport.send(create())
    if fault in ORDERED:
        await until(lambda: line.names() == ["one"])
    again = await line.transport.send(create())
    assert again.status == (409 if fault in ORDERED else 201)
    assert line.names() == ["one"]


async def test_many_at_once_get_each_their_own_answer(line: Line) -> None:
    names = [f"order-{number}" for number in range(8)]
    answers = await asyncio.gather(*(line.transport.send(create(name)) for name in names))
    assert [named(answer) for answer in answers] == names
    assert sorted(line.names()) == names


async def test_whoever_gives_up_leaves_what_was_sent_on_its_way(line: Line) -> None:
    await line.meet(Fault.LATE)
    sending = asyncio.create_task(line.transport.send(create()))
    await until(lambda: not line.due())
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await until(lambda: line.names() == ["one"])
    assert (await line.transport.send(create("two"))).status == 201


async def test_a_closed_transport_sends_nothing(line: Line) -> None:
    await line.transport.send(read())
    await line.transport.close()
    await line.transport.close()
    with pytest.raises(NotSent, match="closed"):
        await line.transport.send(create())
    assert line.names() == []


@pytest.mark.parametrize("fault", FAILURES)
async def test_no_failure_shows_the_signature(line: Line, fault: Fault) -> None:
    await line.meet(fault)
    request = create()
    with pytest.raises((Lost, NotSent)) as caught:
        await line.transport.send(request)
    assert not any(value in repr(caught.value) + repr(request) for value in request.headers.values())
    assert caught.value.__context__ is None
