"""`Outcome`: a success or a failure that `match` finds exhaustive.

`returns.Result` is an open base class, so a `match` over it ends in `Any`; the union of its two final classes does not.
"""

from typing import TypeAlias, TypeVar, Union

from returns.result import Failure, Success

T = TypeVar("T")
E = TypeVar("E")

Outcome: TypeAlias = Union[Success[T], Failure[E]]  # noqa: UP007 - `|` of two generic classes is Any to mypy

__all__ = ["Failure", "Outcome", "Success"]
