"""Client order ids: ours are recognised, nobody else's are, and the exchange accepts them all."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import client_ids

from depthwalker.core.ids import ClientId, parse_client_id

INSTALLATION, EXECUTION = "0badcafe", "0123456789abcdef0123456789abcdef"
OURS = f"dw-{INSTALLATION}-{EXECUTION}-2-13"


@given(client_ids())
def test_an_id_round_trips(ours: ClientId) -> None:
    assert parse_client_id(ours.text()) == ours


@given(client_ids())
def test_an_id_is_what_the_exchange_accepts(ours: ClientId) -> None:
    """Fact sheet, section 5.2: at most 64 characters of letters, digits and a few signs."""
    assert re.fullmatch(r"[-\w:+=/]{1,64}", ours.text(), re.ASCII)


@given(client_ids(), client_ids())
def test_different_intents_have_different_ids(one: ClientId, other: ClientId) -> None:
    assert (one == other) == (one.text() == other.text())


@given(
    st.builds("dw-{}-{}-{}-{}".format, *(st.sampled_from((INSTALLATION, EXECUTION, "7", "07", "0", "00", "x")),) * 4)
)
def test_a_text_is_recognised_only_as_we_write_it(text: str) -> None:
    found = parse_client_id(text)
    assert found is None or found.text() == text


def test_the_parts_of_an_id() -> None:
    assert parse_client_id(OURS) == ClientId(INSTALLATION, EXECUTION, split=2, revision=13)
    assert ClientId(INSTALLATION, EXECUTION, 2, 13).text() == OURS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dw",
        "a-uuid-like-id-of-somebody",
        f"xx-{INSTALLATION}-{EXECUTION}-2-13",
        f"dw-{INSTALLATION}-{EXECUTION}-2",
        f"{OURS}-1",
        f"dw-0badcaf-{EXECUTION}-2-13",
        f"dw-0BADCAFE-{EXECUTION}-2-13",
        f"dw-0badcafg-{EXECUTION}-2-13",
        f"dw-{INSTALLATION}-{EXECUTION[:-1]}-2-13",
        f"dw-{INSTALLATION}-{EXECUTION[:-1]}x-2-13",
        f"dw-{INSTALLATION}-{EXECUTION}--13",
        f"dw-{INSTALLATION}-{EXECUTION}-2-x",
        f"dw-{INSTALLATION}-{EXECUTION}-2-1234567",
        f"dw-{INSTALLATION}-{EXECUTION}-02-13",
        f"dw-{INSTALLATION}-{EXECUTION}-2-013",
        f"dw-{INSTALLATION}-{EXECUTION}-²-13",
        f"dw-{INSTALLATION}-{EXECUTION}-2- 13",
    ],
)
def test_anybody_else_s_id_is_not_ours(text: str) -> None:
    assert parse_client_id(text) is None
