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
from depthwalker.core.units import DOLLAR, Count, Micros, Price
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


def test_what_is_meant_for_a_third_level_goes_to_the_first() -> None:
    ratios = replace(TUNED.config.walker, split_ratios=(500_000, 300_000, 200_000))
    three = replace(TUNED, config=replace(TUNED.config, walker=ratios))
    seen = replace(view(), queue_near=contracts(500), offers_near=contracts(500))
    assert [split.count // 100 for split in plan(started(), seen, three)] == [70, 30]


def test_to_the_letter_a_thin_market_gets_one_order_at_the_first_offer_up_to_the_cap() -> None:
    """Printed: at the target. The levels of the specification are the offers in reach here, and in reach is what the cap allows."""
    seen = replace(view(offers=((51, 20), (52, 20))), queue_near=contracts(40), offers_near=contracts(40))
    (only,) = plan(started(), seen, SPEC)
    assert (only.price, only.count) == (cents(51), contracts(100))


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
    assert desire(state, weighed(500, 500, spread=1), TUNED).quotes == ()


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
    [(PolicyName.TUNED, view(after(31))), (PolicyName.SPEC, view(after(4), flow=RISING))],
    ids=["taking", "to the letter"],
)
def test_the_parent_s_last_walk_is_the_first_split_s(name: PolicyName, seen: View) -> None:
    quotes = desire(planned((49, 60), (48, 40)), seen, policy(name, max_total_walks=1)).quotes
    assert [each.walk for each in quotes] == [True, False]


def test_it_changes_its_mind_at_the_next_tick_and_when_taking_begins() -> None:
    assert moments(live(), view(after(3)), TUNED) == (after(4), 1, after(31))
    assert moments(live(), view(after(4)), TUNED) == (after(8), 1, after(31)), "this tick is being decided"
    short = planned((49, 100), of=parent(seconds=13))
    assert moments(short, view(after(1)), TUNED)[-1] == after(6), "a third of nine seconds before their end"


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
    joined = quote(
        live(), view(after(4), queue=((50, 500),), offers=((51, 500),)), replace(TUNED, above_microprice=Price(0))
    )
    assert joined.price == cents(50)
    assert quote(live(), view(after(4), queue=((60, 5),), offers=((62, 5),))).price == cents(53)
    lowest = planned((1, 60), (1, 40))
    assert [each.price for each in desire(lowest, view(after(4), queue=(), offers=((2, 500),)), TUNED).quotes] == [
        100,
        100,
    ]
    assert quote(live(), view(after(4), queue=((99, 500),), offers=())).reason == "nowhere to rest"


@pytest.mark.parametrize("offers", [(), ((58, 500),)])
def test_where_nobody_else_bids_it_stays_where_it_is(offers: tuple[tuple[int, int], ...]) -> None:
    found = quote(live(), view(after(4), queue=(), offers=offers))
    assert (found.price, found.reason, found.walk) == (cents(49), "nobody else bids", False)


@pytest.mark.parametrize(
    ("spread", "bid", "takes"),
    [
        (1, 1, True),  # the offer is never more than the spread above the microprice
        (2, 500, True),  # two cents and as much on both sides: one cent above
        (2, 499, False),
        (3, 1_000, True),
        (3, 999, False),
        (4, 1_500, True),
        (4, 1_499, False),
        (5, 2_000, True),
        (5, 1_999, False),
    ],
)
def test_it_takes_the_best_offer_when_that_is_at_most_a_cent_above_the_microprice(
    spread: int, bid: int, takes: bool
) -> None:
    found = quote(live(48, 100), weighed(bid, 500, 1, spread=spread))
    assert (found.style is Style.TAKE) is takes
    assert (found.reason == "the offer is near the microprice") is takes
    assert found.price == (cents(48 + spread) if takes else cents(48))


@pytest.mark.parametrize("offer", [4801, 4900, 4999, 5100, 5200])
def test_on_a_finer_grid_it_goes_by_cents_and_not_by_ticks(offer: int) -> None:
    fine = PriceGrid((Band(Price(0), DOLLAR, Price(1)),))
    state = replace(live(48, 100), grid=fine)
    spread, offered = offer - 4800, 60_000
    least = max(1, -(-spread * offered // 100) - offered)  # the fewest bids for which the offer is a cent above
    for bids, style in ((least, Style.TAKE), (least - 1, Style.REST)):
        if bids:
            seen = replace(
                weighed(1, 500), ladders=Ladders(((cents(48), Count(bids)),), ((Price(offer), Count(offered)),))
            )
            found = quote(state, seen)
            assert (found.style, found.price == offer) == (style, style is Style.TAKE)


def flowing(suppliers: int, at: float = 1, *, spread: int = 1, ahead: int | None = None) -> View:
    """Return a view whose offer is near the microprice, after so many contracts in two minutes for those who bid."""
    flow = replace(CALM, suppliers=contracts(suppliers))
    return replace(
        weighed(500, 500, at, spread=spread), flow=flow, ahead=() if ahead is None else ((1, contracts(ahead)),)
    )


@pytest.mark.parametrize(
    ("suppliers", "ahead", "waits"),
    [
        (480, None, True),  # 120 in 30 s: a fifth of the 500 at our price and of our 100
        (479, None, False),
        (160, 100, True),  # by now 100 stand before us: 40 of 200
        (159, 100, False),
        (80, 0, True),  # the first of its queue: 20 of 100
        (79, 0, False),
        (0, 0, False),
    ],
)
def test_it_waits_while_the_flow_is_likely_to_serve_a_fifth_of_its_queue_and_of_itself(
    suppliers: int, ahead: int | None, waits: bool
) -> None:
    assert (quote(live(48, 100), flowing(suppliers, ahead=ahead)).style is Style.REST) is waits


def test_whoever_bids_more_is_served_first() -> None:
    """Below the best bid of 48 cents 500 are served before the queue at 47."""
    assert quote(live(48, 100), flowing(80, ahead=0)).style is Style.REST
    assert [quote(live(47, 100), flowing(flow, ahead=0)).style for flow in (479, 480)] == [Style.TAKE, Style.REST]


def test_the_less_time_the_more_flow_it_takes_and_it_looks_again_when_waiting_ends() -> None:
    state = fold(Viewed(view(after(4)), True, after(4)), state=live(48, 100))
    seen = flowing(96, 5, ahead=0)  # 20 of 100 in 25 s: until 6 s
    assert quote(state, seen).style is Style.REST
    _, waited, _ = moments(state, seen, TUNED)
    assert waited == after(6) + 1
    assert [quote(state, flowing(96, (at - NOW) / 1e6, ahead=0)).style for at in (after(6), waited)] == [
        Style.REST,
        Style.TAKE,
    ]


def test_the_less_is_left_the_less_flow_it_takes() -> None:
    half = live(48, 100, Filled(match("a", 50), NOW))
    assert [quote(half, flowing(flow, ahead=0)).style for flow in (39, 40)] == [Style.TAKE, Style.REST]
    assert quote(live(48, 100), flowing(40, ahead=0)).style is Style.TAKE


def test_the_last_hundredth_of_a_contract_is_worked_as_any_other() -> None:
    state = live(48, 100, Filled(replace(match("a", 100), count=Count(9_999)), NOW))
    assert quote(state, flowing(100, ahead=0)).style is Style.REST
    assert not quote(state, view(after(4), queue=((50, 5),)), policy(max_total_walks=1)).walk


def test_the_flow_delays_neither_what_is_scarce_nor_the_end() -> None:
    scarce = replace(flowing(10_000), reach=contracts(99))
    assert quote(live(48, 100), scarce).reason == "less is offered under the cap than was asked for"
    assert quote(live(48, 100), flowing(10_000, 31)).reason == "taking the rest before the end"


def test_of_several_splits_the_one_that_waits_longest_counts() -> None:
    state = planned((48, 60), (47, 40))
    seen = [replace(flowing(flow), ahead=((1, Count(0)), (2, Count(0)))) for flow in (480, 479)]
    assert [{each.style for each in desire(state, view, TUNED).quotes} for view in seen] == [{Style.REST}, {Style.TAKE}]


def test_a_split_that_is_filled_waits_for_nothing() -> None:
    both = fold(intended(count=60), accepted(), state=planned((47, 60), (48, 40)))
    state = fold(Filled(match("a", 60), NOW), state=both)
    seen = [replace(flowing(flow), ahead=((1, contracts(900)), (2, Count(0)))) for flow in (32, 31)]
    assert [quote(state, view).style for view in seen] == [Style.REST, Style.TAKE], "eight of forty in thirty seconds"


@pytest.mark.parametrize("slippage", [-5_000, 0, 10_000, 30_000])
def test_slippage_paid_lately_changes_nothing(slippage: int) -> None:
    for spread, offer, bids in ((2, 500, (500, 499)), (3, 500, (1_000, 999))):
        seen = [weighed(bid, offer, spread=spread, ema_slippage=slippage) for bid in bids]
        assert [quote(live(48, 100), each).style for each in seen] == [Style.TAKE, Style.REST]


@pytest.mark.parametrize(
    ("offers", "price"),
    [
        (((52, 99),), 52),
        (((52, 60), (53, 39), (54, 900)), 53),  # above the cap nothing is taken, and nothing counts
        (((52, 60), (53, 40)), None),
        (((52, 100),), None),
        (((54, 10),), None),
    ],
)
def test_what_is_offered_under_the_cap_is_taken_at_once_where_it_is_less_than_was_asked_for(
    offers: tuple[tuple[int, int], ...], price: int | None
) -> None:
    found = quote(live(48, 100), view(after(1), queue=((48, 1),), offers=offers))
    if price is None:
        assert found.style is Style.REST
    else:
        assert (found.price, found.style, found.walk) == (cents(price), Style.TAKE, True)
        assert found.reason == "less is offered under the cap than was asked for"


def test_after_a_partial_fill_what_was_asked_for_is_still_the_measure_and_no_more_than_is_left_is_taken() -> None:
    state = live(48, 100, Filled(match("a", 50), NOW))
    scarce, ample = (view(after(1), queue=((48, 1),), offers=((52, 60), (53, count))) for count in (39, 40))
    assert (quote(state, scarce).price, quote(state, ample).style) == (cents(52), Style.REST)


def test_with_its_calls_or_walks_nearly_used_up_scarce_offers_wait_for_the_end() -> None:
    scarce = view(after(1), offers=((52, 60),))
    state = live(49, 100, *walks(1))
    assert quote(state, scarce, replace(TUNED, sparing_from=3)).style is Style.TAKE
    assert quote(state, scarce, replace(TUNED, sparing_from=2)).style is Style.REST
    held = quote(live(49, 100, *walks(9)), scarce)
    assert (held.price, held.reason) == (cents(49), "max_walks of the split reached")
    assert quote(live(49, 100, *walks(9)), view(after(31), offers=((52, 60),))).price == cents(52)


def test_an_offer_above_the_cap_is_not_taken_and_without_a_bid_there_is_no_microprice() -> None:
    assert quote(live(), view(after(4), queue=((53, 500),), offers=((54, 100),))).style is Style.REST
    assert quote(live(), view(after(4), queue=(), offers=((52, 100),))).style is Style.REST


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


@pytest.mark.parametrize(("at", "style"), [(after(31), Style.TAKE), (Micros(after(31) - 1), Style.REST)])
def test_the_end_begins_five_seconds_before_winding_down(at: Micros, style: Style) -> None:
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
