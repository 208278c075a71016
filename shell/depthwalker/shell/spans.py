"""OpenTelemetry spans of executions and of their requests; needs the extra `observe`, and whatever exporter you set up.

A request's span is the execution's child, since whatever an execution begins is begun in its context. Attributes hold no
header, query, body or balance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AnyValue

from depthwalker.core.execution import State
from depthwalker.core.projection import project
from depthwalker.core.units import CONTRACT
from depthwalker.shell.watchers import Call

NAME: Final = "depthwalker"
FIRST_ERROR: Final = 400


class Spans:
    """A watcher that makes spans, with the tracer provider that the program has set up."""

    def __init__(self) -> None:
        self._tracer = trace.get_tracer(NAME)

    @contextmanager
    def execution(self, execution_id: int, ticker: str) -> Iterator[Callable[[State], None]]:
        """Span an execution for as long as it runs here."""
        attributes: dict[str, AnyValue] = {"depthwalker.execution_id": execution_id, "depthwalker.ticker": ticker}
        with self._tracer.start_as_current_span("execution", attributes=attributes) as span:

            def tell(state: State) -> None:
                row = project(state).execution
                span.set_attribute("depthwalker.algorithm", row.algorithm.value)
                span.set_attribute("depthwalker.reason", row.reason)
                span.set_attribute("depthwalker.status", row.status.value)
                span.set_attribute("depthwalker.filled", row.filled / CONTRACT)

            yield tell

    def refused(self, kind: str) -> None:
        """Leave out what never began."""

    @contextmanager
    def request(self, method: str, endpoint: str) -> Iterator[Callable[[Call], None]]:
        """Span a request; one that fails, or that nobody answers, is an error."""
        attributes = {"http.request.method": method, "url.template": endpoint}
        with self._tracer.start_as_current_span(
            f"{method} {endpoint}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            def tell(call: Call) -> None:
                if call.status:
                    span.set_attribute("http.response.status_code", call.status)
                if not 0 < call.status < FIRST_ERROR:
                    span.set_status(Status(StatusCode.ERROR, "" if call.status else "no answer"))

            yield tell
