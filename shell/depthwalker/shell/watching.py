"""Who watches an engine, as the settings say; what they need is imported only then."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

from depthwalker.shell.exact import ConfigError, ConfigErrors
from depthwalker.shell.settings import NAME, Settings, SettingsError
from depthwalker.shell.watchers import Gauges, Watcher, Watchers

if TYPE_CHECKING:
    from depthwalker.shell.metrics import Metrics

LOG: Final = logging.getLogger("depthwalker")
EXTRA: Final = "pip install 'depthwalker[observe]', or leave it out"
Served: TypeAlias = Callable[[Gauges], AbstractAsyncContextManager[int | None]]


def watching_as(settings: Settings) -> tuple[Watchers, Served | None]:
    """Return the watchers that the settings ask for, and how the metrics are served. Raises SettingsError."""
    watchers: list[Watcher] = []
    serve: Served | None = None
    if settings.metrics_port is not None:
        try:
            from depthwalker.shell.metrics import Metrics
        except ModuleNotFoundError as missing:
            raise _lacking("metrics_port", missing) from missing
        metrics = Metrics()
        watchers.append(metrics)
        host, port = settings.metrics_host, settings.metrics_port

        def serving(gauges: Gauges) -> AbstractAsyncContextManager[int | None]:
            return _serve(metrics, gauges, host, port)

        serve = serving
    if settings.spans:
        try:
            from depthwalker.shell.spans import Spans
        except ModuleNotFoundError as missing:
            raise _lacking("spans", missing) from missing
        watchers.append(Spans())
    return Watchers(watchers), serve


@asynccontextmanager
async def _serve(metrics: "Metrics", gauges: Gauges, host: str, port: int) -> AsyncIterator[int | None]:
    """Serve the metrics; an address that is taken is told, and nobody trades the worse for it."""
    from depthwalker.shell.metrics import served

    metrics.watch(gauges)
    serving = served(metrics, host, port)
    try:
        taken = await serving.__aenter__()
    except OSError as error:
        LOG.warning(
            "metrics cannot be served on %s port %s (%s): give each process its own", host, port, error.strerror
        )
        yield None
        return
    try:
        LOG.info("metrics are on http://%s:%s/metrics", host, taken)
        yield taken
    finally:
        await serving.__aexit__(None, None, None)


def _lacking(key: str, missing: ModuleNotFoundError) -> SettingsError:
    return SettingsError(ConfigErrors((ConfigError(f"{NAME}.{key}", f"it needs {missing.name}", EXTRA),)))
