"""The account's shared budget as PostgreSQL's store leases it, in memory."""

from dataclasses import dataclass, field
from typing import NamedTuple

from depthwalker.core.budget import Bucket
from depthwalker.core.units import Micros, ceil_div
from depthwalker.shell.journal import TokenAsk, TokenBlock


class Lease(NamedTuple):
    """What a worker may spend until an instant, and what it believes the bucket to hold."""

    tokens: int
    until: Micros
    capacity: int


@dataclass
class SharedBucket:
    """One bucket; `level` at `at`, the rate's `period` to a token, is what nobody holds."""

    level: int
    at: Micros
    leases: dict[str, Lease] = field(default_factory=dict)

    def lease(self, worker: str, ask: TokenAsk, rate: Bucket, ttl: Micros, now: Micros) -> TokenBlock:
        """Renew a worker's lease: what is held may be spent at any moment, so it refills only beside that."""
        self.leases = {name: lease for name, lease in self.leases.items() if lease.until > now}
        own = self.leases.pop(worker, Lease(0, now, 0)).tokens
        kept = min(ask.kept, own)
        held = kept + sum(lease.tokens for lease in self.leases.values())
        room = max([rate.capacity, *(lease.capacity for lease in self.leases.values())])
        back = min(ask.left, own - kept) * rate.period
        refilled = self.level + back + rate.tokens * (now - self.at)
        had = max(0, min((room - held) * rate.period, refilled))
        enough = had >= ask.least * rate.period
        granted = min(ask.wanted, had // rate.period) if enough else 0
        wait = 0 if enough else ceil_div(ask.least * rate.period - had, rate.tokens)
        self.level, self.at = had - granted * rate.period, now
        if kept + granted > 0:
            self.leases[worker] = Lease(kept + granted, Micros(now + ttl), rate.capacity)
        return TokenBlock(kept, granted, Micros(wait), self.level // rate.period)
