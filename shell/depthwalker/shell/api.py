"""The public types of the library: what an engine hands in, what it gets back, what can go wrong.

    DepthwalkerError
    |- InvalidMethod     the method's execution_config has a wrong key, type or value
    |- InvalidEdge       the edge cannot be read as an order
    |- OrderRefused      the parent order was not admitted; `refusal` says which value and what would be valid
    |- TradingStopped    the kill switch is pulled: nothing new begins until it is released
    |- NotExecuted       a queued parent was refused, or was too late to begin; the text says why
    |- DatabaseTrouble   the database cannot be used; this call has begun nothing
    |- ExchangeTrouble   the exchange could not be asked, or said no, before anything was sent
    |- EngineClosed      the engine is not open, or the call was stopped before its execution began
    |- Unresolved        the end of an execution, or that it began, could not be confirmed in time; resolution goes on

After Unresolved contracts may have been bought: call again with the same request key, never with another.

Decimal appears here and nowhere further in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

from depthwalker.core.parent import Refusal
from depthwalker.core.units import Count, format_count

Id: TypeAlias = int | str


class Market(Protocol):
    """A market of the engine's. `ticker` is Kalshi's; `market_id` is the engine's key."""

    @property
    def market_id(self) -> str: ...

    @property
    def ticker(self) -> str: ...


class Edge(Protocol):
    """A trade signal of the engine's: what to trade, at which price, how much.

    `side` is the outcome, yes or no; an attribute `action`, buy or sell, may stand beside it (default buy).
    """

    @property
    def edge_id(self) -> Id: ...

    @property
    def market(self) -> Market: ...

    @property
    def side(self) -> str: ...

    @property
    def target_price(self) -> Decimal | float | str: ...

    @property
    def position_size(self) -> Decimal | float | int | str: ...


class Method(Protocol):
    """A method of the engine's. `execution_config` is the specification's dict; `strategy_id` and `model_id` are optional."""

    @property
    def method_id(self) -> Id: ...

    @property
    def execution_config(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What one execution came to, prices in the order's own outcome.

    `slippage_percent` is (average - target) / target, positive when worse, for buys and sells alike; `fees` in dollars as
    the exchange charged them; `status` is completed, failed (nothing filled) or cancelled (stopped: by whoever asked for it, or
    because the database went away or a bug came up, whatever was filled); `reason` is how it ended.
    """

    execution_id: int
    status: str
    filled_quantity: Decimal
    average_fill_price: Decimal | None
    slippage_percent: Decimal | None
    total_walks: int
    fill_rate: Decimal
    fees: Decimal
    algorithm: str
    reason: str

    @property
    def error_message(self) -> str | None:
        """Return how it ended where it was not completed, as `execution_state.error_message` has it; None where it was."""
        return None if self.status == "completed" else self.reason


@dataclass(frozen=True, slots=True)
class Trade:
    """The trade row of one execution, also of one without fills (quantity 0, no price)."""

    execution_id: int
    edge_id: Id | None
    method_id: Id | None
    strategy_id: Id | None
    model_id: Id | None
    market_id: str
    side: str
    action: str
    quantity: Decimal
    price: Decimal | None
    target_price: Decimal
    slippage_percent: Decimal | None
    result: ExecutionResult


@dataclass(frozen=True, slots=True)
class Queued:
    """A parent in the queue: `standing` is queued, taken, done, refused or late; `message` why it was refused or put back."""

    request_key: str
    standing: str
    execution_id: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found: the trades of executions taken up, and why others have none yet.

    `held` are executions that another worker runs, `elsewhere` those of another exchange with its name, which an engine of that one
    takes up, `strays` the exchange's ids of orders that belong to nothing.
    """

    trades: tuple[Trade, ...]
    troubles: tuple[str, ...]
    held: tuple[int, ...]
    elsewhere: tuple[tuple[int, str], ...]
    strays: tuple[str, ...]


class DepthwalkerError(Exception):
    """Anything this library raises on purpose."""


class InvalidMethod(DepthwalkerError, ValueError):
    """The method's execution_config cannot be used; the text names every wrong key and what is allowed."""


class InvalidEdge(DepthwalkerError, ValueError):
    """The edge cannot be read as an order; the text names the value and what is allowed."""


class OrderRefused(DepthwalkerError):
    """The parent order was not admitted: nothing was sent."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class TradingStopped(DepthwalkerError):
    """The kill switch is pulled: nothing was sent, and nothing new begins until it is released."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"trading is stopped ({reason}): `depthwalker stop --release` lets it go on")
        self.reason = reason


class NotExecuted(DepthwalkerError):
    """A queued parent was not executed: it was refused, or too late to begin. Nothing was sent."""


class DatabaseTrouble(DepthwalkerError):
    """The database could not be used before it was asked to begin an execution; once one runs, it winds down instead."""


class ExchangeTrouble(DepthwalkerError):
    """The exchange could not be asked, or refused, before anything was sent."""


class EngineClosed(DepthwalkerError):
    """The engine is closed, or closing, or was asked to stop before the execution began: nothing was sent.

    A call whose execution another worker goes on with raises Unresolved.
    """


class Unresolved(DepthwalkerError):
    """The end of an execution could not be confirmed within the wind-down allowance; resolution goes on.

    Between `filled_at_least` and `filled_at_most` contracts are or will be filled. `execution_id` is None where the database was
    asked to begin the execution and has not answered: it may have begun, and then another engine takes it up. `because`: why it is
    not waited for.
    """

    def __init__(
        self, execution_id: int | None, filled_at_least: Count, filled_at_most: Count, because: str = ""
    ) -> None:
        least, most = format_count(filled_at_least), format_count(filled_at_most)
        unknown = (
            "an execution may have begun, the database does not say"
            if execution_id is None
            else f"execution {execution_id} is not confirmed ended{because and f' ({because})'}"
        )
        super().__init__(
            f"{unknown}: {least} to {most} contracts filled; resolution goes on, call again with the same request key to wait for it"
        )
        self.execution_id = execution_id
        self.filled_at_least = Decimal(least)
        self.filled_at_most = Decimal(most)
