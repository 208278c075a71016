"""Rate budgets as values: a token bucket refills by itself and is asked, never slept on.

Kalshi counts tokens a second in a read and a write bucket (fact sheet, section 6); the specification's 90 calls a minute
is the same bucket with another rate. Levels are kept in parts of a token, as many as its period has microseconds, so that
refilling is exact however time is cut up.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.units import SECOND, Micros, ceil_div

CREATE_COST: Final = 10
CANCEL_COST: Final = 2
WALKER_CALLS: Final = 15  # what the specification asks the limiter for before it starts a walker


@dataclass(frozen=True, slots=True)
class Bucket:
    """`tokens` a `period` (micros) flow in, up to `capacity`; `level` is what was there at `at`: `period` to a token."""

    tokens: int
    period: Micros
    capacity: int
    level: int
    at: Micros


def full(tokens: int, period: Micros, capacity: int, at: Micros) -> Bucket:
    """Return a full bucket."""
    return Bucket(tokens, period, capacity, capacity * period, at)


def per_minute(calls: int, at: Micros) -> Bucket:
    """Return the specification's limiter: so many calls a minute, all of them at once if need be."""
    return full(calls, Micros(60 * SECOND), calls, at)


def refill(bucket: Bucket, now: Micros) -> Bucket:
    """Return the bucket as it stands now; a clock that stepped back refills nothing."""
    if now <= bucket.at:
        return bucket
    level = min(bucket.capacity * bucket.period, bucket.level + (now - bucket.at) * bucket.tokens)
    return Bucket(bucket.tokens, bucket.period, bucket.capacity, level, now)


def available(bucket: Bucket, now: Micros) -> int:
    """Return how many whole tokens could be spent now."""
    return max(0, refill(bucket, now).level // bucket.period)


def available_within(bucket: Bucket, span: Micros, now: Micros) -> int:
    """Return how many whole tokens can be spent from now until `span` has passed."""
    return max(0, (refill(bucket, now).level + span * bucket.tokens) // bucket.period)


def would_exceed(bucket: Bucket, cost: int, reserve: int, now: Micros) -> bool:
    """Return whether spending `cost` would leave less than `reserve`."""
    return available(bucket, now) < cost + reserve


def spend(bucket: Bucket, cost: int, now: Micros) -> Bucket:
    """Return the bucket after a spend; the caller has asked `ready_at` first."""
    filled = refill(bucket, now)
    return Bucket(filled.tokens, filled.period, filled.capacity, filled.level - cost * filled.period, filled.at)


def ready_at(bucket: Bucket, cost: int, reserve: int, now: Micros) -> Micros:
    """Return the first instant at which `cost` can be spent with `reserve` left; now, if it can at once.

    A reserve beyond what the bucket can hold is waited for until the bucket is full: it will never be fuller.
    """
    filled = refill(bucket, now)
    missing = min(cost + reserve, filled.capacity) * filled.period - filled.level
    return now if missing <= 0 else Micros(filled.at + ceil_div(missing, filled.tokens))
