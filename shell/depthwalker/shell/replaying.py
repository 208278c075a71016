"""The `replay` command: journals read again from the database, each decision recomputed from the view that it acted on."""

import asyncio
import json
from collections.abc import Iterator
from typing import assert_never

from depthwalker.core.execution import total_filled
from depthwalker.core.replay import Difference, Newer, Reading, Replayed, replay
from depthwalker.core.units import format_count
from depthwalker.shell import codec
from depthwalker.shell.db import database
from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.journal import NoSuchExecution
from depthwalker.shell.settings import Settings
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.voice import say
from depthwalker.shell.waiting import waiting


def run_replay(executions: tuple[int, ...], *, every: bool, as_json: bool) -> int:
    """Replay and return the exit code: FAILED where a decision comes out otherwise, REFUSED where there is no execution."""
    settings = Settings.load()
    with database(settings) as dsn:
        try:
            found = asyncio.run(_read(dsn, executions, every=every))
        except NoSuchExecution as error:
            raise Wrong(f"{error}: in `depthwalker db shell` the table execution_state lists them") from error
        except codec.Unreadable as error:
            raise Ended(FAILED, f"a journal cannot be read: {error}; a newer version reads it") from error
    if as_json:
        say(json.dumps([_fields(number, reading) for number, reading in found], indent=2))
    else:
        say(*(line for number, reading in found for line in _lines(number, reading)))
    return OK if all(isinstance(reading, Replayed) for _, reading in found) else FAILED


async def _read(dsn: str, executions: tuple[int, ...], *, every: bool) -> list[tuple[int, Reading]]:
    found: list[tuple[int, Reading]] = []
    async with PostgresStore(dsn) as store:
        asked = await store.executions() if every else executions
        with waiting("replaying") as told:
            for number in asked:
                told(f"replaying execution {number}, {len(found) + 1} of {len(asked)}")
                found.append((number, replay(await store.load(number))))
    return found


def _lines(number: int, reading: Reading) -> Iterator[str]:
    match reading:
        case Replayed(state, same, passed):
            rest = f"; {passed} of another version, or of a bug, not compared" if passed else ""
            filled, wanted = format_count(total_filled(state)), format_count(state.parent.count)
            yield f"execution {number}: {same} decisions come out as journalled{rest}; {filled} of {wanted} contracts filled"
        case Difference(entry, journalled, recomputed):
            yield f"execution {number}: the decision at entry {entry} comes out otherwise"
            yield from (f"  journalled  {codec.encode(fact).decode()}" for fact in journalled[1:])
            yield from (f"  recomputed  {codec.encode(fact).decode()}" for fact in recomputed[1:])
        case Newer(form):
            yield f"execution {number}: its journal has format {form}, which only a newer version reads"
        case _ as never:
            assert_never(never)


def _fields(number: int, reading: Reading) -> dict[str, object]:
    match reading:
        case Replayed(_, same, passed):
            return {"execution": number, "result": "same", "compared": same, "not_compared": passed}
        case Difference(entry, journalled, recomputed):
            told = {"journalled": journalled, "recomputed": recomputed}
            facts = {name: json.loads(codec.encode_all(which)) for name, which in told.items()}
            return {"execution": number, "result": "different", "entry": entry, **facts}
        case Newer(form):
            return {"execution": number, "result": "newer", "format": form}
        case _ as never:
            assert_never(never)
