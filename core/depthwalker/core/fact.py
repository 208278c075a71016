"""Everything that can happen to an execution, in the past tense: the lines of its journal.

Facts are only ever added to: a journal of any version must fold (see `execution.evolve`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from depthwalker.core.answer import OrderStatus
from depthwalker.core.config import Algorithm
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Fill, Kind, OrderKey, Style
from depthwalker.core.parent import Parent
from depthwalker.core.policy import Policy
from depthwalker.core.rollout import Arm
from depthwalker.core.split import Split
from depthwalker.core.units import Count, Micros, Price
from depthwalker.core.view import View

FORMAT: Final = 5  # of the journal; 1 had no passages in its views and did not name itself, 2 knew no market that is over, 3 no new cap, 4 no own offer

# Why an execution winds down, where the words decide what else is told of it (`routing.gave_way`, the view execution_fallbacks).
FILLED: Final = "filled"
TIME_OUT: Final = "time-out"
STORE_AWAY: Final = "the store is unavailable"
BUG: Final = "internal error"  # or so it begins, where a decision failed


@dataclass(frozen=True, slots=True)
class Started:
    """The parent was admitted. `format` is the journal's, `arm` the rollout's, of which it may be no part."""

    parent: Parent
    policy: Policy
    at: Micros
    format: int = 1
    arm: Arm | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """Another worker, or the same one restarted, took the execution up: whatever was under way has an unknown outcome."""

    worker: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Viewed:
    """The view on which a decision acted; `tick` when it was one of the walk interval's."""

    view: View
    tick: bool
    at: Micros


@dataclass(frozen=True, slots=True)
class Planned:
    """The algorithm that runs, why, and its splits."""

    algorithm: Algorithm
    reason: str
    splits: tuple[Split, ...]
    at: Micros


@dataclass(frozen=True, slots=True)
class Held:
    """What each split waits for, by split number; journalled at ticks so that waiting can be explained too."""

    reasons: tuple[tuple[int, str], ...]
    at: Micros


@dataclass(frozen=True, slots=True)
class PlaceIntended:
    """A new order is about to be sent."""

    key: OrderKey
    price: Price
    count: Count
    style: Style
    ahead: Count
    reason: str
    at: Micros


@dataclass(frozen=True, slots=True)
class AmendIntended:
    """A live order is about to be changed; `walk` when its price goes up, with the momentum that it was judged by."""

    key: OrderKey
    revision: int
    price: Price
    total: Count
    style: Style
    ahead: Count
    walk: bool
    momentum: int
    reason: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Requested:
    """A cancel, a claim or a burn is about to be sent: none of them can raise exposure."""

    key: OrderKey
    kind: Kind
    at: Micros


@dataclass(frozen=True, slots=True)
class Accepted:
    """The exchange has the order."""

    key: OrderKey
    order_id: str
    filled: Count | None
    at: Micros


@dataclass(frozen=True, slots=True)
class Amended:
    """The exchange has changed the order as asked."""

    key: OrderKey
    revision: int
    filled: Count | None
    at: Micros


@dataclass(frozen=True, slots=True)
class CancelAcknowledged:
    """The exchange has acknowledged a cancel, which closes nothing yet."""

    key: OrderKey
    at: Micros


@dataclass(frozen=True, slots=True)
class Burned:
    """The burn took the id: the original can never be accepted."""

    key: OrderKey
    order_id: str
    filled: Count
    at: Micros


@dataclass(frozen=True, slots=True)
class Duplicated:
    """The id is known to the exchange: the original was accepted."""

    key: OrderKey
    at: Micros


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange looked at the request and refused it."""

    key: OrderKey
    kind: Kind
    code: str
    detail: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Deferred:
    """The request did not reach the exchange's matching; `paused`: because trading or all of the exchange is."""

    key: OrderKey
    kind: Kind
    reason: str
    at: Micros
    paused: bool = False


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """The request may or may not have taken effect."""

    key: OrderKey
    kind: Kind
    reason: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Observed:
    """The order's own record, from GET, the list or a user_order frame; `revision` is that of its client id."""

    key: OrderKey
    order_id: str
    revision: int
    status: OrderStatus
    price: Price
    filled: Count
    remaining: Count
    at: Micros


@dataclass(frozen=True, slots=True)
class Filled:
    """One match of an order, told any number of times, in any order."""

    fill: Fill
    at: Micros


@dataclass(frozen=True, slots=True)
class LookupStarted:
    """Orders and fills are about to be read."""

    at: Micros


@dataclass(frozen=True, slots=True)
class LookedUp:
    """Orders and fills were read with so many `reads`, after the facts that they told; `failure` says why they were not."""

    failure: str
    at: Micros
    reads: int = 1


@dataclass(frozen=True, slots=True)
class GridChanged:
    """The market's price grid changed (in the leg we acquire)."""

    grid: PriceGrid
    at: Micros


@dataclass(frozen=True, slots=True)
class CapChanged:
    """With the fees as they are now `max_cost_per_contract` allows another price, never one above the parent's cap."""

    cap: Price
    at: Micros


@dataclass(frozen=True, slots=True)
class MarketOver:
    """The market takes no order any more, for good."""

    at: Micros


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The order can fill no more: its market is over, and orders read since then do not show it."""

    key: OrderKey
    at: Micros


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants the execution to end now."""

    reason: str
    at: Micros


@dataclass(frozen=True, slots=True)
class WindingDown:
    """From now on nothing is placed: cancel, confirm, complete."""

    reason: str
    at: Micros


class Status(Enum):
    """The status of an execution (specification, execution_state)."""

    EXECUTING = "executing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Finished:
    """Every order is closed by its own record and nothing rests."""

    status: Status
    reason: str
    at: Micros


Fact: TypeAlias = (
    Started
    | Resumed
    | Viewed
    | Planned
    | Held
    | PlaceIntended
    | AmendIntended
    | Requested
    | Accepted
    | Amended
    | CancelAcknowledged
    | Burned
    | Duplicated
    | Refused
    | Deferred
    | OutcomeUnknown
    | Observed
    | Filled
    | LookupStarted
    | LookedUp
    | GridChanged
    | CapChanged
    | MarketOver
    | Lapsed
    | StopRequested
    | WindingDown
    | Finished
)
