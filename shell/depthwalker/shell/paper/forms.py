"""The bodies of requests about orders: what they ask for, in the core's terms, or a refusal in the exchange's words.

Source: fact sheet, sections 5.2 and 5.4 to 5.7. The reads are in the exchange's order: JSON, types, presence, values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.pit import NEVER, SelfTrade, TimeInForce
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.paper import fields as read
from depthwalker.shell.paper.fields import BOOL, INT, STRING, Fields
from depthwalker.shell.paper.reply import refusal

_CREATE: Final = {
    "ticker": STRING,
    "side": STRING,
    "count": STRING,
    "price": STRING,
    "time_in_force": STRING,
    "self_trade_prevention_type": STRING,
    "client_order_id": STRING,
    "expiration_time": INT,
    "post_only": BOOL,
    "reduce_only": BOOL,
    "cancel_order_on_pause": BOOL,
    "subaccount": INT,
    "order_group_id": STRING,
    "exchange_index": INT,
}
_AMEND: Final = {
    "ticker": STRING,
    "side": STRING,
    "price": STRING,
    "count": STRING,
    "client_order_id": STRING,
    "updated_client_order_id": STRING,
    "expiration_time": INT,
    "exchange_index": INT,
}
_DECREASE: Final = {"reduce_by": STRING, "reduce_to": STRING, "exchange_index": INT, "market_ticker": STRING}
_CANCEL: Final = {"order_id": STRING, "subaccount": INT, "exchange_index": INT, "market_ticker": STRING}
_LATEST: Final = Micros(253_402_300_799 * SECOND)  # the last second of the year 9999


@dataclass(frozen=True, slots=True)
class CreateForm:
    """A new order as sent, in the frame of the leg that it acquires; `expires` is NEVER where none was sent."""

    ticker: str
    client_order_id: str
    leg: Leg
    price: Price
    count: Count
    time_in_force: TimeInForce
    self_trade: SelfTrade
    expires: Micros
    post_only: bool
    reduce_only: bool
    cancel_on_pause: bool
    shard: int | None
    group: str = ""


@dataclass(frozen=True, slots=True)
class AmendForm:
    """An amend as sent; `total` counts what is filled, `expires` is None to keep and NEVER to clear."""

    ticker: str
    leg: Leg
    price: Price
    total: Count
    client_order_id: str
    updated_client_order_id: str
    expires: Micros | None


@dataclass(frozen=True, slots=True)
class Route:
    """Where an order is said to be: its market, its shard, or nothing, which means shard 0."""

    shard: int | None = None
    ticker: str = ""


@dataclass(frozen=True, slots=True)
class DecreaseForm:
    """A decrease as sent: exactly one of `by` and `to`."""

    by: Count | None
    to: Count | None
    route: Route


@dataclass(frozen=True, slots=True)
class CancelForm:
    """One cancel of a batch."""

    order_id: str
    route: Route


def read_create(body: bytes) -> CreateForm:
    """Return the order that a body asks for; raises Refusal, always 400."""
    return create_form(read.decode(body, "CreateOrderV2Request", _CREATE))


def read_creates(body: bytes) -> Sequence[Fields]:
    """Return the orders of a batch, their types checked; `create_form` reads each."""
    return read.decode_list(body, "BatchCreateOrdersV2Request", "CreateOrderV2Request", _CREATE)


def create_form(fields: Fields) -> CreateForm:
    """Return the order that fields of the right types ask for; raises Refusal, always 400."""
    read.present(fields, ("ticker",))
    read.present(fields, ("side", "count", "price"), "invalid_order")
    read.present(fields, ("time_in_force", "self_trade_prevention_type"))
    if fields.get("subaccount", 0):
        raise refusal(400, "invalid_parameters", "this exchange has no subaccounts")
    leg = read.leg(fields)
    form = CreateForm(
        ticker=str(fields["ticker"]),
        client_order_id=read.client_id(fields, "client_order_id"),
        leg=leg,
        price=read.price(fields, leg),
        count=read.count(fields),
        time_in_force=read.one_of(TimeInForce, fields, "time_in_force"),
        self_trade=read.one_of(SelfTrade, fields, "self_trade_prevention_type"),
        expires=_expiry(fields) or NEVER,
        post_only=bool(fields.get("post_only")),
        reduce_only=bool(fields.get("reduce_only")),
        cancel_on_pause=bool(fields.get("cancel_order_on_pause")),
        shard=read.shard(fields),
        group=str(fields.get("order_group_id", "")),
    )
    if form.reduce_only and form.time_in_force is TimeInForce.GTC:
        raise refusal(400, "invalid_order", "reduce_only can only be used with IoC or FoK orders")
    return form


def read_amend(body: bytes) -> AmendForm:
    """Return the amend that a body asks for; raises Refusal, always 400."""
    fields = read.decode(body, "AmendOrderV2Request", _AMEND)
    read.present(fields, ("ticker", "side", "price", "count"))
    leg = read.leg(fields)
    return AmendForm(
        ticker=str(fields["ticker"]),
        leg=leg,
        price=read.price(fields, leg),
        total=read.count(fields),
        client_order_id=read.client_id(fields, "client_order_id"),
        updated_client_order_id=read.client_id(fields, "updated_client_order_id"),
        expires=_expiry(fields),
    )


def read_decrease(body: bytes) -> DecreaseForm:
    """Return the decrease that a body asks for; raises Refusal, always 400."""
    fields = read.decode(body, "DecreaseOrderV2Request", _DECREASE)
    if ("reduce_by" in fields) == ("reduce_to" in fields):
        raise refusal(400, "invalid_parameters", "exactly one of reduce_by and reduce_to")
    by = read.count(fields, "reduce_by") if "reduce_by" in fields else None
    to = read.count(fields, "reduce_to", 0) if "reduce_to" in fields else None
    return DecreaseForm(by, to, _route(fields))


def read_cancels(body: bytes) -> Sequence[CancelForm]:
    """Return the cancels of a batch; raises Refusal, always 400."""
    rows = read.decode_list(body, "BatchCancelOrdersV2Request", "BatchCancelOrdersV2RequestOrder", _CANCEL)
    for row in rows:
        read.present(row, ("order_id",))
    return [CancelForm(str(row["order_id"]), _route(row)) for row in rows]


def _route(fields: Fields) -> Route:
    return Route(read.shard(fields), str(fields.get("market_ticker", "")))


def _expiry(fields: Fields) -> Micros | None:
    expires = read.expiry(fields)
    if expires is not None and _LATEST < expires != NEVER:
        raise refusal(400, "invalid_parameters", "expiration_time must be in seconds")
    return expires
