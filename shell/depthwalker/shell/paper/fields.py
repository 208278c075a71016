"""The fields of a request's body, read as strictly as the exchange reads them: strings only, refused in its own words.

Source: fact sheet, sections 2, 5.2 and 5.11. Types are checked for the whole body before any value is looked at; the flat
shape of error is that of the exchange's JSON decoder.
"""

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias, TypeVar

import msgspec

from depthwalker.core.book import Leg
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.pit import NEVER
from depthwalker.core.units import SECOND, Count, Micros, Price, parse_count, parse_price
from depthwalker.shell.paper.reply import refusal, undecodable

E = TypeVar("E", bound=Enum)
Fields: TypeAlias = dict[str, object]
STRING, BOOL, INT = "string", "bool", "int64"
_CLIENT_ID: Final = re.compile(r"[-\w:+=/]{0,64}", re.ASCII)
_LEGS: Final = {"bid": Leg.YES, "ask": Leg.NO}


def decode(body: bytes, model: str, kinds: Mapping[str, str]) -> Fields:
    """Return a body's fields; raises Refusal, always 400."""
    fields = _object(_json(body), model)
    check(fields, model, kinds)
    return fields


def decode_list(body: bytes, model: str, item: str, kinds: Mapping[str, str]) -> Sequence[Fields]:
    """Return the fields of each of a body's `orders`, of which there is at least one; raises Refusal, always 400."""
    listed = _object(_json(body), model).get("orders")
    if not isinstance(listed, list):
        if listed is None:
            raise refusal(400, "missing_parameters", "orders")
        raise undecodable(
            f"json: cannot unmarshal {_kind(listed)} into Go struct field {model}.orders of type []{item}"
        )
    if not listed:
        raise refusal(400, "missing_parameters", "orders")
    rows = [_object(one, f"{model}.orders") for one in listed]
    for row in rows:
        check(row, item, kinds, "orders.")
    return rows


def size(body: bytes) -> int:
    """Return how many orders a batch's body holds, as far as can be told."""
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return 1
    listed = decoded.get("orders") if isinstance(decoded, dict) else None
    return max(1, len(listed)) if isinstance(listed, list) else 1


def check(fields: Fields, model: str, kinds: Mapping[str, str], within: str = "") -> None:
    """Refuse the first field that has another JSON type than the exchange's."""
    for name, kind in kinds.items():
        if name in fields and not _is(fields[name], kind):
            found, field = _kind(fields[name]), f"{model}.{within}{name}"
            raise undecodable(f"json: cannot unmarshal {found} into Go struct field {field} of type {kind}")


def present(fields: Fields, required: Sequence[str], code: str = "missing_parameters") -> None:
    """Refuse a body without one of the fields."""
    missing = [name for name in required if fields.get(name) in {None, ""}]
    if missing:
        raise refusal(400, code, ", ".join(missing))


def leg(fields: Fields) -> Leg:
    """Return the leg that the order acquires."""
    found = _LEGS.get(str(fields["side"]))
    if found is None:
        raise refusal(400, "invalid_parameters", "side must be bid or ask")
    return found


def price(fields: Fields, of: Leg) -> Price:
    """Return the price in the frame of a leg."""
    match parse_price(str(fields["price"])):
        case Success(found):
            return of.framed(found)
        case Failure(malformed):
            _, _, decimals = malformed.text.partition(".")
            if decimals.isdigit():
                raise refusal(400, "invalid_order", f"invalid price: invalid dollar precision: -{len(decimals)}")
            raise refusal(400, "invalid_price")


def count(fields: Fields, name: str = "count", least: int = 1) -> Count:
    """Return a count of contracts, at least `least` hundredths."""
    match parse_count(str(fields[name])):
        case Success(found) if found >= least:
            return found
        case _:
            raise refusal(400, "invalid_order_size")


def one_of(kind: type[E], fields: Fields, name: str, allowed: str = "") -> E:
    """Return the member of an enumeration that a field names; the refusal says what is `allowed`, or else the field's name."""
    try:
        return kind(fields.get(name))
    except ValueError as error:
        raise refusal(400, "invalid_parameters", allowed or name) from error


def client_id(fields: Fields, name: str) -> str:
    """Return a client order id, or nothing where none was sent."""
    text = str(fields.get(name, ""))
    if not _CLIENT_ID.fullmatch(text):
        raise refusal(400, "invalid_parameters", f"{name}: at most 64 of letters, digits and -_:+=/")
    return text


def expiry(fields: Fields) -> Micros | None:
    """Return an expiry: None where none was sent, NEVER where it was 0."""
    seconds = fields.get("expiration_time")
    if not isinstance(seconds, int):
        return None
    return Micros(seconds * SECOND) if seconds else NEVER


def shard(fields: Fields) -> int | None:
    """Return the shard that was named, or None where the market tells it."""
    found = fields.get("exchange_index")
    return found if isinstance(found, int) and found >= 0 else None


def _json(body: bytes) -> object:
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise undecodable(f"invalid JSON: {error}") from error
    return decoded


def _object(decoded: object, model: str) -> Fields:
    if not isinstance(decoded, dict):
        raise undecodable(f"json: cannot unmarshal {_kind(decoded)} into Go value of type {model}")
    return {str(name): value for name, value in decoded.items() if value is not None}


def _is(value: object, kind: str) -> bool:
    if kind == STRING:
        return isinstance(value, str)
    if kind == BOOL:
        return isinstance(value, bool)
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "number" if isinstance(value, int | float) else "array" if isinstance(value, list) else "object"
