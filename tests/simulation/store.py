"""A store in memory, by virtual time, whose connection may be lost before a commit or after it.

tests/shell/test_store_contract.py holds it to what PostgreSQL's store does.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from tests.simulation.loop import PROCESS, Process
from tests.simulation.tokens import SharedBucket

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.budget import Bucket
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import START, evolve
from depthwalker.core.fact import AmendIntended, Fact, PlaceIntended, Requested, Started, Status
from depthwalker.core.ledger import Ending, Phase
from depthwalker.core.parent import Action, Parent
from depthwalker.core.projection import project, told_fills
from depthwalker.core.rollout import Assigned, Entry
from depthwalker.core.row import Projection
from depthwalker.core.units import SECOND, Count, Micros, round_div
from depthwalker.shell.journal import (
    Appended,
    Attached,
    Begun,
    Claimed,
    HeldBy,
    JournalConflict,
    NoSuchExecution,
    Origin,
    Promised,
    Pulled,
    Source,
    StoreRefused,
    StoreUnavailable,
    Superseded,
    SwitchPulled,
    TokenAsk,
    TokenBlock,
    TradeRecord,
    Unfinished,
    WorkerGroup,
)
from depthwalker.shell.ports import Clock

FALLS = {"the connection was lost": False, "commit outcome unknown": True}
RARE = {"load": 8}  # so many times the odds: else a few thousand worlds might not meet one fall there
A_DAY = 86_400 * SECOND
MILLISECOND = 1_000
LOCK_TIMEOUT_S = 5.0


def is_intent(fact: Fact) -> bool:
    """Return whether a fact says what an order's request is about to ask."""
    return isinstance(fact, PlaceIntended | AmendIntended | Requested)


@dataclass
class Row:
    """An execution as the store keeps it."""

    origin: Origin
    facts: list[Fact]
    after: Projection
    owner: str
    expires: Micros
    epoch: int = 1

    @property
    def parent(self) -> Parent:
        first = self.facts[0]
        assert isinstance(first, Started)
        return first.parent


@dataclass
class Group:
    """An order group as the store keeps it."""

    account: str
    group: WorkerGroup
    used: Micros
    triggered: Micros | None = None


@dataclass
class SimulatedStore:
    """The `Store`; with `odds` a call of it meets a fault, which `met` counts by the method."""

    clock: Clock
    random: Random
    odds: float
    met: Counter[tuple[str, str]]
    touched: set[str]
    rows: dict[int, Row] = field(default_factory=dict)
    kept_groups: list[Group] = field(default_factory=list)
    moves: dict[str, list[Entry]] = field(default_factory=dict)
    buckets: dict[tuple[str, str], SharedBucket] = field(default_factory=dict)
    snapshots: int = 0
    pulls: int = 0
    pulled: Pulled | None = None
    holders: dict[tuple[str, str], Process] = field(default_factory=dict)
    freed: dict[tuple[str, str], asyncio.Event] = field(default_factory=dict)

    async def _reach(self, method: str, touching: int | None = None) -> bool:
        """Get there; return whether the answer will be lost. Raises StoreUnavailable.

        A fault at the intents of an execution is noted in `touched`.
        """
        await asyncio.sleep(self.random.uniform(0.0005, 0.005))
        if self.random.random() >= self.odds * RARE.get(method, 1):
            return False
        fall = self.random.choice(list(FALLS))
        self.met[fall, method] += 1
        if touching is not None:
            self.touched.add(self.rows[touching].parent.execution)
        if not FALLS[fall]:
            raise StoreUnavailable(fall)
        return True

    async def _back(self, lost: bool) -> None:
        await asyncio.sleep(self.random.uniform(0.0005, 0.005))
        if lost:
            raise StoreUnavailable("the answer was lost")

    async def begin(self, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached:
        lost = await self._reach("begin")
        known = self._find(origin.request_key)
        if known is None:
            if self.pulled is not None:
                raise SwitchPulled(self.pulled.reason)
            if origin.source is Source.ENGINE and None in {origin.edge_id, origin.method_id}:
                raise StoreRefused("an engine names edge and method")
            number = len(self.rows) + 1
            until = Micros(self.clock.now() + ttl)
            self.rows[number] = Row(origin, [started], project(evolve(START, started)), owner, until)
            known = self._find(origin.request_key)
        await self._back(lost)
        assert known is not None
        if known.uuid == started.parent.execution:
            return Begun(known.execution_id, 1)
        return known

    def _find(self, request_key: str) -> Attached | None:
        for number, row in self.rows.items():
            if row.origin.request_key == request_key:
                origin = row.origin
                return Attached(
                    number, row.parent.execution, row.after.execution.status, origin.account, origin.exchange
                )
        return None

    def _row(self, execution_id: int) -> Row:
        if execution_id not in self.rows:
            raise NoSuchExecution(f"there is no execution {execution_id}")
        return self.rows[execution_id]

    async def find(self, request_key: str) -> Attached | None:
        await self._back(await self._reach("find"))
        return self._find(request_key)

    async def claim(self, execution_id: int, owner: str, ttl: Micros) -> Claimed | HeldBy:
        lost = await self._reach("claim")
        row, now = self._row(execution_id), self.clock.now()
        if row.owner != owner and row.expires > now:
            return HeldBy(row.owner, row.expires)
        former, row.owner = row.owner, owner
        row.epoch, row.expires = row.epoch + 1, Micros(now + ttl)
        claimed = Claimed(execution_id, row.epoch, tuple(row.facts), former)
        await self._back(lost)
        return claimed

    async def renew(self, execution_id: int, epoch: int, ttl: Micros) -> bool:
        return await self._lease("renew", execution_id, epoch, ttl)

    async def release(self, execution_id: int, epoch: int) -> bool:
        return await self._lease("release", execution_id, epoch, Micros(0))

    async def _lease(self, method: str, execution_id: int, epoch: int, ttl: Micros) -> bool:
        lost = await self._reach(method)
        row = self.rows.get(execution_id)
        ours = row is not None and row.epoch == epoch
        if row is not None and ours:
            row.expires = Micros(self.clock.now() + ttl)
        await self._back(lost)
        return ours

    async def append(
        self, execution_id: int, epoch: int, first_seq: int, facts: Sequence[Fact], projection: Projection
    ) -> Appended | Superseded:
        lost = await self._reach("append", touching=execution_id if any(map(is_intent, facts)) else None)
        row = self._row(execution_id)
        if row.epoch != epoch:
            return Superseded()
        there = row.facts[max(0, first_seq - 1) :]
        if not 1 <= first_seq <= len(row.facts) + 1 or list(facts[: len(there)]) != there[: len(facts)]:
            raise JournalConflict(f"entry {first_seq} does not fit")
        repeated = len(there) >= len(facts)
        if not repeated:
            row.facts.extend(facts[len(there) :])
            row.after = projection
        await self._back(lost)
        return Appended(first_seq + len(facts) - 1, repeated)

    async def load(self, execution_id: int) -> tuple[Fact, ...]:
        await self._back(await self._reach("load"))
        return tuple(self._row(execution_id).facts)

    async def trade(self, execution_id: int) -> TradeRecord | None:
        await self._back(await self._reach("trade"))
        row = self._row(execution_id)
        found, origin = row.after.metrics, row.origin
        if found is None:
            return None
        return TradeRecord(
            execution_id=execution_id,
            market_id=self._market_id(row),
            edge_id=origin.edge_id,
            method_id=origin.method_id,
            strategy_id=origin.strategy_id,
            model_id=origin.model_id,
            ticker=row.parent.ticker,
            outcome=found.outcome,
            action=found.action,
            quantity=found.filled,
            price=found.bought.average,
            value=found.bought.value,
            fees=found.bought.fees,
            target=found.target,
            slippage=found.slippage,
            fill_rate=found.fill_rate,
            fill_time=_in_milliseconds(found.last_fill),
            algorithm=found.algorithm,
            walks=found.walks,
            status=row.after.execution.status,
            ending=row.after.execution.ending,
            created=found.at,
            trade_error="",
        )

    def _market_id(self, row: Row) -> str:
        """Return the market's row: as given, else as the first execution in it named it."""
        named = (one.origin.market_id for one in self.rows.values() if one.parent.ticker == row.parent.ticker)
        return row.origin.market_id or next(filter(None, named), row.parent.ticker)

    async def snapshot(
        self,
        ticker: str,
        book: Book,
        at: Micros,
        market_id: str | None = None,
        trades: Sequence[TradePrint] = (),
    ) -> int:
        await self._back(await self._reach("snapshot"))
        self.snapshots += 1
        return self.snapshots

    async def refused(self, account: str, ticker: str, request_key: str, kind: str, message: str) -> None:
        await self._back(await self._reach("refused"))

    async def unfinished(self, account: str | None = None) -> tuple[Unfinished, ...]:
        await self._back(await self._reach("unfinished"))
        now = self.clock.now()
        return tuple(
            Unfinished(
                number,
                row.parent.execution,
                row.origin.request_key,
                row.parent.ticker,
                row.origin.exchange,
                row.owner,
                row.expires,
                row.expires <= now,
                row.parent.deadline,
                row.origin.account,
            )
            for number, row in self.rows.items()
            if row.after.execution.status is Status.EXECUTING and account in {None, row.origin.account}
        )

    async def recent_slippages(self, ticker: str, since: Micros, *, paper: bool = False) -> tuple[int, ...]:
        await self._back(await self._reach("recent_slippages"))
        ended = (row.after.metrics for row in self.rows.values() if row.parent.ticker == ticker)
        lately = sorted((one for one in ended if one is not None and one.at >= since), key=lambda one: one.at)
        return tuple(one.slippage for one in lately if one.slippage is not None)

    @asynccontextmanager
    async def admission(self, account: str, ticker: str) -> AsyncIterator["SimulatedAdmission"]:
        await self._back(await self._reach("admission"))
        name, process = (account, ticker), PROCESS.get() or Process()
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_S):
                while name in self.holders:
                    await self.freed.setdefault(name, asyncio.Event()).wait()  # of those that wait some may be dead
        except TimeoutError:
            raise StoreUnavailable("canceling statement due to lock timeout") from None
        self.holders[name] = process
        try:
            yield SimulatedAdmission(self, account, ticker)
        finally:
            self._let_go(name, process)

    def hang_up(self, process: Process) -> None:
        """End a dead process's transactions, as its closed connection does."""
        for name in tuple(self.holders):
            self._let_go(name, process)

    def _let_go(self, name: tuple[str, str], process: Process) -> None:
        if self.holders.get(name) is process:
            del self.holders[name]
            self.freed.pop(name, asyncio.Event()).set()

    async def installation(self) -> str:
        return "0123abcd"

    async def pull_switch(self, reason: str, by: str) -> Pulled:
        if self.pulled is None:
            self.pulls += 1
            self.pulled = Pulled(self.pulls, reason, by, self.clock.now())
        return self.pulled

    async def release_switch(self, by: str) -> bool:
        was, self.pulled = self.pulled, None
        return was is not None

    async def switch(self) -> Pulled | None:
        await self._back(await self._reach("switch"))
        return self.pulled

    async def rollout(self, account: str) -> tuple[Entry, ...]:
        await self._back(await self._reach("rollout"))
        return tuple(sorted(self.moves.get(account, ()), key=lambda entry: entry.number))

    async def move(self, account: str, entry: Entry, evidence: str) -> bool:
        lost = await self._reach("move")
        entries = self.moves.setdefault(account, [])
        if entry.number not in {one.number for one in entries}:
            entries.append(entry)
        await self._back(lost)
        return entry in entries

    async def assigned(self, account: str, since: Micros) -> tuple[Assigned, ...]:
        await self._back(await self._reach("assigned"))
        ended = [
            (row.parent.ticker, row.after.metrics)
            for row in self.rows.values()
            if row.origin.account == account and row.after.metrics is not None and row.after.metrics.at >= since
        ]
        return tuple(
            Assigned(one.arm, ticker, one.at // A_DAY, one.shortfall.per_contract, None)  # nothing is measured here
            for ticker, one in sorted(ended, key=lambda pair: pair[1].at)
            if one.arm is not None and one.shortfall is not None
        )

    async def breaches(self, execution_id: int) -> tuple[str, ...]:
        await self._back(await self._reach("breaches"))
        row = self.rows.get(execution_id)
        return () if row is None else tuple(f"number {one} in execution {execution_id}" for one in broken(row))

    async def walkers(self, account: str, before: int) -> int:
        await self._back(await self._reach("walkers"))
        now = self.clock.now()
        return sum(
            row.after.execution.status is Status.EXECUTING
            and row.after.execution.algorithm is not Algorithm.SIMPLE_LIMIT
            and row.expires > now
            for number, row in self.rows.items()
            if number < before and row.origin.account == account
        )

    async def troubles(self, account: str, worker: str, since: Micros) -> int:
        await self._back(await self._reach("troubles"))
        return 0

    async def keep_group(self, account: str, group: WorkerGroup) -> None:
        lost = await self._reach("keep_group")
        if self._group(account, group.group_id) is None:
            self.kept_groups.append(Group(account, group, self.clock.now()))
        await self._back(lost)

    async def groups(self, account: str, worker: str | None = None) -> tuple[WorkerGroup, ...]:
        await self._back(await self._reach("groups"))
        return tuple(
            one.group
            for one in self.kept_groups
            if one.account == account and one.triggered is None and worker in {None, one.group.worker}
        )

    async def use_groups(self, account: str, worker: str) -> None:
        lost = await self._reach("use_groups")
        for one in self.kept_groups:
            if (one.account, one.group.worker) == (account, worker):
                one.used = self.clock.now()
        await self._back(lost)

    async def spent_groups(self, account: str, triggered: Micros, unused: Micros) -> tuple[WorkerGroup, ...]:
        await self._back(await self._reach("spent_groups"))
        now = self.clock.now()
        busy = {row.owner for row in self.rows.values() if row.expires > now}
        return tuple(
            one.group
            for one in self.kept_groups
            if one.account == account
            and (
                (one.triggered is not None and one.triggered < now - triggered)
                or (one.used < now - unused and one.group.worker not in busy)
            )
        )

    async def group_triggered(self, account: str, group_id: str) -> None:
        lost = await self._reach("group_triggered")
        kept = self._group(account, group_id)
        if kept is not None and kept.triggered is None:
            kept.triggered = self.clock.now()
        await self._back(lost)

    async def forget_group(self, account: str, group_id: str) -> None:
        lost = await self._reach("forget_group")
        kept = self._group(account, group_id)
        if kept is not None:
            self.kept_groups.remove(kept)
        await self._back(lost)

    def _group(self, account: str, group_id: str) -> Group | None:
        named = (one for one in self.kept_groups if (one.account, one.group.group_id) == (account, group_id))
        return next(named, None)

    async def lease_tokens(
        self, account: str, bucket: str, worker: str, ask: TokenAsk, rate: Bucket, ttl: Micros
    ) -> TokenBlock:
        lost = await self._reach("lease_tokens")
        now = self.clock.now()
        shared = self.buckets.setdefault((account, bucket), SharedBucket(rate.capacity * rate.period, now))
        block = shared.lease(worker, ask, rate, ttl, now)
        await self._back(lost)
        return block


@dataclass
class SimulatedAdmission:
    """An `Admission` of the simulated store."""

    store: SimulatedStore
    account: str
    ticker: str

    async def promised_sells(self, outcome: Leg) -> Promised:
        sells = [
            (row, row.after.execution)
            for row in self.store.rows.values()
            if (row.origin.account, row.parent.ticker) == (self.account, self.ticker)
            if row.after.execution.action is Action.SELL and row.after.execution.outcome is outcome
        ]
        open_ = [one for _, one in sells if one.status is Status.EXECUTING]
        lately = bool(open_) or any(row.expires > self.store.clock.now() for row, _ in sells)
        return Promised(Count(sum(max(0, one.count - one.filled) for one in open_)), lately)

    async def begin(self, origin: Origin, started: Started, owner: str, ttl: Micros) -> Begun | Attached:
        return await self.store.begin(origin, started, owner, ttl)


def _in_milliseconds(span: Micros | None) -> Micros | None:
    return None if span is None else Micros(round_div(span, MILLISECOND) * MILLISECOND)


def broken(row: Row) -> list[int]:
    """Return the invariants that an execution's rows break, by their numbers in docs/architecture.md."""
    one, orders, splits = row.after.execution, row.after.orders, row.after.splits
    fills = {(fill.order_id, fill.trade_id): fill for fill in told_fills(row.after.ticket, row.facts)}.values()
    ended = one.status is not Status.EXECUTING
    worst = 1 if one.action is Action.BUY else -1
    broken = {
        1: one.filled > one.count,
        2: any(worst * (order.price - one.cap) > 0 for order in orders if order.ending is not Ending.BURNED),
        4: ended and any(order.phase is not Phase.CLOSED for order in orders),
        5: ended and one.filled != sum(fill.count for fill in fills),
        6: splits != () and sum(split.count for split in splits) != one.count,
        9: ended and one.bought.value != sum(fill.price * fill.count for fill in fills),
    }
    return [number for number, holds in broken.items() if holds]
