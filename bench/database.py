"""What one executed parent costs the database: a real run against the paper exchange, journalled in a real PostgreSQL."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final, TypeVar

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from bench import bed
from bench.measure import Effort, Table, Timing, clocked, shown, timing
from depthwalker.core.answer import Trouble
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.depth import RECORDED_THRESHOLDS
from depthwalker.core.execution import START, State, evolve, total_filled, total_walks
from depthwalker.core.fact import Started
from depthwalker.core.outcome import Outcome, Success
from depthwalker.core.parent import Holding, Identity, admit
from depthwalker.core.policy import policy_for
from depthwalker.core.projection import project
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Money, format_count
from depthwalker.shell import codec
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.feed import Feed
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.limiter import Limiter
from depthwalker.shell.paper import Account, PaperExchange
from depthwalker.shell.rows import rows
from depthwalker.shell.runner import Runner
from depthwalker.shell.scene import Scene, synthetic_scenes
from depthwalker.shell.signing import Signer
from depthwalker.shell.spool import Spool
from depthwalker.shell.transport import AioHttpTransport

SEED: Final = 7
MARKET: Final = "moderate"
CASH: Final = Money(1_000_000 * MILLION)
WALKS_A_RUN: Final = 10
PATIENCE_S: Final = 30
TABLES: Final = (
    "execution_state",
    "split_orders",
    "child_orders",
    "execution_fills",
    "execution_metrics",
    "execution_journal",
    "execution_leases",
    "trades",
)
NS_A_MS: Final = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """An execution that has ended: its number, its state, what it asked of the store."""

    execution_id: int
    state: State
    appends: tuple[bed.Append, ...]


def tables(effort: Effort, given: str = "") -> tuple[Table, ...]:
    """Measure and return the database's tables."""
    with bed.folder() as folder, bed.server(folder, given) as dsn:
        return asyncio.run(_measured(dsn, folder, effort))


async def _measured(dsn: str, folder: Path, effort: Effort) -> tuple[Table, ...]:
    async with bed.opened(dsn) as (store, probe):
        scene = next(scene for scene in synthetic_scenes(SEED, effort.execution_s) if scene.name == MARKET)
        run = await _execute(store, scene, effort, folder)
        sizes = await _sizes(dsn, run.execution_id)
        last = run.appends[-1]
        body = rows(last.projection, last.facts).decode()
        commits = timing([await probe.insert_ns(body) for _ in range(effort.inserts)])
    return (_spent(run, sizes), _pieces(run, commits, effort))


async def _execute(store: bed.TimedStore, scene: Scene, effort: Effort, folder: Path) -> Run:
    """Run a scene's parent by the walker, over HTTP, to its end."""
    clock, chance = SystemClock(), SystemChance()
    key = Ed25519PrivateKey.generate()
    account = Account("bench", "bench", key.public_key(), CASH)
    async with PaperExchange([scene.listing], [account], clock, chance) as exchange:
        transport = AioHttpTransport(exchange.url)
        venue, limiter = KalshiVenue(transport, Signer("bench", key), clock), Limiter(clock, None, lambda: 0)
        market = _got(await venue.market(scene.tape.ticker))
        feed = Feed(market, _got(await venue.fee_rates(market)), venue, clock, Micros(SECOND // 2))
        started = _started(scene, feed, effort.execution_s, clock.now(), secrets.token_hex(16))
        runner = Runner(
            evolve(START, started),
            started.policy,
            await bed.seat(store, started),
            venue=venue,
            store=store,
            spool=Spool(folder / "spool"),
            feed=feed,
            clock=clock,
            limiter=limiter,
            walkers=lambda: (0, 5),
            others=lambda _: (),
            ema_slippage=0,
        )
        state = await _ended(runner, effort.execution_s + PATIENCE_S)
        await transport.close()
    return Run(runner.execution_id, state, tuple(store.appends))


async def _ended(runner: Runner, seconds: int) -> State:
    """Return the final state; a runner that does not get there is stopped, and then left."""
    running = asyncio.create_task(runner.run())
    done, _ = await asyncio.wait({running}, timeout=seconds)
    if not done:
        runner.stop("too slow")
        running.cancel()
    return await running


def _started(scene: Scene, feed: Feed, seconds: int, now: Micros, execution: str) -> Started:
    timeout = Micros(seconds * SECOND)
    walker = replace(DEFAULT_EXECUTION.walker, walk_interval=Micros(timeout // WALKS_A_RUN))
    config = replace(
        DEFAULT_EXECUTION,
        algorithm=Algorithm.DYNAMIC_DEPTH_WALKER,
        slippage_ppm=None,
        slippage_dollars=scene.slippage,
        timeout=timeout,
        walker=walker,
    )
    nothing, identity = Holding(Count(0), Count(0)), Identity("0" * 8, execution)
    parent = admit(scene.ticket, feed.market, feed.rates, config, nothing, identity, now, Micros(4 * SECOND))
    assert isinstance(parent, Success), parent
    return Started(parent.unwrap(), policy_for(config, RECORDED_THRESHOLDS), now)


def _got(outcome: Outcome[T, Trouble]) -> T:
    assert isinstance(outcome, Success), outcome
    return outcome.unwrap()


async def _sizes(dsn: str, execution_id: int) -> tuple[tuple[str, int, int], ...]:
    """Return each table's rows of an execution, and the bytes that they hold."""
    found: list[tuple[str, int, int]] = []
    async with await psycopg.AsyncConnection[TupleRow].connect(dsn, autocommit=True) as connection:
        for name in TABLES:
            query = SQL("SELECT count(*), coalesce(sum(pg_column_size(t.*)), 0) FROM {} t WHERE execution_id = %s")
            row = await (await connection.execute(query.format(Identifier(name)), (execution_id,))).fetchone()
            assert row is not None
            found.append((name, int(row[0]), int(row[1])))
    return tuple(found)


def _spent(run: Run, sizes: tuple[tuple[str, int, int], ...]) -> Table:
    state = run.state
    assert state.finished is not None
    span = (state.finished.at - state.parent.started) / SECOND
    filled, wanted = format_count(total_filled(state)), format_count(state.parent.count)
    note = (
        f"The demo's {MARKET} market, seed {SEED}: {filled} of {wanted} contracts in {span:.1f} s by "
        f"{total_walks(state)} walks, {len(state.orders)} orders and {state.calls} exchange calls. "
        "Bytes are those of the rows as stored (compressed where PostgreSQL does)."
    )
    found = [(name, f"{count:,}", f"{size:,}") for name, count, size in sizes]
    total = ("all tables", f"{sum(count for _, count, _ in sizes):,}", f"{sum(size for _, _, size in sizes):,}")
    return Table("Database: one executed parent", note, ("table", "rows", "bytes"), (*found, total))


def _pieces(run: Run, commit: Timing, effort: Effort) -> Table:
    spans = [append.ended_ns - append.begun_ns for append in run.appends]
    facts = [fact for append in run.appends for fact in append.facts]
    biggest = max(run.appends, key=lambda append: len(append.facts))
    each = timing(spans)
    encoded = sum(len(codec.encode(fact)) for fact in facts)
    rows_of = tuple(
        (name, shown(found.median_us), shown(found.min_us))
        for name, found in (
            ("one append, durable, with all rows that follow", each),
            ("one bare durable insert of the same bytes", commit),
            ("our encoding of one append's facts", clocked(lambda: codec.encode_all(biggest.facts), effort)),
            ("our projection of the state", clocked(lambda: project(run.state), effort)),
            (
                "our encoding of the rows that follow",
                clocked(lambda: rows(biggest.projection, biggest.facts), effort),
            ),
        )
    )
    note = (
        f"{len(spans)} appends of {len(facts)} facts ({median(len(append.facts) for append in run.appends):.0f} at a time), "
        f"{sum(spans) / NS_A_MS:.1f} ms in the store altogether; the journal's facts are {encoded:,} bytes of JSON. "
        f"Microseconds; the bare insert is the median of {effort.inserts}."
    )
    return Table("Database: one append", note, ("piece", "median", "min"), rows_of)
