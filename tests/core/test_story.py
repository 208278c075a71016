"""A story tells what the journal holds: where orders stood, what filled, what was decided and why, what it cost."""

from dataclasses import replace

import pytest
from tests.core.test_projection import (
    BUY,
    FIRST,
    PLANNED,
    SECOND_SPLIT,
    SELL,
    WALKED,
    at,
    closed,
    filled,
    of,
    placed,
    started,
    viewed,
)

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Ladders
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Fact,
    Finished,
    Held,
    LookedUp,
    OutcomeUnknown,
    PlaceIntended,
    Refused,
    Requested,
    Resumed,
    Status,
    StopRequested,
    Viewed,
    WindingDown,
)
from depthwalker.core.ledger import Kind, OrderKey, Style
from depthwalker.core.parent import Ticket
from depthwalker.core.story import Decision, Deed, Mark, Parts, Stand, Story, paced, tell
from depthwalker.core.units import Count, Micros, Money, Price, round_div


def story(ticket: Ticket, *facts: Fact) -> Story:
    return tell((started(ticket), *facts))


def book(second: int, bid: int, offer: int) -> Viewed:
    """A view of one level a side, in hundredths of a cent, so many seconds after the start."""
    seen = viewed()
    ladders = Ladders(((Price(bid), Count(20_000)),), ((Price(offer), Count(6_000)),))
    view = replace(seen.view, now=at(second), ladders=ladders, ahead=((1, Count(500)),))
    return Viewed(view, True, at(second))


def one_sided(second: int) -> Viewed:
    seen = viewed()
    return Viewed(replace(seen.view, now=at(second), ladders=Ladders((), ())), False, at(second))


# What stood where


def test_an_order_stands_at_each_price_until_it_leaves_it() -> None:
    first, second, third = sorted(story(BUY, *WALKED).stands, key=lambda stand: (stand.key.split, stand.start))

    assert first == Stand(FIRST, Price(7000), Count(6000), Style.REST, Count(0), "join", at(2), at(9))
    assert second == Stand(FIRST, Price(7100), Count(6000), Style.REST, Count(0), "pressure", at(9), at(11))
    assert (third.key, third.price, third.start, third.end) == (SECOND_SPLIT, 6900, at(2), at(37))


def test_an_order_that_takes_where_it_rested_takes_from_then_on() -> None:
    walk = WALKED[7]
    assert isinstance(walk, AmendIntended)
    cross = replace(walk, style=Style.TAKE)

    styles = [stand.style for stand in story(BUY, *WALKED[:7], cross, *WALKED[8:]).stands if stand.key == FIRST]

    assert styles == [Style.REST, Style.TAKE]


def test_a_sell_stands_at_prices_of_its_own_outcome() -> None:
    told = story(SELL, *WALKED)

    assert sorted(stand.price for stand in told.stands) == [2900, 3000, 3100]
    assert [mark.price for mark in told.marks] == [3100, 2900]
    assert (told.moments[0].beside, told.moments[0].facing) == (((3100, 20_000),), ((2800, 6_000),))
    assert told.moments[0].twice_mid == 3100 + 2800
    assert told.moments[0].cap == 2900


def test_what_still_stands_has_no_end_and_what_was_refused_had_one() -> None:
    told = story(BUY, placed(FIRST), placed(SECOND_SPLIT), Refused(FIRST, Kind.PLACE, "no_funds", "", at(3)))

    refused, standing = told.stands
    assert (refused.key, refused.end) == (FIRST, at(3))
    assert (standing.key, standing.end) == (SECOND_SPLIT, None)


def test_an_order_found_at_a_price_that_nobody_asked_for_stands_there_without_a_reason() -> None:
    found = closed(FIRST, "a", OrderStatus.RESTING, 6800, 0, 5)
    stands = story(BUY, placed(FIRST), Accepted(FIRST, "a", None, at(3)), replace(found, remaining=Count(6000))).stands

    seen = [(stand.price, stand.reason, stand.ahead, stand.start) for stand in stands]
    assert seen == [(7000, "join", 0, at(2)), (6800, "", 0, at(5))]


# What filled


def test_every_fill_is_marked_once_in_order_of_time_with_the_mid_of_its_moment() -> None:
    accepted = Accepted(FIRST, "a", None, at(3))
    late, early = filled("a", "2", 7100, 100, 20, fee=9), filled("a", "1", 7000, 300, 10, fee=5)
    facts = (book(1, 6900, 7200), placed(FIRST), accepted, book(15, 7000, 7200), late, early, early)

    marks = story(BUY, *facts, filled("nobody's", "9", 7000, 100, 12)).marks

    assert marks == (
        Mark(FIRST, Price(7000), Count(300), Money(5), False, at(10), Price(14_100)),
        Mark(FIRST, Price(7100), Count(100), Money(9), False, at(20), Price(14_200)),
    )


def test_of_two_views_at_one_instant_the_one_journalled_later_is_the_latest() -> None:
    facts = (placed(FIRST), Accepted(FIRST, "a", None, at(3)), book(4, 6900, 7300), book(4, 6800, 7000))

    assert story(BUY, *facts, filled("a", "t1", 7000, 1000, 5)).marks[0].twice_mid == 13_800


def test_a_fill_before_the_first_mid_takes_that_one_and_without_any_has_none() -> None:
    facts = (placed(FIRST), Accepted(FIRST, "a", None, at(3)), filled("a", "1", 7000, 100, 4))

    assert story(BUY, one_sided(1), *facts, book(5, 6900, 7300)).marks[0].twice_mid == 14_200
    for ticket in (BUY, SELL):
        assert story(ticket, one_sided(1), *facts).marks[0].twice_mid is None


# What was decided


def test_each_decision_has_its_reason() -> None:
    walk, take = WALKED[7], replace(placed(OrderKey(2, 1), 7100, 4000), style=Style.TAKE, reason="the rest")
    assert isinstance(walk, AmendIntended)
    down = replace(walk, revision=2, price=Price(7000), walk=False, momentum=-5, reason="it came to us", at=at(10))
    cross = replace(walk, revision=3, style=Style.TAKE, reason="worth it", at=at(12))
    told = story(
        BUY, *WALKED[:5], walk, Amended(FIRST, 1, None, at(9)), down, Amended(FIRST, 2, None, at(11)), cross, take
    )

    assert told.decisions[:3] == (
        Decision(at(0), Deed.PLAN, 0, "admitted"),
        Decision(at(1), Deed.PLAN, 1, "dynamic_depth_walker: enough depth", price=Price(7000), count=Count(6000)),
        Decision(at(1), Deed.PLAN, 2, "dynamic_depth_walker: enough depth", price=Price(6900), count=Count(4000)),
    )
    assert told.decisions[3] == Decision(at(2), Deed.PLACE, 1, "join", price=Price(7000), count=Count(6000))
    assert told.decisions[5:] == (
        Decision(at(8), Deed.WALK, 1, "pressure", Price(7000), Price(7100), Count(6000), 150_000),
        Decision(at(10), Deed.MOVE, 1, "it came to us", Price(7100), Price(7000), Count(6000), -5),
        Decision(at(12), Deed.TAKE, 1, "worth it", Price(7000), Price(7100), Count(6000), 150_000),
        Decision(at(2), Deed.TAKE, 2, "the rest", price=Price(7100), count=Count(4000)),
    )


def test_an_amend_of_an_order_that_the_journal_does_not_know_has_no_price_before() -> None:
    assert story(BUY, WALKED[7]).decisions[-1].before is None


def test_a_hold_is_told_when_its_reason_changes_or_something_else_came_between() -> None:
    quiet, capped = ((1, "quiet"), (2, "quiet")), ((1, "at the cap"), (2, "quiet"))
    told = story(
        BUY,
        PLANNED,
        Held(quiet, at(4)),
        Held(quiet, at(8)),
        Held(capped, at(12)),
        placed(FIRST),
        Held(capped, at(16)),
        Held(((3, "there is no such split"),), at(17)),
        Held(((1, ""),), at(18)),
    )

    first, second = Price(7000), Price(6900)
    assert [one for one in told.decisions if one.deed is Deed.HOLD] == [
        Decision(at(4), Deed.HOLD, 1, "quiet", price=first),
        Decision(at(4), Deed.HOLD, 2, "quiet", price=second),
        Decision(at(12), Deed.HOLD, 1, "at the cap", price=first),
        Decision(at(16), Deed.HOLD, 1, "at the cap", price=first),
        Decision(at(17), Deed.HOLD, 3, "there is no such split"),
    ]


def test_what_else_was_done_is_told_in_words() -> None:
    told = story(
        BUY,
        placed(FIRST),
        OutcomeUnknown(FIRST, Kind.PLACE, "no answer", at(3)),
        Requested(FIRST, Kind.CLAIM, at(4)),
        Requested(FIRST, Kind.BURN, at(5)),
        Requested(FIRST, Kind.CANCEL, at(6)),
        Refused(FIRST, Kind.CANCEL, "not_found", "no such order", at(7)),
        Resumed("another", at(8)),
        LookedUp("", at(9)),
        StopRequested("by hand", at(10)),
        Requested(FIRST, Kind.CANCEL, at(11)),
        WindingDown("time-out", at(12)),
        Requested(FIRST, Kind.CANCEL, at(13)),
        Finished(Status.CANCELLED, "nothing", at(14)),
    )

    def of_split(second: int, deed: Deed, reason: str) -> Decision:
        return Decision(at(second), deed, 1, reason)

    def of_all(second: int, deed: Deed, reason: str) -> Decision:
        return Decision(at(second), deed, 0, reason)

    assert told.decisions[2:] == (
        of_split(4, Deed.CLAIM, "its outcome is unknown and it is still wanted: its id is sent again"),
        of_split(5, Deed.BURN, "its outcome is unknown and it is not wanted any more: its id is spent"),
        of_split(6, Deed.CANCEL, "not wanted any more"),
        of_split(7, Deed.REFUSED, "not_found no such order"),
        of_all(8, Deed.TAKEN_UP, "by another"),
        of_all(10, Deed.STOP, "by hand"),
        of_split(11, Deed.CANCEL, "by hand"),
        of_all(12, Deed.WIND_DOWN, "time-out"),
        of_split(13, Deed.CANCEL, "time-out"),
        of_all(14, Deed.END, "cancelled: nothing"),
    )


def test_what_admission_noted_is_told() -> None:
    begun = started(BUY)
    ticket = replace(begun.parent.ticket, target=Price(7_050))
    noted = replace(begun, parent=replace(begun.parent, ticket=ticket, notes=("target_snapped", "no_room_to_walk")))

    assert tell((noted,)).decisions[0].reason == (
        "target 0.7050 snapped to 0.7000, no room to walk: the next price is past the cap"
    )


# What it cost


@pytest.mark.parametrize("ticket", [BUY, SELL])
def test_the_parts_of_the_cost_sum_to_the_shortfall(ticket: Ticket) -> None:
    told = story(ticket, *WALKED)
    # The mid stays at 0.705. 10 contracts at 0.69 earned 1.5 cents each, 60 at 0.71 paid half a cent: 15 cents together.
    # The rest of 30 at 0.72 is 1.5 cents away, and its fee is 0.4234.
    spread = 2 * (60 * 5_000 - 10 * 15_000)
    parts = Parts(spread=spread, drift=0, fees=2 * 12, unfilled=2 * (30 * 15_000 + 423_400))
    assert told.parts == parts
    metrics = of(started(ticket), *WALKED).metrics
    assert metrics is not None
    assert metrics.shortfall is not None
    assert round_div(parts.twice_total(), 2) == metrics.shortfall.total


@pytest.mark.parametrize("ticket", [BUY, SELL])
def test_a_mid_that_ran_away_is_drift_and_not_spread(ticket: Ticket) -> None:
    facts = (book(1, 6900, 7200), placed(FIRST, 7400, 10_000), Accepted(FIRST, "a", None, at(3)), book(5, 7300, 7400))
    told = story(ticket, *facts, filled("a", "1", 7400, 10_000, 6), Finished(Status.COMPLETED, "", at(7)))

    parts = Parts(spread=2 * 100 * 5_000, drift=2 * 100 * 30_000, fees=0, unfilled=0)
    assert told.parts == parts
    assert parts.twice_total() == 2 * 100 * 35_000


def test_a_cost_needs_an_end_and_a_mid_at_arrival() -> None:
    ended = Finished(Status.FAILED, "", at(9))

    assert story(BUY, viewed()).parts is None
    assert story(BUY, ended).parts is None
    assert story(BUY, one_sided(1), book(2, 6900, 7200), ended).parts is None


# What it looked at


def test_a_moment_is_what_a_view_showed() -> None:
    (moment,) = story(BUY, book(4, 6900, 7200)).moments

    assert (moment.at, moment.twice_mid, moment.cap) == (at(4), 14_100, 7100)
    assert (moment.beside, moment.facing) == (((6900, 20_000),), ((7200, 6_000),))
    assert moment.ahead == ((1, 500),)
    assert (moment.momentum, moment.pressure, moment.imbalance) == (0, None, (20_000 - 6_000) * 1_000_000 // 26_000)
    for ticket in (BUY, SELL):
        assert story(ticket, one_sided(4)).moments[0].twice_mid is None


def test_it_ends_with_the_latest_fact_whatever_came_last() -> None:
    assert story(BUY, LookedUp("", at(9)), filled("a", "1", 7000, 100, 4)).until == at(9)


def test_an_even_pace_begins_with_the_execution_and_is_through_when_it_winds_down() -> None:
    parent = started(BUY).parent  # winding down 36 seconds after the start

    assert [paced(parent, Count(3600), at(second)) for second in (-5, 0, 9, 36, 60)] == [0, 0, 900, 3600, 3600]
    assert [paced(parent, Count(72 * 10**6), Micros(parent.started + late)) for late in (-1, 0, 1)] == [0, 0, 2]
    assert paced(replace(parent, wind_down=parent.started), Count(100), Micros(parent.started + 1)) == 100


def test_an_intent_is_told_even_where_its_order_is_placed_twice_over() -> None:
    intent = PlaceIntended(FIRST, Price(7000), Count(100), Style.REST, Count(40), "join", at(2))
    assert story(BUY, intent).stands[0].ahead == 40
