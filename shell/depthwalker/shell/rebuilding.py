"""Writes the rows of all executions anew from their journals, which are the truth; what is right already stays as it is.

A trade that an engine's own table had refused is written if that takes it by now; one that was deleted stays so.
"""

import json
from dataclasses import dataclass

from depthwalker.shell import codec
from depthwalker.shell.journal import StoreRefused
from depthwalker.shell.store import PostgresStore


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many executions have all their rows; of the others, by number, what they lack and why."""

    whole: int
    lacking: dict[int, str]


async def rebuild(dsn: str) -> Rebuilt:
    """Rebuild the executions of a database, running ones too. Raises StoreUnavailable; what was done by then stays."""
    lacking: dict[int, str] = {}
    async with PostgresStore(dsn) as store:
        asked = await store.executions()
        for number in asked:
            trouble = await _rebuilt(store, number)
            if trouble:
                lacking[number] = trouble
    return Rebuilt(len(asked) - len(lacking), lacking)


def in_words(found: Rebuilt) -> str:
    """Return what was rebuilt as JSON."""
    return json.dumps({"rebuilt": found.whole, "lacking": found.lacking}, indent=2)


async def _rebuilt(store: PostgresStore, number: int) -> str:
    """Rebuild an execution and return what it lacks all the same, or nothing."""
    try:
        await store.rebuild(number)
    except codec.Unreadable as other:
        return f"it is left to the version that wrote it: {other}"
    except StoreRefused as refused:
        return f"the database refuses its rows: {refused}"
    trade = await store.trade(number)
    return f"the table trades refuses its row: {trade.trade_error}" if trade is not None and trade.trade_error else ""
