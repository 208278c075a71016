"""The store as the rest of the shell sees it: the journal of facts, the rows that follow from it, leases, admission.

The simulation puts another store behind these protocols; both pass the same contract tests. Times of leases are the store's
own, so workers need no common clock.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.budget import Bucket
from depthwalker.core.config import Algorithm
from depthwalker.core.fact import Fact, Started, Status
from depthwalker.core.parent import Action
from depthwalker.core.rollout import Assigned, Entry
from depthwalker.core.row import Projection
from depthwalker.core.units import Count, Micros, Money, Price

Id: TypeAlias = int | str


class StoreError(Exception):
    """The base of what a store raises."""


class StoreUnavailable(StoreError):
    """The store did not answer. Whether it did what was asked is unknown: ask again, every method may be repeated."""


class JournalConflict(StoreError):
    """The entries do not fit the journal: a gap, or other content under a number that is taken. A bug, never a race."""


class NoSuchExecution(StoreError):
    """There is no execution of this number."""


class MissingRow(StoreError):
    """An engine's own table lacks the row that an execution refers to."""

    def __init__(self, table: str, row: str) -> None:
        super().__init__(f"{table} has no row {row}: the engine that owns the table has to add it first")
        self.table = table
        self.row = row


class SwitchPulled(StoreError):
    """The kill switch is pulled: nothing new begins. The text is the reason that was given."""


class TurnedDown(StoreError):
    """A worker has told the request as not executed: it must not begin any more. The text is how it was told."""


class StoreRefused(StoreError):
    """The store's checks refused a row: a bug, or a value that no column holds."""


class Unfit(StoreRefused):
    """A value that its column does not hold, such as a text for a number, or one that is too long for an index: it never will."""


class Source(Enum):
    """Who asked for an execution; the engine names edge and method."""

    ENGINE = "engine"
    TERMINAL = "terminal"
    PAPER = "paper"  # nothing was traded


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an execution comes from, and whose and where it is. `exchange`: empty on paper. `market_id` None: the market's row is found by its ticker, or is called like it."""

    request_key: str
    source: Source
    account: str = ""
    exchange: str = ""
    market_id: str | None = None
    edge_id: Id | None = None
    method_id: Id | None = None
    strategy_id: Id | None = None
    model_id: Id | None = None
    snapshot_id: int | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """The execution is new: its first entry is durable and its lease is ours."""

    execution_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Attached:
    """The request key has an execution already. `exchange`: empty where it is on paper, or older than its being kept."""

    execution_id: int
    uuid: str
    status: Status
    account: str
    exchange: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The lease is ours under this epoch; the facts so far. `former` is who held it before, maybe ourselves."""

    execution_id: int
    epoch: int
    facts: tuple[Fact, ...]
    former: str


@dataclass(frozen=True, slots=True)
class HeldBy:
    """Another worker holds the lease until then (the store's clock)."""

    owner: str
    until: Micros


@dataclass(frozen=True, slots=True)
class Appended:
    """The entries are durable up to and with `last`; `repeated` when they all were before."""

    last: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another worker has taken the execution over: nothing was written, and nothing more may be sent."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An execution that is not finished, where it is, its lease, when its user wants it over, and whose it is."""

    execution_id: int
    uuid: str
    request_key: str
    ticker: str
    exchange: str
    owner: str
    expires: Micros
    expired: bool
    deadline: Micros
    account: str


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """The trade that a finished execution made, in the parent's own outcome; quantity 0 and no price without fills.

    `slippage` and `fill_rate` in parts per million, `fill_time` from the start to the last fill. `trade_error` says why an
    engine's own trades table refused the row; everything here is then known all the same.
    """

    execution_id: int
    market_id: str
    edge_id: Id | None
    method_id: Id | None
    strategy_id: Id | None
    model_id: Id | None
    ticker: str
    outcome: Leg
    action: Action
    quantity: Count
    price: Price | None
    value: Money
    fees: Money
    target: Price
    slippage: int | None
    fill_rate: int
    fill_time: Micros | None
    algorithm: Algorithm
    walks: int
    status: Status
    ending: str
    created: Micros
    trade_error: str


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """An order group that a worker made for its orders in one shard."""

    group_id: str
    shard: int
    worker: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """The kill switch, pulled: which time it is, why, by whom and when."""

    pull_id: int
    reason: str
    by: str
    at: Micros


@dataclass(frozen=True, slots=True)
class TokenAsk:
    """What a worker wants of the account's shared budget, and what becomes of the tokens that it has.

    `kept` of them stay leased, `left` go back; to these come at least `least` (or none) and at most `wanted` new ones.
    """

    kept: int
    left: int
    least: int
    wanted: int


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """Tokens of the account's shared budget, to be spent within the lease; none new, and how long to wait, if too few.

    `kept` are those of the last lease that still count: none where it had run out. `remaining` are leased to nobody.
    """

    kept: int
    granted: int
    wait: Micros
    remaining: int


@dataclass(frozen=True, slots=True)
class Promised:
    """What open sells may still sell; `lately`: one is open or has just ended, and a position may not show its fills yet."""

    count: Count
    lately: bool


class Admission(Protocol):
    """One account's market, locked: positions read meanwhile are not promised twice."""

    async def promised_sells(self, outcome: Leg) -> Promised:
        """Return what the sell executions of this outcome may still sell."""
        ...

    async def begin(self, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached: ...


class Store(Protocol):
    """Everything durable. Every method may raise StoreUnavailable and be repeated after it."""

    async def begin(self, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached:
        """Make an execution whose journal holds `started`, or find the one that the request key has.

        Raises MissingRow, and SwitchPulled where a new one would have to be made while the kill switch is pulled.
        """
        ...

    async def find(self, request_key: str) -> Attached | None: ...

    async def claim(self, execution_id: int, owner: str, ttl: Micros) -> Claimed | HeldBy: ...

    async def renew(self, execution_id: int, epoch: int, ttl: Micros) -> bool:
        """Hold the lease for another `ttl`; False when it is somebody else's."""
        ...

    async def release(self, execution_id: int, epoch: int) -> bool:
        """Give the lease up, so that anybody may claim the execution at once."""
        ...

    async def append(
        self, execution_id: int, epoch: int, first_seq: int, facts: Sequence[Fact], projection: Projection
    ) -> Appended | Superseded:
        """Make facts durable as entries `first_seq` and on, with the rows of the state after them.

        May be repeated, also with more facts behind: what is there already is compared. Raises JournalConflict.
        """
        ...

    async def load(self, execution_id: int) -> tuple[Fact, ...]: ...

    async def trade(self, execution_id: int) -> TradeRecord | None:
        """Return the trade of an execution, or None while it executes."""
        ...

    async def snapshot(
        self,
        ticker: str,
        book: Book,
        at: Micros,
        market_id: str | None = None,
        trades: Sequence[TradePrint] = (),
    ) -> int:
        """Keep the book, ten levels a side, and what traded since the last one; return its number. Raises MissingRow."""
        ...

    async def refused(self, account: str, ticker: str, request_key: str, kind: str, message: str) -> None:
        """Keep that a parent was not admitted, and why."""
        ...

    async def unfinished(self, account: str | None = None) -> tuple[Unfinished, ...]:
        """Return an account's executions that are not finished, or everybody's, oldest first."""
        ...

    async def recent_slippages(self, ticker: str, since: Micros, *, paper: bool = False) -> tuple[int, ...]:
        """Return the slippages of the market's finished executions, oldest first, in parts per million: real ones or paper's."""
        ...

    def admission(self, account: str, ticker: str) -> AbstractAsyncContextManager[Admission]:
        """Hold one account's market while a position is read and a sell admitted; who waits too long gets StoreUnavailable."""
        ...

    async def installation(self) -> str:
        """Return eight hex digits, drawn once for this database and kept."""
        ...

    async def pull_switch(self, reason: str, by: str) -> Pulled:
        """Pull the kill switch; where it is pulled already that pull stays."""
        ...

    async def release_switch(self, by: str) -> bool:
        """Release it; False where it is not pulled."""
        ...

    async def switch(self) -> Pulled | None:
        """Return how the kill switch is pulled, if it is."""
        ...

    async def rollout(self, account: str) -> tuple[Entry, ...]:
        """Return the journal of an account's rollout, oldest first."""
        ...

    async def move(self, account: str, entry: Entry, evidence: str) -> bool:
        """Add a line to it, with a JSON object; False where another one has that number already."""
        ...

    async def assigned(self, account: str, since: Micros) -> tuple[Assigned, ...]:
        """Return the finished parents of the account's arms since an instant, oldest first."""
        ...

    async def breaches(self, execution_id: int) -> tuple[str, ...]:
        """Return which invariants the rows of an execution break."""
        ...

    async def walkers(self, account: str, before: int) -> int:
        """Return how many executions of the account walk, or may, that began before this one.

        All processes agree on who came first, so that together they never walk more at once than the limit.
        """
        ...

    async def troubles(self, account: str, worker: str, since: Micros) -> int:
        """Return how many requests of the account's other workers have failed since an instant, by their journals."""
        ...

    async def keep_group(self, account: str, group: WorkerGroup) -> None:
        """Remember an order group, for whoever takes over from its worker."""
        ...

    async def groups(self, account: str, worker: str | None = None) -> tuple[WorkerGroup, ...]:
        """Return the order groups of a worker, or of all, that were not triggered, the oldest first."""
        ...

    async def use_groups(self, account: str, worker: str) -> None:
        """Note that a worker's groups are in use."""
        ...

    async def spent_groups(self, account: str, triggered: Micros, unused: Micros) -> tuple[WorkerGroup, ...]:
        """Return those triggered so long ago, and those unused for so long whose worker runs nothing."""
        ...

    async def group_triggered(self, account: str, group_id: str) -> None:
        """Note that a group was triggered."""
        ...

    async def forget_group(self, account: str, group_id: str) -> None:
        """Forget a group that the exchange has no more."""
        ...

    async def lease_tokens(
        self, account: str, bucket: str, worker: str, ask: TokenAsk, rate: Bucket, ttl: Micros
    ) -> TokenBlock:
        """Renew a worker's lease of tokens of a shared bucket (`read`, `write` or `calls`).

        `rate` gives the bucket's tokens a period and its capacity; its level is the store's own.
        """
        ...
