"""`depthwalker backtest`: the laboratory on recordings and synthetic markets, as a table or as JSON."""

import argparse
import json
from collections.abc import Callable, Iterator

from depthwalker.core.units import Micros
from depthwalker.shell.backtest_page import backtest_page, results_of
from depthwalker.shell.ending import OK, Wrong
from depthwalker.shell.lab.asked import BLOCK, capped, models_of, names_of, sampling_of, tape_of
from depthwalker.shell.lab.experiment import Design, Measured, experiment, indexed
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.report import report
from depthwalker.shell.lab.shown import shown
from depthwalker.shell.lab.telling import tell
from depthwalker.shell.method import read_method
from depthwalker.shell.voice import complain
from depthwalker.shell.waiting import waiting


def run_backtest(given: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    design = _design(given)
    with waiting("reading markets") as told:
        measured = experiment(_markets(given, told), design, complain)
    if not measured.outcomes:
        raise Wrong(f"no parent could be sampled: {_reasons(measured)}")
    found = report(measured)
    if given.html is not None:
        given.html.write_text(backtest_page(results_of(json.dumps(found).encode(), "the report")), encoding="utf-8")
    tell(found, shown(found), given.json)
    return OK


def _markets(given: argparse.Namespace, told: Callable[[str], None]) -> Iterator[tuple[str, Index]]:
    markets = [(source, given.seed + place) for place, source in enumerate(given.data)]
    for place, (name, market) in enumerate(zip(names_of(markets), markets, strict=True), 1):
        told(f"executing on {name}, market {place} of {len(markets)}")
        yield name, indexed(tape_of(*market))


def _reasons(measured: Measured) -> str:
    reasons = ", ".join(f"{count} x {reason}" for reason, count in measured.left_out.items())
    return reasons or "the markets are shorter than a horizon and the minute after it"


def _design(given: argparse.Namespace) -> Design:
    sampling = sampling_of(given, capped(read_method(given.method), given.cap))
    everyone = players(sampling.config)
    names = given.algorithm or list(everyone)
    unknown = [name for name in names if name not in everyone]
    if unknown:
        raise Wrong(f"there is no algorithm {unknown[0]!r}; there are {', '.join(everyone)}")
    chosen = tuple(everyone[name] for name in dict.fromkeys(names))
    block = Micros(BLOCK * sampling.config.timeout)
    return Design(chosen, sampling, models_of(given), Micros(given.latency * 1_000), block)
