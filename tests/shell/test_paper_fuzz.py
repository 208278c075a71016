"""The exchange under thousands of signed requests drawn from its own document: no 500, no invalid answer, no unknown error.

Half of the requests are sound (real tickers, orders, prices), half are whatever the document's types allow and more. Requests
of all operations come in one shuffled sequence, so that they meet each other's orders and groups. FUZZ_EXAMPLES and
FUZZ_SEED set how many for an operation and which; `make fuzz-exchange` draws a seed and makes many.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.shell.paper_desk import ME, START, TICKER, Answer, Desk, desk
from tests.shell.paper_document import Document, code_of
from tests.shell.test_paper_contract import CODES, GROUPS, PLENTY

from depthwalker.core.units import MILLION, SECOND, Money

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "45"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
RICH = Money(10**9 * MILLION)


@dataclass(frozen=True)
class Drawn:
    """A request as the document's types have it, with the luck by which it is made sound."""

    operation: str
    method: str
    path: str
    values: dict[str, object]
    query: dict[str, object]
    body: object
    luck: int


class Case(Protocol):
    """A request that schemathesis drew."""

    method: str
    path_parameters: Mapping[str, object] | None
    query: Mapping[str, object] | None
    body: object


class Definition(Protocol):
    """What the document says of an operation."""

    raw: Mapping[str, str]


class Operation(Protocol):
    """An operation as schemathesis read it from the document."""

    path: str
    definition: Definition

    def as_strategy(self) -> st.SearchStrategy[Case]: ...


@pytest.fixture(scope="module")
def document(shared: Path) -> Document:
    return Document(shared)


def drawn(document: Document, examples: int) -> list[Drawn]:
    """Return so many requests of each operation, shuffled; the same for the same seed."""
    schemathesis = pytest.importorskip("schemathesis")
    found: list[Drawn] = []
    for raw in document.raw():
        for one in schemathesis.openapi.from_dict(raw).get_all_operations():
            found += _of(one.ok(), examples)
    random.Random(SEED).shuffle(found)
    return found


def _of(operation: Operation, examples: int) -> list[Drawn]:
    found: list[Drawn] = []

    @seed(SEED)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
    )
    @given(operation.as_strategy(), st.integers(0, 2**32))
    def collect(case: Case, luck: int) -> None:
        body = case.body if isinstance(case.body, dict | list | str | int | float | bool) else None
        name = operation.definition.raw["operationId"]
        values, query = dict(case.path_parameters or {}), dict(case.query or {})
        found.append(Drawn(name, case.method.upper(), operation.path, values, query, body, luck))

    collect()
    return found


class Sense:
    """What a sound request says, of what there is at the moment."""

    def __init__(self, me: Desk, luck: int) -> None:
        self._me = me
        self._random = random.Random(luck)
        self.sound = self._random.random() < 0.5

    def value(self, name: str, given: object) -> object:
        """Return a value for a key, `given` where nothing better is known."""
        exchange = self._me.exchange.exchange
        orders = [order.order_id for order in exchange.ledgers[ME].resting()]
        groups = [kept.group_id for kept in exchange.groups.values() if kept.account == ME and not kept.group.triggered]
        pick = self._random.choice
        price = f"{pick(range(2, 99)) / 100:.4f}"
        usual: dict[str, Callable[[], object]] = {
            "ticker": lambda: TICKER,
            "market_ticker": lambda: TICKER,
            "tickers": lambda: [TICKER],
            "market_tickers": lambda: TICKER,
            "event_ticker": lambda: "PAPER-26",
            "series_ticker": lambda: "PAPER",
            "order_id": lambda: pick(orders) if orders else given,
            "order_group_id": lambda: pick(groups) if groups else given,
            "client_order_id": lambda: f"fuzz-{self._random.getrandbits(64):x}",
            "updated_client_order_id": lambda: f"fuzz-{self._random.getrandbits(64):x}",
            "side": lambda: pick(("bid", "ask")),
            "price": lambda: price,
            "count": lambda: pick(("1.00", "0.01", "7.50")),
            "reduce_by": lambda: "0.01",
            "reduce_to": lambda: None,
            "contracts_limit": lambda: pick((5, 100)),
            "contracts_limit_fp": lambda: "5.00",
            "exchange_index": lambda: 0,
            "subaccount": lambda: 0,
            "subaccount_number": lambda: 0,
            "expiration_time": lambda: (START + 3_600 * SECOND) // SECOND,
            "time_in_force": lambda: pick(("good_till_canceled", "immediate_or_cancel")),
            "limit": lambda: 10,
            "cursor": lambda: "",
            "start_ts": lambda: 1,
            "end_ts": lambda: 2,
            "period_interval": lambda: 1,
            "source": lambda: "event_contract",
            "destination": lambda: "event_contract",
            "amount": lambda: 1,
        }
        return usual[name]() if name in usual else self.sensible(given)

    def sensible(self, node: object) -> object:
        """Return a body with every key that is known made sound."""
        if not self.sound:
            return node
        if isinstance(node, dict):
            changed = {name: self.value(name, one) for name, one in node.items()}
            return {name: one for name, one in changed.items() if one is not None}
        return [self.sensible(one) for one in node] if isinstance(node, list) else node

    def path(self, drawn: Drawn) -> str:
        """Return the path with its query; a sound one may carry a key that nobody knows, which Kalshi tolerates."""
        path = drawn.path
        for name, given_value in drawn.values.items():
            value = self.value(name, given_value) if self.sound else given_value
            path = path.replace("{" + name + "}", str(value))
        query = self.sensible(drawn.query)
        assert isinstance(query, dict)
        if self.sound and self._random.random() < 0.25:
            query["nobody_knows"] = "this"
        pairs = [(name, _text(one)) for name, value in query.items() for one in _each(value)]
        return f"{path}?{urlencode(pairs, errors='replace')}" if pairs else path


def _each(value: object) -> Iterator[object]:
    yield from value if isinstance(value, list) else (value,)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def refreshed(me: Desk) -> None:
    """See to it that there is an order and a group to speak of."""
    if len(me.exchange.exchange.ledgers[ME].resting()) < 3:
        await me.create(price="0.02", client_order_id=f"kept-{me.exchange.requests.total()}")
    if not any(not kept.group.triggered for kept in me.exchange.exchange.groups.values()):
        await me.send("POST", GROUPS + "/create", {"contracts_limit": 1_000})


def wrong(document: Document, request: Drawn, path: str, answer: Answer) -> list[str]:
    """Return what is wrong with an answer."""
    where = f"{request.method} {path} {request.body!r}"[:300]
    if answer.status >= 500:
        return [f"{answer.status} to {where}"]
    if answer.status < 300:
        return [f"{fault} after {where}" for fault in document.faults(request.method, request.path, answer)]
    try:
        code = code_of(answer.json())
    except (ValueError, KeyError, AttributeError) as error:
        return [f"no error of the exchange's: {answer} ({error}) to {where}"]
    return [] if code in CODES else [f"unknown error {code!r} ({answer.status}) to {where}"]


async def test_requests_drawn_from_the_document_get_valid_answers(
    document: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = drawn(document, EXAMPLES)
    faults: list[str] = []
    good: dict[str, int] = dict.fromkeys(document.operations(), 0)
    async with desk(options=PLENTY, cash=RICH) as me:
        await me.placed(price="0.60", count="1")
        for request in requests:
            await refreshed(me)
            sense = Sense(me, request.luck)
            path, body = sense.path(request), sense.sensible(request.body)
            answer = await me.send(request.method, path, body)
            good[request.operation] += answer.status < 300
            faults += wrong(document, request, path, answer)
    with capsys.disabled():
        print(
            f"\npaper exchange: {len(requests)} requests drawn with FUZZ_SEED={SEED}, {sum(good.values())} answered 2xx"
        )
    assert faults == []
    assert [name for name, count in good.items() if not count] == []
