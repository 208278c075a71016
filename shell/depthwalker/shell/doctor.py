"""The `doctor` command: what an execution stands on, looked at piece by piece, and how to mend what does not hold.

It places no order, loads no schema and shows nothing of the account; the embedded server is started if none runs.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Final

import psycopg

from depthwalker.core.outcome import Failure, Success
from depthwalker.core.reply import describe
from depthwalker.core.skew import UNKNOWN_SKEW, Skew, correction
from depthwalker.core.units import SECOND
from depthwalker.shell.account import KalshiAccount
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.db import connected
from depthwalker.shell.ending import FAILED, OK
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.postgres import connect_string, schema_mark
from depthwalker.shell.postmaster import PostgresUnavailable
from depthwalker.shell.queries import SCHEMA_MARK, SWITCH
from depthwalker.shell.settings import Settings, SettingsError
from depthwalker.shell.signing import Signer, load_signer
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.voice import say

OLDEST_PYTHON: Final = (3, 11)
OLDEST_SERVER: Final = 15
ENCODINGS: Final = ("UTF8", "SQL_ASCII")  # those that hold every text, as schema.sql has them
TOLERATED: Final = 5 * SECOND  # how far off a signature's time may be (fact sheet, section 1)


class Verdict(Enum):
    """How a piece is: it holds, it is worth knowing of, or nothing can be executed before it is mended."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one piece, and what to do about it."""

    piece: str
    verdict: Verdict
    found: str
    remedy: str = ""


def run_doctor(*, as_json: bool) -> int:
    """Look at everything, say what was found, and return FAILED if something must be mended."""
    findings: list[Finding] = []
    for one in _findings():
        findings.append(one)
        if not as_json:
            say(*_lines(one))
    if as_json:
        say(json.dumps([{**asdict(one), "verdict": one.verdict.value} for one in findings], indent=2))
    return FAILED if any(one.verdict is Verdict.BAD for one in findings) else OK


def _lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.verdict.value:5} {finding.piece:9} {finding.found}"
    if finding.remedy:
        yield f"{'':15} -> {finding.remedy}"


def _findings() -> Iterator[Finding]:
    yield _python(sys.version_info[:2])
    try:
        settings = Settings.load()
    except SettingsError as error:
        yield Finding("settings", Verdict.BAD, str(error), "docs/reference/configuration.md lists what is allowed")
        return
    yield Finding("settings", Verdict.GOOD, f"exchange {settings.base_url}, state in {settings.state_directory}")
    yield from _database(settings)
    key, signer = _key(settings)
    yield key
    yield from asyncio.run(_exchange(settings, signer))


def _python(version: tuple[int, int]) -> Finding:
    found = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return Finding("python", Verdict.BAD, found, "install Python 3.11 or newer")
    return Finding("python", Verdict.GOOD, found)


def _database(settings: Settings) -> Iterator[Finding]:
    """Yield what is found of the server and of its schema."""
    named = settings.database_url is not None
    with ExitStack() as stack:
        try:
            dsn = settings.database_url or stack.enter_context(connect_string(settings.state_directory / "postgres"))
            connection = stack.enter_context(connected(dsn))
        except PostgresUnavailable as error:
            yield Finding("database", Verdict.BAD, str(error), "or name a server with DATABASE_URL")
            return
        except psycopg.Error as error:
            said = " ".join((error.diag.message_primary or str(error)).split())
            yield Finding(
                "database",
                Verdict.BAD,
                said,
                "start it, or correct DATABASE_URL; unset, the embedded server serves, which knows nothing of what this one holds",
            )
            return
        version = connection.info.server_version // 10_000
        what = f"PostgreSQL {version}, {'named by DATABASE_URL' if named else 'embedded'}"
        if version < OLDEST_SERVER:
            yield Finding("database", Verdict.BAD, what, f"PostgreSQL {OLDEST_SERVER} or newer is needed")
            return
        encoding = connection.info.parameter_status("server_encoding")
        if encoding not in ENCODINGS:
            yield Finding(
                "database",
                Verdict.BAD,
                f"{what}, is encoded in {encoding}, which cannot hold every text that an exchange or a person writes",
                "move it into one with ENCODING 'UTF8' TEMPLATE template0",
            )
        else:
            yield Finding("database", Verdict.GOOD, what)
        row = connection.execute(SCHEMA_MARK).fetchone()
        schema = _schema(None if row is None else row[0], named=named)
        pulled = connection.execute(SWITCH).fetchone() if schema.verdict is Verdict.GOOD else None
    yield schema
    if pulled is not None:
        _, reason, by, _ = pulled
        yield Finding(
            "switch", Verdict.BAD, f"pulled by {by}: {reason}", "`depthwalker stop --release` lets trading go on"
        )


def _schema(mark: str | None, *, named: bool) -> Finding:
    if mark == schema_mark():
        return Finding("schema", Verdict.GOOD, "this version's")
    remedy = "load it with `depthwalker db load`; an engine that opens loads it as well"
    if mark is not None:
        return Finding("schema", Verdict.NOTE, "another version's", remedy)
    return Finding("schema", Verdict.BAD if named else Verdict.NOTE, "not marked as loaded", remedy)


def _key(settings: Settings) -> tuple[Finding, Signer | None]:
    if settings.key_id is None or settings.key_file is None:
        remedy = "set DEPTHWALKER_KEY_ID and DEPTHWALKER_KEY_FILE; without them only market data is read"
        return Finding("key", Verdict.BAD, "none", remedy), None
    match load_signer(settings.key_id, settings.key_file):
        case Success(signer):
            return Finding("key", Verdict.GOOD, f"{settings.key_file}, readable by its owner alone"), signer
        case Failure(trouble):
            return Finding("key", Verdict.BAD, trouble.reason, trouble.remedy), None


async def _exchange(settings: Settings, signer: Signer | None) -> list[Finding]:
    transport = AioHttpTransport(settings.base_url)
    venue = KalshiVenue(transport, signer, SystemClock())
    try:
        reached = await venue.warm()
        if isinstance(reached, Failure):
            why = f"{settings.base_url}: {describe(reached.failure())}"
            remedy = "check the network and DEPTHWALKER_BASE_URL (prod, demo, or a URL)"
            unknown = [
                Finding(piece, Verdict.NOTE, "not known: the exchange was not reached") for piece in ("clock", "budget")
            ]
            return [Finding("exchange", Verdict.BAD, why, remedy), *unknown]
        status = reached.unwrap()
        found = [_status(trades=status.exchange_active and status.trading_active), _clock(venue.rest.skew)]
        if signer is None:
            return [*found, Finding("budget", Verdict.NOTE, "not known: it is the key's")]
        return [*found, await _account(KalshiAccount(venue.rest))]
    finally:
        await transport.close()


def _status(*, trades: bool) -> Finding:
    if trades:
        return Finding("exchange", Verdict.GOOD, "reached, and trading")
    return Finding("exchange", Verdict.NOTE, "reached, but paused", "orders are refused until it trades again")


def _clock(skew: Skew) -> Finding:
    if skew == UNKNOWN_SKEW:
        return Finding("clock", Verdict.NOTE, "the exchange's answer shows no time")
    ahead = correction(skew)
    what = f"the exchange's is {skew.low // 1_000} to {skew.high // 1_000} ms ahead of this machine's"
    if abs(ahead) <= SECOND:
        return Finding("clock", Verdict.GOOD, what)
    late = Verdict.BAD if abs(ahead) > TOLERATED else Verdict.NOTE
    return Finding("clock", late, what, "set this machine's clock by NTP; meanwhile signatures are corrected")


async def _account(account: KalshiAccount) -> Finding:
    match await account.limits():
        case Success(limits):
            rates = f"{limits.read.refill} read and {limits.write.refill} write tokens a second"
            return Finding("budget", Verdict.GOOD, f"tier {limits.tier}: {rates}")
        case Failure(trouble):
            remedy = "check that the key belongs to this exchange (demo and prod keys differ) and may read"
            return Finding("budget", Verdict.BAD, describe(trouble), remedy)
