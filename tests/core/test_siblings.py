"""Orders of one account that would meet each other: at which price they stand against us, and what is done short of it."""

from dataclasses import replace

import pytest
from tests.core.scenes import (
    FIRST,
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
    record,
    view,
)

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Leg
from depthwalker.core.execution import State
from depthwalker.core.fact import (
    Amended,
    AmendIntended,
    Fact,
    Filled,
    Held,
    OutcomeUnknown,
    Refused,
    Requested,
    WindingDown,
)
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.ledger import Kind, Style
from depthwalker.core.quote import Quote
from depthwalker.core.siblings import AGAINST, as_tried, meets_own, own_waits, short_of_own, standing
from depthwalker.core.units import Price
from depthwalker.core.view import own_offer as nearest


def own_offer(leg: Leg, others: tuple[State, ...]) -> Price | None:
    return nearest(standing(leg, others))


AMENDING = AmendIntended(FIRST, 1, cents(52), contracts(100), Style.TAKE, contracts(5), False, 0, "test", after(1))
CANCELED = record(OrderStatus.CANCELED, 0)
LOST_PLACE, LOST_AMEND = (OutcomeUnknown(FIRST, kind, "time-out", after(2)) for kind in (Kind.PLACE, Kind.AMEND))


def test_a_bid_for_the_other_leg_offers_ours_at_what_is_left_to_a_dollar() -> None:
    assert own_offer(Leg.NO, (live(49),)) == cents(51)
    assert own_offer(Leg.YES, (live(49),)) is None, "it acquires the same leg"
    assert own_offer(Leg.NO, ()) is None


def test_the_best_of_all_others_counts() -> None:
    both = fold(
        intended(price=47), accepted(), intended(replace(FIRST, split=2), 45), state=planned((47, 60), (45, 40))
    )
    sells = planned((49, 100), of=parent(leg=Leg.NO))
    assert own_offer(Leg.NO, (both, live(46), sells)) == cents(53)
    assert own_offer(Leg.YES, (both, fold(intended(), state=sells))) == cents(51)


@pytest.mark.parametrize(
    ("facts", "offer"),
    [
        ((), 51),
        ((accepted(),), 51),
        ((LOST_PLACE,), 51),
        ((Refused(FIRST, Kind.PLACE, "invalid_order", "", after(1)),), None),
        ((accepted(), AMENDING), 48),
        ((accepted(), AMENDING, Amended(FIRST, 1, None, after(2))), 48),
        ((accepted(), AMENDING, Refused(FIRST, Kind.AMEND, "invalid_order", "", after(2))), 51),
        ((accepted(), AMENDING, LOST_AMEND), 48),
        ((accepted(), AMENDING, LOST_AMEND, record(OrderStatus.RESTING, revision=0, at=after(3))), 48),
        ((accepted(), replace(AMENDING, price=cents(40))), 51),
        ((accepted(), Requested(FIRST, Kind.CANCEL, after(1))), 51),
        ((accepted(), record(OrderStatus.CANCELED, at=after(1))), None),
        ((accepted(), Filled(match("a", 40), after(1))), 51),
        ((accepted(), Filled(match("a", 100), after(1))), None),
    ],
    ids=[
        "on its way",
        "at rest",
        "of unknown outcome",
        "refused",
        "being moved",
        "moved",
        "not moved",
        "moved or not",
        "moved or not, though its record shows the old price",
        "being moved away",
        "being cancelled",
        "cancelled",
        "filled in part",
        "filled",
    ],
)
def test_every_price_that_an_order_may_have_stands_against_us(facts: tuple[Fact, ...], offer: int | None) -> None:
    state: State = fold(intended(), *facts, state=planned((49, 100)))
    assert own_offer(Leg.NO, (state,)) == (None if offer is None else cents(offer))


def test_what_takes_is_in_the_way_only_until_it_is_answered() -> None:
    taking = fold(intended(style=Style.TAKE), state=planned((49, 100)))
    assert own_offer(Leg.NO, (taking,)) == cents(51)
    for answer in (accepted(), LOST_PLACE):
        assert own_offer(Leg.NO, (fold(answer, state=taking),)) is None, "at the exchange it rests nowhere"


def test_it_is_known_whether_one_of_the_other_side_waits_for_ours() -> None:
    waiting = fold(Held(((1, AGAINST),), after(1)), state=live())
    assert own_waits(Leg.NO, (live(), waiting))
    assert not own_waits(Leg.YES, (waiting,)), "it acquires the same leg"
    assert not own_waits(Leg.NO, (live(), fold(Held(((1, "quiet"),), after(1)), state=live())))
    assert not own_waits(Leg.NO, (fold(WindingDown("stopped", after(2)), state=waiting),)), "it takes nothing more"


@pytest.mark.parametrize(
    ("facts", "ahead"),
    [
        ((), 0),
        ((accepted(),), 7),
        ((LOST_PLACE,), 0),
        ((accepted(), AMENDING), 0),
        ((accepted(), AMENDING, Amended(FIRST, 1, None, after(2))), 5),
        ((accepted(), AMENDING, LOST_AMEND), 0),
        ((accepted(), Filled(match("a", 40), after(1))), 0),
    ],
    ids=["on its way", "at rest", "of unknown outcome", "being moved", "moved", "moved or not", "filled in part"],
)
def test_what_came_before_an_order_is_known_of_one_that_rests_unfilled(facts: tuple[Fact, ...], ahead: int) -> None:
    sent = replace(intended(), ahead=contracts(7))
    (stands,) = standing(Leg.NO, (fold(sent, *facts, state=planned((49, 100))),))
    assert stands.ahead == contracts(ahead)


def test_an_order_meets_one_of_the_account_at_its_price_or_above() -> None:
    seen = replace(view(), own_offer=cents(51))
    assert [meets_own(cents(price), Style.TAKE, seen) for price in (50, 51, 52)] == [False, True, True]
    assert not meets_own(cents(99), Style.TAKE, view())


def test_what_takes_at_its_price_meets_those_first_who_came_before_it() -> None:
    seen = replace(view(), own_offer=cents(51), own_after=contracts(1))
    assert [meets_own(cents(price), Style.TAKE, seen) for price in (50, 51, 52)] == [False, False, True]
    assert [meets_own(cents(price), Style.REST, seen) for price in (50, 51, 52)] == [False, True, True]
    assert short_of_own(
        Quote(1, cents(54), Style.TAKE, "test"), CENT_GRID, replace(seen, own_offer=cents(52))
    ).price == (cents(52))


@pytest.mark.parametrize(
    ("own", "style", "price"),
    [
        (None, Style.TAKE, 54),
        (55, Style.TAKE, 54),
        (54, Style.TAKE, 53),
        (53, Style.TAKE, 52),
        (52, Style.TAKE, 54),
        (1, Style.TAKE, 54),
        (53, Style.REST, 54),
    ],
    ids=["no other", "behind it", "at its price", "behind the best offer", "at the best offer", "at the end", "rests"],
)
def test_what_others_offer_before_the_accounts_own_order_is_taken(own: int | None, style: Style, price: int) -> None:
    seen = replace(view(), own_offer=None if own is None else cents(own))
    wanted = Quote(1, cents(54), style, "test")
    assert short_of_own(wanted, CENT_GRID, seen) == replace(wanted, price=cents(price))


def test_where_nothing_is_offered_there_is_nothing_to_take_before_it() -> None:
    wanted = Quote(1, cents(54), Style.TAKE, "test")
    assert short_of_own(wanted, CENT_GRID, replace(view(offers=()), own_offer=Price(5300))) == wanted


def test_the_last_price_before_the_accounts_own_order_is_the_next_one_below_it() -> None:
    wanted, seen = Quote(1, cents(54), Style.TAKE, "test"), replace(view(), own_offer=Price(5301))
    assert short_of_own(wanted, CENT_GRID, seen).price == cents(53)
    assert [meets_own(Price(price), Style.REST, seen) for price in (5300, 5301)] == [False, True]


@pytest.mark.parametrize(
    ("facts", "ahead"),
    [
        pytest.param((intended(price=52, style=Style.TAKE), accepted(), CANCELED), 0, id="took nothing there"),
        pytest.param((intended(price=53, style=Style.TAKE), accepted(), CANCELED), 200, id="somewhere else"),
        pytest.param((intended(price=52), accepted(), CANCELED), 200, id="only rested there"),
        pytest.param((intended(price=52, style=Style.TAKE), accepted()), 200, id="not ended yet"),
        pytest.param(
            (
                intended(price=52, style=Style.TAKE),
                accepted(),
                Filled(match("a", 1), after(1)),
                record(OrderStatus.CANCELED, 1),
            ),
            200,
            id="took something there",
        ),
        pytest.param((), 200, id="has not tried"),
    ],
)
def test_who_took_nothing_at_the_price_of_the_accounts_order_has_nobody_before_it(
    facts: tuple[Fact, ...], ahead: int
) -> None:
    state, seen = fold(*facts, state=planned((52, 100))), replace(view(), own_offer=cents(52))
    told = replace(seen, own_after=contracts(200))
    assert as_tried(state, told) == replace(seen, own_after=contracts(ahead))
    assert as_tried(state, seen) is seen
