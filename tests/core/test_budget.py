"""A token bucket as a value: never overdrawn when asked first, and exact however time is cut up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.strategies import NOW

from depthwalker.core.budget import (
    BASIC,
    CANCEL_COST,
    CREATE_COST,
    USUAL_COSTS,
    Bucket,
    Costs,
    EndpointCost,
    Limits,
    Rate,
    available,
    available_within,
    bucket_of,
    cost_of,
    full,
    per_minute,
    ready_at,
    refill,
    rerated,
    spend,
    would_exceed,
)
from depthwalker.core.units import SECOND, Micros

SPANS = st.integers(0, 120 * SECOND).map(Micros)
COSTS = st.integers(0, 100)


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    """Buckets of any rate, as empty as spending can leave them."""
    capacity = draw(st.integers(1, 400))
    bucket = full(draw(st.integers(1, 400)), draw(st.sampled_from((SECOND, Micros(60 * SECOND)))), capacity, NOW)
    return refill(spend(bucket, draw(st.integers(0, capacity)), NOW), Micros(NOW + draw(st.integers(0, SECOND))))


@given(buckets(), st.lists(SPANS, min_size=1, max_size=8))
def test_refilling_is_exact_over_any_partition_of_time(bucket: Bucket, spans: list[Micros]) -> None:
    in_parts, now = bucket, bucket.at
    for span in spans:
        now = Micros(now + span)
        in_parts = refill(in_parts, now)
    assert in_parts == refill(bucket, now)


@given(buckets(), SPANS)
def test_a_bucket_gains_its_rate_and_never_holds_more_than_its_capacity(bucket: Bucket, span: Micros) -> None:
    later = refill(bucket, Micros(bucket.at + span))
    assert later.level == min(bucket.capacity * bucket.period, bucket.level + span * bucket.tokens)
    assert available(bucket, Micros(bucket.at + span)) == later.level // bucket.period <= bucket.capacity


@given(buckets(), st.lists(st.tuples(COSTS, COSTS, SPANS), max_size=12))
def test_a_bucket_asked_first_is_never_overdrawn_and_keeps_the_reserve(
    bucket: Bucket, spends: list[tuple[int, int, Micros]]
) -> None:
    now = bucket.at
    for wish, reserve, pause in spends:
        cost = min(wish, bucket.capacity)
        now = ready_at(bucket, cost, reserve, Micros(now + pause))
        bucket = spend(bucket, cost, now)
        assert available(bucket, now) >= min(reserve, bucket.capacity - cost) >= 0
        assert bucket.level >= 0


@given(buckets(), COSTS, COSTS, SPANS)
def test_the_instant_named_is_the_first_at_which_the_spend_is_possible(
    bucket: Bucket, wish: int, reserve: int, pause: Micros
) -> None:
    cost, now = min(wish, bucket.capacity), Micros(bucket.at + pause)
    kept = min(reserve, bucket.capacity - cost)
    ready = ready_at(bucket, cost, reserve, now)
    assert ready >= now
    assert not would_exceed(bucket, cost, kept, ready)
    assert ready == now or would_exceed(bucket, cost, kept, Micros(ready - 1))


@given(buckets(), SPANS, st.lists(st.integers(0, 120 * SECOND), max_size=6))
def test_what_can_be_spent_within_a_span_is_what_is_there_and_what_flows_in(
    bucket: Bucket, span: Micros, cuts: list[int]
) -> None:
    start, end = bucket.at, bucket.at + span
    promised, left, spent = available_within(bucket, span, start), bucket, 0
    for at in [start, *sorted(start + cut % (span + 1) for cut in cuts), end]:
        here = available(left, Micros(at))
        left, spent = spend(left, here, Micros(at)), spent + here
    assert spent <= promised
    if span * bucket.tokens <= (bucket.capacity - 1) * bucket.period:  # the emptied bucket never runs over
        assert spent == promised


@given(buckets(), st.integers(1, 10 * SECOND), COSTS)
def test_a_clock_that_stepped_back_gives_nothing_and_takes_nothing(bucket: Bucket, back: int, cost: int) -> None:
    earlier = Micros(bucket.at - back)
    assert refill(bucket, earlier) == bucket
    assert available(bucket, earlier) == available(bucket, bucket.at)
    ready = ready_at(bucket, cost, 0, earlier)
    assert ready in {earlier, ready_at(bucket, cost, 0, bucket.at)}


def test_a_reserve_beyond_the_capacity_is_waited_for_until_the_bucket_is_full() -> None:
    bucket = spend(full(100, SECOND, 100, NOW), 50, NOW)
    assert ready_at(bucket, CREATE_COST, 60 * CANCEL_COST, NOW) == NOW + SECOND // 2


def test_the_exchange_s_costs_fit_a_second_of_its_lowest_tier() -> None:
    bucket = full(100, SECOND, 100, NOW)
    for _ in range(10):
        assert ready_at(bucket, CREATE_COST, 0, NOW) == NOW
        bucket = spend(bucket, CREATE_COST, NOW)
    assert ready_at(bucket, CREATE_COST, 0, NOW) == NOW + SECOND // 10
    assert ready_at(bucket, CANCEL_COST, 0, NOW) == NOW + SECOND // 50


def test_what_is_there_to_the_last_part_of_a_token_can_be_spent_at_once_and_one_part_less_cannot() -> None:
    whole, short = (Bucket(1, SECOND, 1, level, NOW) for level in (SECOND, SECOND - 1))
    assert (ready_at(whole, 1, 0, NOW), ready_at(short, 1, 0, NOW)) == (NOW, NOW + 1)
    assert ready_at(whole, 1, 0, Micros(NOW - 5)) == NOW - 5, "by a clock that stepped back too"


def test_a_spend_beyond_what_is_there_is_owed() -> None:
    owing = spend(full(10, SECOND, 10, NOW), 15, NOW)
    assert available(owing, NOW) == 0
    assert ready_at(owing, 1, 0, NOW) == NOW + 6 * SECOND // 10


@pytest.mark.parametrize(("calls", "spacing"), [(90, 666_667), (60, SECOND), (1, 60 * SECOND)])
def test_calls_at_an_even_pace_are_spaced_by_the_rate(calls: int, spacing: int) -> None:
    bucket, now = spend(per_minute(calls, NOW), calls, NOW), NOW
    sent: list[int] = []
    for _ in range(5):
        now = ready_at(bucket, 1, 0, now)
        bucket = spend(bucket, 1, now)
        sent.append(now)
    assert all(later - one in {spacing, spacing - 1} for one, later in pairwise(sent))
    assert sent[-1] - NOW == -(-5 * 60 * SECOND // calls)


V2 = "/trade-api/v2"


@pytest.mark.parametrize(
    ("method", "path", "items", "cost"),
    [
        ("POST", f"{V2}/portfolio/events/orders", 1, 10),
        ("POST", f"{V2}/portfolio/events/orders/batched", 5, 50),
        ("POST", f"{V2}/portfolio/events/orders/o1/amend", 1, 10),
        ("DELETE", f"{V2}/portfolio/events/orders/o1", 1, 2),
        ("DELETE", f"{V2}/portfolio/events/orders/batched", 5, 10),
        ("DELETE", f"{V2}/portfolio/events/orders", 1, 2),
        ("DELETE", f"{V2}/portfolio/order_groups/g1", 1, 10),
        ("GET", f"{V2}/portfolio/orders/o1", 1, 2),
        ("GET", f"{V2}/portfolio/orders", 1, 10),
        ("GET", f"{V2}/portfolio/orders/o1/queue_position", 1, 10),
    ],
)
def test_a_request_costs_what_its_endpoint_does(method: str, path: str, items: int, cost: int) -> None:
    assert cost_of(USUAL_COSTS, method, path, items) == cost


def test_the_most_exact_pattern_decides() -> None:
    costs = Costs(
        10, (EndpointCost("GET", "/a/*rest", 150), EndpointCost("GET", "/a/:id", 5), EndpointCost("GET", "/a/b", 1))
    )

    assert [cost_of(costs, "GET", path) for path in ("/a/b", "/a/c", "/a/c/d", "/a", "/c/b")] == [1, 5, 150, 10, 10]
    assert cost_of(costs, "PUT", "/a/b") == 10


def test_a_rest_may_follow_any_number_of_parts_and_is_less_exact_than_as_many_named_ones() -> None:
    costs = Costs(10, (EndpointCost("GET", "/a/b/*rest", 7), EndpointCost("GET", "/x/*rest", 8)))
    assert [cost_of(costs, "GET", path) for path in ("/a/b/c", "/a/b/c/d", "/a/b", "/x/y/z")] == [7, 7, 10, 8]
    named = Costs(10, (*costs.endpoints, EndpointCost("GET", "/:one/:two/:three", 3)))
    assert cost_of(named, "GET", "/x/y/z") == 3


def test_reads_and_writes_have_buckets_of_their_own() -> None:
    limits = Limits("advanced", Rate(300, 900), Rate(300, 600))

    assert available(bucket_of(limits.read, NOW), NOW) == 900
    assert available_within(bucket_of(BASIC.write, NOW), SECOND, NOW) == 200


@given(st.integers(0, 500), st.integers(1, 9_600), st.integers(1, 20_000))
def test_another_rate_neither_gives_nor_takes_tokens_that_fit(spent: int, refill_rate: int, capacity: int) -> None:
    now = Micros(1_000 * SECOND)
    before = spend(full(500, SECOND, 500, now), spent, now)
    after = rerated(before, Rate(refill_rate, capacity), now)
    assert available(after, now) == min(500 - spent, capacity)
    assert available(after, Micros(now + 10_000 * 3_600 * SECOND)) == capacity
