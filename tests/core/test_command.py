"""Commands become the facts that are journalled before they are acted on."""

from dataclasses import replace

import pytest
from tests.core.scenes import FIRST, NOW, after, cents, contracts, view

from depthwalker.core.command import (
    Amend,
    Burn,
    Cancel,
    Claim,
    Command,
    Finish,
    Fresh,
    Hold,
    Lookup,
    OfferAt,
    Passed,
    Place,
    Plan,
    Recap,
    Regrid,
    Tick,
    WaitUntil,
    WindDown,
    intents,
    raises_exposure,
    woken,
)
from depthwalker.core.config import Algorithm
from depthwalker.core.fact import (
    AmendIntended,
    CapChanged,
    Finished,
    GridChanged,
    Held,
    LookupStarted,
    PlaceIntended,
    Planned,
    Requested,
    Status,
    Viewed,
    WindingDown,
)
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.ledger import Kind, Style
from depthwalker.core.units import Count
from depthwalker.core.view import Passage

SEEN = view()
PLACE = Place(FIRST, cents(49), contracts(5), Style.REST, Count(3), "why")
AMEND = Amend(FIRST, "x", 0, 1, cents(50), contracts(5), Style.REST, Count(4), True, 7, "why")


@pytest.mark.parametrize(
    ("command", "facts"),
    [
        (Tick(((1, "waits"),)), (Viewed(SEEN, True, NOW), Held(((1, "waits"),), NOW))),
        (Tick(()), (Viewed(SEEN, True, NOW),)),
        (
            Plan(Algorithm.SIMPLE_LIMIT, "why", ()),
            (Viewed(SEEN, False, NOW), Planned(Algorithm.SIMPLE_LIMIT, "why", (), NOW)),
        ),
        (
            PLACE,
            (Viewed(SEEN, False, NOW), PlaceIntended(FIRST, cents(49), contracts(5), Style.REST, Count(3), "why", NOW)),
        ),
        (
            AMEND,
            (
                Viewed(SEEN, False, NOW),
                AmendIntended(FIRST, 1, cents(50), contracts(5), Style.REST, Count(4), True, 7, "why", NOW),
            ),
        ),
        (Cancel(FIRST, "x"), (Viewed(SEEN, False, NOW), Requested(FIRST, Kind.CANCEL, NOW))),
        (
            Claim(FIRST, cents(49), contracts(5), Style.REST),
            (Viewed(SEEN, False, NOW), Requested(FIRST, Kind.CLAIM, NOW)),
        ),
        (Burn(FIRST, cents(1)), (Viewed(SEEN, False, NOW), Requested(FIRST, Kind.BURN, NOW))),
        (Lookup(), (LookupStarted(NOW),)),
        (Regrid(CENT_GRID), (Viewed(SEEN, False, NOW), GridChanged(CENT_GRID, NOW))),
        (Recap(cents(50)), (Viewed(SEEN, False, NOW), CapChanged(cents(50), NOW))),
        (WindDown("why"), (Viewed(SEEN, False, NOW), WindingDown("why", NOW))),
        (Finish(Status.FAILED, "why"), (Viewed(SEEN, False, NOW), Finished(Status.FAILED, "why", NOW))),
        (WaitUntil(after(1), ()), ()),
        (Hold(((1, "why"),)), (Viewed(SEEN, False, NOW), Held(((1, "why"),), NOW))),
    ],
)
def test_what_is_journalled_before_a_command(command: Command, facts: tuple[object, ...]) -> None:
    assert intents((command,), SEEN) == facts


def test_the_view_is_journalled_once_and_first() -> None:
    facts = intents((Tick(()), PLACE, Lookup(), WaitUntil(after(1), ())), SEEN)
    assert [type(fact) for fact in facts] == [Viewed, PlaceIntended, LookupStarted]
    assert facts[0] == Viewed(SEEN, True, NOW)


def test_only_place_and_amend_wait_for_the_journal() -> None:
    assert raises_exposure(PLACE)
    assert raises_exposure(AMEND)
    for other in (
        Cancel(FIRST, "x"),
        Burn(FIRST, cents(1)),
        Claim(FIRST, cents(49), contracts(5), Style.REST),
        Lookup(),
    ):
        assert not raises_exposure(other)


def test_a_wake_holds_when_more_went_past_a_split_than_it_has_filled() -> None:
    seen = replace(SEEN, passages=(Passage(1, contracts(10), after(1)),))
    assert woken((Passed(1, contracts(9), NOW),), seen)
    both = replace(SEEN, passages=(*seen.passages, Passage(2, Count(1), NOW)))
    assert woken((Passed(1, contracts(9), NOW),), both), "whatever went past another split"
    for other in (Passed(1, contracts(10), NOW), Passed(2, Count(0), NOW), Passed(1, Count(0), after(1))):
        assert not woken((other,), seen)


def test_a_wake_holds_when_enough_is_offered_or_the_book_is_newer() -> None:
    assert woken((OfferAt(cents(52), contracts(500)),), SEEN)
    assert not woken((OfferAt(cents(52), contracts(501)), OfferAt(cents(51), Count(1))), SEEN)
    assert woken((OfferAt(cents(51), Count(1)), Fresh(after(-1))), SEEN)
    assert not woken((Fresh(NOW),), SEEN)
    assert not woken((), SEEN)
