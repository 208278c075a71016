"""Sends one execution's requests, each exactly once, and says which facts they came to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from depthwalker.core.answer import OrderRecord, Trouble
from depthwalker.core.command import Amend
from depthwalker.core.execution import State
from depthwalker.core.fact import STORE_AWAY, Fact
from depthwalker.core.ids import ClientId, parse_client_id
from depthwalker.core.ledger import Kind, OrderKey, Style
from depthwalker.core.outcome import Outcome, Success
from depthwalker.core.parent import Parent
from depthwalker.core.reply import amend_reply, cancel_reply, create_reply, itemisation_due, lookup_reply
from depthwalker.core.skew import WIDEST
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import AmendRequest, Clearance, Clock, PlaceRequest, Venue

BURN_COUNT: Final = Count(1)
# Before the start of the parent, with room to spare: how fast our clock ever was, the venue allows for. Where another worker
# began it, as far as its clock may have been off. Whoever quotes in a market has more orders a day there than can be read.
LOOK_BACK: Final = Micros(3_600 * SECOND)
LOOK_BACK_TAKEN_UP: Final = Micros(WIDEST + 60 * SECOND)
Facts = tuple[Fact, ...]
Durable: TypeAlias = Callable[[], Awaitable[bool]]  # whether an intent is durable, once that is known


class Sender:
    """The requests of one parent. `called_off` is asked just before sending: the wait for the rate budget may be long."""

    def __init__(
        self,
        parent: Parent,
        venue: Venue,
        limiter: Limiter,
        clock: Clock,
        called_off: Callable[[Kind], str],
        *,
        taken_up: bool,
    ) -> None:
        """`called_off` returns why a request of this kind must not go out any more, or nothing.

        `taken_up`: the parent may have begun by another worker's clock.
        """
        self._parent = parent
        self._venue = venue
        self._limiter = limiter
        self._clock = clock
        self._called_off = called_off
        self._since = Micros(parent.started - (LOOK_BACK_TAKEN_UP if taken_up else LOOK_BACK))
        self._waits: dict[asyncio.Timeout, Kind] = {}

    def call_off(self) -> None:
        """Let what is called off wait for the rate budget no longer: no cancel of its order goes out before it is answered."""
        for wait, kind in self._waits.items():
            if self._called_off(kind):
                wait.reschedule(0)

    def unsent(self) -> int:
        """Return how many orders wait for the rate budget: nothing of them is at the exchange yet."""
        return sum(kind is Kind.PLACE for kind in self._waits.values())

    async def create(
        self, key: OrderKey, kind: Kind, price: Price, count: Count, style: Style, durable: Durable | None = None
    ) -> Facts:
        """Send a new order once its intent is durable, or claim one of unknown outcome by sending it again."""
        rests = style is Style.REST
        request = PlaceRequest(
            ticker=self._parent.ticker,
            client_order_id=self._client_id(key.split, key.birth),
            leg=self._parent.leg,
            price=price,
            count=count,
            immediate=not rests,
            post_only=rests,
            expires=self._parent.expires if rests else None,
        )
        outcome = await self._venue.place(request, self._clearance(kind, durable))
        return (create_reply(key, kind, outcome, self._clock.now()),)

    async def burn(self, key: OrderKey, price: Price) -> Facts:
        """Spend the id of an order of unknown outcome."""
        return await self.create(key, Kind.BURN, price, BURN_COUNT, Style.TAKE)

    async def amend(self, command: Amend, durable: Durable | None = None) -> Facts:
        """Change a live order once the intent is durable."""
        request = AmendRequest(
            ticker=self._parent.ticker,
            order_id=command.order_id,
            client_order_id=self._client_id(command.key.split, command.current),
            updated_client_order_id=self._client_id(command.key.split, command.revision),
            leg=self._parent.leg,
            price=command.price,
            total=command.total,
        )
        outcome = await self._venue.amend(request, self._clearance(Kind.AMEND, durable))
        return (amend_reply(command.key, command.revision, outcome, self._clock.now()),)

    async def cancel(self, key: OrderKey, order_id: str) -> Facts:
        """Cancel a live order."""
        await self._limiter.acquire(Purpose.CANCEL)
        outcome = await self._venue.cancel(self._parent.ticker, order_id)
        return (cancel_reply(key, outcome, self._clock.now()),)

    async def look_up(self, state: Callable[[], State]) -> Facts:
        """Read our orders in the market, and their fills where the counts of the state then call for them."""
        ticker, since = self._parent.ticker, self._since
        orders = await self._venue.orders(ticker, since, _known(state()))
        fills = None
        if itemisation_due(state(), orders):
            fills = await self._venue.fills(ticker, since, _ours(state(), orders))
        return lookup_reply(state(), orders, fills, self._clock.now())

    def _clearance(self, kind: Kind, durable: Durable | None) -> Clearance:
        """Return what lets an order out: its intent durable, its tokens there, and nothing that calls it off."""

        async def cleared() -> str:
            off = await self._waited(kind)
            if off:
                return off
            if durable is not None and not await durable():
                return STORE_AWAY
            return self._called_off(kind)

        return cleared

    async def _waited(self, kind: Kind) -> str:
        """Wait for the rate budget; return why the request is called off meanwhile, or nothing."""
        off = self._called_off(kind)
        if off:  # since it was asked for: `call_off` found nothing waiting
            return off
        wait = asyncio.timeout(None)
        self._waits[wait] = kind
        try:
            async with wait:
                await self._limiter.acquire(Purpose.RESOLVE if kind is Kind.BURN else Purpose.ENTRY)
        except TimeoutError:
            return self._called_off(kind)
        finally:
            del self._waits[wait]
        return ""

    def _client_id(self, split: int, revision: int) -> str:
        return ClientId(self._parent.installation, self._parent.execution, split, revision).text()


def _known(state: State) -> frozenset[str]:
    return frozenset(order.order_id for order in state.orders if order.order_id)


def _ours(state: State, orders: Outcome[tuple[OrderRecord, ...], Trouble]) -> frozenset[str]:
    """Return the ids of the orders that may be ours: known already, or told by their client ids just now."""
    told = orders.unwrap() if isinstance(orders, Success) else ()
    return _known(state) | {record.order_id for record in told if parse_client_id(record.client_order_id) is not None}
