"""Reading an engine's own objects: exact at once, and refused by the value."""

from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import cast
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shell.rig import AMarket, AMethod, AnEdge, simple
from typing_extensions import override

from depthwalker.core.book import Leg
from depthwalker.core.parent import Action, RefusalKind
from depthwalker.shell.api import InvalidEdge, InvalidMethod, OrderRefused
from depthwalker.shell.codec import reader
from depthwalker.shell.ticket import Job, exact, read_job, read_ticket, refuse_another


class NumpyFloat(float):
    """A float as numpy's float64 is one: a subclass with a repr of its own."""

    @override
    def __repr__(self) -> str:
        return f"np.float64({float(self)})"


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        (NumpyFloat(0.47), "0.47"),
        (0.47, "0.47"),
        (Decimal("0.470"), "0.470"),
        (" 0.48 ", "0.48"),
        (1, "1"),
        (1e-4, "0.0001"),
        (1e22, "1" + "0" * 22),
    ],
)
def test_a_number_is_read_as_it_is_written(given_: object, text: str) -> None:
    assert exact(given_) == text


@given(st.integers(1, 9_999))
def test_every_price_is_the_same_from_float_decimal_and_text(price: int) -> None:
    text = f"0.{price:04d}"
    read = {read_ticket("yes", "buy", 1, one).target for one in (text, float(text), Decimal(text))}
    assert read == {price}


@given(st.integers(1, 10_000_000))
def test_every_count_is_the_same_from_float_decimal_and_text(count: int) -> None:
    text = f"{count // 100}.{count % 100:02d}"
    read = {read_ticket("no", "sell", one, "0.5").count for one in (text, float(text), Decimal(text))}
    assert read == {count}


def test_a_ticket_says_what_to_do() -> None:
    ticket = read_ticket("no", "sell", "2.50", "0.4")
    assert (ticket.outcome, ticket.action, ticket.count, ticket.target) == (Leg.NO, Action.SELL, 250, 4_000)


@pytest.mark.parametrize(
    ("side", "action", "size", "target", "named"),
    [
        ("YES", "buy", 1, "0.5", "side 'YES'"),
        (None, "buy", 1, "0.5", "side None"),
        ("yes", "Buy", 1, "0.5", "action 'Buy'"),
        ("yes", "buy", True, "0.5", "position_size 'True'"),
        ("yes", "buy", None, "0.5", "position_size 'None'"),
        ("yes", "buy", float("inf"), "0.5", "position_size 'Infinity'"),
        ("yes", "buy", NumpyFloat("nan"), "0.5", "position_size 'NaN'"),
        pytest.param("yes", "buy", 10**5_000, "0.5", "position_size '1000", id="more digits than str() takes"),
        ("yes", "buy", Decimal("1E+999999"), "0.5", "position_size '1000"),
        ("yes", "buy", "1.005", "0.5", "position_size '1.005'"),
        ("yes", "buy", 1, 0.12345, "target_price '0.12345'"),
        ("yes", "buy", 1, Fraction(1, 2), "target_price '1/2'"),
        ("yes", "buy", 1, "", "target_price ''"),
        ("yes", "buy", 1, "9" * 400, "target_price"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_may(
    side: object, action: object, size: object, target: object, named: str
) -> None:
    with pytest.raises(InvalidEdge) as refused:
        read_ticket(side, action, size, target)
    assert named in str(refused.value)
    assert "it must be" in str(refused.value)
    assert len(str(refused.value)) < 200


class Integer:
    """A whole number as numpy's int64 is one: none of Python's, but one that stands for it; as a text it is where it lies."""

    def __index__(self) -> int:
        return 7


class NumpyText(str):
    """A text as numpy's str_ is one: a subclass."""

    __slots__ = ()


def test_what_is_queued_is_read_again_as_it_was_whatever_its_ids_are_made_of() -> None:
    edge = AnEdge(cast("int", Integer()), market=AMarket(cast("str", 5), NumpyText("RIG-26-A")))
    key = UUID(int=3)
    job = read_job(edge, AMethod({}, cast("int", key)), None, None)
    assert (job.request_key, job.edge_id, job.method_id) == (f"edge 7 method {key}", 7, str(key))
    assert (job.market_id, job.ticker) == ("5", "RIG-26-A")
    assert reader(Job)(msgspec.json.encode(job)) == job
    assert type(read_job(edge, simple(), None, NumpyText("key")).request_key) is str


def test_the_usual_key_is_the_same_in_every_process_however_an_id_writes_itself() -> None:
    job, again = (read_job(AnEdge(cast("int", one)), AMethod({}, 3), None, None) for one in (Integer(), 7))
    assert job.request_key == again.request_key == "edge 7 method 3"


@pytest.mark.parametrize("wrong", [True, 7.0, b"7", "nul\0", "half \udce9"])
def test_an_id_that_no_worker_could_read_is_refused(wrong: int) -> None:
    with pytest.raises(InvalidEdge, match=r"edge_id .*: it must be a"):
        read_job(AnEdge(wrong), simple(), None, "key")


@pytest.mark.parametrize("key", [5, b"key", "nul\0", "half \udce9"])
def test_a_key_that_is_no_text_is_refused(key: str) -> None:
    with pytest.raises(InvalidEdge, match=r"request_key .*: it must be a text"):
        read_job(AnEdge(7), simple(), None, key)


@pytest.mark.parametrize("key", [None, "key"])
@pytest.mark.parametrize(("edge", "method", "named"), [(None, 3, "edge_id None"), (7, None, "method_id None")])
def test_without_an_id_one_order_is_not_told_from_another(edge: int, method: int, named: str, key: str | None) -> None:
    with pytest.raises(InvalidEdge, match=f"{named}: it must be the engine's key"):
        read_job(AnEdge(edge), AMethod({}, method), None, key)


def test_the_usual_key_is_edge_and_method_and_a_market_may_stand_in() -> None:
    method = AMethod({}, 3)
    job = read_job(AnEdge(7), method, AMarket("m", "OTHER-1"), None)
    assert (job.request_key, job.ticker, job.market_id) == ("edge 7 method 3", "OTHER-1", "m")
    assert read_job(AnEdge(7), method, None, "mine").request_key == "mine"


def test_an_edge_without_an_action_buys_and_a_method_may_name_strategy_and_model() -> None:
    @dataclass(frozen=True)
    class Bare:
        edge_id: int = 1
        market: AMarket = field(default_factory=AMarket)
        side: str = "yes"
        target_price: float = 0.5
        position_size: int = 1

    @dataclass(frozen=True)
    class Full(AMethod):
        strategy_id: int = 8
        model_id: str = "gpt"

    job = read_job(Bare(), Full({}), None, None)
    assert (job.ticket.action, job.strategy_id, job.model_id) == (Action.BUY, 8, "gpt")


@pytest.mark.parametrize("ticker", ["", "  ", None, 7])
def test_a_ticker_has_to_be_one(ticker: str) -> None:
    with pytest.raises(InvalidEdge, match="ticker"):
        read_job(AnEdge(1, market=AMarket("m", ticker)), AMethod({}), None, None)


def test_a_wrong_configuration_names_its_key() -> None:
    with pytest.raises(InvalidMethod, match="order_timeout_seconds"):
        read_job(AnEdge(1), AMethod({"order_timeout_seconds": "soon"}), None, None)


# Two orders under one request key


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (AnEdge(1, market=AMarket("M", "RIG-26-B")), "to buy yes of RIG-26-A"),
        (AnEdge(1, side="no"), "to buy yes of RIG-26-A"),
        (AnEdge(1, action="sell"), "to buy yes of RIG-26-A"),
    ],
)
def test_a_key_of_an_order_elsewhere_or_in_another_direction_is_refused(asked: AnEdge, told: str) -> None:
    with pytest.raises(OrderRefused, match=told) as refused:
        refuse_another(read_job(asked, simple(), None, "k"), read_job(AnEdge(1), simple(), None, "k"))
    assert refused.value.refusal.kind is RefusalKind.KEY_TAKEN


@pytest.mark.parametrize(
    ("asked", "method", "told"),
    [
        (AnEdge(1, position_size=10, target_price="0.46"), simple(), "(count, target)"),
        (AnEdge(1), simple(9), "(method)"),
        (AnEdge(2), simple(), ""),
    ],
)
def test_a_repetition_whose_target_count_or_method_has_moved_is_told_and_not_refused(
    asked: AnEdge, method: AMethod, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_another(read_job(asked, method, None, "k"), read_job(AnEdge(1), simple(), None, "k"))
    assert [record.getMessage() for record in caplog.records] == (
        [
            f"request key k names an earlier, different order {told}: what became of that one, 60.00 at 0.4500, is returned"
        ]
        if told
        else []
    )
