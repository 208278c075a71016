"""When a rollout's walker is disabled by itself (specification, risk mitigation): a pure function of finished parents.

Three worse days alone would stop a walker that is equal to control within 20 days more often than not, so the interval over
them has to be clear of zero too. `docs/guard.md` states how often an equal one is still stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from depthwalker.core.rollout import Arm, Assigned, difference
from depthwalker.core.units import DAY, MILLION, Micros

DAYS: Final = 3
WIDER: Final = 2  # times the 95 % interval, since it is asked for every day: docs/guard.md shows what one time would do
PERCENT: Final = MILLION // 100


@dataclass(frozen=True, slots=True)
class Trip:
    """Why the walker is disabled."""

    reason: str


def day_of(at: Micros) -> int:
    """Return the day of an instant (UTC), counted from the epoch."""
    return at // DAY


def review(parents: Sequence[Assigned], today: int, wider: int = WIDER) -> Trip | None:
    """Judge the last three whole days on which both arms had parents; a day without either says nothing.

    The interval is so many times as wide as that of 95 %; its blocks are a market's day, and with fewer than five nothing
    is claimed.
    """
    whole = [one for one in parents if one.day < today]
    common = {one.day for one in whole if one.arm is Arm.WALKER} & {one.day for one in whole if one.arm is Arm.CONTROL}
    last = sorted(common)[-DAYS:]
    if len(last) < DAYS or not all(_worse(whole, day) for day in last):
        return None
    gap = difference([one for one in whole if one.day in last], lambda one: (one.market, one.day))
    assert gap is not None
    if gap.low is None:
        return None
    low = gap.mean - wider * (gap.mean - gap.low)
    if low <= 0:
        return None
    return Trip(f"dearer than control on three days running, by {gap.mean} (at least {low}) microdollars a contract")


def inspect(arm: Arm | None, slippage: int | None, limit: int, breaches: Sequence[str]) -> Trip | None:
    """Judge one execution as it ends: broken invariants, whoever's; and in the walker's arm its slippage, in parts per million."""
    if breaches:
        return Trip(f"an invariant is broken: {'; '.join(breaches)}")
    if arm is Arm.WALKER and slippage is not None and slippage > limit:
        return Trip(f"slippage {_percent(slippage)} is past the hard limit of {_percent(limit)}")
    return None


def _worse(parents: Sequence[Assigned], day: int) -> bool:
    gap = difference([one for one in parents if one.day == day], lambda one: one.market)
    assert gap is not None
    return gap.mean > 0


def _percent(ppm: int) -> str:
    """Return a ratio in per cent, exact: what is past the limit by a trifle does not read as if it were at it."""
    whole, rest = divmod(ppm, PERCENT)
    return f"{whole}.{f'{rest:04d}'.rstrip('0').ljust(2, '0')} %"
