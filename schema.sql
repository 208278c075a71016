-- Depthwalker's tables: PostgreSQL 15 or newer. The one source of the database.
--
-- Loads into an empty database and into one that already holds an engine's markets, edges, methods and trades, whatever the
-- types of their keys; loading it again changes nothing. Of an engine's own tables it only adds columns to trades.
--
-- The journal is the truth. Every other row of an execution is a projection of it, written by the same statement as its
-- entries. Units: dollars and contracts as exact numerics; every ratio is a plain fraction (0.012 is 1.2 %).

BEGIN;
SET LOCAL client_min_messages = warning;
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtextextended('depthwalker schema', 0)); END $$;

DO $$ BEGIN  -- one that was loaded before goes on with what its encoding holds
    IF to_regclass('execution_journal') IS NULL AND getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII') THEN
        RAISE 'the database is encoded in %, which cannot hold every text that an exchange or a person writes: create one with ENCODING ''UTF8'' TEMPLATE template0',
            getdatabaseencoding();
    END IF;
END $$;

CREATE OR REPLACE FUNCTION depthwalker_owns(p_table text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(obj_description(to_regclass(p_table), 'pg_class') LIKE 'depthwalker: minimal%', false)
$$;
COMMENT ON FUNCTION depthwalker_owns IS 'Whether schema.sql made this table because the engine had none.';

CREATE OR REPLACE FUNCTION depthwalker_type(p_table text, p_column text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format_type(atttypid, atttypmod)
    FROM pg_attribute
    WHERE attrelid = to_regclass(p_table) AND attname = p_column AND attnum > 0 AND NOT attisdropped
$$;
COMMENT ON FUNCTION depthwalker_type IS 'The type of a column, or null where there is no such column.';

CREATE OR REPLACE FUNCTION depthwalker_refer(p_table text, p_column text, p_target text, p_otherwise text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name constant text := p_table || '_' || p_column || '_fkey';
    usable boolean;
BEGIN
    IF depthwalker_type(p_table, p_column) IS NULL THEN
        EXECUTE format('ALTER TABLE %I ADD COLUMN %I %s', p_table, p_column,
                       coalesce(depthwalker_type(p_target, p_column), p_otherwise));
    END IF;
    SELECT true INTO usable
    FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = p_column
    JOIN pg_class c ON c.oid = i.indrelid AND c.relkind IN ('r', 'p')
    WHERE i.indrelid = to_regclass(p_target) AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
      AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
      AND depthwalker_type(p_table, p_column) = depthwalker_type(p_target, p_column)
      AND has_table_privilege(i.indrelid, 'REFERENCES')
    LIMIT 1;
    IF usable AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(p_table) AND conname = name) THEN
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I FOREIGN KEY (%I) REFERENCES %I (%I)',
                       p_table, name, p_column, p_target, p_column);
    END IF;
END $$;
COMMENT ON FUNCTION depthwalker_refer IS
    'Add a column of the type that the engine''s table gives it, and a foreign key where that column is a key there.';

-- An engine may have made the specification's tables as printed: they cannot hold what ours do, and their rows are not ours to drop.
DO $$
DECLARE
    others text;
BEGIN
    SELECT string_agg(name, ', ') INTO others
    FROM (VALUES ('order_book_snapshots', 'snapshot_id'), ('execution_state', 'uuid'), ('split_orders', 'start_price'),
                 ('execution_metrics', 'filled_value')) AS ours (name, mark)
    JOIN pg_class c ON c.oid = to_regclass(name)
    WHERE depthwalker_type(name, mark) IS NULL OR (name = 'order_book_snapshots' AND c.relkind <> 'p');
    IF others IS NOT NULL THEN
        RAISE EXCEPTION 'there are tables of these names that are not depthwalker''s: %; save what is in them, drop them with '
                        'CASCADE (a key of trades may refer to one), and load schema.sql again', others;
    END IF;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The engine's tables, where they are absent
-- ---------------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    mark constant text := 'depthwalker: minimal, made because the engine''s own was absent';
BEGIN
    IF to_regclass('markets') IS NULL THEN
        CREATE TABLE markets (market_id varchar PRIMARY KEY, ticker varchar NOT NULL);
        EXECUTE format('COMMENT ON TABLE markets IS %L', mark);
    END IF;
    IF to_regclass('edges') IS NULL THEN
        CREATE TABLE edges (edge_id bigint PRIMARY KEY);
        EXECUTE format('COMMENT ON TABLE edges IS %L', mark);
    END IF;
    IF to_regclass('methods') IS NULL THEN
        CREATE TABLE methods (method_id bigint PRIMARY KEY);
        EXECUTE format('COMMENT ON TABLE methods IS %L', mark);
    END IF;
    IF to_regclass('trades') IS NULL THEN
        CREATE TABLE trades (
            trade_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
            strategy_id bigint,
            model_id bigint,
            side varchar(10) NOT NULL CHECK (side IN ('yes', 'no')),
            action varchar(4) NOT NULL CHECK (action IN ('buy', 'sell')),
            quantity numeric(14,2) NOT NULL CHECK (quantity >= 0),
            price numeric(10,4) CHECK (price > 0 AND price < 1),
            created_at timestamptz NOT NULL DEFAULT now(),
            CHECK ((quantity = 0) = (price IS NULL))
        );
        EXECUTE format('COMMENT ON TABLE trades IS %L', mark);
        PERFORM depthwalker_refer('trades', 'edge_id', 'edges', 'bigint'),
                depthwalker_refer('trades', 'method_id', 'methods', 'bigint'),
                depthwalker_refer('trades', 'market_id', 'markets', 'varchar');
        ALTER TABLE trades ALTER COLUMN market_id SET NOT NULL;
    END IF;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Order book snapshots: a partition a week
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS order_book_snapshots (
    snapshot_id bigserial,
    timestamp timestamptz NOT NULL DEFAULT now(),
    -- [{"price": "0.7100", "quantity": 5000, "order_count": null}, ...]: bids, best first, at most ten. Kalshi gives no counts.
    yes_depth jsonb NOT NULL CHECK (jsonb_typeof(yes_depth) = 'array'),
    no_depth jsonb NOT NULL CHECK (jsonb_typeof(no_depth) = 'array'),
    yes_total_volume numeric(14,2) CHECK (yes_total_volume >= 0),
    no_total_volume numeric(14,2) CHECK (no_total_volume >= 0),
    spread numeric(10,4) CHECK (spread > -1 AND spread < 1),
    yes_best_bid numeric(10,4) CHECK (yes_best_bid > 0 AND yes_best_bid < 1),
    no_best_bid numeric(10,4) CHECK (no_best_bid > 0 AND no_best_bid < 1),
    -- [{"trade_id": ..., "taker": "yes", "yes_price": 7100, "count": 500, "at": ...}, ...]: what traded since the one before
    trades jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(trades) = 'array'),
    PRIMARY KEY (snapshot_id, timestamp)
) PARTITION BY RANGE (timestamp);
DO $$ BEGIN  -- for a table that an older schema made
    IF depthwalker_type('order_book_snapshots', 'trades') IS NULL THEN
        ALTER TABLE order_book_snapshots
            ADD COLUMN trades jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(trades) = 'array');
    END IF;
END $$;
SELECT FROM depthwalker_refer('order_book_snapshots', 'market_id', 'markets', 'varchar');
CREATE INDEX IF NOT EXISTS idx_orderbook_market_time ON order_book_snapshots (market_id, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_orderbook_time ON order_book_snapshots (timestamp DESC);

-- Takes what no week takes (a replayed recording, a clock that is off), so that recording a book never fails.
CREATE TABLE IF NOT EXISTS order_book_snapshots_default PARTITION OF order_book_snapshots DEFAULT;

CREATE OR REPLACE FUNCTION depthwalker_create_snapshot_partitions(weeks_ahead int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    this_week constant timestamp := date_trunc('week', now() AT TIME ZONE 'UTC');
    made int := 0;
    monday timestamptz;
    next_monday timestamptz;
    name text;
BEGIN
    FOR week IN 0 .. weeks_ahead LOOP
        monday := (this_week + week * interval '7 days') AT TIME ZONE 'UTC';
        next_monday := (this_week + (week + 1) * interval '7 days') AT TIME ZONE 'UTC';
        name := 'order_book_snapshots_' || to_char(monday AT TIME ZONE 'UTC', 'IYYY"w"IW');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE order_book_snapshots INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        -- A week cannot be attached while the default partition holds rows of it.
        EXECUTE format('WITH moved AS (DELETE FROM order_book_snapshots_default WHERE timestamp >= $1 AND timestamp < $2 '
                       'RETURNING *) INSERT INTO %I SELECT * FROM moved', name) USING monday, next_monday;
        EXECUTE format('ALTER TABLE order_book_snapshots ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       name, monday, next_monday);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION depthwalker_create_snapshot_partitions IS
    'Make the partitions of this week and of so many weeks ahead that are not there yet; return how many were made.';
SELECT FROM depthwalker_create_snapshot_partitions(4);

-- What is kept of snapshots for good: an hour of a market, averages over its snapshots, and the contracts that traded.
CREATE TABLE IF NOT EXISTS order_book_hours (
    hour timestamptz NOT NULL,
    snapshots bigint NOT NULL CHECK (snapshots > 0),
    spread numeric(10,4),
    yes_best_bid numeric(10,4),
    no_best_bid numeric(10,4),
    yes_total_volume numeric(16,2),
    no_total_volume numeric(16,2),
    traded numeric(16,2) NOT NULL CHECK (traded >= 0)
);
SELECT FROM depthwalker_refer('order_book_hours', 'market_id', 'markets', 'varchar');
CREATE UNIQUE INDEX IF NOT EXISTS idx_hours_market ON order_book_hours (market_id, hour) NULLS NOT DISTINCT;

CREATE OR REPLACE FUNCTION depthwalker_expired_weeks(p_keep interval)
RETURNS TABLE (week text, attached boolean, ends timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, i.inhrelid IS NOT NULL, w.ends
    FROM pg_class p
    JOIN pg_class c ON c.relnamespace = p.relnamespace AND c.relkind = 'r'
        AND c.relname ~ '^order_book_snapshots_[0-9]{4}w[0-9]{2}$'
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = p.oid
    CROSS JOIN LATERAL (
        SELECT (to_date(right(c.relname, 7), 'IYYY"w"IW') + 7)::timestamp AT TIME ZONE 'UTC' AS ends) w
    WHERE p.oid = to_regclass('order_book_snapshots') AND w.ends <= clock_timestamp() - p_keep
    ORDER BY w.ends
$$;
COMMENT ON FUNCTION depthwalker_expired_weeks IS
    'The weeks of snapshots that ended so long ago; one that is not attached was left by a retirement that broke off.';

CREATE OR REPLACE FUNCTION depthwalker_detach_week(p_week text) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
BEGIN
    -- All writers of snapshots wait for this; it moves no row, and gives up rather than hold them up.
    EXECUTE format('ALTER TABLE order_book_snapshots DETACH PARTITION %I', p_week);
END $$;

CREATE OR REPLACE FUNCTION depthwalker_fold_snapshots(
    p_table text, p_before timestamptz, OUT snapshots bigint, OUT hours bigint
) LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    whole constant boolean := p_table <> 'order_book_snapshots_default';
    fields constant text := 'market_id, timestamp, spread, yes_best_bid, no_best_bid, yes_total_volume, no_total_volume, trades';
BEGIN
    EXECUTE format($fold$
        WITH gone AS (%s),
        hours AS (
            SELECT market_id, date_trunc('hour', timestamp, 'UTC') AS hour, count(*) AS snapshots, avg(spread) AS spread,
                   avg(yes_best_bid) AS yes_best_bid, avg(no_best_bid) AS no_best_bid,
                   avg(yes_total_volume) AS yes_total_volume, avg(no_total_volume) AS no_total_volume
            FROM gone GROUP BY 1, 2
        ), once AS (  -- two processes may both have seen a trade
            SELECT DISTINCT ON (g.market_id, t ->> 'trade_id')
                   g.market_id, date_trunc('hour', g.timestamp, 'UTC') AS hour, (t ->> 'count')::numeric / 100 AS contracts
            FROM gone g, jsonb_array_elements(g.trades) AS t
            ORDER BY g.market_id, t ->> 'trade_id', g.timestamp
        ), prints AS (
            SELECT market_id, hour, sum(contracts) AS traded FROM once GROUP BY 1, 2
        ), kept AS (
            INSERT INTO order_book_hours AS h (
                market_id, hour, snapshots, spread, yes_best_bid, no_best_bid, yes_total_volume, no_total_volume, traded
            )
            SELECT n.market_id, n.hour, n.snapshots, n.spread, n.yes_best_bid, n.no_best_bid, n.yes_total_volume,
                   n.no_total_volume, coalesce(p.traded, 0)
            FROM hours n LEFT JOIN prints p ON p.hour = n.hour AND p.market_id IS NOT DISTINCT FROM n.market_id
            ON CONFLICT (market_id, hour) DO UPDATE SET  -- snapshots that came after their hour had been folded
                snapshots = h.snapshots + excluded.snapshots,
                spread = depthwalker_mean(h.spread, h.snapshots, excluded.spread, excluded.snapshots),
                yes_best_bid = depthwalker_mean(h.yes_best_bid, h.snapshots, excluded.yes_best_bid, excluded.snapshots),
                no_best_bid = depthwalker_mean(h.no_best_bid, h.snapshots, excluded.no_best_bid, excluded.snapshots),
                yes_total_volume =
                    depthwalker_mean(h.yes_total_volume, h.snapshots, excluded.yes_total_volume, excluded.snapshots),
                no_total_volume =
                    depthwalker_mean(h.no_total_volume, h.snapshots, excluded.no_total_volume, excluded.snapshots),
                traded = h.traded + excluded.traded
        )
        SELECT coalesce(sum(snapshots), 0)::bigint, count(*) FROM hours
    $fold$, CASE WHEN whole THEN format('SELECT %s FROM %I', fields, p_table)
                 ELSE format('DELETE FROM %I WHERE timestamp < $1 RETURNING %s', p_table, fields) END)
    INTO snapshots, hours USING p_before;
    IF whole THEN
        EXECUTE format('DROP TABLE %I', p_table);
    END IF;
END $$;
COMMENT ON FUNCTION depthwalker_fold_snapshots IS
    'Make hours of a detached week and drop it, or of what the default partition holds from before an instant; in one commit.';

CREATE OR REPLACE FUNCTION depthwalker_mean(one numeric, ones bigint, other numeric, others bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce((one * ones + other * others) / (ones + others), one, other)
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Executions
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS execution_state (
    execution_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    -- edge_id, method_id, market_id, strategy_id, model_id: added below, in the types that the engine's tables give them
    uuid char(32) NOT NULL UNIQUE CHECK (uuid ~ '^[0-9a-f]{32}$'),
    request_key text NOT NULL UNIQUE CHECK (request_key <> ''),
    source varchar(20) NOT NULL CHECK (source IN ('engine', 'terminal', 'paper')),
    account text NOT NULL DEFAULT '',
    exchange text NOT NULL DEFAULT '',  -- empty on paper, and of an execution older than this column
    ticker varchar NOT NULL,

    algorithm varchar(50) NOT NULL
        CHECK (algorithm IN ('simple_limit', 'dynamic_depth_walker', 'twap', 'adaptive_limit')),
    algorithm_reason text NOT NULL DEFAULT '',
    policy varchar(20) NOT NULL,
    policy_version int NOT NULL CHECK (policy_version > 0),

    side varchar(10) NOT NULL CHECK (side IN ('yes', 'no')),
    action varchar(4) NOT NULL CHECK (action IN ('buy', 'sell')),
    target_price numeric(10,4) NOT NULL CHECK (target_price > 0 AND target_price < 1),
    cap_price numeric(10,4) NOT NULL CHECK (cap_price > 0 AND cap_price < 1),
    target_quantity numeric(14,2) NOT NULL CHECK (target_quantity > 0),

    status varchar(20) NOT NULL DEFAULT 'executing' CHECK (status IN ('executing', 'completed', 'failed', 'cancelled')),
    -- No bound by target_quantity: should the exchange ever fill more, it is booked as it is and alarmed.
    filled_quantity numeric(14,2) NOT NULL DEFAULT 0 CHECK (filled_quantity >= 0),
    filled_value numeric(18,6) NOT NULL DEFAULT 0 CHECK (filled_value >= 0),
    average_fill_price numeric(10,4) CHECK (average_fill_price > 0 AND average_fill_price < 1),
    fill_rate numeric(12,6) NOT NULL DEFAULT 0 CHECK (fill_rate >= 0),
    fees numeric(18,6) NOT NULL DEFAULT 0,

    walker_state jsonb CHECK (jsonb_typeof(walker_state) = 'object'),
    split_configs jsonb CHECK (jsonb_typeof(split_configs) = 'array'),
    initial_snapshot_id bigint,  -- no foreign key: raw snapshots are dropped by the week

    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    wind_down_at timestamptz,
    deadline_at timestamptz,
    expires_at timestamptz,
    completed_at timestamptz,
    ending text,
    error_message text,
    trade_error text,  -- why an engine's trades table refused the trade row
    arm varchar(10) CHECK (arm IN ('walker', 'control')),  -- of a rollout, as assigned; null where it is no part of one
    CHECK ((status = 'executing') = (completed_at IS NULL)),
    CHECK (average_fill_price IS NULL OR filled_quantity > 0)
) WITH (fillfactor = 50);  -- room for updates in place: this row changes with every append
DO $$ BEGIN  -- for a table that an older schema made
    IF depthwalker_type('execution_state', 'arm') IS NULL THEN
        ALTER TABLE execution_state ADD COLUMN arm varchar(10) CHECK (arm IN ('walker', 'control'));
    END IF;
    IF depthwalker_type('execution_state', 'exchange') IS NULL THEN
        ALTER TABLE execution_state ADD COLUMN exchange text NOT NULL DEFAULT '';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'execution_state_source_check'
               AND conrelid = 'execution_state'::regclass AND pg_get_constraintdef(oid) NOT LIKE '%paper%') THEN
        ALTER TABLE execution_state DROP CONSTRAINT execution_state_source_check,
            ADD CONSTRAINT execution_state_source_check CHECK (source IN ('engine', 'terminal', 'paper'));
    END IF;
END $$;
SELECT FROM depthwalker_refer('execution_state', 'edge_id', 'edges', 'bigint');
SELECT FROM depthwalker_refer('execution_state', 'method_id', 'methods', 'bigint');
SELECT FROM depthwalker_refer('execution_state', 'market_id', 'markets', 'varchar');
SELECT FROM depthwalker_refer('execution_state', 'strategy_id', 'trades', 'text');
SELECT FROM depthwalker_refer('execution_state', 'model_id', 'trades', 'text');
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'execution_state_engine_check'
                   AND conrelid = 'execution_state'::regclass) THEN
        ALTER TABLE execution_state ALTER COLUMN market_id SET NOT NULL;
        ALTER TABLE execution_state ADD CONSTRAINT execution_state_engine_check
            CHECK (source <> 'engine' OR (edge_id IS NOT NULL AND method_id IS NOT NULL));
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS idx_execution_status ON execution_state (status);
CREATE INDEX IF NOT EXISTS idx_execution_method ON execution_state (method_id);
CREATE INDEX IF NOT EXISTS idx_execution_market ON execution_state (market_id);
CREATE INDEX IF NOT EXISTS idx_execution_created ON execution_state (created_at DESC);
CREATE INDEX IF NOT EXISTS idx_execution_ended ON execution_state (completed_at DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_execution_day ON execution_state (((created_at AT TIME ZONE 'UTC')::date));
CREATE INDEX IF NOT EXISTS idx_execution_paper ON execution_state (execution_id) WHERE source = 'paper';
DROP INDEX IF EXISTS idx_execution_open_sells;  -- of an older schema
CREATE INDEX IF NOT EXISTS idx_execution_sells ON execution_state (account, ticker) WHERE action = 'sell';

CREATE TABLE IF NOT EXISTS split_orders (
    split_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    execution_id bigint NOT NULL REFERENCES execution_state,
    order_id varchar,  -- the latest of its child orders that the exchange accepted
    level int NOT NULL CHECK (level > 0),
    start_price numeric(10,4) NOT NULL CHECK (start_price > 0 AND start_price < 1),
    target_price numeric(10,4) NOT NULL CHECK (target_price > 0 AND target_price < 1),  -- where it stands now
    quantity numeric(14,2) NOT NULL CHECK (quantity > 0),
    side varchar(10) NOT NULL CHECK (side IN ('yes', 'no')),
    status varchar(20) NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'placed', 'partial', 'filled', 'cancelled', 'failed')),
    filled_quantity numeric(14,2) NOT NULL DEFAULT 0 CHECK (filled_quantity >= 0),
    average_fill_price numeric(10,4) CHECK (average_fill_price > 0 AND average_fill_price < 1),
    walk_count int NOT NULL DEFAULT 0 CHECK (walk_count >= 0),
    -- [{"timestamp": ..., "old_price": "0.7100", "new_price": "0.7150", "momentum": 0.15, "reason": ...}, ...]
    price_walk_history jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(price_walk_history) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    placed_at timestamptz,
    filled_at timestamptz,
    cancelled_at timestamptz,
    error_message text,
    UNIQUE (execution_id, level),
    CHECK (walk_count = jsonb_array_length(price_walk_history)),
    CHECK (average_fill_price IS NULL OR filled_quantity > 0)
) WITH (fillfactor = 50);
CREATE INDEX IF NOT EXISTS idx_split_execution ON split_orders (execution_id);
CREATE INDEX IF NOT EXISTS idx_split_order ON split_orders (order_id);
CREATE INDEX IF NOT EXISTS idx_split_status ON split_orders (status);

CREATE TABLE IF NOT EXISTS child_orders (
    execution_id bigint NOT NULL REFERENCES execution_state,
    split int NOT NULL CHECK (split > 0),
    birth int NOT NULL CHECK (birth >= 0),  -- the revision under which it was placed
    client_order_id varchar(64) NOT NULL UNIQUE,
    current_client_order_id varchar(64) NOT NULL,
    order_id varchar,  -- Kalshi's, once an answer or a record gave it
    revision int NOT NULL CHECK (revision >= birth),
    style varchar(10) NOT NULL CHECK (style IN ('rest', 'take')),
    side varchar(10) NOT NULL CHECK (side IN ('yes', 'no')),
    price numeric(10,4) NOT NULL CHECK (price > 0 AND price < 1),
    quantity numeric(14,2) NOT NULL CHECK (quantity >= 0),
    filled_quantity numeric(14,2) NOT NULL CHECK (filled_quantity >= 0),
    itemised_quantity numeric(14,2) NOT NULL CHECK (itemised_quantity >= 0 AND itemised_quantity <= filled_quantity),
    filled_value numeric(18,6) NOT NULL CHECK (filled_value >= 0),
    average_fill_price numeric(10,4) CHECK (average_fill_price > 0 AND average_fill_price < 1),
    fees numeric(18,6) NOT NULL,
    phase varchar(10) NOT NULL CHECK (phase IN ('sent', 'unknown', 'duplicate', 'live', 'closed')),
    ending varchar(10) CHECK (ending IN ('executed', 'canceled', 'refused', 'burned', 'lapsed')),
    walk_reason text,
    placed_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (execution_id, split, birth),
    CHECK ((phase = 'closed') = (ending IS NOT NULL))
) WITH (fillfactor = 50);
DO $$ BEGIN  -- for a table that an older schema made
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'child_orders'::regclass
                   AND conname = 'child_orders_ending_check' AND pg_get_constraintdef(oid) LIKE '%lapsed%') THEN
        ALTER TABLE child_orders DROP CONSTRAINT child_orders_ending_check;
        ALTER TABLE child_orders ADD CONSTRAINT child_orders_ending_check
            CHECK (ending IN ('executed', 'canceled', 'refused', 'burned', 'lapsed'));
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS idx_child_order ON child_orders (order_id);

-- The key holds the execution: the order ids of two paper exchanges, each with a market of its own, may meet in one database.
CREATE TABLE IF NOT EXISTS execution_fills (
    execution_id bigint NOT NULL REFERENCES execution_state,
    order_id varchar NOT NULL CHECK (order_id <> ''),
    trade_id varchar NOT NULL CHECK (trade_id <> ''),
    price numeric(10,4) NOT NULL CHECK (price > 0 AND price < 1),
    quantity numeric(14,2) NOT NULL CHECK (quantity > 0),
    fee numeric(18,6) NOT NULL,
    taker boolean NOT NULL,
    filled_at timestamptz NOT NULL,
    PRIMARY KEY (execution_id, order_id, trade_id)
);
CREATE INDEX IF NOT EXISTS idx_fill_order ON execution_fills (order_id, trade_id);

CREATE TABLE IF NOT EXISTS execution_metrics (
    metric_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    execution_id bigint NOT NULL UNIQUE REFERENCES execution_state,
    target_price numeric(10,4) NOT NULL CHECK (target_price > 0 AND target_price < 1),
    target_quantity numeric(14,2) NOT NULL CHECK (target_quantity > 0),
    filled_quantity numeric(14,2) NOT NULL CHECK (filled_quantity >= 0),
    filled_value numeric(18,6) NOT NULL CHECK (filled_value >= 0),
    average_fill_price numeric(10,4) CHECK (average_fill_price > 0 AND average_fill_price < 1),
    fees numeric(18,6) NOT NULL,
    fill_rate numeric(12,6) NOT NULL CHECK (fill_rate >= 0),
    slippage_percent numeric(12,6),  -- a fraction of the target, positive is worse, for buys and sells
    slippage_basis_points int,
    time_to_first_fill numeric(12,3) CHECK (time_to_first_fill >= 0),  -- seconds
    time_to_full_fill numeric(12,3) CHECK (time_to_full_fill >= 0),  -- null if partial
    time_to_last_fill numeric(12,3) CHECK (time_to_last_fill >= 0),
    total_execution_time numeric(12,3) NOT NULL CHECK (total_execution_time >= 0),
    algorithm varchar(50) NOT NULL
        CHECK (algorithm IN ('simple_limit', 'dynamic_depth_walker', 'twap', 'adaptive_limit')),
    walks_executed int NOT NULL CHECK (walks_executed >= 0),
    splits_used int NOT NULL CHECK (splits_used >= 0),
    -- The last amend's: by policy "spec" its momentum (of a book that was all but empty as large as you like), by "tuned" the
    -- imbalance at the touch.
    momentum_at_execution numeric(24,6),
    -- contracts within five cents of the best price, on the weaker side, before our first order
    market_volume_at_entry numeric(14,2) CHECK (market_volume_at_entry >= 0),
    market_spread_at_entry numeric(10,4) CHECK (market_spread_at_entry > -1 AND market_spread_at_entry < 1),
    liquidity_category varchar(20) CHECK (liquidity_category IN ('liquid', 'moderate', 'thin')),
    calls_used int CHECK (calls_used >= 0),  -- order entry and private reads
    tokens_used int CHECK (tokens_used >= 0),
    -- against the mid at arrival, fees in, the unfilled rest at the price to take it when the execution ended
    implementation_shortfall numeric(18,6),  -- dollars on the whole parent, positive is worse
    shortfall_cents numeric(12,4),  -- cents a contract of the parent
    shortfall_basis_points int,
    -- Measured later, from what was recorded during the execution and up to a minute after: null without that tape.
    estimated_basic_slippage numeric(12,6),
    estimated_basic_fill_rate numeric(12,6) CHECK (estimated_basic_fill_rate >= 0),
    improvement_over_basic numeric(12,6),  -- estimated_basic_slippage less slippage_percent
    markout_5s_cents numeric(12,4),  -- what a contract gained until so long after its fill, fees out; positive is better
    markout_30s_cents numeric(12,4),
    markout_60s_cents numeric(12,4),
    measured_at timestamptz,
    measured_note text,  -- why something could not be measured
    arm varchar(10),  -- of a rollout, as assigned
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((filled_quantity = 0) = (average_fill_price IS NULL)),
    CHECK ((filled_quantity = 0) = (slippage_percent IS NULL))
);
DO $$  -- for tables that an older schema made
DECLARE
    added record;
BEGIN
    FOR added IN SELECT * FROM (VALUES
        ('calls_used', 'int'), ('tokens_used', 'int'), ('implementation_shortfall', 'numeric(18,6)'),
        ('shortfall_cents', 'numeric(12,4)'), ('shortfall_basis_points', 'int'), ('estimated_basic_fill_rate', 'numeric(12,6)'),
        ('markout_5s_cents', 'numeric(12,4)'), ('markout_30s_cents', 'numeric(12,4)'), ('markout_60s_cents', 'numeric(12,4)'),
        ('measured_at', 'timestamptz'), ('measured_note', 'text'), ('arm', 'varchar(10)')
    ) AS ours (name, kind) WHERE depthwalker_type('execution_metrics', name) IS NULL LOOP
        EXECUTE format('ALTER TABLE execution_metrics ADD COLUMN %I %s', added.name, added.kind);
    END LOOP;
END $$;
DO $$ BEGIN
    IF depthwalker_type('execution_metrics', 'momentum_at_execution') = 'numeric(14,6)' THEN
        ALTER TABLE execution_metrics ALTER momentum_at_execution TYPE numeric(24,6);
    END IF;
EXCEPTION WHEN feature_not_supported THEN  -- a view of somebody's own shows it: no reason for an engine not to open
    RAISE WARNING 'execution_metrics.momentum_at_execution stays as narrow as it was: %', SQLERRM;
END $$;
CREATE INDEX IF NOT EXISTS idx_metrics_execution ON execution_metrics (execution_id);
CREATE INDEX IF NOT EXISTS idx_metrics_unmeasured ON execution_metrics (execution_id) WHERE measured_at IS NULL;
CREATE INDEX IF NOT EXISTS idx_metrics_algorithm ON execution_metrics (algorithm);
CREATE INDEX IF NOT EXISTS idx_metrics_liquidity ON execution_metrics (liquidity_category);
CREATE INDEX IF NOT EXISTS idx_metrics_date ON execution_metrics (created_at DESC);
CREATE INDEX IF NOT EXISTS idx_metrics_day ON execution_metrics (((created_at AT TIME ZONE 'UTC')::date));

SELECT FROM depthwalker_refer('trades', 'execution_id', 'execution_state', 'bigint');
DO $$  -- only what is absent: ALTER TABLE and CREATE INDEX lock an engine's busy table even where they change nothing
DECLARE
    added record;
BEGIN
    FOR added IN SELECT * FROM (VALUES
        ('target_price', 'numeric(10,4)'), ('slippage_percent', 'numeric(12,6)'), ('fill_time_seconds', 'numeric(12,3)'),
        ('market_volume_at_entry', 'numeric(14,2)'), ('liquidity_category', 'varchar(20)'),
        ('filled_price', 'numeric(10,4)'), ('filled_quantity', 'numeric(14,2)'), ('market_spread_at_entry', 'numeric(10,4)')
    ) AS ours (name, kind) WHERE depthwalker_type('trades', name) IS NULL LOOP
        EXECUTE format('ALTER TABLE trades ADD COLUMN %I %s', added.name, added.kind);
    END LOOP;
    IF depthwalker_type('trades', 'created_at') IS NULL THEN  -- what a period goes by; of rows from before it is not known
        ALTER TABLE trades ADD COLUMN created_at timestamptz;
        ALTER TABLE trades ALTER COLUMN created_at SET DEFAULT now();
    END IF;
    IF to_regclass('idx_trades_execution') IS NULL THEN
        CREATE INDEX idx_trades_execution ON trades (execution_id);
    END IF;
END $$;

-- ---------------------------------------------------------------------------------------------------------------------
-- The journal, and who may write it
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS execution_journal (
    execution_id bigint NOT NULL REFERENCES execution_state,
    seq bigint NOT NULL CHECK (seq > 0),
    at timestamptz NOT NULL,
    kind varchar(40) NOT NULL CHECK (kind <> ''),  -- no list: facts are only ever added to
    body jsonb NOT NULL CHECK (jsonb_typeof(body) = 'object'),
    epoch bigint NOT NULL,
    PRIMARY KEY (execution_id, seq)
);

CREATE OR REPLACE FUNCTION depthwalker_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is only ever added to: % refused', TG_OP USING ERRCODE = 'DW004';
END $$;
CREATE OR REPLACE TRIGGER execution_journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON execution_journal
    FOR EACH STATEMENT EXECUTE FUNCTION depthwalker_refuse_change();

CREATE TABLE IF NOT EXISTS execution_leases (
    execution_id bigint PRIMARY KEY REFERENCES execution_state,
    epoch bigint NOT NULL CHECK (epoch > 0),
    owner text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Each worker's order groups at the exchange: the switch that cancels what a dead worker left and refuses what it still sends.
CREATE TABLE IF NOT EXISTS worker_groups (
    account text NOT NULL,
    group_id text NOT NULL,
    shard int NOT NULL,
    worker text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    triggered_at timestamptz,
    used_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- its worker's last sign of life
    PRIMARY KEY (account, group_id)
);
DO $$ BEGIN  -- for a table that an older schema made
    IF depthwalker_type('worker_groups', 'used_at') IS NULL THEN
        ALTER TABLE worker_groups ADD COLUMN used_at timestamptz NOT NULL DEFAULT clock_timestamp();
    END IF;
END $$;

-- The kill switch: whatever a row without `released_at` stops is stopped. Rows are never deleted: they are its history.
CREATE TABLE IF NOT EXISTS kill_switch (
    pull_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason text NOT NULL CHECK (reason <> ''),
    pulled_by text NOT NULL,
    pulled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_by text,
    released_at timestamptz,
    CHECK ((released_by IS NULL) = (released_at IS NULL)),
    CHECK (released_at >= pulled_at)
);
CREATE UNIQUE INDEX IF NOT EXISTS idx_kill_switch_pulled ON kill_switch ((true)) WHERE released_at IS NULL;

-- A rollout's decisions, a person's and the guard's: what is in force follows from them (core/rollout.py).
CREATE TABLE IF NOT EXISTS rollout_journal (
    account text NOT NULL,
    number int NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL,
    move varchar(10) NOT NULL CHECK (move IN ('advance', 'hold', 'stop', 'disable')),
    stage varchar(10) NOT NULL CHECK (stage IN ('paper', '10 %', '50 %', '100 %')),  -- that holds after it
    decided_by text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    evidence jsonb NOT NULL CHECK (jsonb_typeof(evidence) = 'object'),  -- the arms beside each other, as then known
    PRIMARY KEY (account, number)
);
CREATE OR REPLACE TRIGGER rollout_journal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rollout_journal
    FOR EACH STATEMENT EXECUTE FUNCTION depthwalker_refuse_change();

-- Parents that were not admitted: nothing of them was sent, and there is no execution that could tell.
CREATE TABLE IF NOT EXISTS parent_refusals (
    refusal_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    ticker text NOT NULL,
    request_key text NOT NULL,
    kind varchar(40) NOT NULL CHECK (kind <> ''),
    message text NOT NULL,
    times int NOT NULL DEFAULT 1 CHECK (times > 0),  -- how often it was asked for again
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
DO $$ BEGIN  -- for a table that an older schema made
    IF depthwalker_type('parent_refusals', 'times') IS NULL THEN
        ALTER TABLE parent_refusals ADD COLUMN times int NOT NULL DEFAULT 1 CHECK (times > 0);
        DELETE FROM parent_refusals one USING parent_refusals other
        WHERE (one.account, one.request_key, one.kind) = (other.account, other.request_key, other.kind)
          AND one.refusal_id < other.refusal_id;
    END IF;
END $$;
CREATE UNIQUE INDEX IF NOT EXISTS idx_refusals_request ON parent_refusals (account, request_key, kind);
CREATE INDEX IF NOT EXISTS idx_refusals_time ON parent_refusals (refused_at DESC);

-- Parents that wait for a worker. A worker holds one by a lease that it renews; whoever takes it over joins the execution that
-- the request key names, so a parent is never executed twice.
CREATE TABLE IF NOT EXISTS execution_queue (
    request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_key text NOT NULL UNIQUE CHECK (request_key <> ''),
    account text NOT NULL,
    job jsonb NOT NULL CHECK (jsonb_typeof(job) = 'object'),
    status varchar(10) NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'taken', 'done', 'refused', 'late')),
    submitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before timestamptz NOT NULL DEFAULT clock_timestamp(),
    start_by timestamptz,  -- taken after this without having begun, it is late and never executed
    tries int NOT NULL DEFAULT 0 CHECK (tries >= 0),
    worker text,
    held_until timestamptz,
    execution_id bigint REFERENCES execution_state,
    message text,  -- why it was refused, or put back
    ended_at timestamptz,
    CHECK ((status = 'taken') = (held_until IS NOT NULL)),
    CHECK ((status IN ('done', 'refused', 'late')) = (ended_at IS NOT NULL))
);
DO $$ DECLARE  -- an older version named an account's exchange by one of its addresses
    domain text;
    name text;
    pattern text;
BEGIN
    FOR domain, name IN VALUES ('com', 'prod'), ('co', 'demo') LOOP
        pattern := ' https?://[^ /]*\.kalshi\.' || domain || '(:\d+)?(/.*)?$';
        UPDATE execution_queue SET account = regexp_replace(account, pattern, ' ' || name) WHERE account ~ pattern;
        UPDATE worker_groups SET account = regexp_replace(account, pattern, ' ' || name) WHERE account ~ pattern;
    END LOOP;
END $$;
CREATE INDEX IF NOT EXISTS idx_queue_waiting ON execution_queue (account, request_id) WHERE status IN ('queued', 'taken');

CREATE OR REPLACE FUNCTION depthwalker_queue_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('depthwalker_queue', '');
    RETURN NULL;
END $$;
-- Only where there is something to take: a worker that takes nothing, or all there is, would wake itself and all others without end.
CREATE OR REPLACE TRIGGER execution_queue_changed AFTER INSERT OR UPDATE OF status ON execution_queue
    FOR EACH ROW WHEN (NEW.status = 'queued') EXECUTE FUNCTION depthwalker_queue_changed();

-- What `depthwalker sweep --database` found: a row a policy, block of a market, queue model and class; sums over its parents.
CREATE TABLE IF NOT EXISTS sweeps (
    sweep_key char(32) PRIMARY KEY CHECK (sweep_key ~ '^[0-9a-f]{32}$'),  -- of its policies, parents and latency
    policies jsonb NOT NULL CHECK (jsonb_typeof(policies) = 'array'),  -- what each varies, in words; nothing in the first
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE IF NOT EXISTS sweep_results (
    sweep_key char(32) NOT NULL REFERENCES sweeps ON DELETE CASCADE,
    digest char(16) NOT NULL,  -- of the recording's content
    market text NOT NULL,
    half varchar(10) NOT NULL CHECK (half IN ('tuning', 'judging')),
    queue_model varchar(10) NOT NULL CHECK (queue_model IN ('worst', 'prorata')),
    block int NOT NULL CHECK (block >= 0),
    liquidity varchar(10) NOT NULL CHECK (liquidity IN ('thin', 'moderate', 'liquid')),
    policy int NOT NULL CHECK (policy >= 0),  -- its place in sweeps.policies
    parents int NOT NULL CHECK (parents > 0),
    cents double precision NOT NULL,  -- implementation shortfalls in cents a contract: a statistic, no money
    filled double precision NOT NULL CHECK (filled >= 0),
    in_reach int NOT NULL CHECK (in_reach BETWEEN 0 AND parents),
    filled_in_reach double precision NOT NULL CHECK (filled_in_reach >= 0),
    "full" int NOT NULL CHECK ("full" BETWEEN 0 AND parents),
    seconds double precision NOT NULL CHECK (seconds >= 0),  -- to the full fill, of those that were
    walks int NOT NULL CHECK (walks >= 0),
    calls int NOT NULL CHECK (calls >= 0),
    most_calls int NOT NULL CHECK (most_calls BETWEEN 0 AND calls),
    PRIMARY KEY (sweep_key, digest, queue_model, block, liquidity, policy)
);

CREATE TABLE IF NOT EXISTS depthwalker_installation (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    installation char(8) NOT NULL CHECK (installation ~ '^[0-9a-f]{8}$'),
    made_at timestamptz NOT NULL DEFAULT now()
);

-- ---------------------------------------------------------------------------------------------------------------------
-- What is read of the engine's trades, whatever columns it gave them
-- ---------------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION depthwalker_number(p_row jsonb, p_column text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT n FROM (SELECT (p_row ->> p_column)::numeric AS n) AS given WHERE n NOT IN ('NaN', 'Infinity', '-Infinity')
$$;
COMMENT ON FUNCTION depthwalker_number IS 'A number of a row, or null where there is no such column, or no number in it.';

CREATE OR REPLACE FUNCTION depthwalker_trade_quality(p_since timestamptz)
RETURNS TABLE (filled boolean, slippage bigint, cost bigint, volume bigint, profit bigint)
LANGUAGE sql STABLE AS $$
    -- Ratios in parts per million, money in microdollars, contracts in hundredths; positive slippage is worse, for sells too.
    -- A trade that is the whole of an execution of ours has exact figures there: its price here is a rounded average.
    WITH told AS (
        SELECT depthwalker_number(r, 'target_price') AS target,
               coalesce(depthwalker_number(r, 'filled_price'), depthwalker_number(r, 'price')) AS price,
               coalesce(depthwalker_number(r, 'filled_quantity'), depthwalker_number(r, 'quantity')) AS quantity,
               CASE WHEN coalesce(r ->> 'action', e.action) = 'sell' THEN -1 ELSE 1 END AS sign,
               depthwalker_number(r, 'slippage_percent') AS slippage,
               depthwalker_number(r, 'market_volume_at_entry') AS volume,
               coalesce(depthwalker_number(r, 'realized_pnl'), depthwalker_number(r, 'pnl'), depthwalker_number(r, 'profit'))
                   AS profit,
               m.slippage_percent AS exact_slippage, m.filled_value - m.target_price * m.filled_quantity AS beyond
        FROM trades t CROSS JOIN LATERAL to_jsonb(t) AS r LEFT JOIN execution_state e ON e.execution_id::text = r ->> 'execution_id'
        LEFT JOIN execution_metrics m
            ON m.execution_id = e.execution_id AND m.filled_quantity = coalesce(r ->> 'filled_quantity', r ->> 'quantity')::numeric
        WHERE t.created_at >= p_since
    ), judged AS (
        SELECT *, price IS NOT NULL AND coalesce(quantity, 1) > 0 AS filled FROM told
    )
    SELECT filled,
           CASE WHEN filled THEN round(coalesce(exact_slippage, sign * (price - target) / nullif(target, 0), slippage) * 1000000)
               END::bigint,
           CASE WHEN filled THEN round(sign * coalesce(beyond, (price - target) * quantity) * 1000000) END::bigint,
           round(volume * 100)::bigint, round(profit * 1000000)::bigint
    FROM judged
$$;
COMMENT ON FUNCTION depthwalker_trade_quality IS 'What the decision of core/assessment.py needs of each trade since an instant.';

CREATE OR REPLACE FUNCTION depthwalker_paper_quality(p_since timestamptz)
RETURNS TABLE (filled boolean, slippage bigint, cost bigint, volume bigint, profit bigint)
LANGUAGE sql STABLE AS $$
    SELECT m.filled_quantity > 0, (m.slippage_percent * 1000000)::bigint,
           round((CASE e.action WHEN 'sell' THEN -1 ELSE 1 END) * (m.filled_value - m.target_price * m.filled_quantity)
                 * 1000000)::bigint,
           (m.market_volume_at_entry * 100)::bigint, NULL::bigint
    FROM execution_metrics m JOIN execution_state e USING (execution_id)
    WHERE e.source = 'paper' AND m.created_at >= p_since
$$;
COMMENT ON FUNCTION depthwalker_paper_quality IS 'The same of what `depthwalker paper` executed, which is in no trades table.';

-- ---------------------------------------------------------------------------------------------------------------------
-- What the store calls. SQLSTATEs of ours: DW001 gap, DW002 other content under the same number, DW003 no such execution,
-- DW004 change of the journal, DW005 the kill switch is pulled, DW006 the request was told as not executed, DW010 a row is missing
-- in an engine's table (table and id in DETAIL).
-- ---------------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION depthwalker_instant(p_micros bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
    SELECT timestamptz 'epoch' + (p_micros / 1000000) * interval '1 second' + (p_micros % 1000000) * interval '1 microsecond'
$$;
COMMENT ON FUNCTION depthwalker_instant IS 'The instant so many microseconds after the epoch.';

CREATE OR REPLACE FUNCTION depthwalker_installation_id() RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO depthwalker_installation (installation) VALUES (left(replace(gen_random_uuid()::text, '-', ''), 8))
    ON CONFLICT DO NOTHING;
    RETURN (SELECT installation FROM depthwalker_installation);
END $$;
COMMENT ON FUNCTION depthwalker_installation_id IS 'Eight hex digits, drawn once and kept.';

CREATE OR REPLACE FUNCTION depthwalker_journal_length(p_execution_id bigint) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(seq), 0) FROM execution_journal WHERE execution_id = p_execution_id
$$;
COMMENT ON FUNCTION depthwalker_journal_length IS 'The number of the last entry: what a commit of unknown outcome came to.';

CREATE OR REPLACE FUNCTION depthwalker_require(p_table text, p_column text, p_row jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    id constant text := p_row ->> p_column;
    kind constant text := depthwalker_type(p_table, p_column);
    found boolean := false;
BEGIN
    IF id IS NULL OR kind IS NULL THEN
        RETURN;
    ELSIF depthwalker_owns(p_table) THEN
        EXECUTE format('INSERT INTO %1$I SELECT * FROM jsonb_populate_record(NULL::%1$I, $1) ON CONFLICT DO NOTHING', p_table)
        USING p_row;
        RETURN;
    END IF;
    BEGIN
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I = $1::%s)', p_table, p_column, kind) INTO found USING id;
    EXCEPTION WHEN data_exception THEN
        found := false;  -- an id that is not of the column's type is in no row
    END;
    IF NOT found THEN
        RAISE EXCEPTION '% has no row whose % is %', p_table, p_column, id
        USING ERRCODE = 'DW010', DETAIL = p_table || ' ' || id;
    END IF;
END $$;
COMMENT ON FUNCTION depthwalker_require IS 'Make the row in a table of ours; raise DW010 where an engine''s own table lacks it.';

CREATE OR REPLACE FUNCTION depthwalker_market(p_market_id text, p_ticker text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text;
BEGIN
    IF p_market_id IS NULL AND depthwalker_type('markets', 'ticker') IS NOT NULL THEN
        EXECUTE 'SELECT market_id::text FROM markets WHERE ticker = $1 LIMIT 1' INTO found USING p_ticker;
    END IF;
    RETURN coalesce(p_market_id, found, p_ticker);
END $$;
COMMENT ON FUNCTION depthwalker_market IS 'The id of a market: as given, else as the markets table has it, else its ticker.';

CREATE OR REPLACE FUNCTION depthwalker_snapshot(p_row jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    snapshot jsonb := p_row || jsonb_build_object('market_id', depthwalker_market(p_row ->> 'market_id', p_row ->> 'ticker'));
    id bigint;
BEGIN
    PERFORM depthwalker_require('markets', 'market_id', snapshot);
    INSERT INTO order_book_snapshots (
        market_id, timestamp, yes_depth, no_depth, yes_total_volume, no_total_volume, spread, yes_best_bid, no_best_bid, trades
    )
    SELECT market_id, timestamp, yes_depth, no_depth, yes_total_volume, no_total_volume, spread, yes_best_bid, no_best_bid,
        coalesce(trades, '[]')
    FROM jsonb_populate_record(NULL::order_book_snapshots, snapshot)
    RETURNING snapshot_id INTO id;
    RETURN id;
END $$;
COMMENT ON FUNCTION depthwalker_snapshot IS 'Keep a book; return the number of the snapshot.';

CREATE OR REPLACE FUNCTION depthwalker_end_request(
    p_status text, p_execution_id bigint, p_message text, p_request_id bigint, p_worker text, p_unless_begun boolean
) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM execution_queue WHERE request_id = p_request_id FOR UPDATE;  -- what begins it has been seen to its end by then
    UPDATE execution_queue q
    SET status = p_status, execution_id = p_execution_id, message = p_message, held_until = NULL, ended_at = clock_timestamp()
    WHERE q.request_id = p_request_id AND q.worker = p_worker AND q.status = 'taken'
      AND NOT (p_unless_begun AND EXISTS (SELECT FROM execution_state e WHERE e.request_key = q.request_key));
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION depthwalker_end_request IS
    'Note how a request ended, unless another worker holds it by now, or has begun it and that is not to be overlooked; return whether.';

CREATE OR REPLACE FUNCTION depthwalker_refuse_while_stopped() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    pulled kill_switch;
BEGIN
    SELECT * INTO pulled FROM kill_switch WHERE released_at IS NULL;
    IF FOUND THEN
        RAISE EXCEPTION '%', pulled.reason USING ERRCODE = 'DW005';
    END IF;
END $$;

DO $$ BEGIN  -- the one of an older schema told less
    IF EXISTS (SELECT FROM pg_proc WHERE proname = 'depthwalker_begin' AND NOT 'exchange' = ANY (proargnames)) THEN
        DROP FUNCTION depthwalker_begin(jsonb, jsonb, jsonb, text, interval);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION depthwalker_begin(
    p_origin jsonb, p_entries jsonb, p_rows jsonb, p_owner text, p_ttl interval,
    OUT begun boolean, OUT execution_id bigint, OUT uuid text, OUT status text, OUT account text, OUT exchange text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    market constant text := depthwalker_market(p_origin ->> 'market_id', p_origin ->> 'ticker');
    origin jsonb := p_origin || jsonb_build_object('market_id', market);
    id bigint;
    told text;
BEGIN
    begun := false;
    SELECT e.execution_id, e.uuid, e.status, e.account, e.exchange INTO execution_id, uuid, status, account, exchange
    FROM execution_state e WHERE e.request_key = origin ->> 'request_key';
    IF FOUND THEN
        RETURN;
    END IF;
    PERFORM depthwalker_refuse_while_stopped();
    -- A worker that comes to after another one has told its request as not executed must not begin it; the lock keeps that one waiting.
    SELECT q.status INTO told FROM execution_queue q WHERE q.request_key = origin ->> 'request_key' FOR SHARE;
    IF told IN ('late', 'refused') THEN
        RAISE EXCEPTION 'was told as %, not executed', told USING ERRCODE = 'DW006';
    END IF;
    PERFORM depthwalker_require('edges', 'edge_id', origin), depthwalker_require('methods', 'method_id', origin),
            depthwalker_require('markets', 'market_id', origin);
    INSERT INTO execution_state (
        request_key, uuid, source, account, exchange, ticker, edge_id, method_id, market_id, strategy_id, model_id,
        initial_snapshot_id, algorithm, policy, policy_version, side, action, target_price, cap_price, target_quantity,
        created_at, wind_down_at, deadline_at, expires_at, arm
    )
    SELECT r.request_key, r.uuid, r.source, r.account, coalesce(r.exchange, ''), r.ticker, r.edge_id, r.method_id, r.market_id, r.strategy_id, r.model_id,
        r.initial_snapshot_id, r.algorithm, r.policy, r.policy_version, r.side, r.action, r.target_price, r.cap_price,
        r.target_quantity, r.created_at, r.wind_down_at, r.deadline_at, r.expires_at, r.arm
    FROM jsonb_populate_record(NULL::execution_state, (p_rows -> 'state') || origin) AS r
    ON CONFLICT (request_key) DO NOTHING
    RETURNING execution_state.execution_id INTO id;
    IF id IS NULL THEN  -- another caller was faster
        SELECT e.execution_id, e.uuid, e.status, e.account, e.exchange INTO execution_id, uuid, status, account, exchange
        FROM execution_state e WHERE e.request_key = origin ->> 'request_key';
        RETURN;
    END IF;
    INSERT INTO execution_leases VALUES (id, 1, p_owner, clock_timestamp() + p_ttl);
    PERFORM depthwalker_append(id, 1, 1, p_entries, p_rows);
    SELECT true, e.execution_id, e.uuid, e.status, e.account, e.exchange
    INTO begun, execution_id, uuid, status, account, exchange
    FROM execution_state e WHERE e.execution_id = id;
END $$;
COMMENT ON FUNCTION depthwalker_begin IS
    'Make an execution with its first entries and lease, unless its request key has one: then return that one.';

DO $$ BEGIN  -- the one of an older schema told less
    IF EXISTS (SELECT FROM pg_proc WHERE proname = 'depthwalker_claim' AND NOT 'former' = ANY (proargnames)) THEN
        DROP FUNCTION depthwalker_claim(bigint, text, interval);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION depthwalker_claim(
    p_execution_id bigint, p_owner text, p_ttl interval,
    OUT claimed boolean, OUT epoch bigint, OUT owner text, OUT expires_at timestamptz, OUT former text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    lease execution_leases;
BEGIN
    SELECT * INTO lease FROM execution_leases l WHERE l.execution_id = p_execution_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no execution %', p_execution_id USING ERRCODE = 'DW003';
    END IF;
    former := lease.owner;
    claimed := lease.owner = p_owner OR lease.expires_at <= clock_timestamp();
    IF claimed THEN
        UPDATE execution_leases l SET epoch = l.epoch + 1, owner = p_owner, expires_at = clock_timestamp() + p_ttl
        WHERE l.execution_id = p_execution_id RETURNING * INTO lease;
    END IF;
    epoch := lease.epoch;
    owner := lease.owner;
    expires_at := lease.expires_at;
END $$;
COMMENT ON FUNCTION depthwalker_claim IS
    'Take the lease under the next epoch, if it is free, expired or already that owner''s; else tell who holds it until when.';

CREATE OR REPLACE FUNCTION depthwalker_append(
    p_execution_id bigint, p_epoch bigint, p_first_seq bigint, p_entries jsonb, p_rows jsonb
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    length bigint;
    held bigint;
    last_seq constant bigint := p_first_seq + jsonb_array_length(p_entries) - 1;
    differing bigint;
BEGIN
    -- The lock of the lease orders appends and take-overs: no append of an older epoch can follow a claim.
    SELECT epoch INTO held FROM execution_leases WHERE execution_id = p_execution_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no execution %', p_execution_id USING ERRCODE = 'DW003';
    ELSIF held <> p_epoch THEN
        RETURN 'superseded';
    END IF;
    length := depthwalker_journal_length(p_execution_id);
    IF p_first_seq > length + 1 OR p_first_seq < 1 THEN
        RAISE EXCEPTION 'entry % of execution % would leave a gap: its journal has %', p_first_seq, p_execution_id, length
        USING ERRCODE = 'DW001';
    END IF;
    SELECT min(j.seq) INTO differing
    FROM execution_journal j
    JOIN jsonb_array_elements(p_entries) WITH ORDINALITY AS entry (body, place) ON j.seq = p_first_seq + entry.place - 1
    WHERE j.execution_id = p_execution_id AND j.body <> entry.body;
    IF differing IS NOT NULL THEN
        RAISE EXCEPTION 'entry % of execution % is already there with other content', differing, p_execution_id
        USING ERRCODE = 'DW002';
    ELSIF last_seq <= length THEN
        RETURN 'already';
    END IF;
    INSERT INTO execution_journal (execution_id, seq, at, kind, body, epoch)
    SELECT p_execution_id, p_first_seq + place - 1, depthwalker_instant((body ->> 'at')::bigint), body ->> 'fact', body, p_epoch
    FROM jsonb_array_elements(p_entries) WITH ORDINALITY AS entry (body, place)
    WHERE p_first_seq + place - 1 > length;
    PERFORM depthwalker_project(p_execution_id, p_rows);
    IF p_rows -> 'metrics' <> 'null' THEN
        PERFORM pg_notify('depthwalker_finished', p_execution_id::text);
    END IF;
    RETURN 'appended';
END $$;
COMMENT ON FUNCTION depthwalker_append IS
    'Add entries from p_first_seq on and the rows that follow from them, if the epoch is the lease''s. A repetition answers '
    'already; of an overlap the rest is added; a gap raises DW001, other content DW002.';

CREATE OR REPLACE FUNCTION depthwalker_project(p_execution_id bigint, p_rows jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    own constant jsonb := jsonb_build_object('execution_id', p_execution_id);
    -- A trade that was written once and is there no more was taken away by whoever owns the table.
    traded constant boolean := EXISTS (
        SELECT FROM execution_metrics JOIN execution_state e USING (execution_id)
        WHERE execution_id = p_execution_id AND e.trade_error IS NULL);
BEGIN
    UPDATE execution_state e SET
        algorithm = r.algorithm, algorithm_reason = r.algorithm_reason, cap_price = r.cap_price, status = r.status,
        filled_quantity = r.filled_quantity, filled_value = r.filled_value, average_fill_price = r.average_fill_price,
        fill_rate = r.fill_rate, fees = r.fees, walker_state = r.walker_state, split_configs = r.split_configs,
        completed_at = r.completed_at, ending = r.ending, error_message = r.error_message,
        updated_at = (SELECT at FROM execution_journal WHERE execution_id = p_execution_id ORDER BY seq DESC LIMIT 1)
    FROM jsonb_populate_record(NULL::execution_state, p_rows -> 'state') AS r
    WHERE e.execution_id = p_execution_id;

    DELETE FROM split_orders s WHERE s.execution_id = p_execution_id
        AND NOT p_rows -> 'splits' @> jsonb_build_array(jsonb_build_object('level', s.level));
    -- Not ON CONFLICT: it would draw a split_id for every repetition.
    INSERT INTO split_orders (execution_id, level, start_price, target_price, quantity, side)
    SELECT p_execution_id, level, start_price, target_price, quantity, side
    FROM jsonb_populate_recordset(NULL::split_orders, p_rows -> 'splits') AS r
    WHERE NOT EXISTS (SELECT FROM split_orders s WHERE s.execution_id = p_execution_id AND s.level = r.level);
    UPDATE split_orders s SET
        order_id = r.order_id, start_price = r.start_price, target_price = r.target_price, quantity = r.quantity,
        side = r.side, status = r.status, filled_quantity = r.filled_quantity, average_fill_price = r.average_fill_price,
        walk_count = r.walk_count, price_walk_history = r.price_walk_history, created_at = r.created_at,
        placed_at = r.placed_at, filled_at = r.filled_at, cancelled_at = r.cancelled_at, error_message = r.error_message
    FROM jsonb_populate_recordset(NULL::split_orders, p_rows -> 'splits') AS r
    WHERE s.execution_id = p_execution_id AND s.level = r.level
      AND (s.order_id, s.start_price, s.target_price, s.quantity, s.status, s.filled_quantity, s.average_fill_price, s.walk_count,
           s.created_at, s.placed_at, s.filled_at, s.cancelled_at, s.error_message)
      IS DISTINCT FROM (r.order_id, r.start_price, r.target_price, r.quantity, r.status, r.filled_quantity, r.average_fill_price, r.walk_count,
           r.created_at, r.placed_at, r.filled_at, r.cancelled_at, r.error_message);

    INSERT INTO child_orders AS c
    SELECT r.*
    FROM jsonb_array_elements(p_rows -> 'orders') AS child,
         jsonb_populate_record(NULL::child_orders, child || own) AS r
    ON CONFLICT (execution_id, split, birth) DO UPDATE SET
        current_client_order_id = excluded.current_client_order_id, order_id = excluded.order_id,
        revision = excluded.revision, style = excluded.style, price = excluded.price, quantity = excluded.quantity,
        filled_quantity = excluded.filled_quantity, itemised_quantity = excluded.itemised_quantity,
        filled_value = excluded.filled_value, average_fill_price = excluded.average_fill_price, fees = excluded.fees,
        phase = excluded.phase, ending = excluded.ending, walk_reason = excluded.walk_reason,
        placed_at = excluded.placed_at, closed_at = excluded.closed_at
    WHERE c IS DISTINCT FROM excluded;

    INSERT INTO execution_fills
    SELECT r.*
    FROM jsonb_array_elements(p_rows -> 'fills') AS fill,
         jsonb_populate_record(NULL::execution_fills, fill || own) AS r
    ON CONFLICT DO NOTHING;

    IF p_rows -> 'metrics' <> 'null' THEN
        -- What was measured later stays: it is no projection of the journal.
        INSERT INTO execution_metrics AS m (
            execution_id,
            target_price, target_quantity, filled_quantity, filled_value, average_fill_price, fees, fill_rate,
            slippage_percent, slippage_basis_points, time_to_first_fill, time_to_full_fill, time_to_last_fill,
            total_execution_time, algorithm, walks_executed, splits_used, momentum_at_execution,
            market_volume_at_entry, market_spread_at_entry, liquidity_category, calls_used, tokens_used,
            implementation_shortfall, shortfall_cents, shortfall_basis_points, arm, created_at
        )
        SELECT p_execution_id,
            target_price, target_quantity, filled_quantity, filled_value, average_fill_price, fees, fill_rate,
            slippage_percent, slippage_basis_points, time_to_first_fill, time_to_full_fill, time_to_last_fill,
            total_execution_time, algorithm, walks_executed, splits_used, momentum_at_execution,
            market_volume_at_entry, market_spread_at_entry, liquidity_category, calls_used, tokens_used,
            implementation_shortfall, shortfall_cents, shortfall_basis_points, arm, created_at
        FROM jsonb_populate_record(NULL::execution_metrics, p_rows -> 'metrics')
        ON CONFLICT (execution_id) DO UPDATE SET
            target_price = excluded.target_price, target_quantity = excluded.target_quantity,
            filled_quantity = excluded.filled_quantity, filled_value = excluded.filled_value,
            average_fill_price = excluded.average_fill_price, fees = excluded.fees, fill_rate = excluded.fill_rate,
            slippage_percent = excluded.slippage_percent, slippage_basis_points = excluded.slippage_basis_points,
            time_to_first_fill = excluded.time_to_first_fill, time_to_full_fill = excluded.time_to_full_fill,
            time_to_last_fill = excluded.time_to_last_fill, total_execution_time = excluded.total_execution_time,
            algorithm = excluded.algorithm, walks_executed = excluded.walks_executed,
            splits_used = excluded.splits_used, momentum_at_execution = excluded.momentum_at_execution,
            market_volume_at_entry = excluded.market_volume_at_entry,
            market_spread_at_entry = excluded.market_spread_at_entry,
            liquidity_category = excluded.liquidity_category, calls_used = excluded.calls_used,
            tokens_used = excluded.tokens_used, implementation_shortfall = excluded.implementation_shortfall,
            shortfall_cents = excluded.shortfall_cents, shortfall_basis_points = excluded.shortfall_basis_points,
            arm = excluded.arm, created_at = excluded.created_at;
        IF NOT traded THEN
            PERFORM depthwalker_record_trade(p_execution_id, p_rows -> 'trade');
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION depthwalker_project IS 'Write the rows that follow from the journal of an execution.';

CREATE OR REPLACE FUNCTION depthwalker_record_trade(p_execution_id bigint, p_trade jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    whole constant oid[] := ARRAY['smallint', 'integer', 'bigint']::regtype[]::oid[];
    trade jsonb;
    names text;
BEGIN
    UPDATE execution_state SET trade_error = NULL WHERE execution_id = p_execution_id AND trade_error IS NOT NULL;
    IF EXISTS (SELECT FROM trades t WHERE t.execution_id = p_execution_id)
       OR EXISTS (SELECT FROM execution_state e WHERE e.execution_id = p_execution_id AND e.source = 'paper') THEN
        RETURN;  -- there is one, or nothing was traded: the engine's trades are of real money
    END IF;
    SELECT p_trade || jsonb_build_object(
        'execution_id', e.execution_id, 'edge_id', e.edge_id, 'method_id', e.method_id, 'market_id', e.market_id,
        'strategy_id', e.strategy_id, 'model_id', e.model_id)
    INTO trade FROM execution_state e WHERE e.execution_id = p_execution_id;
    -- An engine's trades row is its own: only columns that it has are written, and whole numbers where it keeps whole numbers
    -- (never more than was filled; filled_quantity is exact).
    SELECT jsonb_object_agg(key, CASE WHEN a.atttypid = ANY (whole) AND value #>> '{}' ~ '^-?[0-9.]+$'
                                      THEN to_jsonb(trunc((value #>> '{}')::numeric))
                                      WHEN a.atttypid = 'timestamp'::regtype  -- in the session's time zone, as its default is
                                      THEN to_jsonb((value #>> '{}')::timestamptz::timestamp) ELSE value END),
           string_agg(quote_ident(key), ', ')
    INTO trade, names
    FROM jsonb_each(trade)
    JOIN pg_attribute a ON a.attrelid = 'trades'::regclass AND a.attname = key AND NOT a.attisdropped AND a.attgenerated = ''
    WHERE value <> 'null';
    EXECUTE format('INSERT INTO trades (%1$s) SELECT %1$s FROM jsonb_populate_record(NULL::trades, $1)', names) USING trade;
    SET CONSTRAINTS ALL IMMEDIATE;  -- what the engine's table would refuse only at the commit, too
EXCEPTION WHEN OTHERS THEN
    -- What may pass by itself is for the caller to try again; what the engine's table refuses must not keep an execution open.
    IF left(SQLSTATE, 2) IN ('08', '40', '53', '55', '57', '58') THEN
        RAISE;
    END IF;
    UPDATE execution_state SET trade_error = SQLERRM WHERE execution_id = p_execution_id;
END $$;
COMMENT ON FUNCTION depthwalker_record_trade IS
    'Write the trade row of a finished execution, once; what `depthwalker paper` executes has none.';

-- ---------------------------------------------------------------------------------------------------------------------
-- The account's rate budget, shared by every process that trades it
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS rate_buckets (
    account text NOT NULL,
    bucket varchar(10) NOT NULL CHECK (bucket IN ('read', 'write', 'calls')),
    level numeric NOT NULL CHECK (level >= 0),
    at timestamptz NOT NULL,
    PRIMARY KEY (account, bucket)
);

CREATE TABLE IF NOT EXISTS rate_leases (
    account text NOT NULL,
    bucket varchar(10) NOT NULL,
    worker text NOT NULL,
    tokens int NOT NULL CHECK (tokens >= 0),
    expires_at timestamptz NOT NULL,
    capacity int NOT NULL DEFAULT 0,  -- what its worker believes the bucket to hold
    PRIMARY KEY (account, bucket, worker),
    FOREIGN KEY (account, bucket) REFERENCES rate_buckets
);
DO $$ BEGIN  -- for a table that an older schema made
    IF depthwalker_type('rate_leases', 'capacity') IS NULL THEN
        ALTER TABLE rate_leases ADD COLUMN capacity int NOT NULL DEFAULT 0;
    END IF;
END $$;

DROP FUNCTION IF EXISTS depthwalker_lease_tokens(text, text, text, int, int, int, interval, int, interval);

CREATE OR REPLACE FUNCTION depthwalker_lease_tokens(
    p_account text, p_bucket text, p_worker text, p_kept int, p_left int, p_least int, p_wanted int,
    p_tokens int, p_period interval, p_capacity int, p_ttl interval,
    OUT kept int, OUT granted int, OUT wait interval, OUT remaining int
) LANGUAGE plpgsql AS $$
DECLARE
    now_at constant timestamptz := clock_timestamp();
    own int;
    held int;
    room int;
    had numeric;
BEGIN
    INSERT INTO rate_buckets VALUES (p_account, p_bucket, p_capacity, now_at) ON CONFLICT DO NOTHING;
    PERFORM FROM rate_buckets b WHERE b.account = p_account AND b.bucket = p_bucket FOR UPDATE;
    SELECT coalesce(sum(l.tokens), 0) INTO own FROM rate_leases l
    WHERE l.account = p_account AND l.bucket = p_bucket AND l.worker = p_worker AND l.expires_at > now_at;
    kept := least(p_kept, own);
    DELETE FROM rate_leases l
    WHERE l.account = p_account AND l.bucket = p_bucket AND (l.worker = p_worker OR l.expires_at <= now_at);
    -- A worker that has not read the account's limits yet goes by the lowest tier's: by them the others may hold more than
    -- there is, and it would wait for ever.
    SELECT kept + coalesce(sum(l.tokens), 0), greatest(p_capacity, max(l.capacity)) INTO held, room FROM rate_leases l
    WHERE l.account = p_account AND l.bucket = p_bucket;
    -- What is held may be spent at any moment, so the bucket refills only beside it: all at once is never over capacity.
    SELECT greatest(0, least(room - held, b.level + least(p_left, own - kept)
        + p_tokens * extract(epoch FROM now_at - b.at) / extract(epoch FROM p_period)))
    INTO had FROM rate_buckets b WHERE b.account = p_account AND b.bucket = p_bucket;
    granted := CASE WHEN had >= p_least THEN least(p_wanted, floor(had)::int) ELSE 0 END;
    wait := CASE WHEN had >= p_least THEN interval '0'
                 ELSE (p_least - had) / p_tokens * p_period + interval '1 microsecond' END;
    remaining := floor(had - granted);
    UPDATE rate_buckets b SET level = had - granted, at = now_at WHERE b.account = p_account AND b.bucket = p_bucket;
    IF kept + granted > 0 THEN
        INSERT INTO rate_leases VALUES (p_account, p_bucket, p_worker, kept + granted, now_at + p_ttl, p_capacity);
    END IF;
END $$;
COMMENT ON FUNCTION depthwalker_lease_tokens IS
    'Lease tokens to a worker beside those it keeps of its last lease, and take back what it has left; none, and how long to wait, where there are too few.';

-- ---------------------------------------------------------------------------------------------------------------------
-- What is watched
-- ---------------------------------------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW execution_comparison AS  -- the specification's comparison of basic and advanced execution
SELECT m.algorithm,
       m.liquidity_category,
       count(*) AS executions,
       round(avg(m.slippage_percent) * 100, 4) AS avg_slippage_pct,
       round(avg(m.fill_rate) * 100, 2) AS avg_fill_rate,
       round(avg(m.time_to_full_fill), 3) AS avg_time_seconds,
       round(avg(m.walks_executed), 2) AS avg_walks
FROM execution_metrics m
WHERE m.created_at >= now() - interval '7 days'
  AND NOT EXISTS (SELECT FROM execution_state e WHERE e.execution_id = m.execution_id AND e.source = 'paper')
GROUP BY m.algorithm, m.liquidity_category
ORDER BY m.liquidity_category, m.algorithm;

CREATE OR REPLACE VIEW execution_quality_daily AS
SELECT (m.created_at AT TIME ZONE 'UTC')::date AS day,
       m.algorithm,
       m.liquidity_category,
       count(*) AS executions,
       count(*) FILTER (WHERE m.filled_quantity = 0) AS failed,
       round(sum(m.filled_quantity) / sum(m.target_quantity), 6) AS fill_rate,
       round(avg(m.slippage_percent), 6) AS slippage,
       round(avg(m.shortfall_cents), 4) AS shortfall_cents,
       round(avg(m.improvement_over_basic), 6) AS improvement_over_basic,
       round(avg(m.markout_30s_cents), 4) AS markout_30s_cents,
       sum(m.fees) AS fees,
       round(avg(m.walks_executed), 2) AS walks,
       round(avg(m.calls_used), 2) AS calls,
       round(avg(m.total_execution_time), 3) AS seconds
FROM execution_metrics m
WHERE NOT EXISTS (SELECT FROM execution_state e WHERE e.execution_id = m.execution_id AND e.source = 'paper')
GROUP BY day, m.algorithm, m.liquidity_category;

-- What did not run as configured, by day and reason: another algorithm ran, it was ended early, or nothing ran at all.
DO $$ BEGIN  -- the one of an older schema had another type
    IF depthwalker_type('execution_fallbacks', 'ran') = 'character varying(50)' THEN
        DROP VIEW execution_fallbacks;
    END IF;
END $$;
CREATE OR REPLACE VIEW execution_fallbacks AS
WITH ended AS (
    SELECT (e.created_at AT TIME ZONE 'UTC')::date AS day,
           regexp_replace(e.ending, '^[^;]*contracts; ', '') AS why,
           e.status,
           CASE WHEN EXISTS (SELECT FROM split_orders s WHERE s.execution_id = e.execution_id) THEN e.algorithm::text
                ELSE 'nothing' END AS ran
    FROM execution_state e
    WHERE e.status <> 'executing' AND e.source <> 'paper'
), told AS (
    SELECT (e.created_at AT TIME ZONE 'UTC')::date AS day,
           split_part(split_part(e.algorithm_reason, '; ', 1), ':', 1) AS reason,
           e.algorithm AS ran
    FROM execution_state e
    WHERE split_part(e.algorithm_reason, '; ', 1) NOT IN ('', 'configured', 'rollout: control') AND e.source <> 'paper'
    UNION ALL
    SELECT day,
           CASE WHEN why LIKE 'refused %' THEN 'repeated refusals' ELSE split_part(why, ':', 1) END,
           ran
    FROM ended  -- as `routing.gave_way` in the core has it; `cancelled` is what somebody asked for
    WHERE why NOT IN ('filled', 'time-out')
      AND (status <> 'cancelled' OR why IN ('the store is unavailable', 'internal error'))
    UNION ALL
    SELECT (refused_at AT TIME ZONE 'UTC')::date, kind, 'nothing' FROM parent_refusals WHERE account NOT LIKE '% paper'
)
SELECT day, reason, ran, count(*) AS executions FROM told GROUP BY day, reason, ran;

CREATE OR REPLACE VIEW executions_in_flight AS
SELECT e.execution_id, e.account, e.ticker, e.side, e.action, e.algorithm, e.target_quantity, e.filled_quantity,
       l.owner AS worker, l.expires_at > clock_timestamp() AS held, clock_timestamp() - e.created_at AS age,
       e.deadline_at - clock_timestamp() AS left_to_deadline,
       (SELECT count(*) FROM child_orders c WHERE c.execution_id = e.execution_id AND c.phase <> 'closed') AS open_orders
FROM execution_state e JOIN execution_leases l USING (execution_id)
WHERE e.status = 'executing';

CREATE OR REPLACE VIEW queue_waiting AS
SELECT account, count(*) FILTER (WHERE status = 'queued') AS queued, count(*) FILTER (WHERE status = 'taken') AS taken,
       max(clock_timestamp() - submitted_at) FILTER (WHERE status = 'queued') AS longest_wait
FROM execution_queue WHERE status IN ('queued', 'taken') GROUP BY account;

CREATE OR REPLACE VIEW oldest_unfinished AS
SELECT execution_id, ticker, worker, held, age, left_to_deadline < interval '0' AS overdue
FROM executions_in_flight ORDER BY age DESC LIMIT 1;

CREATE OR REPLACE VIEW rate_limit_use AS  -- tokens: `level` lie in the bucket as last seen, `leased` are with workers
SELECT b.account, b.bucket, floor(b.level)::int AS level, coalesce(sum(l.tokens), 0)::int AS leased,
       count(l.worker) AS workers, clock_timestamp() - b.at AS since
FROM rate_buckets b
LEFT JOIN rate_leases l ON l.account = b.account AND l.bucket = b.bucket AND l.expires_at > clock_timestamp()
GROUP BY b.account, b.bucket, b.level, b.at;

-- Of the leg acquired. Fees may have lowered the cap before, or may lower it after, so the journal says which was in force.
CREATE OR REPLACE FUNCTION depthwalker_cap_when_asked(p_execution_id bigint, p_split int, p_birth int) RETURNS numeric
LANGUAGE sql STABLE AS $$
    WITH asked AS (
        SELECT max(j.seq) AS seq
        FROM child_orders c JOIN execution_state e USING (execution_id) JOIN execution_journal j USING (execution_id)
        WHERE c.execution_id = p_execution_id AND c.split = p_split AND c.birth = p_birth
          AND j.kind IN ('PlaceIntended', 'AmendIntended')
          AND j.body #>> '{key,split}' = p_split::text AND j.body #>> '{key,birth}' = p_birth::text
          -- to where it stands: the amend that was to bring it down with the cap may have come to nothing
          AND (j.body ->> 'price')::numeric / 10000 = CASE e.action WHEN 'buy' THEN c.price ELSE 1 - c.price END
    ), changed AS (  -- a new grid leaves the parent's own cap
        SELECT (j.body ->> 'cap')::numeric AS cap FROM execution_journal j, asked
        WHERE j.execution_id = p_execution_id AND j.kind IN ('CapChanged', 'GridChanged') AND j.seq < asked.seq
        ORDER BY j.seq DESC LIMIT 1
    )
    SELECT coalesce(
        (SELECT cap FROM changed),
        (SELECT (body #>> '{parent,cap}')::numeric FROM execution_journal WHERE execution_id = p_execution_id AND seq = 1),
        0
    ) / 10000
$$;
COMMENT ON FUNCTION depthwalker_cap_when_asked IS 'The cap that was in force when an order was last asked to where it stands, as a price of the leg acquired.';

CREATE OR REPLACE VIEW broken_invariants AS  -- must be empty; numbers as in docs/architecture.md
SELECT e.execution_id, 1 AS invariant, format('%s of %s filled', e.filled_quantity, e.target_quantity) AS detail
FROM execution_state e WHERE e.filled_quantity > e.target_quantity
UNION ALL
SELECT c.execution_id, 2, format('order %s-%s at %s, cap %s', c.split, c.birth, c.price, e.cap_price)
FROM child_orders c JOIN execution_state e USING (execution_id)
WHERE c.ending IS DISTINCT FROM 'burned'
  AND CASE e.action WHEN 'buy' THEN c.price > e.cap_price ELSE c.price < e.cap_price END
  AND CASE e.action WHEN 'buy' THEN c.price ELSE 1 - c.price END > depthwalker_cap_when_asked(c.execution_id, c.split, c.birth)
UNION ALL
SELECT e.execution_id, 4, format('%s, with %s orders open', e.status, count(*))
FROM execution_state e JOIN child_orders c USING (execution_id)
WHERE e.status <> 'executing' AND c.phase <> 'closed'
GROUP BY e.execution_id, e.status
UNION ALL
SELECT e.execution_id, 5, format('%s filled, fills say %s', e.filled_quantity, coalesce(sum(f.quantity), 0))
FROM execution_state e LEFT JOIN execution_fills f USING (execution_id)
WHERE e.status <> 'executing'
GROUP BY e.execution_id, e.filled_quantity
HAVING e.filled_quantity <> coalesce(sum(f.quantity), 0)
UNION ALL
SELECT e.execution_id, 6, format('splits add up to %s of %s', sum(s.quantity), e.target_quantity)
FROM execution_state e JOIN split_orders s USING (execution_id)
GROUP BY e.execution_id, e.target_quantity
HAVING sum(s.quantity) <> e.target_quantity
UNION ALL
SELECT e.execution_id, 9, format('value %s, fills say %s', e.filled_value, coalesce(sum(f.price * f.quantity), 0))
FROM execution_state e LEFT JOIN execution_fills f USING (execution_id)
WHERE e.status <> 'executing'
GROUP BY e.execution_id, e.filled_value
HAVING e.filled_value <> coalesce(sum(f.price * f.quantity), 0);

COMMIT;
