"""The exchange behind the `Venue` port: V2 requests out, core values in (fact sheet, sections 4 to 6 and 8).

Every request is signed anew and sent once. How a failure is judged stands in one function, `classify`: only a request that may
have taken effect is Unknown, and an answer that cannot be read leaves its request Unknown as well.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec

from depthwalker.core.answer import (
    Ack,
    CancelAck,
    FillRecord,
    Market,
    NotApplied,
    OrderRecord,
    Rejected,
    TradePrint,
    Trouble,
    Unknown,
)
from depthwalker.core.book import Book, Leg
from depthwalker.core.fees import FeeRates
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Money, Price, ceil_div, format_count, format_price
from depthwalker.shell.ports import (
    AmendRequest,
    Clock,
    HttpRequest,
    HttpResponse,
    Lost,
    NotSent,
    PlaceRequest,
    Transport,
)
from depthwalker.shell.reading import Unreadable
from depthwalker.shell.signing import Signer
from depthwalker.shell.tariff import fee_rates, read_event_fees, read_series_fees
from depthwalker.shell.wire import (
    AUTO_SHARD,
    Listing,
    read_ack,
    read_balance,
    read_book,
    read_cancel_ack,
    read_error,
    read_fills,
    read_market,
    read_order,
    read_orders,
    read_positions,
    read_trades,
)

T = TypeVar("T")

ROOT: Final = "/trade-api/v2"
ORDERS: Final = f"{ROOT}/portfolio/events/orders"  # the V2 mutations; V1's are gone (410)
RECORDS: Final = f"{ROOT}/portfolio/orders"  # the reads

WRITE: Final = "write"  # the kinds that `on_call` counts: order entry,
READ: Final = "read"  # private reads,
PUBLIC: Final = "public"  # market data

PAGE: Final = "1000"
MOST_PAGES: Final = 50
PAUSES: Final = ("trading_is_paused", "exchange_is_paused")
NOT_APPLIED: Final = (401, 403, 410, 429)
TIMED_OUT: Final = (408, 499)  # a gateway's own time-outs

Query: TypeAlias = tuple[tuple[str, str], ...]


def classify(status: int, body: bytes) -> Trouble:
    """Return what an answer other than 2xx says of its request (fact sheet, section 5.11)."""
    words = read_error(body)
    said = f"{status} {words.code} {words.detail}".rstrip()
    if status in NOT_APPLIED or (status == 409 and words.code in PAUSES):
        return NotApplied(said)
    if 400 <= status < 500 and status not in TIMED_OUT:
        return Rejected(status, words.code or ("not_found" if status == 404 else f"http_{status}"), words.detail)
    return Unknown(said)


class KalshiVenue:
    """Satisfies `Venue`. Without a signer it serves market data alone, and private requests are NotApplied."""

    def __init__(
        self,
        transport: Transport,
        signer: Signer | None,
        clock: Clock,
        on_call: Callable[[str], None] | None = None,
    ) -> None:
        """`on_call` is told WRITE, READ or PUBLIC for every request just before it goes out."""
        self._transport = transport
        self._signer = signer
        self._clock = clock
        self._on_call = on_call
        self._shards: dict[
            str, int
        ] = {}  # as the markets last named them; a ticker not in here is routed by the exchange

    async def market(self, ticker: str) -> Outcome[Market, Trouble]:
        """Return the market; an unknown ticker is Rejected not_found."""
        answer = await self._get(PUBLIC, f"{ROOT}/markets/{_part(ticker)}")
        market = _read(answer, read_market)
        if isinstance(market, Success):
            found = market.unwrap()
            self._shards[found.ticker] = found.shard
        return market

    async def fee_rates(self, market: Market) -> Outcome[FeeRates, Trouble]:
        """Return the rates in force now: the event's override, or else the series'. Two public requests at most."""
        event = _read(await self._get(PUBLIC, f"{ROOT}/events/{_part(market.event_ticker)}"), read_event_fees)
        if isinstance(event, Failure):
            return event
        series_ticker, schedule = event.unwrap().series_ticker, event.unwrap().override
        if schedule is None:
            series = _read(await self._get(PUBLIC, f"{ROOT}/series/{_part(series_ticker)}"), read_series_fees)
            if isinstance(series, Failure):
                return series
            schedule = series.unwrap()
        return _readable(fee_rates(schedule))

    async def book(self, ticker: str) -> Outcome[Book, Trouble]:
        """Return the whole book, dated when it was asked for: it is no newer than that."""
        asked = self._clock.now()
        answer = await self._get(PUBLIC, f"{ROOT}/markets/{_part(ticker)}/orderbook")
        return _read(answer, lambda body: read_book(body, asked))

    async def trades(self, ticker: str, since: Micros) -> Outcome[tuple[TradePrint, ...], Trouble]:
        """Return the public trades at or after `since`, oldest first, without block trades."""
        match await self._pages(PUBLIC, f"{ROOT}/markets/trades", _since(ticker, since), read_trades):
            case Success(prints):
                return Success(tuple(one for one in prints if one.at >= since))
            case Failure(trouble):
                return Failure(trouble)

    async def place(self, request: PlaceRequest) -> Outcome[Ack, Trouble]:
        """Send a new order. Rejected order_already_exists says that its id is spent, not by whom."""
        answer = await self._send(WRITE, "POST", ORDERS, (), _place_body(request, self._shard(request.ticker)))
        now = self._clock.now()
        return _read(answer, lambda body: read_ack(body, now, client_order_id=request.client_order_id))

    async def amend(self, request: AmendRequest) -> Outcome[Ack, Trouble]:
        """Change an order's price or total count."""
        path = f"{ORDERS}/{_part(request.order_id)}/amend"
        answer = await self._send(WRITE, "POST", path, (), _amend_body(request, self._shard(request.ticker)))
        now = self._clock.now()
        return _read(answer, lambda body: read_ack(body, now, order_id=request.order_id))

    async def cancel(self, ticker: str, order_id: str) -> Outcome[CancelAck, Trouble]:
        """Cancel an order. Rejected not_found says neither that it is cancelled nor that it never was."""
        answer = await self._send(WRITE, "DELETE", f"{ORDERS}/{_part(order_id)}", (("market_ticker", ticker),), None)
        now = self._clock.now()
        return _read(answer, lambda body: read_cancel_ack(body, now, order_id))

    async def order(self, order_id: str) -> Outcome[OrderRecord, Trouble]:
        """Return an order's record, which may lag its answers by half a second."""
        return _read(await self._get(READ, f"{RECORDS}/{_part(order_id)}"), read_order)

    async def orders(self, ticker: str, since: Micros) -> Outcome[tuple[OrderRecord, ...], Trouble]:
        """Return the account's orders in a market since the whole second of `since`, oldest first."""
        return await self._pages(READ, RECORDS, _since(ticker, since), read_orders)

    async def fills(self, ticker: str, since: Micros) -> Outcome[tuple[FillRecord, ...], Trouble]:
        """Return the account's fills in a market since the whole second of `since`, oldest first."""
        return await self._pages(READ, f"{ROOT}/portfolio/fills", _since(ticker, since), read_fills)

    async def position(self, ticker: str) -> Outcome[Count, Trouble]:
        """Return the signed position; a market that is not listed has none."""
        match await self._pages(READ, f"{ROOT}/portfolio/positions", (("ticker", ticker),), read_positions):
            case Success(found):
                return Success(next((count for at, count in found if at == ticker), Count(0)))
            case Failure(trouble):
                return Failure(trouble)

    async def balance(self) -> Outcome[Money, Trouble]:
        """Return the account's cash."""
        return _read(await self._get(READ, f"{ROOT}/portfolio/balance"), read_balance)

    def _shard(self, ticker: str) -> int:
        return self._shards.get(ticker, AUTO_SHARD)

    async def _get(self, kind: str, path: str, query: Query = ()) -> Outcome[bytes, Trouble]:
        return await self._send(kind, "GET", path, query, None)

    async def _send(
        self, kind: str, method: str, path: str, query: Query, body: bytes | None
    ) -> Outcome[bytes, Trouble]:
        if self._signer is None and kind != PUBLIC:
            return Failure(NotApplied("no key: give key_id and key_file"))
        signed = {} if self._signer is None else self._signer.sign(method, path, self._clock.now())
        typed = {} if body is None else {"Content-Type": "application/json"}
        if self._on_call is not None:
            self._on_call(kind)
        try:
            answer = await self._transport.send(HttpRequest(method, path, query, {**signed, **typed}, body))
        except NotSent as error:
            return Failure(NotApplied(f"not sent: {error}"))
        except Lost as error:
            return Failure(Unknown(f"no answer: {error}"))
        return _successful(answer)

    async def _pages(
        self, kind: str, path: str, query: Query, read: Callable[[bytes], Outcome[Listing[T], Unreadable]]
    ) -> Outcome[tuple[T, ...], Trouble]:
        found: tuple[T, ...] = ()
        cursor: Query = ()
        for _ in range(MOST_PAGES):
            page = _read(await self._get(kind, path, (*query, ("limit", PAGE), *cursor)), read)
            if isinstance(page, Failure):
                return page
            found += page.unwrap().items
            if not page.unwrap().cursor:
                return Success(found[::-1])
            cursor = (("cursor", page.unwrap().cursor),)
        return Failure(Unknown(f"{path} has more than {MOST_PAGES} pages of {PAGE}"))


def _successful(answer: HttpResponse) -> Outcome[bytes, Trouble]:
    if 200 <= answer.status < 300:
        return Success(answer.body)
    return Failure(classify(answer.status, answer.body))


def _read(answer: Outcome[bytes, Trouble], read: Callable[[bytes], Outcome[T, Unreadable]]) -> Outcome[T, Trouble]:
    match answer:
        case Success(body):
            return _readable(read(body))
        case Failure(trouble):
            return Failure(trouble)


def _readable(outcome: Outcome[T, Unreadable]) -> Outcome[T, Trouble]:
    match outcome:
        case Success(found):
            return Success(found)
        case Failure(unreadable):
            return Failure(Unknown(unreadable.in_words()))


def _place_body(request: PlaceRequest, shard: int) -> bytes:
    assert request.immediate or request.expires is not None, "an order that may rest needs an expiration"
    resting: dict[str, object] = (
        {"time_in_force": "immediate_or_cancel"}
        if request.immediate or request.expires is None
        else {
            "time_in_force": "good_till_canceled",
            "post_only": request.post_only,
            "expiration_time": ceil_div(request.expires, SECOND),
            "cancel_order_on_pause": True,
        }
    )
    return msgspec.json.encode(
        {
            "ticker": request.ticker,
            "client_order_id": request.client_order_id,
            **_terms(request.leg, request.price, request.count),
            "self_trade_prevention_type": "taker_at_cross",
            **resting,
            **_routed(shard),
        }
    )


def _amend_body(request: AmendRequest, shard: int) -> bytes:
    return msgspec.json.encode(
        {
            "ticker": request.ticker,
            "client_order_id": request.client_order_id,
            "updated_client_order_id": request.updated_client_order_id,
            **_terms(request.leg, request.price, request.total),
            **_routed(shard),
        }
    )


def _terms(leg: Leg, price: Price, count: Count) -> dict[str, object]:
    """Return side, price and count on the exchange's one book: acquiring NO at p is an ask at 1 - p."""
    side, yes_price = ("bid", price) if leg is Leg.YES else ("ask", Price(DOLLAR - price))
    return {"side": side, "price": format_price(yes_price), "count": format_count(count)}


def _routed(shard: int) -> dict[str, object]:
    return {} if shard == AUTO_SHARD else {"exchange_index": shard}


def _since(ticker: str, since: Micros) -> Query:
    return (("ticker", ticker), ("min_ts", str(max(0, since) // SECOND)))


def _part(text: str) -> str:
    return quote(text, safe="")
