"""Where real workers work: a PostgreSQL, a paper exchange over real sockets with one account, and worker processes."""

import asyncio
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
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

from depthwalker.core.execution import START, State, evolve
from depthwalker.core.ids import parse_client_id
from depthwalker.core.tape import Tape
from depthwalker.core.units import MILLION, Money
from depthwalker.shell import codec
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.engine import Engine
from depthwalker.shell.paper import Account, Listing, Options, PaperExchange
from depthwalker.shell.paper.endpoint import PREFIX as API
from depthwalker.shell.postgres import Cluster, schema_path
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer

ME: Final = "siege"
CASH: Final = Money(1_000_000 * MILLION)
USUAL: Final = Options()
PROGRAM: Final = [sys.executable, "-m", "depthwalker.shell"]
UNFINISHED: Final = """
    SELECT (SELECT count(*) FROM execution_queue WHERE status IN ('queued', 'taken'))
         + (SELECT count(*) FROM execution_state WHERE completed_at IS NULL)
"""


@dataclass(eq=False)
class Process:
    """A worker process: `name` is what its leases are owned by."""

    process: asyncio.subprocess.Process
    name: str = ""
    said: deque[str] = field(default_factory=lambda: deque(maxlen=20))


class Broken(AssertionError):
    """What must never be."""


class Ground:
    """The exchange and the database live here, the workers are processes; `line` is between them and the exchange, if told."""

    def __init__(
        self,
        folder: Path,
        tapes: Sequence[Tape],
        settings: Mapping[str, str],
        *,
        slots: int,
        options: Options = USUAL,
        relayed: bool = False,
    ) -> None:
        """`settings` are the workers' own environment variables, without their prefix."""
        self.folder = folder
        self.cluster = Cluster(folder / "postgres")
        self.workers: list[Process] = []
        self.tickers = tuple(tape.ticker for tape in tapes)
        self.line = Line(0)
        self._key = Ed25519PrivateKey.generate()
        self.signer = Signer("key-id", self._key)
        account = Account(ME, "key-id", self._key.public_key(), CASH)
        self.exchange = PaperExchange(map(Listing, tapes), [account], SystemClock(), SystemChance(), options)
        self._slots = slots
        self._relayed = relayed
        self._settings = settings
        self._readers: set[asyncio.Task[None]] = set()
        self._environment: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Engine]:
        """Start database and exchange, and give an engine that submits; the workers are killed in the end."""
        async with AsyncExitStack() as stack:
            dsn = await asyncio.to_thread(self.cluster.start)
            stack.push_async_callback(asyncio.to_thread, self.cluster.stop)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(schema_path().read_bytes())
            url = await self.exchange.start()
            stack.push_async_callback(self.exchange.stop)
            if self._relayed:
                self.line.port = int(url.removesuffix(API).rpartition(":")[2])
                url = f"http://127.0.0.1:{await self.line.open()}{API}"
                stack.push_async_callback(self.line.close)
            key_file = self.folder / "key.pem"
            key_file.touch(mode=0o600)
            key_file.write_bytes(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            self._environment = {
                **os.environ,
                "DATABASE_URL": dsn,
                "DEPTHWALKER_BASE_URL": url,
                "DEPTHWALKER_KEY_ID": "key-id",
                "DEPTHWALKER_KEY_FILE": str(key_file),
                "DEPTHWALKER_ACCOUNT": ME,
                "DEPTHWALKER_STATE_DIRECTORY": str(self.folder / "state"),
                **{f"DEPTHWALKER_{name}": value for name, value in self._settings.items()},
            }
            settings = Settings.of(
                base_url=url, account=ME, recovery="off", order_groups=False, state_directory=self.folder / "state"
            )
            opening = Engine.open(settings, dsn=dsn, signer=self.signer)
            submitter = await stack.enter_async_context(opening)
            stack.push_async_callback(self._end_workers)
            yield submitter

    async def start_worker(self) -> None:
        """Start one more worker process."""
        process = await asyncio.create_subprocess_exec(
            *PROGRAM,
            "worker",
            "--slots",
            str(self._slots),
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        worker = Process(process)
        self.workers.append(worker)
        self._readers.add(asyncio.create_task(_listen(worker)))

    async def command(self, *words: str) -> str:
        """Return what a command of the program prints, run in a process with the workers' settings."""
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, *words, env=self._environment, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return said.decode()

    def kill_database(self) -> None:
        """Kill the database's server (`kill -9`); it is started again by `cluster.start`."""
        os.kill(int((self.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        self.cluster.stop()

    async def _end_workers(self) -> None:
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.process.kill()
            await worker.process.wait()
        await asyncio.gather(*self._readers)

    def judge(self) -> tuple[int, int]:
        """Compare the database with the exchange's books; return how many orders and fills there were. Raises Broken."""
        if resting := self.exchange.resting(ME):
            raise Broken(f"forgotten on the exchange: {resting}")
        orders, fills = self.exchange.orders(ME), self.exchange.fills(ME)
        by_execution: dict[str, list[str]] = {}
        filled: Counter[str] = Counter()
        for record in orders:
            identity = parse_client_id(record.client_order_id)
            assert identity is not None
            by_execution.setdefault(identity.execution, []).append(record.order_id)
            filled[identity.execution] += record.filled
        states = {state.parent.execution: state for state in self.states()}
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
        rows = self.rows("SELECT sum(quantity) FROM trades")
        if int(Decimal(str(rows[0][0] or 0)) * 100) != sum(filled.values()):
            raise Broken(f"the trades come to {rows[0][0]}, the exchange's fills to {sum(filled.values())} hundredths")
        replay_everything([self.cluster.dsn()])
        return len(orders), len(fills)

    # The database, by connections of our own

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.cluster.dsn(), autocommit=True, connect_timeout=5) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def number(self, query: str) -> int:
        """Return the only number of a query."""
        return int(str(self.rows(query)[0][0]))

    def states(self) -> Iterator[State]:
        """Yield every execution as its journal folds."""
        yield from folded(
            self.rows("SELECT execution_id, body::text FROM execution_journal ORDER BY execution_id, seq")
        )


def folded(rows: list[tuple[object, ...]]) -> Iterator[State]:
    """Yield the executions whose journals' lines these are."""
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
