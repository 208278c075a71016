"""A purse: of its own, or leased from the account's common bucket; never more than there is, and cancels have theirs."""

import asyncio
from math import ceil
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shell.clocks import SteppingClock
from tests.shell.relay import relayed
from tests.simulation.tokens import SharedBucket

from depthwalker.core.budget import Bucket, Rate, available, full, spend
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.journal import StoreUnavailable, TokenAsk, TokenBlock
from depthwalker.shell.purse import ALONE, AWAY, PATIENCE_S, TTL, Purse, StorePool
from depthwalker.shell.store import PostgresStore

START = 1_000_000_000
RATE = full(100, SECOND, 80, Micros(START))
CREATE, CANCEL = 10, 2


class Common:
    """An account's bucket in memory, by the clock of the test."""

    def __init__(self, clock: SteppingClock, rate: Bucket = RATE) -> None:
        self.clock = clock
        self.rate = rate
        self.shared = SharedBucket(rate.level, rate.at)
        self.away = False
        self.hangs = False
        self.asked = 0

    def of(self, worker: str) -> "Share":
        return Share(self, worker)


class Share:
    def __init__(self, common: Common, worker: str) -> None:
        self._common = common
        self._worker = worker

    async def lease(self, bucket: str, ask: TokenAsk, rate: Bucket, ttl: Micros) -> TokenBlock:
        self._common.asked += 1
        if self._common.hangs:
            await asyncio.Event().wait()
        if self._common.away:
            raise StoreUnavailable("pulled out")
        return self._common.shared.lease(self._worker, ask, rate, ttl, self._common.clock.now())


def purse(clock: SteppingClock, common: Common | None, worker: str = "w") -> Purse:
    return Purse(clock, "write", RATE, None if common is None else common.of(worker))


def none() -> int:
    return 0


async def spend_all(one: Purse, clock: SteppingClock) -> int:
    """Return how many creates pass without a wait."""
    since = clock.now()
    for count in range(1_000):
        await one.take(CREATE, none)
        if clock.now() > since:
            return count
    return 1_000


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from((CREATE, CANCEL)), st.integers(0, 400_000)), max_size=60))
async def test_processes_together_never_spend_more_than_one_bucket_gives(
    steps: list[tuple[int, int, int]],
) -> None:
    clock = SteppingClock()
    common = Common(clock)
    purses = [purse(clock, common, f"w{number}") for number in range(4)]
    exchange = full(100, SECOND, 100, Micros(START))  # what is used leaves a fifth of it
    for which, cost, wait in steps:
        await clock.sleep_until(Micros(clock.now() + wait))
        await purses[which].take(cost, none, urgent=cost == CANCEL)
        assert available(exchange, clock.now()) >= cost
        exchange = spend(exchange, cost, clock.now())


async def test_two_processes_share_what_one_would_have() -> None:
    clock = SteppingClock()
    common = Common(clock)
    first, second = purse(clock, common, "a"), purse(clock, common, "b")
    for _ in range(4):
        await first.take(CREATE, none)
        await second.take(CREATE, none)
    assert clock.now() == START
    await first.take(CREATE, none)
    assert clock.now() > START


@pytest.mark.parametrize("shared", [False, True])
async def test_what_must_be_left_to_whomever_is_counted_in_the_whole_bucket(*, shared: bool) -> None:
    clock = SteppingClock()
    common = Common(clock)
    one = purse(clock, common if shared else None)
    for _ in range(4):
        await one.take(CREATE, none, spare=40)
    assert clock.now() == START
    await one.take(CREATE, none, spare=40)
    assert clock.now() - START == SECOND // 10
    await one.take(CREATE, none)
    assert clock.now() - START == SECOND // 10


@pytest.mark.parametrize("shared", [False, True])
async def test_what_is_to_spare_some_waits_two_seconds_for_all_of_them_and_then_for_half(*, shared: bool) -> None:
    clock = SteppingClock()
    common = Common(clock, full(1, Micros(30 * SECOND), 80, Micros(START)))
    one = Purse(clock, "write", common.rate, common.of("w") if shared else None)
    for _ in range(5):
        await one.take(CREATE, none)
    assert clock.now() == START
    await one.take(CREATE, lambda: CREATE, spare=20)
    assert clock.now() - START == 2 * SECOND
    await one.take(CREATE, lambda: CREATE, spare=20)
    assert clock.now() - START > 200 * SECOND, "what is kept for cancels and half of what is spared stays"


async def test_leases_are_taken_in_blocks() -> None:
    clock = SteppingClock()
    common = Common(clock, full(1_000, SECOND, 1_600, Micros(START)))
    one = Purse(clock, "write", common.rate, common.of("w"))
    for _ in range(20):
        await one.take(CANCEL, none)
    assert common.asked == 1


async def test_what_is_idle_goes_back_to_the_others_and_what_is_kept_for_cancels_stays() -> None:
    clock = SteppingClock()
    common = Common(clock)
    one, other = purse(clock, common, "a"), purse(clock, common, "b")
    await one.hold(80)
    assert common.shared.leases["a"].tokens == 80
    await one.hold(6)
    assert common.shared.leases["a"].tokens == 6
    assert await spend_all(other, clock) == 7


async def test_a_lease_is_renewed_before_it_runs_out() -> None:
    clock = SteppingClock()
    common = Common(clock)
    one = purse(clock, common)
    await one.hold(6)
    for _ in range(20):
        await clock.sleep_until(Micros(clock.now() + SECOND))
        await one.hold(6)
        tokens, until, _ = common.shared.leases["w"]
        assert tokens == 6
        assert until > clock.now()
    assert common.asked <= 5


async def test_what_is_given_back_is_there_for_others_at_once() -> None:
    clock = SteppingClock()
    common = Common(clock)
    one, other = purse(clock, common, "a"), purse(clock, common, "b")
    await one.hold(80)
    await one.give_back()
    await one.give_back()
    assert await spend_all(other, clock) == 8


async def test_tokens_of_a_lease_that_ran_out_are_not_spent_but_for_a_cancel_while_the_store_is_away() -> None:
    clock = SteppingClock()
    common = Common(clock)
    one = purse(clock, common)
    await one.hold(40)
    common.away = True
    await clock.sleep_until(Micros(clock.now() + TTL))
    since = clock.now()
    await one.take(CANCEL, none, urgent=True)
    assert clock.now() == since
    await one.take(CREATE, none)
    assert clock.now() > since


async def test_without_the_store_a_process_goes_on_with_its_share_and_asks_again() -> None:
    clock = SteppingClock()
    common = Common(clock)
    common.away = True
    one = purse(clock, common)
    since = clock.now()
    for _ in range(10):
        await one.take(CREATE, none)
    assert clock.now() - since >= (10 * CREATE - RATE.capacity // ALONE) * SECOND * ALONE // 100
    assert common.asked >= (clock.now() - since) // AWAY
    common.away = False
    await clock.sleep_until(Micros(clock.now() + AWAY))
    assert await spend_all(one, clock) >= 8


async def test_a_store_that_hangs_delays_a_cancel_by_its_patience_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwalker.shell.purse.PATIENCE_S", PATIENCE_S / 50)
    clock = SteppingClock()
    common = Common(clock)
    common.hangs = True
    async with asyncio.timeout(5):
        await purse(clock, common).take(CANCEL, none, urgent=True)


async def test_nor_does_a_database_that_says_nothing_more_delay_it_by_what_it_takes_to_cancel(
    postgres: str, tmp_path: Path
) -> None:
    clock = SteppingClock()
    async with relayed(postgres, tmp_path) as (dsn, wire), PostgresStore(dsn) as store:
        one = Purse(clock, "write", RATE, StorePool(store, "me", "w"))
        await one.hold(CANCEL)
        wire.freeze()
        async with asyncio.timeout(8 * PATIENCE_S):  # psycopg takes ten seconds to cancel
            await one.take(CREATE, none, urgent=True)
        await clock.sleep_until(Micros(clock.now() + AWAY))
        async with asyncio.timeout(8 * PATIENCE_S):
            await one.give_back()
        wire.thaw()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_429_of_others_making_pauses_all_but_cancels_and_longer_when_it_comes_again() -> None:
    clock = SteppingClock()
    one = purse(clock, None)
    pauses = []
    for _ in range(3):
        since = clock.now()
        one.refused()
        one.refused()
        await one.take(CANCEL, none, urgent=True)
        assert clock.now() == since
        await one.take(CANCEL, none)
        pauses.append((clock.now() - since) // SECOND)
    assert pauses == [1, 2, 4]
    await clock.sleep_until(Micros(clock.now() + 60 * SECOND))
    since = clock.now()
    one.refused()
    await one.take(CANCEL, none)
    assert clock.now() - since == SECOND


async def test_another_rate_keeps_what_is_leased() -> None:
    clock = SteppingClock()
    common = Common(clock)
    one = purse(clock, common)
    await one.hold(40)
    one.go_by(Rate(4_800, 4_800))
    assert one.within(Micros(0)) == 80
    await one.take(CREATE, none)
    assert common.asked == 1


async def test_who_knows_only_the_lowest_tier_does_not_wait_for_those_who_hold_more_than_that() -> None:
    clock = SteppingClock()
    common = Common(clock, full(2_000, SECOND, 2_000, Micros(START)))
    knows = Purse(clock, "write", common.rate, common.of("a"))
    await knows.hold(4 * RATE.capacity)
    since = clock.now()
    await purse(clock, common, "b").take(CANCEL, none, urgent=True)
    assert clock.now() == since


async def test_requests_at_once_spend_what_the_database_has_and_no_more(postgres: str) -> None:
    clock = SteppingClock()
    since = monotonic()
    async with PostgresStore(postgres) as store:
        one = Purse(clock, "write", RATE, StorePool(store, "me", "w"))
        await asyncio.gather(*(one.take(CREATE, none) for _ in range(6)))
        rest = await store.lease_tokens("me", "write", "another", TokenAsk(0, 0, 0, RATE.capacity), RATE, TTL)
    flowed = ceil((monotonic() - since) * 100)  # the database refills by its own clock
    assert clock.now() - START < SECOND
    assert rest.granted <= RATE.capacity - 6 * CREATE + flowed
