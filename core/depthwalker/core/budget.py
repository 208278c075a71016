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


@dataclass(frozen=True, slots=True)
class Rate:
    """What one of the account's buckets is given: tokens a second, and how many it holds."""

    refill: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The account's own rates (GET /account/limits): reads and writes are counted apart, REST and FIX together."""

    tier: str
    read: Rate
    write: Rate


@dataclass(frozen=True, slots=True)
class EndpointCost:
    """What a request costs, in tokens; in `path` a part `:name` stands for any one part, `*name` for any rest."""

    method: str
    path: str
    cost: int


@dataclass(frozen=True, slots=True)
class Costs:
    """What every request costs (GET /account/endpoint_costs): the default, and the endpoints that differ."""

    default: int
    endpoints: tuple[EndpointCost, ...]


# What the exchange said in June 2026 of the endpoints used here; a batch is billed by its items (fact sheet, section 6).
USUAL_COSTS: Final = Costs(
    CREATE_COST,
    (
        EndpointCost("DELETE", "/trade-api/v2/portfolio/events/orders/:order_id", CANCEL_COST),
        EndpointCost("DELETE", "/trade-api/v2/portfolio/events/orders/batched", CANCEL_COST),
        EndpointCost("DELETE", "/trade-api/v2/portfolio/events/orders", CANCEL_COST),
        EndpointCost("GET", "/trade-api/v2/portfolio/orders/:order_id", 2),
    ),
)
BASIC: Final = Limits("basic", Rate(200, 200), Rate(100, 100))


def bucket_of(rate: Rate, at: Micros) -> Bucket:
    """Return a full bucket of a rate."""
    return full(rate.refill, SECOND, rate.capacity, at)


def rerated(bucket: Bucket, rate: Rate, now: Micros) -> Bucket:
    """Return the bucket under another rate, holding as many tokens as before: a tier that rises fills by itself."""
    level = min(available(bucket, now), rate.capacity) * SECOND
    return Bucket(rate.refill, SECOND, rate.capacity, level, now)


def cost_of(costs: Costs, method: str, path: str, items: int = 1) -> int:
    """Return what a request costs, a batch by its items; the most exact of the patterns that fit decides."""
    parts = _parts(path)
    fitting = [one for one in costs.endpoints if one.method == method and _fits(_parts(one.path), parts)]
    best = max(fitting, key=_exactness, default=None)
    return items * (costs.default if best is None else best.cost)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _fits(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if pattern[-1].startswith("*"):
        head = len(pattern) - 1
        return len(parts) > head and _fits_each(pattern[:head], parts[:head])
    return len(pattern) == len(parts) and _fits_each(pattern, parts)


def _fits_each(pattern: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return all(wanted.startswith(":") or wanted == part for wanted, part in zip(pattern, parts, strict=True))


def _exactness(endpoint: EndpointCost) -> int:
    return sum([0 if part.startswith("*") else 1 if part.startswith(":") else 2 for part in _parts(endpoint.path)])
