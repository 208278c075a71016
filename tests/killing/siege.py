"""Real workers, a real PostgreSQL and a paper exchange over real sockets, and somebody who kills them at random.

Parents are queued, workers execute them, and a worker, the database or every connection to the exchange is killed again and
again. The exchange's own books are looked at all the while, and compared with the database in the end.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Final

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.conftest import replay_everything
from tests.killing.line import Line
from tests.shell.rig import AMarket, AnEdge, walker

from depthwalker.core.execution import START, State, evolve
from depthwalker.core.ids import parse_client_id
from depthwalker.core.units import DOLLAR, MILLION, Micros, Money, Price, format_price
from depthwalker.shell import codec
from depthwalker.shell.api import DatabaseTrouble
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.engine import Engine
from depthwalker.shell.paper import Account, Delayed, Listing, PaperExchange
from depthwalker.shell.paper.endpoint import PREFIX as API
from depthwalker.shell.postgres import Cluster, schema_path
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer
from depthwalker.shell.synthetic import synthesize

ME: Final = "siege"
CASH: Final = Money(1_000_000 * MILLION)
WAITING: Final = 8  # parents in the queue while there is somebody to kill
KINDS: Final = {"worker": 70, "connections": 20, "database": 10}  # of a hundred kills
SECONDS: Final = 3_600
LONGEST_END_S: Final = 120.0
SLOW_US: Final = Micros(900_000)
WORKER: Final = [sys.executable, "-m", "depthwalker.shell", "worker", "--slots", "5"]
UNFINISHED: Final = """
    SELECT (SELECT count(*) FROM execution_queue WHERE status IN ('queued', 'taken'))
         + (SELECT count(*) FROM execution_state WHERE completed_at IS NULL)
"""
LEFT: Final = """
    SELECT q.request_key, q.status, q.tries, q.worker, (q.held_until - clock_timestamp())::text, q.message, e.execution_id, e.status,
           l.owner, (l.expires_at - clock_timestamp())::text, e.error_message
    FROM execution_queue q LEFT JOIN execution_state e USING (request_key) LEFT JOIN execution_leases l ON l.execution_id = e.execution_id
    WHERE q.status IN ('queued', 'taken') OR e.completed_at IS NULL AND e.execution_id IS NOT NULL
"""
LEASED: Final = """
    SELECT j.execution_id, j.body::text FROM execution_journal j JOIN execution_leases l USING (execution_id)
    JOIN execution_state s USING (execution_id)
    WHERE l.owner = %s AND s.completed_at IS NULL ORDER BY j.execution_id, j.seq
"""


@dataclass
class Figures:
    """What came of a siege. `between` are kills that fell between an order's intent and its answer."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    between: Counter[str] = field(default_factory=Counter)
    parents: int = 0
    orders: int = 0
    fills: int = 0
    seconds: int = 0


@dataclass(eq=False)
class Process:
    """A worker process: `name` is what its leases are owned by."""

    process: asyncio.subprocess.Process
    name: str = ""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=20))


class Broken(AssertionError):
    """What must never be."""


class Siege:
    """One siege. `exchange` and the database live here, the workers are processes."""

    def __init__(self, folder: Path, seed: int, workers: int) -> None:
        self.figures = Figures(seed)
        self._chance = random.Random(seed)
        self._folder = folder
        self._wanted = workers
        self._workers: list[Process] = []
        self._readers: set[asyncio.Task[None]] = set()
        self._cluster = Cluster(folder / "postgres")
        self._key = Ed25519PrivateKey.generate()
        account = Account(ME, "key-id", self._key.public_key(), CASH)
        tapes = [synthesize(PROFILES[name], seed + place, SECONDS) for place, name in enumerate(("moderate", "thin"))]
        self._exchange = PaperExchange(map(Listing, tapes), [account], SystemClock(), SystemChance())
        self._tickers = tuple(tape.ticker for tape in tapes)
        self._environment: dict[str, str] = {}

    async def run(self, kills: int) -> Figures:
        """Besiege until so many kills are done, let everything come to its end, and judge. Raises Broken."""
        since = time.monotonic()
        async with self._open() as submitter:
            for _ in range(self._wanted):
                await self._start_worker()
            audit = asyncio.create_task(self._audit())
            try:
                while self.figures.kills.total() < kills:
                    await self._fill_queue(submitter)
                    self._slow_down()
                    await asyncio.sleep(self._chance.uniform(0.3, 1.0))
                    if audit.done():
                        break
                    await self._kill(self._kind())
                await self._wait_for_the_end(audit)
            finally:
                audit.cancel()
                with suppress(asyncio.CancelledError):
                    await audit
                for worker in self._workers:
                    with suppress(ProcessLookupError):
                        worker.process.kill()
                    await worker.process.wait()
                await asyncio.gather(*self._readers)
            await asyncio.to_thread(self._judge)
        self.figures.seconds = round(time.monotonic() - since)
        return self.figures

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Engine]:
        async with AsyncExitStack() as stack:
            dsn = await asyncio.to_thread(self._cluster.start)
            stack.push_async_callback(asyncio.to_thread, self._cluster.stop)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(schema_path().read_bytes())
            url = await self._exchange.start()
            stack.push_async_callback(self._exchange.stop)
            line = Line(int(url.removesuffix(API).rpartition(":")[2]))
            relayed = f"http://127.0.0.1:{await line.open()}{API}"
            stack.push_async_callback(line.close)
            self._line = line
            key_file = self._folder / "key.pem"
            key_file.touch(mode=0o600)
            key_file.write_bytes(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            self._environment = {
                **os.environ,
                "DATABASE_URL": dsn,
                "DEPTHWALKER_BASE_URL": relayed,
                "DEPTHWALKER_KEY_ID": "key-id",
                "DEPTHWALKER_KEY_FILE": str(key_file),
                "DEPTHWALKER_ACCOUNT": ME,
                "DEPTHWALKER_MAX_CONCURRENT": "100",
                "DEPTHWALKER_BOOK_INTERVAL_SECONDS": "0.2",
                "DEPTHWALKER_STATE_DIRECTORY": str(self._folder / "state"),
            }
            settings = Settings.of(
                base_url=relayed, account=ME, recovery="off", order_groups=False, state_directory=self._folder / "state"
            )
            opening = Engine.open(settings, dsn=dsn, signer=Signer("key-id", self._key))
            yield await stack.enter_async_context(opening)

    # What is executed

    async def _fill_queue(self, submitter: Engine) -> None:
        """Keep parents waiting; while the database is away none are added."""
        try:
            (waiting,) = self._ask("SELECT count(*) FROM execution_queue WHERE status = 'queued'")
            for _ in range(WAITING - int(str(waiting))):
                edge = self._parent(self.figures.parents + 1)
                if edge is not None:
                    await submitter.submit(edge, walker(self._chance.randint(4, 15), interval=0.4))
                    self.figures.parents += 1
        except (psycopg.OperationalError, DatabaseTrouble):
            pass

    def _parent(self, number: int) -> AnEdge | None:
        """Return a parent at the best offer, or the bid, of the moment."""
        ticker, side = self._chance.choice(self._tickers), self._chance.choice(("yes", "no"))
        book = self._exchange.book(ticker)
        ours, others = (book.yes, book.no) if side == "yes" else (book.no, book.yes)
        if not ours or not others:
            return None
        price = self._chance.choice((DOLLAR - others[0][0], DOLLAR - others[0][0], ours[0][0]))
        if not 500 <= price <= 9_500:
            return None
        return AnEdge(
            number, format_price(Price(price)), self._chance.randint(1, 40), side=side, market=AMarket(ticker, ticker)
        )

    def _slow_down(self) -> None:
        """Have some of the next answers come late, so that there is something to fall into."""
        for kind in ("create", "amend", "cancel"):
            if self._chance.random() < 0.97:
                applied = self._chance.random() < 0.5
                self._exchange.faults.add(kind, Delayed(SLOW_US, applied=applied), self._chance.randint(1, 2))

    # Who is killed

    def _kind(self) -> str:
        """Return who is killed next: each kind once, and then as it is drawn."""
        missing = [kind for kind in KINDS if not self.figures.kills[kind]]
        return missing[0] if missing else self._chance.choices(tuple(KINDS), tuple(KINDS.values()))[0]

    async def _kill(self, kind: str) -> None:
        match kind:
            case "worker":
                between = await self._kill_worker(self._workers.pop(self._chance.randrange(len(self._workers))))
                await self._start_worker()
            case "connections":
                between = self._line.cut()
            case _:
                between = any(call.asked for call in self._line.calls)
                await asyncio.to_thread(self._kill_database)
        self.figures.kills[kind] += 1
        self.figures.between[kind] += between
        await self._replace_those_that_could_not_start()

    async def _replace_those_that_could_not_start(self) -> None:
        """Start workers anew that found no database; one that worked must not end by itself. Raises Broken."""
        for worker in [one for one in self._workers if one.process.returncode is not None]:
            if worker.name:
                raise Broken(f"a worker ended by itself ({worker.process.returncode}): {' | '.join(worker.said)}")
            self._workers.remove(worker)
            await self._start_worker()

    async def _kill_worker(self, worker: Process) -> bool:
        """Kill a worker; return whether one of its executions had an order's intent without its answer."""
        with suppress(ProcessLookupError):  # it found no database when it started
            worker.process.kill()
        await worker.process.wait()
        with suppress(psycopg.OperationalError):
            return any(order.request is not None for state in self._leased(worker.name) for order in state.orders)
        return False

    def _kill_database(self) -> None:
        postmaster = int((self._folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
        self._cluster.stop()
        self._cluster.start()

    async def _start_worker(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *WORKER,
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        worker = Process(process)
        self._workers.append(worker)
        reader = asyncio.create_task(_listen(worker))
        self._readers.add(reader)

    # What is looked at

    async def _audit(self) -> None:
        """Look at the exchange's books all the while: nothing bought twice, no id used twice. Raises Broken."""
        while True:
            could: Counter[str] = Counter()
            seen: set[str] = set()
            for record in self._exchange.orders(ME):
                identity = parse_client_id(record.client_order_id)
                if identity is None or record.client_order_id in seen:
                    raise Broken(f"{record} is nobody's, or its id is used twice")
                seen.add(record.client_order_id)
                could[identity.execution] += record.filled + record.remaining
            await asyncio.to_thread(self._within_parents, could)
            await asyncio.sleep(0.1)

    def _within_parents(self, could: Counter[str]) -> None:
        with suppress(psycopg.OperationalError):
            for execution, state in self._parents(could).items():
                if could[execution] > state:
                    raise Broken(f"{execution}: {could[execution]} could be filled of {state}")

    def _parents(self, could: Counter[str]) -> dict[str, int]:
        rows = self._rows("SELECT uuid, (target_quantity * 100)::bigint FROM execution_state")
        return {str(uuid): int(str(count)) for uuid, count in rows if str(uuid) in could}

    async def _wait_for_the_end(self, audit: asyncio.Task[None]) -> None:
        until = time.monotonic() + LONGEST_END_S
        while time.monotonic() < until:
            if audit.done():
                audit.result()
            await self._replace_those_that_could_not_start()
            with suppress(psycopg.OperationalError):
                (left,) = self._ask(UNFINISHED)
                if not left:
                    return
            await asyncio.sleep(0.5)
        said = "\n".join(line for worker in self._workers for line in worker.said)
        left = self._rows(LEFT)
        journal = self._rows(
            "SELECT seq, body::text FROM execution_journal WHERE execution_id = %s ORDER BY seq DESC LIMIT 12",
            next((row[6] for row in left if row[6] is not None), 0),
        )
        lines = "\n".join(str(row) for row in (*left, *journal))
        raise Broken(
            f"{len(left)} are not at their end after {LONGEST_END_S:.0f} s:\n{lines}\nthe workers said\n{said}"
        )

    def _judge(self) -> None:
        """Compare the database with the exchange's books. Raises Broken."""
        if resting := self._exchange.resting(ME):
            raise Broken(f"forgotten on the exchange: {resting}")
        orders, fills = self._exchange.orders(ME), self._exchange.fills(ME)
        by_execution: dict[str, list[str]] = {}
        filled: Counter[str] = Counter()
        for record in orders:
            identity = parse_client_id(record.client_order_id)
            assert identity is not None
            by_execution.setdefault(identity.execution, []).append(record.order_id)
            filled[identity.execution] += record.filled
        states = {state.parent.execution: state for state in self._states()}
        if unknown := set(by_execution) - set(states):
            raise Broken(f"the exchange knows executions that the database does not: {unknown}")
        for execution, state in states.items():
            ours = set(by_execution.get(execution, ()))
            mine = [fill for fill in fills if fill.order_id in ours]
            told = {trade for order in state.orders for trade in order.trades}
            checks = {
                "it has not ended": state.finished is not None,
                "more was bought than wanted": filled[execution] <= state.parent.count,
                "a fill is past the cap": all(fill.price <= state.parent.cap for fill in mine),
                "its fills are not the exchange's": told == {fill.trade_id for fill in mine},
                "an order of it may still fill": all(order.phase.value == "closed" for order in state.orders),
            }
            for what, holds in checks.items():
                if not holds:
                    raise Broken(f"execution {execution}: {what}")
        rows = self._rows("SELECT sum(quantity) FROM trades")
        if int(Decimal(str(rows[0][0] or 0)) * 100) != sum(filled.values()):
            raise Broken(f"the trades come to {rows[0][0]}, the exchange's fills to {sum(filled.values())} hundredths")
        replay_everything([self._cluster.dsn()])
        self.figures.orders, self.figures.fills = len(orders), len(fills)

    # The database, by connections of our own

    def _ask(self, query: str) -> tuple[object, ...]:
        return self._rows(query)[0]

    def _rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self._cluster.dsn(), autocommit=True, connect_timeout=5) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def _leased(self, worker: str) -> Iterator[State]:
        yield from _folded(self._rows(LEASED, worker))

    def _states(self) -> Iterator[State]:
        yield from _folded(
            self._rows("SELECT execution_id, body::text FROM execution_journal ORDER BY execution_id, seq")
        )


def _folded(rows: list[tuple[object, ...]]) -> Iterator[State]:
    journals: dict[object, list[str]] = {}
    for execution, body in rows:
        journals.setdefault(execution, []).append(str(body))
    for lines in journals.values():
        yield reduce(evolve, map(codec.decode, lines), START)


async def _listen(worker: Process) -> None:
    """Keep what a worker says, and its name."""
    assert worker.process.stderr is not None
    while line := await worker.process.stderr.readline():
        text = line.decode().strip()
        worker.said.append(text)
        if text.startswith("worker ") and not worker.name:
            worker.name = text.split()[1]
