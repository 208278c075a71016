"""The `report` command: an execution, a period or a backtest as a page, a picture or JSON."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import msgspec

from depthwalker.core.story import Story, tell
from depthwalker.core.units import Micros
from depthwalker.shell.archive import Archive
from depthwalker.shell.backtest_page import NotResults, backtest_page, read_results
from depthwalker.shell.browser import NoPicture, picture
from depthwalker.shell.codec import Unreadable
from depthwalker.shell.db import database
from depthwalker.shell.dossier import page_of, plain
from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.journal import NoSuchExecution
from depthwalker.shell.period_page import Period, period_page, plain_period
from depthwalker.shell.settings import Settings
from depthwalker.shell.voice import complain, say
from depthwalker.shell.waiting import waiting


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a report is wanted as; nothing at all is a page under its usual name."""

    html: Path | None
    png: Path | None
    as_json: bool


def report_execution(execution_id: int, wanted: Wanted) -> int:
    """Write the report of an execution and return the exit code."""
    with database(Settings.load()) as dsn:
        try:
            story = asyncio.run(read_story(dsn, execution_id))
        except NoSuchExecution as missing:
            raise Wrong(str(missing)) from missing
        except Unreadable as unreadable:
            raise Ended(
                FAILED, f"the journal of execution {execution_id} is not this version's: {unreadable}"
            ) from unreadable
    _write(page_of(story, execution_id), Path(f"report-{execution_id}.html"), wanted)
    if wanted.as_json:
        say(json.dumps(plain(story, execution_id), indent=2))
    return OK


def report_period(span: int, wanted: Wanted, *, paper: bool) -> int:
    """Write the report of what ended within a span (microseconds) until now, and return the exit code."""
    with database(Settings.load()) as dsn:
        period = asyncio.run(read_period(dsn, Micros(span), paper=paper))
    _write(period_page(period), Path("report-period.html"), wanted)
    if wanted.as_json:
        say(json.dumps(plain_period(period), indent=2))
    return OK


def report_backtest(file: Path, wanted: Wanted) -> int:
    """Write the report of a backtest and return the exit code."""
    try:
        results = read_results(file)
    except OSError as error:
        raise Wrong(f"{file} cannot be read: {error.strerror}; name what `backtest --json` wrote") from error
    except NotResults as wrong:
        raise Wrong(str(wrong)) from wrong
    _write(backtest_page(results), Path("report-backtest.html"), wanted)
    if wanted.as_json:
        say(msgspec.json.encode(results).decode())
    return OK


async def read_story(dsn: str, execution_id: int) -> Story:
    """Return the story of an execution. Raises NoSuchExecution, Unreadable and StoreUnavailable."""
    async with Archive(dsn) as archive:
        return tell(await archive.facts(execution_id))


async def read_period(dsn: str, span: Micros, *, paper: bool) -> Period:
    """Return what ended within a span until now: of real trades, or on paper. Raises StoreUnavailable."""
    async with Archive(dsn) as archive:
        return await archive.period(span, paper=paper)


def _write(page: str, usual: Path, wanted: Wanted) -> None:
    """Write a page to where it is wanted, and say where. Raises Ended and OSError."""
    say_where = complain if wanted.as_json else say
    html = wanted.html or (None if wanted.as_json or wanted.png else usual)
    if html is not None:
        html.write_text(page, encoding="utf-8")
        say_where(f"the report is {html}")
    if wanted.png is not None:
        try:
            with waiting("drawing the picture"):
                picture(page, wanted.png)
        except NoPicture as trouble:
            raise Ended(FAILED, str(trouble)) from trouble
        say_where(f"its picture is {wanted.png}")
