"""The walker: where it starts, when it walks, when it takes, and why it holds."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    FIRST,
    NOW,
    accepted,
    after,
    cents,
    contracts,
    fold,
    intended,
    live,
    match,
    parent,
    planned,
    policy,
    started,
    view,
)

from depthwalker.core.algorithms.dynamic_depth_walker import desire, moments, plan
from depthwalker.core.book import Ladders
from depthwalker.core.config import PolicyName
from depthwalker.core.execution import State
from depthwalker.core.fact import Amended, AmendIntended, Fact, Filled, Held, Viewed
from depthwalker.core.flow import Flow
from depthwalker.core.grid import Band, PriceGrid
from depthwalker.core.ledger import Style
from depthwalker.core.policy import Policy
from depthwalker.core.quote import Quote
from depthwalker.core.units import DOLLAR, MILLION, Count, Micros, Price
from depthwalker.core.view import View

TUNED, SPEC = policy(), policy(PolicyName.SPEC)
CALM = Flow(Count(0), Count(0), contracts(10), contracts(10), contracts(10), contracts(10), (Count(100), Count(100)))
REACHING = replace(CALM, volumes=(Count(100), Count(110)))
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
        (50, 50, [49, 48]),  # a book that meets: below the offer
        (99, None, [50]),  # no price inside: the target alone
        (99, 99, [50]),
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


def test_to_the_letter_it_splits_over_the_offers_up_to_the_cap() -> None:
    seen = replace(view(offers=((51, 500), (52, 500))), queue_near=contracts(500), offers_near=contracts(500))
    assert [split.price for split in plan(started(), seen, SPEC)] == [cents(51), cents(52)]


def test_to_the_letter_without_reach_it_starts_at_the_target() -> None:
    (only,) = plan(started(), view(offers=((60, 500),)), SPEC)
    assert (only.price, only.count) == (cents(50), contracts(100))


# Between ticks


def test_between_ticks_it_stays_and_repeats_why() -> None:
    stayed = quote(live(), view(after(1)))
    assert (stayed.price, stayed.reason, stayed.walk) == (cents(49), "placed", False)
    told = fold(Held(((1, "at its level"),), after(1)), state=live())
    assert quote(told, view(after(2), queue=((50, 5),))).reason == "at its level"
    assert quote(live(), view(after(1), flow=SURGING), SPEC).reason == "placed"


def test_a_filled_split_wants_nothing() -> None:
    state = fold(Filled(match("a", 100), NOW), state=live())
    assert desire(state, view(after(4)), TUNED).quotes == ()


def test_a_bad_book_holds_everything_and_says_why() -> None:
    stale = desire(live(), view(after(9), book_at=NOW), TUNED)
    assert stale.held == ((1, "stale book"),)
    assert not stale.quotes[0].walk


# Tuned


def weighed(bid: int, offer: int, at: float = 4, *, spread: int = 4, ema_slippage: int = 10_000) -> View:
    """Return a view with so many contracts at the best bid of 48 cents and at the best offer."""
    return view(after(at), queue=((48, bid),), offers=((48 + spread, offer), (54, 500)), ema_slippage=ema_slippage)


def test_at_a_tick_it_follows_its_level_up_and_that_is_a_walk() -> None:
    walked = quote(live(), view(after(4), queue=((49, 500),)))
    assert (walked.price, walked.style, walked.reason, walked.walk) == (
        cents(50),
        Style.REST,
        "the market moved away",
        True,
    )
    assert quote(live(), view(after(3), queue=((49, 500),))).price == cents(49)


@pytest.mark.parametrize(
    ("name", "seen"),
    [(PolicyName.TUNED, view(after(28))), (PolicyName.SPEC, view(after(4), flow=RISING))],
    ids=["taking", "to the letter"],
)
def test_the_parent_s_last_walk_is_the_first_split_s(name: PolicyName, seen: View) -> None:
    quotes = desire(planned((49, 60), (48, 40)), seen, policy(name, max_total_walks=1)).quotes
    assert [each.walk for each in quotes] == [True, False]


def test_it_changes_its_mind_at_the_next_tick_and_when_taking_begins() -> None:
    assert moments(live(), view(after(3)), TUNED) == (after(4), after(26))
    assert moments(live(), view(after(4)), TUNED) == (after(8), after(26)), "this tick is being decided"
    short = planned((49, 100), of=parent(seconds=28))
    assert moments(short, view(after(1)), TUNED)[1] == after(16), "a third of twenty-four seconds before their end"


def test_it_follows_a_market_that_comes_to_us() -> None:
    moved = quote(live(), view(after(4), queue=((46, 500),)))
    assert (moved.price, moved.reason, moved.walk) == (cents(47), "the market came to us", False)


def test_a_second_split_of_an_older_journal_rests_behind_the_first() -> None:
    state = planned((49, 60), (48, 40))
    assert [each.price for each in desire(state, view(after(4)), TUNED).quotes] == [cents(49), cents(48)]
    moved = desire(state, view(after(4), queue=((49, 500),)), TUNED).quotes
    assert [each.price for each in moved] == [cents(50), cents(49)]


def test_at_its_level_it_stays_and_says_so() -> None:
    assert desire(live(), view(after(4)), TUNED).held == ((1, "at its level"),)


def test_without_room_it_joins_and_above_the_cap_it_stays_at_the_cap() -> None:
    assert quote(live(), view(after(4), queue=((50, 1),), offers=((51, 6),))).price == cents(50)
    assert quote(live(), view(after(4), queue=((60, 5),), offers=((62, 5),))).price == cents(53)
    lowest = planned((1, 60), (1, 40))
    assert [each.price for each in desire(lowest, view(after(4), queue=(), offers=((2, 5),)), TUNED).quotes] == [
        100,
        100,
    ]
    nowhere = live(1, 100)
    assert quote(nowhere, view(after(4), queue=(), offers=((1, 5),))).reason == "nowhere to rest"


@pytest.mark.parametrize(
    ("spread", "bid", "takes"),
    [
        (1, 90, True),  # no room: -0.70
        (1, 88, False),
        (2, 453, True),  # one cent of room: -0.05
        (2, 452, False),
        (3, 2_000, True),  # two cents: 0.60
        (3, 1_997, False),
        (4, 9600, True),  # 0.90, and no more in a wider spread
        (4, 9400, False),
        (5, 9600, True),
    ],
)
def test_it_takes_the_best_offer_when_the_bids_outweigh_it_by_enough(spread: int, bid: int, takes: bool) -> None:
    found = quote(live(48, 100), weighed(bid, 500, 1, spread=spread))
    assert (found.style is Style.TAKE) is takes
    told = "the bids outweigh the offer" if bid > 500 else "little room inside the spread"
    assert (found.reason == told) is takes
    assert found.price == (cents(48 + spread) if takes else cents(48))


@pytest.mark.parametrize(
    ("offer", "least"),
    [
        (4801, -700_000),  # no room: the offer is a tick above the bid
        (4810, -641_500),  # 0.09 cents of room
        (4900, -56_500),  # 0.99
        (5000, 593_500),
    ],
)
def test_on_a_finer_grid_patience_goes_by_the_cents_of_room_and_not_by_the_ticks(offer: int, least: int) -> None:
    fine = PriceGrid((Band(Price(0), DOLLAR, Price(1)),))
    sizes = [(Count(MILLION + weight), Count(MILLION - weight)) for weight in (least, least - 1)]
    state = replace(live(48, 100), grid=fine)
    found = [
        quote(state, replace(weighed(1, 1), ladders=Ladders(((cents(48), bids),), ((Price(offer), offered),))))
        for bids, offered in sizes
    ]
    assert [each.style for each in found] == [Style.TAKE, Style.REST]
    assert found[0].price == offer


@pytest.mark.parametrize("slippage", [-5_000, 0, 10_000, 30_000])
def test_slippage_paid_lately_changes_nothing(slippage: int) -> None:
    """475 against 525 are -0.05, which one cent of room asks for; 2,000 against 500 are 0.60, which two ask for."""
    for spread, offer, bids in ((2, 525, (475, 474)), (3, 500, (2_000, 1_997))):
        seen = [weighed(bid, offer, spread=spread, ema_slippage=slippage) for bid in bids]
        assert [quote(live(48, 100), each).style for each in seen] == [Style.TAKE, Style.REST]


def test_bids_as_large_as_the_offer_do_not_outweigh_it_and_the_least_more_does() -> None:
    assert quote(live(48, 100), weighed(500, 500, 1, spread=2)).reason == "little room inside the spread"
    assert quote(live(48, 100), weighed(1_000_001, 999_999, 1, spread=2)).reason == "the bids outweigh the offer"


def test_an_offer_above_the_cap_is_not_taken_and_nobody_s_bid_outweighs_nothing() -> None:
    assert quote(live(), view(after(4), queue=((48, 5),), offers=((54, 1),))).style is Style.REST
    assert quote(live(), view(after(4), queue=(), offers=((52, 1),))).style is Style.REST


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (live(53, 100), "at the cap"),
        (live(49, 100, *walks(9)), "max_walks of the split reached"),
    ],
)
def test_what_forbids_a_walk(state: State, reason: str) -> None:
    found = desire(state, view(after(4), queue=((60, 5),), offers=()), TUNED).held
    assert found == ((1, "at its level" if reason == "at the cap" else reason),)


def test_one_walk_of_the_split_is_kept_for_the_end() -> None:
    away = view(after(4), queue=((50, 5),))
    assert [quote(live(49, 100, *walks(number)), away).walk for number in (8, 9)] == [True, False]


def test_one_walk_of_the_parent_is_kept_for_each_split_that_is_unfilled() -> None:
    two = fold(intended(count=60), accepted(), state=planned((49, 60), (48, 40)))
    filled = fold(Filled(match("a", 60), NOW), state=two)
    away = view(after(4), queue=((50, 5),))
    walked = [[each.walk for each in desire(state, away, policy(max_total_walks=2)).quotes] for state in (two, filled)]
    assert walked == [[False, False], [True]]


def test_when_its_calls_are_nearly_used_up_its_price_stays_until_the_rest_is_taken() -> None:
    state = live(49, 100, *walks(1))
    assert state.calls == 2
    sparing, eager = replace(TUNED, sparing_from=2), replace(TUNED, sparing_from=3)
    away = view(after(4), queue=((50, 5),))
    assert (quote(state, away, eager).price, quote(state, away, sparing).price) == (cents(51), cents(49))
    assert desire(state, away, sparing).held == ((1, "its calls are nearly used up"),)
    outweighed = weighed(1000, 500, 1, spread=2)
    assert (quote(state, outweighed, eager).style, quote(state, outweighed, sparing).style) == (Style.TAKE, Style.REST)
    last = view(after(34), offers=((52, 500),))
    assert quote(state, last, sparing).reason == "taking the rest before the end"


def test_splits_share_the_walks_of_the_parent() -> None:
    state = planned((49, 60), (48, 40))
    few = policy(max_total_walks=3)
    desired = desire(state, view(after(4), queue=((49, 500),)), few)
    assert [each.walk for each in desired.quotes] == [True, False]
    assert desired.held == ((2, "max_total_walks of the parent reached"),)


# Taking before the end


def test_before_the_end_it_takes_what_is_left_at_the_price_for_it() -> None:
    taken = quote(live(), view(after(34), offers=((51, 60), (52, 60), (53, 900))))
    assert (taken.price, taken.style, taken.reason) == (cents(52), Style.TAKE, "taking the rest before the end")
    assert taken.walk, "taking counts as a walk"
    short = quote(live(), view(after(34), offers=((51, 60), (54, 900))))
    assert short.price == cents(51)


def test_what_is_filled_is_not_taken_again() -> None:
    half = live(49, 100, Filled(match("a", 50), NOW))
    assert quote(half, view(after(34), offers=((51, 60), (52, 60)))).price == cents(51)


@pytest.mark.parametrize(("at", "style"), [(after(26), Style.TAKE), (Micros(after(26) - 1), Style.REST)])
def test_the_end_begins_ten_seconds_before_winding_down(at: Micros, style: Style) -> None:
    assert quote(live(), view(at)).style is style


def test_with_nothing_offered_under_the_cap_it_goes_on_resting() -> None:
    assert quote(live(), view(after(34), offers=((54, 900),))).style is Style.REST
    assert quote(live(), view(after(34), offers=())).style is Style.REST


def test_at_the_taking_price_already_it_stays() -> None:
    stayed = quote(live(52, 100), view(after(34), offers=((52, 900),)))
    assert (stayed.price, stayed.style, stayed.walk) == (cents(52), Style.TAKE, False)


def test_taking_is_a_walk_and_max_walks_holds_to_the_deadline() -> None:
    held = quote(live(49, 100, *walks(10)), view(after(34)))
    assert (held.price, held.walk, held.reason) == (cents(49), False, "max_walks of the split reached")


# To the letter


@pytest.mark.parametrize(("flow", "price"), [(REACHING, 50), (RISING, 50), (SURGING, 50)])
def test_it_walks_when_momentum_reaches_the_threshold(flow: Flow, price: int) -> None:
    walked = quote(live(), view(after(4), flow=flow), SPEC)
    assert (walked.price, walked.walk, walked.reason) == (cents(price), True, "momentum")
    assert walked.style is Style.REST


def test_it_walks_on_falling_volume_too_and_rests_below_the_threshold() -> None:
    falling = replace(CALM, volumes=(Count(100), Count(50)))
    assert quote(live(), view(after(4), flow=falling), SPEC).walk
    held = desire(live(), view(after(4), flow=CALM), SPEC).held
    assert held == ((1, "momentum below the threshold"),)


def test_it_walks_into_the_offer() -> None:
    walked = quote(live(51, 100), view(after(4), flow=RISING, offers=((52, 500),)), SPEC)
    assert (walked.price, walked.style, walked.walk) == (cents(52), Style.TAKE, True)
    nothing = quote(live(51, 100), view(after(4), flow=RISING, offers=()), SPEC)
    assert (nothing.price, nothing.style, nothing.walk) == (cents(52), Style.REST, True)


def test_a_tick_is_counted_from_the_last_one() -> None:
    state = fold(Viewed(view(after(4)), True, after(4)), state=live())
    assert not quote(state, view(after(7), queue=((50, 5),))).walk
    assert quote(state, view(after(8), queue=((50, 5),))).walk
