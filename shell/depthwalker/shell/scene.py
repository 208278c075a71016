"""What the demo plays: a market, and a parent order whose size and prices its opening book suggests.

The order buys, from the mid, about half of what is offered within five cents of the best, and may pay half the spread and
five cents more: room to walk in a thin market, and no favour to either algorithm. The market has been open for a while
by then, as markets are: what traded in it is known.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from depthwalker.core.book import Leg, ladders, within
from depthwalker.core.config import Algorithm, ExecutionConfig
from depthwalker.core.depth import BAND
from depthwalker.core.flow import WINDOW
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.tape import Tape, Unplayable, window
from depthwalker.core.units import CENT, CONTRACT, SECOND, Count, Micros, Price, format_price
from depthwalker.shell.config import parse_config
from depthwalker.shell.journal import Source
from depthwalker.shell.paper import Listing
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load_window, save
from depthwalker.shell.synthetic import synthesize
from depthwalker.shell.ticket import Job

HISTORY_S: Final = WINDOW // SECOND
SPARE_S: Final = 30  # a synthetic market goes on for a while, so that a saved one holds a window of the demo's length
MARGIN_S: Final = 5  # what a window must hold beyond the time-out
SMALLEST: Final = Count(10 * CONTRACT)
NARROWEST, WIDEST = Price(6 * CENT), Price(10 * CENT)
WALK_INTERVALS: Final = 10  # an execution has room for so many, at the specification's forty seconds and four


@dataclass(frozen=True, slots=True)
class Scene:
    """A market, the parent order that comes to it after `history`, and how far past the target it may pay (a contract)."""

    name: str
    tape: Tape
    history: Micros
    ticket: Ticket
    slippage: Price

    @property
    def listing(self) -> Listing:
        """Return the market as an exchange lists it that opens as the parent comes."""
        return Listing(self.tape, opens_after=Micros(-self.history))


def synthetic_scenes(seed: int, seconds: int) -> tuple[Scene, ...]:
    """Return the thin, the moderate and the liquid market of a seed."""
    tapes = {name: synthesize(profile, seed, HISTORY_S + seconds + SPARE_S) for name, profile in PROFILES.items()}
    return tuple(_scene(name, tape, WINDOW, seed) for name, tape in tapes.items())


def recorded_scene(file: Path, seed: int, seconds: int) -> Outcome[Scene, Unplayable]:
    """Return a window of a recording that the seed draws, or why there is none. Raises OSError.

    It has no history where the recording is too short for one.
    """
    lived = _cut(file, seed, seconds, WINDOW)
    return lived if isinstance(lived, Success) else _cut(file, seed, seconds, Micros(0))


def save_scenes(scenes: Sequence[Scene], file: Path) -> tuple[Path, ...]:
    """Write each market as a recording and return the files; several get their names into the file's. Raises OSError."""
    stem, dot, endings = file.name.partition(".")
    names = [file] if len(scenes) == 1 else [file.with_name(f"{stem}-{scene.name}{dot}{endings}") for scene in scenes]
    for name, scene in zip(names, scenes, strict=True):
        save(scene.tape, name)
    return tuple(names)


def job(scene: Scene, algorithm: Algorithm, seconds: int, key: str) -> Job:
    """Return what an engine executes: the specification's configuration, but for cap and pace."""
    interval = f"{min(4000, seconds * 1000 // WALK_INTERVALS) / 1000:.3f}"
    given = {
        "algorithm": algorithm.value,
        "max_slippage_percent": None,
        "max_slippage_dollars": format_price(scene.slippage),
        "order_timeout_seconds": seconds,
        "dynamic_depth_walker": {"walk_interval_seconds": interval},
    }
    config = parse_config(given)
    assert isinstance(config, Success), config
    return terminal_job(key, scene.ticket, config.unwrap(), scene.tape.ticker, Source.PAPER)


def terminal_job(
    key: str, ticket: Ticket, config: ExecutionConfig, ticker: str, source: Source = Source.TERMINAL
) -> Job:
    """Return a job of no engine's: it has neither edge nor method."""
    return Job(
        request_key=key,
        ticket=ticket,
        config=config,
        ticker=ticker,
        market_id=ticker,
        edge_id=None,
        method_id=None,
        strategy_id=None,
        model_id=None,
        source=source,
    )


def _cut(file: Path, seed: int, seconds: int, history: Micros) -> Outcome[Scene, Unplayable]:
    match load_window(file, history // SECOND + seconds + MARGIN_S, seed):
        case Success(tape):
            return Success(_scene("recorded", tape, history, seed))
        case Failure(unplayable):
            return Failure(unplayable)


def _scene(name: str, tape: Tape, history: Micros, seed: int) -> Scene:
    leg = random.Random(f"outcome {name} {seed}").choice((Leg.YES, Leg.NO))  # noqa: S311 - a demo guards nothing
    seen = ladders(window(tape, history, Micros(0)).opening, leg)
    twice_mid, spread = seen.twice_mid(), seen.spread()
    assert twice_mid is not None
    assert spread is not None
    grid = tape.grid.of(leg)
    target = grid.floor(twice_mid // 2)
    assert target is not None
    whole = within(seen.offers, BAND) // 2 // CONTRACT * CONTRACT
    slippage = Price(max(NARROWEST, min(WIDEST, spread // 2 + 5 * CENT)))
    return Scene(name, tape, history, Ticket(leg, Action.BUY, Count(max(SMALLEST, whole)), target), slippage)
