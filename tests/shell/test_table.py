"""The comparison is one query that a reader can repeat, and its table fits where it is printed."""

import io
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest
from rich.console import Console

from depthwalker.shell.table import Row, comparison, query_text, request_key, table

SIMPLE = Row(
    execution="moderate/simple",
    algorithm="simple_limit",
    liquidity="moderate",
    filled=Decimal("0.00"),
    wanted=Decimal("12917.50"),
    fill_rate=Decimal("0.0000"),
    target=Decimal("0.4500"),
    average=None,
    slippage=None,
    fees=Decimal("0.000000"),
    walks=0,
    calls=12,
    seconds=Decimal("36.012"),
    status="failed",
)
WALKER = replace(
    SIMPLE,
    execution="moderate/walker",
    algorithm="dynamic_depth_walker",
    filled=Decimal("12917.50"),
    fill_rate=Decimal("1.0000"),
    average=Decimal("0.4460"),
    slippage=Decimal("-0.008900"),
    fees=Decimal("211.840000"),
    walks=10,
)


def printed(width: int, *rows: Row) -> str:
    output = io.StringIO()
    Console(file=output, width=width).print(table(rows, width))
    return output.getvalue()


@pytest.mark.parametrize("width", [80, 110, 140])
def test_the_table_fits(width: int) -> None:
    seen = printed(width, SIMPLE, WALKER)

    assert all(len(line) <= width for line in seen.splitlines())
    for text in ("12917.5/12917.5", "100 %", "0.4460", "-0.89 %", "211.84", "10", "36.0", "-0.89 %"):
        assert text in seen, text


def test_only_a_whole_fill_is_shown_as_one() -> None:
    almost = replace(WALKER, fill_rate=Decimal("0.9999"), filled=Decimal("12917.49"))

    assert " 99.9 %" in printed(140, almost)


def test_a_slippage_is_rounded_as_in_the_reports() -> None:
    assert "+0.13 %" in printed(140, replace(WALKER, slippage=Decimal("0.001250")))
    assert "+0.00 %" in printed(140, replace(WALKER, slippage=Decimal("-0.000004")))


def test_an_execution_that_ran_by_another_algorithm_says_so() -> None:
    routed = replace(WALKER, algorithm="simple_limit")

    assert "moderate/walker ran simple_limit" in printed(140, routed)


def test_a_row_is_plain_with_its_numbers_exact() -> None:
    assert WALKER.plain()["slippage"] == "-0.008900"
    assert SIMPLE.plain()["average"] is None
    assert SIMPLE.plain()["calls"] == 12


def test_keys_of_a_run_sort_in_the_order_of_its_lanes() -> None:
    keys = [request_key("ab", number, "thin/simple") for number in range(1, 12)]

    assert keys == sorted(keys)


def test_the_query_can_be_pasted(postgres: str) -> None:
    text = query_text("0123abcd")

    with psycopg.connect(postgres) as connection:
        assert connection.execute(text.encode()).fetchall() == []
    assert comparison(postgres, "0123abcd") == ()
    assert all(len(line) < 80 for line in text.splitlines())
