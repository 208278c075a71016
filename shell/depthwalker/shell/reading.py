"""How the exchange writes legs, prices, counts, money and times (fact sheet, section 2), read as whole numbers.

A field reader raises `Refused`; `reading` alone catches it, so that every body ends in a value or in `Unreadable`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final, TypeVar

from pydantic import ValidationError

from depthwalker.core.book import Leg
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import DOLLAR, Count, Malformed, Micros, Money, Price, parse_count, parse_money, parse_price
from depthwalker.shell.bodies import Body

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
B = TypeVar("B", bound=Body)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
SHORT: Final = range(3, 16)
LONGEST_WORD: Final = 300
CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}") | dict.fromkeys(
    b"\t\n\r", " "
)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body that is not what the exchange documents: which, and where it differs, without its figures."""

    what: str
    why: str

    def in_words(self) -> str:
        """Return both in one line."""
        return f"unreadable {self.what}: {self.why}"


class Refused(Exception):
    """A value inside a body that cannot be read; `reading` turns it into Unreadable."""


def reading(what: str, model: type[B], body: bytes, convert: Callable[[B], T]) -> Outcome[T, Unreadable]:
    """Return what `convert` makes of a body of the given shape."""
    try:
        return Success(convert(model.model_validate_json(body)))
    except (ValidationError, Refused) as wrong:
        return Failure(Unreadable(what, _why(wrong)))


def each(
    items: tuple[object, ...], model: type[B], convert: Callable[[B], T], others: Callable[[dict[object, object]], bool]
) -> tuple[T, ...]:
    """Return what `convert` makes of each item of the given shape, without the unreadable ones that are `others`'.

    Raises Refused where one cannot be read that may be ours.
    """
    found: list[T] = []
    for at, item in enumerate(items):
        try:
            found.append(convert(model.model_validate(item)))
        except (ValidationError, Refused) as wrong:
            if not (isinstance(item, dict) and others(item)):
                raise Refused(f"{at}: {_why(wrong)}") from None
    return tuple(found)


def _why(wrong: ValidationError | Refused) -> str:
    """Return where a body differs from what is documented, without its figures."""
    if isinstance(wrong, Refused):
        return str(wrong)
    first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else "not the documented JSON"


def word_of(word: object) -> str:
    """Return a text of the exchange's as a fact, a log and a terminal may hold it; nothing where it is none.

    The journal's JSON takes no U+0000, and refuses all else with it; a terminal obeys what begins with U+001B or U+009B.
    """
    return word[:LONGEST_WORD].translate(CONTROLS) if isinstance(word, str) else ""


def leg_of(outcome_side: str | None, book_side: str | None) -> Leg:
    """Return the leg acquired; a body that contradicts itself or names none is refused."""
    match outcome_side, book_side:
        case ("yes", "bid" | None) | (None, "bid"):
            return Leg.YES
        case ("no", "ask" | None) | (None, "ask"):
            return Leg.NO
        case _:
            raise Refused(f"outcome_side {outcome_side!r} with book_side {book_side!r} names no leg")


def acquired_price(leg: Leg, yes_dollars: str) -> Price:
    """Return the price of the leg acquired from that of the YES leg."""
    return leg.framed(price_of(yes_dollars))


@lru_cache(maxsize=DOLLAR)
def price_of(text: str) -> Price:
    """Return a price strictly between 0 and 1 dollar."""
    price = dollars_of(text)
    if not 0 < price < DOLLAR:
        raise Refused("a price is not between 0 and 1 dollar")
    return price


def dollars_of(text: str) -> Price:
    """Return dollars as a price, the ends of the scale included."""
    return must(parse_price(text))


def count_of(text: str) -> Count:
    """Return a count of 0 or more."""
    digits = text[:-3] + text[-2:]
    if text[-3:-2] == "." and len(digits) in SHORT and digits.isdecimal() and digits.isascii():
        # The exchange's own form: a book holds hundreds, and the way below takes thrice as long.
        return Count(int(digits))
    count = signed_count_of(text)
    if count < 0:
        raise Refused("a count is below 0")
    return count


def signed_count_of(text: str) -> Count:
    """Return a count that may be negative."""
    return must(parse_count(text))


def money_of(text: str) -> Money:
    """Return money to the microdollar."""
    return must(parse_money(text))


def must(outcome: Outcome[T, Malformed]) -> T:
    """Return the value of an outcome, refusing a malformed one without its figures."""
    match outcome:
        case Success(number):
            return number
        case Failure(malformed):
            raise Refused(f"a {malformed.what} is not {malformed.allowed}")


def one_of(kind: type[E], text: str) -> E:
    """Return the member of an enumeration that `text` names."""
    try:
        return kind(text)
    except ValueError:
        raise Refused(f"status {text!r} is none of {', '.join(str(one.value) for one in kind)}") from None


def time_of(text: str) -> Micros:
    """Return an RFC 3339 time; what is finer than a microsecond is cut off."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("a time is not RFC 3339") from None
    if found.tzinfo is None:
        raise Refused("a time names no zone")
    return Micros((found - EPOCH) // MICROSECOND)


def stamp_of(milliseconds: int | None, now: Micros) -> Micros:
    """Return a time given in milliseconds, or `now` where none is given."""
    return now if milliseconds is None else Micros(milliseconds * 1_000)
