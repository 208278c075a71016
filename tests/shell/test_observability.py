"""What may be seen of an engine: a real scrape, logs with the execution's number, spans; and never a secret in any of them."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from tests.shell.clocks import SteppingClock
from tests.shell.rig import AnEdge, Rig, rigged, simple, walker
from typing_extensions import override

from depthwalker.core.execution import State
from depthwalker.core.units import SECOND, Micros, Money
from depthwalker.shell.api import OrderRefused, TradingStopped
from depthwalker.shell.cli import main
from depthwalker.shell.logs import Structured
from depthwalker.shell.ports import HttpRequest, HttpResponse, Lost, NotSent
from depthwalker.shell.settings import Settings, SettingsError
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.watchers import Call, Watchers, endpoint_of
from depthwalker.shell.watching import watching_as

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
HELD = Money(8_765_432_190_000)  # a balance to look for
METRICS: dict[str, object] = {"metrics_port": 0}


async def scraped(port: int | None) -> tuple[str, Samples]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return text, samples


def secrets(rig: Rig) -> list[str]:
    """Whatever must not be seen: signatures, the key's id, the account's balance."""
    signatures = {
        value
        for wire in rig.wires
        for request in wire.sent
        for name, value in request.headers.items()
        if "SIGN" in name
    }
    assert signatures
    return [*signatures, "KALSHI-ACCESS", '"kid"', str(HELD)[:7]]


@contextmanager
def logged(level: int) -> Iterator[io.StringIO]:
    """All that anybody logs, as JSON."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(Structured())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


# Metrics


async def test_a_scrape_tells_what_the_database_tells(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, cash=HELD) as rig, rig.engine(METRICS) as engine:
        filled = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        await engine.execute_trade(AnEdge(2, "0.40", 5), simple(1))
        fallen = await engine.execute_trade(AnEdge(3, "0.47", 5), walker(60, min_volume_threshold=100_000))
        text, samples = await scraped(engine.metrics_port)
        assert samples["depthwalker_executions_started_total", ()] == 3
        ended = (("algorithm", "simple_limit"), ("arm", ""))
        assert samples["depthwalker_executions_ended_total", (*ended, ("status", "completed"))] == 2
        assert samples["depthwalker_executions_ended_total", (*ended, ("status", "failed"))] == 1
        assert samples["depthwalker_fallbacks_total", (("reason", "thin market"),)] == 1
        assert samples["depthwalker_contracts_filled_total", (("algorithm", "simple_limit"),)] == 10
        assert samples["depthwalker_slippage_ratio_count", (("algorithm", "simple_limit"),)] == 2
        assert "depthwalker_slippage_ratio_sum" not in text  # it may be below zero, which no counter may
        assert [filled.slippage_percent, fallen.slippage_percent] == [Decimal(0)] * 2
        for edge, number in (("-0.01", 0), ("0.0", 2)):
            at_most = (("algorithm", "simple_limit"), ("le", edge))
            assert samples["depthwalker_slippage_ratio_bucket", at_most] == number
        placed = [request for request in rig.wires[0].sent if request.method == "POST"]
        created = (("endpoint", "portfolio/events/orders"), ("method", "POST"), ("status", "201"))
        assert samples["depthwalker_requests_total", created] == len(placed)
        assert samples["depthwalker_executions_running", ()] == 0
        assert samples["depthwalker_calls_left", ()] > 0
        assert samples["depthwalker_stopped", ()] == 0
        assert "RIG-26" not in text
        assert [secret for secret in secrets(rig) if secret in text] == []


async def test_what_is_refused_ended_early_or_without_a_book_is_counted_as_the_database_counts_it(
    postgres: str, tmp_path: Path
) -> None:
    async def no_book(request: HttpRequest) -> None:
        if "/orderbook" in request.path:
            raise NotSent

    async with rigged(postgres, tmp_path, closes_after=Micros(30 * SECOND)) as rig, rig.engine(METRICS) as engine:
        rig.wires[-1].before = no_book
        await engine.execute_trade(AnEdge(1, "0.47", 5), walker(1))
        with pytest.raises(OrderRefused):
            await engine.execute_trade(AnEdge(2, "0.47", 5), walker(60))
        async with PostgresStore(postgres) as store:
            await store.pull_switch("too windy", "a test")
        with pytest.raises(TradingStopped):
            await engine.execute_trade(AnEdge(3, "0.47", 5), walker(1))
        _, samples = await scraped(engine.metrics_port)
        counted = await rig.rows("SELECT reason, executions FROM execution_fallbacks ORDER BY reason")
    assert counted == [("closes_too_soon", 1), ("no book yet until the time-out", 1), ("trading_stopped", 1)]
    for reason, number in counted:
        assert samples["depthwalker_fallbacks_total", (("reason", str(reason)),)] == number


async def test_without_the_setting_nothing_listens_and_with_it_only_the_loopback(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, cash=HELD) as rig:
        assert rig.settings().metrics_host == "127.0.0.1"
        async with rig.engine() as engine:
            assert engine.metrics_port is None
            assert engine._conductor._watchers.watched(rig.wires[0], rig.clock) is rig.wires[0]


async def test_an_address_that_is_taken_is_told_and_trading_goes_on(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, cash=HELD) as rig, rig.engine(METRICS) as first:
        with logged(logging.WARNING) as text:
            async with rig.engine({"metrics_port": first.metrics_port}) as second:
                assert second.metrics_port is None
                trade = await second.execute_trade(AnEdge(1, "0.47", 5), simple())
                assert trade.quantity == 5
        assert f"metrics cannot be served on 127.0.0.1 port {first.metrics_port}" in text.getvalue()


@pytest.mark.parametrize(("key", "module"), [("metrics_port", "prometheus_client"), ("spans", "opentelemetry")])
def test_what_is_not_installed_is_named(key: str, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for ours in ("metrics", "spans"):
        monkeypatch.delitem(sys.modules, f"depthwalker.shell.{ours}", raising=False)
    settings = Settings.of(state_directory=tmp_path, **{key: 1 if key == "metrics_port" else True})
    with pytest.raises(SettingsError, match=rf"settings\.{key}.*it needs {module}.*depthwalker\[observe\]"):
        watching_as(settings)


# Logs


async def test_every_line_of_an_execution_carries_its_number(postgres: str, tmp_path: Path) -> None:
    def fails(state: State, _: object) -> None:
        raise RuntimeError(state.parent.ticker)

    async with rigged(postgres, tmp_path, cash=HELD) as rig:
        with logged(logging.DEBUG) as text:
            async with rig.engine(on_turn=fails) as engine:
                calls = [engine.execute_trade(AnEdge(edge, "0.47", 5), simple()) for edge in (1, 2)]
                trades = await asyncio.gather(*calls)
            logging.getLogger("elsewhere").info("of none")
        lines = [json.loads(line) for line in text.getvalue().splitlines()]
        for trade in trades:
            own = [line for line in lines if line["execution_id"] == trade.execution_id]
            assert own[0]["message"] == f"execution {trade.execution_id} runs here: RIG-26-A"
            assert any("has ended: completed, 5.00 of 5.00 contracts; filled" in line["message"] for line in own)
            (raised,) = [line for line in own if "whoever watches it raised" in line["message"]]
            assert raised["level"] == "error"
            assert "RuntimeError: RIG-26-A" in raised["exception"]
            said = f"execution {trade.execution_id} "
            assert all(line in own for line in lines if line["message"].startswith(said))
        assert (lines[-1]["message"], lines[-1]["execution_id"]) == ("of none", None)
        assert [secret for secret in secrets(rig) if secret in text.getvalue()] == []


def test_the_command_line_logs_json_when_asked_to(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    monkeypatch.setenv("DATABASE_URL", postgres)
    monkeypatch.setenv("DEPTHWALKER_LOG", "json")
    try:
        assert main(["rollout", "status"]) == 0
        logging.getLogger("elsewhere").warning("of %s", "some use")
        logging.getLogger("elsewhere").warning("of %d use", "no")
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert {key: first[key] for key in first if key != "at"} == {
        "level": "warning",
        "logger": "elsewhere",
        "execution_id": None,
        "message": "of some use",
    }
    assert second["message"] == "of %d use"


# Spans


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """What the process's tracer provider exports; a process has one for good."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


async def test_requests_are_children_of_their_execution_s_span(
    postgres: str, tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    async with rigged(postgres, tmp_path, cash=HELD) as rig, rig.engine({"spans": True}) as engine:
        trade = await engine.execute_trade(AnEdge(1, "0.47", 5), simple())
        spans = exporter.get_finished_spans()
        (execution,) = [span for span in spans if span.name == "execution"]
        assert dict(execution.attributes or {}) == {
            "depthwalker.execution_id": trade.execution_id,
            "depthwalker.ticker": "RIG-26-A",
            "depthwalker.algorithm": "simple_limit",
            "depthwalker.reason": "configured",
            "depthwalker.status": "completed",
            "depthwalker.filled": 5.0,
        }
        (placed,) = [span for span in spans if span.name == "POST portfolio/events/orders"]
        assert execution.context is not None
        assert parent_of(placed) == execution.context.span_id
        assert dict(placed.attributes or {}) == {
            "http.request.method": "POST",
            "url.template": "portfolio/events/orders",
            "http.response.status_code": 201,
        }
        text = "".join(span.to_json() for span in spans)
        assert [secret for secret in secrets(rig) if secret in text] == []


class Echo:
    """A transport that answers with what it was sent."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, {}, request.body or b"")

    async def close(self) -> None:
        pass


class Silence:
    """A transport from which no answer comes."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        raise Lost(request.path)

    async def close(self) -> None:
        pass


async def test_a_request_that_nobody_answers_is_an_error(tmp_path: Path, exporter: InMemorySpanExporter) -> None:
    exporter.clear()
    watchers, _ = watching_as(Settings.of(state_directory=tmp_path, spans=True))
    wire = watchers.watched(Silence(), SteppingClock(Micros(5 * SECOND)))
    with pytest.raises(Lost):
        await wire.send(HttpRequest("GET", "/trade-api/v2/portfolio/orders/42", (), {}, None))
    await wire.close()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.status.is_ok, span.status.description) == ("GET portfolio/orders/*", False, "no answer")


class Raises(SpanProcessor):
    """A span processor as somebody's program may have it; once it has raised it is no bother to other tests."""

    raised = False

    @override
    def on_end(self, span: ReadableSpan) -> None:
        if not self.raised:
            self.raised = True
            raise ValueError(span.name)


async def test_no_answer_is_lost_by_a_span_processor_that_raises(
    tmp_path: Path, exporter: InMemorySpanExporter
) -> None:
    """What was answered would be of unknown outcome, for orders and for every look at them."""
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(Raises())
    watchers, _ = watching_as(Settings.of(state_directory=tmp_path, spans=True))
    wire = watchers.watched(Echo(), SteppingClock(Micros(SECOND)))
    answer = await wire.send(HttpRequest("POST", "/trade-api/v2/portfolio/events/orders", (), {}, b"42"))
    assert answer == HttpResponse(200, {}, b"42")


# Watchers


class Broken:
    """An watcher that raises where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.asked = 0

    def execution(self, execution_id: int, ticker: str) -> AbstractContextManager[Callable[[State], None]]:
        return nullcontext(lambda _: None)

    def refused(self, kind: str) -> None:
        raise ValueError(kind)

    @contextmanager
    def request(self, method: str, endpoint: str) -> Iterator[Callable[[Call], None]]:
        self.asked += 1
        if self.where == "begin":
            raise ValueError(method, endpoint)

        def tell(_: Call) -> None:
            raise ValueError(method)

        yield tell
        if self.where == "leave":  # as a span's end does, of a processor that raises
            raise ValueError(endpoint)


@pytest.mark.parametrize(("where", "asked"), [("begin", 1), ("end", 2), ("leave", 1)])
def test_an_watcher_that_raises_disturbs_nobody(where: str, asked: int, caplog: pytest.LogCaptureFixture) -> None:
    broken = Broken(where)
    watchers = Watchers((broken,))
    for _ in range(2):
        with watchers.request("GET", "markets") as tell:
            tell(Call("GET", "markets", 200, Micros(1)))
    assert broken.asked == asked
    assert "an watcher raised" in caplog.text


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/trade-api/v2/markets/KXHIGH-1/orderbook", "markets/*/orderbook"),
        ("/trade-api/v2/portfolio/events/orders/b9a4/amend", "portfolio/events/orders/*/amend"),
        ("/trade-api/v2/portfolio/balance", "portfolio/balance"),
        ("/", "*"),
    ],
)
def test_no_label_holds_an_id_or_a_ticker(path: str, label: str) -> None:
    assert endpoint_of(path) == label
