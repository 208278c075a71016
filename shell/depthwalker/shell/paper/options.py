"""What may differ from exchange to exchange."""

from dataclasses import dataclass

from depthwalker.core.fees import Precision
from depthwalker.core.units import Micros
from depthwalker.shell.paper.tariff import Allowance, allowance


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ from exchange to exchange; `read_lag` is that of GET order, GET positions and GET order group.

    The rates and capacities of the token buckets are those of the tier where they are None, a capacity one second's worth.
    `public_rate` limits unsigned requests, all of them together; the real limit is not documented, so there is none.
    """

    read_lag: Micros = Micros(0)  # noqa: RUF009 - an int
    precision: Precision = Precision.DIRECT
    usage_tier: str = "basic"
    read_rate: int | None = None
    write_rate: int | None = None
    inactive_status: int = 400  # not established: which status MARKET_INACTIVE carries
    read_capacity: int | None = None
    write_capacity: int | None = None
    public_rate: int | None = None
    cancel_all_lag: Micros = Micros(0)  # noqa: RUF009 - an int

    @property
    def allowance(self) -> Allowance:
        """Return what every account may spend at first."""
        rates, capacities = (self.read_rate, self.write_rate), (self.read_capacity, self.write_capacity)
        return allowance(self.usage_tier, rates, capacities)
