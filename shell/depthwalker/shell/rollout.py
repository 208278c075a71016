"""The `rollout` command: where a rollout stands, what the evidence advises, and a person's decisions, each journalled."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

import msgspec

from depthwalker.core.period import Estimate
from depthwalker.core.rollout import (
    UNTIL_BEGUN,
    Entry,
    Move,
    Refused,
    Stage,
    advance,
    in_cents,
    reach,
)
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.db import database
from depthwalker.shell.ending import FAILED, OK, Ended, Wrong
from depthwalker.shell.evidence import Standing, evidence, standing_of
from depthwalker.shell.journal import Store
from depthwalker.shell.opening import open_store
from depthwalker.shell.settings import Settings
from depthwalker.shell.somebody import somebody
from depthwalker.shell.voice import say

MOVES: Final = {"advance": Move.ADVANCE, "hold": Move.HOLD, "stop": Move.STOP}


class NotMoved(Ended):
    """A move that is not made, and why."""

    def __init__(self, text: str) -> None:
        super().__init__(FAILED, text)


def run_rollout(what: str, reason: str, *, anyway: bool, as_json: bool) -> int:
    """Show the rollout or make a move, and return the exit code: FAILED where the move is not made."""
    settings = Settings.load()
    if not reason.strip():
        raise Wrong("--reason: say why, in a word or more")
    with database(settings) as dsn:
        standing = asyncio.run(_run(dsn, settings.account, MOVES.get(what), reason.strip(), anyway=anyway))
    say(json.dumps(_fields(standing), indent=2)) if as_json else say(*_told(standing))
    return OK


async def look_at(store: Store, account: str, now: Micros) -> Standing:
    """Return where an account's rollout stands. Raises StoreError."""
    return await standing_of(store.assigned, account, await store.rollout(account), now)


async def make(store: Store, account: str, move: Move, reason: str, now: Micros, *, anyway: bool) -> Entry:
    """Make a move and return its line. Raises NotMoved or StoreError."""
    standing = await look_at(store, account, now)
    stage = _stage_after(standing, move, anyway=anyway)
    if isinstance(stage, Refused):
        raise NotMoved(stage.reason)
    entry = Entry(standing.rollout.entries + 1, now, move, stage, somebody(), reason)
    if not await store.move(account, entry, evidence(standing.found)):
        raise NotMoved(
            "somebody else decided at the same moment: look at `depthwalker rollout status` and decide again"
        )
    return entry


async def _run(dsn: str, account: str, move: Move | None, reason: str, *, anyway: bool) -> Standing:
    clock = SystemClock()
    async with open_store(dsn) as store:
        if move is not None:
            await make(store, account, move, reason, clock.now(), anyway=anyway)
        return await look_at(store, account, clock.now())


def _stage_after(standing: Standing, move: Move, *, anyway: bool) -> Stage | Refused:
    rollout = standing.rollout
    if move is Move.ADVANCE:
        return advance(rollout, standing.advised, anyway=anyway)
    if rollout.stage is None:
        return Refused("the rollout has not begun: `depthwalker rollout advance` begins it")
    return Refused(f"it is stopped already: {rollout.stopped}") if rollout.stopped else rollout.stage


def _told(standing: Standing) -> Iterator[str]:
    rollout, found = standing.rollout, standing.found
    if rollout.stage is None:
        yield UNTIL_BEGUN
    else:
        yield f"stage {rollout.stage.value}, since {_when(rollout.since)}"
        stopped, held = f"stopped: {rollout.stopped}; all are control", f"held: {rollout.held}"
        yield stopped if rollout.stopped else held if rollout.held else reach(rollout.stage)
        costs = f"{_cents(found.walker_cost)} and {_cents(found.control_cost)} cents a contract"
        yield f"{found.walkers} walker's and {found.controls} control's parents on {found.days} common days: {costs}"
        yield f"walker less control, paired by day: {_interval(found.difference)} cents a contract"
        if found.gain is not None:
            yield f"better than simple_limit on the same tape by {found.gain.mean / 10_000:.2f} % of the target"
    yield f"advice: {standing.advised.advice.value} ({standing.advised.reason})"
    if standing.danger is not None:
        yield f"the guard would disable it: {standing.danger.reason}"
    for entry in standing.entries:
        yield f"  {entry.number}. {_when(entry.at)} {entry.move.value} -> {entry.stage.value}, {entry.by}: {entry.reason}"


def _interval(gap: Estimate | None) -> str:
    if gap is None:
        return "-"
    interval = "no interval yet" if gap.low is None else f"{_cents(gap.low)} to {_cents(gap.high)}"
    return f"{_cents(gap.mean)} ({interval})"


def _cents(micros: int | None) -> str:
    return "-" if micros is None else in_cents(micros)


def _when(at: Micros) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _fields(standing: Standing) -> dict[str, object]:
    rollout = standing.rollout
    return {
        "stage": None if rollout.stage is None else rollout.stage.value,
        "since": None if rollout.stage is None else _when(rollout.since),
        "held": rollout.held,
        "stopped": rollout.stopped,
        "advice": standing.advised.advice.value,
        "reason": standing.advised.reason,
        "guard": "" if standing.danger is None else standing.danger.reason,
        "evidence": asdict(standing.found),
        "journal": msgspec.to_builtins(standing.entries),
    }
