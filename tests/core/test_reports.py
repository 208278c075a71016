"""What each event does to the book; that all of them together do no more is a law of `test_matching_laws`."""

import pytest

from depthwalker.core.book import Delta, Leg
from depthwalker.core.pit import NEVER
from depthwalker.core.reports import Amended, Ended, EndReason, Event, Matched, Refused, Rested, Withdrawn, delta
from depthwalker.core.units import Count, Micros, Money, Price

AT = Micros(7)
YES, NO = Leg.YES, Leg.NO


def change(leg: Leg, price: int, count: int) -> Delta:
    return Delta(leg, Price(price), Count(count), AT)


def amended(price: int, remaining: int, *, kept_place: bool) -> Amended:
    return Amended(
        "a", "us", YES, Price(price), Count(remaining), Price(5000), Count(100), Count(0), NEVER, kept_place=kept_place
    )


def ended(lapsed: int, *, rested: bool) -> Ended:
    return Ended("a", "us", YES, Price(5000), EndReason.CANCELED, Count(0), Count(lapsed), rested=rested)


def matched(taker: Leg) -> Matched:
    return Matched(1, "a", "us", "b", "them", taker, Price(4700), Count(10), Money(0), Money(0))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Rested("a", "us", NO, Price(4800), Count(10)), change(NO, 4800, 10)),
        (matched(NO), change(YES, 4700, -10)),
        (matched(YES), change(NO, 5300, -10)),
        (amended(5000, 70, kept_place=True), change(YES, 5000, -30)),
        (amended(5000, 100, kept_place=True), None),
        (amended(5100, 200, kept_place=False), change(YES, 5000, -100)),
        (ended(40, rested=True), change(YES, 5000, -40)),
        (ended(40, rested=False), None),
        (ended(0, rested=True), None),
        (Withdrawn(NO, Price(4800), Count(10)), change(NO, 4800, -10)),
        (Refused("a", 404, "not_found", ""), None),
    ],
)
def test_an_event_changes_the_book(event: Event, expected: Delta | None) -> None:
    assert delta(event, AT) == expected


def test_the_maker_acquired_the_other_leg() -> None:
    assert (matched(NO).maker_leg, matched(YES).maker_leg) == (YES, NO)
    assert (matched(NO).price(YES), matched(NO).price(NO)) == (4700, 5300)
