"""The exchange behind the `Venue` port: V2 requests out, core values in (fact sheet, sections 4 to 6 and 8).

What the engine needs stands here, the rest in `account`; both send through one `Rest`, which they share.
"""

from collections.abc import Callable, Container, Hashable
from functools import partial
from typing import Final, TypeVar

from depthwalker.core.answer import (
    POST_ONLY_CROSS,
    Ack,
    CancelAck,
    ExchangeStatus,
    FillRecord,
    Market,
    OrderRecord,
    Rejected,
    TradePrint,
    Trouble,
)
from depthwalker.core.book import Book
from depthwalker.core.fees import FeeRates
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import DAY, Count, Micros, Money
from depthwalker.shell.account_wire import read_status
from depthwalker.shell.ports import AmendRequest, Clearance, Clock, PlaceRequest, Transport
from depthwalker.shell.reading import Unreadable
from depthwalker.shell.request import amend_body, place_body
from depthwalker.shell.rest import (
    ORDERS,
    PUBLIC,
    READ,
    RECORDS,
    ROOT,
    WRITE,
    Rest,
    part,
    read_with,
    readable,
    since_query,
    successful,
)
from depthwalker.shell.signing import Signer
from depthwalker.shell.tariff import fee_rates, read_event_fees, read_series_fees
from depthwalker.shell.wire import (
    Listing,
    read_ack,
    read_balance,
    read_book,
    read_cancel_ack,
    read_fills,
    read_market,
    read_order,
    read_orders,
    read_positions,
    read_trades,
)

T = TypeVar("T")
HISTORICAL: Final = f"{ROOT}/historical"
LISTED: Final = Micros(7 * DAY)  # orders are listed for fourteen days after their end (fact sheet, section 4)

# Of an order's refusal, in its price, count, account or market (fact sheet, section 5.11).
OWN_CAUSES: Final = (
    "order_already_exists",
    "insufficient_balance",
    "available_balance_too_low",
    "fill_or_kill_insufficient_resting_volume",
    "invalid_price",
    "invalid_order_size",
    "market_closed",
    "market_inactive",
    "MARKET_INACTIVE",
)


class KalshiVenue:
    """Satisfies `Venue`. Without a signer it serves market data alone, and private requests are NotApplied."""

    def __init__(self, transport: Transport, signer: Signer | None, clock: Clock) -> None:
        self.rest = Rest(transport, signer, clock)
        self._groups: dict[int, str] = {}

    async def warm(self) -> Outcome[ExchangeStatus, Trouble]:
        """Open the connection before an order needs it, with one public request that also shows the exchange's clock."""
        path = f"{ROOT}/exchange/status"
        return read_with(successful(await self.rest.answer(PUBLIC, "GET", path, dated=True)), read_status)

    def join(self, shard: int, group_id: str) -> None:
        """Have every order placed in a shard from now on belong to an order group; an empty id leaves it."""
        self._groups[shard] = group_id

    def group_of(self, ticker: str) -> str:
        """Return the order group that an order placed in a market now would belong to, or nothing."""
        return self._groups.get(self.rest.shard(ticker), "")

    async def market(self, ticker: str) -> Outcome[Market, Trouble]:
        """Return the market; an unknown ticker is Rejected not_found."""
        answer = await self.rest.get(PUBLIC, f"{ROOT}/markets/{part(ticker)}")
        market = read_with(answer, partial(read_market, ticker=ticker))
        if isinstance(market, Success):
            found = market.unwrap()
            self.rest.note_shard(found.ticker, found.shard)
        return market

    async def fee_rates(self, market: Market) -> Outcome[FeeRates, Trouble]:
        """Return the rates in force now: the event's override, or else the series'. Two public requests at most."""
        event = read_with(await self.rest.get(PUBLIC, f"{ROOT}/events/{part(market.event_ticker)}"), read_event_fees)
        if isinstance(event, Failure):
            return event
        series_ticker, schedule = event.unwrap().series_ticker, event.unwrap().override
        if schedule is None:
            series = read_with(await self.rest.get(PUBLIC, f"{ROOT}/series/{part(series_ticker)}"), read_series_fees)
            if isinstance(series, Failure):
                return series
            schedule = series.unwrap()
        return readable(fee_rates(schedule))

    async def book(self, ticker: str) -> Outcome[Book, Trouble]:
        """Return the whole book, dated when it was asked for: it is no newer than that."""
        asked = self.rest.now()

        async def cleared() -> str:
            nonlocal asked
            reason = await self.rest.metered(PUBLIC)
            asked = self.rest.now()
            return reason

        answer = await self.rest.get(PUBLIC, f"{ROOT}/markets/{part(ticker)}/orderbook", cleared=cleared)
        return read_with(answer, lambda body: read_book(body, asked))

    async def trades(self, ticker: str, since: Micros) -> Outcome[tuple[TradePrint, ...], Trouble]:
        """Return the public trades at or after `since`, oldest first, without block trades."""
        match await self.rest.pages(PUBLIC, f"{ROOT}/markets/trades", since_query(ticker, since), read_trades):
            case Success(prints):
                return Success(tuple(one for one in prints if one.at >= since))
            case Failure(trouble):
                return Failure(trouble)

    async def place(self, request: PlaceRequest, cleared: Clearance | None = None) -> Outcome[Ack, Trouble]:
        """Send a new order. Rejected order_already_exists says that its id is spent, not by whom.

        One that may have been refused for its group leaves it: the next ones go without.
        """
        group = self.group_of(request.ticker)
        answer = await self.rest.send(WRITE, "POST", ORDERS, (), place_body(request, self.rest, group), cleared)
        if group and group == self.group_of(request.ticker) and _may_refuse_group(answer):
            self.join(self.rest.shard(request.ticker), "")
        now = self.rest.now()
        return read_with(answer, lambda body: read_ack(body, now, client_order_id=request.client_order_id))

    async def amend(self, request: AmendRequest, cleared: Clearance | None = None) -> Outcome[Ack, Trouble]:
        """Change an order's price or total count."""
        path = f"{ORDERS}/{part(request.order_id)}/amend"
        answer = await self.rest.send(WRITE, "POST", path, (), amend_body(request, self.rest), cleared)
        now = self.rest.now()
        return read_with(answer, lambda body: read_ack(body, now, order_id=request.order_id))

    async def cancel(self, ticker: str, order_id: str) -> Outcome[CancelAck, Trouble]:
        """Cancel an order. Rejected not_found says neither that it is cancelled nor that it never was."""
        path = f"{ORDERS}/{part(order_id)}"
        routed = (("market_ticker", ticker), ("exchange_index", str(self.rest.shard(ticker))))
        answer = await self.rest.send(WRITE, "DELETE", path, routed)
        now = self.rest.now()
        return read_with(answer, lambda body: read_cancel_ack(body, now, order_id))

    async def order(self, order_id: str) -> Outcome[OrderRecord, Trouble]:
        """Return an order's record, which may lag its answers by half a second."""
        return read_with(await self.rest.get(READ, f"{RECORDS}/{part(order_id)}"), read_order)

    async def orders(
        self, ticker: str, since: Micros, ours: Container[str] = ()
    ) -> Outcome[tuple[OrderRecord, ...], Trouble]:
        """Return the account's orders in a market since the whole second of `since`, oldest first, archived ones too."""
        read = partial(read_orders, ours=ours)
        listed = await self.rest.pages(READ, RECORDS, since_query(ticker, self.rest.earliest(since)), read)
        return await self._with_archived(f"{HISTORICAL}/orders", ticker, since, listed, read, _order_id)

    async def resting(self) -> Outcome[tuple[OrderRecord, ...], Trouble]:
        """Return the account's resting orders in all markets, oldest first."""
        return await self.rest.pages(READ, RECORDS, (("status", "resting"),), read_orders)

    async def fills(self, ticker: str, since: Micros, ours: Container[str]) -> Outcome[tuple[FillRecord, ...], Trouble]:
        """Return the account's fills in a market since the whole second of `since`, oldest first, archived ones too.

        One that cannot be read fails the reading only where it is of an order of `ours`.
        """
        read = partial(read_fills, now=self.rest.now(), ours=ours)
        query = since_query(ticker, self.rest.earliest(since))
        listed = await self.rest.pages(READ, f"{ROOT}/portfolio/fills", query, read)
        return await self._with_archived(f"{HISTORICAL}/fills", ticker, since, listed, read, _fill_id)

    async def position(self, ticker: str) -> Outcome[Count, Trouble]:
        """Return the signed position; a market that is not listed has none."""
        match await self.rest.pages(READ, f"{ROOT}/portfolio/positions", (("ticker", ticker),), read_positions):
            case Success(found):
                return Success(next((count for at, count in found if at == ticker), Count(0)))
            case Failure(trouble):
                return Failure(trouble)

    async def balance(self) -> Outcome[Money, Trouble]:
        """Return the account's cash."""
        return read_with(await self.rest.get(READ, f"{ROOT}/portfolio/balance"), read_balance)

    async def _with_archived(
        self,
        path: str,
        ticker: str,
        since: Micros,
        listed: Outcome[tuple[T, ...], Trouble],
        read: Callable[[bytes], Outcome[Listing[T], Unreadable]],
        name: Callable[[T], Hashable],
    ) -> Outcome[tuple[T, ...], Trouble]:
        """Return a list with what has gone from it to the archive, which is read after it: nothing can slip between."""
        if self.rest.now() - since < LISTED or isinstance(listed, Failure):
            return listed
        archived = await self.rest.pages(READ, path, (("ticker", ticker),), read)
        if isinstance(archived, Failure):
            return archived
        names = {name(record) for record in listed.unwrap()}
        return Success((*(record for record in archived.unwrap() if name(record) not in names), *listed.unwrap()))


def _order_id(order: OrderRecord) -> str:
    return order.order_id


def _fill_id(fill: FillRecord) -> tuple[str, str]:
    return fill.order_id, fill.trade_id


def _may_refuse_group(answer: Outcome[bytes, Trouble]) -> bool:
    """Return whether an order may have been refused for its group, triggered or gone: the words name no other cause.

    In which words the exchange refuses a group is not established, and without one an order lacks a belt, nothing else.
    """
    match answer:
        case Failure(Rejected(_, code, detail)):
            return code not in OWN_CAUSES and POST_ONLY_CROSS not in detail
        case _:
            return False
