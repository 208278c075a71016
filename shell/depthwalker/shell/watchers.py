"""What may be seen of an engine at work: an watcher is told, and changes nothing. Metrics and spans are two of them.

None is told a header, a query, a body or a balance. What an watcher raises is logged; one that
fails as it begins or is left is not told anything again.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Protocol, TypeAlias, TypeVar

from depthwalker.core.execution import State
from depthwalker.core.units import Micros
from depthwalker.shell.logs import executing
from depthwalker.shell.ports import Clock, HttpRequest, HttpResponse, Transport
from depthwalker.shell.transport import API_ROOT

T = TypeVar("T")
Leave: TypeAlias = Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], None]

LOG: Final = logging.getLogger("depthwalker")
# The names that a path may hold: everything else is an id or a ticker, which no label may carry.
NAMES: Final = frozenset(
    {
        "account",
        "amend",
        "announcements",
        "balance",
        "batched",
        "cancel",
        "create",
        "decrease",
        "endpoint_costs",
        "events",
        "exchange",
        "fee_changes",
        "fills",
        "limits",
        "markets",
        "order_groups",
        "orderbook",
        "orderbooks",
        "orders",
        "portfolio",
        "positions",
        "queue_position",
        "queue_positions",
        "schedule",
        "series",
        "status",
        "trades",
        "trigger",
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that ended: `status` is 0 where no answer came."""

    method: str
    endpoint: str
    status: int
    took: Micros


@dataclass(frozen=True, slots=True)
class Gauges:
    """What is asked when somebody looks."""

    running: Callable[[], int]
    calls_left: Callable[[], int]
    stopped: Callable[[], bool]


class Watcher(Protocol):
    """Told of executions, of parents that are not admitted, and of each request."""

    def execution(self, execution_id: int, ticker: str) -> AbstractContextManager[Callable[[State], None]]:
        """Go on for as long as an execution runs here; what is given is told its last state, if it finished."""
        ...

    def refused(self, kind: str) -> None:
        """Be told that a parent was not admitted."""
        ...

    def request(self, method: str, endpoint: str) -> AbstractContextManager[Callable[[Call], None]]:
        """Go on for as long as a request does; what is given is told how it ended."""
        ...


class Watched:
    """A transport whose requests an watcher is told of."""

    def __init__(self, inner: Transport, watcher: Watcher, clock: Clock) -> None:
        self._inner = inner
        self._watcher = watcher
        self._clock = clock

    async def send(self, request: HttpRequest) -> HttpResponse:
        """As the inner one."""
        began, endpoint = self._clock.now(), endpoint_of(request.path)
        with self._watcher.request(request.method, endpoint) as tell:
            status = 0
            try:
                answer = await self._inner.send(request)
                status = answer.status
            finally:
                tell(Call(request.method, endpoint, status, Micros(self._clock.now() - began)))
            return answer

    async def close(self) -> None:
        """As the inner one."""
        await self._inner.close()


class Watchers:
    """Several watchers as one; none at all is fine."""

    def __init__(self, watchers: Sequence[Watcher] = ()) -> None:
        self._watchers = list(watchers)

    def watched(self, transport: Transport, clock: Clock) -> Transport:
        """Return a transport that these are told of."""
        return Watched(transport, self, clock) if self._watchers else transport

    @contextmanager
    def execution(self, execution_id: int, ticker: str) -> Iterator[Callable[[State], None]]:
        """As the protocol says; every line that is logged meanwhile carries the execution's number."""
        token = executing.set(execution_id)
        try:
            with self._all(lambda one: one.execution(execution_id, ticker)) as tells:
                yield lambda state: self._tell(tells, state)
        finally:
            executing.reset(token)

    def refused(self, kind: str) -> None:
        """As the protocol says."""
        for watcher in tuple(self._watchers):
            with self._survived(watcher):
                watcher.refused(kind)

    @contextmanager
    def request(self, method: str, endpoint: str) -> Iterator[Callable[[Call], None]]:
        """As the protocol says."""
        with self._all(lambda one: one.request(method, endpoint)) as tells:
            yield lambda call: self._tell(tells, call)

    @contextmanager
    def _all(self, begin: Callable[[Watcher], AbstractContextManager[T]]) -> Iterator[tuple[T, ...]]:
        """Enter what each watcher begins; one that raises then, or as it is left, is dropped, and no answer with it."""
        with ExitStack() as stack:
            begun: list[T] = []
            for watcher in tuple(self._watchers):
                with self._survived(watcher):
                    entered = begin(watcher)
                    begun.append(entered.__enter__())
                    stack.push(self._leaving(watcher, entered))
            yield tuple(begun)

    def _leaving(self, watcher: Watcher, entered: AbstractContextManager[object]) -> Leave:
        def leave(kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
            with self._survived(watcher):
                entered.__exit__(kind, error, at)

        return leave

    def _tell(self, tells: Sequence[Callable[[T], None]], what: T) -> None:
        for tell in tells:
            with self._survived():
                tell(what)

    @contextmanager
    def _survived(self, watcher: Watcher | None = None) -> Iterator[None]:
        try:
            yield
        except Exception:
            LOG.exception("an watcher raised")
            if watcher in self._watchers:
                self._watchers.remove(watcher)


def endpoint_of(path: str) -> str:
    """Return a path as a label: ids and tickers are shown as `*`."""
    return "/".join(part if part in NAMES else "*" for part in path.removeprefix(API_ROOT).strip("/").split("/"))
