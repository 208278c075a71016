"""What the pure core costs on books of 100 levels a leg, in microseconds and in bytes."""

import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

from bench import scene, script
from bench.measure import Effort, Table, Timing, clocked, deep_bytes
from depthwalker.core import matching
from depthwalker.core.book import Book, Delta, Leg, apply, ladders
from depthwalker.core.command import Amend
from depthwalker.core.config import PolicyName
from depthwalker.core.crowd import seed
from depthwalker.core.decide import decide
from depthwalker.core.depth import RECORDED_THRESHOLDS, Liquidity, analyze
from depthwalker.core.execution import START, evolve
from depthwalker.core.flow import observe
from depthwalker.core.pit import NewOrder, Pit, Rules
from depthwalker.core.projection import project
from depthwalker.core.split import split
from depthwalker.core.units import CONTRACT, SECOND, Count, Micros, Price
from depthwalker.core.view import View, look

DECIDE_TARGET_US: Final = 50


@dataclass(frozen=True, slots=True)
class Case:
    """Something to call, and by when it should be done."""

    name: str
    action: Callable[[], object]
    target_us: int | None = None


def tables(effort: Effort) -> tuple[Table, ...]:
    """Measure and return the tables of the core."""
    return (decisions(effort), folds(effort), memory())


def decisions(effort: Effort) -> Table:
    """Return what reading a book, deciding on it and matching cost."""
    rows = tuple(_row(case, clocked(case.action, effort)) for case in (*_book_cases(), *_decide_cases(), *_pit_cases()))
    note = (
        f"Books of {scene.LEVELS} levels a leg, {scene.SAMPLES} samples and {scene.TRADES} trades of history, an order of "
        f"ours waiting. Microseconds of one call. Target: a decision with its analysis in under {DECIDE_TARGET_US}."
    )
    return Table("Core: book, decision, matching", note, ("call", "median", "min", "target"), rows)


def _row(case: Case, found: Timing) -> tuple[str, ...]:
    return (case.name, *found.cells(), "" if case.target_us is None else f"< {case.target_us}")


def _book_cases() -> tuple[Case, ...]:
    book, history, cap = scene.book(), scene.history(), Price(4900)
    seen = ladders(book, Leg.YES)
    delta = Delta(Leg.YES, book.yes[50][0], Count(CONTRACT), scene.NOW)
    analysis = analyze(seen, cap, Price(4600), Count(1_000 * CONTRACT), RECORDED_THRESHOLDS)
    prices = tuple(level.price for level in analysis.levels)
    ratios = scene.config(PolicyName.SPEC).walker.split_ratios
    later = Micros(scene.NOW + SECOND)
    return (
        Case("yardstick: sum(range(1000))", lambda: sum(range(1000))),
        Case("apply a delta", lambda: apply(book, delta)),
        Case("ladders", lambda: ladders(book, Leg.YES)),
        Case("observe (sample a book into the history)", lambda: observe(history, book, later)),
        Case(
            "look (a view), no orders of ours",
            lambda: look(book, history, Leg.YES, cap, (), (), scene.CONDITIONS, scene.NOW),
        ),
        Case("analyze", lambda: analyze(seen, cap, Price(4600), Count(1_000 * CONTRACT), RECORDED_THRESHOLDS)),
        Case("split", lambda: split(Count(1_000 * CONTRACT), prices, ratios, Liquidity.LIQUID, Price(4600))),
    )


def _decide_cases() -> tuple[Case, ...]:
    return tuple(case for name in PolicyName for case in _policy_cases(name))


def _policy_cases(name: PolicyName) -> tuple[Case, ...]:
    told, policy, plans = script.story(name), scene.policy(name), scene.begun(name)
    first = script.looked(plans, scene.book(), scene.history(), Micros(scene.NOW + SECOND))
    holds, idles, walks = script.at_tick(told, walks=False), script.idle(told), walking(told, name)
    word = name.value
    return (
        Case(
            f"{word}: decide, first (analysis, routing, splits)", lambda: decide(plans, first, policy), DECIDE_TARGET_US
        ),
        Case(f"{word}: decide, nothing due", lambda: decide(idles.state, idles.view, policy)),
        Case(f"{word}: decide at a tick, holds", lambda: decide(holds.state, holds.view, policy), DECIDE_TARGET_US),
        Case(f"{word}: decide at a tick, walks", lambda: decide(walks.state, walks.view, policy), DECIDE_TARGET_US),
        Case(f"{word}: look, an order of ours", lambda: _look(walks)),
        Case(f"{word}: look and decide at a tick, walks", lambda: decide(walks.state, _look(walks), policy)),
    )


def walking(told: script.Story, name: PolicyName) -> script.Turn:
    """Return a tick that walks: the scripted market is too calm for either policy.

    For `spec` its last volume is raised; for `tuned` others join our best bid, so that it is the touch.
    """
    calm = script.at_tick(told, walks=False)
    *samples, last = calm.history.samples
    history = replace(calm.history, samples=(*samples, replace(last, total=Count(last.total * 3 // 2))))
    best = calm.view.best_bid()
    assert best is not None
    higher = calm.state.grid.up(best)
    assert higher is not None
    raised = apply(calm.book, Delta(Leg.YES, higher, Count(700 * CONTRACT), calm.now))
    assert isinstance(raised, Book)
    view = script.looked(calm.state, raised, history, calm.now)
    turn = replace(calm, book=raised, history=history, view=view, commands=decide(calm.state, view, scene.policy(name)))
    assert any(isinstance(command, Amend) for command in turn.commands), turn.commands
    return turn


def _look(turn: script.Turn) -> View:
    return script.looked(turn.state, turn.book, turn.history, turn.now)


def _pit_cases() -> tuple[Case, ...]:
    opening = scene.book()
    pit: Pit = seed(opening.yes, opening.no, Rules(grid=scene.GRID))
    rests = NewOrder("ours", "us", Leg.YES, Price(scene.BEST_YES + scene.TICK), Count(10 * CONTRACT))
    reached = opening.no[:3]
    takes = replace(rests, price=Price(10_000 - reached[-1][0]), count=Count(sum(count for _, count in reached)))
    rested, _ = matching.submit(pit, rests, scene.NOW)
    return (
        Case("matching: submit, rests", lambda: matching.submit(pit, rests, scene.NOW)),
        Case("matching: submit, takes three levels", lambda: matching.submit(pit, takes, scene.NOW)),
        Case("matching: cancel", lambda: matching.cancel(rested, "ours", scene.NOW)),
    )


def folds(effort: Effort) -> Table:
    """Return what folding a fact costs, by its kind, and what a whole journal and its projection do."""
    told = script.story(PolicyName.TUNED)
    steps: dict[str, list[script.Step]] = {}
    for step in told.steps:
        steps.setdefault(type(step.fact).__name__, []).append(step)
    rows = [
        (f"evolve: {kind}", str(len(found)), *_mean(found, effort).cells()) for kind, found in sorted(steps.items())
    ]
    facts = tuple(step.fact for step in told.steps)
    final = told.final
    whole = clocked(lambda: reduce(evolve, facts, START), effort)
    rows.append(("evolve: the whole journal", str(len(facts)), *whole.cells()))
    rows.append(("project (the rows of every table)", "1", *clocked(lambda: project(final), effort).cells()))
    note = (
        f"One scripted execution of {len(final.splits)} splits and {len(final.orders)} orders, {len(told.turns)} decisions. "
        "Microseconds of one fold: the mean over all facts of the kind in the states that they met."
    )
    return Table("Core: folding the journal", note, ("call", "facts", "median", "min"), tuple(rows))


def _mean(steps: list[script.Step], effort: Effort) -> Timing:
    def fold_each() -> None:
        for step in steps:
            evolve(step.before, step.fact)

    found = clocked(fold_each, effort)
    return Timing(found.median_us / len(steps), found.min_us / len(steps))


def memory() -> Table:
    """Return what the values take in memory, everything they refer to included."""
    told = script.story(PolicyName.TUNED)
    held = script.at_tick(told, walks=False)
    opening = scene.book()
    values: tuple[tuple[str, object], ...] = (
        (f"Book, {scene.LEVELS} levels a leg", scene.book()),
        (f"History, {scene.SAMPLES} samples and {scene.TRADES} trades", scene.history()),
        ("View", held.view),
        ("State, an order at work", held.state),
        ("State, finished", told.final),
        (f"Journal of {len(told.steps)} facts", tuple(step.fact for step in told.steps)),
        (f"Pit, {scene.LEVELS} queues a leg", seed(opening.yes, opening.no, Rules(grid=scene.GRID))),
    )
    rows = [(name, f"{deep_bytes(value):,}") for name, value in values]
    rows.append(("peak of the process so far (RSS)", f"{peak_bytes():,}"))
    return Table(
        "Core: memory", "Bytes, each object counted once, what values share included.", ("value", "bytes"), tuple(rows)
    )


def peak_bytes() -> int:
    """Return the most memory that this process has held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
