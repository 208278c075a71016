"""The `assess` command: the specification's decision over the engine's own trades, each criterion with what speaks for it."""

import json
from typing import Final

import psycopg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from depthwalker.core.assessment import Assessment, Executed, Finding, Unit, assess
from depthwalker.core.depth import Thresholds
from depthwalker.core.units import Count, Money, format_money
from depthwalker.shell.db import connected, database
from depthwalker.shell.ending import OK
from depthwalker.shell.figures import signed_percent
from depthwalker.shell.queries import PAPER_QUALITY, TRADE_QUALITY
from depthwalker.shell.settings import Settings
from depthwalker.shell.terminal import show
from depthwalker.shell.voice import say

WIDTH: Final = 120


def run_assess(since: int, *, profitable: bool | None, as_json: bool, paper: bool) -> int:
    """Assess the trades of so many microseconds, or the paper ones, and return the exit code: any answer is an answer."""
    settings = Settings.load()
    with database(settings) as dsn, connected(dsn) as connection:
        trades = read_trades(connection, since, paper=paper)
    found = assess(trades, Thresholds(settings.thin, settings.liquid), profitable=profitable)
    if as_json:
        say(json.dumps(_fields(found), indent=2))
    else:
        _show(found)
    return OK


def read_trades(connection: psycopg.Connection, since: int, *, paper: bool = False) -> tuple[Executed, ...]:
    """Return the engine's trades of the last so many microseconds, or what was executed on paper. Raises psycopg.Error."""
    query = PAPER_QUALITY if paper else TRADE_QUALITY
    rows = connection.execute(query, (since,)).fetchall()
    return tuple(
        Executed(filled, slippage, *_exact(cost, volume, profit)) for filled, slippage, cost, volume, profit in rows
    )


def _exact(cost: int | None, volume: int | None, profit: int | None) -> tuple[Money | None, Count | None, Money | None]:
    return (
        None if cost is None else Money(cost),
        None if volume is None else Count(volume),
        None if profit is None else Money(profit),
    )


def _show(found: Assessment) -> None:
    say(f"{found.answer.value} ({found.trades} trades)", *(f"  {reason}" for reason in found.reasons))
    console = Console(width=WIDTH, highlight=False)
    show(console, _table("for an advanced algorithm", found.criteria), _table("against it", found.against))
    lines = Table(
        "liquidity", "trades", "average slippage", "volatility", "failed", box=SIMPLE_HEAD, title="by liquidity"
    )
    for line in found.categories:
        liquidity = "not told" if line.liquidity is None else line.liquidity.value
        ratios = (_ratio(line.slippage), _ratio(line.volatility), _ratio(line.failed))
        lines.add_row(liquidity, str(line.trades), *ratios)
    show(console, lines)


def _table(title: str, findings: tuple[Finding, ...]) -> Table:
    table = Table("criterion", "value", "threshold", "verdict", "trades", "interval", "", box=SIMPLE_HEAD, title=title)
    for one in findings:
        interval = "" if one.interval is None else f"{_ratio(one.interval[0])} to {_ratio(one.interval[1])}"
        threshold = f"{'>' if one.above else '<'} {_value(one.unit, one.threshold)}"
        sure = "" if one.value is None or one.sure else "unsure"
        table.add_row(
            one.name, _value(one.unit, one.value), threshold, one.verdict.value, str(one.trades), interval, sure
        )
    return table


def _value(unit: Unit, value: int | None) -> str:
    if value is None:
        return "-"
    return _ratio(value) if unit is Unit.RATIO else f"${format_money(Money(value))[:-4]}"


def _ratio(ppm: int | None) -> str:
    if ppm is None:
        return "-"
    return signed_percent(ppm).removeprefix("+")


def _fields(found: Assessment) -> dict[str, object]:
    return {
        "answer": found.answer.value,
        "reasons": list(found.reasons),
        "trades": found.trades,
        "criteria": list(map(_criterion, found.criteria)),
        "against": list(map(_criterion, found.against)),
        "by_liquidity": [
            {
                "liquidity": None if line.liquidity is None else line.liquidity.value,
                "trades": line.trades,
                "average_slippage_ppm": line.slippage,
                "slippage_volatility_ppm": line.volatility,
                "fail_rate_ppm": line.failed,
            }
            for line in found.categories
        ],
    }


def _criterion(one: Finding) -> dict[str, object]:
    unit = "ppm" if one.unit is Unit.RATIO else "microdollars"
    return {
        "name": one.name,
        "unit": unit,
        "value": one.value,
        "threshold": one.threshold,
        "met_when": "above" if one.above else "below",
        "verdict": one.verdict.value,
        "trades": one.trades,
        "interval": one.interval,
        "sure": one.sure,
    }
