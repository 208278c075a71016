"""`depthwalker sweep`: policies searched over recordings and synthetic markets, by joblib's processes or on a Dask cluster."""

import argparse
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Final

import joblib

from depthwalker.core.units import Micros
from depthwalker.shell.db import connected, database
from depthwalker.shell.ending import INTERRUPTED, Ended, Wrong
from depthwalker.shell.lab import deaf
from depthwalker.shell.lab.asked import BLOCK, horizon_of, models_of, sampling_of, tape_of
from depthwalker.shell.lab.experiment import fill_model
from depthwalker.shell.lab.progress import Progress
from depthwalker.shell.lab.session import repeated, session_of
from depthwalker.shell.lab.space import Frame, variants
from depthwalker.shell.lab.sweep import Found, Half, Market, Search, Task, tasks, tried
from depthwalker.shell.lab.sweep_report import shown, sweep_report
from depthwalker.shell.lab.sweep_store import Kept, ParquetKept, PostgresKept, done
from depthwalker.shell.lab.telling import tell
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.settings import Settings
from depthwalker.shell.voice import complain
from depthwalker.shell.waiting import waiting

JUDGED_SEED: Final = 1_000_003  # added to the seed of a synthetic market that judges


def run_sweep(given: argparse.Namespace) -> int:
    """Run the command and return its exit code; what was done before Ctrl-C is kept."""
    search = _search(given)
    markets = _markets(given)
    with _kept(given, search) as kept:
        try:
            _run(given, search, _left(search, markets, kept), kept)
        except KeyboardInterrupt as interrupt:
            kept.close()
            raise Ended(INTERRUPTED, "interrupted: the same command goes on from here") from interrupt
        kept.close()
        found = _asked_for(search, markets, kept)
    for half in Half:
        if not any(row.half == half.value for row in found):
            raise Wrong(
                f"no parent could be sampled on the {half.value} half: give longer markets, or a shorter --every or --horizon"
            )
    report = sweep_report(found, search.variants) | {"fill_model": {one.source: one.fill_model for one in markets}}
    return tell(report, shown(report), given.json)


def halves(tuning: Sequence[Market], judging: Sequence[Market]) -> tuple[Market, ...]:
    """Return the markets of both halves. Raises Wrong where a market, or a day, stands on both sides, or a market twice on one."""
    for half in (tuning, judging):
        told = [(market.source, market.session) for market in half]
        for place, (source, session) in enumerate(told):
            again = repeated(session, told[:place])
            if again is not None:
                raise Wrong(f"{source} cannot be used: {again}")
    for judge, tune in product(judging, tuning):
        if judge.ticker == tune.ticker:
            raise Wrong(
                f"{judge.source} is the market {judge.ticker}, which {tune.source} tunes on: judge on another market"
            )
        day = judge.session and tune.session and judge.session.common_day(tune.session)
        if day is not None:
            raise Wrong(
                f"{judge.source} was recorded on {day}, as was {tune.source}, which is tuned on: give all markets of a day to"
                " one half, and judge on another day"
            )
    return (*tuning, *judging)


def _search(given: argparse.Namespace) -> Search:
    frame = Frame(horizon_of(given), given.cap)
    found = variants(given.space, frame, given.most, given.seed)
    sampling = sampling_of(given, found[0].policy.config)
    block = Micros(BLOCK * sampling.config.timeout)
    return Search(found, sampling, models_of(given), Micros(given.latency * 1_000), block)


def _markets(given: argparse.Namespace) -> tuple[Market, ...]:
    with waiting("reading markets"):
        tuning = [market_of(name, given.seed + place, Half.TUNING) for place, name in enumerate(given.data)]
        judging = [
            market_of(name, given.seed + JUDGED_SEED + place, Half.JUDGING) for place, name in enumerate(given.judge)
        ]
    return halves(tuning, judging)


def market_of(name: str, seed: int, half: Half) -> Market:
    """Return a recording, or a synthetic market of this seed, as a market of that half. Raises Wrong."""
    tape = tape_of(name, seed)
    synthetic = name in PROFILES
    content = f"{name} {seed}".encode() if synthetic else Path(name).read_bytes()
    ticker = f"{tape.ticker} {seed}" if synthetic else tape.ticker
    digest = sha256(content).hexdigest()[:16]
    return Market(name, seed, half, digest, ticker, tape.span, session_of(name, tape), fill_model(tape))


@contextmanager
def _kept(given: argparse.Namespace, search: Search) -> Iterator[Kept]:
    with ExitStack() as stack:
        if given.database:
            dsn = stack.enter_context(database(Settings.load()))
            connection = stack.enter_context(connected(dsn))
            yield PostgresKept(connection, search)
        else:
            yield ParquetKept(given.out, search)


def _left(search: Search, markets: tuple[Market, ...], kept: Kept) -> list[Task]:
    every = list(tasks(search, markets))
    before = done(kept.all())
    left = [task for task in every if task.key not in before]
    complain(
        f"{len(search.variants)} policies, {len(every)} blocks of markets"
        + (f", {len(every) - len(left)} of them done before" if len(left) < len(every) else "")
    )
    return left


def _asked_for(search: Search, markets: tuple[Market, ...], kept: Kept) -> list[Found]:
    """Return what was found of what is asked for, by what each market is there for now: what is kept was found for any half."""
    halves_now = {task.key: task.market.half.value for task in tasks(search, markets)}
    return [replace(row, half=halves_now[row.task]) for row in kept.all() if row.task in halves_now]


def _run(given: argparse.Namespace, search: Search, left: list[Task], kept: Kept) -> None:
    with ExitStack() as stack:
        if given.dask is not None:
            stack.enter_context(_dask(given.dask, given.jobs))
        # Of what was under way when it was stopped: the same command goes on.
        warnings.filterwarnings("ignore", module="joblib")
        calls = (joblib.delayed(tried)(search, task) for task in left)
        found: Iterator[list[Found]] = joblib.Parallel(n_jobs=given.jobs, return_as="generator_unordered")(calls)
        progress = stack.enter_context(Progress(len(left)))
        for rows in found:
            kept.keep(rows)
            progress.advance()


@contextmanager
def _dask(address: str, jobs: int) -> Iterator[None]:
    """Have joblib work on a Dask cluster: the one at the address, or one of this machine for as long as it takes."""
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as missing:
        raise Wrong(f"--dask needs {missing.name}: pip install 'depthwalker[lab,dask]'") from missing

    with ExitStack() as stack:
        if address:
            try:
                stack.enter_context(Client(address))
            except (OSError, ValueError) as error:
                raise Wrong(
                    f"--dask {address}: no scheduler answers there: start one, or leave the address out"
                ) from error
        else:
            here = stack.enter_context(
                LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",
                    preload=deaf.__name__,
                    security=True,  # a scheduler runs what it is sent: only who has this cluster's keys may send
                )
            )
            stack.enter_context(Client(here))
        stack.enter_context(joblib.parallel_config(backend="dask"))
        try:
            yield
        except KeyboardInterrupt:
            deaf.hush()
            raise
