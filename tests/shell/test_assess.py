"""`depthwalker assess` over the engine's own trades: accepted, rejected, and too few; whatever columns the table has."""

import asyncio
import json
from collections.abc import Callable

import psycopg
import pytest
from tests.shell.journals import replay
from tests.shell.test_schema import ENGINE

from depthwalker.core.assessment import Executed
from depthwalker.core.units import Count, Money
from depthwalker.shell.assess import read_trades
from depthwalker.shell.cli import main
from depthwalker.shell.postgres import schema_path
from depthwalker.shell.store import PostgresStore

DAY = 86_400_000_000
LONG = 10_000 * DAY
MARKET = "INSERT INTO markets VALUES ('m', 'M') ON CONFLICT DO NOTHING"
FILLED = """
    INSERT INTO trades (market_id, side, action, quantity, price, target_price, filled_price, filled_quantity,
                        market_volume_at_entry, created_at)
    SELECT 'm', 'yes', %s, 100, p, 0.5, p, 100, %s, now() - interval '1 day'
    FROM generate_series(1, %s) AS n, LATERAL (SELECT (%s + 0.001 * (n %% 3 - 1))::numeric(10,4) AS p) AS priced
"""
UNFILLED = """
    INSERT INTO trades (market_id, side, action, quantity, target_price, market_volume_at_entry, created_at)
    SELECT 'm', 'yes', 'buy', 0, 0.5, %s, now() - interval '1 day' FROM generate_series(1, %s)
"""


@pytest.fixture
def database(postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", postgres)
    return postgres


def trade(dsn: str, *, number: int, price: float, volume: int, action: str = "buy", unfilled: int = 0) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(MARKET)
        connection.execute(FILLED, (action, volume, number, price))
        connection.execute(UNFILLED, (volume, unfilled))


def assessed(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["assess", "--json", *more]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def test_poor_trades_in_thin_markets_call_for_an_advanced_algorithm(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(database, number=200, price=0.508, volume=150, unfilled=20)
    trade(database, number=250, price=0.516, volume=20, unfilled=40)
    found = assessed(capsys)
    assert found["answer"] == "implement"
    assert found["by_liquidity"] == [
        {
            "liquidity": "liquid",
            "trades": 220,
            "average_slippage_ppm": 16_010,
            "slippage_volatility_ppm": 1_635,
            "fail_rate_ppm": 90_909,
        },
        {
            "liquidity": "thin",
            "trades": 290,
            "average_slippage_ppm": 32_000,
            "slippage_volatility_ppm": 1_632,
            "fail_rate_ppm": 137_931,
        },
    ]
    assert main(["assess"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("implement (510 trades)\n  average slippage is above 1.5 %\n")
    assert "cumulative slippage cost" in shown
    assert "for an advanced algorithm" in shown
    assert assessed(capsys, "--profitable", "no")["answer"] == "do not implement"


def test_good_trades_do_not_and_sells_are_worse_below_the_target(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    trade(database, number=100, price=0.502, volume=150)
    trade(database, number=100, price=0.498, volume=150, action="sell")
    found = assessed(capsys)
    assert found["answer"] == "do not implement"
    assert found["reasons"] == ["average slippage is below 1.0 %", "thin markets among trades is below 20.0 %"]
    lines = found["by_liquidity"]
    assert isinstance(lines, list)
    assert lines[0]["average_slippage_ppm"] == 4_000


def test_few_trades_and_none_lately_are_an_answer_too(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    trade(database, number=5, price=0.53, volume=20)
    assert assessed(capsys)["answer"] == "too few trades"
    assert assessed(capsys, "--since", "12h")["trades"] == 0
    assert assessed(capsys, "--since", "2d")["trades"] == 5
    for wrong in ("soon", "0d", "99999d", "5"):
        assert main(["assess", "--since", wrong]) == 2
        assert "is not a span such as 90m" in capsys.readouterr().err


def test_what_was_executed_here_is_judged_by_its_exact_cost_not_by_the_rounded_average(database: str) -> None:
    """35.55 contracts sold for $15.847 at a target of 0.45: $0.1505 below it, where the average of 0.4458 says 0.1493."""

    async def execute() -> None:
        async with PostgresStore(database) as store:
            await replay(store, "walk_with_partial_fills")

    asyncio.run(execute())
    with psycopg.connect(database, autocommit=True) as connection:
        (whole,) = read_trades(connection, LONG)
        assert (whole.slippage, whole.cost) == (9_408, 3555 * 4500 - 15_847_000)
        # An engine that books an execution in parts has none that is the whole of it.
        connection.execute("UPDATE trades SET quantity = 5.55, filled_quantity = 5.55")
        (part,) = read_trades(connection, LONG)
        assert (part.slippage, part.cost) == (9_333, 555 * (4500 - 4458))


def test_an_engines_own_table_is_read_with_the_columns_that_it_has(new_database: Callable[[], str]) -> None:
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(ENGINE.encode())
        connection.execute(schema_path().read_bytes())
        connection.execute("ALTER TABLE trades ADD COLUMN pnl numeric")
        connection.execute(
            "INSERT INTO trades (edge_id, side, quantity, price, target_price, pnl) VALUES (7, 'yes', 10, 0.51, 0.5, -2)"
        )
        connection.execute(
            "INSERT INTO trades (edge_id, side, quantity, price, target_price) VALUES (7, 'no', 10, NULL, 0.5)"
        )
        assert read_trades(connection, DAY) == (
            Executed(True, None, None, None, None),
            Executed(True, 20_000, Money(100_000), None, Money(-2_000_000)),
            Executed(False, None, None, None, None),
        )
        connection.execute(
            "UPDATE trades SET slippage_percent = 0.01, market_volume_at_entry = 3.5 WHERE target_price IS NULL"
        )
        assert read_trades(connection, DAY)[-1] == Executed(True, 10_000, None, Count(350), None)


@pytest.mark.parametrize("unknown", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("price", Executed(False, None, None, Count(300), None)),
        ("target_price", Executed(True, 10_000, None, Count(300), None)),
        ("market_volume_at_entry", Executed(True, 20_000, Money(100_000), None, None)),
    ],
)
def test_what_is_no_number_counts_as_not_told(
    new_database: Callable[[], str], column: str, told: Executed, unknown: str
) -> None:
    """A program that keeps its figures as floats writes NaN for what it does not know, and infinity for what it divided by 0."""
    with psycopg.connect(new_database(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute(
            "CREATE TABLE trades (quantity int, price float, target_price float, market_volume_at_entry float, "
            "created_at timestamptz DEFAULT now())"
        )
        connection.execute(schema_path().read_bytes())
        connection.execute("INSERT INTO trades VALUES (10, 0.51, 0.5, 3)")
        connection.execute("UPDATE trades SET slippage_percent = 0.01")
        connection.execute(f"UPDATE trades SET {column} = '{unknown}'".encode())
        assert read_trades(connection, DAY) == (told,)
