"""The demo: the same parent orders by both algorithms, side by side, each on a paper exchange of its own.

Everything is what an engine would use: HTTP on loopback, signed requests, PostgreSQL; only the money is paper. The exchanges
of one market play the same tape, so the algorithms meet the same flow.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from depthwalker.core.config import Algorithm
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.units import MILLION, Money
from depthwalker.shell import voice
from depthwalker.shell.api import DepthwalkerError, Trade, Unresolved
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.db import how_to_look, prepare
from depthwalker.shell.dossier import page_of
from depthwalker.shell.ending import FAILED, INTERRUPTED, OK, UNRESOLVED, Wrong
from depthwalker.shell.engine import Engine
from depthwalker.shell.figures import short_count, short_price
from depthwalker.shell.follow import Follower, is_live
from depthwalker.shell.lane import Lane
from depthwalker.shell.paper import Account, PaperExchange
from depthwalker.shell.picture import WIDTH, Picture
from depthwalker.shell.postgres import connect_string
from depthwalker.shell.report import read_story
from depthwalker.shell.scene import Scene, job, recorded_scene, save_scenes, synthetic_scenes
from depthwalker.shell.settings import Settings
from depthwalker.shell.signing import Signer
from depthwalker.shell.table import comparison, query_text, request_key, table
from depthwalker.shell.terminal import show, show_lines

ALGORITHMS: Final = ((Algorithm.SIMPLE_LIMIT, "simple"), (Algorithm.DYNAMIC_DEPTH_WALKER, "walker"))
CASH: Final = Money(1_000_000 * MILLION)
KEY_ID: Final = "demo"
RUN_DIGITS: Final = 8
SEEDS: Final = 1_000_000
PICTURED: Final = 0.45  # of the time-out: by then there are fills, walks and something left to do

End: TypeAlias = Trade | DepthwalkerError | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for; `seed` None draws one, `report` None writes none."""

    data: Path | None
    seed: int | None
    seconds: int
    save: Path | None
    picture: Path | None
    report: Path | None
    plain: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One execution to come: its market, its algorithm, its lane on the screen, its key in the database."""

    scene: Scene
    algorithm: Algorithm
    lane: Lane
    key: str


def run_demo(wish: Wish) -> int:
    """Run the demo and return the exit code."""
    seed = secrets.randbelow(SEEDS) if wish.seed is None else wish.seed
    console = Console(stderr=wish.as_json, highlight=False)
    scenes = _scenes(wish, seed)
    say = partial(show_lines, console)
    say(
        f"seed {seed}: --seed {seed} (of make demo, SEED={seed}) repeats {'the market' if len(scenes) == 1 else 'the markets'}"
    )
    if wish.save is not None:
        try:
            saved = save_scenes(scenes, wish.save)
        except OSError as error:
            raise Wrong(f"{wish.save} cannot be written: {error.strerror}") from error
        say(*(f"saved the market as {file}" for file in saved))
    say(*(_order(scene) for scene in scenes))
    return _run(wish, scenes, seed, console, say)


def _run(wish: Wish, scenes: tuple[Scene, ...], seed: int, console: Console, say: Callable[..., None]) -> int:
    run = secrets.token_hex(RUN_DIGITS // 2)
    heading = f"depthwalker demo, seed {seed}; Ctrl-C cancels what rests and stops"
    follower = Follower(heading, console, live=is_live(console, plain=wish.plain or wish.as_json))
    parts = _parts(scenes, follower, run)
    picture = None if wish.picture is None else Picture(heading, follower.lanes)
    folder = Settings.load().state_directory
    with connect_string(folder / "postgres") as dsn:
        prepare(dsn, own=True)
        ends = asyncio.run(_play(parts, follower, dsn, folder, wish.seconds, picture))
        rows = comparison(dsn, run)
        reported = _report(wish, ends, dsn)
    if wish.as_json:
        voice.say(json.dumps({"seed": seed, "run": run, "executions": [row.plain() for row in rows]}, indent=2))
    else:
        if rows:
            show(console, table(rows, console.width))
        if follower.interrupted():
            say(follower.after_interrupt())
        say("the table is this query, which you can repeat with", f"  {how_to_look()}", query_text(run))
    if picture is not None and wish.picture is not None:
        picture.add(table(rows, WIDTH))
        picture.save(wish.picture)
        say(f"the picture is {wish.picture}")
    if reported:
        say(reported)
    return _code(ends, interrupted=follower.interrupted())


def _report(wish: Wish, ends: Sequence[End], dsn: str) -> str:
    """Write the report of the execution that walked most, and say where it is."""
    trades = [end for end in ends if isinstance(end, Trade)]
    if wish.report is None or not trades:
        return ""
    number = max(trades, key=lambda trade: trade.result.total_walks).execution_id
    story = asyncio.run(read_story(dsn, number))
    try:
        wish.report.write_text(page_of(story, number), encoding="utf-8")
    except OSError as error:
        return f"its report cannot be written to {wish.report}: {error.strerror}"
    return f"the report of execution {number}, the one that walked most, is {wish.report}: open it in a browser"


def _scenes(wish: Wish, seed: int) -> tuple[Scene, ...]:
    """Return the markets to play in. Raises Wrong."""
    if wish.data is None:
        return synthetic_scenes(seed, wish.seconds)
    try:
        match recorded_scene(wish.data, seed, wish.seconds):
            case Success(scene):
                return (scene,)
            case Failure(unplayable):
                raise Wrong(f"{wish.data} cannot be replayed: {unplayable.reason}")
    except OSError as error:
        raise Wrong(f"{wish.data} cannot be read: {error.strerror}; give the path of a recording") from error


def _parts(scenes: Iterable[Scene], follower: Follower, run: str) -> list[Part]:
    pairs = [(scene, algorithm, f"{scene.name}/{short}") for scene in scenes for algorithm, short in ALGORITHMS]
    return [
        Part(scene, algorithm, follower.lane(name), request_key(run, number, name))
        for number, (scene, algorithm, name) in enumerate(pairs, 1)
    ]


async def _play(
    parts: Sequence[Part], follower: Follower, dsn: str, folder: Path, seconds: int, picture: Picture | None
) -> tuple[End, ...]:
    engines: list[Engine] = []

    async def work() -> tuple[End, ...]:
        async with AsyncExitStack() as stack:
            urls = [await _exchange(stack, part) for part in parts]
            for part, (url, signer) in zip(parts, urls, strict=True):
                settings = _settings(url, part.key, folder)
                opening = Engine.open(settings, dsn=dsn, signer=signer, on_turn=part.lane.turn)
                engines.append(await stack.enter_async_context(opening))
            if follower.interrupted():
                return ()
            if picture is not None:
                picturing = asyncio.create_task(picture.take_after(seconds * PICTURED, follower.now))
                stack.callback(picturing.cancel)
            pairs = zip(parts, engines, strict=True)
            try:
                return tuple(await asyncio.gather(*(_execute(*pair, seconds, follower) for pair in pairs)))
            finally:
                await asyncio.gather(*(engine.close() for engine in engines))  # side by side: closing may have to wait

    def stop() -> None:
        for engine in engines:
            engine.stop("interrupted")

    return await follower.run(work(), stop)


async def _exchange(stack: AsyncExitStack, part: Part) -> tuple[str, Signer]:
    """Open an exchange for one execution; return its URL and who signs for its one account."""
    key = Ed25519PrivateKey.generate()
    account = Account("demo", KEY_ID, key.public_key(), CASH)
    exchange = PaperExchange([part.scene.listing], [account], SystemClock(), SystemChance())
    await stack.enter_async_context(exchange)
    return exchange.url, Signer(KEY_ID, key)


def _settings(url: str, key: str, folder: Path) -> Settings:
    """Return settings that take only the folder from the user's own: the demo is not to meet the real exchange."""
    return Settings.of(
        base_url=url,
        account=key.replace(" ", "-").replace("/", "-"),
        installation=secrets.token_hex(4),
        state_directory=folder,
        thin_contracts=100,  # what recorded books call thin, moderate and liquid (core.depth)
        liquid_contracts=3000,
    )


async def _execute(part: Part, engine: Engine, seconds: int, follower: Follower) -> End:
    try:
        trade = await engine.execute_job(job(part.scene, part.algorithm, seconds, part.key))
    except DepthwalkerError as error:
        part.lane.fail(str(error), follower.now())
        return error
    part.lane.end(trade, follower.now())
    return trade


def _order(scene: Scene) -> str:
    ticket = scene.ticket
    return (
        f"{scene.name}: {ticket.action.value} {short_count(ticket.count)} {ticket.outcome.value} of {scene.tape.ticker} "
        f"at {short_price(ticket.target)}, at most {short_price(scene.slippage)} more"
    )


def _code(ends: Sequence[End], *, interrupted: bool) -> int:
    if any(isinstance(end, Unresolved) for end in ends):
        return UNRESOLVED
    if interrupted:
        return INTERRUPTED
    return FAILED if any(isinstance(end, DepthwalkerError) for end in ends) else OK
