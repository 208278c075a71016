"""A policy's whole number that finds out which others would have been judged alike.

It is compared, and moved by plain numbers, like any other; every comparison notes between which bounds the number may lie for
the same answer. Whatever else is done with it (divided, shown) needs its exact value, and that is noted too; of two of its
kind that are compared, only the second is bound to what it is. Deciding is pure, so all numbers within the bounds lead to the
same decision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import floordiv, mod, mul
from typing import Final, cast

from typing_extensions import override

FAR: Final = 1 << 62


@dataclass(slots=True)
class Range:
    """A number as it is in one policy, and the bounds, both included, that were asked for so far."""

    value: int
    low: int = -FAR
    high: int = FAR

    def pin(self) -> None:
        """Note that the exact value matters."""
        self.low = self.high = self.value


class Ranged:
    """The number, or its negative, with something added: `sign` times it, plus `offset`."""

    __slots__ = ("_offset", "_range", "_sign")

    def __init__(self, asked: Range, sign: int = 1, offset: int = 0) -> None:
        self._range, self._sign, self._offset = asked, sign, offset

    def exact(self) -> int:
        """Return what it is, which from now on matters."""
        self._range.pin()
        return self._now()

    def _now(self) -> int:
        return self._sign * self._range.value + self._offset

    def _above(self, bound: int) -> bool:
        """Return whether it is more than a bound, and note it."""
        asked = self._range
        if self._now() > bound:
            least = bound + 1 - self._offset
            if self._sign > 0:
                asked.low = max(asked.low, least)
            else:
                asked.high = min(asked.high, -least)
            return True
        most = bound - self._offset
        if self._sign > 0:
            asked.high = min(asked.high, most)
        else:
            asked.low = max(asked.low, -most)
        return False

    def __gt__(self, other: object) -> bool:
        return self._above(_plain(other))

    def __ge__(self, other: object) -> bool:
        return self._above(_plain(other) - 1)

    def __lt__(self, other: object) -> bool:
        return not self._above(_plain(other) - 1)

    def __le__(self, other: object) -> bool:
        return not self._above(_plain(other))

    @override
    def __eq__(self, other: object) -> bool:
        return self.exact() == (other.exact() if isinstance(other, Ranged) else other)

    @override
    def __hash__(self) -> int:
        return hash(self.exact())

    def __bool__(self) -> bool:
        return self.exact() != 0

    def __index__(self) -> int:
        return self.exact()

    def __int__(self) -> int:
        return self.exact()

    def __neg__(self) -> "Ranged":
        return Ranged(self._range, -self._sign, -self._offset)

    def __add__(self, other: object) -> "Ranged":
        return Ranged(self._range, self._sign, self._offset + _plain(other))

    __radd__ = __add__

    def __sub__(self, other: object) -> "Ranged":
        return Ranged(self._range, self._sign, self._offset - _plain(other))

    def __rsub__(self, other: object) -> "Ranged":
        return Ranged(self._range, -self._sign, _plain(other) - self._offset)

    def __mul__(self, other: object) -> int:
        return self._by(mul, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: object) -> int:
        return self._by(floordiv, other)

    def __rfloordiv__(self, other: object) -> int:
        return _plain(other) // self.exact()

    def __mod__(self, other: object) -> int:
        return self._by(mod, other)

    def __rmod__(self, other: object) -> int:
        return _plain(other) % self.exact()

    def __divmod__(self, other: object) -> tuple[int, int]:
        return divmod(self.exact(), _plain(other))

    def __rdivmod__(self, other: object) -> tuple[int, int]:
        return divmod(_plain(other), self.exact())

    def __abs__(self) -> int:
        return abs(self.exact())

    @override
    def __repr__(self) -> str:
        return repr(self.exact())

    @override
    def __format__(self, spec: str) -> str:
        return format(self.exact(), spec)

    def _by(self, operation: Callable[[int, int], int], other: object) -> int:
        return operation(self.exact(), _plain(other))


def _plain(value: object) -> int:
    return value.exact() if isinstance(value, Ranged) else cast("int", value)
