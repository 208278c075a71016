"""What the shell needs of the world, as protocols: the simulation and the tests put other worlds behind them."""

from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from depthwalker.core.answer import (
    Ack,
    CancelAck,
    FillRecord,
    Market,
    OrderRecord,
    TradePrint,
    Trouble,
)
from depthwalker.core.book import Book, Leg
from depthwalker.core.fees import FeeRates
from depthwalker.core.outcome import Outcome
from depthwalker.core.units import Count, Micros, Money, Price


class Clock(Protocol):
    """Time as the shell sees it, in UTC microseconds."""

    def now(self) -> Micros: ...

    async def sleep_until(self, when: Micros) -> None: ...


class Chance(Protocol):
    """Every random draw of the shell."""

    def hex(self, digits: int) -> str: ...

    def jitter(self) -> int:
        """Return a uniform draw from 0 to 999,999: parts per million of whatever is to be jittered."""
        ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request; `path` starts with /trade-api/v2 and has no query. Its repr does not show the signature."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One HTTP answer, its body read to the end. Its repr does not show the body: it may be a balance."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class NotSent(Exception):
    """The request cannot have reached the exchange: no name, no connection, no TLS, or a time-out before sending."""


class Lost(Exception):
    """The request was (or may have been) sent and no whole answer came back."""


class Transport(Protocol):
    """Sends a request exactly once. Raises NotSent or Lost, nothing else; never sends a second time by itself."""

    async def send(self, request: HttpRequest) -> HttpResponse: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PlaceRequest:
    """A new order. `expires` in whole seconds of UTC time (as micros); None only for immediate_or_cancel."""

    ticker: str
    client_order_id: str
    leg: Leg
    price: Price
    count: Count
    immediate: bool
    post_only: bool
    expires: Micros | None


@dataclass(frozen=True, slots=True)
class AmendRequest:
    """A change of price or total count (filled + wanted remaining) of a live order."""

    ticker: str
    order_id: str
    client_order_id: str
    updated_client_order_id: str
    leg: Leg
    price: Price
    total: Count


# Asked when a request is signed and ready to go out: why it must not after all, or nothing. It may take its time.
Clearance: TypeAlias = Callable[[], Awaitable[str]]


class Venue(Protocol):
    """The exchange in the core's words. No method raises for what the exchange or the network did.

    An order is made ready first and cleared last; one that is not cleared is NotApplied, with the reason.
    """

    async def market(self, ticker: str) -> Outcome[Market, Trouble]: ...

    async def fee_rates(self, market: Market) -> Outcome[FeeRates, Trouble]: ...

    async def book(self, ticker: str) -> Outcome[Book, Trouble]: ...

    async def trades(self, ticker: str, since: Micros) -> Outcome[tuple[TradePrint, ...], Trouble]: ...

    async def place(self, request: PlaceRequest, cleared: Clearance) -> Outcome[Ack, Trouble]: ...

    async def amend(self, request: AmendRequest, cleared: Clearance) -> Outcome[Ack, Trouble]: ...

    async def cancel(self, ticker: str, order_id: str) -> Outcome[CancelAck, Trouble]: ...

    async def order(self, order_id: str) -> Outcome[OrderRecord, Trouble]: ...

    async def orders(
        self, ticker: str, since: Micros, ours: Container[str] = ()
    ) -> Outcome[tuple[OrderRecord, ...], Trouble]:
        """Return the account's orders in a market.

        One that cannot be read is left out where its client id is none of ours and its order id not of `ours`.
        """
        ...

    async def resting(self) -> Outcome[tuple[OrderRecord, ...], Trouble]:
        """Return the account's resting orders in all markets."""
        ...

    async def fills(self, ticker: str, since: Micros, ours: Container[str]) -> Outcome[tuple[FillRecord, ...], Trouble]:
        """Return the account's fills in a market; one that cannot be read is left out unless its order is of `ours`."""
        ...

    async def position(self, ticker: str) -> Outcome[Count, Trouble]:
        """Return the signed position: positive is YES, negative is NO."""
        ...

    async def balance(self) -> Outcome[Money, Trouble]: ...
