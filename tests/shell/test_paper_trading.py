"""`depthwalker paper`: a schedule of parents without money, marked as such, resumable, and what a rollout's paper stage rests on."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import reduce
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from rich.console import Console
from tests.shell.arms import moved, parents
from tests.shell.clocks import SteppingClock
from tests.shell.rig import CASH, KEY, ME, SIGNER, TICKER, Hurried, Rig, abandon, quiet, rests, rigged, sellers, walker

from depthwalker.core.book import Leg
from depthwalker.core.execution import START, State, evolve, total_filled
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.rollout import Arm, Stage, bucket
from depthwalker.core.schedule import Schedule
from depthwalker.core.tape import Tape
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell import evidence
from depthwalker.shell.api import Trade
from depthwalker.shell.board import SHOWN, Board
from depthwalker.shell.cli import main
from depthwalker.shell.clock import SystemChance
from depthwalker.shell.config import parse_config
from depthwalker.shell.engine import Engine
from depthwalker.shell.follow import Follower
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.paper import Account, Listing, PaperExchange
from depthwalker.shell.paper_markets import Elsewhere, Sessions, recorded, session_of, synthetic
from depthwalker.shell.paper_run import PaperRun, left_by, prefix
from depthwalker.shell.rollout import look_at
from depthwalker.shell.screen import picture
from depthwalker.shell.settings import PAPER
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.transport import AioHttpTransport

PROGRAM = [sys.executable, "-m", "depthwalker.shell", "paper"]
ON_PAPER = ME + PAPER
FAST: dict[str, object] = {
    "algorithm": "dynamic_depth_walker",
    "max_slippage_percent": None,
    "max_slippage_dollars": "0.03",
    "order_timeout_seconds": 2,
    "dynamic_depth_walker": {"walk_interval_seconds": 0.2},
}
MARKED = """
    SELECT e.request_key, e.source, e.account, e.arm, e.ticker, e.side FROM execution_state e ORDER BY e.execution_id
"""


def follower() -> Follower:
    return Follower("a run", Console(file=StringIO()), live=False, brief=True)


@asynccontextmanager
async def running(rig: Rig, parents: int, *, seconds: float = 2, count: int = 10) -> AsyncIterator[PaperRun]:
    """A run on the rig's exchange, one parent after the other without a pause."""
    board = Board(follower())
    settings = replace(rig.settings(), account=ON_PAPER)
    config = parse_config(walker(seconds).execution_config)
    assert isinstance(config, Success)
    opening = Engine.open(settings, dsn=rig.dsn, signer=SIGNER, clock=rig.clock, on_turn=board.turn)
    async with AsyncExitStack() as stack:
        wire = AioHttpTransport(rig.exchange.url)
        stack.push_async_callback(wire.close)
        engine = await stack.enter_async_context(opening)
        place = Elsewhere((TICKER,), KalshiVenue(wire, None, rig.clock))
        schedule = Schedule(parents, Micros(0), Count(100 * count))
        yield PaperRun("r", schedule, config.unwrap(), engine, place, rig.clock, board, 1)


async def test_parents_are_executed_in_turn_and_marked_as_paper(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, running(rig, 3) as run:
        await run.run(1, ())
        assert [end.side for end in run.ends if isinstance(end, Trade)] == ["yes", "no", "yes"]
        assert await rig.rows(MARKED) == [
            (f"paper r {number}", "paper", ON_PAPER, None, TICKER, side)
            for number, side in enumerate(("yes", "no", "yes"), 1)
        ]
        assert await rig.rows("SELECT * FROM trades") == [], "an engine's trades are of real money"
        assert not rig.exchange.resting(ME)


async def test_at_the_paper_stage_a_parent_s_own_key_decides_its_arm(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.PAPER, 1)
    async with rigged(postgres, tmp_path) as rig, running(rig, 4) as run:
        await run.run(1, ())
        arms = {key: arm for key, _, _, arm, _, _ in await rig.rows(MARKED)}
        expected = {
            key: (Arm.WALKER if bucket(key) < 5_000 else Arm.CONTROL).value
            for key in (f"{prefix('r')}{number}" for number in range(1, 5))
        }
        assert arms == expected
        assert set(expected.values()) == {"walker", "control"}
        async with PostgresStore(postgres) as store:
            standing = await look_at(store, ME, rig.clock.now())
        assert (standing.found.walkers, standing.found.controls) == (
            sum(arm == "walker" for arm in expected.values()),
            sum(arm == "control" for arm in expected.values()),
        )


async def test_later_stages_give_paper_no_arm(postgres: str, tmp_path: Path) -> None:
    moved(postgres, ME, Stage.TENTH, 1)
    async with rigged(postgres, tmp_path) as rig, running(rig, 1) as run:
        await run.run(1, ())
        assert [row[3] for row in await rig.rows(MARKED)] == [None]


@pytest.mark.parametrize(
    ("stage", "on_paper", "counted"),
    [(Stage.PAPER, True, 6), (Stage.PAPER, False, 3), (Stage.TENTH, True, 3), (Stage.TENTH, False, 3)],
)
async def test_paper_is_the_evidence_of_the_paper_stage_and_of_no_other(
    stage: Stage, on_paper: bool, counted: int, postgres: str
) -> None:
    moved(postgres, ME, stage, 9)
    parents(postgres, ME, (1,), walker="1", control="2")
    if on_paper:
        parents(postgres, ON_PAPER, (1, 2), walker="1", control="2")
    async with PostgresStore(postgres) as store:
        found = await look_at(store, ME, Micros(time.time_ns() // 1_000))
        rows = await evidence.parents(store.assigned, ME, found.rollout)
    assert sum(one.arm is Arm.WALKER for one in rows) == found.found.walkers == counted


async def test_the_kill_switch_ends_a_run(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path) as rig, running(rig, 5) as run:
        async with PostgresStore(postgres) as store:
            await store.pull_switch("enough", "me")
        await run.run(1, ())
        assert [str(end) for end in run.ends] == [
            "trading is stopped (enough): `depthwalker stop --release` lets it go on"
        ]


async def test_where_nothing_is_offered_a_parent_is_skipped(postgres: str, tmp_path: Path) -> None:
    async with rigged(postgres, tmp_path, quiet(yes=(), no=())) as rig, running(rig, 3) as run:
        await run.run(1, ())
        assert (run.skipped, run.ends) == (3, [])


# A process that dies takes its exchange with it


async def test_an_exchange_begins_with_what_the_journals_tell_of_the_one_that_died(
    postgres: str, tmp_path: Path
) -> None:
    clock = Hurried(3)
    sold = quiet(*sellers(4_400, 4, *(0.5 * half for half in range(1, 20))))
    async with rigged(postgres, tmp_path, sold, clock=clock) as rig, running(rig, 1, seconds=12, count=900) as run:
        task = asyncio.create_task(run.run(1, ()))
        async with PostgresStore(postgres) as store, asyncio.timeout(10):
            while not [one for one in await store.unfinished(ON_PAPER) if await rested(store, one.execution_id)]:  # noqa: ASYNC110 - nothing signals what is durable
                await asyncio.sleep(0.01)
            await abandon(run._engine)
            await asyncio.gather(task, return_exceptions=True)
            before = await state_of(store, "paper r 1")
            assert not await store.unfinished(ME), "a real engine on this database is not to take it up"
    await expire_leases(postgres)
    exchange = PaperExchange([Listing(quiet())], [Account(ME, "kid", KEY.public_key(), CASH)], clock, SystemChance())
    async with exchange:
        again = Rig(exchange, postgres, tmp_path, clock)
        async with PostgresStore(postgres) as store:
            (left,) = await left_by(store, ON_PAPER, "r")
            exchange.inherit(ME, left.state, left.fills)
        assert sum(record.filled for record in exchange.orders(ME)) == total_filled(before) > 0
        assert not exchange.resting(ME)
        async with running(again, 1, seconds=12, count=900) as run:
            await run.run(2, [left])
        (end,) = run.ends
        assert isinstance(end, Trade)
        async with PostgresStore(postgres) as store:
            after = await state_of(store, "paper r 1")
        assert after.finished is not None
        own = [record.filled for record in exchange.orders(ME)]
        assert sum(own) == total_filled(after) == end.quantity * 100 > total_filled(before)
        assert await again.rows("SELECT * FROM broken_invariants") == []


async def rested(store: PostgresStore, execution_id: int) -> bool:
    state = reduce(evolve, await store.load(execution_id), START)
    return rests(state) and total_filled(state) > 0


async def state_of(store: PostgresStore, key: str) -> State:
    found = await store.find(key)
    assert found is not None
    return reduce(evolve, await store.load(found.execution_id), START)


async def expire_leases(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("UPDATE execution_leases SET expires_at = now()")


async def drawn(draw: Callable[[int], tuple[Tape, ...]], session: int) -> tuple[Tape, ...]:
    return draw(session)


async def test_each_session_has_markets_of_its_own_and_old_ones_go() -> None:
    clock = SteppingClock()
    exchange = PaperExchange((), [Account(ME, "kid", KEY.public_key(), CASH)], clock, SystemChance())
    played = recorded([quiet(*sellers(4_300, 5, 1))])
    async with exchange:
        sessions = Sessions(exchange, clock, played, Micros(100 * SECOND), Micros(60 * SECOND), drawn)
        first = await sessions.tickers()
        assert first == (f"{TICKER}-10",)
        assert await sessions.tickers() == first
        assert (await sessions.book(first[0])).yes[0] == (4_400, 20_000)
        await clock.sleep_until(Micros(1_250 * SECOND))
        assert await sessions.tickers() == (f"{TICKER}-12",)
        assert set(exchange.exchange.floors) == {f"{TICKER}-10", f"{TICKER}-12"}, "an execution may still be in it"
        await clock.sleep_until(Micros(1_301 * SECOND))
        await sessions.tickers()
        assert set(exchange.exchange.floors) == {f"{TICKER}-12", f"{TICKER}-13"}
        await sessions.open(session_of(first[0]))
        assert first[0] in exchange.exchange.floors


def test_synthetic_markets_are_the_same_for_the_same_run_and_session() -> None:
    def draw(run: str, session: int) -> tuple[Tape, ...]:
        return synthetic(run, ("thin",), Micros(20 * SECOND), Micros(10 * SECOND))(session)

    (tape,) = draw("a", 7)
    assert (tape.ticker, tape.span) == ("PAPER-THIN-7", 30 * SECOND)
    assert draw("a", 7) == (tape,)
    assert draw("a", 8)[0].opening != tape.opening
    assert draw("b", 7)[0].opening != tape.opening


# What is seen


def test_the_board_shows_what_runs_and_the_last_that_ended() -> None:
    lanes = follower()
    board = Board(lanes)
    assert "waiting for the first parent" in shown(lanes)
    ticket = Ticket(Leg.YES, Action.BUY, Count(100), Price(4_500))
    for number in range(SHOWN + 2):
        lane = board.begin(f"{number} X", "X", ticket)
        if number != 1:
            board.end(lane, "no luck")
    assert [lane.name for lane in lanes.lanes] == ["1 X", "3 X", "4 X", "5 X"]
    assert "5 X" in shown(lanes)


def shown(lanes: Follower) -> str:
    console = Console(width=100, height=20, record=True, file=StringIO())
    console.print(picture("a run", lanes.lanes, Micros(0), 100, 20), height=20)
    return console.export_text()


# The command


@pytest.fixture
def home(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", postgres)
    monkeypatch.setenv("DEPTHWALKER_STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast.json").write_text(json.dumps(FAST))
    (tmp_path / "slow.json").write_text(json.dumps(FAST | {"order_timeout_seconds": 8}))
    return tmp_path


def words(*more: str, method: str = "fast.json") -> list[str]:
    return ["--method", method, "--profile", "thin", "--every", "1", *more]


def test_a_run_ends_in_the_report_of_a_period_and_goes_on_with_the_same_command(
    home: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["paper", *words("--parents", "1", "--count", "1")]) == 0
    seen = capsys.readouterr()
    assert "no rollout has begun, so no parent has an arm" in seen.err
    assert seen.out.startswith(
        "depthwalker paper, run week: 1 parent; Ctrl-C cancels what rests and stops\n1 PAPER-THIN-"
    )
    assert "run week: 1 of 1 parent begun; 1 executed here" in seen.out
    assert "Paper executions" in (home / "paper-report.html").read_text()
    moved(postgres, "default", Stage.HALF, 0)
    assert main(["paper", *words("--parents", "2", "--count", "1", "--json")]) == 0
    seen = capsys.readouterr()
    assert "paper counts at the paper stage alone" in seen.err
    told = json.loads(seen.out)
    assert (told["done"], told["executed"], told["report"]["executions"]) == (2, 1, 2)
    assert told["report"]["paper"] is True
    assert main(["report", "--since", "1h", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["executions"] == 0
    assert main(["report", "--since", "1h", "--paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["executions"] == 2
    for option, trades in (([], 0), (["--paper"], 2)):
        assert main(["assess", *option, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["trades"] == trades


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here is always full")
def test_a_run_is_told_of_where_its_report_cannot_be_written(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["paper", *words("--parents", "1", "--count", "1", "--html", "/dev/full")]
    cannot = "its report cannot be written to /dev/full: No space left on device\n"
    assert main(run) == 0
    told = capsys.readouterr().out
    assert "run week: 1 of 1 parent begun; 1 executed here\n" in told
    assert cannot in told
    assert main([*run, "--json"]) == 0
    seen = capsys.readouterr()
    assert json.loads(seen.out)["done"] == 1
    assert cannot in seen.err


def test_a_run_names_what_it_tries_or_counts_for_no_rollout(
    home: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(postgres, "default", Stage.PAPER, 0)
    (home / "plain.json").write_text('{"order_timeout_seconds": 2, "max_slippage_percent": "0.10"}')
    given = words("--count", "1", "--json", method="plain.json")
    for number, (named, complaint) in enumerate((([], True), (["--algorithm", "dynamic_depth_walker"], False)), 1):
        assert main(["paper", *given, "--parents", str(number), *named]) in {0, 1}
        assert ("simple_limit has no arms" in capsys.readouterr().err) is complaint
    with psycopg.connect(postgres) as connection:
        rows = connection.execute("SELECT arm IS NULL FROM execution_state ORDER BY execution_id").fetchall()
    assert rows == [(True,), (False,)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--run", "a b"], "--run a b: it must be 1 to 64 letters"),
        (["X"], "our own exchange has its own markets"),
        (["--venue", "exchange"], "--venue exchange: name the markets"),
        (["X", "--venue", "exchange"], "is a real exchange, and paper sends no orders there"),
        (["--data", "absent"], "absent cannot be read"),
        (["--method", "absent.toml"], "absent.toml cannot be read"),
    ],
)
def test_what_will_never_do_is_named(
    given: list[str], said: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "prod")
    assert main(["paper", *given]) == 2
    assert said in capsys.readouterr().err


@contextmanager
def process(*given: str) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen([*PROGRAM, *given], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def wait_until_resting(dsn: str) -> None:
    """Return once the exchange has accepted an order that is not filled."""
    end = time.monotonic() + 20
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not connection.execute("SELECT FROM child_orders WHERE phase = 'live'").fetchall():
            assert time.monotonic() < end, "nothing ever rested"


def test_an_interrupt_cancels_what_rests(home: Path, postgres: str) -> None:
    with process(*words("--count", "9000", method="slow.json")) as paper:
        wait_until_resting(postgres)
        paper.send_signal(signal.SIGINT)
        said, _ = paper.communicate(timeout=20)
    assert paper.returncode == 130
    assert "records confirm that nothing rests" in said
    assert "the same command goes on with run week" in said


def test_a_run_that_was_killed_goes_on_with_what_it_left(
    home: Path, postgres: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = words("--count", "9000", "--parents", "1", "--json", method="slow.json")
    with process(*given) as paper:
        wait_until_resting(postgres)
        paper.kill()
        paper.wait()
    with psycopg.connect(postgres, autocommit=True) as connection:
        ((before,),) = connection.execute("SELECT filled_quantity FROM execution_state").fetchall()
        connection.execute("UPDATE execution_leases SET expires_at = now()")
    assert main(["paper", *given]) in {0, 1}
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["executed"], told["failed"]) == (1, 1, [])
    with psycopg.connect(postgres, autocommit=True) as connection:
        ((after, status),) = connection.execute("SELECT filled_quantity, status FROM execution_state").fetchall()
        assert status != "executing"
        assert after >= before
        assert not connection.execute("SELECT FROM broken_invariants").fetchall()
