"""The bodies of requests, read as strictly as the exchange reads them: strings only, refused in its own words.

Source: fact sheet, sections 2, 5.2, 5.6 and 5.11. The reads are in the exchange's order: JSON, types, presence, values.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from depthwalker.core.book import Leg
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.pit import NEVER, SelfTrade, TimeInForce
from depthwalker.core.units import DOLLAR, SECOND, Count, Micros, Price, parse_count, parse_price
from depthwalker.shell.paper.reply import refusal, undecodable

_CLIENT_ID: Final = re.compile(r"[-\w:+=/]{0,64}", re.ASCII)
_STRING, _BOOL, _INT = "string", "bool", "int64"
_CREATE: Final = {
    "ticker": _STRING,
    "side": _STRING,
    "count": _STRING,
    "price": _STRING,
    "time_in_force": _STRING,
    "self_trade_prevention_type": _STRING,
    "client_order_id": _STRING,
    "expiration_time": _INT,
    "post_only": _BOOL,
    "reduce_only": _BOOL,
    "cancel_order_on_pause": _BOOL,
    "subaccount": _INT,
    "order_group_id": _STRING,
    "exchange_index": _INT,
}
_AMEND: Final = {
    "ticker": _STRING,
    "side": _STRING,
    "price": _STRING,
    "count": _STRING,
    "client_order_id": _STRING,
    "updated_client_order_id": _STRING,
    "expiration_time": _INT,
    "exchange_index": _INT,
}
_LEGS: Final = {"bid": Leg.YES, "ask": Leg.NO}


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


def read_create(body: bytes) -> CreateForm:
    """Return the order that a body asks for; raises Refusal, always 400."""
    fields = _fields(body, "CreateOrderV2Request", _CREATE)
    required = ("ticker", "side", "count", "price", "time_in_force", "self_trade_prevention_type")
    _present(fields, required)
    if fields.get("order_group_id") or fields.get("subaccount", 0):
        raise refusal(400, "invalid_parameters", "this exchange has neither order groups nor subaccounts")
    leg = _leg(fields)
    form = CreateForm(
        ticker=str(fields["ticker"]),
        client_order_id=_client_id(fields, "client_order_id"),
        leg=leg,
        price=_price(fields, leg),
        count=_count(fields),
        time_in_force=_time_in_force(str(fields["time_in_force"])),
        self_trade=_self_trade(str(fields["self_trade_prevention_type"])),
        expires=_expiry(fields) or NEVER,
        post_only=bool(fields.get("post_only")),
        reduce_only=bool(fields.get("reduce_only")),
        cancel_on_pause=bool(fields.get("cancel_order_on_pause")),
        shard=_shard(fields),
    )
    if form.reduce_only and form.time_in_force is TimeInForce.GTC:
        raise refusal(400, "invalid_order", "reduce_only can only be used with IoC or FoK orders")
    return form


def read_amend(body: bytes) -> AmendForm:
    """Return the amend that a body asks for; raises Refusal, always 400."""
    fields = _fields(body, "AmendOrderV2Request", _AMEND)
    _present(fields, ("ticker", "side", "price", "count"))
    leg = _leg(fields)
    return AmendForm(
        ticker=str(fields["ticker"]),
        leg=leg,
        price=_price(fields, leg),
        total=_count(fields),
        client_order_id=_client_id(fields, "client_order_id"),
        updated_client_order_id=_client_id(fields, "updated_client_order_id"),
        expires=_expiry(fields),
    )


def _fields(body: bytes, model: str, kinds: Mapping[str, str]) -> dict[str, object]:
    try:
        decoded: object = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise undecodable(f"invalid JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise undecodable(f"json: cannot unmarshal {_kind(decoded)} into Go value of type {model}")
    fields: dict[str, object] = {str(name): value for name, value in decoded.items() if value is not None}
    for name, kind in kinds.items():
        if name in fields and not _is(fields[name], kind):
            found = _kind(fields[name])
            raise undecodable(f"json: cannot unmarshal {found} into Go struct field {model}.{name} of type {kind}")
    return fields


def _is(value: object, kind: str) -> bool:
    if kind == _STRING:
        return isinstance(value, str)
    if kind == _BOOL:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, int | float) else "array" if isinstance(value, list) else "object"


def _present(fields: Mapping[str, object], required: tuple[str, ...]) -> None:
    missing = [name for name in required if fields.get(name) in {None, ""}]
    if missing:
        raise refusal(400, "missing_parameters", ", ".join(missing))


def _leg(fields: Mapping[str, object]) -> Leg:
    leg = _LEGS.get(str(fields["side"]))
    if leg is None:
        raise refusal(400, "invalid_parameters", "side must be bid or ask")
    return leg


def _price(fields: Mapping[str, object], leg: Leg) -> Price:
    match parse_price(str(fields["price"])):
        case Success(price):
            return price if leg is Leg.YES else Price(DOLLAR - price)
        case Failure(malformed):
            _, _, decimals = malformed.text.partition(".")
            if decimals.isdigit():
                raise refusal(400, "invalid_order", f"invalid price: invalid dollar precision: -{len(decimals)}")
            raise refusal(400, "invalid_price")


def _count(fields: Mapping[str, object]) -> Count:
    match parse_count(str(fields["count"])):
        case Success(count) if count > 0:
            return count
        case _:
            raise refusal(400, "invalid_order_size")


def _client_id(fields: Mapping[str, object], name: str) -> str:
    text = str(fields.get(name, ""))
    if not _CLIENT_ID.fullmatch(text):
        raise refusal(400, "invalid_parameters", f"{name}: at most 64 of letters, digits and -_:+=/")
    return text


def _time_in_force(text: str) -> TimeInForce:
    try:
        return TimeInForce(text)
    except ValueError as error:
        raise refusal(400, "invalid_parameters", "time_in_force") from error


def _self_trade(text: str) -> SelfTrade:
    try:
        return SelfTrade(text)
    except ValueError as error:
        raise refusal(400, "invalid_parameters", "self_trade_prevention_type") from error


def _expiry(fields: Mapping[str, object]) -> Micros | None:
    seconds = fields.get("expiration_time")
    if not isinstance(seconds, int):
        return None
    return Micros(seconds * SECOND) if seconds else NEVER


def _shard(fields: Mapping[str, object]) -> int | None:
    shard = fields.get("exchange_index")
    return shard if isinstance(shard, int) and shard >= 0 else None
