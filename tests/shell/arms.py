"""A rollout's rows: finished parents of both arms, and its journal, as a database holds them."""

import json
from collections.abc import Iterable

import psycopg

from depthwalker.core.rollout import Arm, Move, Stage

STATE = """
    INSERT INTO execution_state (uuid, request_key, source, account, market_id, ticker, algorithm, policy, policy_version, side,
        action, target_price, cap_price, target_quantity, status, completed_at, arm)
    SELECT replace(gen_random_uuid()::text, '-', ''), gen_random_uuid()::text, 'terminal', %s, 'm', %s, 'simple_limit', 'tuned',
        1, 'yes', 'buy', 0.5, 0.52, 10, 'failed', now(), %s
    RETURNING execution_id
"""
METRICS = """
    INSERT INTO execution_metrics (execution_id, target_price, target_quantity, filled_quantity, filled_value, fees, fill_rate,
        total_execution_time, algorithm, walks_executed, splits_used, shortfall_cents, improvement_over_basic, arm, created_at)
    VALUES (%s, 0.5, 10, 0, 0, 0, 0, 40, 'simple_limit', 0, 1, %s, %s, %s, now() - %s * interval '1 day')
"""
MOVE = """
    INSERT INTO rollout_journal SELECT %s, coalesce(max(number), 0) + 1, now() - %s * interval '1 day', %s, %s, 'me', 'test', '{}'
    FROM rollout_journal WHERE account = %s
"""


def parents(dsn: str, account: str, days_ago: Iterable[int], *, walker: str, control: str, markets: int = 3) -> None:
    """On each of these days each market had a parent of each arm, at so many cents a contract and a little apart."""
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO markets VALUES ('m', 'M') ON CONFLICT DO NOTHING")
        for ago in days_ago:
            for market in range(markets):
                for arm, cents in ((Arm.WALKER, walker), (Arm.CONTROL, control)):
                    row = connection.execute(STATE, (account, f"M{market}", arm.value)).fetchone()
                    assert row is not None
                    cost = f"{float(cents) + 0.01 * market:.4f}"
                    gain = "0.012" if arm is Arm.WALKER else None
                    connection.execute(METRICS, (row[0], cost, gain, arm.value, ago))


def moved(dsn: str, account: str, stage: Stage, days_ago: int, move: Move = Move.ADVANCE) -> None:
    """A line of the journal, made so many days ago."""
    with psycopg.connect(dsn) as connection:
        connection.execute(MOVE, (account, days_ago, move.value, stage.value, account))


def evidence(dsn: str, account: str) -> list[tuple[str, str, dict[str, object]]]:
    """Who moved, why, and what was known then, line by line."""
    with psycopg.connect(dsn) as connection:
        query = "SELECT decided_by, reason, evidence::text FROM rollout_journal WHERE account = %s ORDER BY number"
        return [(by, why, json.loads(what)) for by, why, what in connection.execute(query, (account,)).fetchall()]
