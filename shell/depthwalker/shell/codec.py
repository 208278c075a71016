"""Facts as JSON: how the journal keeps them, in the database and in files of one line a fact.

The form follows the dataclasses: `{"fact": "Filled", "fill": {...}, "at": 1700000000000000}`, enumerations by value, tuples
as lists, numbers in the core's whole units. Reading is strict about types and lenient about versions: an unknown key is
ignored and a missing one takes the field's default, so a journal stays readable for as long as facts are only added to and
new fields have defaults.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar, get_args

import msgspec

from depthwalker.core.fact import Fact

T = TypeVar("T")

TAG: Final = "fact"
FACTS: Final[dict[str, type[Fact]]] = {kind.__name__: kind for kind in get_args(Fact)}
_PREFIXES: Final = {kind: f'{{"{TAG}":"{name}",'.encode() for name, kind in FACTS.items()}


class Unreadable(Exception):
    """A text that is no fact of this or an earlier version; the message names the place and what belongs there."""


class _Tagged(msgspec.Struct):
    fact: str


def encode(fact: Fact) -> bytes:
    """Return a fact as one line of JSON, without the line's end: some 4 microseconds for a whole view."""
    # Every fact has a field (`at`, at least), so what follows the brace is never the closing one.
    return _PREFIXES[type(fact)] + msgspec.json.encode(fact)[1:]


def encode_all(facts: Iterable[Fact]) -> bytes:
    """Return facts as one JSON array."""
    return b"[" + b",".join(encode(fact) for fact in facts) + b"]"


def decode(line: bytes | str) -> Fact:
    """Return the fact of a line. Raises Unreadable."""
    name = _read_tag(line).fact
    read = _READERS.get(name)
    if read is None:
        raise Unreadable(f"there is no fact {name!r}; this version knows {', '.join(FACTS)}")
    return read(line)


def reader(kind: type[T]) -> Callable[[bytes | str], T]:
    """Return a function that reads the JSON of one dataclass. It raises Unreadable."""
    decoder = msgspec.json.Decoder(kind)

    def read(line: bytes | str) -> T:
        try:
            return decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise Unreadable(f"{kind.__name__.lstrip('_')}: {wrong}") from wrong

    return read


_read_tag: Final = reader(_Tagged)
_READERS: Final[dict[str, Callable[[bytes | str], Fact]]] = {name: reader(kind) for name, kind in FACTS.items()}
