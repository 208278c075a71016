"""Rolling a walker out: which parents it gets, what the arms cost beside each other, and whether to go on.

Stages lead from paper (a week at least) over 10 % and 50 % to 100 %, of which a twentieth always stays control: the plain
limit order. Which arm a parent is in depends on its edge alone, so an edge that had the walker at one stage keeps it at the
next. Arms are compared as assigned, whatever a fallback then made of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from itertools import pairwise
from typing import Final, assert_never

from depthwalker.core.period import LEAST_BLOCKS, MILLI, Estimate, estimate, mean_of, student
from depthwalker.core.units import DAY, SECOND, Micros, Money, ceil_div, root, round_div

WHOLE: Final = 10_000  # of an assignment's buckets
WEEK: Final = Micros(7 * DAY)  # the least that paper lasts
LEAST: Final = 30  # parents of an arm below which nothing is advised
_FNV_START: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_WORD: Final = 0xFFFFFFFFFFFFFFFF
_MIX: Final = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)


class Arm(Enum):
    """What a parent was assigned to: its method's algorithm, or the plain limit order."""

    WALKER = "walker"
    CONTROL = "control"


class Stage(Enum):
    """How far the walker is rolled out."""

    PAPER = "paper"
    TENTH = "10 %"
    HALF = "50 %"
    FULL = "100 %"


SHARES: Final = {Stage.PAPER: 5_000, Stage.TENTH: 1_000, Stage.HALF: 5_000, Stage.FULL: 9_500}  # of WHOLE


class Move(Enum):
    """What changes a rollout: a person's decisions, and the guard's."""

    ADVANCE = "advance"
    HOLD = "hold"
    STOP = "stop"
    DISABLE = "disable"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the rollout's journal, numbered from 1; `stage` is the one that holds after it."""

    number: int
    at: Micros
    move: Move
    stage: Stage
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rollout:
    """Where a rollout stands after `entries` lines. `stage` is None before it has begun; `stopped` says why it was stopped."""

    stage: Stage | None
    since: Micros
    held: str
    stopped: str
    entries: int


NOT_BEGUN: Final = Rollout(stage=None, since=Micros(0), held="", stopped="", entries=0)
UNTIL_BEGUN: Final = "no rollout has begun: where money is real a method that takes part in one runs simple_limit, any other as configured"


@dataclass(frozen=True, slots=True)
class Assigned:
    """A finished parent of an arm: `cost` is its shortfall in microdollars a contract, `day` counts from the epoch.

    `gain` is what the walker's slippage was better than simple_limit's on the same tape, in parts per million, once measured.
    """

    arm: Arm
    market: str
    day: int
    cost: Money
    gain: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The arms beside each other: parents, mean costs, and the walker's less control's with an interval over the days.

    Both arms meet the same days, so they are paired by day. `gain` is the walker's over simple_limit, parent by parent.
    """

    walkers: int
    controls: int
    days: int
    walker_cost: int | None
    control_cost: int | None
    difference: Estimate | None
    gain: Estimate | None


class Advice(Enum):
    """What the evidence speaks for."""

    ADVANCE = "advance"
    WAIT = "wait"
    HOLD = "hold"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Advised:
    """The advice and why; `gate` where it cannot be overruled."""

    advice: Advice
    reason: str
    gate: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a move is not made."""

    reason: str


def read(entries: Iterable[Entry]) -> Rollout:
    """Return where the rollout of a journal stands."""
    return reduce(_after, entries, NOT_BEGUN)


def assign(edge: str, rollout: Rollout, *, live: bool) -> Arm | None:
    """Return the arm of an edge's parents, or None before a rollout has begun. Up to the paper stage all that is live is control."""
    if rollout.stopped or (live and rollout.stage in {None, Stage.PAPER}):
        return Arm.CONTROL
    if rollout.stage is None:
        return None
    return Arm.WALKER if bucket(edge) < SHARES[rollout.stage] else Arm.CONTROL


def reach(stage: Stage) -> str:
    """Return in words who has the walker at a stage that is not stopped."""
    share = f"{SHARES[stage] * 100 // WHOLE} % of the edges have the walker"
    return f"{share} on paper or a demo exchange, none where money is real" if stage is Stage.PAPER else share


def bucket(edge: str) -> int:
    """Return an edge's bucket, from 0 to 9999: the same on every machine (FNV-1a, mixed as MurmurHash3 ends)."""
    word = _FNV_START
    for byte in edge.encode():
        word = (word ^ byte) * _FNV_PRIME & _WORD
    for factor in _MIX:
        word = (word ^ word >> 33) * factor & _WORD
    return (word ^ word >> 33) % WHOLE


def compare(parents: Sequence[Assigned]) -> Comparison:
    """Return the arms beside each other."""
    every = {arm: {one.day for one in parents if one.arm is arm} for arm in Arm}
    gains = [(one.day, one.gain) for one in parents if one.arm is Arm.WALKER and one.gain is not None]
    days = every[Arm.WALKER] & every[Arm.CONTROL]
    walkers = [one for one in parents if one.arm is Arm.WALKER and one.day in days]
    controls = [one for one in parents if one.arm is Arm.CONTROL and one.day in days]
    return Comparison(
        walkers=len(walkers),
        controls=len(controls),
        days=len(days),
        walker_cost=mean_of([one.cost for one in walkers]),
        control_cost=mean_of([one.cost for one in controls]),
        difference=difference([one for one in parents if one.day in days], lambda one: one.day),
        gain=estimate([gain for _, gain in gains], [day for day, _ in gains]) if gains else None,
    )


def difference(parents: Sequence[Assigned], block: Callable[[Assigned], object]) -> Estimate | None:
    """Return the walker's mean cost less control's, with a 95 % interval robust to what parents of a block have in common.

    None where an arm has no parents; no interval where there are fewer than five blocks.
    """
    counts = {arm: sum(one.arm is arm for one in parents) for arm in Arm}
    totals = {arm: sum(one.cost for one in parents if one.arm is arm) for arm in Arm}
    walkers, controls = counts[Arm.WALKER], counts[Arm.CONTROL]
    if not walkers or not controls:
        return None
    mean = round_div(totals[Arm.WALKER] * controls - totals[Arm.CONTROL] * walkers, walkers * controls)
    # A parent's share in the error of the difference, times both counts squared: whole numbers, so exact.
    weights = {Arm.WALKER: controls**2, Arm.CONTROL: -(walkers**2)}
    sums: dict[object, int] = {}
    for one in parents:
        share = weights[one.arm] * (counts[one.arm] * one.cost - totals[one.arm])
        key = block(one)
        sums[key] = sums.get(key, 0) + share
    if len(sums) < LEAST_BLOCKS:
        return Estimate(mean, None, None)
    degrees = len(sums) - 1
    squares = sum(share * share for share in sums.values()) * len(sums)
    scale = (walkers * controls) ** 2
    half = ceil_div(root(student(degrees) ** 2 * squares // degrees), MILLI * scale)  # never too sure
    return Estimate(mean, mean - half, mean + half)


def advise(rollout: Rollout, found: Comparison, now: Micros) -> Advised:
    """Return what the evidence since the stage began speaks for."""
    if rollout.stage is None:
        return Advised(Advice.ADVANCE, "not begun: advancing begins the paper stage")
    if rollout.stopped:
        return Advised(Advice.HOLD, f"stopped: {rollout.stopped}; advancing begins again with the paper stage")
    left = rollout.since + WEEK - now
    if rollout.stage is Stage.PAPER and left > 0:
        hours = ceil_div(left, 3_600 * SECOND)
        return Advised(Advice.WAIT, f"the paper stage lasts a week at least: {hours} hours are left", gate=True)
    if rollout.held:
        return Advised(Advice.HOLD, f"held: {rollout.held}")
    return _by_evidence(rollout.stage, found)


def advance(rollout: Rollout, advised: Advised, *, anyway: bool) -> Stage | Refused:
    """Return the next stage, or why it is not entered; `anyway` overrules advice, never the week of paper or its lack of parents."""
    if rollout.stage is None or rollout.stopped:
        return Stage.PAPER
    if rollout.stage is Stage.FULL:
        return Refused("this is the last stage: a twentieth stays control for good")
    if advised.gate or (advised.advice is not Advice.ADVANCE and not anyway):
        return Refused(advised.reason)
    return next(after for before, after in pairwise(Stage) if before is rollout.stage)


def _by_evidence(stage: Stage, found: Comparison) -> Advised:
    if found.days < LEAST_BLOCKS or min(found.walkers, found.controls) < LEAST:
        have = f"{found.walkers} walker's and {found.controls} control's parents on {found.days} common days"
        needed = f"{have}: {LEAST} of each and {LEAST_BLOCKS} days are needed"
        return Advised(Advice.WAIT, needed, gate=stage is Stage.PAPER)
    gap = found.difference
    assert gap is not None
    assert gap.low is not None
    assert gap.high is not None
    if gap.low > 0:
        return Advised(
            Advice.STOP,
            f"the walker is dearer by {in_cents(gap.mean)} cents a contract, and the interval is clear of zero",
        )
    if gap.high >= 0:
        return Advised(
            Advice.HOLD,
            f"the interval of the difference ({in_cents(gap.mean)} cents a contract) holds zero: no claim yet",
        )
    if stage is Stage.FULL:
        return Advised(Advice.HOLD, "this is the last stage, and the walker is cheaper")
    return Advised(
        Advice.ADVANCE,
        f"the walker is cheaper by {in_cents(-gap.mean)} cents a contract, and the interval is clear of zero",
    )


def in_cents(micros: int) -> str:
    """Return microdollars as cents with two decimals, rounded."""
    hundredths = round_div(micros, 100)
    whole, rest = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else ''}{whole}.{rest:02d}"


def _after(rollout: Rollout, entry: Entry) -> Rollout:
    match entry.move:
        case Move.ADVANCE:
            return Rollout(entry.stage, entry.at, held="", stopped="", entries=entry.number)
        case Move.HOLD:
            return Rollout(entry.stage, rollout.since, entry.reason, rollout.stopped, entry.number)
        case Move.STOP | Move.DISABLE:
            return Rollout(entry.stage, rollout.since, rollout.held, entry.reason, entry.number)
        case _ as never:
            assert_never(never)
