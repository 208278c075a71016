"""The store over real PostgreSQL: numbered and fenced appends, rows that agree with the journal, lost connections."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.rows import TupleRow
from tests.core.test_projection import (
    BUY,
    FIRST,
    PLANNED,
    SELL,
    WALKED,
    at,
    closed,
    filled,
    placed,
    viewed,
)
from tests.core.test_projection import started as begun_by
from tests.shell.journals import JOURNALS, NAMES, TTL, folded, journal, origin, parent_of, replay, start
from tests.shell.relay import Wire, relayed
from tests.shell.test_schema import ENGINE

from depthwalker.core.answer import OrderStatus, TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.execution import evolve
from depthwalker.core.fact import (
    Accepted,
    AmendIntended,
    CapChanged,
    Fact,
    Held,
    Refused,
    Started,
    Status,
    StopRequested,
)
from depthwalker.core.ledger import Kind, Style
from depthwalker.core.momentum import momentum
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.projection import project
from depthwalker.core.units import Count, Micros, Price, round_div
from depthwalker.shell.assess import read_trades
from depthwalker.shell.journal import (
    Appended,
    Begun,
    MissingRow,
    Origin,
    Source,
    StoreRefused,
    StoreUnavailable,
)
from depthwalker.shell.store import ADMISSIONS, PostgresStore

PROJECTIONS = ("execution_state", "split_orders", "child_orders", "execution_fills", "execution_metrics", "trades")


@pytest.fixture
async def store(postgres: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(postgres) as opened:
        yield opened


@pytest.fixture
async def sql(postgres: str) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as connection:
        yield connection


async def rows(connection: psycopg.AsyncConnection[TupleRow], query: str, *values: object) -> list[TupleRow]:
    return await (await connection.execute(query.encode(), values)).fetchall()


async def dump(connection: psycopg.AsyncConnection[TupleRow]) -> dict[str, list[TupleRow]]:
    """Return all projections; a metric's number is the only thing in them that is not the journal's."""
    return {
        table: await rows(connection, f"SELECT to_jsonb(t) - 'metric_id' FROM {table} t ORDER BY to_jsonb(t)::text")
        for table in PROJECTIONS
    }


# The rows of an execution


@pytest.mark.parametrize("name", NAMES)
async def test_the_rows_agree_with_the_journal(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow], name: str
) -> None:
    number = await replay(store, name)
    expected = json.loads((JOURNALS / f"{name}.expected.json").read_text())
    state = folded(*await store.load(number))
    selling = state.parent.ticket.action is Action.SELL
    filled, cost = Decimal(expected["filled"]), Decimal(expected["cost"])
    value = filled - cost if selling else cost
    [shown] = await rows(
        sql,
        """SELECT status, ending, filled_quantity, filled_value, fees, coalesce((walker_state->>'walk_count')::int, 0),
                  jsonb_array_length(split_configs), updated_at = completed_at FROM execution_state""",
    )
    assert shown == (
        expected["status"],
        expected["reason"],
        filled,
        value,
        Decimal(expected["fees"]),
        expected["walks"],
        len(state.splits),
        True,
    )
    assert await rows(sql, "SELECT coalesce(sum(walk_count), 0), sum(filled_quantity) FROM split_orders") == [
        (expected["walks"], filled)
    ]
    assert [row[0] for row in await rows(sql, "SELECT ending FROM child_orders ORDER BY placed_at, birth, split")] == (
        expected["endings"]
    )
    [fills] = await rows(
        sql, "SELECT coalesce(sum(quantity), 0), coalesce(sum(price * quantity), 0) FROM execution_fills"
    )
    assert fills == (filled, value)
    assert await rows(sql, "SELECT depthwalker_journal_length(%s)", number) == [(len(await store.load(number)),)]


@pytest.mark.parametrize("name", NAMES)
async def test_every_figure_of_an_execution_stands_in_its_own_column(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow], name: str
) -> None:
    metrics = project(folded(*await store.load(await replay(store, name)))).metrics
    assert metrics is not None
    entry, cost, slippage = metrics.entry, metrics.shortfall, metrics.slippage
    spans = (metrics.first_fill, metrics.full_fill, metrics.last_fill, metrics.total)
    first, full, last, total = (None if span is None else round_div(span, 1_000) for span in spans)
    market = (None, None, None) if entry is None else (entry.volume, entry.spread, entry.liquidity.value)
    in_whole_units = """(market_volume_at_entry * 100)::bigint, (market_spread_at_entry * 10000)::bigint, liquidity_category,
        (slippage_percent * 1000000)::bigint"""
    [shown] = await rows(
        sql,
        f"""SELECT {in_whole_units}, slippage_basis_points, (fill_rate * 1000000)::bigint,
            (time_to_first_fill * 1000)::bigint, (time_to_full_fill * 1000)::bigint, (time_to_last_fill * 1000)::bigint,
            (total_execution_time * 1000)::bigint, algorithm, walks_executed, splits_used,
            (momentum_at_execution * 1000000)::bigint, calls_used, tokens_used, (implementation_shortfall * 1000000)::bigint,
            (shortfall_cents * 10000)::bigint, shortfall_basis_points FROM execution_metrics""",
    )
    points = None if slippage is None else round_div(slippage, 100)
    shortfall = (None, None, None) if cost is None else (cost.total, cost.per_contract, cost.basis_points)
    assert shown == (
        *(*market, slippage, points, metrics.fill_rate, first, full, last, total),
        *(metrics.algorithm.value, metrics.walks, metrics.splits, metrics.momentum, metrics.calls, metrics.tokens),
        *shortfall,
    )
    assert await rows(
        sql, f"SELECT {in_whole_units}, (fill_time_seconds * 1000)::bigint, (filled_quantity * 100)::bigint FROM trades"
    ) == [(*market, slippage, last, metrics.filled)]


@pytest.mark.parametrize("name", NAMES)
async def test_rows_can_be_rebuilt_from_the_journal(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow], name: str
) -> None:
    number = await replay(store, name)
    before = await dump(sql)
    await store.rebuild(number)
    assert await dump(sql) == before
    await sql.execute("DELETE FROM execution_metrics")
    await sql.execute("DELETE FROM execution_fills")
    await sql.execute("UPDATE split_orders SET order_id = 'x', status = 'failed', filled_quantity = 99")
    await sql.execute("UPDATE child_orders SET order_id = 'x', price = 0.99, filled_quantity = 999")
    await sql.execute("UPDATE execution_state SET filled_quantity = 999, walker_state = NULL, split_configs = NULL")
    await store.rebuild(number)
    assert await dump(sql) == before


async def test_a_walk_stands_in_the_history_as_the_specification_shows_it(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    await replay(store, "walk_with_partial_fills")
    [(history,), _] = await rows(sql, "SELECT price_walk_history FROM split_orders ORDER BY level")
    assert history == [
        {
            "timestamp": "2025-10-09T08:53:28.200000+00:00",
            "old_price": "0.4500",
            "new_price": "0.4400",
            "momentum": 0.15,
            "reason": "pressure against us",
        }
    ]
    [(walker, splits)] = await rows(sql, "SELECT walker_state, split_configs FROM execution_state")
    assert walker == {
        "walk_count": 1,
        "max_walks": 10,
        "max_total_walks": 10,
        "momentum": 0.15,
        "ema_slippage": 0.01,
        "last_walk_at": "2025-10-09T08:53:28.200000+00:00",
    }
    assert splits[1] == {
        "level": 2,
        "target_price": "0.4600",
        "quantity": 20.2,
        "order_id": "order-b",
        "status": "cancelled",
        "filled_quantity": 5.25,
    }


async def made(store: PostgresStore, started: Started, *facts: Fact, of: Origin | None = None) -> None:
    """Keep an execution of these facts, one by one; nobody decided them."""
    first = replace(started, policy=replace(started.policy, version=1))
    begun = await store.begin(of or origin(), first, "w", TTL)
    assert isinstance(begun, Begun)
    state = folded(first)
    for seq, fact in enumerate(facts, start=2):
        state = evolve(state, fact)
        await store.append(begun.execution_id, begun.epoch, seq, (fact,), project(state))


async def test_a_book_that_was_all_but_empty_does_not_keep_an_execution_from_its_end(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    """A hundredth of a contract in one look of two minutes, then 100,000 contracts: 120 x 10,000,000 less 1 times as many."""
    strength = momentum((*[Count(0)] * 119, Count(1), Count(10_000_000)))
    facts = (replace(one, momentum=strength) if isinstance(one, AmendIntended) else one for one in WALKED)
    await made(store, begun_by(BUY), *facts)
    assert await rows(sql, "SELECT momentum_at_execution::bigint FROM execution_metrics") == [(1_199_999_999,)]


async def test_a_splits_average_is_that_of_its_fills_also_where_its_count_was_told_before_them(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    await made(
        store,
        begun_by(BUY),
        *(viewed(), PLANNED, placed(FIRST), Accepted(FIRST, "a", None, at(3))),
        closed(FIRST, "a", OrderStatus.EXECUTED, 7000, 6000, 5),
        *(filled("a", "1", 6900, 3000, 4), filled("a", "2", 7000, 3000, 4)),
    )
    assert await rows(sql, "SELECT average_fill_price FROM split_orders WHERE level = 1") == [(Decimal("0.6950"),)]


async def test_a_cap_that_has_come_down_breaks_no_invariant_by_what_was_there_before(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    await made(
        store,
        begun_by(BUY),
        *(viewed(), PLANNED, placed(FIRST, 7100), Accepted(FIRST, "a", None, at(3)), filled("a", "1", 7100, 3000, 4)),
        *(closed(FIRST, "a", OrderStatus.CANCELED, 7100, 3000, 5), CapChanged(Price(7000), at(6))),
    )
    assert await rows(sql, "SELECT * FROM broken_invariants") == []
    await rows(sql, "UPDATE child_orders SET price = 0.72 RETURNING 1")
    assert [row[1] for row in await rows(sql, "SELECT * FROM broken_invariants")] == [2], "the parent's own cap holds"
    await rows(sql, "UPDATE child_orders SET price = 0.71 RETURNING 1")


@pytest.mark.parametrize("ticket", [BUY, SELL], ids=["buy", "sell"])
async def test_an_order_that_was_filled_before_it_could_come_down_with_the_cap_breaks_no_invariant(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow], ticket: Ticket
) -> None:
    down = AmendIntended(FIRST, 1, Price(7000), Count(6000), Style.REST, Count(0), False, 0, "capped", at(6))
    await made(
        store,
        begun_by(ticket),
        *(viewed(), PLANNED, placed(FIRST, 7100), Accepted(FIRST, "a", None, at(3)), CapChanged(Price(7000), at(5))),
        *(down, filled("a", "1", 7100, 6000, 6), Refused(FIRST, Kind.AMEND, "not_found", "", at(7))),
        closed(FIRST, "a", OrderStatus.EXECUTED, 7100, 6000, 8),
    )
    assert await rows(sql, "SELECT * FROM broken_invariants") == []


@pytest.mark.parametrize("later", [(), (CapChanged(Price(7050), at(6)),)], ids=["", "and moves again"])
async def test_an_order_above_the_cap_of_its_time_breaks_an_invariant(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow], later: tuple[Fact, ...]
) -> None:
    lowered = CapChanged(Price(7000), at(2))  # in the microsecond of the order
    await made(
        store,
        begun_by(BUY),
        *(viewed(), PLANNED, lowered, placed(FIRST, 7100), Accepted(FIRST, "a", None, at(3))),
        *(closed(FIRST, "a", OrderStatus.CANCELED, 7100, 0, 5), *later),
    )
    assert [row[1] for row in await rows(sql, "SELECT * FROM broken_invariants")] == [2]
    await rows(sql, "UPDATE child_orders SET price = 0.7 RETURNING 1")


async def test_a_trade_is_read_back_in_whole_units(store: PostgresStore) -> None:
    trade = await store.trade(await replay(store, "walk_with_partial_fills"))
    assert trade is not None
    assert (trade.outcome, trade.action, trade.quantity, trade.price) == (Leg.YES, Action.SELL, 3555, 4458)
    assert (trade.value, trade.fees, trade.target, trade.slippage) == (15_847_000, 350_100, 4500, 9408)
    assert (trade.fill_rate, trade.walks, trade.status) == (703_960, 1, Status.COMPLETED)
    assert (trade.edge_id, trade.method_id, trade.strategy_id, trade.model_id) == (7, 3, 1, 2)
    assert (trade.market_id, trade.ticker, trade.trade_error) == ("KXDEMO-25OCT09-T1", "KXDEMO-25OCT09-T1", "")


async def test_an_execution_without_fills_has_a_trade_of_nothing(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    trade = await store.trade(await replay(store, "unknown_outcome_burned"))
    assert trade is not None
    assert (trade.quantity, trade.price, trade.slippage, trade.fill_time) == (0, None, None, None)
    shown = (
        "SELECT quantity, price, filled_price, slippage_percent, liquidity_category, market_volume_at_entry FROM trades"
    )
    assert await rows(sql, shown) == [(0, None, None, None, "thin", 0)]


# Appending


async def test_a_row_that_the_checks_refuse_leaves_no_entry_behind(store: PostgresStore) -> None:
    begun, state, rest = await start(store, "simple_fill")
    broken = replace(project(state), execution=replace(project(state).execution, cap=Price(20_000)))
    with pytest.raises(StoreRefused, match="cap_price"):
        await store.append(begun.execution_id, begun.epoch, 2, rest[:1], broken)
    assert len(await store.load(begun.execution_id)) == 1


# Beginning


async def test_concurrent_begins_of_one_key_make_one_execution(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    started, _ = journal("simple_fill")
    results = await asyncio.gather(
        *(store.begin(origin(), parent_of(started, number), f"worker-{number}", TTL) for number in range(1, 9))
    )
    assert sum(isinstance(result, Begun) for result in results) == 1
    assert len({result.execution_id for result in results}) == 1
    assert await rows(sql, "SELECT count(*) FROM execution_journal") == [(1,)]


async def test_an_execution_from_the_terminal_needs_no_edge(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    started, _ = journal("simple_fill")
    assert isinstance(await store.begin(Origin("k", Source.TERMINAL), started, "w", TTL), Begun)
    with pytest.raises(StoreRefused, match="engine_check"):
        await store.begin(Origin("l", Source.ENGINE), parent_of(started, 9), "w", TTL)
    assert await rows(sql, "SELECT market_id, ticker FROM markets") == [(started.parent.ticker, started.parent.ticker)]


# An engine's own tables


@pytest.fixture
async def engine(postgres: str) -> AsyncIterator[tuple[PostgresStore, psycopg.AsyncConnection[TupleRow]]]:
    """A store in a database that already holds an engine's tables."""
    name = f"{postgres.partition('?')[0].rpartition('/')[2]}_engine"
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as admin:
        await admin.execute(f"CREATE DATABASE {name}".encode())
    dsn = re.sub(r"/\w+\?", f"/{name}?", postgres)
    async with (
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection,
        PostgresStore(dsn) as opened,
    ):
        await connection.execute(ENGINE.encode())
        await opened.migrate()
        await opened.migrate()
        yield opened, connection


ENGINES = Origin(
    "k", Source.ENGINE, edge_id=7, method_id="00000000-0000-0000-0000-000000000003", strategy_id=1, model_id=2
)


async def test_an_engines_trades_table_gets_the_trade_in_its_own_types(
    engine: tuple[PostgresStore, psycopg.AsyncConnection[TupleRow]],
) -> None:
    store, sql = engine
    started, rest = journal("walk_with_partial_fills")
    begun = await store.begin(ENGINES, started, "w", TTL)
    assert begun == Begun(1, 1)
    await store.append(1, 1, 2, rest, project(folded(started, *rest)))
    shown = """SELECT edge_id, method_id::text, strategy_id, market_id, side::text, quantity, filled_quantity, price, note
               FROM trades WHERE execution_id = 1"""
    [row] = await rows(sql, shown)
    # Whole contracts where the engine counts whole ones, never more than was filled.
    assert row == (7, ENGINES.method_id, 1, "m-1", "yes", 35, Decimal("35.55"), Decimal("0.4458"), "engine")
    trade = await store.trade(1)
    assert trade is not None
    assert (trade.edge_id, trade.method_id, trade.market_id, trade.quantity) == (7, ENGINES.method_id, "m-1", 3555)


async def test_an_engines_table_without_time_zone_or_action_says_when_and_which_way_it_was(
    engine: tuple[PostgresStore, psycopg.AsyncConnection[TupleRow]], postgres: str
) -> None:
    _, sql = engine
    await sql.execute(f"ALTER DATABASE {sql.info.dbname} SET timezone = 'Asia/Tokyo'".encode())
    dsn = re.sub(r"/\w+\?", f"/{sql.info.dbname}?", postgres)
    first = begun_by(SELL)
    async with PostgresStore(dsn) as store:
        await made(store, replace(first, parent=replace(first.parent, ticker="KXDEMO-25OCT09-T1")), *WALKED, of=ENGINES)
    with psycopg.connect(dsn) as there:
        apart = there.execute(
            "SELECT t.created_at::timestamptz - m.created_at FROM trades t JOIN execution_metrics m USING (execution_id)"
        ).fetchall()
        *_, sold = read_trades(there, 3_000_000_000 * 1_000_000)
    assert apart == [(timedelta(0),)]
    assert sold.slippage is not None
    assert sold.cost is not None
    assert sold.slippage > 0, "sold below its target is worse"
    assert sold.cost > 0


async def test_what_the_engines_table_refuses_at_the_commit_does_not_keep_the_execution_open_either(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    await sql.execute(
        b"""CREATE FUNCTION unbalanced() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'not balanced' USING ERRCODE = '23514'; END $$;
            CREATE CONSTRAINT TRIGGER later AFTER INSERT ON trades
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION unbalanced()"""
    )
    started, rest = journal("walk_with_partial_fills")
    begun = await store.begin(origin(), started, "w", TTL)
    assert isinstance(begun, Begun)
    kept = await store.append(begun.execution_id, begun.epoch, 2, rest, project(folded(started, *rest)))
    assert kept == Appended(len(rest) + 1, False)
    [(refused,)] = await rows(sql, "SELECT trade_error FROM execution_state")
    assert "not balanced" in refused


async def test_a_trade_that_the_engines_table_refuses_does_not_keep_the_execution_open(
    engine: tuple[PostgresStore, psycopg.AsyncConnection[TupleRow]],
) -> None:
    store, sql = engine
    await sql.execute("ALTER TABLE trades ALTER price SET NOT NULL")
    started, rest = journal("unknown_outcome_burned")
    await store.begin(ENGINES, started, "w", TTL)
    assert await store.append(1, 1, 2, rest, project(folded(started, *rest))) == Appended(len(rest) + 1, False)
    trade = await store.trade(1)
    assert trade is not None
    assert "price" in trade.trade_error
    await sql.execute("ALTER TABLE trades ALTER price DROP NOT NULL")
    await store.rebuild(1)
    trade = await store.trade(1)
    assert trade is not None
    assert trade.trade_error == ""


@pytest.mark.parametrize(
    ("wrong", "table", "row"),
    [
        (replace(ENGINES, edge_id=8), "edges", "8"),
        (replace(ENGINES, edge_id="eight"), "edges", "eight"),
        (
            replace(ENGINES, method_id="00000000-0000-0000-0000-000000000004"),
            "methods",
            "00000000-0000-0000-0000-000000000004",
        ),
        (replace(ENGINES, market_id="m 2"), "markets", "m 2"),
    ],
)
async def test_a_missing_row_of_the_engine_is_named(
    engine: tuple[PostgresStore, psycopg.AsyncConnection[TupleRow]], wrong: Origin, table: str, row: str
) -> None:
    with pytest.raises(MissingRow) as missing:
        await engine[0].begin(wrong, journal("simple_fill")[0], "w", TTL)
    assert (missing.value.table, missing.value.row) == (table, row)


# Beside the journal


async def test_a_snapshot_keeps_ten_levels_and_the_totals_of_all(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    yes = tuple((Price(4800 - 100 * step), Count(150)) for step in range(12))
    book = Book(yes, ((Price(5000), Count(30_000)),), Micros(0))
    first = await store.snapshot("KX", book, Micros(1_760_000_000_000_001))
    print_ = TradePrint("t1", Leg.NO, Price(4800), Count(150), Micros(1_760_000_000_000_000))
    empty = Book((), (), Micros(0))
    assert await store.snapshot("KX", empty, Micros(1_760_000_000_000_002), trades=(print_,)) == first + 1
    traded = {"trade_id": "t1", "taker": "no", "yes_price": 4800, "count": 150, "at": 1_760_000_000_000_000}
    assert await rows(sql, "SELECT trades FROM order_book_snapshots ORDER BY snapshot_id") == [([],), ([traded],)]
    shown = """SELECT jsonb_array_length(yes_depth), yes_depth->0, no_depth, yes_total_volume, spread, yes_best_bid,
                      no_best_bid, market_id FROM order_book_snapshots ORDER BY snapshot_id"""
    level = {"price": "0.4800", "quantity": 1.5, "order_count": None}
    other = {"price": "0.5000", "quantity": 300, "order_count": None}
    assert await rows(sql, shown) == [
        (10, level, [other], 18, Decimal("0.02"), Decimal("0.48"), Decimal("0.5"), "KX"),
        (0, None, [], 0, None, None, None, "KX"),
    ]


# Lost connections


@pytest.fixture
async def wired(postgres: str, tmp_path: Path) -> AsyncIterator[tuple[PostgresStore, Wire]]:
    async with relayed(postgres, tmp_path) as (dsn, wire), PostgresStore(dsn) as opened:
        yield opened, wire


async def test_an_append_whose_answer_is_lost_is_asked_again_and_written_once(
    wired: tuple[PostgresStore, Wire],
) -> None:
    store, wire = wired
    begun, state, rest = await start(store, "simple_fill")
    wire.losing = 1
    assert await store.append(1, begun.epoch, 2, rest[:2], project(state)) == Appended(3, repeated=True)
    assert wire.lost == 1
    assert len(await store.load(1)) == 3


async def test_an_unknown_commit_can_be_read_and_repeated_with_what_came_since(
    wired: tuple[PostgresStore, Wire],
) -> None:
    store, wire = wired
    begun, state, rest = await start(store, "simple_fill")
    wire.losing = 2
    with pytest.raises(StoreUnavailable):
        await store.append(1, begun.epoch, 2, rest[:2], project(state))
    assert len(await store.load(1)) == 3
    later = (*rest[:2], StopRequested("by hand", Micros(1)), Held((), Micros(2)))
    assert await store.append(1, begun.epoch, 2, later, project(state)) == Appended(5, repeated=False)
    assert len(await store.load(1)) == 5


async def test_a_connection_killed_in_the_middle_of_an_append_leaves_nothing_half_done(
    store: PostgresStore, sql: psycopg.AsyncConnection[TupleRow]
) -> None:
    begun, state, rest = await start(store, "simple_fill")
    async with sql.transaction():
        await sql.execute("SELECT FROM execution_leases FOR UPDATE")  # so that the append has to wait
        appending = asyncio.create_task(store.append(1, begun.epoch, 2, rest[:2], project(state)))
        killed: set[int] = set()
        while len(killed) < 2 and not appending.done():
            for (pid,) in await rows(sql, "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"):
                await sql.execute("SELECT pg_terminate_backend(%s)", (pid,))
                killed.add(pid)
        with pytest.raises(StoreUnavailable):
            await appending
    assert len(await store.load(1)) == 1
    assert await store.append(1, begun.epoch, 2, rest[:2], project(state)) == Appended(3, repeated=False)


async def test_sells_in_many_markets_at_once_do_not_take_up_the_servers_connections(store: PostgresStore) -> None:
    admitted = most = 0

    async def admit(number: int) -> None:
        nonlocal admitted, most
        async with store.admission("a", f"KX-{number}") as admission:
            admitted += 1  # counted here: the server notices a little later that a connection has ended
            most = max(most, admitted)
            await admission.promised_sells(Leg.YES)
            admitted -= 1

    await asyncio.gather(*(admit(number) for number in range(3 * ADMISSIONS)))
    assert 1 < most <= ADMISSIONS


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    store = PostgresStore(f"postgresql://nobody@/nothing?host={quote(str(tmp_path), safe='')}&connect_timeout=1")
    with pytest.raises(StoreUnavailable):
        await store.migrate()
    await store.close()
