"""What the exchange answers on the wire, and its four shapes of error (fact sheet, section 5.11)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from depthwalker.core.units import Micros

JSON: Final = "application/json"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer ready to be sent."""

    status: int
    body: bytes
    content_type: str = JSON


class Refusal(Exception):
    """The request ends here, with this answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status, reply.body)
        self.reply = reply


def answer(body: object, status: int = 200) -> Reply:
    """Return a JSON answer."""
    return Reply(status, msgspec.json.encode(body))


def refusal(status: int, code: str, details: str = "", message: str = "") -> Refusal:
    """Return the nested shape, whose message is the code in words."""
    error = {"code": code, "message": message or code.replace("_", " ")} | ({"details": details} if details else {})
    return Refusal(answer({"error": error}, status))


def forbidden(scope: str) -> Refusal:
    """Return the refusal of a key without a scope; the exchange documents the status and not the words."""
    return refusal(403, "forbidden", f"missing scope {scope}")


def throttled(*, signed: bool) -> Refusal:
    """Return the 429: a bare text for a signed request, nested for an unsigned one (both were seen)."""
    if signed:
        return Refusal(answer({"error": "too many requests"}, 429))
    return refusal(429, "too_many_requests")


def undecodable(details: str) -> Refusal:
    """Return the flat shape, with which the exchange's JSON decoder answers."""
    return Refusal(answer({"code": "bad_request", "message": "bad request", "details": details}, 400))


def invalid_query(model: str, field: str, rule: str) -> Refusal:
    """Return the bare shape, with which the exchange's query validation answers."""
    key = f"Key: '{model}Params.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag"
    return Refusal(answer({"msg": f"Parameter validation failed for {model}: {key}"}, 400))


def conflicting_query(model: str, families: list[str]) -> Refusal:
    """Return the bare shape for time filters that exclude each other; the words are our own."""
    told = f"Parameter validation failed for {model}: time filters of {' and '.join(families)} exclude each other"
    return Refusal(answer({"msg": told}, 400))


def not_found() -> Refusal:
    """Return what the exchange says of orders that are unknown, canceled or executed alike."""
    return refusal(404, "not_found")


def error_of(reply: Reply) -> dict[str, str]:
    """Return a refusal's code, message and details as a batch carries it: flat, details always there."""
    body: object = msgspec.json.decode(reply.body)
    nested = body.get("error", body) if isinstance(body, dict) else {}
    return {name: str(nested.get(name, "")) for name in ("code", "message", "details")}


def time_text(at: Micros) -> str:
    """Return the instant as the exchange writes it, in microseconds of UTC."""
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def uuid_text(digits: str) -> str:
    """Return 32 hex digits in the form of an id."""
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
