"""What the tables show of an execution, a value a row (specification, Database Schema); `projection` makes them.

Everything is in the parent's own outcome: a sell's value is what it received, and its prices are those it sold at.
"""

from dataclasses import dataclass
from enum import Enum

from depthwalker.core.book import Leg
from depthwalker.core.config import Algorithm, PolicyName
from depthwalker.core.depth import Liquidity
from depthwalker.core.execution import WalkStep
from depthwalker.core.fact import Status
from depthwalker.core.ledger import Ending, OrderKey, Phase, Style
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.quality import Shortfall
from depthwalker.core.rollout import Arm
from depthwalker.core.units import Count, Micros, Money, Price


class SplitStatus(Enum):
    """The status of a split (specification, split_orders)."""

    PENDING = "pending"
    PLACED = "placed"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Bought:
    """What itemised fills come to: exact count, value and fees, and the average rounded to 1e-4 dollar."""

    count: Count
    value: Money
    fees: Money
    average: Price | None


@dataclass(frozen=True, slots=True)
class ExecutionRow:
    """A row of execution_state; `fill_rate` in parts per million."""

    status: Status
    algorithm: Algorithm
    reason: str
    outcome: Leg
    action: Action
    target: Price
    cap: Price
    count: Count
    filled: Count
    fill_rate: int
    bought: Bought
    policy: PolicyName
    policy_version: int
    started: Micros
    wind_down: Micros
    deadline: Micros
    expires: Micros
    completed: Micros | None
    ending: str
    error: str
    arm: Arm | None


@dataclass(frozen=True, slots=True)
class WalkerRow:
    """execution_state.walker_state; ratios in parts per million."""

    walks: int
    max_walks: int
    max_total_walks: int
    momentum: int
    ema_slippage: int | None
    last_walk_at: Micros | None


@dataclass(frozen=True, slots=True)
class SplitRow:
    """A row of split_orders and an entry of execution_state.split_configs; `price` is where it stands now."""

    level: int
    order_id: str
    start: Price
    price: Price
    count: Count
    outcome: Leg
    status: SplitStatus
    filled: Count
    bought: Bought
    walks: tuple[WalkStep, ...]
    planned: Micros
    placed: Micros | None
    done: Micros | None
    error: str


@dataclass(frozen=True, slots=True)
class OrderRow:
    """A row of child_orders; `client_id` is the one it was created under, `current_id` the last one confirmed."""

    key: OrderKey
    client_id: str
    current_id: str
    order_id: str
    revision: int
    style: Style
    outcome: Leg
    price: Price
    count: Count
    filled: Count
    bought: Bought
    phase: Phase
    ending: Ending
    walk_reason: str
    placed: Micros
    closed: Micros | None


@dataclass(frozen=True, slots=True)
class Entry:
    """The market as the first decision saw it: contracts near the best on its weaker side, spread, class."""

    volume: Count
    spread: Price | None
    liquidity: Liquidity


@dataclass(frozen=True, slots=True)
class MetricsRow:
    """A row of execution_metrics, and with it the trade's; spans in microseconds, ratios in parts per million.

    `tokens` are the rate budget's, by the exchange's default costs.
    """

    outcome: Leg
    action: Action
    target: Price
    count: Count
    filled: Count
    fill_rate: int
    bought: Bought
    slippage: int | None
    first_fill: Micros | None
    last_fill: Micros | None
    full_fill: Micros | None
    total: Micros
    algorithm: Algorithm
    walks: int
    splits: int
    momentum: int
    entry: Entry | None
    calls: int
    tokens: int
    shortfall: Shortfall | None
    arm: Arm | None
    at: Micros


@dataclass(frozen=True, slots=True)
class Projection:
    """All rows of an execution but its fills; `metrics` once it is finished."""

    ticket: Ticket
    execution: ExecutionRow
    walker: WalkerRow | None
    splits: tuple[SplitRow, ...]
    orders: tuple[OrderRow, ...]
    metrics: MetricsRow | None
