"""Runs seeds, or kills scripted executions at every step, and says how to run again what failed.

`python -m tests.simulation [--seeds N] [--first SEED] [--parents N] [--jobs N] [--keep] | --crash`
"""

import argparse
import gc
import logging
import secrets
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from tests.page import commit, put
from tests.simulation.circumstances import MOST_PARENTS, SCRIPTS, Circumstances, drawn
from tests.simulation.tally import ENOUGH, PAGE, Keeper, Met, Run, empty, matrix
from tests.simulation.world import World

TRACE = 25
SCRIPTED = 1
AT_ONCE = 2_000  # worlds: so many are handed out before the first is waited for


@dataclass(frozen=True)
class Outcome:
    """What a world came to."""

    seed: int
    executions: int
    touched: int
    met: Met
    failure: str


def prepare() -> None:
    """Leave what is imported out of every collection to come, and say nothing of troubles that are meant."""
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # what a dead process was about to do when it is thrown away
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)  # the same
    gc.collect()
    gc.freeze()


def outcome(parents: int, seed: int) -> Outcome:
    """Run the world of a seed, with at most so many parents at once."""
    return _lived(seed, drawn(seed, parents))


def killed(case: tuple[str, int]) -> Outcome:
    """Run a script, killed at a step and started again."""
    script, step = case
    return _lived(SCRIPTED, replace(SCRIPTS[script], dies_at=step))


def _lived(seed: int, given: Circumstances) -> Outcome:
    world = World(seed, given)
    failure = ""
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, the world failed
        failure = "\n".join([*world.trace[-TRACE:], f"{type(error).__name__}: {error}"])
    return Outcome(seed, world.executions, len(world.touched), world.met, failure)


def crash(jobs: int, stride: int, *, keep: bool) -> int:
    """Kill every script at each of its steps, or every so many, start it again, and print (and keep) what came of it."""
    failed = 0
    rows: dict[str, tuple[int, ...]] = {}
    told = f"At commit {commit()}:" if keep else ""
    with ProcessPoolExecutor(jobs, initializer=prepare) as pool:
        for script, given in SCRIPTS.items():
            whole = World(SCRIPTED, given)
            whole.run()
            cases = [(script, step) for step in range(1 + secrets.randbelow(stride), whole.steps + 1, stride)]
            failures = [
                (step, end)
                for (_, step), end in zip(cases, pool.map(killed, cases, chunksize=10), strict=True)
                if end.failure
            ]
            for step, end in failures:
                print(f"{script}, killed at step {step}:\n{end.failure}")
            print(f"{script}: killed at {len(cases)} of {whole.steps} steps, {len(failures)} failed", flush=True)
            rows[script] = (whole.steps, len(cases), len(failures))
            failed += len(failures)
    if keep:
        rows["all"] = tuple(map(sum, zip(*rows.values(), strict=True)))
        head = ("| script | steps | killed at | failed |", "| --- | ---: | ---: | ---: |")
        lines = (f"| {script} | {' | '.join(f'{one:,}' for one in row)} |" for script, row in rows.items())
        put(PAGE, "crash", (told, "", *head, *lines))
    return 1 if failed else 0


def seeds(first: int, number: int, jobs: int, *, keep: bool, parents: int = MOST_PARENTS) -> int:
    """Run so many worlds from a seed on, print what they met, and keep the figures if that is wanted."""
    print(f"seeds {first} to {first + number - 1}", flush=True)
    of = "" if parents == MOST_PARENTS else f" PARENTS={parents}"
    run, met, since = Run(commit() if keep else "", first, parents=parents), Met(), time.monotonic()
    keeper = Keeper(run) if keep else None
    waiting = iter(range(first, first + number))
    with ProcessPoolExecutor(jobs, initializer=prepare) as pool:
        try:
            while some := list(islice(waiting, AT_ONCE)):
                for one in pool.map(partial(outcome, parents), some, chunksize=10):
                    met.update(one.met)
                    run.seeds, run.executions, run.between = (
                        run.seeds + 1,
                        run.executions + one.executions,
                        run.between + one.touched,
                    )
                    run.seconds = round(time.monotonic() - since)
                    if one.failure:
                        run.failed += 1
                        print(
                            f"seed {one.seed} failed:\n{one.failure}\nagain: make simulate SEEDS=1 SEED={one.seed}{of}",
                            flush=True,
                        )
                    if keeper is not None:
                        keeper.keep(met)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
    if keeper is not None:
        keeper.keep(met, now=True)
    missing = empty(met) if run.seeds >= ENOUGH else []
    print(matrix(met), *(f"never met: {cell}" for cell in missing), sep="\n")
    print(
        f"{run.executions} executions in {run.seeds} worlds, {run.between} met a fault between an intent and its answer, "
        f"{run.failed} worlds failed, {run.seeds / max(1, run.seconds):.0f} seeds/s"
    )
    return 1 if run.failed or missing else 0


def main() -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=None)
    parser.add_argument("--parents", type=int, default=MOST_PARENTS, help="so many at once, at most")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="put the figures into docs/simulation.md")
    parser.add_argument("--crash", action="store_true", help="kill scripted executions at every step")
    parser.add_argument("--stride", type=int, default=1, help="of so many steps kill at one only")
    given = parser.parse_args()
    if given.crash:
        return crash(given.jobs, given.stride, keep=given.keep)
    first = secrets.randbelow(10**9) if given.first is None else given.first
    return seeds(first, given.seeds, given.jobs, keep=given.keep, parents=given.parents)


if __name__ == "__main__":
    sys.exit(main())
