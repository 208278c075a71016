"""The limiter: never faster than its budget, and cancels always have theirs."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tests.shell.clocks import SteppingClock
from tests.shell.paper_desk import HandClock

from depthwalker.core.budget import BASIC, USUAL_COSTS, Costs, EndpointCost, Limits, Rate
from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.limiter import Limiter, Purpose
from depthwalker.shell.ports import HttpRequest, HttpResponse
from depthwalker.shell.rest import PUBLIC, Rest


async def test_ninety_calls_a_minute_pass_at_once_and_the_next_waits() -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, 90, lambda: 0)
    for _ in range(90):
        await limiter.acquire(Purpose.ENTRY)
    assert clock.now() == 1_000_000_000
    await limiter.acquire(Purpose.READ)
    assert clock.now() - 1_000_000_000 == 60 * SECOND // 90 + 1  # rounded up to the microsecond


async def test_a_tier_counts_tokens_and_reads_do_not_use_up_writes() -> None:
    """A part of the exchange's buckets is left alone: requests arrive less evenly than they leave."""
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 0)
    for _ in range(8):
        await limiter.acquire(Purpose.ENTRY)
    for _ in range(10):
        await limiter.acquire(Purpose.READ)
    assert clock.now() == 1_000_000_000
    await limiter.acquire(Purpose.ENTRY)
    assert clock.now() - 1_000_000_000 == SECOND // 10


async def test_what_resolves_an_order_never_waits_for_the_cancels_of_orders_in_doubt() -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 1_000)  # more than the bucket holds
    for _ in range(8):
        await limiter.acquire(Purpose.RESOLVE)
    assert clock.now() == 1_000_000_000
    await limiter.acquire(Purpose.ENTRY)
    assert clock.now() >= 1_000_000_000 + SECOND * 4 // 5, "a full bucket"


async def test_every_429_slows_the_requests_of_whoever_is_governed() -> None:
    clock, sent = SteppingClock(), 0

    class Throttling:
        async def send(self, request: HttpRequest) -> HttpResponse:
            nonlocal sent
            assert request.method == "GET"
            sent += 1
            return HttpResponse(429, {}, b'{"error":"too many requests"}')

        async def close(self) -> None: ...

    rest = Rest(Throttling(), None, clock)
    Limiter(clock, None, lambda: 0).govern(rest)
    began = clock.now()
    while clock.now() < began + 5 * SECOND:
        await rest.get(PUBLIC, "/trade-api/v2/markets")
    assert sent <= 6, "it had been twenty a second"


async def test_market_data_leaves_half_of_the_reads_to_what_executions_need_to_end() -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 0)
    for _ in range(5):
        await limiter.acquire(Purpose.PUBLIC)
    assert clock.now() == 1_000_000_000
    polling = limiter.acquire(Purpose.PUBLIC)
    for _ in range(5):
        await limiter.acquire(Purpose.READ)
    assert clock.now() == 1_000_000_000
    await polling
    assert clock.now() > 1_000_000_000 + SECOND // 4


async def test_a_cancel_never_waits_for_what_is_kept_for_cancels() -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 5)
    for _ in range(7):
        await limiter.acquire(Purpose.ENTRY)
    assert clock.now() == 1_000_000_000
    for _ in range(5):
        await limiter.acquire(Purpose.CANCEL)
    assert clock.now() == 1_000_000_000
    await limiter.acquire(Purpose.ENTRY)
    assert clock.now() > 1_000_000_000


def test_what_is_left_counts_one_tick_ahead_and_leaves_the_reserve() -> None:
    clock = SteppingClock()
    assert Limiter(clock, None, lambda: 0).calls_left() == 48
    assert Limiter(clock, None, lambda: 10).calls_left() == 46
    assert Limiter(clock, 90, lambda: 6).calls_left() == 90


async def test_what_waits_to_be_entered_is_not_left_for_others() -> None:
    clock = HandClock()
    limiter = Limiter(clock, None, lambda: 0)
    assert limiter.calls_left() == 48
    waiting = [asyncio.create_task(limiter.acquire(Purpose.ENTRY)) for _ in range(40)]
    await asyncio.sleep(0)
    assert limiter.calls_left() == 1, "eight have gone out, and the cancels of the others count too"
    for task in waiting[8:]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert limiter.calls_left() == 40


@given(st.lists(st.sampled_from(Purpose), max_size=200))
async def test_no_second_holds_more_than_capacity_and_refill(purposes: list[Purpose]) -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 0)
    spent: list[tuple[int, int]] = []
    for purpose in purposes:
        await limiter.acquire(purpose)
        if purpose in {Purpose.ENTRY, Purpose.CANCEL}:
            spent.append((clock.now(), 10 if purpose is Purpose.ENTRY else 2))
    for start, _ in spent:
        assert sum(cost for at, cost in spent if start <= at <= start + SECOND) <= 180


PRIME = Limits("prime", Rate(4_800, 4_800), Rate(4_800, 14_400))


async def test_the_accounts_own_rates_count_once_they_are_known_and_what_was_spent_stays_spent() -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 0)
    for _ in range(8):
        await limiter.acquire(Purpose.ENTRY)
    limiter.learn(PRIME, USUAL_COSTS)
    assert limiter.calls_left() == 4 * 4_800 // 10
    await limiter.acquire(Purpose.ENTRY)
    assert clock.now() - 1_000_000_000 == -(-10 * SECOND // 4_800)


async def test_a_tier_that_falls_takes_away_what_it_does_not_hold() -> None:
    clock = SteppingClock()
    limiter = Limiter(clock, None, lambda: 0)
    limiter.learn(PRIME, USUAL_COSTS)
    await clock.sleep_until(Micros(clock.now() + 60 * SECOND))
    limiter.learn(BASIC, USUAL_COSTS)
    assert limiter.calls_left() == 48


def test_costs_are_the_exchanges() -> None:
    limiter = Limiter(SteppingClock(), None, lambda: 10)
    create = EndpointCost("POST", "/trade-api/v2/portfolio/events/orders", 40)
    cancel = EndpointCost("DELETE", "/trade-api/v2/portfolio/events/orders/:order_id", 4)
    limiter.learn(BASIC, Costs(10, (create, cancel)))
    assert limiter.calls_left() == (480 - 10 * 4) // 40


def test_a_budget_that_is_named_stays() -> None:
    limiter = Limiter(SteppingClock(), 90, lambda: 0)
    limiter.learn(PRIME, USUAL_COSTS)
    assert limiter.calls_left() == 96
