"""Our indexed replay on the peers' tape: columns from files, their index, and the schedule as a strategy of the core's decider.

    python -m bench.peers.ours FOLDER one PARENTS... | sweep POLICIES PARENTS

prints a line of JSON (see `told`).
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench.peers import told
from bench.peers.schedule import CONTRACTS, HIGHEST, HORIZON_US, LATENCY_US, USUAL, policies, starts
from bench.peers.schedule import Policy as Wanted
from bench.peers.tape import BIDS, OFFERS, Drawn, Ints
from depthwalker.core.algorithms.placing import at, join, taken, unfilled, whole
from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.tick import due, take_from, tick_after
from depthwalker.core.answer import FillRecord
from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm
from depthwalker.core.execution import State, open_order
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.parent import Action
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.quote import Desire
from depthwalker.core.split import Split
from depthwalker.core.units import CENT, CONTRACT, SECOND, Count, Micros, Price
from depthwalker.core.view import View
from depthwalker.shell.lab.columns import Columns, Side, Takes
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import ORIGIN, Exchange, QueueModel
from depthwalker.shell.lab.parents import WIND_DOWN, Aim, Sampled, Sampling, drawn
from depthwalker.shell.lab.replay import Replay, Run
from depthwalker.shell.lab.together import replay_all

CONFIG: Final = replace(
    DEFAULT_EXECUTION,
    algorithm=Algorithm.SIMPLE_LIMIT,
    timeout=Micros(HORIZON_US + WIND_DOWN),  # it takes before it winds down
    slippage_ppm=None,
    slippage_dollars=Price(HIGHEST * CENT),
)
SAMPLING: Final = Sampling(
    counts=(Count(CONTRACTS * CONTRACT),),
    outcomes=(Leg.YES,),
    action=Action.BUY,
    aim=Aim("offer", 0),
    every=Micros(SECOND),
    offset=Micros(0),
    config=CONFIG,
)
SIDE: Final = ("prices", "opening", "event", "level", "change", "count")
TAKES: Final = ("event", "leg", "count", "floor")


# The schedule


def _plan(state: State, view: View, policy: Policy) -> tuple[Split, ...]:  # noqa: ARG001 - as every algorithm
    return whole(state, join(state, view))


def _desire(state: State, view: View, policy: Policy) -> Desire:
    (part,) = state.splits
    left = unfilled(state, part)
    if left <= 0:
        return Desire((), ())
    taking = taken(part, left, state, view, "before the end") if view.now >= take_from(state, policy) else None
    if taking is not None:
        return Desire((taking,), ())
    moves = open_order(state, part.number) is None or due(state, view, policy)
    return Desire((at(part, join(state, view) if moves else part.price, view, "at the touch"),), ())


def _moments(state: State, view: View, policy: Policy) -> tuple[Micros, ...]:
    return tick_after(state, view, policy), take_from(state, policy)


FOLLOW: Final = Strategy(_plan, _desire, _moments, ticks=True)


def follow(_: Algorithm) -> Strategy:
    """Return the schedule, whatever is asked for."""
    return FOLLOW


def policy(wanted: Wanted) -> Policy:
    """Return a schedule's parameters as the core's policy."""
    config = replace(CONFIG, walker=replace(CONFIG.walker, walk_interval=Micros(wanted.every_us)))
    return replace(policy_for(config), take_before=Micros(wanted.take_before_us))


# The file


def prepare(tape: Drawn, folder: Path) -> None:
    """Write the tape as our columns, one file each."""
    last, takers = int(tape.changes[-1, 0]), tape.takes[:, 2]
    instants = np.zeros(last + 1, dtype=np.int64)
    instants[tape.changes[:, 0]] = tape.changes[:, 1] + ORIGIN
    floors = np.where(takers == BIDS, tape.takes[:, 3], 100 - tape.takes[:, 3]) * CENT
    takes = (tape.takes[:, 0], takers == BIDS, tape.takes[:, 4] * CONTRACT, floors)
    columns = {"at": instants} | {f"take_{name}": one for name, one in zip(TAKES, takes, strict=True)}
    for leg, side in (("yes", BIDS), ("no", OFFERS)):
        columns |= {f"{leg}_{name}": one for name, one in zip(SIDE, _side(tape, side), strict=True)}
    folder.mkdir()
    for name, one in columns.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(one, dtype=np.int64))


def _side(tape: Drawn, side: int) -> tuple[Ints, ...]:
    opening = tape.opening[tape.opening[:, 0] == side]
    rows = tape.changes[tape.changes[:, 2] == side]
    opened, price = (cents if side == BIDS else 100 - cents for cents in (opening[:, 1], rows[:, 3]))
    prices = np.unique(np.concatenate((opened, price)))
    rests = np.zeros_like(prices)
    rests[np.searchsorted(prices, opened)] = opening[:, 2] * CONTRACT
    level = np.searchsorted(prices, price)
    return prices * CENT, rests, rows[:, 0], level, rows[:, 4] * CONTRACT, rows[:, 5] * CONTRACT


def load(folder: Path) -> Columns:
    """Return the tape; what nobody asks about is never read from the disk."""

    def column(name: str) -> Ints:
        # Mapped still, but sliced as any array.
        found: Ints = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))
        return found

    yes, no = (Side(*(column(f"{leg}_{name}") for name in SIDE)) for leg in ("yes", "no"))
    instants = column("at")
    takes = Takes(*(column(f"take_{name}") for name in TAKES))
    return Columns("PEERS", CENT_GRID, Micros(int(instants[-1]) - ORIGIN), instants, yes, no, takes)


# The runs


def parents(index: Index, count: int) -> Iterator[Sampled]:
    """Yield the parents."""
    for start in starts(index.columns.span, count):
        for one in drawn(index, SAMPLING, Micros(ORIGIN + start)):
            assert isinstance(one, Sampled)
            yield one


def run(index: Index, wanted: list[Sampled], by: Policy) -> list[tuple[FillRecord, ...]]:
    """Return the parents' fills."""
    exchanges = (Indexed(index, one.parent, QueueModel.WORST) for one in wanted)
    return [Replay(exchange, by, follow, Micros(LATENCY_US)).run().fills for exchange in exchanges]


def sweep(index: Index, wanted: list[Sampled], by: list[Policy]) -> int:
    """Return how many contracts all policies filled together."""

    def filled(run: Run, _: Exchange) -> int:
        return sum(fill.count for fill in run.fills) // CONTRACT

    return sum(
        sum(replay_all(index, one.parent, QueueModel.WORST, by, follow, Micros(LATENCY_US), filled)) for one in wanted
    )


def _filled(one: Sampled, fills: tuple[FillRecord, ...]) -> told.Filled:
    return told.summed(
        [((fill.at - one.parent.started) / SECOND, fill.count // CONTRACT, fill.price / CENT) for fill in fills]
    )


def main(arguments: list[str]) -> None:
    """Do as the command line says."""
    folder, what, *numbers = arguments
    source = Path(folder, "ours")
    if what == "sweep":
        by = [policy(one) for one in policies(int(numbers[0]))]
        load_s, index = told.clocked(lambda: Index(load(source)), 1)
        wanted = list(parents(index, int(numbers[1])))
        seconds, _ = told.clocked(lambda: sweep(index, wanted, by), 1)
        told.say(told.Sweep(seconds, load_s + seconds, len(by)))
        return
    by_one = policy(USUAL)
    for count in map(int, numbers):
        whole_s, index = told.clocked(partial(_from_file, source, count), told.repeats(count))
        wanted = list(parents(index, count))
        run_s, found = told.clocked(partial(run, index, wanted, by_one), told.repeats(count))
        told.say(told.One(count, run_s, whole_s, [_filled(*both) for both in zip(wanted, found, strict=True)]))


def _from_file(source: Path, count: int) -> Index:
    index = Index(load(source))
    run(index, list(parents(index, count)), policy(USUAL))
    return index


if __name__ == "__main__":
    main(sys.argv[1:])
