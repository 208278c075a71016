"""The `stop` command: pulls the kill switch, waits until every worker has obeyed, and ends what no worker runs any more."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from typing import Final

import psycopg

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.api import DatabaseTrouble, DepthwalkerError, Recovered
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.db import NoSchema, database, in_words, prepare
from depthwalker.shell.ending import FAILED, INTERRUPTED, OK, REFUSED, UNRESOLVED, Ended, Wrong
from depthwalker.shell.engine import Engine
from depthwalker.shell.journal import Pulled, Store, StoreError
from depthwalker.shell.opening import open_store
from depthwalker.shell.ports import Clock
from depthwalker.shell.postmaster import PostgresUnavailable
from depthwalker.shell.settings import Recovering, Settings, SettingsError, named_database
from depthwalker.shell.somebody import somebody
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.voice import complain, say
from depthwalker.shell.waiting import waiting

PATIENCE: Final = Micros(15 * SECOND)  # a worker obeys within a second, and then has its orders' records to read
LOOK: Final = Micros(SECOND // 4)
INSTEAD: Final = (
    "mend it, or run this where the database answers; until then interrupt the processes that trade (Ctrl-C, SIGINT: "
    "each cancels what rests), or cancel the orders at the exchange"
)
NO_KEY: Final = "without an API key what no worker runs is left, and whether an order rests is not known: set DEPTHWALKER_KEY_ID and DEPTHWALKER_KEY_FILE"


@dataclass(frozen=True, slots=True)
class Stopped:
    """What came of a stop: executions that have not ended, what was taken up of dead workers, and what else to know."""

    reason: str
    unfinished: tuple[int, ...]
    recovered: Recovered | None
    trouble: str = ""


def run_stop(reason: str, *, as_json: bool) -> int:
    """Stop everything and return the exit code: UNRESOLVED where an execution has not ended."""
    if not reason.strip():
        raise Wrong("--reason: say why, in a word or more")
    try:
        with ExitStack() as stack:
            settings, dsn = _reached(stack)
            found = asyncio.run(_stop(settings, dsn, reason.strip()))
    except KeyboardInterrupt:
        raise Ended(INTERRUPTED, "interrupted: the kill switch is pulled only if a line above says so") from None
    except (DatabaseTrouble, StoreError) as error:
        raise Ended(FAILED, f"WHETHER THE KILL SWITCH IS PULLED IS NOT KNOWN: {error}; {INSTEAD}") from error
    say(json.dumps(asdict(found), indent=2, default=str)) if as_json else say(*_told(found))
    return OK if _all_ended(found) else UNRESOLVED


def _reached(stack: ExitStack) -> tuple[Settings | SettingsError, str]:
    """Return the settings, or what is wrong with them, and the database, which nothing was asked of yet. Raises Ended."""
    try:
        try:
            settings = Settings.load()
        except SettingsError as wrong:  # it takes no more than the database to pull the switch
            dsn = named_database()
            if dsn is None:
                raise
            prepare(dsn, own=False)
            return wrong, dsn
        if settings.database_url is None:
            where = settings.state_directory
            complain(f"DATABASE_URL is not set: this stops what is on the embedded database in {where}, nothing else")
        return settings, stack.enter_context(database(settings, load=False))
    except (SettingsError, PostgresUnavailable, NoSchema, psycopg.Error, OSError) as error:
        code = REFUSED if isinstance(error, SettingsError) else FAILED
        said = in_words(error) if isinstance(error, psycopg.Error) else str(error)
        raise Ended(code, f"THE KILL SWITCH IS NOT PULLED, what trades goes on: {said}; {INSTEAD}") from error


def run_release(*, as_json: bool) -> int:
    """Release the kill switch and return the exit code."""
    settings = Settings.load()
    with database(settings) as dsn:
        released = asyncio.run(_release(dsn))
    if as_json:
        say(json.dumps({"released": released}))
    else:
        say("trading may go on" if released else "the kill switch is not pulled")
    return OK


async def _release(dsn: str) -> bool:
    async with open_store(dsn) as store:
        return await store.release_switch(somebody())


async def _stop(settings: Settings | SettingsError, dsn: str, reason: str) -> Stopped:
    pulled = await _pulled_as_it_is(dsn, reason) or await _pulled_brought_up(dsn, reason)
    try:
        return await _end_all(settings, dsn, pulled)
    except (DepthwalkerError, StoreError) as error:
        return Stopped(pulled.reason, (), None, str(error))


async def _pulled_as_it_is(dsn: str, reason: str) -> Pulled | None:
    """Pull the switch of the database as it stands, if it has one: to bring it up to this version may wait for locks."""
    with suppress(StoreError):
        async with PostgresStore(dsn) as store:
            return await _pull(store, reason)
    return None


async def _pulled_brought_up(dsn: str, reason: str) -> Pulled:
    async with open_store(dsn) as store:
        return await _pull(store, reason)


async def _pull(store: Store, reason: str) -> Pulled:
    before = await store.switch()
    pulled = await store.pull_switch(reason, somebody())
    complain(
        f"the kill switch is pulled: {reason}"
        if before is None
        else f"the kill switch was pulled already, by {pulled.by}: {pulled.reason}"
    )
    return pulled


async def _end_all(settings: Settings | SettingsError, dsn: str, pulled: Pulled) -> Stopped:
    clock = SystemClock()
    async with open_store(dsn) as store:
        with waiting("waiting until every worker has obeyed"):
            await _obeyed(store, clock)
        recovered, trouble = None, ""
        if isinstance(settings, SettingsError):
            trouble = f"what no worker runs is left, and whether an order rests is not known: {settings}"
        elif settings.key_id is None:
            trouble = NO_KEY
        else:
            try:
                async with Engine.open(replace(settings, recovery=Recovering.OFF), dsn=dsn) as engine:
                    recovered = await engine.recover(wind_down=True, cancel_strays=True)
            except DepthwalkerError as error:
                trouble = str(error)
        left = tuple(one.execution_id for one in await store.unfinished())
        return Stopped(pulled.reason, left, recovered, trouble)


async def _obeyed(store: Store, clock: Clock) -> None:
    """Return once no worker runs anything any more, or patience has run out."""
    until = clock.now() + PATIENCE
    while not all(one.expired for one in await store.unfinished()) and clock.now() < until:
        await clock.sleep_until(Micros(clock.now() + LOOK))


def _all_ended(found: Stopped) -> bool:
    troubles = () if found.recovered is None else found.recovered.troubles
    return not (found.unfinished or found.trouble or troubles)


def _told(found: Stopped) -> Iterator[str]:
    recovered = found.recovered
    if recovered is not None:
        for trade in recovered.trades:
            yield f"execution {trade.execution_id}, which nobody ran any more, {trade.result.status}"
        yield from recovered.troubles
        yield from (f"order {order} belonged to no execution: its cancel was sent" for order in recovered.strays)
    if found.trouble:
        yield f"{found.trouble}: mend it, and `depthwalker stop` again"
    yield from (f"execution {number} has not ended: `depthwalker stop` again, or look" for number in found.unfinished)
    if _all_ended(found):
        yield "everything has ended and nothing rests"
    yield "nothing new begins until `depthwalker stop --release`"
