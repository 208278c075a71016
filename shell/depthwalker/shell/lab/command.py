"""`depthwalker backtest`: the laboratory on recordings and synthetic markets, as a table or as JSON."""

import argparse
import json
from collections.abc import Callable, Iterator

from depthwalker.core.tape import Tape
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.backtest_page import backtest_page, results_of
from depthwalker.shell.commands.backtest import CAP
from depthwalker.shell.ending import OK, Wrong
from depthwalker.shell.lab.asked import BLOCK, framed, horizon_of, models_of, names_of, sampling_of, tape_of
from depthwalker.shell.lab.experiment import Design, Measured, experiment
from depthwalker.shell.lab.parents import Sampling
from depthwalker.shell.lab.players import players, selectable
from depthwalker.shell.lab.report import report
from depthwalker.shell.lab.session import Session, repeated, session_of, standing_on
from depthwalker.shell.lab.shown import shown
from depthwalker.shell.lab.telling import keep, tell
from depthwalker.shell.method import read_method
from depthwalker.shell.voice import complain
from depthwalker.shell.waiting import waiting


def run_backtest(given: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    design = _design(given)
    refused: dict[str, str] = {}
    played: list[tuple[str, Session | None]] = []
    with waiting("reading markets") as told:
        measured = experiment(_markets(given, told, refused, played), design, complain)
    sampled = {outcome.file for outcome in measured.outcomes}
    if not sampled:
        raise Wrong("; ".join([*refused.values(), *_nothing(measured, design.sampling)]))
    refused |= dict.fromkeys(
        [name for name in measured.fill_models if name not in sampled], "no parent could be sampled"
    )
    found = {
        **report(measured),
        **standing_on(session for name, session in played if name in sampled),
        "refused": [{"file": name, "reason": why} for name, why in refused.items()],
    }
    code = OK
    if given.html is not None:
        code = keep(backtest_page(results_of(json.dumps(found).encode(), "the report")), given.html)
    return max(code, tell(found, shown(found), given.json))


def _markets(
    given: argparse.Namespace,
    told: Callable[[str], None],
    refused: dict[str, str],
    played: list[tuple[str, Session | None]],
) -> Iterator[tuple[str, Tape]]:
    """Yield the markets, and note them with their sessions; those that cannot be played with the reason."""
    markets = [(source, given.seed + place) for place, source in enumerate(given.data)]
    for place, (name, market) in enumerate(zip(names_of(markets), markets, strict=True), 1):
        told(f"executing on {name}, market {place} of {len(markets)}")
        try:
            tape = tape_of(*market)
        except Wrong as wrong:
            refused[name] = str(wrong)
            continue
        session = session_of(market[0], tape)
        again = repeated(session, played)
        if again is not None:
            refused[name] = again
            continue
        played.append((name, session))
        yield name, tape


def _nothing(measured: Measured, sampling: Sampling) -> Iterator[str]:
    """Yield why the markets that could be played gave no parent."""
    if measured.fill_models:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in measured.left_out.items())
        first, horizon = sampling.offset // SECOND, -(-sampling.config.timeout // SECOND)
        short = (
            f"the markets are shorter than the {first} s until the first (--every), its horizon of {horizon} s and the minute"
            " after it"
        )
        yield f"no parent could be sampled: {reasons or short}"


def _design(given: argparse.Namespace) -> Design:
    cap = CAP if given.cap is None and given.method is None else given.cap
    sampling = sampling_of(given, framed(read_method(given.method), horizon_of(given), cap))
    everyone = selectable(sampling.config)
    names = given.algorithm or list(players(sampling.config))
    unknown = [name for name in names if name not in everyone]
    if unknown:
        raise Wrong(f"there is no algorithm {unknown[0]!r}; there are {', '.join(everyone)}")
    chosen = tuple(everyone[name] for name in dict.fromkeys(names))
    block = Micros(BLOCK * sampling.config.timeout)
    return Design(chosen, sampling, models_of(given), Micros(given.latency * 1_000), block)
