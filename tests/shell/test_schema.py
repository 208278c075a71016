"""schema.sql on real PostgreSQL: it loads anywhere, twice, and refuses nonsense."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from depthwalker.shell.cli import main
from depthwalker.shell.db import connected, load_schema
from depthwalker.shell.postgres import schema_path
from depthwalker.shell.store import PostgresStore

Connection = psycopg.Connection[TupleRow]

# An engine's own tables, with keys of other types than ours, columns of its own, and rows.
ENGINE = """
    CREATE TYPE outcome AS ENUM ('yes', 'no');
    CREATE TABLE markets (market_id varchar(64) PRIMARY KEY, ticker text UNIQUE, title text NOT NULL);
    CREATE TABLE edges (edge_id serial PRIMARY KEY, market_id varchar(64) REFERENCES markets, score float NOT NULL);
    CREATE TABLE methods (method_id uuid PRIMARY KEY, method_name text NOT NULL);
    CREATE TABLE trades (
        trade_id serial PRIMARY KEY, edge_id int NOT NULL REFERENCES edges, method_id uuid REFERENCES methods,
        strategy_id int, model_id int, market_id varchar(64), side outcome NOT NULL, quantity int NOT NULL,
        price numeric(10,4), target_price numeric(8,4), note text NOT NULL DEFAULT 'engine', created_at timestamp DEFAULT now()
    );
    INSERT INTO markets VALUES ('m-1', 'KXDEMO-25OCT09-T1', 'Demo');
    INSERT INTO edges VALUES (7, 'm-1', 0.5);
    INSERT INTO methods VALUES ('00000000-0000-0000-0000-000000000003', 'walker');
    INSERT INTO trades (edge_id, side, quantity, price) VALUES (7, 'yes', 10, 0.5);
"""

CATALOGUE = """
    SELECT 'column', table_name, column_name, data_type || coalesce(column_default, '') || is_nullable
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'function', proname, '', pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'comment', objoid::text, '', description FROM pg_description WHERE objoid >= 16384
    UNION ALL SELECT 'sequence', sequencename, '', coalesce(last_value, 0)::text FROM pg_sequences
    ORDER BY 1, 2, 3, 4
"""


@pytest.fixture
def bare(postgres: str) -> Iterator[Connection]:
    """A database without anything of ours."""
    with psycopg.connect(postgres, autocommit=True) as admin:
        name = f"{admin.info.dbname}_bare"
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(postgres, dbname=name, autocommit=True) as connection:
            yield connection


@pytest.fixture
def loaded(postgres: str) -> Iterator[Connection]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


def load(connection: Connection) -> None:
    connection.execute(schema_path().read_bytes())


def value(connection: Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def columns(connection: Connection, table: str) -> dict[str, str]:
    return dict(
        connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s", (table,)
        ).fetchall()
    )


# Loading


def test_an_empty_database_gets_the_engines_tables_too_and_they_are_marked_as_ours(bare: Connection) -> None:
    load(bare)
    for table in ("markets", "edges", "methods", "trades"):
        assert value(bare, "SELECT depthwalker_owns(%s)", table) is True
    assert value(bare, "SELECT depthwalker_owns('execution_state')") is False
    assert columns(bare, "execution_state")["edge_id"] == "bigint"


@pytest.fixture
def encoded(postgres: str) -> Callable[[str], str]:
    """Make a database of an encoding; return its connection string."""

    def create(encoding: str) -> str:
        with psycopg.connect(postgres, autocommit=True) as admin:
            name = f"{admin.info.dbname}_{encoding.lower()}"
            admin.execute(
                sql.SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0").format(
                    sql.Identifier(name), encoding
                )
            )
        return make_conninfo(postgres, dbname=name)

    return create


def test_a_database_that_cannot_hold_every_text_is_refused_before_anything_is_made(
    encoded: Callable[[str], str],
) -> None:
    dsn = encoded("LATIN1")
    with pytest.raises(psycopg.errors.RaiseException, match=r"encoded in LATIN1.*create one with ENCODING 'UTF8'"):
        load_schema(dsn)
    with psycopg.connect(dsn) as connection:
        assert value(connection, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


async def test_one_that_knows_no_encoding_gives_back_the_texts_that_were_written(encoded: Callable[[str], str]) -> None:
    dsn = encoded("SQL_ASCII")
    load_schema(dsn)
    async with PostgresStore(dsn) as store:
        pulled = await store.pull_switch("ü — €", "somebody")
        assert (pulled.reason, pulled.by) == ("ü — €", "somebody")
        assert len(await store.installation()) == 8
    with connected(dsn) as connection:
        assert connection.execute("SELECT reason FROM kill_switch WHERE released_at IS NULL").fetchone() == ("ü — €",)


def test_loading_twice_changes_nothing(bare: Connection) -> None:
    load(bare)
    before = bare.execute(CATALOGUE).fetchall()
    load(bare)
    assert bare.execute(CATALOGUE).fetchall() == before
    assert len(before) > 200


def test_an_engines_database_keeps_its_tables_and_gains_only_columns_of_trades(bare: Connection) -> None:
    bare.execute(ENGINE.encode())
    tables = ("markets", "edges", "methods", "trades")
    before = {table: columns(bare, table) for table in tables}
    load(bare)
    load(bare)
    after = {table: columns(bare, table) for table in tables}
    gained = {table: after[table].keys() - before[table].keys() for table in tables}
    assert gained == {
        "markets": set(),
        "edges": set(),
        "methods": set(),
        "trades": {
            "execution_id",
            "slippage_percent",
            "fill_time_seconds",
            "market_volume_at_entry",
            "liquidity_category",
            "filled_price",
            "filled_quantity",
            "market_spread_at_entry",
        },
    }
    assert all(after[table].items() >= before[table].items() for table in tables)
    assert bare.execute("SELECT quantity, price, note, execution_id FROM trades").fetchall() == [
        (10, Decimal("0.5"), "engine", None)
    ]
    assert not any(value(bare, "SELECT depthwalker_owns(%s)", table) for table in tables)


def test_an_engines_trades_without_an_instant_gain_one_from_then_on(bare: Connection) -> None:
    bare.execute("CREATE TABLE trades (trade_id serial PRIMARY KEY, side text, quantity int, price numeric)")
    bare.execute("INSERT INTO trades (side, quantity, price) VALUES ('yes', 10, 0.5)")
    load(bare)
    load(bare)
    bare.execute("INSERT INTO trades (side, quantity, price) VALUES ('yes', 5, 0.5)")
    assert bare.execute("SELECT quantity, created_at IS NULL FROM trades ORDER BY 1").fetchall() == [
        (5, False),
        (10, True),
    ]
    assert bare.execute("SELECT count(*) FROM depthwalker_trade_quality(now() - interval '1 day')").fetchone() == (1,)


def test_the_specifications_own_tables_are_named_as_what_is_in_the_way(bare: Connection) -> None:
    bare.execute(ENGINE.encode())
    bare.execute("CREATE TABLE order_book_snapshots (snapshot_id serial PRIMARY KEY, timestamp timestamp)")
    bare.execute("CREATE TABLE execution_state (execution_id serial PRIMARY KEY, edge_id int REFERENCES edges)")
    bare.execute("ALTER TABLE trades ADD COLUMN execution_id int REFERENCES execution_state")
    with pytest.raises(
        psycopg.errors.RaiseException, match="not depthwalker's: order_book_snapshots, execution_state; save"
    ):
        load(bare)
    bare.execute("ROLLBACK")
    bare.execute("DROP TABLE order_book_snapshots, execution_state CASCADE")
    load(bare)
    assert value(bare, "SELECT count(*) FROM trades WHERE execution_id IS NULL") == 1


def test_references_take_the_types_of_the_engines_keys(bare: Connection) -> None:
    bare.execute(ENGINE.encode())
    load(bare)
    kinds = columns(bare, "execution_state")
    assert (kinds["edge_id"], kinds["method_id"], kinds["market_id"]) == ("integer", "uuid", "character varying")
    keys = bare.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'execution_state'::regclass ORDER BY 1"
    ).fetchall()
    assert keys == [
        ("execution_state_edge_id_fkey",),
        ("execution_state_market_id_fkey",),
        ("execution_state_method_id_fkey",),
    ]


def test_a_table_without_a_usable_key_is_not_referenced(bare: Connection) -> None:
    bare.execute("CREATE TABLE edges (edge_id int, seen int); CREATE TABLE methods (name text)")
    load(bare)
    kinds = columns(bare, "execution_state")
    assert (kinds["edge_id"], kinds["method_id"]) == ("integer", "bigint")
    count = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = 'execution_state'::regclass"
    assert value(bare, count) == 1  # markets


def test_every_column_that_the_specification_names_is_there(loaded: Connection) -> None:
    specified = {
        "order_book_snapshots": "snapshot_id market_id timestamp yes_depth no_depth yes_total_volume no_total_volume spread "
        "yes_best_bid no_best_bid",
        "execution_state": "execution_id edge_id method_id market_id algorithm target_price target_quantity status "
        "filled_quantity filled_value average_fill_price walker_state split_configs initial_snapshot_id created_at "
        "updated_at completed_at error_message",
        "split_orders": "split_id execution_id order_id level target_price quantity side status filled_quantity "
        "average_fill_price walk_count price_walk_history created_at placed_at filled_at cancelled_at error_message",
        "execution_metrics": "metric_id execution_id target_price target_quantity filled_quantity average_fill_price fill_rate "
        "slippage_percent slippage_basis_points time_to_first_fill time_to_full_fill total_execution_time algorithm "
        "walks_executed splits_used momentum_at_execution market_volume_at_entry market_spread_at_entry liquidity_category "
        "estimated_basic_slippage improvement_over_basic created_at",
        "trades": "execution_id target_price slippage_percent fill_time_seconds market_volume_at_entry liquidity_category "
        "filled_price filled_quantity market_spread_at_entry",
    }
    for table, names in specified.items():
        assert set(names.split()) <= columns(loaded, table).keys()


# What the specification asks of the tables


def test_the_specifications_queries_run(loaded: Connection) -> None:
    loaded.execute("""
        SELECT CASE WHEN market_volume_at_entry >= 100 THEN 'liquid' WHEN market_volume_at_entry >= 50 THEN 'moderate'
            ELSE 'thin' END AS category, COUNT(*) AS trade_count, AVG(slippage_percent) AS avg_slippage,
            STDDEV(slippage_percent) AS slippage_volatility,
            SUM(CASE WHEN filled_price IS NULL THEN 1 ELSE 0 END)::FLOAT / COUNT(*) AS fail_rate
        FROM trades WHERE created_at >= NOW() - INTERVAL '90 days' GROUP BY category
    """)
    loaded.execute("""
        SELECT em.algorithm, em.liquidity_category, COUNT(*) AS executions, AVG(em.slippage_percent) * 100,
            AVG(em.fill_rate) * 100, AVG(em.time_to_full_fill), AVG(em.walks_executed) AS avg_walks
        FROM execution_metrics em WHERE em.created_at >= NOW() - INTERVAL '7 days'
        GROUP BY em.algorithm, em.liquidity_category ORDER BY em.liquidity_category, em.algorithm
    """)


PARENT = 1_000_000
STATE = {
    "uuid": "f" * 32,
    "request_key": "k",
    "source": "terminal",
    "ticker": "T",
    "market_id": "m",
    "algorithm": "simple_limit",
    "policy": "tuned",
    "policy_version": 1,
    "side": "yes",
    "action": "buy",
    "target_price": "0.5",
    "cap_price": "0.51",
    "target_quantity": 10,
}
SPLIT = {
    "execution_id": PARENT,
    "level": 1,
    "start_price": "0.5",
    "target_price": "0.5",
    "quantity": 1,
    "side": "yes",
}
ORDER = {
    "execution_id": PARENT,
    "split": 1,
    "birth": 0,
    "client_order_id": "c",
    "current_client_order_id": "c",
    "revision": 0,
    "style": "rest",
    "side": "yes",
    "price": "0.5",
    "quantity": 1,
    "filled_quantity": 0,
    "itemised_quantity": 0,
    "filled_value": 0,
    "fees": 0,
    "phase": "sent",
    "placed_at": "now",
}
FILL = {
    "execution_id": PARENT,
    "order_id": "o",
    "trade_id": "t",
    "price": "0.5",
    "quantity": 1,
    "fee": 0,
    "taker": False,
    "filled_at": "now",
}
METRICS = {
    "execution_id": PARENT,
    "target_price": "0.5",
    "target_quantity": 1,
    "filled_quantity": 0,
    "filled_value": 0,
    "fees": 0,
    "fill_rate": 0,
    "total_execution_time": 1,
    "algorithm": "simple_limit",
    "walks_executed": 0,
    "splits_used": 1,
}
SNAPSHOT = {"market_id": "m", "yes_depth": "[]", "no_depth": "[]"}
TRADE = {"market_id": "m", "side": "yes", "action": "buy", "quantity": 1, "price": "0.5"}
JOURNAL = {"execution_id": PARENT, "seq": 1, "at": "now", "kind": "Held", "body": "{}", "epoch": 1}
GOOD: dict[str, dict[str, object]] = {
    "execution_state": {**STATE},
    "split_orders": {**SPLIT},
    "child_orders": {**ORDER},
    "execution_fills": {**FILL},
    "execution_metrics": {**METRICS},
    "order_book_snapshots": {**SNAPSHOT},
    "trades": {**TRADE},
    "execution_journal": {**JOURNAL},
    "execution_leases": {"execution_id": PARENT, "epoch": 1, "owner": "w", "expires_at": "now"},
    "depthwalker_installation": {"installation": "0123abcd"},
}


def insert(connection: Connection, table: str, row: dict[str, object]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(sql.Identifier(name) for name in row),
        sql.SQL(", ").join(sql.Placeholder() for _ in row),
    )
    connection.execute(statement, list(row.values()))


@pytest.fixture(scope="module")
def checked(new_database: object) -> Iterator[Connection]:
    """One database for all rows to be refused: each try is rolled back."""
    assert callable(new_database)
    with psycopg.connect(str(new_database()), autocommit=True) as connection:
        insert(connection, "markets", {"market_id": "m", "ticker": "T"})
        insert(
            connection, "execution_state", {**STATE, "execution_id": PARENT, "uuid": "a" * 32, "request_key": "first"}
        )
        yield connection


@pytest.mark.parametrize("table", GOOD)
def test_a_sensible_row_is_taken(checked: Connection, table: str) -> None:
    with checked.transaction(force_rollback=True):
        insert(checked, table, GOOD[table])


@pytest.mark.parametrize(
    ("table", "nonsense"),
    [
        ("execution_state", {"status": "done"}),
        ("execution_state", {"status": "completed"}),  # without completed_at
        ("execution_state", {"completed_at": "now"}),  # while executing
        ("execution_state", {"algorithm": "magic"}),
        ("execution_state", {"source": "rumour"}),
        ("execution_state", {"source": "engine"}),  # without edge and method
        ("execution_state", {"side": "maybe"}),
        ("execution_state", {"action": "hold"}),
        ("execution_state", {"target_price": 0}),
        ("execution_state", {"target_price": 1}),
        ("execution_state", {"cap_price": "1.2"}),
        ("execution_state", {"target_quantity": 0}),
        ("execution_state", {"target_quantity": None}),
        ("execution_state", {"filled_quantity": -1}),
        ("execution_state", {"filled_value": -1}),
        ("execution_state", {"average_fill_price": 0}),
        ("execution_state", {"average_fill_price": "0.5"}),  # with nothing filled
        ("execution_state", {"fill_rate": -1}),
        ("execution_state", {"uuid": "F" * 32}),
        ("execution_state", {"uuid": "a" * 32}),  # taken
        ("execution_state", {"request_key": "first"}),  # taken
        ("execution_state", {"request_key": ""}),
        ("execution_state", {"market_id": None}),
        ("execution_state", {"market_id": "elsewhere"}),
        ("execution_state", {"walker_state": "[]"}),
        ("execution_state", {"split_configs": "{}"}),
        ("execution_state", {"policy_version": 0}),
        ("split_orders", {"status": "resting"}),
        ("split_orders", {"level": 0}),
        ("split_orders", {"quantity": 0}),
        ("split_orders", {"target_price": 1}),
        ("split_orders", {"filled_quantity": -1}),
        ("split_orders", {"side": "up"}),
        ("split_orders", {"walk_count": 1}),  # with no walk in the history
        ("split_orders", {"execution_id": 2}),
        ("child_orders", {"phase": "gone"}),
        ("child_orders", {"phase": "closed"}),  # without an ending
        ("child_orders", {"ending": "executed"}),  # while open
        ("child_orders", {"style": "lean"}),
        ("child_orders", {"price": "1.0001"}),
        ("child_orders", {"revision": -1}),
        ("child_orders", {"itemised_quantity": 1}),  # more than filled
        ("execution_fills", {"price": 0}),
        ("execution_fills", {"quantity": 0}),
        ("execution_fills", {"trade_id": ""}),
        ("execution_metrics", {"filled_quantity": 1}),  # without price and slippage
        ("execution_metrics", {"average_fill_price": "0.5", "slippage_percent": 0}),  # with nothing filled
        ("execution_metrics", {"liquidity_category": "damp"}),
        ("execution_metrics", {"total_execution_time": -1}),
        ("execution_metrics", {"walks_executed": -1}),
        ("execution_metrics", {"market_volume_at_entry": -1}),
        ("order_book_snapshots", {"yes_depth": "{}"}),
        ("order_book_snapshots", {"yes_best_bid": 1}),
        ("order_book_snapshots", {"spread": 2}),
        ("order_book_snapshots", {"no_total_volume": -1}),
        ("trades", {"side": "up"}),
        ("trades", {"quantity": 0}),  # with a price
        ("trades", {"price": None}),  # with a quantity
        ("execution_journal", {"seq": 0}),
        ("execution_journal", {"kind": ""}),
        ("execution_journal", {"body": "[]"}),
        ("execution_leases", {"epoch": 0}),
        ("depthwalker_installation", {"installation": "XYZ"}),
    ],
    ids=lambda part: part if isinstance(part, str) else " ".join(f"{key}={value}" for key, value in part.items()),
)
def test_nonsense_is_refused(checked: Connection, table: str, nonsense: dict[str, object]) -> None:
    with pytest.raises(psycopg.IntegrityError), checked.transaction(force_rollback=True):
        insert(checked, table, {**GOOD[table], **nonsense})


def test_more_than_the_parent_wanted_is_booked_as_it_is(checked: Connection) -> None:
    with checked.transaction(force_rollback=True):
        insert(checked, "execution_state", {**STATE, "filled_quantity": 99, "fill_rate": "9.9"})


@pytest.mark.parametrize(
    "change", ["UPDATE execution_journal SET kind = 'x'", "DELETE FROM execution_journal", "TRUNCATE execution_journal"]
)
def test_the_journal_is_only_ever_added_to(checked: Connection, change: str) -> None:
    with checked.transaction(force_rollback=True):
        insert(checked, "execution_journal", GOOD["execution_journal"])
        with pytest.raises(psycopg.Error, match="only ever added to") as refused:
            checked.execute(change.encode())
    assert refused.value.sqlstate == "DW004"


# Partitions


def partitions(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'order_book_snapshots'::regclass ORDER BY 1"
    ).fetchall()
    return [name for (name,) in rows]


def test_partitions_are_made_a_week_each_and_ahead(loaded: Connection) -> None:
    # A copy of one that may have been loaded last week.
    loaded.execute("SELECT depthwalker_create_snapshot_partitions(4)")
    before = partitions(loaded)
    assert value(loaded, "SELECT depthwalker_create_snapshot_partitions(4)") == 0
    assert value(loaded, "SELECT depthwalker_create_snapshot_partitions(60)") == 56
    assert value(loaded, "SELECT depthwalker_create_snapshot_partitions(60)") == 0
    assert len(partitions(loaded)) == len(before) + 56
    monday = datetime.now(UTC) - timedelta(days=datetime.now(UTC).weekday())
    year, week, _ = monday.isocalendar()
    assert f"order_book_snapshots_{year}w{week:02d}" in before


def test_snapshots_of_no_week_wait_in_the_default_until_it_has_a_partition(loaded: Connection) -> None:
    insert(loaded, "markets", {"market_id": "m", "ticker": "T"})
    for when in (datetime.now(UTC) + timedelta(weeks=8), datetime(2023, 4, 10, tzinfo=UTC)):
        insert(loaded, "order_book_snapshots", {**SNAPSHOT, "timestamp": when})
    assert value(loaded, "SELECT count(*) FROM order_book_snapshots_default") == 2
    loaded.execute("SELECT depthwalker_create_snapshot_partitions(9)")
    assert value(loaded, "SELECT count(*) FROM order_book_snapshots_default") == 1
    assert value(loaded, "SELECT count(*) FROM order_book_snapshots") == 2
    with pytest.raises(psycopg.IntegrityError):  # a moved week has its checks and keys, too
        insert(loaded, "order_book_snapshots", {**SNAPSHOT, "market_id": "x", "timestamp": datetime.now(UTC)})


def test_a_column_that_an_older_schema_had_not_is_added(loaded: Connection) -> None:
    for table, column in (
        ("execution_state", "arm"),
        ("execution_state", "exchange"),
        ("worker_groups", "used_at"),
        ("rate_leases", "capacity"),
    ):
        loaded.execute(f"ALTER TABLE {table} DROP COLUMN {column} CASCADE".encode())
        load(loaded)
        assert value(loaded, "SELECT depthwalker_type(%s, %s) IS NOT NULL", table, column) is True


def test_a_column_that_was_too_narrow_in_an_older_schema_is_widened(loaded: Connection) -> None:
    loaded.execute("ALTER TABLE execution_metrics ALTER momentum_at_execution TYPE numeric(14,6)")
    load(loaded)
    assert value(loaded, "SELECT depthwalker_type('execution_metrics', 'momentum_at_execution')") == "numeric(24,6)"


def test_a_view_of_somebodys_own_keeps_a_column_as_it_was_and_nothing_else(loaded: Connection) -> None:
    loaded.execute("ALTER TABLE execution_metrics ALTER momentum_at_execution TYPE numeric(14,6)")
    loaded.execute("ALTER TABLE execution_metrics DROP COLUMN measured_note CASCADE")
    loaded.execute("CREATE VIEW dashboard AS SELECT * FROM execution_metrics")
    load(loaded)
    assert value(loaded, "SELECT depthwalker_type('execution_metrics', 'momentum_at_execution')") == "numeric(14,6)"
    assert value(loaded, "SELECT depthwalker_type('execution_metrics', 'measured_note')") == "text"
    loaded.execute("DROP VIEW dashboard")
    load(loaded)
    assert value(loaded, "SELECT depthwalker_type('execution_metrics', 'momentum_at_execution')") == "numeric(24,6)"


def test_the_function_of_an_older_schema_is_replaced(loaded: Connection) -> None:
    """Its arguments differ: both would be there, and the older one would still be callable."""
    found = loaded.execute("SELECT count(*) FROM pg_proc WHERE proname = 'depthwalker_lease_tokens'")
    assert found.fetchone() == (1,)


def test_the_view_of_an_older_schema_is_replaced(loaded: Connection) -> None:
    loaded.execute("DROP VIEW execution_fallbacks")
    loaded.execute(
        "CREATE VIEW execution_fallbacks AS SELECT current_date AS day, ''::text AS reason, ''::varchar(50) AS ran, 1::bigint AS executions"
    )
    load(loaded)
    loaded.execute("SELECT day, reason, ran, executions FROM execution_fallbacks")


def test_a_schema_that_is_there_already_is_not_loaded_again_while_executions_are_journalled(
    new_database: Callable[[], str],
) -> None:
    """It would wait for their locks, and they for its own: one of both would be refused as a deadlock."""
    dsn = new_database()
    load_schema(dsn)
    with psycopg.connect(dsn) as journalling:
        journalling.execute("LOCK TABLE execution_state, execution_journal, order_book_hours IN ROW EXCLUSIVE MODE")
        load_schema(dsn)
        journalling.rollback()


@pytest.mark.parametrize("kind", ["text", "uuid", "int"])
def test_an_engines_trades_may_name_executions_in_a_type_of_their_own(bare: Connection, kind: str) -> None:
    bare.execute(
        f"CREATE TABLE trades (trade_id bigserial PRIMARY KEY, execution_id {kind}, market_id varchar, side varchar(10),"
        " price numeric, quantity int, created_at timestamptz DEFAULT now())".encode()
    )
    load(bare)
    bare.execute("SELECT * FROM depthwalker_trade_quality(now())")


def test_loading_by_hand_mends_what_is_lost(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = new_database()
    monkeypatch.setenv("DATABASE_URL", dsn)
    load_schema(dsn)
    with psycopg.connect(dsn, autocommit=True) as there:
        there.execute("DROP VIEW execution_fallbacks")
        assert main(["db", "load"]) == 0
        there.execute("SELECT day, reason FROM execution_fallbacks")
