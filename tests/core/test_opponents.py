"""The laboratory's opponents: each does what its name says, under the parent's cap, and no method can name it."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    QUIET,
    accepted,
    after,
    all_but_a_hundredth,
    cents,
    contracts,
    fold,
    intended,
    match,
    parent,
    policy,
    started,
    view,
)

from depthwalker.core.algorithms.opponents import (
    CHASE,
    LIMIT_BID,
    LIMIT_MID,
    LIMIT_OFFER,
    STATIC_SPLIT,
    TAKE_NOW,
)
from depthwalker.core.algorithms.strategy import Strategy, no_moments
from depthwalker.core.command import Place, Plan
from depthwalker.core.config import Algorithm
from depthwalker.core.decide import decide
from depthwalker.core.execution import State
from depthwalker.core.fact import Fact, Filled, Planned
from depthwalker.core.ledger import Style
from depthwalker.core.units import Count, Price
from depthwalker.core.view import View

SIMPLE = policy(algorithm=Algorithm.SIMPLE_LIMIT)
FLOWING = replace(QUIET, suppliers=contracts(4_000))


def begun(strategy: Strategy, *facts: Fact, seen: View | None = None, cap: int = 53) -> State:
    state = started(parent(cap=cents(cap)), SIMPLE)
    splits = strategy.plan(state, seen or view(), SIMPLE)
    return fold(Planned(Algorithm.SIMPLE_LIMIT, "test", splits, after(0)), *facts, state=state)


def quoted(strategy: Strategy, state: State, seen: View | None = None) -> list[tuple[int, int, Style]]:
    quotes = strategy.desire(state, seen or view(), SIMPLE).quotes
    return [(quote.split, quote.price // 100, quote.style) for quote in quotes]


def test_an_opponent_runs_through_the_same_decisions() -> None:
    state = started(parent(), SIMPLE)
    (planned,) = decide(state, view(), SIMPLE, lambda _: TAKE_NOW)
    assert isinstance(planned, Plan)
    placed = decide(begun(TAKE_NOW), view(), SIMPLE, lambda _: TAKE_NOW)[0]
    assert isinstance(placed, Place)
    assert (placed.price, placed.style) == (cents(53), Style.TAKE)


def test_take_now_sends_one_order_up_to_the_cap() -> None:
    assert quoted(TAKE_NOW, begun(TAKE_NOW)) == [(1, 53, Style.TAKE)]
    assert quoted(TAKE_NOW, begun(TAKE_NOW, intended(price=53, style=Style.TAKE))) == []


@pytest.mark.parametrize(
    ("strategy", "price", "style"),
    [(LIMIT_BID, 48, Style.REST), (LIMIT_MID, 50, Style.REST), (LIMIT_OFFER, 52, Style.TAKE)],
)
def test_a_plain_limit_order_stays_at_the_price_it_began_with(strategy: Strategy, price: int, style: Style) -> None:
    state = begun(strategy)
    assert quoted(strategy, state) == [(1, price, style)]
    assert quoted(strategy, state, view(queue=((40, 1),), offers=((52, 9),)))[0][1] == price
    assert (
        quoted(strategy, fold(intended(price=price), accepted(), Filled(match("a", 100), after(1)), state=state)) == []
    )


def test_whatever_is_left_is_wanted() -> None:
    for strategy in (LIMIT_BID, CHASE):
        state = begun(strategy, intended(price=48), accepted(), all_but_a_hundredth())
        assert quoted(strategy, state) == [(1, 48, Style.REST)]


@pytest.mark.parametrize("offer", [47, 48])
def test_in_a_crossed_book_the_mid_is_the_bid(offer: int) -> None:
    assert quoted(LIMIT_MID, begun(LIMIT_MID, seen=view(offers=((offer, 5),))), view()) == [(1, 48, Style.REST)]


def test_where_the_grid_has_no_price_below_the_mid_it_is_the_bid() -> None:
    below = parent(target=Price(50), cap=cents(2))
    (split,) = LIMIT_MID.plan(started(below, SIMPLE), view(queue=(), offers=((1, 5),)), SIMPLE)
    assert split.price == 50


def test_without_an_offer_the_mid_is_the_bid_and_the_offer_the_target() -> None:
    assert quoted(LIMIT_MID, begun(LIMIT_MID, seen=view(offers=()))) == [(1, 48, Style.REST)]
    assert quoted(LIMIT_OFFER, begun(LIMIT_OFFER, seen=view(offers=()))) == [(1, 50, Style.REST)]


def test_nothing_passes_the_cap() -> None:
    for strategy in (TAKE_NOW, LIMIT_BID, LIMIT_MID, LIMIT_OFFER, CHASE, STATIC_SPLIT):
        assert all(price <= 47 for _, price, _ in quoted(strategy, begun(strategy, cap=47)))


def test_chase_follows_the_best_bid_at_every_tick() -> None:
    state = begun(CHASE, intended(price=48), accepted())
    assert quoted(CHASE, state, view(after(1), queue=((50, 5),))) == [(1, 48, Style.REST)]
    assert quoted(CHASE, state, view(after(4), queue=((50, 5),))) == [(1, 50, Style.REST)]
    assert quoted(CHASE, begun(CHASE), view(after(1), queue=((50, 5),))) == [(1, 50, Style.REST)], "no order to move"
    assert quoted(CHASE, state, view(after(4), queue=((50, 5),), book_at=after(-2))) == [(1, 48, Style.REST)]
    assert quoted(CHASE, fold(Filled(match("a", 100), after(1)), state=state)) == []
    assert CHASE.moments(state, view(after(1)), SIMPLE) == (after(4),)


def test_a_static_split_rests_what_the_queue_should_bring_and_takes_the_rest() -> None:
    flowing = view(flow=FLOWING)  # 1200 contracts in the time left, a median of 831, of which 500 stand before us
    assert [part.count for part in begun(STATIC_SPLIT, seen=flowing).splits] == [contracts(100)]
    some = view(queue=((48, 500), (47, 1)), flow=replace(QUIET, suppliers=contracts(2_600)))
    state = begun(STATIC_SPLIT, seen=some)
    assert [part.count for part in state.splits] == [contracts(40), contracts(60)]
    assert quoted(STATIC_SPLIT, state, some) == [(1, 48, Style.REST), (2, 52, Style.TAKE)]
    assert quoted(STATIC_SPLIT, state, view(after(31))) == [(1, 52, Style.TAKE), (2, 52, Style.TAKE)]
    assert quoted(STATIC_SPLIT, state, view(offers=())) == [(1, 48, Style.REST), (2, 48, Style.REST)]
    assert STATIC_SPLIT.moments(state, some, SIMPLE) == (after(31),)


def test_a_static_split_without_flow_or_queue() -> None:
    assert [part.number for part in begun(STATIC_SPLIT).splits] == [2]
    nobody = begun(STATIC_SPLIT, seen=view(queue=(), flow=FLOWING))
    assert [part.count for part in nobody.splits] == [contracts(100)]


@pytest.mark.parametrize(
    ("suppliers", "queue", "counts"),
    [
        (Count(0), ((48, 500),), [333]),
        (Count(500), (), [103, 230]),  # a median of 103.97 in the time left
        (contracts(50), (), [333]),
    ],
)
def test_a_static_split_of_hundredths(suppliers: Count, queue: tuple[tuple[int, int], ...], counts: list[int]) -> None:
    odd = started(parent(count=Count(333)), SIMPLE)
    seen = view(queue=queue, flow=replace(QUIET, suppliers=suppliers))
    assert [part.count for part in STATIC_SPLIT.plan(odd, seen, SIMPLE)] == counts


def test_of_a_static_split_only_what_is_unfilled_is_quoted() -> None:
    seen = view(flow=replace(QUIET, suppliers=contracts(2_600)))
    resting = fold(intended(price=48, count=40), accepted(), state=begun(STATIC_SPLIT, seen=seen))
    filled = fold(Filled(match("a", 40), after(1)), state=resting)
    assert quoted(STATIC_SPLIT, filled, seen) == [(2, 52, Style.TAKE)]
    nearly = fold(all_but_a_hundredth(40), state=resting)
    assert quoted(STATIC_SPLIT, nearly, seen) == [(1, 48, Style.REST), (2, 52, Style.TAKE)]


def test_a_plain_order_has_no_moments() -> None:
    assert no_moments(begun(LIMIT_BID), view(), SIMPLE) == ()
