"""The `worker` command: executes what is queued until Ctrl-C, which winds down what runs and leaves the rest queued."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict

from depthwalker.shell.api import Trade
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.db import database
from depthwalker.shell.ending import INTERRUPTED, OK
from depthwalker.shell.engine import Engine
from depthwalker.shell.interrupt import Interrupts
from depthwalker.shell.job_queue import Taken
from depthwalker.shell.opening import require_key
from depthwalker.shell.settings import Settings
from depthwalker.shell.voice import complain, say
from depthwalker.shell.worker import Worker


def run_worker(slots: int, *, drain: bool, as_json: bool) -> int:
    """Work and return the exit code."""
    settings = Settings.load()
    require_key(settings)
    with database(settings) as dsn:
        interrupted = asyncio.run(_work(settings, dsn, slots, _teller(as_json=as_json), drain=drain))
    return INTERRUPTED if interrupted else OK


async def _work(
    settings: Settings, dsn: str, slots: int, told: Callable[[Taken, Trade | str], None], *, drain: bool
) -> bool:
    async with Engine.open(settings, dsn=dsn) as engine:
        assert engine.queue is not None, "its store is PostgreSQL"
        gone: list[OSError] = []

        def tell(taken: Taken, end: Trade | str) -> None:
            try:
                told(taken, end)
            except OSError as error:  # nobody reads it any more
                gone.append(error)
                worker.stop()

        worker = Worker(engine, engine.queue, SystemClock(), engine.worker, slots, tell)

        def stop() -> None:
            complain("stopping: what rests is cancelled, what is queued stays queued; once more leaves at once")
            worker.stop()

        def leave() -> None:
            complain("left at once: what rests expires by itself, and the next worker takes it up")

        with Interrupts(stop, leave) as interrupts:
            complain(f"worker {engine.worker} takes what is queued for account {settings.account}; Ctrl-C stops it")
            await worker.run(drain=drain)
            if gone:
                raise gone[0]
            return interrupts.count > 0


def _teller(*, as_json: bool) -> Callable[[Taken, Trade | str], None]:
    def tell(taken: Taken, end: Trade | str) -> None:
        if as_json:
            trade = None if isinstance(end, str) else asdict(end)
            fields = {"request_key": taken.request_key, "trade": trade, "reason": end if trade is None else ""}
            say(json.dumps(fields, default=str))
        elif isinstance(end, str):
            say(f"{taken.request_key}: not executed: {end}")
        else:
            result = end.result
            say(f"{taken.request_key}: execution {end.execution_id} {result.status}, {end.quantity} contracts")

    return tell
