"""What the store asks of PostgreSQL beyond calling schema.sql's functions; numbers leave as the core's whole units."""

from typing import Final, LiteralString

BEGIN: Final[LiteralString] = (
    "SELECT begun, execution_id, uuid, status, account, exchange FROM depthwalker_begin(%s, %s, %s, %s, %s)"
)

FIND: Final[LiteralString] = (
    "SELECT execution_id, uuid, status, account, exchange FROM execution_state WHERE request_key = %s"
)


CLAIM: Final[LiteralString] = """
    SELECT claimed, epoch, owner, (extract(epoch FROM expires_at) * 1000000)::bigint, former
    FROM depthwalker_claim(%s, %s, %s)
"""

LEASE_TOKENS: Final[LiteralString] = """
    SELECT kept, granted, (extract(epoch FROM wait) * 1000000)::bigint, remaining
    FROM depthwalker_lease_tokens(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

KEEP_GROUP: Final[LiteralString] = """
    INSERT INTO worker_groups (account, group_id, shard, worker) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1
"""

PULL: Final[LiteralString] = """
    INSERT INTO kill_switch (reason, pulled_by) VALUES (%s, %s)
    ON CONFLICT ((true)) WHERE released_at IS NULL DO NOTHING
"""

RELEASE: Final[LiteralString] = """
    UPDATE kill_switch SET released_by = %s, released_at = clock_timestamp() WHERE released_at IS NULL RETURNING true
"""

NOW: Final[LiteralString] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

SWITCH: Final[LiteralString] = """
    SELECT pull_id, reason, pulled_by, (extract(epoch FROM pulled_at) * 1000000)::bigint
    FROM kill_switch WHERE released_at IS NULL
"""

GROUPS: Final[LiteralString] = """
    SELECT group_id, shard, worker FROM worker_groups
    WHERE account = %s AND triggered_at IS NULL AND (%s::text IS NULL OR worker = %s)
    ORDER BY made_at
"""

SPENT_GROUPS: Final[LiteralString] = """
    SELECT g.group_id, g.shard, g.worker FROM worker_groups g
    WHERE g.account = %s AND (g.triggered_at < clock_timestamp() - %s::interval
        OR (g.used_at < clock_timestamp() - %s::interval AND NOT EXISTS (
            SELECT FROM execution_leases l WHERE l.owner = g.worker AND l.expires_at > clock_timestamp())))
    ORDER BY g.made_at
"""

USE_GROUPS: Final[LiteralString] = """
    UPDATE worker_groups SET used_at = clock_timestamp() WHERE account = %s AND worker = %s RETURNING 1
"""

GROUP_TRIGGERED: Final[LiteralString] = """
    UPDATE worker_groups SET triggered_at = clock_timestamp()
    WHERE account = %s AND group_id = %s AND triggered_at IS NULL RETURNING 1
"""

FORGET_GROUP: Final[LiteralString] = "DELETE FROM worker_groups WHERE account = %s AND group_id = %s RETURNING 1"

ROLLOUT: Final[LiteralString] = """
    SELECT number, (extract(epoch FROM at) * 1000000)::bigint, move, stage, decided_by, reason
    FROM rollout_journal WHERE account = %s ORDER BY number
"""

MOVE: Final[LiteralString] = """
    INSERT INTO rollout_journal (account, number, at, move, stage, decided_by, reason, evidence)
    VALUES (%s, %s, depthwalker_instant(%s), %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1
"""

ASSIGNED: Final[LiteralString] = """
    SELECT e.arm, e.ticker, (m.created_at AT TIME ZONE 'UTC')::date - date '1970-01-01',
        round(m.shortfall_cents * 10000)::bigint, round(m.improvement_over_basic * 1000000)::bigint
    FROM execution_metrics m JOIN execution_state e USING (execution_id)
    WHERE e.account = %s AND e.arm IS NOT NULL AND m.created_at >= depthwalker_instant(%s) AND m.shortfall_cents IS NOT NULL
    ORDER BY m.created_at, m.metric_id
"""

# Microseconds, since a day of an interval has 23 hours or 25 where the session's time zone changes its clocks.
PAPER_QUALITY: Final[LiteralString] = """
    SELECT filled, slippage, cost, volume, profit FROM depthwalker_paper_quality(clock_timestamp() - %s * interval '1 microsecond')
"""

# How far a paper run got: its parents are numbered behind the name that their request keys begin with.
PAPER_RUN: Final[LiteralString] = """
    WITH keys AS (
        SELECT request_key, created_at FROM execution_state WHERE source = 'paper' AND starts_with(request_key, %s)
        UNION ALL
        SELECT request_key, refused_at FROM parent_refusals WHERE starts_with(request_key, %s)
    )
    SELECT count(*), coalesce(max(right(request_key, -length(%s))::int), 0),
        (extract(epoch FROM min(created_at)) * 1000000)::bigint
    FROM keys
"""

BREACHES: Final[LiteralString] = """
    SELECT format('number %%s in execution %%s (%%s)', invariant, execution_id, detail)
    FROM broken_invariants WHERE execution_id = %s ORDER BY invariant
"""

TRADE_QUALITY: Final[LiteralString] = """
    SELECT filled, slippage, cost, volume, profit FROM depthwalker_trade_quality(clock_timestamp() - %s * interval '1 microsecond')
"""

REFUSED: Final[LiteralString] = """
    INSERT INTO parent_refusals AS r (account, ticker, request_key, kind, message) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (account, request_key, kind) DO UPDATE SET
        message = excluded.message, times = r.times + 1, refused_at = excluded.refused_at
    RETURNING 1
"""

EXPIRED_WEEKS: Final[LiteralString] = "SELECT week, attached FROM depthwalker_expired_weeks(%s)"

EXPIRED_STRAYS: Final[LiteralString] = "SELECT count(*) FROM order_book_snapshots_default WHERE timestamp < %s"

DETACH_WEEK: Final[LiteralString] = "SELECT depthwalker_detach_week(%s)"

FOLD_SNAPSHOTS: Final[LiteralString] = "SELECT snapshots, hours FROM depthwalker_fold_snapshots(%s, %s)"

MAKE_WEEKS: Final[LiteralString] = "SELECT depthwalker_create_snapshot_partitions(%s)"

RETAIN_LOCK: Final[LiteralString] = "SELECT pg_advisory_lock(hashtextextended('depthwalker retain', 0))"

RETAIN_UNLOCK: Final[LiteralString] = "SELECT pg_advisory_unlock(hashtextextended('depthwalker retain', 0))"

UNMEASURED: Final[LiteralString] = """
    SELECT m.execution_id
    FROM execution_metrics m JOIN execution_state e USING (execution_id)
    WHERE m.measured_at IS NULL
      AND greatest(e.deadline_at, e.created_at + (m.time_to_last_fill + 60) * interval '1 second') + interval '5 seconds'
          <= depthwalker_instant(%s)
    ORDER BY m.execution_id
"""

SIGHTS: Final[LiteralString] = """
    SELECT (extract(epoch FROM s.timestamp) * 1000000)::bigint, s.yes_depth::text, s.no_depth::text, s.trades::text
    FROM execution_state e
    JOIN execution_metrics m USING (execution_id)
    JOIN order_book_snapshots s ON s.market_id = e.market_id
        AND s.timestamp >= e.created_at - interval '15 seconds'
        AND s.timestamp <= greatest(e.deadline_at, e.created_at + (m.time_to_last_fill + 60) * interval '1 second')
                           + interval '5 seconds'
    WHERE e.execution_id = %s
    ORDER BY s.timestamp, s.snapshot_id
"""

MEASURED: Final[LiteralString] = """
    UPDATE execution_metrics SET
        estimated_basic_slippage = %s::numeric / 1000000, estimated_basic_fill_rate = %s::numeric / 1000000,
        improvement_over_basic = %s::numeric / 1000000, markout_5s_cents = %s::numeric / 10000,
        markout_30s_cents = %s::numeric / 10000, markout_60s_cents = %s::numeric / 10000,
        measured_note = %s, measured_at = clock_timestamp()
    WHERE execution_id = %s
"""

EXECUTIONS: Final[LiteralString] = "SELECT execution_id FROM execution_state ORDER BY execution_id"

ENQUEUE: Final[LiteralString] = """
    INSERT INTO execution_queue (request_key, account, job, start_by)
    VALUES (%s, %s, %s::jsonb, clock_timestamp() + %s::interval) ON CONFLICT (request_key) DO NOTHING
"""

TAKE: Final[LiteralString] = """
    WITH due AS (
        SELECT request_id FROM execution_queue
        WHERE account = %s AND (status = 'queued' AND not_before <= clock_timestamp()
            OR status = 'taken' AND held_until <= clock_timestamp())
        ORDER BY request_id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE execution_queue q SET status = 'taken', worker = %s, held_until = clock_timestamp() + %s, tries = tries + 1
    FROM due WHERE q.request_id = due.request_id
    RETURNING q.request_id, q.request_key, q.job::text, q.tries, coalesce(q.start_by < clock_timestamp(), false)
        AND NOT EXISTS (SELECT FROM execution_state e WHERE e.request_key = q.request_key)
"""

HOLD: Final[LiteralString] = """
    UPDATE execution_queue SET held_until = clock_timestamp() + %s
    WHERE worker = %s AND status = 'taken' AND request_id = ANY (%s) RETURNING request_id
"""

END: Final[LiteralString] = """
    SELECT depthwalker_end_request(%s, %s, %s, %s, %s, %s)
"""

PUT_BACK: Final[LiteralString] = """
    UPDATE execution_queue
    SET status = 'queued', held_until = NULL, not_before = clock_timestamp() + %s, message = %s
    WHERE request_id = %s AND worker = %s AND status = 'taken' RETURNING true
"""

QUEUED: Final[LiteralString] = """
    SELECT request_id, status, tries, coalesce(worker, ''), execution_id, coalesce(message, ''), account, job::text
    FROM execution_queue WHERE request_key = %s
"""

WAITING: Final[LiteralString] = """
    SELECT count(*) FROM execution_queue WHERE account = %s AND status IN ('queued', 'taken')
"""

WALKERS: Final[LiteralString] = """
    SELECT count(*) FROM execution_state e JOIN execution_leases l USING (execution_id)
    WHERE e.account = %s AND e.status = 'executing' AND e.algorithm <> 'simple_limit' AND e.execution_id < %s
      AND l.expires_at > clock_timestamp()
"""

# Facts that tell of a request that failed or was never answered, as the runner counts its own. An execution lasts an hour at most
# beyond its time-out, so the index on created_at leaves few.
TROUBLES: Final[LiteralString] = """
    SELECT count(*) FROM execution_state e
    JOIN execution_leases l USING (execution_id)
    JOIN execution_journal j USING (execution_id)
    WHERE e.account = %s AND l.owner <> %s AND e.created_at >= depthwalker_instant(%s) - interval '1 day'
      AND e.updated_at >= depthwalker_instant(%s) AND j.at >= depthwalker_instant(%s)
      AND (j.kind IN ('Deferred', 'OutcomeUnknown') OR (j.kind = 'LookedUp' AND j.body ->> 'failure' <> ''))
"""

LOAD: Final[LiteralString] = "SELECT body::text FROM execution_journal WHERE execution_id = %s ORDER BY seq"

UNFINISHED: Final[LiteralString] = """
    SELECT e.execution_id, e.uuid, e.request_key, e.ticker, e.exchange, l.owner, (extract(epoch FROM l.expires_at) * 1000000)::bigint,
        l.expires_at <= clock_timestamp(), (extract(epoch FROM coalesce(e.deadline_at, e.created_at)) * 1000000)::bigint,
        e.account
    FROM execution_state e JOIN execution_leases l USING (execution_id)
    WHERE e.status = 'executing' AND (%s::text IS NULL OR e.account = %s)
    ORDER BY e.execution_id
"""

SCHEMA_MARK: Final[LiteralString] = "SELECT obj_description(to_regclass('depthwalker_installation'), 'pg_class')"

SLIPPAGES: Final[LiteralString] = """
    SELECT (m.slippage_percent * 1000000)::bigint
    FROM execution_metrics m JOIN execution_state e USING (execution_id)
    WHERE e.ticker = %s AND m.created_at >= %s::timestamptz AND m.slippage_percent IS NOT NULL
        AND (e.source = 'paper') = %s
    ORDER BY m.created_at, m.metric_id
"""

# A lease outlives its execution by some seconds, by the database's clock: whatever clock the worker had, it shows what ended lately.
PROMISED: Final[LiteralString] = """
    SELECT coalesce(sum(greatest(0, e.target_quantity - e.filled_quantity)) FILTER (WHERE e.status = 'executing') * 100, 0)::bigint,
        coalesce(bool_or(e.status = 'executing' OR l.expires_at > clock_timestamp()), false)
    FROM execution_state e JOIN execution_leases l USING (execution_id)
    WHERE e.account = %s AND e.ticker = %s AND e.side = %s AND e.action = 'sell'
"""

TRADE: Final[LiteralString] = """
    SELECT CASE WHEN m.execution_id IS NOT NULL THEN jsonb_build_object(
        'execution_id', e.execution_id, 'market_id', e.market_id::text, 'edge_id', e.edge_id, 'method_id', e.method_id,
        'strategy_id', e.strategy_id, 'model_id', e.model_id, 'ticker', e.ticker, 'outcome', e.side, 'action', e.action,
        'quantity', (m.filled_quantity * 100)::bigint, 'price', (m.average_fill_price * 10000)::bigint,
        'value', (m.filled_value * 1000000)::bigint, 'fees', (m.fees * 1000000)::bigint,
        'target', (m.target_price * 10000)::bigint, 'slippage', (m.slippage_percent * 1000000)::bigint,
        'fill_rate', (m.fill_rate * 1000000)::bigint, 'fill_time', (m.time_to_last_fill * 1000000)::bigint,
        'algorithm', m.algorithm, 'walks', m.walks_executed, 'status', e.status, 'ending', coalesce(e.ending, ''),
        'created', (extract(epoch FROM m.created_at) * 1000000)::bigint, 'trade_error', coalesce(e.trade_error, '')
    )::text END
    FROM execution_state e LEFT JOIN execution_metrics m USING (execution_id)
    WHERE e.execution_id = %s
"""
