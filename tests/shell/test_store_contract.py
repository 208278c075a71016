"""What every `Store` promises: PostgreSQL's keeps it, and the one that the simulation stands on."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import drop
from tests.shell.conftest import simulated
from tests.shell.journals import EXPIRED, JOURNALS, NAMES, TTL, folded, journal, origin, parent_of, replay, start
from tests.simulation.loop import Loop, VirtualClock

from depthwalker.core.answer import TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.budget import Bucket, full
from depthwalker.core.config import Algorithm
from depthwalker.core.fact import Held, Resumed, Status, StopRequested
from depthwalker.core.parent import Action
from depthwalker.core.projection import project
from depthwalker.core.rollout import Arm, Assigned, Entry, Move, Stage
from depthwalker.core.units import SECOND, Count, Micros, Price, round_div
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
    Store,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    Superseded,
    SwitchPulled,
    TokenAsk,
    TokenBlock,
    WorkerGroup,
)
from depthwalker.shell.store import PostgresStore

LONG = Micros(3_600 * SECOND)
WRITE = full(100, LONG, 100, Micros(0))  # it hardly refills while a test runs
LARGE = full(100, LONG, 1_000, Micros(0))


# Beginning


async def test_a_request_key_begins_once(either: Store) -> None:
    started, _ = journal("simple_fill")
    begun = await either.begin(origin(), started, "worker-1", TTL)
    assert begun == Begun(1, 1)
    other = await either.begin(origin(), parent_of(started, 99), "worker-2", TTL)
    assert other == Attached(1, started.parent.execution, Status.EXECUTING, "", "")
    assert await either.begin(origin(), started, "worker-1", TTL) == begun  # a lost answer, asked again
    assert await either.find(origin().request_key) == other
    assert await either.find("another") is None
    assert await either.begin(origin("another"), parent_of(started, 99), "worker-2", TTL) == Begun(2, 1)


async def test_concurrent_begins_of_one_key_make_one_execution(either: Store) -> None:
    started, _ = journal("simple_fill")
    results = await asyncio.gather(
        *(either.begin(origin(), parent_of(started, number), f"worker-{number}", TTL) for number in range(1, 9))
    )
    assert sum(isinstance(result, Begun) for result in results) == 1
    assert len({result.execution_id for result in results}) == 1
    assert len(await either.unfinished()) == 1
    [begun] = [number for number, result in enumerate(results, 1) if isinstance(result, Begun)]
    assert await either.load(1) == (parent_of(started, begun),)


async def test_an_engines_execution_names_edge_and_method_and_a_terminals_need_not(either: Store) -> None:
    started, _ = journal("simple_fill")
    assert isinstance(await either.begin(Origin("k", Source.TERMINAL), started, "w", TTL), Begun)
    with pytest.raises(StoreRefused):
        await either.begin(Origin("l", Source.ENGINE), parent_of(started, 9), "w", TTL)
    assert await either.find("l") is None


async def test_who_is_told_of_an_execution_that_ended_is_told_how(either: Store) -> None:
    number = await replay(either, "unknown_outcome_burned")
    started, _ = journal("unknown_outcome_burned")
    told = Attached(number, started.parent.execution, Status.CANCELLED, "", "")
    assert await either.find("unknown_outcome_burned") == told
    assert await either.begin(origin("unknown_outcome_burned"), parent_of(started, 9), "w", TTL) == told


# Appending


async def test_an_append_is_numbered(either: Store) -> None:
    begun, state, rest = await start(either, "simple_fill")
    number, epoch, now = begun.execution_id, begun.epoch, project(state)
    assert await either.append(number, epoch, 2, rest[:2], now) == Appended(3, repeated=False)
    assert await either.append(number, epoch, 2, rest[:2], now) == Appended(3, repeated=True)
    assert await either.append(number, epoch, 3, rest[1:2], now) == Appended(3, repeated=True)
    assert await either.append(number, epoch, 2, rest[:4], now) == Appended(5, repeated=False)
    assert await either.load(number) == (journal("simple_fill")[0], *rest[:4])
    for gap in (0, -1, 7):
        with pytest.raises(JournalConflict):
            await either.append(number, epoch, gap, rest[5:6], now)
    with pytest.raises(JournalConflict):
        await either.append(number, epoch, 2, rest[1:2], now)
    with pytest.raises(JournalConflict):
        await either.append(number, epoch, 5, (rest[4], rest[4]), now)  # the second of them fits
    with pytest.raises(NoSuchExecution):
        await either.append(99, epoch, 2, rest[:1], now)
    assert len(await either.load(number)) == 5


async def test_a_journal_is_read_back_as_it_was_written(either: Store) -> None:
    numbers = [await replay(either, name) for name in NAMES]
    for number, name in zip(numbers, NAMES, strict=True):
        started, rest = journal(name)
        assert await either.load(number) == (started, *rest)
    with pytest.raises(NoSuchExecution):
        await either.load(99)


async def test_a_superseded_worker_writes_nothing(either: Store) -> None:
    begun, state, rest = await start(either, "simple_fill")
    number = begun.execution_id
    assert isinstance(held := await either.claim(number, "worker-2", TTL), HeldBy)
    assert held.owner == "worker-1"
    assert await either.renew(number, begun.epoch, EXPIRED)
    claimed = await either.claim(number, "worker-2", TTL)
    assert claimed == Claimed(number, 2, (journal("simple_fill")[0],), "worker-1")
    assert await either.append(number, begun.epoch, 2, rest[:1], project(state)) == Superseded()
    assert await either.append(number, begun.epoch, 7, rest[:1], project(state)) == Superseded()  # before all else
    assert not await either.renew(number, begun.epoch, TTL)
    assert not await either.release(number, begun.epoch)
    assert await either.append(number, 2, 2, (Resumed("worker-2", Micros(0)),), project(state)) == Appended(2, False)
    assert len(await either.load(number)) == 2


async def test_what_came_since_goes_with_a_repetition(either: Store) -> None:
    begun, state, rest = await start(either, "simple_fill")
    await either.append(1, begun.epoch, 2, rest[:2], project(state))
    later = (*rest[:2], StopRequested("by hand", Micros(1)), Held((), Micros(2)))
    assert await either.append(1, begun.epoch, 2, later, project(state)) == Appended(5, repeated=False)
    assert await either.load(1) == (journal("simple_fill")[0], *later)


# Leases


async def test_a_released_execution_can_be_claimed_at_once_and_its_owner_may_claim_again(either: Store) -> None:
    begun, _, _ = await start(either, "simple_fill")
    assert await either.release(begun.execution_id, begun.epoch)
    assert isinstance(await either.claim(begun.execution_id, "worker-2", TTL), Claimed)
    again = await either.claim(begun.execution_id, "worker-2", TTL)
    assert isinstance(again, Claimed)
    assert (again.epoch, again.former) == (3, "worker-2")
    with pytest.raises(NoSuchExecution):
        await either.claim(99, "worker-2", TTL)
    assert not await either.renew(99, 1, TTL)
    assert not await either.release(99, 1)


async def test_two_claims_of_an_expired_lease_give_one_owner(either: Store) -> None:
    begun, _, _ = await start(either, "simple_fill")
    await either.release(begun.execution_id, begun.epoch)
    claims = await asyncio.gather(*(either.claim(begun.execution_id, f"worker-{n}", TTL) for n in range(2, 8)))
    assert sum(isinstance(claim, Claimed) for claim in claims) == 1


async def test_unfinished_executions_are_listed_with_their_leases_the_oldest_first(either: Store) -> None:
    await replay(either, "simple_fill")
    begun, _, _ = await start(either, "walk_with_partial_fills")
    started, _ = journal("refused_deferred_regridded")
    await either.begin(origin("other", "other"), started, "worker-2", TTL)
    [left] = await either.unfinished("")
    assert (left.execution_id, left.owner, left.expired) == (begun.execution_id, "worker-1", False)
    assert (left.request_key, left.uuid, left.ticker) == (
        "walk_with_partial_fills",
        journal("walk_with_partial_fills")[0].parent.execution,
        journal("walk_with_partial_fills")[0].parent.ticker,
    )
    assert [each.owner for each in await either.unfinished()] == ["worker-1", "worker-2"]
    await either.release(begun.execution_id, begun.epoch)
    assert [each.expired for each in await either.unfinished("")] == [True]
    assert await either.unfinished("another") == ()


async def test_who_began_first_walks_first(either: Store) -> None:
    """Counted are those that walk, or may: not the plain limit order, nor what ended, nor what nobody holds."""
    await replay(either, "walk_with_partial_fills")
    started, _ = journal("walk_with_partial_fills")
    plain, _ = journal("simple_fill")
    assert plain.policy.config.algorithm is Algorithm.SIMPLE_LIMIT
    for number, (one, account, ttl) in enumerate(
        [(started, "", TTL), (plain, "", TTL), (started, "other", TTL), (started, "", EXPIRED), (started, "", TTL)]
    ):
        await either.begin(origin(f"key {number}", account), parent_of(one, number + 10), "w", ttl)
    assert [await either.walkers("", before) for before in (1, 2, 3, 6, 7)] == [0, 0, 1, 1, 2]
    assert await either.walkers("other", 99) == 1


# What an execution came to


@pytest.mark.parametrize("name", NAMES)
async def test_the_trade_is_what_the_journal_says(either: Store, name: str) -> None:
    trade = await either.trade(await replay(either, name))
    expected = json.loads((JOURNALS / f"{name}.expected.json").read_text())
    state = folded(journal(name)[0], *journal(name)[1])
    parent, found = state.parent, project(state).metrics
    assert trade is not None
    assert found is not None
    assert (trade.status.value, trade.ending, trade.walks) == (
        expected["status"],
        expected["reason"],
        expected["walks"],
    )
    assert f"{trade.quantity / 100:.2f}" == expected["filled"]
    assert f"{trade.fees / 1_000_000:.6f}" == expected["fees"]
    cost = int(float(expected["cost"]) * 1_000_000 + 0.5)
    sold = parent.ticket.action is Action.SELL
    assert trade.value == (trade.quantity * 10_000 - cost if sold else cost)
    assert (trade.outcome, trade.action) == (parent.ticket.outcome, parent.ticket.action)
    assert (trade.target, trade.price) == (parent.ticket.target, found.bought.average)
    assert (trade.fill_rate, trade.slippage, trade.created) == (found.fill_rate, found.slippage, found.at)
    assert trade.fill_time == (None if found.last_fill is None else round_div(found.last_fill, 1_000) * 1_000)
    assert (trade.edge_id, trade.method_id, trade.strategy_id, trade.model_id) == (7, 3, 1, 2)
    assert (trade.ticker, trade.market_id, trade.algorithm) == (parent.ticker, parent.ticker, found.algorithm)
    assert trade.trade_error == ""


async def test_there_is_no_trade_while_it_executes(either: Store) -> None:
    begun, _, _ = await start(either, "simple_fill")
    assert await either.trade(begun.execution_id) is None
    with pytest.raises(NoSuchExecution):
        await either.trade(99)


async def test_a_market_is_called_as_it_was_first_called(either: Store) -> None:
    started, rest = journal("simple_fill")
    await either.begin(replace(origin("one"), market_id="m-1"), started, "w", TTL)
    later = parent_of(started, 9)
    await either.begin(origin("two"), later, "w", TTL)
    await either.append(2, 1, 2, rest, project(folded(later, *rest)))
    trade = await either.trade(2)
    assert trade is not None
    assert trade.market_id == "m-1"


async def test_recent_slippages_are_those_of_the_market_oldest_first(either: Store) -> None:
    for name in ("walk_with_partial_fills", "simple_fill", "unknown_outcome_burned"):
        await replay(either, name)
    ticker = journal("simple_fill")[0].parent.ticker
    assert await either.recent_slippages(ticker, Micros(0)) == (-5714, 9408)
    assert await either.recent_slippages(ticker, Micros(1_760_000_020_000_000)) == (9408,)
    assert await either.recent_slippages("another", Micros(0)) == ()


async def test_the_arms_of_a_rollout_are_told_as_assigned_oldest_first(either: Store) -> None:
    for number, (name, arm, account) in enumerate(
        [
            ("walk_with_partial_fills", Arm.WALKER, "a"),
            ("simple_fill", Arm.CONTROL, "a"),
            ("simple_fill", Arm.CONTROL, "b"),
            ("simple_fill", None, "a"),
        ],
        start=1,
    ):
        started, rest = journal(name)
        begun = replace(parent_of(started, number), arm=arm)
        state = folded(begun, *rest)
        await either.begin(origin(f"key {number}", account), begun, "w", TTL)
        await either.append(number, 1, 2, rest, project(state))
        found = project(state).metrics
        assert found is not None
        assert found.arm is arm
    told = await either.assigned("a", Micros(0))
    measured = {
        name: project(folded(journal(name)[0], *journal(name)[1])).metrics
        for name in ("simple_fill", "walk_with_partial_fills")
    }
    expected = tuple(
        Assigned(arm, journal(name)[0].parent.ticker, one.at // (86_400 * SECOND), one.shortfall.per_contract, None)
        for name, arm in (("simple_fill", Arm.CONTROL), ("walk_with_partial_fills", Arm.WALKER))
        if (one := measured[name]) is not None and one.shortfall is not None
    )
    assert told == expected
    assert await either.assigned("a", Micros(2_000_000_000_000_000)) == ()


@pytest.mark.parametrize("name", NAMES)
async def test_rows_that_follow_from_a_journal_break_no_invariant(either: Store, name: str) -> None:
    assert await either.breaches(await replay(either, name)) == ()


async def test_rows_that_break_invariants_are_told(either: Store) -> None:
    started, rest = journal("walk_with_partial_fills")
    await either.begin(origin(), started, "w", TTL)
    true = project(folded(started, *rest))
    one = true.execution
    false = replace(
        true,
        execution=replace(one, filled=Count(one.count + 100), bought=replace(one.bought, value=one.bought.fees)),
        splits=(replace(true.splits[0], count=Count(true.splits[0].count + 100)), *true.splits[1:]),
    )
    await either.append(1, 1, 2, rest[:-1], false)
    told = [text.partition(" (")[0] for text in await either.breaches(1)]
    assert told == [f"number {number} in execution 1" for number in (1, 5, 6, 9)]
    assert await either.breaches(99) == ()
    await either.append(1, 1, 2, rest, true)
    assert await either.breaches(1) == ()


async def test_snapshots_are_numbered_on(either: Store) -> None:
    book = Book(((Price(4_800), Count(150)),), ((Price(5_000), Count(30_000)),), Micros(0))
    print_ = TradePrint("t1", Leg.NO, Price(4_800), Count(150), Micros(1_760_000_000_000_000))
    first = await either.snapshot("KX", book, Micros(1_760_000_000_000_001))
    second = await either.snapshot("KX", book, Micros(1_760_000_000_000_002), "m-1", (print_,))
    assert first < second


async def test_a_refusal_may_be_repeated(either: Store) -> None:
    for _ in range(2):
        await either.refused("a", "KX", "key", "cap", "the cap is past the price")
    assert await either.find("key") is None


# Admission


async def test_open_sells_are_promised_and_admission_is_one_at_a_time(either: Store) -> None:
    started, rest = journal("walk_with_partial_fills")
    ticker = started.parent.ticker
    order: list[str] = []

    async def admit(uuid: int, key: str) -> int:
        async with either.admission("account", ticker) as admission:
            order.append(f"in {key}")
            promised = await admission.promised_sells(Leg.YES)
            begun = await admission.begin(origin(key, "account"), parent_of(started, uuid), "w", TTL)
            assert isinstance(begun, Begun)
            order.append(f"out {key}")
            assert promised.lately is (promised.count > 0)
            return promised.count

    assert sorted(await asyncio.gather(admit(1, "a"), admit(2, "b"), admit(3, "c"))) == [0, 5050, 10_100]
    assert all(entered[3:] == left[4:] for entered, left in zip(order[::2], order[1::2], strict=True))
    async with either.admission("account", ticker) as admission:
        assert await admission.promised_sells(Leg.NO) == Promised(Count(0), lately=False)
        await either.append(1, 1, 2, rest[:7], project(folded(parent_of(started, 1), *rest[:7])))
        assert await admission.promised_sells(Leg.YES) == Promised(Count(3 * 5050 - 1000), lately=True)
        await either.append(1, 1, 9, rest[7:], project(folded(parent_of(started, 1), *rest)))
        assert await admission.promised_sells(Leg.YES) == Promised(Count(2 * 5050), lately=True)
    for other in (("another", ticker), ("account", "another")):
        async with either.admission(*other) as admission:
            assert await admission.promised_sells(Leg.YES) == Promised(Count(0), lately=False)


async def test_a_sell_that_has_sold_all_or_ended_promises_nothing_and_is_told_while_its_lease_lasts(
    either: Store,
) -> None:
    """Its fills may be in no position yet."""
    started, rest = journal("walk_with_partial_fills")
    for key, ttl, lately in (("a", TTL, True), ("b", EXPIRED, False)):
        begun = await either.begin(origin(key, key), parent_of(started, ord(key)), "w", ttl)
        assert isinstance(begun, Begun)
        facts = (parent_of(started, ord(key)), *rest)
        await either.append(begun.execution_id, 1, 2, rest, project(folded(*facts)))
        async with either.admission(key, started.parent.ticker) as admission:
            assert await admission.promised_sells(Leg.YES) == Promised(Count(0), lately)


async def test_whose_an_execution_is_and_where_is_told_with_it(either: Store) -> None:
    started, _ = journal("walk_with_partial_fills")
    there = replace(origin("key", "mine"), exchange="demo")
    await either.begin(there, parent_of(started, 1), "w", TTL)
    told = Attached(1, parent_of(started, 1).parent.execution, Status.EXECUTING, "mine", "demo")
    assert await either.find("key") == told
    assert await either.begin(origin("key"), parent_of(started, 2), "w", TTL) == told
    assert [one.exchange for one in await either.unfinished("mine")] == ["demo"]


async def test_another_market_and_another_account_are_admitted_beside_it(either: Store) -> None:
    async with either.admission("a", "KX"):
        for other in (("a", "KY"), ("b", "KX")):
            async with either.admission(*other):
                pass


async def test_who_waits_for_admission_is_told_after_five_seconds(postgres: str) -> None:
    async def wait(store: Store) -> None:
        async with store.admission("a", "KX"):
            with pytest.raises(StoreUnavailable, match="lock timeout"):
                async with store.admission("a", "KX"):
                    pass
        async with store.admission("a", "KX"):
            pass

    async with PostgresStore(postgres) as real:
        await asyncio.gather(wait(real), wait(simulated()))


async def test_admission_attaches_and_refuses_as_the_store_does(either: Store) -> None:
    started, _ = journal("walk_with_partial_fills")
    await either.begin(origin("one"), started, "w", TTL)
    await either.pull_switch("by hand", "me")
    async with either.admission("", started.parent.ticker) as admission:
        again = await admission.begin(origin("one"), parent_of(started, 9), "w", TTL)
        assert again == Attached(1, started.parent.execution, Status.EXECUTING, "", "")
    with pytest.raises(SwitchPulled, match="by hand"):
        async with either.admission("", started.parent.ticker) as admission:
            await admission.begin(origin("two"), parent_of(started, 9), "w", TTL)
    async with either.admission("", started.parent.ticker):
        assert await either.find("two") is None


# The installation, the kill switch, the rollout


async def test_the_installation_is_drawn_once(either: Store) -> None:
    drawn = set(await asyncio.gather(*(either.installation() for _ in range(4))))
    assert len(drawn) == 1
    assert re.fullmatch("[0-9a-f]{8}", drawn.pop())


async def test_while_the_switch_is_pulled_nothing_begins_and_what_has_begun_goes_on(either: Store) -> None:
    begun, state, rest = await start(either, "simple_fill")
    assert await either.switch() is None
    pulled = await either.pull_switch("by hand", "me")
    assert (pulled.reason, pulled.by) == ("by hand", "me")
    assert await either.pull_switch("again", "you") == pulled == await either.switch()
    other = parent_of(journal("simple_fill")[0], 9)
    with pytest.raises(SwitchPulled, match="by hand"):
        await either.begin(origin("other"), other, "w", TTL)
    assert isinstance(await either.begin(origin("simple_fill"), other, "w", TTL), Attached)
    assert isinstance(await either.append(begun.execution_id, 1, 2, rest[:1], project(state)), Appended)
    assert await either.release_switch("me")
    assert not await either.release_switch("me")
    assert isinstance(await either.begin(origin("other"), other, "w", TTL), Begun)
    later = await either.pull_switch("once more", "me")
    assert later.pull_id > pulled.pull_id
    assert later.at >= pulled.at


async def test_a_rollouts_line_is_written_once_and_a_number_taken_stays_taken(either: Store) -> None:
    first = Entry(1, Micros(5), Move.ADVANCE, Stage.PAPER, "me", "to begin")
    second = Entry(2, Micros(6), Move.ADVANCE, Stage.TENTH, "me", "it went well")
    assert await either.rollout("a") == ()
    assert await either.move("a", first, "{}")
    assert await either.move("a", first, "{}")  # a lost answer, asked again
    assert await either.move("a", second, '{"days": 7}')
    assert not await either.move("a", replace(second, by="you"), "{}")
    assert await either.move("b", replace(first, by="you"), "{}")
    assert await either.rollout("a") == (first, second)


# Order groups


async def test_groups_are_kept_by_account_and_worker(either: Store) -> None:
    one, other = WorkerGroup("g1", 0, "w1"), WorkerGroup("g2", 1, "w2")
    await either.keep_group("a", one)
    await either.keep_group("a", one)
    await either.keep_group("a", other)
    await either.keep_group("b", WorkerGroup("g3", 0, "w1"))
    assert await either.groups("a") == (one, other)
    assert await either.groups("a", "w1") == (one,)
    await either.group_triggered("a", "g1")
    await either.group_triggered("a", "unknown")
    assert await either.groups("a") == (other,)
    assert await either.spent_groups("a", Micros(0), Micros(60 * SECOND)) == (one,)
    assert await either.spent_groups("a", Micros(60 * SECOND), Micros(0)) == (one, other)
    await either.forget_group("a", "g1")
    await either.forget_group("a", "g1")
    assert await either.spent_groups("a", Micros(0), Micros(0)) == (other,)


async def test_the_group_of_a_worker_that_holds_an_execution_is_not_spent_until_its_lease_ends(either: Store) -> None:
    begun, _, _ = await start(either, "simple_fill")
    group = WorkerGroup("g1", 0, "worker-1")
    await either.keep_group("", group)
    assert await either.spent_groups("", Micros(0), Micros(0)) == ()
    await either.release(begun.execution_id, begun.epoch)
    assert await either.spent_groups("", Micros(0), Micros(0)) == (group,)


async def test_a_group_is_spent_only_when_its_worker_has_shown_no_life_for_so_long(either: Store) -> None:
    one, other = WorkerGroup("g1", 0, "w1"), WorkerGroup("g2", 0, "w2")
    await either.keep_group("a", one)
    await either.keep_group("a", other)
    async with asyncio.timeout(10):
        while await either.spent_groups("a", Micros(0), Micros(SECOND // 20)) != (other,):
            await either.use_groups("a", "w1")
            await either.use_groups("b", "w2")


# The account's budget: leased in blocks, and never more at once than the exchange allows


async def lease(
    store: Store,
    worker: str,
    wanted: int,
    *,
    kept: int = 0,
    left: int = 0,
    least: int = 10,
    rate: Bucket = WRITE,
    ttl: Micros = LONG,
    account: str = "a",
    bucket: str = "write",
) -> TokenBlock:
    return await store.lease_tokens(account, bucket, worker, TokenAsk(kept, left, least, wanted), rate, ttl)


async def test_a_fresh_bucket_is_full_and_what_is_gone_has_to_be_waited_for(either: Store) -> None:
    assert await lease(either, "w1", 70) == TokenBlock(0, 70, Micros(0), 30)
    assert await lease(either, "w2", 70) == TokenBlock(0, 30, Micros(0), 0)
    third = await lease(either, "w3", 70)
    assert (third.granted, third.remaining) == (0, 0)
    assert 350 * SECOND < third.wait <= 361 * SECOND


async def test_accounts_and_buckets_are_apart(either: Store) -> None:
    for account, bucket in (("a", "write"), ("b", "write"), ("a", "read")):
        assert (await lease(either, "w", 100, account=account, bucket=bucket)).granted == 100


async def test_what_was_spent_does_not_come_twice(either: Store) -> None:
    assert [(await lease(either, "w", 40)).granted for _ in range(4)] == [40, 40, 20, 0]


async def test_what_is_kept_stays_and_what_is_left_goes_back(either: Store) -> None:
    await lease(either, "w1", 100)
    assert await lease(either, "w1", 0, kept=20, left=30, least=0) == TokenBlock(20, 0, Micros(0), 30)
    assert (await lease(either, "w2", 100)).granted == 30
    assert (await lease(either, "w3", 100)).granted == 0


async def test_nobody_keeps_or_gives_back_more_than_he_was_leased(either: Store) -> None:
    await lease(either, "w1", 10)
    await lease(either, "w2", 90)
    assert await lease(either, "w1", 0, kept=50, left=50, least=0) == TokenBlock(10, 0, Micros(0), 0)


async def test_a_lease_of_tokens_that_ran_out_keeps_nothing(either: Store) -> None:
    await lease(either, "w1", 60, ttl=Micros(0))
    assert (await lease(either, "w1", 0, kept=60, least=0)).kept == 0


async def test_a_bucket_refills_only_beside_what_is_leased(either: Store) -> None:
    fast = full(1_000_000, SECOND, 100, Micros(0))
    held = await lease(either, "w1", 60, rate=fast)
    beside = await lease(either, "w2", 100, rate=fast, ttl=Micros(0))
    kept = await lease(either, "w1", 100, kept=30, rate=fast)
    after = await lease(either, "w1", 100, rate=fast)
    assert (held.granted, beside.granted, kept.granted, after.granted) == (60, 40, 70, 100)


async def test_a_bucket_holds_what_it_is_believed_to_hold_by_any_who_has_a_lease_of_it(either: Store) -> None:
    """A worker that has not read the account's limits yet, beside one that has, or after one that died."""
    assert (await lease(either, "w1", 400, rate=LARGE)).granted == 400
    assert (await lease(either, "w2", 70)).granted == 70
    assert (await lease(either, "w3", 1_000, rate=LARGE)).granted == 530
    assert (await lease(either, "w4", 70)).granted == 0


async def test_a_lease_that_ran_out_says_nothing_of_what_a_bucket_holds(either: Store) -> None:
    assert (await lease(either, "w1", 400, rate=LARGE, ttl=Micros(0))).granted == 400
    assert (await lease(either, "w2", 1_000)).granted == 100


async def test_many_workers_at_once_never_get_more_than_there_is(either: Store) -> None:
    blocks = await asyncio.gather(*(lease(either, f"w{number}", 10) for number in range(30)))
    assert sum(block.granted for block in blocks) == 100


# Both at once: whatever is asked, in whatever order, both answer alike


Call: TypeAlias = Callable[[Store], Awaitable[object]]
NAMED = journal("walk_with_partial_fills")


def begin(key: int, caller: int, worker: str, ttl: Micros) -> Call:
    started = parent_of(NAMED[0], 10 * key + caller)
    return lambda store: store.begin(origin(f"key {key}"), started, worker, ttl)


def append(number: int, epoch: int, first: int, count: int) -> Call:
    facts = NAMED[1][max(0, first - 2) :][:count]

    async def call(store: Store) -> object:
        state = folded(*(await store.load(number))[: max(1, first - 1)], *facts)
        return await store.append(number, epoch, first, facts, project(state))

    return call


def claim(number: int, worker: str, ttl: Micros) -> Call:
    return lambda store: store.claim(number, worker, ttl)


def renew(number: int, epoch: int, ttl: Micros) -> Call:
    return lambda store: store.renew(number, epoch, ttl)


def look(number: int) -> Call:
    async def call(store: Store) -> object:
        return (
            await store.load(number),
            await store.trade(number),
            await store.breaches(number),
            await store.walkers("", number),
            [replace(one, expires=Micros(0)) for one in await store.unfinished()],
        )

    return call


def tokens(worker: str, kept: int, left: int, least: int, wanted: int, rate: Bucket) -> Call:
    return lambda store: lease(store, worker, wanted, kept=kept, left=left, least=least, rate=rate)


def pull(reason: str) -> Call:
    return lambda store: store.pull_switch(reason, "me")


def let_go(by: str) -> Call:
    return lambda store: store.release_switch(by)


NUMBERS, EPOCHS, TOKENS = st.integers(1, 3), st.integers(1, 3), st.integers(0, 60)
TTLS, WORKERS = st.sampled_from([EXPIRED, LONG]), st.sampled_from(["worker-1", "worker-2"])
CALLS = st.one_of(
    st.builds(begin, st.integers(1, 2), st.integers(1, 2), WORKERS, TTLS),
    st.builds(append, NUMBERS, EPOCHS, st.integers(1, 6), st.integers(1, 20)),
    st.builds(claim, NUMBERS, WORKERS, TTLS),
    st.builds(renew, NUMBERS, EPOCHS, TTLS),
    st.builds(look, NUMBERS),
    st.builds(tokens, WORKERS, TOKENS, TOKENS, TOKENS, TOKENS, st.sampled_from([WRITE, LARGE])),
    st.builds(pull, st.just("by hand")),
    st.builds(let_go, st.just("me")),
)


async def answered(store: Store, call: Call) -> object:
    """Return an answer without what differs by the clock and the wording."""
    try:
        answer = await call(store)
    except StoreError as error:
        return type(error)
    match answer:
        case HeldBy(owner, _):
            return owner
        case Pulled(_, reason, by, _):
            return reason, by
        case TokenBlock(kept, granted, wait, remaining):
            return kept, granted, wait > 0, remaining
        case _:
            return answer


@settings(max_examples=5)
@given(st.lists(CALLS, min_size=80, max_size=120))
def test_whatever_is_asked_in_whatever_order_both_answer_alike(
    new_database: Callable[[], str], calls: list[Call]
) -> None:
    async def ask(store: Store) -> list[object]:
        return [await answered(store, call) for call in calls]

    async def ask_real() -> list[object]:
        async with PostgresStore(dsn) as store:
            return await ask(store)

    dsn = new_database()
    real = asyncio.run(ask_real())
    drop(dsn)
    loop = Loop()
    stand_in = simulated(VirtualClock(loop))
    try:
        assert loop.run_until_complete(ask(stand_in)) == real
    finally:
        loop.end()
