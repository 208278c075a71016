"""Orders, fills and prints as core values: REST and the websocket tell them in the same words, and differ in their times."""

from typing import Final, Protocol

from depthwalker.core.answer import FillRecord, OrderRecord, OrderStatus, TradePrint
from depthwalker.core.units import Micros, Money
from depthwalker.shell.reading import acquired_price, count_of, leg_of, money_of, one_of, price_of

UNDATED: Final = Micros(0)


class OrderWords(Protocol):
    """An order as the exchange tells it."""

    @property
    def order_id(self) -> str: ...
    @property
    def client_order_id(self) -> str | None: ...
    @property
    def ticker(self) -> str: ...
    @property
    def outcome_side(self) -> str | None: ...
    @property
    def book_side(self) -> str | None: ...
    @property
    def yes_price_dollars(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def initial_count_fp(self) -> str: ...
    @property
    def fill_count_fp(self) -> str: ...
    @property
    def remaining_count_fp(self) -> str: ...
    @property
    def taker_fees_dollars(self) -> str: ...
    @property
    def maker_fees_dollars(self) -> str: ...


class FillWords(Protocol):
    """A fill of one of our orders as the exchange tells it."""

    @property
    def order_id(self) -> str: ...
    @property
    def trade_id(self) -> str: ...
    @property
    def outcome_side(self) -> str | None: ...
    @property
    def book_side(self) -> str | None: ...
    @property
    def yes_price_dollars(self) -> str: ...
    @property
    def count_fp(self) -> str: ...
    @property
    def fee_cost(self) -> str: ...
    @property
    def is_taker(self) -> bool: ...


class PrintWords(Protocol):
    """A public trade as the exchange tells it."""

    @property
    def trade_id(self) -> str: ...
    @property
    def taker_outcome_side(self) -> str | None: ...
    @property
    def taker_book_side(self) -> str | None: ...
    @property
    def yes_price_dollars(self) -> str: ...
    @property
    def count_fp(self) -> str: ...


def order_of(order: OrderWords, created: Micros) -> OrderRecord:
    """Return an order's record; raises Refused."""
    leg = leg_of(order.outcome_side, order.book_side)
    return OrderRecord(
        order_id=order.order_id,
        client_order_id=order.client_order_id or "",
        ticker=order.ticker,
        leg=leg,
        price=acquired_price(leg, order.yes_price_dollars),
        status=one_of(OrderStatus, order.status),
        initial=count_of(order.initial_count_fp),
        filled=count_of(order.fill_count_fp),
        remaining=count_of(order.remaining_count_fp),
        fees=Money(money_of(order.taker_fees_dollars) + money_of(order.maker_fees_dollars)),
        created=created,
    )


def fill_of(fill: FillWords, ticker: str, at: Micros) -> FillRecord:
    """Return a fill's record; raises Refused."""
    leg = leg_of(fill.outcome_side, fill.book_side)
    return FillRecord(
        order_id=fill.order_id,
        trade_id=fill.trade_id,
        ticker=ticker,
        leg=leg,
        price=acquired_price(leg, fill.yes_price_dollars),
        count=count_of(fill.count_fp),
        fee=money_of(fill.fee_cost),
        taker=fill.is_taker,
        at=at,
    )


def print_of(trade: PrintWords, at: Micros) -> TradePrint:
    """Return a public trade; raises Refused."""
    return TradePrint(
        trade_id=trade.trade_id,
        taker=leg_of(trade.taker_outcome_side, trade.taker_book_side),
        yes_price=price_of(trade.yes_price_dollars),
        count=count_of(trade.count_fp),
        at=at,
    )
