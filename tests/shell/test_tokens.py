"""The account's budget in the store: leased in blocks, and never more at once than the exchange allows."""

import asyncio

from depthwalker.core.budget import full
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.store import PostgresStore

TTL = Micros(60 * SECOND)
WRITE = full(100, Micros(3600 * SECOND), 100, Micros(0))  # it hardly refills while a test runs


async def test_a_fresh_bucket_is_full_and_what_is_gone_has_to_be_waited_for(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        first = await store.lease_tokens("a", "write", "w1", 10, 70, WRITE, TTL)
        second = await store.lease_tokens("a", "write", "w2", 10, 70, WRITE, TTL)
        third = await store.lease_tokens("a", "write", "w3", 10, 70, WRITE, TTL)
        assert (first.granted, first.wait, second.granted, third.granted) == (70, 0, 30, 0)
        assert 350 * SECOND < third.wait <= 361 * SECOND


async def test_accounts_and_buckets_are_apart(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        for account, bucket in (("a", "write"), ("b", "write"), ("a", "read")):
            assert (await store.lease_tokens(account, bucket, "w", 10, 100, WRITE, TTL)).granted == 100


async def test_what_a_worker_gives_back_unspent_does_not_come_twice(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        granted = [(await store.lease_tokens("a", "write", "w", 10, 40, WRITE, TTL)).granted for _ in range(4)]
        assert granted == [40, 40, 20, 0]


async def test_a_bucket_refills_only_beside_what_others_hold(postgres: str) -> None:
    fast = full(1_000_000, SECOND, 100, Micros(0))
    async with PostgresStore(postgres) as store:
        held = await store.lease_tokens("a", "write", "w1", 10, 60, fast, TTL)
        beside = await store.lease_tokens("a", "write", "w2", 10, 100, fast, Micros(0))
        after = await store.lease_tokens("a", "write", "w1", 10, 100, fast, TTL)
        assert (held.granted, beside.granted, after.granted) == (60, 40, 100)


async def test_many_workers_at_once_never_get_more_than_there_is(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        blocks = await asyncio.gather(
            *(store.lease_tokens("a", "write", f"w{number}", 10, 10, WRITE, TTL) for number in range(30))
        )
        assert sum(block.granted for block in blocks) == 100
