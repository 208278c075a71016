"""The `recover` command: takes up what a dead process left, waits until it has ended, and tells what there was."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, replace

from depthwalker.core.units import SECOND
from depthwalker.shell.api import Recovered
from depthwalker.shell.conduct import LEASE
from depthwalker.shell.db import database
from depthwalker.shell.ending import OK, UNRESOLVED
from depthwalker.shell.engine import Engine
from depthwalker.shell.opening import require_key
from depthwalker.shell.settings import Recovering, Settings
from depthwalker.shell.voice import say
from depthwalker.shell.waiting import waiting


def run_recover(*, wind_down: bool, cancel_strays: bool, as_json: bool) -> int:
    """Recover and return the exit code: UNRESOLVED where an execution has not ended."""
    given = Settings.load()
    require_key(given)
    settings = replace(given, recovery=Recovering.OFF)  # what is taken up here is waited for
    with database(settings) as dsn:
        found = asyncio.run(_recover(settings, dsn, wind_down=wind_down, cancel_strays=cancel_strays))
    say(json.dumps(asdict(found), indent=2, default=str)) if as_json else say(*_told(found, cancelled=cancel_strays))
    return UNRESOLVED if found.troubles else OK


async def _recover(settings: Settings, dsn: str, *, wind_down: bool, cancel_strays: bool) -> Recovered:
    async with Engine.open(settings, dsn=dsn) as engine:
        with waiting("taking up what was left, until it has ended"):
            return await engine.recover(wind_down=wind_down, cancel_strays=cancel_strays)


def _told(found: Recovered, *, cancelled: bool) -> Iterator[str]:
    for trade in found.trades:
        result = trade.result
        yield f"execution {trade.execution_id} {result.status}: {trade.quantity} contracts ({result.reason})"
    yield from found.troubles
    if found.held:
        numbers = ", ".join(str(number) for number in found.held)
        again = f"if that one has died, it lets go in {LEASE // SECOND} s: run this again then"
        yield f"run by another worker, or until a moment ago: execution {numbers}; {again}"
    yield from (
        f"execution {number} is at another exchange: run this with base_url {exchange}"
        for number, exchange in found.elsewhere
    )
    done = "its cancel was sent" if cancelled else "--cancel-strays cancels it"
    yield from (f"order {order} rests and belongs to no unfinished execution: {done}" for order in found.strays)
    if not (found.trades or found.troubles or found.held or found.elsewhere or found.strays):
        yield "nothing was left"
