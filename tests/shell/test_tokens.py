"""The account's budget in the store: leased in blocks, and never more at once than the exchange allows."""

import asyncio

import psycopg

from depthwalker.core.budget import Bucket, full
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.journal import TokenAsk, TokenBlock
from depthwalker.shell.store import PostgresStore

TTL = Micros(60 * SECOND)
WRITE = full(100, Micros(3600 * SECOND), 100, Micros(0))  # it hardly refills while a test runs


async def lease(
    store: PostgresStore,
    worker: str,
    wanted: int,
    *,
    kept: int = 0,
    left: int = 0,
    least: int = 10,
    rate: Bucket = WRITE,
    ttl: Micros = TTL,
    account: str = "a",
    bucket: str = "write",
) -> TokenBlock:
    return await store.lease_tokens(account, bucket, worker, TokenAsk(kept, left, least, wanted), rate, ttl)


async def test_a_fresh_bucket_is_full_and_what_is_gone_has_to_be_waited_for(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        assert await lease(store, "w1", 70) == TokenBlock(0, 70, Micros(0), 30)
        assert await lease(store, "w2", 70) == TokenBlock(0, 30, Micros(0), 0)
        third = await lease(store, "w3", 70)
        assert (third.granted, third.remaining) == (0, 0)
        assert 350 * SECOND < third.wait <= 361 * SECOND


async def test_accounts_and_buckets_are_apart(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        for account, bucket in (("a", "write"), ("b", "write"), ("a", "read")):
            assert (await lease(store, "w", 100, account=account, bucket=bucket)).granted == 100


async def test_what_was_spent_does_not_come_twice(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        assert [(await lease(store, "w", 40)).granted for _ in range(4)] == [40, 40, 20, 0]


async def test_what_is_kept_stays_and_what_is_left_goes_back(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        await lease(store, "w1", 100)
        assert await lease(store, "w1", 0, kept=20, left=30, least=0) == TokenBlock(20, 0, Micros(0), 30)
        assert (await lease(store, "w2", 100)).granted == 30
        assert (await lease(store, "w3", 100)).granted == 0


async def test_nobody_keeps_or_gives_back_more_than_he_was_leased(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        await lease(store, "w1", 10)
        await lease(store, "w2", 90)
        assert await lease(store, "w1", 0, kept=50, left=50, least=0) == TokenBlock(10, 0, Micros(0), 0)


async def test_a_lease_that_ran_out_keeps_nothing(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        await lease(store, "w1", 60, ttl=Micros(0))
        assert (await lease(store, "w1", 0, kept=60, least=0)).kept == 0


async def test_a_bucket_refills_only_beside_what_is_leased(postgres: str) -> None:
    fast = full(1_000_000, SECOND, 100, Micros(0))
    async with PostgresStore(postgres) as store:
        held = await lease(store, "w1", 60, rate=fast)
        beside = await lease(store, "w2", 100, rate=fast, ttl=Micros(0))
        kept = await lease(store, "w1", 100, kept=30, rate=fast)
        after = await lease(store, "w1", 100, rate=fast)
        assert (held.granted, beside.granted, kept.granted, after.granted) == (60, 40, 70, 100)


async def test_many_workers_at_once_never_get_more_than_there_is(postgres: str) -> None:
    async with PostgresStore(postgres) as store:
        blocks = await asyncio.gather(*(lease(store, f"w{number}", 10) for number in range(30)))
        assert sum(block.granted for block in blocks) == 100


async def test_the_function_of_an_older_schema_is_replaced(postgres: str) -> None:
    """Its arguments differ: both would be there, and the older one would still be callable."""
    async with await psycopg.AsyncConnection.connect(postgres, autocommit=True) as connection:
        found = await connection.execute("SELECT count(*) FROM pg_proc WHERE proname = 'depthwalker_lease_tokens'")
        assert await found.fetchone() == (1,)
