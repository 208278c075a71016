"""Two hundred parents at once: real worker processes, a real PostgreSQL, a paper exchange over real sockets at a tier's budget."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

from tests.killing.ground import UNFINISHED, Broken, Ground
from tests.shell.rig import AMarket, AnEdge, walker

from depthwalker.core.fact import Fact, Finished, Started, Viewed
from depthwalker.core.units import DOLLAR, SECOND, Price, format_price
from depthwalker.shell import codec
from depthwalker.shell.engine import Engine
from depthwalker.shell.paper import Options
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.synthetic import synthesize

WORKERS: Final = 4
MARKETS: Final = 5
TICK_S: Final = 4  # the specification's walk interval
TIMEOUT_S: Final = 40  # and its time-out
TAPE_S: Final = 600
LONGEST_S: Final = 400.0
HERTZ: Final = os.sysconf("SC_CLK_TCK")
ALGORITHMS: Final = """
    SELECT algorithm || coalesce(': ' || nullif(regexp_replace(algorithm_reason, '[;:].*', ''), 'configured'), ''), count(*)
    FROM execution_state GROUP BY 1 ORDER BY 2 DESC
"""
WAITED: Final = """
    SELECT extract(epoch FROM e.created_at - q.submitted_at)
    FROM execution_state e JOIN execution_queue q USING (request_key)
"""


@dataclass
class Figures:
    """What a run came to. Seconds: ends after the deadline, ticks beyond their interval, waits in the queue; times used."""

    tier: str
    parents: int
    peak: int = 0
    ran: list[tuple[str, int]] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    orders: int = 0
    fills: int = 0
    requests: int = 0
    seconds: float = 0.0
    workers_s: float = 0.0
    database_s: float = 0.0
    exchange_s: float = 0.0
    others_s: float = 0.0

    @property
    def holds(self) -> bool:
        """Return whether no deadline was missed by more than a tick, and nothing was answered with 429."""
        return max(self.late) <= TICK_S and not self.throttled


async def run(folder: Path, tier: str, parents: int, seed: int) -> Figures:
    """Have so many parents executed at once at a tier's budget, and judge. Raises Broken."""
    figures, chance = Figures(tier, parents), Random(seed)
    tapes = [synthesize(PROFILES["moderate"], seed + place, TAPE_S) for place in range(MARKETS)]
    settings = {"MAX_CONCURRENT": str(parents)}
    ground = Ground(folder, tapes, settings, slots=-(-parents // WORKERS), options=Options(usage_tier=tier))
    async with ground.open() as submitter:
        for _ in range(WORKERS):
            await ground.start_worker()
        async with asyncio.timeout(LONGEST_S):
            while not all(worker.name for worker in ground.workers):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.1)
            begun, used, busy = time.monotonic(), _used(ground), _busy()
            await _submit(ground, submitter, chance, parents)
            while await asyncio.to_thread(ground.number, UNFINISHED):
                if any(worker.process.returncode is not None for worker in ground.workers):
                    raise Broken("a worker ended by itself: " + " | ".join(ground.workers[0].said))
                await asyncio.sleep(1)
        figures.seconds = time.monotonic() - begun
        times = [after - before for before, after in zip(used, _used(ground), strict=True)]
        figures.workers_s, figures.database_s, figures.exchange_s = times
        figures.others_s = _busy() - busy - sum(times)
        answers = ground.exchange.answers
        figures.throttled = Counter({kind: count for (kind, status), count in answers.items() if status == 429})
        figures.requests = ground.exchange.requests.total()
        figures.orders, figures.fills = await asyncio.to_thread(ground.judge)
        await asyncio.to_thread(_read, ground, figures)
    return figures


async def _submit(ground: Ground, submitter: Engine, chance: Random, parents: int) -> None:
    """Queue them all, each three cents below the bid of the moment: it has to wait and to walk, and nearly all are at work at once."""
    for number in range(1, parents + 1):
        ticker = ground.tickers[number % MARKETS]
        side = chance.choice(("yes", "no"))
        book = ground.exchange.book(ticker)
        best = (book.yes if side == "yes" else book.no)[0][0]
        price = format_price(Price(max(100, min(best, DOLLAR - 500) - 300)))
        edge = AnEdge(number, price, chance.randint(1, 20), side=side, market=AMarket(ticker, ticker))
        await submitter.submit(edge, walker(TIMEOUT_S, interval=TICK_S))


def _read(ground: Ground, figures: Figures) -> None:
    """Read from the journals how it went."""
    rows = ground.rows("SELECT execution_id, body::text FROM execution_journal ORDER BY execution_id, seq")
    journals: dict[object, list[Fact]] = {}
    for execution, body in rows:
        journals.setdefault(execution, []).append(codec.decode(str(body)))
    for facts in journals.values():
        first, last = facts[0], facts[-1]
        assert isinstance(first, Started)
        assert isinstance(last, Finished)
        figures.ended[f"{last.status.value} ({last.reason.partition('; ')[2]})"] += 1
        figures.late.append((last.at - first.parent.deadline) / SECOND)
        ticks = [fact.at for fact in facts if isinstance(fact, Viewed) and fact.tick]
        figures.ticks += [(later - earlier) / SECOND - TICK_S for earlier, later in pairwise(ticks)]
    figures.peak = _peak((facts[0].at, facts[-1].at) for facts in journals.values())
    figures.ran = [(str(what), int(str(count))) for what, count in ground.rows(ALGORITHMS)]
    figures.waited = [float(str(row[0])) for row in ground.rows(WAITED)]


def _peak(spans: Iterable[tuple[int, int]]) -> int:
    """Return how many of these spans were under way at once, at most."""
    at_once, most = 0, 0
    for _, step in sorted(moment for begun, ended in spans for moment in ((begun, 1), (ended, -1))):
        at_once += step
        most = max(most, at_once)
    return most


def _used(ground: Ground) -> tuple[float, float, float]:
    """Return the processor time so far of the workers, the database and this process, which is the exchange's."""
    workers = sum(_times(worker.process.pid)[0] for worker in ground.workers)
    return workers, _database(ground), time.process_time()


def _database(ground: Ground) -> float:
    postmaster = int((ground.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    own, gone = _times(postmaster)
    processes = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return own + gone + sum(_times(one)[0] for one in processes if _parent(one) == postmaster)


def _stat(process: int) -> Sequence[str]:
    """Return the fields of a process behind its name, none where it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ()


def _parent(process: int) -> int:
    fields = _stat(process)
    return int(fields[1]) if fields else 0


def _times(process: int) -> tuple[float, float]:
    """Return a process's processor time in seconds, and that of its children that have ended."""
    fields = _stat(process)
    own, gone = (sum(map(int, fields[first : first + 2])) / HERTZ for first in (11, 13))
    return own, gone


def _busy() -> float:
    """Return the processor time that the whole machine has used, in seconds."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / HERTZ
