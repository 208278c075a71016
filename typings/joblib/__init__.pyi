from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Literal, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Call = tuple[Callable[..., T], tuple[object, ...], dict[str, object]]

class Parallel:
    def __init__(self, n_jobs: int | None = None, return_as: Literal["generator_unordered"] = ...) -> None: ...
    def __call__(self, calls: Iterable[Call[T]]) -> Iterator[T]: ...

def delayed(function: Callable[P, T]) -> Callable[P, Call[T]]: ...
def parallel_config(backend: str) -> AbstractContextManager[None]: ...
