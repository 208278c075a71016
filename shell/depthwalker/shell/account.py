"""What the exchange offers beyond the `Venue` port: batches, groups, queues, rates, status, schedule, fee changes.

It sends through the `Rest` of a `KalshiVenue`, and so shares its key, its connection and what it knows of clock and shards.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from depthwalker.core.answer import (
    Ack,
    CancelAck,
    ExchangeStatus,
    FeeChange,
    Market,
    OrderGroup,
    QueuePosition,
    Schedule,
    Trouble,
)
from depthwalker.core.book import Book
from depthwalker.core.budget import Costs, Limits
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import Count, Micros
from depthwalker.shell.account_wire import (
    read_books,
    read_costs,
    read_decrease,
    read_done,
    read_event_changes,
    read_group,
    read_groups,
    read_limits,
    read_new_group,
    read_queue_position,
    read_queue_positions,
    read_schedule,
    read_series_changes,
    read_status,
)
from depthwalker.shell.batch import read_batch_cancels
from depthwalker.shell.request import cancel_all_body, decrease_body, group_body
from depthwalker.shell.rest import (
    ORDERS,
    PUBLIC,
    READ,
    RECORDS,
    ROOT,
    WRITE,
    Query,
    Rest,
    classify,
    part,
    read_with,
    readable,
)
from depthwalker.shell.wire import AUTO_SHARD, Listing, read_markets

GROUPS: Final = f"{ROOT}/portfolio/order_groups"
MOST_BOOKS: Final = 100
OUT_OF_SERVICE: Final = (500, 503, 504)  # with these the exchange may still say its status


class KalshiAccount:
    """The rest of the exchange's interface for one account; no method raises for what the exchange or the network did."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def status(self) -> Outcome[ExchangeStatus, Trouble]:
        """Return whether the exchange takes changes and trades; it tells so even with a 500, 503 or 504."""
        match await self._rest.answer(PUBLIC, "GET", f"{ROOT}/exchange/status"):
            case Success(answer):
                told = read_status(answer.body)
                if 200 <= answer.status < 300:
                    return readable(told)
                if answer.status in OUT_OF_SERVICE and isinstance(told, Success):
                    return Success(told.unwrap())
                return Failure(classify(answer.status, answer.body))
            case Failure(trouble):
                return Failure(trouble)

    async def schedule(self) -> Outcome[Schedule, Trouble]:
        """Return the exchange's hours and maintenance windows."""
        return read_with(await self._rest.get(PUBLIC, f"{ROOT}/exchange/schedule"), read_schedule)

    async def limits(self) -> Outcome[Limits, Trouble]:
        """Return the account's rates."""
        return read_with(await self._rest.get(READ, f"{ROOT}/account/limits"), read_limits)

    async def costs(self) -> Outcome[Costs, Trouble]:
        """Return what requests cost."""
        return read_with(await self._rest.get(PUBLIC, f"{ROOT}/account/endpoint_costs"), read_costs)

    async def series_fee_changes(self, series_ticker: str) -> Outcome[tuple[FeeChange, ...], Trouble]:
        """Return the changes of a series' fees, past and to come, earliest first."""
        query = (("series_ticker", series_ticker), ("show_historical", "true"))
        return read_with(await self._rest.get(PUBLIC, f"{ROOT}/series/fee_changes", query), read_series_changes)

    async def event_fee_changes(self, event_ticker: str) -> Outcome[tuple[FeeChange, ...], Trouble]:
        """Return the changes of an event's fees, earliest first."""
        query = (("event_ticker", event_ticker),)
        match await self._rest.pages(PUBLIC, f"{ROOT}/events/fee_changes", query, read_event_changes):
            case Success(changes):
                return Success(tuple(sorted(changes, key=_when)))
            case Failure(trouble):
                return Failure(trouble)

    async def markets(
        self, *, status: str = "", series: str = "", event: str = "", limit: int = 1_000, cursor: str = ""
    ) -> Outcome[Listing[Market], Trouble]:
        """Return one page of markets without the combinations; `status` is in the filter's words (open, closed, ...)."""
        named = {"status": status, "series_ticker": series, "event_ticker": event, "cursor": cursor}
        query = tuple((name, given) for name, given in named.items() if given)
        full = (("limit", str(limit)), ("mve_filter", "exclude"), *query)
        page = read_with(await self._rest.get(PUBLIC, f"{ROOT}/markets", full), read_markets)
        for market in page.unwrap().items if isinstance(page, Success) else ():
            self._rest.note_shard(market.ticker, market.shard)
        return page

    async def books(self, tickers: Sequence[str]) -> Outcome[Mapping[str, Book], Trouble]:
        """Return whole books by ticker, at most 100 a request; a market that the exchange leaves out is left out."""
        found: dict[str, Book] = {}
        for first in range(0, len(tickers), MOST_BOOKS):
            asked = self._rest.now()
            query = tuple(("tickers", ticker) for ticker in tickers[first : first + MOST_BOOKS])
            answer = await self._rest.get(PUBLIC, f"{ROOT}/markets/orderbooks", query)
            books = read_with(answer, partial(read_books, at=asked))
            if isinstance(books, Failure):
                return books
            found |= books.unwrap()
        return Success(found)

    async def cancel_all(
        self, orders: Sequence[tuple[str, str]]
    ) -> Outcome[tuple[Outcome[CancelAck, Trouble], ...], Trouble]:
        """Cancel (ticker, order id) pairs in one request, billed by the order."""
        body = cancel_all_body(orders, self._rest)
        answer = await self._rest.send(WRITE, "DELETE", f"{ORDERS}/batched", (), body)
        now, ids = self._rest.now(), [order_id for _, order_id in orders]
        return read_with(answer, lambda found: read_batch_cancels(found, now, ids))

    async def decrease(self, ticker: str, order_id: str, to: Count) -> Outcome[Ack, Trouble]:
        """Leave `to` resting of an order, which keeps its place; the answer does not say what is filled."""
        path = f"{ORDERS}/{part(order_id)}/decrease"
        answer = await self._rest.send(WRITE, "POST", path, (), decrease_body(ticker, to, self._rest))
        now = self._rest.now()
        return read_with(answer, lambda body: read_decrease(body, now, order_id))

    async def queue_position(self, order_id: str) -> Outcome[Count, Trouble]:
        """Return the contracts ahead of an order at its price."""
        return read_with(await self._rest.get(READ, f"{RECORDS}/{part(order_id)}/queue_position"), read_queue_position)

    async def queue_positions(self, tickers: Sequence[str]) -> Outcome[tuple[QueuePosition, ...], Trouble]:
        """Return the places of all resting orders in some markets."""
        query = (("market_tickers", ",".join(tickers)),)
        return read_with(await self._rest.get(READ, f"{RECORDS}/queue_positions", query), read_queue_positions)

    async def create_group(self, limit: Count, shard: int = 0) -> Outcome[str, Trouble]:
        """Return the id of a new order group in a shard; reads may not know it at once."""
        answer = await self._rest.send(WRITE, "POST", f"{GROUPS}/create", (), group_body(limit, shard))
        return read_with(answer, read_new_group)

    async def groups(self) -> Outcome[tuple[OrderGroup, ...], Trouble]:
        """Return the account's order groups, without their orders."""
        return read_with(await self._rest.get(READ, GROUPS), read_groups)

    async def group(self, group_id: str) -> Outcome[OrderGroup, Trouble]:
        """Return an order group with its orders."""
        answer = await self._rest.get(READ, f"{GROUPS}/{part(group_id)}")
        return read_with(answer, lambda body: read_group(body, group_id))

    async def trigger_group(self, group_id: str, shard: int = 0) -> Outcome[None, Trouble]:
        """Cancel a group's orders and refuse new ones."""
        return await self._change_group("PUT", f"{part(group_id)}/trigger", shard, b"{}")

    async def delete_group(self, group_id: str, shard: int = 0) -> Outcome[None, Trouble]:
        """Delete a group, which cancels its orders."""
        return await self._change_group("DELETE", part(group_id), shard, None)

    async def _change_group(self, method: str, where: str, shard: int, body: bytes | None) -> Outcome[None, Trouble]:
        query: Query = () if shard == AUTO_SHARD else (("exchange_index", str(shard)),)
        return read_with(await self._rest.send(WRITE, method, f"{GROUPS}/{where}", query, body), read_done)


def _when(change: FeeChange) -> Micros:
    return change.at
