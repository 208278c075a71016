"""Prometheus metrics of one engine, served on /metrics; needs the extra `observe`. No label holds an id, a ticker or money."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from depthwalker.core.execution import State
from depthwalker.core.projection import project
from depthwalker.core.routing import gave_way
from depthwalker.core.row import MetricsRow
from depthwalker.core.units import CENT_MONEY, CONTRACT, MILLION, SECOND
from depthwalker.shell.listener import Listener
from depthwalker.shell.watchers import Call, Gauges


class Metrics:
    """A watcher that counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._started = Counter(
            "depthwalker_executions_started", "executions begun or taken up here", registry=self.registry
        )
        self._ended = Counter(
            "depthwalker_executions_ended",
            "executions ended here",
            ("algorithm", "status", "arm"),
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "depthwalker_fallbacks",
            "what did not run as configured or was refused, by reason",
            ("reason",),
            registry=self.registry,
        )
        self._contracts = Counter(
            "depthwalker_contracts_filled", "contracts filled", ("algorithm",), registry=self.registry
        )
        self._walks = Counter("depthwalker_walks", "price walks", registry=self.registry)
        self._slippage = Histogram(
            "depthwalker_slippage_ratio",
            "slippage against the target, positive is worse",
            ("algorithm",),
            buckets=(-0.05, -0.02, -0.01, 0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.05, 0.1),
            registry=self.registry,
        )
        self._shortfall = Histogram(
            "depthwalker_shortfall_cents",
            "implementation shortfall in cents a contract",
            ("algorithm",),
            buckets=(-2, -1, -0.5, 0, 0.5, 1, 2, 3, 5, 10),
            registry=self.registry,
        )
        self._first_fill = Histogram(
            "depthwalker_first_fill_seconds",
            "from the start to the first fill",
            ("algorithm",),
            buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 80),
            registry=self.registry,
        )
        self._requests = Counter(
            "depthwalker_requests",
            "requests to the exchange; status 0 where no answer came",
            ("method", "endpoint", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "depthwalker_request_seconds",
            "from a request to its answer",
            ("method", "endpoint"),
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )

    @contextmanager
    def execution(self, execution_id: int, ticker: str) -> Iterator[Callable[[State], None]]:
        """Count an execution, and how it ended."""
        del execution_id, ticker
        self._started.inc()
        yield self._count

    @contextmanager
    def request(self, method: str, endpoint: str) -> Iterator[Callable[[Call], None]]:
        """Count a request."""
        del method, endpoint
        yield self._called

    def refused(self, kind: str) -> None:
        """Count a parent that was not admitted, as often as it is asked for."""
        self._fallbacks.labels(kind).inc()

    def watch(self, gauges: Gauges) -> None:
        """Show these whenever somebody scrapes."""
        for name, text, ask in (
            ("depthwalker_executions_running", "executions that run here", gauges.running),
            (
                "depthwalker_calls_left",
                "orders that the rate budget lets be entered within one tick",
                gauges.calls_left,
            ),
            ("depthwalker_stopped", "1 while the kill switch is pulled", gauges.stopped),
        ):
            Gauge(name, text, registry=self.registry).set_function(_as_float(ask))

    def page(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)

    def _called(self, call: Call) -> None:
        self._requests.labels(call.method, call.endpoint, str(call.status)).inc()
        self._seconds.labels(call.method, call.endpoint).observe(call.took / SECOND)

    def _count(self, state: State) -> None:
        projection = project(state)
        row, algorithm = projection.execution, projection.execution.algorithm.value
        self._ended.labels(algorithm, row.status.value, "" if row.arm is None else row.arm.value).inc()
        for reason in gave_way(state):
            self._fallbacks.labels(reason).inc()
        if projection.metrics is not None:
            self._measure(algorithm, projection.metrics)

    def _measure(self, algorithm: str, row: MetricsRow) -> None:
        self._contracts.labels(algorithm).inc(row.filled / CONTRACT)
        self._walks.inc(row.walks)
        for histogram, value, unit in (
            (self._slippage, row.slippage, MILLION),
            (self._shortfall, None if row.shortfall is None else row.shortfall.per_contract, CENT_MONEY),
            (self._first_fill, row.first_fill, SECOND),
        ):
            if value is not None:
                histogram.labels(algorithm).observe(value / unit)


@asynccontextmanager
async def served(metrics: Metrics, host: str, port: int) -> AsyncIterator[int]:
    """Serve the metrics and give the port, which is a free one where 0 is asked for. Raises OSError."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/metrics", show)
    listener = Listener(app, linger=1)
    try:
        yield await listener.listen(host, port)
    finally:
        await listener.close()


def _as_float(ask: Callable[[], int | bool]) -> Callable[[], float]:
    return lambda: float(ask())
