"""A week: a real database, a process that is killed twice and started again with the same words, and the judgement at its end."""

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psycopg
from tests.conftest import replay_everything
from tests.paper_week.process import DAY, DAYS, HARMFUL_DAY, PAUSED_HOUR

from depthwalker.core.guard import day_of
from depthwalker.core.period import Estimate, estimate
from depthwalker.core.rollout import Arm, Assigned, difference
from depthwalker.core.units import Micros, Money
from depthwalker.shell.postgres import Cluster, schema_path

PARENTS_AT_LEAST = 2_000
KILLS = ((300, 700), (1_100, 1_700))  # between which parents
HASTY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
ROWS = """
    SELECT e.arm, e.ticker, (m.created_at AT TIME ZONE 'UTC')::date - date '1970-01-01',
        round(m.shortfall_cents * 10000)::bigint, m.liquidity_category, m.target_quantity::float, m.filled_quantity::float
    FROM execution_metrics m JOIN execution_state e USING (execution_id) WHERE e.source = 'paper'
"""
JOURNAL = "SELECT number, (extract(epoch FROM at) * 1000000)::bigint, move, stage, decided_by, reason FROM rollout_journal ORDER BY 1"


class Told(msgspec.Struct, frozen=True):
    """A line that a process says; each says one of these things."""

    began: int = 0
    waited: float | None = None
    day: int = 0
    advice: str = "-"
    reason: str = ""
    danger: str = ""
    stopped: str = ""
    hour: int = 0
    skipped: int = 0
    resting: int = 0
    end: bool = False


class Match(msgspec.Struct, frozen=True):
    """A fill as an exchange wrote it down; `inherited` where it learned of it from a journal."""

    order: str
    trade: str
    count: int
    inherited: bool


@dataclass(frozen=True)
class Parent:
    """A finished parent: what it cost in microdollars a contract, and its contracts."""

    arm: str | None
    market: str
    day: int
    cost: int | None
    liquidity: str | None
    wanted: float
    filled: float


class Broken(AssertionError):
    """What must never be."""


@dataclass(frozen=True)
class Row:
    """What an arm's parents came to, in one class of market or in all."""

    group: str
    parents: Counter[str]
    filled: dict[str, float]
    cost: dict[str, Estimate]
    gap: Estimate | None


@dataclass
class Figures:
    """What came of a week."""

    seed: int
    parents: int = 0
    after: int = 0
    unarmed: int = 0
    skipped: int = 0
    orders: int = 0
    fills: int = 0
    unheard: int = 0
    inherited: int = 0
    seconds: int = 0
    kills: list[str] = field(default_factory=list)
    days: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    paused: str = ""


class Week:
    """One week."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.figures = Figures(seed)
        self._folder = folder
        self._random = random.Random(seed)
        self._begin = Micros((day_of(Micros(time.time_ns() // 1_000)) - DAYS - 4) * DAY)
        self._told: dict[int, Told] = {}

    async def run(self) -> Figures:
        """Live it, and judge. Raises Broken."""
        since = time.monotonic()
        with Cluster(self._folder / "postgres", settings=HASTY) as cluster:
            dsn = cluster.dsn()
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(schema_path().read_bytes())
            for first, last in KILLS:
                await self._life(dsn, self._random.randint(first, last))
            await self._life(dsn, None)
            self.figures.seconds = round(time.monotonic() - since)
            self._judge(dsn)
        return self.figures

    async def _life(self, dsn: str, dies_at: int | None) -> None:
        """Let a process live, to its end or until it is killed soon after it began with a parent. Raises Broken."""
        words = [sys.executable, "-m", "tests.paper_week.process", dsn, str(self._folder), str(self.figures.seed)]
        process = await asyncio.create_subprocess_exec(
            *words, str(self._begin), stdout=asyncio.subprocess.PIPE, limit=2**20
        )
        assert process.stdout is not None
        began, ended = 0, False
        try:
            while line := await process.stdout.readline():
                told = msgspec.json.decode(line, type=Told)
                self._hear(told)
                began, ended = told.began or began, ended or told.end
                if dies_at is not None and told.began >= dies_at:
                    await asyncio.sleep(self._random.uniform(0, 0.2))
                    break
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            code = await process.wait()
        if ended and dies_at is None:
            return
        if dies_at is None or code != -signal.SIGKILL:
            raise Broken(f"a process ended by itself, with {code}")
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("SELECT request_key FROM execution_state WHERE status = 'executing'").fetchall()
        self.figures.kills.append(f"after parent {began}, with {len(rows)} in flight")

    def _hear(self, told: Told) -> None:
        if told.day:
            self._told[told.day] = told
            print(f"day {told.day}: {told.advice}: {told.reason}", flush=True)
        if told.waited is not None and self.figures.kills:
            self.figures.kills[-1] += f"; its leases ran out {told.waited} s later"
        self.figures.skipped += told.skipped
        if told.resting:
            raise Broken(f"{told.resting} orders rest after the burst of hour {told.hour}")

    def _judge(self, dsn: str) -> None:
        figures = self.figures
        replay_everything([dsn])  # each decision as it is journalled, and no row of broken_invariants
        with psycopg.connect(dsn) as connection:
            left = connection.execute("SELECT count(*) FROM execution_state WHERE status = 'executing'").fetchone()
            if left != (0,):
                raise Broken(f"{left} have not ended")
            orders = connection.execute("SELECT count(*) FROM child_orders").fetchone()
            journals = connection.execute(
                "SELECT order_id, trade_id, (quantity * 100)::bigint FROM execution_fills"
            ).fetchall()
            rows = [Parent(*row) for row in connection.execute(ROWS).fetchall()]
            moves = connection.execute(JOURNAL).fetchall()
            paused = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE filled_quantity = target_quantity) FROM execution_state "
                "WHERE created_at BETWEEN depthwalker_instant(%s) AND depthwalker_instant(%s)",
                (
                    self._begin + PAUSED_HOUR * DAY // 24 + 45_000_000,
                    self._begin + PAUSED_HOUR * DAY // 24 + 125_000_000,
                ),
            ).fetchone()
        assert orders is not None
        assert paused is not None
        week = [row for row in rows if row.day < day_of(self._begin) + DAYS]
        figures.parents, figures.after = len(week), len(rows) - len(week)
        figures.unarmed = sum(row.arm is None for row in rows)
        figures.orders, figures.fills = orders[0], len(journals)
        if figures.parents < PARENTS_AT_LEAST:
            raise Broken(f"only {figures.parents} parents")
        figures.paused = (
            f"{paused[0]} parents began from 20 s before it to its end, {paused[1]} of them were filled in full"
        )
        self._compare({(order, trade, count) for order, trade, count in journals})
        self._measure(rows, week)
        figures.moves = [
            f"day {(at - self._begin) // DAY + 1}, {(at - self._begin) % DAY // (DAY // 24)} h: {move} -> {stage} by {'a person' if '@' in by else f'the {by}'}: {reason}"
            for _, at, move, stage, by, reason in moves
        ]

    def _compare(self, journals: set[tuple[str, str, int]]) -> None:
        """Compare the journals' fills with what the exchanges wrote down before anybody heard of it."""
        lines = (self._folder / "fills.jsonl").read_bytes().splitlines()
        matches = [msgspec.json.decode(line, type=Match) for line in lines]
        exchange = {(one.order, one.trade, one.count) for one in matches}
        first = {(one.order, one.trade, one.count) for one in matches if not one.inherited}
        if unknown := journals - exchange:
            raise Broken(f"fills that no exchange made: {unknown}")
        self.figures.unheard = len(exchange - journals)
        self.figures.inherited = len(exchange - first)

    def _measure(self, rows: Sequence[Parent], week: Sequence[Parent]) -> None:
        figures = self.figures
        begin = day_of(self._begin)
        usual = [one for one in week if one.arm is not None and one.day - begin != HARMFUL_DAY]
        groups = {
            "the week but for the harmful day": usual,
            **{
                f"of it {kind}": [one for one in usual if one.liquidity == kind]
                for kind in ("thin", "moderate", "liquid")
            },
            "the harmful day": [one for one in week if one.arm is not None and one.day - begin == HARMFUL_DAY],
        }
        figures.rows = [_row(group, some) for group, some in groups.items() if some]
        for day in range(DAYS + 4):
            told = self._told.get(day + 1, Told())
            what = "harmful" if day == HARMFUL_DAY or day >= DAYS else "a pause" if day == PAUSED_HOUR // 24 else ""
            found = _row("", [one for one in rows if one.arm is not None and one.day - begin == day])
            counts = f"{found.parents['walker']}, {found.parents['control']}"
            gap = "-" if found.gap is None else cents(found.gap)
            guard = told.stopped or told.danger or ("quiet" if told.day else "-")
            figures.days.append(f"| {day + 1} | {what} | {counts} | {gap} | {guard} | {told.advice} |")


def cents(found: Estimate) -> str:
    """Return an estimate in cents a contract."""
    if found.low is None or found.high is None:
        return f"{found.mean / 10_000:+.2f}"
    return f"{found.mean / 10_000:+.2f} ({found.low / 10_000:+.2f} to {found.high / 10_000:+.2f})"


def _row(group: str, parents: Sequence[Parent]) -> Row:
    arms = {arm: [one for one in parents if one.arm == arm.value] for arm in Arm}
    costs = {arm: [(one.cost, one.market) for one in some if one.cost is not None] for arm, some in arms.items()}
    assigned = [
        Assigned(arm, one.market, one.day, Money(one.cost))
        for arm, some in arms.items()
        for one in some
        if one.cost is not None
    ]
    return Row(
        group,
        Counter({arm.value: len(some) for arm, some in arms.items()}),
        {
            arm.value: sum(one.filled for one in some) / sum(one.wanted for one in some)
            for arm, some in arms.items()
            if some
        },
        {arm.value: estimate(*zip(*some, strict=True)) for arm, some in costs.items() if some},
        difference(assigned, lambda one: one.market),
    )
