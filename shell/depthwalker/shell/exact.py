"""Configuration values made exact, and errors that name the key and what is allowed there."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from depthwalker.core.outcome import Failure, Outcome, Success

PLAIN_NUMBER: Final = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
FINEST_EXPONENT: Final = -30
LONGEST_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One wrong key, type or value: where, what was given, and what is allowed there."""

    path: str
    given: str
    allowed: str

    def in_words(self) -> str:
        """Return the error in one line."""
        return f"{self.path}: {self.given}; allowed is {self.allowed}"


@dataclass(frozen=True, slots=True)
class ConfigErrors:
    """Everything wrong with a configuration; never empty."""

    errors: tuple[ConfigError, ...]

    def in_words(self) -> str:
        """Return the errors, one a line."""
        return "\n".join(error.in_words() for error in self.errors)


class Table(BaseModel):
    """A table of configuration: immutable, strict, without unknown keys, every key with a default.

    Each field's description says what is allowed.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)


B = TypeVar("B", bound=Table)
E = TypeVar("E", bound=Enum)
T = TypeVar("T")


def parse_table(name: str, model: type[B], raw: Mapping[str, object]) -> Outcome[B, ConfigErrors]:
    """Return the validated table, or every error in it with paths that start with `name`."""
    try:
        return Success(model.model_validate(plain(raw)))
    except ValidationError as invalid:
        found = tuple(
            _error(name, model, error["loc"], error["type"], error.get("input"))
            for error in invalid.errors(include_url=False, include_context=False)
        )
        return Failure(ConfigErrors(found))


def plain(raw: object) -> object:
    """Return a value with every mapping inside it as a dict, which is what strict tables take."""
    return {key: plain(inner) for key, inner in raw.items()} if isinstance(raw, Mapping) else raw


def whole(decimals: int, lowest: str, highest: str) -> Callable[[object], int]:
    """Return a validator: a number from `lowest` to `highest` with at most so many decimals, as a whole number of its last.

    A float counts as its shortest decimal text, so 0.025 is exactly 0.025.
    """
    bounds = (Decimal(lowest), Decimal(highest))
    unit: int = 10**decimals

    def read(given: object) -> int:
        number = exact(given)
        if number is None or not bounds[0] <= number <= bounds[1]:
            raise ValueError("not a number in range")
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < FINEST_EXPONENT:
            raise ValueError("too fine")
        numerator, denominator = number.as_integer_ratio()
        scaled, rest = divmod(numerator * unit, denominator)
        if rest:
            raise ValueError("too fine")
        return scaled

    return read


def exact(given: object) -> Decimal | None:
    """Return the number that an int, float, Decimal or plain decimal text stands for, or None."""
    match given:
        case bool():
            return None
        case int():
            return Decimal(given)
        case float():
            number = Decimal(float.__repr__(given))  # a subclass, as numpy's float64 is, has a repr of its own
        case Decimal():
            number = given
        case str() if PLAIN_NUMBER.fullmatch(given):
            number = Decimal(given)
        case _:
            return None
    return number if number.is_finite() else None


def optional(read: Callable[[object], T]) -> Callable[[object], T | None]:
    """Return a validator that lets None through."""
    return lambda given: None if given is None else read(given)


def member(kind: type[E]) -> Callable[[object], E]:
    """Return a validator: the member of an enumeration whose value is given."""

    def read(given: object) -> E:
        return kind(given)

    return read


def _error(name: str, model: type[Table], where: Sequence[int | str], kind: str, given: object) -> ConfigError:
    path = ".".join((name, *(str(part) for part in where)))
    table, keys = _table(model, where)
    key = str(where[len(keys)]) if len(where) > len(keys) else ""
    if kind == "extra_forbidden":
        close = get_close_matches(key, table.model_fields, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        return ConfigError(path, f"there is no such key{hint}", ", ".join(table.model_fields))
    field = table.model_fields.get(key)
    allowed = (field.description if field is not None else None) or "a table of " + ", ".join(table.model_fields)
    shown = "the value given" if field is not None and field.repr is False else _shown(given)[:LONGEST_SHOWN]
    return ConfigError(path, f"{shown} is not allowed", allowed)


def _shown(given: object) -> str:
    """Return a value as its file has it, where numbers are read as Decimals."""
    if isinstance(given, list):
        return f"[{', '.join(str(one) if isinstance(one, Decimal) else repr(one) for one in given)}]"
    return str(given) if isinstance(given, Decimal) else repr(given)


def _table(model: type[Table], where: Sequence[int | str]) -> tuple[type[Table], tuple[str, ...]]:
    """Return the table that a path ends in, and the keys that lead to it."""
    if len(where) > 1:
        field = model.model_fields.get(str(where[0]))
        inner = None if field is None else field.annotation
        if isinstance(inner, type) and issubclass(inner, Table):
            table, keys = _table(inner, where[1:])
            return table, (str(where[0]), *keys)
    return model, ()
