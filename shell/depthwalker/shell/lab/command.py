"""`depthwalker backtest`: the laboratory on recordings and synthetic markets, as a table or as JSON."""

import argparse
import json
import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from depthwalker.core.book import Leg
from depthwalker.core.config import ExecutionConfig
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.parent import Action
from depthwalker.core.tape import Tape
from depthwalker.core.units import MILLION, SECOND, Count, Micros, Price, parse_count
from depthwalker.shell.backtest_page import backtest_page, results_of
from depthwalker.shell.config import parse_config
from depthwalker.shell.ending import OK, REFUSED
from depthwalker.shell.exact import PLAIN_NUMBER
from depthwalker.shell.lab.experiment import Design, Measured, experiment, indexed
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampling
from depthwalker.shell.lab.players import players
from depthwalker.shell.lab.report import report
from depthwalker.shell.lab.shown import shown
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import load
from depthwalker.shell.synthetic import synthesize
from depthwalker.shell.voice import complain, say

SYNTHETIC_SECONDS: Final = 3600
BLOCK: Final = 10  # horizons


class Wrong(Exception):
    """What is wrong with the command line or with a file that it names."""


def run_backtest(given: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    try:
        design = _design(given)
        markets = ((name, indexed(_tape(name, given.seed, index))) for index, name in enumerate(given.data))
        measured = experiment(((Path(name).name, index) for name, index in markets), design, complain)
    except Wrong as wrong:
        complain(str(wrong))
        return REFUSED
    if not measured.outcomes:
        complain(f"no parent could be sampled: {_reasons(measured)}")
        return REFUSED
    found = report(measured)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if given.html is not None:
        given.html.write_text(backtest_page(results_of(json.dumps(found).encode(), "the report")), encoding="utf-8")
    say(*shown(found))
    return OK


def _reasons(measured: Measured) -> str:
    reasons = ", ".join(f"{count} x {reason}" for reason, count in measured.left_out.items())
    return reasons or "the markets are shorter than a horizon and the minute after it"


def _design(given: argparse.Namespace) -> Design:
    config = _capped(_config(given.policy), given.cap)
    horizon = Micros(given.horizon * SECOND)
    config = replace(config, timeout=horizon)
    everyone = players(config)
    names = given.algorithm or list(everyone)
    unknown = [name for name in names if name not in everyone]
    if unknown:
        raise Wrong(f"there is no algorithm {unknown[0]!r}; there are {', '.join(everyone)}")
    models = tuple(QueueModel) if given.queue == "both" else (QueueModel(given.queue),)
    sampling = Sampling(
        counts=tuple(_contracts(text) for text in given.count or ("10", "100")),
        outcomes=tuple(Leg) if given.outcome == "both" else (Leg(given.outcome),),
        action=Action(given.action),
        aim=Aim(*given.target),
        every=Micros(given.every * SECOND),
        offset=Micros(given.every * SECOND),
        config=config,
    )
    chosen = tuple(everyone[name] for name in dict.fromkeys(names))
    return Design(chosen, sampling, models, Micros(given.latency * 1_000), Micros(BLOCK * horizon))


def _tape(name: str, seed: int, index: int) -> Tape:
    profile = PROFILES.get(name)
    if profile is not None:
        return synthesize(profile, seed + index, SYNTHETIC_SECONDS)
    try:
        loaded = load(Path(name))
    except OSError as error:
        raise Wrong(f"{name} cannot be read: {error.strerror}") from error
    match loaded:
        case Success(tape):
            return tape
        case Failure(unplayable):
            raise Wrong(f"{name} cannot be replayed: {unplayable.reason}")


def _config(file: Path | None) -> ExecutionConfig:
    if file is None:
        raw: object = {}
    else:
        try:
            text = file.read_text(encoding="utf-8")
            is_json = file.suffix == ".json"
            raw = json.loads(text, parse_float=Decimal) if is_json else tomllib.loads(text, parse_float=Decimal)
        except (OSError, ValueError, ArithmeticError, RecursionError) as error:
            raise Wrong(f"{file} cannot be read as execution_config: {error}") from error
    table = raw.get("execution_config", raw) if isinstance(raw, dict) else raw
    if not isinstance(table, dict):
        raise Wrong(f"{file} holds no table: write the keys of execution_config")
    match parse_config(table):
        case Success(config):
            return config
        case Failure(errors):
            raise Wrong(f"{file}: {errors.in_words()}")


def _capped(config: ExecutionConfig, text: str) -> ExecutionConfig:
    percent = text.endswith("%")
    digits = text.removesuffix("%")
    number = Decimal(digits) if PLAIN_NUMBER.fullmatch(digits) else Decimal(-1)
    units = number * (MILLION // 100 if percent else 10_000)
    if not 0 <= number <= (100 if percent else 1) or units != int(units):
        raise Wrong(f"--cap {text!r}: give dollars from 0 to 1, such as 0.03, or a percentage such as 2.5%")
    if percent:
        return replace(config, slippage_ppm=int(units), slippage_dollars=None)
    return replace(config, slippage_ppm=None, slippage_dollars=Price(int(units)))


def _contracts(text: str) -> Count:
    count = parse_count(text).value_or(Count(0))
    if count <= 0:
        raise Wrong(f"--count {text!r}: give contracts above 0 with at most 2 decimals")
    return count
