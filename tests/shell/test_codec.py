"""Facts as JSON: every fact survives the round trip, and the journals that are kept as files stay readable for ever."""

import dataclasses
import json
import types
from collections.abc import Sequence
from enum import Enum
from functools import reduce
from pathlib import Path
from typing import NewType, Union, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.execution import START, evolve, total_cost, total_filled, total_walks
from depthwalker.core.fact import Fact, Refused, Started
from depthwalker.core.ledger import Kind, OrderKey, settled
from depthwalker.core.policy import VERSION
from depthwalker.core.units import CENT, Micros, format_count, format_money, format_price
from depthwalker.shell import codec

JOURNALS = sorted((Path(__file__).parent.parent / "data" / "journals").glob("*.jsonl"))


def values_of(kind: object) -> st.SearchStrategy[object]:
    """Return a strategy for anything that a fact may hold; a type that it does not know fails the test."""
    arguments = get_args(kind)
    origin = get_origin(kind)
    if isinstance(kind, NewType):
        return values_of(kind.__supertype__)
    if origin in {Union, types.UnionType}:
        return st.one_of(*(values_of(argument) for argument in arguments))
    if origin is tuple and arguments[-1:] == (...,):
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(values_of(argument) for argument in arguments))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return st.builds(kind, **{name: values_of(hint) for name, hint in get_type_hints(kind).items()})
    plain: dict[object, st.SearchStrategy[object]] = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(-(2**63), 2**63 - 1),
        str: st.text(max_size=8),
    }
    return plain[kind]


FACTS = cast("st.SearchStrategy[Fact]", st.one_of(*(values_of(kind) for kind in codec.FACTS.values())))


def read(path: Path) -> tuple[Fact, ...]:
    return tuple(codec.decode(line) for line in path.read_bytes().splitlines())


@given(FACTS)
def test_a_fact_reads_back_as_it_was(fact: Fact) -> None:
    line = codec.encode(fact)
    assert codec.decode(line) == fact
    assert b"\n" not in line
    assert json.loads(line)["fact"] == type(fact).__name__


@given(st.lists(FACTS, max_size=4))
def test_several_facts_are_one_array(facts: Sequence[Fact]) -> None:
    assert json.loads(codec.encode_all(facts)) == [json.loads(codec.encode(fact)) for fact in facts]


def test_the_form_is_fixed() -> None:
    fact = Refused(OrderKey(1, 0), Kind.PLACE, "invalid_price", "off the grid", Micros(1_700_000_000_000_000))
    assert codec.encode(fact).decode() == (
        '{"fact":"Refused","key":{"split":1,"birth":0},"kind":"place","code":"invalid_price","detail":"off the grid",'
        '"at":1700000000000000}'
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"fact":"Invented","at":1}', "there is no fact 'Invented'"),
        ('{"at":1}', "missing required field `fact`"),
        ('{"fact":"LookupStarted"}', "missing required field `at`"),
        ('{"fact":"LookupStarted","at":1.5}', "at `$.at`"),
        ('{"fact":"LookupStarted","at":"1"}', "Expected `int`, got `str`"),
        ('{"fact":"LookupStarted","at":true}', "Expected `int`, got `bool`"),
        ('{"fact":"Requested","key":{"split":1,"birth":0},"kind":"pray","at":1}', "Invalid enum value 'pray'"),
        ('{"fact":"Requested","key":{"split":1},"kind":"burn","at":1}', "`birth` - at `$.key`"),
        ('{"fact":"LookupStarted","at":1', "truncated"),
        ("[]", "Expected `object`"),
        (b"\xff", "malformed"),
    ],
)
def test_what_is_no_fact_is_named(line: str | bytes, says: str) -> None:
    with pytest.raises(codec.Unreadable) as refused:
        codec.decode(line)
    assert says in str(refused.value)


def test_keys_of_a_later_version_are_ignored() -> None:
    assert codec.decode('{"fact":"LookupStarted","at":7,"mood":"fine"}') == codec.decode(
        '{"fact":"LookupStarted","at":7}'
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Grown:
    """A fact that gained a field after journals of it were written."""

    at: Micros
    gained: str = "as before"


def test_keys_that_an_earlier_version_did_not_write_take_their_defaults() -> None:
    assert codec.reader(Grown)('{"at":7}') == Grown(Micros(7), "as before")


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_an_execution_of_an_earlier_version_takes_the_rest_when_it_was_to_and_goes_by_the_microprice(
    path: Path,
) -> None:
    started = read(path)[0]
    assert isinstance(started, Started)
    policy = started.policy
    assert policy.version < VERSION
    assert policy.take_before == json.loads(path.read_text(encoding="utf-8").splitlines()[0])["policy"]["take_before"]
    assert (policy.above_microprice, policy.waiting_share) == (CENT, 200_000)


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem)
def test_a_kept_journal_folds_to_the_end_that_it_had(path: Path) -> None:
    state = reduce(evolve, read(path), START)
    assert state.finished is not None
    count, cost, fees = total_cost(state)
    assert format_count(count) == format_count(total_filled(state))
    assert json.loads(path.with_suffix(".expected.json").read_text()) == {
        "status": state.finished.status.value,
        "reason": state.finished.reason,
        "filled": format_count(total_filled(state)),
        "cost": format_money(cost),
        "fees": format_money(fees),
        "walks": total_walks(state),
        "settled": all(settled(order) for order in state.orders) and not state.strays,
        "endings": [order.ending.value for order in state.orders],
        "cap": format_price(state.cap),
    }


def test_the_kept_journals_hold_every_kind_of_fact() -> None:
    assert {type(fact).__name__ for path in JOURNALS for fact in read(path)} == set(codec.FACTS)
