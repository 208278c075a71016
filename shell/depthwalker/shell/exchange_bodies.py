"""The bodies of what concerns the exchange as a whole and the account's rates (fact sheet, sections 6, 8 and 9)."""

from decimal import Decimal

from depthwalker.shell.bodies import Body


class RatePart(Body):
    """One bucket's rate and capacity."""

    refill_rate: int
    bucket_capacity: int


class LimitsBody(Body):
    """GET /account/limits."""

    usage_tier: str
    read: RatePart
    write: RatePart


class CostPart(Body):
    """One endpoint's cost."""

    method: str
    path: str
    cost: int


class CostsBody(Body):
    """GET /account/endpoint_costs."""

    default_cost: int
    endpoint_costs: tuple[CostPart, ...]


class ShardPart(Body):
    """One shard's status."""

    exchange_index: int
    exchange_active: bool
    trading_active: bool


class StatusBody(Body):
    """GET /exchange/status."""

    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None
    exchange_index_statuses: tuple[ShardPart, ...] | None = None


class SessionPart(Body):
    """One day's hours in Eastern Time."""

    open_time: str
    close_time: str


class WeekPart(Body):
    """One week's hours and how long they are in force."""

    start_time: str
    end_time: str
    monday: tuple[SessionPart, ...]
    tuesday: tuple[SessionPart, ...]
    wednesday: tuple[SessionPart, ...]
    thursday: tuple[SessionPart, ...]
    friday: tuple[SessionPart, ...]
    saturday: tuple[SessionPart, ...]
    sunday: tuple[SessionPart, ...]


class WindowPart(Body):
    """One maintenance window."""

    start_datetime: str
    end_datetime: str


class SchedulePart(Body):
    """The schedule's two lists."""

    standard_hours: tuple[WeekPart, ...]
    maintenance_windows: tuple[WindowPart, ...] | None = None


class ScheduleBody(Body):
    """GET /exchange/schedule."""

    schedule: SchedulePart


class SeriesFeePart(Body):
    """One change of a series' fees."""

    series_ticker: str
    fee_type: str
    fee_multiplier: Decimal
    scheduled_ts: str


class SeriesFeesBody(Body):
    """GET /series/fee_changes."""

    series_fee_change_arr: tuple[SeriesFeePart, ...]


class EventFeePart(Body):
    """One change of an event's fees; both overrides are null where it is cleared."""

    event_ticker: str
    series_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
    scheduled_ts: str


class EventFeesBody(Body):
    """GET /events/fee_changes."""

    event_fee_changes: tuple[EventFeePart, ...]
    cursor: str = ""
