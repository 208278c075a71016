"""The rate budget of an account: what each request costs, and two token buckets that pay for it (fact sheet, section 6)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from depthwalker.core.budget import Bucket, full, spend, would_exceed
from depthwalker.core.units import SECOND, Micros

DEFAULT_COST: Final = 10
TIERS: Final = {  # tokens a second to read and to write
    "basic": (200, 100),
    "advanced": (300, 300),
    "expert": (600, 600),
    "premier": (1_200, 1_200),
    "paragon": (2_400, 2_400),
    "prime": (4_800, 4_800),
    "prestige": (12_000, 9_600),
}
UPGRADED: Final = "advanced"


class Lane(Enum):
    """Which bucket pays."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Price:
    """What a request costs; a batch costs that much for each of its orders."""

    lane: Lane
    tokens: int = DEFAULT_COST
    per_item: bool = False


@dataclass(frozen=True, slots=True)
class Allowance:
    """An account's tier and its rates in tokens a second; a bucket holds one second's worth unless told otherwise."""

    tier: str
    read: int
    write: int
    read_capacity: int
    write_capacity: int


def allowance(tier: str, rates: tuple[int | None, int | None], capacities: tuple[int | None, int | None]) -> Allowance:
    """Return a tier's allowance (a tier not known is basic), with whatever else was asked for (None: the tier's)."""
    usual = TIERS.get(tier, TIERS["basic"])
    read, write = (own if asked is None else asked for own, asked in zip(usual, rates, strict=True))
    most_read, most_write = (
        rate if asked is None else asked for rate, asked in zip((read, write), capacities, strict=True)
    )
    return Allowance(tier, read, write, most_read, most_write)


class Meter:
    """The buckets of all accounts, each full at first."""

    def __init__(self, usual: Allowance) -> None:
        self._usual = usual
        self._upgraded: dict[str, Allowance] = {}
        self._buckets: dict[tuple[str, Lane], Bucket] = {}

    def allowance(self, account: str) -> Allowance:
        """Return what an account may spend."""
        return self._upgraded.get(account, self._usual)

    def upgraded(self, account: str) -> bool:
        """Return whether an account asked for the higher tier and got it."""
        return account in self._upgraded

    def upgrade(self, account: str) -> None:
        """Give an account the tier that is there for the asking, unless it has a higher one."""
        read, write = TIERS[UPGRADED]
        if self.allowance(account).write < write:
            self._upgraded[account] = Allowance(UPGRADED, read, write, read, write)
            self._buckets.pop((account, Lane.READ), None)
            self._buckets.pop((account, Lane.WRITE), None)

    def spend(self, account: str, lane: Lane, tokens: int, now: Micros) -> bool:
        """Return whether the account could pay; it has then paid."""
        bucket = self._buckets.get((account, lane)) or self._full(account, lane, now)
        if would_exceed(bucket, tokens, 0, now):
            self._buckets[account, lane] = bucket
            return False
        self._buckets[account, lane] = spend(bucket, tokens, now)
        return True

    def _full(self, account: str, lane: Lane, now: Micros) -> Bucket:
        may = self.allowance(account)
        rate, capacity = (may.read, may.read_capacity) if lane is Lane.READ else (may.write, may.write_capacity)
        return full(rate, SECOND, capacity, now)
