"""The `paper` command: the whole engine at work on a schedule of parents, without money.

On an exchange of our own, in this process and over real HTTP, whose markets are synthetic, recorded or follow a real
exchange's as they move; or on a demo or paper exchange that runs already. Executions are marked: they belong to the account `NAME paper`, come from `paper`, and write no trades. They are what a rollout's paper
stage rests on.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from depthwalker.core.config import Algorithm, ExecutionConfig
from depthwalker.core.rollout import Stage, read
from depthwalker.core.schedule import Schedule
from depthwalker.core.tape import Tape
from depthwalker.core.units import CONTRACT, MILLION, SECOND, Count, Micros, Money
from depthwalker.shell.api import Trade, TradingStopped, Unresolved
from depthwalker.shell.board import Board
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.db import database
from depthwalker.shell.ending import FAILED, INTERRUPTED, OK, UNRESOLVED, Wrong
from depthwalker.shell.engine import Engine
from depthwalker.shell.exchange import playable
from depthwalker.shell.figures import counted
from depthwalker.shell.follow import Follower, is_live
from depthwalker.shell.kalshi import KalshiVenue
from depthwalker.shell.markets import there_is
from depthwalker.shell.method import read_method
from depthwalker.shell.mirrors import mirrored
from depthwalker.shell.opening import load_key, open_store, require_key
from depthwalker.shell.paper import Account, PaperExchange
from depthwalker.shell.paper_markets import SESSION, Draw, Elsewhere, Place, Sessions, recorded, session_of, synthetic
from depthwalker.shell.paper_run import NAMES, End, Left, PaperRun, heading, left_by, prefix
from depthwalker.shell.period_page import Period, period_page, plain_period
from depthwalker.shell.report import read_period
from depthwalker.shell.settings import PAPER, Recovering, Settings, trades_live
from depthwalker.shell.signing import Signer
from depthwalker.shell.store import PostgresStore
from depthwalker.shell.transport import AioHttpTransport
from depthwalker.shell.voice import complain, say

CASH: Final = Money(10_000_000 * MILLION)
NAME: Final = "paper"
SPARE: Final = Micros(120 * SECOND)  # beyond an execution's time-out, until nothing of it is looked at any more


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for; `html` None writes no report."""

    tickers: tuple[str, ...]
    venue: str
    profiles: tuple[str, ...]
    data: tuple[Path, ...]
    run: str
    parents: int
    every: int
    count: int
    method: Path | None
    algorithm: str | None
    html: Path | None
    plain: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Stand:
    """Where the engine trades: its settings, who signs for it, and its markets."""

    settings: Settings
    signer: Signer | None
    place: Place


@dataclass(frozen=True, slots=True)
class Came:
    """What a process of a run came to; `done` are the run's parents so far, in all its processes."""

    ends: tuple[End, ...]
    skipped: int
    done: int
    period: Period | None


def run_paper(wish: Wish) -> int:
    """Execute a run's parents, or go on with them, and return the exit code."""
    settings = Settings.load()
    config = _config(wish, settings)
    tapes = tuple(playable(file) for file in wish.data)
    console = Console(highlight=False, stderr=wish.as_json)
    live = is_live(console, plain=wish.plain or wish.as_json)
    follower = Follower(heading(wish.run, counted(wish.parents, "parent")), console, live=live, brief=True)
    with database(settings) as dsn:
        came = asyncio.run(_Paper(wish, settings, config, tapes, dsn, follower).run())
    _tell(wish, came, interrupted=follower.interrupted())
    if follower.interrupted():
        complain(follower.after_interrupt(), f"the same command goes on with run {wish.run}")
    return _code(came, interrupted=follower.interrupted())


class _Paper:
    """A process of a run."""

    def __init__(
        self,
        wish: Wish,
        settings: Settings,
        config: ExecutionConfig,
        tapes: tuple[Tape, ...],
        dsn: str,
        follower: Follower,
    ) -> None:
        self._wish = wish
        self._own = replace(settings, account=settings.account + PAPER, recovery=Recovering.OFF)
        self._rollout = settings.account
        self._config = config
        self._tapes = tapes
        self._dsn = dsn
        self._follower = follower
        self._clock = SystemClock()
        self._run: PaperRun | None = None

    async def run(self) -> Came:
        """Execute what is left of the run."""
        async with open_store(self._dsn) as store:
            await self._say_how_it_counts(store)
            came = await self._follower.run(self._work(store), self._interrupt)
            done, _, since = await store.paper_run(prefix(self._wish.run))
        span = None if since is None else Micros(self._clock.now() - since + SECOND)
        period = None if span is None else await read_period(self._dsn, span, paper=True)
        return replace(came, done=done, period=period)

    def _interrupt(self) -> None:
        if self._run is not None:
            self._run.stop("interrupted")

    async def _work(self, store: PostgresStore) -> Came:
        wish, board = self._wish, Board(self._follower)
        _, last, _ = await store.paper_run(prefix(wish.run))
        async with AsyncExitStack() as stack:
            left = await left_by(store, self._own.account, wish.run)
            stand = await self._stand(stack, left)
            opening = Engine.open(stand.settings, dsn=self._dsn, signer=stand.signer, on_turn=board.turn)
            engine = await stack.enter_async_context(opening)
            schedule = Schedule(wish.parents, Micros(wish.every * SECOND), Count(wish.count * CONTRACT))
            most = self._own.max_concurrent
            run = PaperRun(wish.run, schedule, self._config, engine, stand.place, self._clock, board, most)
            self._run = run
            if not self._follower.interrupted():
                await run.run(last + 1, left)
            return Came(tuple(run.ends), run.skipped, 0, None)

    async def _stand(self, stack: AsyncExitStack, left: Sequence[Left]) -> Stand:
        if self._wish.venue == "exchange":
            wire = AioHttpTransport(self._own.base_url)
            stack.push_async_callback(wire.close)
            venue = KalshiVenue(wire, None, self._clock)
            for ticker in self._wish.tickers:
                there_is(ticker, await venue.market(ticker))
            return Stand(self._own, load_key(self._own), Elsewhere(self._wish.tickers, venue))
        return await self._own_exchange(stack, left)

    async def _own_exchange(self, stack: AsyncExitStack, left: Sequence[Left]) -> Stand:
        """Open an exchange of our own, which knows what another process of the run had at its own."""
        key = Ed25519PrivateKey.generate()
        account = Account(NAME, NAME, key.public_key(), CASH)
        exchange = PaperExchange((), [account], self._clock, SystemChance())
        await stack.enter_async_context(exchange)
        tickers = [one.state.parent.ticker for one in left]
        if self._wish.venue == "feed":
            followed = dict.fromkeys((*self._wish.tickers, *tickers))
            place: Place = await mirrored(stack, exchange, self._own, followed, self._clock)
        else:
            place = await self._sessions(exchange, tickers)
        for one in left:
            exchange.inherit(NAME, one.state, one.fills)
        return Stand(replace(self._own, base_url=exchange.url, key_id=None, key_file=None), Signer(NAME, key), place)

    async def _sessions(self, exchange: PaperExchange, tickers: Sequence[str]) -> Sessions:
        """Return markets of our own, with those open in which something is left."""
        draw, length = self._draw()
        sessions = Sessions(exchange, self._clock, draw, length, Micros(self._config.timeout + SPARE))
        for ticker in tickers:
            await sessions.open(session_of(ticker))
        return sessions

    def _draw(self) -> tuple[Draw, Micros]:
        if self._tapes:
            return recorded(self._tapes), Micros(max(SECOND, min(SESSION, *(tape.span for tape in self._tapes))))
        longest = Micros(self._config.timeout + SPARE)
        return synthetic(self._wish.run, self._wish.profiles, SESSION, longest), SESSION

    async def _say_how_it_counts(self, store: PostgresStore) -> None:
        rollout = read(await store.rollout(self._rollout))
        if self._config.algorithm is Algorithm.SIMPLE_LIMIT:
            complain(
                "simple_limit has no arms, so nothing here counts for a rollout: name what is tried, such as "
                "--algorithm dynamic_depth_walker"
            )
        elif rollout.stage is None:
            complain(
                "no rollout has begun, so no parent has an arm: `depthwalker rollout advance` begins one, and what is "
                "executed on paper then counts for it"
            )
        elif rollout.stage is not Stage.PAPER:
            complain(f"the rollout is at stage {rollout.stage.value}: paper counts at the paper stage alone")
        elif rollout.stopped:
            complain(f"the rollout is stopped ({rollout.stopped}): every parent is control")


def _config(wish: Wish, settings: Settings) -> ExecutionConfig:
    """Return the method's configuration. Raises Wrong where what was asked for will never do."""
    if not re.fullmatch(NAMES, wish.run):
        raise Wrong(f"--run {wish.run}: it must be 1 to 64 letters, digits, -, _ or .")
    if wish.venue == "own" and wish.tickers:
        raise Wrong("our own exchange has its own markets: leave the tickers out, or give --venue feed or exchange")
    if wish.venue != "own" and not wish.tickers:
        raise Wrong(f"--venue {wish.venue}: name the markets, such as: depthwalker paper TICKER --venue {wish.venue}")
    if wish.venue == "exchange" and trades_live(settings.base_url):
        raise Wrong(
            f"{settings.base_url} is a real exchange, and paper sends no orders there: --venue feed uses its market data"
        )
    if wish.venue == "exchange":
        require_key(settings)
    return read_method(wish.method, wish.algorithm)


def _tell(wish: Wish, came: Came, *, interrupted: bool) -> None:
    trades = [end for end in came.ends if isinstance(end, Trade)]
    failed = [end for end in came.ends if not isinstance(end, Trade)]
    reported = _report(wish, came)
    if not wish.as_json:
        say(*_lines(wish, came, len(trades), len(failed)), *reported)
        return
    fields = {
        "run": wish.run,
        "parents": wish.parents,
        "done": came.done,
        "executed": len(trades),
        "skipped": came.skipped,
        "failed": [str(end) for end in failed],
        "interrupted": interrupted,
        "report": None if came.period is None else plain_period(came.period),
    }
    say(json.dumps(fields, indent=2))
    complain(*reported)


def _report(wish: Wish, came: Came) -> tuple[str, ...]:
    """Write the run's report and say where it is; a run of a week is told of even where that cannot be written."""
    if came.period is None or wish.html is None:
        return ()
    try:
        wish.html.write_text(period_page(came.period), encoding="utf-8")
        written = f"the report of everything on paper since it began is {wish.html}"
    except OSError as error:
        written = f"its report cannot be written to {wish.html}: {error.strerror}"
    return (
        written,
        "more: depthwalker report --paper --since 7d; depthwalker assess --paper; depthwalker rollout status",
    )


def _lines(wish: Wish, came: Came, executed: int, failed: int) -> Iterator[str]:
    here = ", ".join(
        (
            f"{executed} executed here",
            *([f"{failed} failed"] if failed else ()),
            *([f"{came.skipped} skipped: nothing was offered"] if came.skipped else ()),
        )
    )
    yield f"run {wish.run}: {came.done} of {counted(wish.parents, 'parent')} begun; {here}"


def _code(came: Came, *, interrupted: bool) -> int:
    if any(isinstance(end, Unresolved) for end in came.ends):
        return UNRESOLVED
    if interrupted:
        return INTERRUPTED
    if any(isinstance(end, TradingStopped) for end in came.ends):
        return FAILED
    filled = any(isinstance(end, Trade) and end.quantity for end in came.ends)
    return OK if filled or not (came.ends or came.skipped) else FAILED
