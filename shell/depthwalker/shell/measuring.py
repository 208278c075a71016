"""What can be measured only later: markouts, and what the same parent would have cost as a plain limit order.

Both from the snapshots that were kept during the execution and after it. The plain limit order runs in the laboratory's
reference exchange, last in every queue, by the core's own decisions. What the snapshots do not show stays null, with a note.
"""

import json
from dataclasses import dataclass, replace
from functools import reduce

import msgspec
import psycopg

from depthwalker.core.algorithms.table import production
from depthwalker.core.answer import TradePrint, recorded
from depthwalker.core.book import Book
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Fact
from depthwalker.core.hindsight import PATIENCE, Sight, mids, needed_until, since, tape, unseen, without_takes
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.parent import shifted
from depthwalker.core.policy import policy_for
from depthwalker.core.projection import own_fills, project
from depthwalker.core.quality import MARKOUTS, Match, markout
from depthwalker.core.units import Micros, Money
from depthwalker.shell import codec
from depthwalker.shell.lab.market import ORIGIN, QueueModel
from depthwalker.shell.lab.plain import Plain
from depthwalker.shell.lab.replay import LATENCY, Replay
from depthwalker.shell.queries import LOAD, MEASURED, SIGHTS, UNMEASURED
from depthwalker.shell.rows import read_depth


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found: ratios in parts per million, markouts in microdollars a contract; `note` says what is missing."""

    basic_slippage: int | None
    basic_fill_rate: int | None
    improvement: int | None
    markouts: tuple[Money | None, ...]
    note: str


def measure_due(connection: psycopg.Connection, now: Micros) -> dict[int, Measured]:
    """Measure every finished execution whose time has come, once, and return what was found. Raises psycopg.Error."""
    found: dict[int, Measured] = {}
    for (execution,) in connection.execute(UNMEASURED, (now,)).fetchall():
        entries = connection.execute(LOAD, (execution,)).fetchall()
        rows = connection.execute(SIGHTS, (execution,)).fetchall()
        try:
            measured = measure(tuple(codec.decode(body) for (body,) in entries), tuple(_sight(*row) for row in rows))
        except codec.Unreadable as wrong:  # one journal must not keep all others from being measured
            measured = Measured(None, None, None, (None,) * len(MARKOUTS), f"its journal cannot be read: {wrong}")
        connection.execute(MEASURED, (*_columns(measured), execution))
        found[execution] = measured
    return found


def measure(facts: tuple[Fact, ...], sights: tuple[Sight, ...]) -> Measured:
    """Return what a finished execution's journal and the snapshots of its market tell."""
    state = reduce(evolve, facts, START)
    parent, metrics = state.parent, project(state).metrics
    assert metrics is not None
    fills = own_fills(state, facts)
    records = tuple(recorded(fill, parent.ticker, parent.leg) for fill in fills)
    seen = since(sights, parent.started)
    gaps = unseen(seen, parent.started, parent.deadline)
    basic = gaps or _basic(state, without_takes(seen, records))
    late = unseen(seen, parent.started, needed_until(parent.deadline, state.last_fill_at)) if fills else ""
    matches = tuple(Match(fill.price, fill.count, fill.at) for fill in fills)
    gained = tuple(markout(matches, mids(seen, parent.leg), span, PATIENCE) for span in MARKOUTS)
    if fills and not late and None in gained:
        late = "no mid where a markout needs one"
    if isinstance(basic, str):
        return Measured(None, None, None, gained, basic)
    slippage, rate = basic
    improvement = None if slippage is None or metrics.slippage is None else slippage - metrics.slippage
    return Measured(slippage, rate, improvement, gained, late)


def _basic(state: State, sights: tuple[Sight, ...]) -> tuple[int | None, int] | str:
    """Return slippage and fill rate of the parent as a plain limit order in this market, or why they are not known."""
    parent, policy = state.parent, state.policy
    assert policy is not None
    grid = parent.grid.of(parent.leg)
    match tape(parent.ticker, grid, sights):
        case Failure(unplayable):
            return unplayable.reason
        case Success(found):
            plain = replace(
                policy_for(replace(policy.config, algorithm=Algorithm.SIMPLE_LIMIT)), thresholds=policy.thresholds
            )
            there = shifted(parent, ORIGIN - sights[0].book.at)
            run = Replay(Plain(found, there, QueueModel.WORST), plain, production, LATENCY).run()
            metrics = project(run.state).metrics
            assert metrics is not None
            return metrics.slippage, metrics.fill_rate


def in_words(found: dict[int, Measured]) -> str:
    """Return what was found as JSON."""
    return json.dumps(
        {
            str(execution): {
                "estimated_basic_slippage_ppm": one.basic_slippage,
                "estimated_basic_fill_rate_ppm": one.basic_fill_rate,
                "improvement_over_basic_ppm": one.improvement,
                "markouts_microdollars": list(one.markouts),
                "note": one.note,
            }
            for execution, one in found.items()
        },
        indent=2,
    )


def _columns(one: Measured) -> tuple[int | str | None, ...]:
    return (one.basic_slippage, one.basic_fill_rate, one.improvement, *one.markouts, one.note or None)


def _sight(at: int, yes: str, no: str, trades: str) -> Sight:
    prints = msgspec.json.decode(trades, type=tuple[TradePrint, ...])
    return Sight(Book(read_depth(yes), read_depth(no), Micros(at)), prints)
