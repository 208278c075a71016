"""The walker: where it starts, when it walks, when it takes, and why it holds."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    FIRST,
    NOW,
    after,
    cents,
    contracts,
    fold,
    live,
    match,
    parent,
    planned,
    policy,
    started,
    view,
)

from depthwalker.core.algorithms.dynamic_depth_walker import desire, plan
from depthwalker.core.config import PolicyName
from depthwalker.core.execution import State
from depthwalker.core.fact import Amended, AmendIntended, Fact, Filled, Held, Viewed
from depthwalker.core.flow import Flow
from depthwalker.core.ledger import Style
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Quote
from depthwalker.core.units import Count, Price
from depthwalker.core.view import View

TUNED, SPEC = policy(), policy(PolicyName.SPEC)
CALM = Flow(Count(0), Count(0), contracts(10), contracts(10), contracts(10), contracts(10), (Count(100), Count(100)))
AGAINST = replace(CALM, rivals=contracts(50))
RISING = replace(CALM, volumes=(Count(100), Count(115)))
SURGING = replace(CALM, volumes=(Count(100), Count(130)))


def quote(state: State, seen: View, by: Policy = TUNED) -> Quote:
    return desire(state, seen, by).quotes[0]


def walks(number: int, first: int = 1) -> tuple[Fact, ...]:
    return tuple(
        fact
        for n in range(first, first + number)
        for fact in (
            AmendIntended(FIRST, n, cents(49), contracts(100), Style.REST, Count(0), True, 0, "test", NOW),
            Amended(FIRST, n, None, NOW),
        )
    )


@pytest.mark.parametrize(
    ("bid", "offer", "found"),
    [
        (48, 52, [49, 48]),  # inside the spread, and the best bid
        (48, 49, [48, 47]),  # no room inside: join, and one behind
        (None, 52, [50, 49]),  # nobody bids: the target
        (None, 50, [49, 48]),  # nobody bids and the target is offered: one below
        (48, None, [49, 48]),
        (None, None, [50, 49]),
        (60, 62, [50, 49]),  # the market is above the target: the target
        (99, None, [50]),  # no price inside: the target alone
    ],
)
def test_where_it_rests_first(bid: int | None, offer: int | None, found: list[int]) -> None:
    queue = () if bid is None else ((bid, 500),)
    offers = () if offer is None else ((offer, 500),)
    state = started()
    seen = replace(view(queue=queue, offers=offers), queue_near=contracts(500), offers_near=contracts(500))
    assert [split.price // 100 for split in plan(state, seen, TUNED)] == found


def test_at_the_lowest_price_there_is_nothing_behind() -> None:
    state = started(parent(target=cents(1), cap=cents(2)))
    seen = replace(view(queue=(), offers=()), queue_near=contracts(500), offers_near=contracts(500))
    assert [split.price // 100 for split in plan(state, seen, TUNED)] == [1]


def test_to_the_letter_without_reach_it_starts_at_the_target() -> None:
    (only,) = plan(started(), view(offers=((60, 500),)), SPEC)
    assert (only.price, only.count) == (cents(50), contracts(100))


# Between ticks


def test_between_ticks_it_stays_and_repeats_why() -> None:
    stayed = quote(live(), view(after(1)))
    assert (stayed.price, stayed.reason, stayed.walk) == (cents(49), "placed", False)
    told = fold(Held(((1, "on schedule"),), after(1)), state=live())
    assert quote(told, view(after(2), flow=AGAINST)).reason == "on schedule"
    assert quote(live(), view(after(1), flow=SURGING), SPEC).reason == "placed"


def test_a_filled_split_wants_nothing() -> None:
    state = fold(Filled(match("a", 100), NOW), state=live())
    assert desire(state, view(after(4)), TUNED).quotes == ()


def test_a_bad_book_holds_everything_and_says_why() -> None:
    stale = desire(live(), view(after(9), book_at=NOW), TUNED)
    assert stale.held == ((1, "stale book"),)
    assert not stale.quotes[0].walk


# Tuned


def test_pressure_against_us_walks_one_tick() -> None:
    walked = quote(live(), view(after(4), flow=AGAINST))
    assert (walked.price, walked.style, walked.reason, walked.walk) == (
        cents(50),
        Style.REST,
        "pressure against us",
        True,
    )
    assert walked.momentum == 500_000


def test_behind_schedule_it_walks_with_or_without_history() -> None:
    assert quote(live(), view(after(4), flow=CALM)).reason == "behind schedule"
    assert quote(live(), view(after(4))).reason == "behind schedule, no history"


def test_on_schedule_it_stays() -> None:
    filled = fold(Filled(match("a", 40), NOW), state=live())
    assert quote(filled, view(after(4), flow=CALM)).reason == "on schedule"


def test_it_stays_where_the_queue_is_about_to_reach_it() -> None:
    supplied = replace(AGAINST, suppliers=contracts(1_000))
    near = view(after(4), flow=supplied, ahead=((1, contracts(1)),))
    assert quote(live(), near).reason == "the queue is about to reach us"
    far = view(after(4), flow=supplied, ahead=((1, contracts(9_999)),))
    assert quote(live(), far).reason != "the queue is about to reach us"
    assert quote(planned((49, 100)), near).reason != "the queue is about to reach us"
    assert (
        quote(live(), view(after(4), flow=supplied, ahead=((2, Count(0)),))).reason != "the queue is about to reach us"
    )


def test_it_walks_up_to_the_offer_and_no_further() -> None:
    state = live(50, 100)
    wide = replace(TUNED, config=replace(TUNED.config, walker=replace(TUNED.config.walker, base_increment=Price(300))))
    touched = quote(state, view(after(4), offers=((52, 500),)), wide)
    assert (touched.price, touched.style, touched.walk) == (cents(51), Style.REST, True)
    held = quote(live(51, 100), view(after(4), offers=((52, 500),)))
    assert (held.walk, held.reason) == (False, "next to the offer: taking waits for the end")


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (live(53, 100), "at the cap"),
        (live(49, 100, *walks(10)), "max_walks of the split reached"),
    ],
)
def test_what_forbids_a_walk(state: State, reason: str) -> None:
    held = desire(state, view(after(4), offers=()), TUNED).held
    assert held == ((1, reason),)


def test_splits_share_the_walks_of_the_parent() -> None:
    state = planned((49, 60), (48, 40))
    few = policy(max_total_walks=3)  # two are kept back, one for each split to take with at the end
    desired = desire(state, view(after(4)), few)
    assert [each.walk for each in desired.quotes] == [True, False]
    assert desired.held == ((2, "max_total_walks of the parent reached"),)


# Taking


def test_before_the_end_it_takes_what_is_left_at_the_price_for_it() -> None:
    taken = quote(live(), view(after(32), offers=((51, 60), (52, 60), (53, 900))))
    assert (taken.price, taken.style, taken.reason) == (cents(52), Style.TAKE, "taking the rest before the end")
    short = quote(live(), view(after(32), offers=((51, 60), (54, 900))))
    assert short.price == cents(51)


def test_with_nothing_offered_under_the_cap_it_goes_on_resting() -> None:
    assert quote(live(), view(after(32), offers=((54, 900),))).style is Style.REST
    assert quote(live(), view(after(32), offers=())).style is Style.REST


def test_at_the_taking_price_already_it_stays() -> None:
    stayed = quote(live(52, 100), view(after(32), offers=((52, 900),)))
    assert (stayed.price, stayed.style, stayed.walk) == (cents(52), Style.TAKE, False)


def test_taking_is_a_walk_and_max_walks_holds_to_the_deadline() -> None:
    held = quote(live(49, 100, *walks(10)), view(after(32)))
    assert (held.price, held.walk, held.reason) == (cents(49), False, "max_walks of the split reached")


def test_it_takes_at_once_where_that_costs_less_than_waiting() -> None:
    cheap = view(after(1), offers=((50, 500),), ema_slippage=40_000)
    taken = quote(live(), cheap)
    assert (taken.price, taken.style, taken.reason) == (
        cents(50),
        Style.TAKE,
        "taking costs less than waiting is expected to",
    )
    assert quote(live(), view(after(1), offers=((50, 500),), ema_slippage=10_000)).style is Style.REST


# To the letter


@pytest.mark.parametrize(("flow", "price"), [(RISING, 50), (SURGING, 50)])
def test_it_walks_when_momentum_reaches_the_threshold(flow: Flow, price: int) -> None:
    walked = quote(live(), view(after(4), flow=flow), SPEC)
    assert (walked.price, walked.walk, walked.reason) == (cents(price), True, "momentum")


def test_it_walks_on_falling_volume_too_and_rests_below_the_threshold() -> None:
    falling = replace(CALM, volumes=(Count(100), Count(50)))
    assert quote(live(), view(after(4), flow=falling), SPEC).walk
    held = desire(live(), view(after(4), flow=CALM), SPEC).held
    assert held == ((1, "momentum below the threshold"),)


def test_it_walks_into_the_offer() -> None:
    walked = quote(live(51, 100), view(after(4), flow=RISING, offers=((52, 500),)), SPEC)
    assert (walked.price, walked.style, walked.walk) == (cents(52), Style.TAKE, True)


def test_a_tick_is_counted_from_the_last_one() -> None:
    state = fold(Viewed(view(after(4)), True, after(4)), state=live())
    assert not quote(state, view(after(7), flow=AGAINST)).walk
    assert quote(state, view(after(8), flow=AGAINST)).walk
