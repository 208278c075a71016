"""Token buckets at the paper exchange: read and write apart, costs by request, 429 without a penalty (section 6)."""

import pytest
from tests.shell.paper_desk import CASH, ED, ME, ORDERS, Answer, Desk, desk, error

from depthwalker.shell.paper import Account, Options
from depthwalker.shell.paper.tariff import Allowance, allowance

SIGNED = Answer(429, b'{"error":"too many requests"}')
UNSIGNED = Answer(429, error("too_many_requests"))


async def until_refused(me: Desk, method: str, path: str) -> int:
    for count in range(1_000):
        if await me.send(method, path) == SIGNED:
            return count
    return -1


@pytest.mark.parametrize(
    ("method", "path", "passed"),
    [
        ("GET", "/portfolio/orders", 20),
        ("GET", "/markets", 20),
        ("GET", "/portfolio/orders/none", 100),
        ("POST", ORDERS, 10),
        ("POST", ORDERS + "/none/amend", 10),
        ("PUT", "/portfolio/order_groups/none/reset", 10),
        ("DELETE", ORDERS + "/none", 50),
        ("DELETE", ORDERS, 50),
        ("POST", "/account/api_usage_level/upgrade", 3),
    ],
)
async def test_a_basic_bucket_pays_for_so_many(method: str, path: str, passed: int) -> None:
    async with desk() as me:
        assert await until_refused(me, method, path) == passed


async def test_it_refills_as_time_goes_by_and_reads_do_not_pay_for_writes() -> None:
    async with desk() as me:
        assert await until_refused(me, "DELETE", ORDERS + "/none") == 50
        assert (await me.send("GET", "/portfolio/orders")).status == 200
        await me.clock.move(1)
        assert await until_refused(me, "POST", ORDERS) == 10


async def test_accounts_do_not_pay_for_each_other() -> None:
    async with desk() as me:
        await until_refused(me, "POST", ORDERS)
        assert (await me.other().create(price="0.10")).status == 201


async def test_a_request_that_is_not_let_in_pays_nothing() -> None:
    async with desk() as me:
        for _ in range(30):
            assert (await me.send("GET", "/portfolio/orders", headers={})).status == 401
        assert (await me.send("GET", "/portfolio/orders")).status == 200


async def test_unsigned_requests_are_free_unless_a_limit_is_set() -> None:
    for options, refused in ((Options(), 0), (Options(public_rate=30), 97)):
        async with desk(options=options) as me:
            seen = [await me.send("GET", "/exchange/status", headers={}) for _ in range(100)]
            assert seen.count(UNSIGNED) == refused


async def test_the_limits_are_told_and_can_be_raised_by_whoever_trades() -> None:
    async with desk() as me:
        recorded = {"refill_rate": 200, "bucket_capacity": 200}
        assert (await me.get("/account/limits"))["read"] == recorded
        assert (await me.send("POST", "/account/api_usage_level/upgrade")).status == 403
        await me.placed()
        assert await me.send("POST", "/account/api_usage_level/upgrade") == Answer(201, b"")
        told = await me.get("/account/limits")
        assert (told["usage_tier"], told["write"]["refill_rate"], told["grants"][0]["level"]) == (
            "advanced",
            300,
            "advanced",
        )
        assert await until_refused(me, "POST", ORDERS) == 30


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), Allowance("basic", 200, 100, 200, 100)),
        (Options(usage_tier="premier"), Allowance("premier", 1_200, 1_200, 1_200, 1_200)),
        (Options(write_rate=300), Allowance("basic", 200, 300, 200, 300)),
        (Options(read_capacity=600), Allowance("basic", 200, 100, 600, 100)),
        (Options(usage_tier="homemade"), Allowance("homemade", 200, 100, 200, 100)),
    ],
)
def test_the_tier_of_the_options_applies(options: Options, expected: Allowance) -> None:
    assert (
        options.allowance
        == expected
        == allowance(
            options.usage_tier, (options.read_rate, options.write_rate), (options.read_capacity, options.write_capacity)
        )
    )


async def test_what_was_answered_is_counted() -> None:
    async with desk() as me:
        passed = await until_refused(me, "POST", ORDERS)
        assert (me.exchange.answers["create", 400], me.exchange.answers["create", 429]) == (passed, 1)


@pytest.mark.parametrize(
    ("scopes", "reads", "trades"),
    [
        ({"read"}, 200, 403),
        ({"write::trade"}, 403, 201),
        ({"read", "write"}, 200, 201),
        ({"read::portfolio_balance"}, 403, 403),
    ],
)
async def test_a_key_may_do_what_its_scopes_say(scopes: set[str], reads: int, trades: int) -> None:
    account = Account(ME, "key-1", ED.public_key(), CASH, scopes=frozenset(scopes))
    async with desk(account=account) as me:
        assert (await me.send("GET", "/portfolio/orders")).status == reads
        assert (await me.create()).status == trades
        assert (await me.send("GET", "/portfolio/balance")).status == (403 if scopes == {"write::trade"} else 200)
