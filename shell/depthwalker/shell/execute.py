"""The `execute` command: one parent order from the terminal, shown while it works."""

import asyncio
import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from rich.console import Console

from depthwalker.core.book import Leg
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Action, RefusalKind, Ticket
from depthwalker.core.units import DOLLAR, Malformed, Price, parse_count, parse_price
from depthwalker.shell.api import EngineClosed, OrderRefused, Trade
from depthwalker.shell.commands.arguments import words
from depthwalker.shell.db import database
from depthwalker.shell.ending import FAILED, INTERRUPTED, OK, REFUSED, Ended, Wrong
from depthwalker.shell.engine import Engine
from depthwalker.shell.figures import counted, signed_percent
from depthwalker.shell.follow import Follower, is_live
from depthwalker.shell.job_queue import Entry, Standing
from depthwalker.shell.method import read_method
from depthwalker.shell.opening import open_store, require_key
from depthwalker.shell.scene import terminal_job
from depthwalker.shell.settings import Recovering, Settings
from depthwalker.shell.ticket import Job
from depthwalker.shell.voice import complain, say

T = TypeVar("T")

KEY_DIGITS: Final = 12
WRONG_ORDER: Final = {
    RefusalKind.INVALID_COUNT,
    RefusalKind.INVALID_TARGET,
    RefusalKind.INVALID_CONFIG,
    RefusalKind.NO_CAP_PRICE,
    RefusalKind.KEY_TAKEN,
}


@dataclass(frozen=True, slots=True)
class Order:
    """A parent order as the command line has it, in words."""

    ticker: str
    outcome: str
    action: str
    count: str
    target: str
    method: Path | None
    algorithm: str | None
    key: str | None
    plain: bool
    as_json: bool
    queue: bool = False


def run_execute(order: Order) -> int:
    """Execute an order and return the exit code."""
    job = _job(order)
    settings = Settings.load()
    require_key(settings)
    if order.queue:
        return _queue(job, settings, as_json=order.as_json)
    console = Console(highlight=False, stderr=order.as_json)
    heading = f"depthwalker execute {order.ticker}, request key {job.request_key}; Ctrl-C cancels what rests and stops"
    follower = Follower(heading, console, live=is_live(console, plain=order.plain or order.as_json))
    with database(settings) as dsn:
        try:
            trade = asyncio.run(_execute(job, settings, dsn, follower))
        except OrderRefused as refused:
            raise _for_the_command_line(refused) from refused
    say(_json(trade) if order.as_json else summary(trade, job.request_key))
    if follower.interrupted():
        complain(follower.after_interrupt())
        return INTERRUPTED
    return OK if trade.quantity else FAILED


def _queue(job: Job, settings: Settings, *, as_json: bool) -> int:
    """Leave the order to the workers."""
    with database(settings) as dsn:
        try:
            entry = asyncio.run(_put(job, settings, dsn))
        except OrderRefused as refused:
            raise _for_the_command_line(refused) from refused
    key, standing, number = job.request_key, entry.standing.value, entry.execution_id
    if entry.standing in {Standing.REFUSED, Standing.LATE}:
        raise Ended(FAILED, f"request key {key} is {standing} already: {entry.message}; give another key")
    if as_json:
        say(json.dumps({"request_key": key, "standing": standing, "execution_id": number}))
    elif number is not None:
        say(f"{standing} already, request key {key}: execution {number}; `depthwalker report {number}` draws it")
    else:
        say(f"{standing}, request key {key}; `depthwalker worker` executes it")
    return OK


async def _put(job: Job, settings: Settings, dsn: str) -> Entry:
    async with open_store(dsn) as store:
        return await store.queue(settings.trading_account).put(job, None)


async def _execute(job: Job, settings: Settings, dsn: str, follower: Follower) -> Trade:
    lane = follower.lane(job.ticker)
    engines: list[Engine] = []
    alone = replace(settings, recovery=Recovering.OFF)  # other executions are not this command's to take up

    async def work() -> Trade:
        async with Engine.open(alone, dsn=dsn, on_turn=lane.turn) as engine:
            engines.append(engine)
            if follower.interrupted():
                raise KeyboardInterrupt
            try:
                trade = await engine.execute_job(job)
            except EngineClosed as stopped:
                raise KeyboardInterrupt from stopped  # before it had begun
            lane.end(trade, follower.now())
            return trade

    return await follower.run(work(), lambda: [engine.stop("interrupted") for engine in engines])


def _job(order: Order) -> Job:
    count = _read("--count", parse_count(order.count))
    target = _read("--target", parse_price(order.target))
    if count <= 0:
        raise Wrong(f"--count {order.count}: it must be at least 0.01 contracts")
    if not 0 < target < DOLLAR:
        raise Wrong(f"--target {order.target}: it must lie between 0.0001 and 0.9999 dollars")
    ticket = Ticket(Leg(order.outcome), Action(order.action), count, Price(target))
    key = order.key if order.key is not None else f"terminal {secrets.token_hex(KEY_DIGITS // 2)}"
    if not key.strip():
        raise Wrong("--key is empty: leave it out for a fresh one")
    if any(told != words(told) for told in (order.ticker, key)):
        raise Wrong("TICKER and --key must be in UTF-8")
    return terminal_job(key, ticket, read_method(order.method, order.algorithm), order.ticker)


def _read(what: str, parsed: Outcome[T, Malformed]) -> T:
    match parsed:
        case Success(number):
            return number
        case Failure(malformed):
            raise Wrong(f"{what} {malformed.text}: it must be {malformed.allowed}")


def _for_the_command_line(refused: OrderRefused) -> Ended:
    """Return the end of a command whose order was refused: wrong for good, or as things stand."""
    return Ended(REFUSED if refused.refusal.kind in WRONG_ORDER else FAILED, str(refused))


def summary(trade: Trade, key: str) -> str:
    """Return in words what a trade came to, with the figures of its report."""
    result = trade.result
    price = f" at {trade.price:.4f} on average" if trade.price is not None else ""
    worse = (
        f", {signed_percent(int(trade.slippage_percent.scaleb(6)))} of the target"
        if trade.slippage_percent is not None
        else ""
    )
    return (
        f"execution {trade.execution_id} {result.status}: {trade.quantity} contracts{price}{worse}, "
        f"fees {result.fees:.4f} $, {counted(result.total_walks, 'walk')} ({result.reason}); request key {key}\n"
        f"depthwalker report {trade.execution_id} draws it"
    )


def _json(trade: Trade) -> str:
    return json.dumps(asdict(trade), indent=2, default=str)
