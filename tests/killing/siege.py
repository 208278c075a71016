"""Real workers, a real PostgreSQL and a paper exchange over real sockets, and somebody who kills them at random.

Parents are queued, workers execute them, and a worker, the database or every connection to the exchange is killed again and
again. The exchange's own books are looked at all the while, and compared with the database in the end.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psycopg
from tests.killing.ground import ME, UNFINISHED, Broken, Ground, Process, folded
from tests.shell.rig import AMarket, AnEdge, walker

from depthwalker.core.execution import State
from depthwalker.core.ids import parse_client_id
from depthwalker.core.units import DOLLAR, Micros, Price, format_price
from depthwalker.shell.api import DatabaseTrouble
from depthwalker.shell.engine import Engine
from depthwalker.shell.paper import Delayed
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.synthetic import synthesize

WAITING: Final = 8  # parents in the queue while there is somebody to kill
KINDS: Final = {"worker": 70, "connections": 20, "database": 10}  # of a hundred kills
SECONDS: Final = 3_600
LONGEST_END_S: Final = 120.0
SLOW_US: Final = Micros(900_000)
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


class Siege:
    """One siege. `exchange` and the database live here, the workers are processes."""

    def __init__(self, folder: Path, seed: int, workers: int) -> None:
        self.figures = Figures(seed)
        self._chance = random.Random(seed)
        self._wanted = workers
        tapes = [synthesize(PROFILES[name], seed + place, SECONDS) for place, name in enumerate(("moderate", "thin"))]
        settings = {"MAX_CONCURRENT": "100", "BOOK_INTERVAL_SECONDS": "0.2"}
        self._ground = Ground(folder, tapes, settings, slots=5, relayed=True)

    async def run(self, kills: int) -> Figures:
        """Besiege until so many kills are done, let everything come to its end, and judge. Raises Broken."""
        since = time.monotonic()
        async with self._ground.open() as submitter:
            for _ in range(self._wanted):
                await self._ground.start_worker()
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
            self.figures.orders, self.figures.fills = await asyncio.to_thread(self._ground.judge)
        self.figures.seconds = round(time.monotonic() - since)
        return self.figures

    # What is executed

    async def _fill_queue(self, submitter: Engine) -> None:
        """Keep parents waiting; while the database is away none are added."""
        try:
            waiting = self._ground.number("SELECT count(*) FROM execution_queue WHERE status = 'queued'")
            for _ in range(WAITING - waiting):
                edge = self._parent(self.figures.parents + 1)
                if edge is not None:
                    await submitter.submit(edge, walker(self._chance.randint(4, 15), interval=0.4))
                    self.figures.parents += 1
        except (psycopg.OperationalError, DatabaseTrouble):
            pass

    def _parent(self, number: int) -> AnEdge | None:
        """Return a parent at the best offer, or the bid, of the moment."""
        ticker, side = self._chance.choice(self._ground.tickers), self._chance.choice(("yes", "no"))
        book = self._ground.exchange.book(ticker)
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
                self._ground.exchange.faults.add(kind, Delayed(SLOW_US, applied=applied), self._chance.randint(1, 2))

    # Who is killed

    def _kind(self) -> str:
        """Return who is killed next: each kind once, and then as it is drawn."""
        missing = [kind for kind in KINDS if not self.figures.kills[kind]]
        return missing[0] if missing else self._chance.choices(tuple(KINDS), tuple(KINDS.values()))[0]

    async def _kill(self, kind: str) -> None:
        match kind:
            case "worker":
                between = await self._kill_worker(
                    self._ground.workers.pop(self._chance.randrange(len(self._ground.workers)))
                )
                await self._ground.start_worker()
            case "connections":
                between = self._ground.line.cut()
            case _:
                between = any(call.asked for call in self._ground.line.calls)
                await asyncio.to_thread(self._kill_database)
        self.figures.kills[kind] += 1
        self.figures.between[kind] += between
        await self._replace_those_that_could_not_start()

    async def _replace_those_that_could_not_start(self) -> None:
        """Start workers anew that found no database; one that worked must not end by itself. Raises Broken."""
        for worker in [one for one in self._ground.workers if one.process.returncode is not None]:
            if worker.name:
                raise Broken(f"a worker ended by itself ({worker.process.returncode}): {' | '.join(worker.said)}")
            self._ground.workers.remove(worker)
            await self._ground.start_worker()

    async def _kill_worker(self, worker: Process) -> bool:
        """Kill a worker; return whether one of its executions had an order's intent without its answer."""
        with suppress(ProcessLookupError):  # it found no database when it started
            worker.process.kill()
        await worker.process.wait()
        with suppress(psycopg.OperationalError):
            return any(order.request is not None for state in self._leased(worker.name) for order in state.orders)
        return False

    def _kill_database(self) -> None:
        self._ground.kill_database()
        self._ground.cluster.start()

    # What is looked at

    async def _audit(self) -> None:
        """Look at the exchange's books all the while: nothing bought twice, no id used twice. Raises Broken."""
        while True:
            could: Counter[str] = Counter()
            seen: set[str] = set()
            for record in self._ground.exchange.orders(ME):
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
        rows = self._ground.rows("SELECT uuid, (target_quantity * 100)::bigint FROM execution_state")
        return {str(uuid): int(str(count)) for uuid, count in rows if str(uuid) in could}

    async def _wait_for_the_end(self, audit: asyncio.Task[None]) -> None:
        until = time.monotonic() + LONGEST_END_S
        while time.monotonic() < until:
            if audit.done():
                audit.result()
            await self._replace_those_that_could_not_start()
            with suppress(psycopg.OperationalError):
                if not self._ground.number(UNFINISHED):
                    return
            await asyncio.sleep(0.5)
        said = "\n".join(line for worker in self._ground.workers for line in worker.said)
        left = self._ground.rows(LEFT)
        journal = self._ground.rows(
            "SELECT seq, body::text FROM execution_journal WHERE execution_id = %s ORDER BY seq DESC LIMIT 12",
            next((row[6] for row in left if row[6] is not None), 0),
        )
        lines = "\n".join(str(row) for row in (*left, *journal))
        raise Broken(
            f"{len(left)} are not at their end after {LONGEST_END_S:.0f} s:\n{lines}\nthe workers said\n{said}"
        )

    def _leased(self, worker: str) -> Iterator[State]:
        yield from folded(self._ground.rows(LEASED, worker))
