"""The accelerated week: time passes at once, but never while the database is asked; an hour of it, at work."""

import asyncio
import json
import time
from pathlib import Path

import psycopg
import pytest
from tests.paper_week.loop import Loop, PausingStore
from tests.paper_week.market import A_BURST, SPAN_S, tapes
from tests.paper_week.process import DAY, Process

from depthwalker.core.units import SECOND, Micros

MONDAY = Micros(20_000 * DAY)


def test_time_jumps_but_not_past_an_answer_of_the_database(postgres: str) -> None:
    loop = Loop(MONDAY)

    async def live() -> tuple[Micros, Micros]:
        async with PausingStore(postgres, loop) as store:
            began = loop.now()
            await asyncio.gather(store.unfinished(), store.executions())
            asked = loop.now()
            await asyncio.sleep(86_400)
            return Micros(asked - began), Micros(loop.now() - asked)

    since = time.monotonic()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(live()) == (0, DAY)
    assert time.monotonic() - since < 60


def test_the_harmful_market_leaves_nothing_near_once_a_parent_has_come() -> None:
    for tape in tapes("week", 7, harmful=True):
        moments = {event.at // SECOND for event in tape.events}
        assert {2, 19, 22, 39} <= moments
        assert not moments & set(range(23, 39)), "nor while the rest is taken"
        assert max(moments) <= SPAN_S


def test_an_hour_is_a_burst_of_parents_and_nothing_rests(
    postgres: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Process(postgres, tmp_path, 1, MONDAY, bursts=(0,)).run()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"hour": 0, "ends": A_BURST, "skipped": 0, "resting": 0} in told
    assert told[-1] == {"end": True}
    with psycopg.connect(postgres) as connection:
        arms = connection.execute(
            "SELECT source, arm, count(*) FROM execution_state GROUP BY 1, 2 ORDER BY 2"
        ).fetchall()
        fills = connection.execute("SELECT order_id, trade_id FROM execution_fills").fetchall()
    assert [(source, arm) for source, arm, _ in arms] == [("paper", "control"), ("paper", "walker")]
    assert sum(number for *_, number in arms) == A_BURST
    kept = [json.loads(line) for line in (tmp_path / "fills.jsonl").read_text().splitlines()]
    assert {(one["order"], one["trade"]) for one in kept} == set(fills)
