"""A tape played, cut and searched; what it does to a pit is what it says of the book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core import crowd, matching
from depthwalker.core.book import Book, Ladder, Leg, best_first
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.pit import NewOrder, Rules, book
from depthwalker.core.reports import Matched
from depthwalker.core.tape import (
    Arrive,
    Event,
    Flow,
    Replace,
    Take,
    Tape,
    Unplayable,
    Withdraw,
    after,
    books,
    drawn_window,
    hastened,
    hit,
    play,
    resting,
    two_sided,
    window,
)
from depthwalker.core.units import CENT, DOLLAR, SECOND, Count, Micros, Price

OPENING = Book(
    ((Price(4_700), Count(300)), (Price(4_500), Count(1_000))),
    ((Price(4_800), Count(300)), (Price(4_500), Count(1_000))),
    Micros(0),
)


def tape(*flow: tuple[int, Flow], span: int = 60) -> Tape:
    events = tuple(Event(Micros(second * SECOND), one) for second, one in flow)
    return Tape("T", CENT_GRID, OPENING, events, Micros(span * SECOND))


def levels(*rows: tuple[int, int]) -> Ladder:
    return tuple((Price(price), Count(count)) for price, count in rows)


@pytest.mark.parametrize(
    ("flow", "yes", "no"),
    [
        (Arrive(Leg.YES, Price(4_800), Count(50)), levels((4_800, 50), *OPENING.yes), OPENING.no),
        (Withdraw(Leg.NO, Price(4_800), Count(100)), OPENING.yes, levels((4_800, 200), (4_500, 1_000))),
        (Withdraw(Leg.NO, Price(4_800), Count(999)), OPENING.yes, levels((4_500, 1_000))),
        (Withdraw(Leg.NO, Price(4_000), Count(100)), OPENING.yes, OPENING.no),
        (Take(Leg.YES, Price(5_200), Count(100)), OPENING.yes, levels((4_800, 200), (4_500, 1_000))),
        (Take(Leg.YES, Price(5_500), Count(400)), OPENING.yes, levels((4_500, 900))),
        (Take(Leg.NO, Price(5_300), Count(900)), levels((4_500, 1_000)), OPENING.no),
        (Take(Leg.YES, Price(5_100), Count(100)), OPENING.yes, OPENING.no),
        (Replace(levels((100, 1)), ()), levels((100, 1)), ()),
    ],
    ids=repr,
)
def test_flow_changes_the_book_of_the_others_and_a_pit_alike(flow: Flow, yes: Ladder, no: Ladder) -> None:
    at = Micros(SECOND)
    pit, _ = play(crowd.seed(OPENING.yes, OPENING.no, Rules()), flow, at)
    assert after(OPENING, Event(at, flow)) == Book(yes, no, at)
    assert book(pit, at) == Book(yes, no, at)


def test_a_take_meets_our_order_in_its_queue() -> None:
    pit = crowd.seed(OPENING.yes, OPENING.no, Rules())
    pit, _ = matching.submit(pit, NewOrder("o", "me", Leg.YES, Price(4_700), Count(200)), Micros(0))
    _, events = play(pit, Take(Leg.NO, Price(5_300), Count(400)), Micros(1))
    ours = [event for event in events if isinstance(event, Matched) and event.maker_order == "o"]
    assert [event.count for event in ours] == [100]


def test_what_a_take_hits_is_best_first_and_no_worse_than_its_limit() -> None:
    assert hit(OPENING, Take(Leg.YES, Price(5_500), Count(400))) == levels((4_800, 300), (4_500, 100))
    assert hit(OPENING, Take(Leg.YES, Price(5_499), Count(400))) == levels((4_800, 300))
    assert hit(OPENING, Take(Leg.YES, Price(5_500), Count(300))) == levels((4_800, 300))
    assert hit(OPENING, Take(Leg.YES, Price(5_500), Count(301))) == levels((4_800, 300), (4_500, 1))
    assert hit(OPENING, Take(Leg.NO, Price(5_300), Count(200))) == levels((4_700, 200))
    assert resting(OPENING, Leg.YES, Price(4_700)) == 300
    assert resting(OPENING, Leg.YES, Price(4_600)) == 0


def test_a_window_is_a_tape_of_its_own() -> None:
    flow = [(second, Arrive(Leg.YES, Price(100 * second), Count(100))) for second in (1, 2, 3, 4)]
    cut = window(tape(*flow), Micros(2 * SECOND), Micros(SECOND))
    assert cut.opening.yes == levels(*OPENING.yes, (200, 100), (100, 100))
    assert cut.opening.at == 0
    assert cut.events == (Event(Micros(SECOND), Arrive(Leg.YES, Price(300), Count(100))),)
    assert cut.span == SECOND


def test_a_stretch_ends_where_a_side_is_missing() -> None:
    gone = Replace(OPENING.yes, ())
    whole = Replace(OPENING.yes, OPENING.no)
    broken = tape((10, gone), (20, whole), (30, Arrive(Leg.YES, CENT, Count(1))), (40, gone), (40, whole), (50, gone))
    assert two_sided(broken) == ((0, 10 * SECOND), (20 * SECOND, 50 * SECOND))


@given(st.integers(min_value=0))
def test_a_drawn_window_has_both_sides_throughout(draw: int) -> None:
    broken = tape((10, Replace(OPENING.yes, ())), (20, Replace(OPENING.yes, OPENING.no)), (50, Replace((), ())))
    span = Micros(8 * SECOND)
    match drawn_window(broken, span, draw):
        case Success(cut):
            assert cut.span == span
            assert two_sided(cut) == ((0, span),)
        case Failure(reason):
            pytest.fail(reason.reason)


def test_the_draw_reaches_every_window() -> None:
    moving = tape((1, Arrive(Leg.YES, CENT, Count(1))), span=3)
    rooms = 2 * SECOND + 1
    starts = {
        len(cut.unwrap().events)
        for draw in range(0, rooms, SECOND // 2)
        if isinstance(cut := drawn_window(moving, SECOND, draw), Success)
    }
    assert starts == {0, 1}


def test_the_draw_counts_from_the_last_window_down_to_the_first_and_begins_again() -> None:
    moving = tape((1, Arrive(Leg.YES, CENT, Count(1))), (2, Arrive(Leg.YES, CENT, Count(1))), span=3)
    starts = {2 * SECOND: 0, 2 * SECOND - 1: 1, 2 * SECOND + 1: 2 * SECOND, 0: 2 * SECOND}
    for draw, start in starts.items():
        assert drawn_window(moving, SECOND, draw) == Success(window(moving, Micros(start), SECOND))


def test_a_stretch_that_is_just_long_enough_has_one_window() -> None:
    moving = tape((1, Arrive(Leg.YES, CENT, Count(1))))
    for draw in (0, 1, 99):
        assert drawn_window(moving, Micros(60 * SECOND), draw) == Success(moving)


def test_the_longest_of_several_stretches_is_told() -> None:
    gone, whole = Replace(OPENING.yes, ()), Replace(OPENING.yes, OPENING.no)
    reason = "its book has both sides for at most 30 s on end; 40 s are needed"
    broken = tape((10, gone), (20, whole), (50, gone))
    assert drawn_window(broken, Micros(40 * SECOND), 0) == Failure(Unplayable(reason))


@pytest.mark.parametrize(("span", "flow"), [(61, ()), (11, ((10, Replace((), ())), (11, Replace((), OPENING.no))))])
def test_a_tape_without_a_long_enough_stretch_is_refused(span: int, flow: tuple[tuple[int, Flow], ...]) -> None:
    longest = 10 if flow else 60
    reason = f"its book has both sides for at most {longest} s on end; {span} s are needed"
    assert drawn_window(tape(*flow), Micros(span * SECOND), 5) == Failure(Unplayable(reason))


def test_a_tape_that_never_has_both_sides_is_refused() -> None:
    one_sided = Tape("T", CENT_GRID, Book(OPENING.yes, (), Micros(0)), (), SECOND)
    match drawn_window(one_sided, Micros(1), 0):
        case Failure(Unplayable(reason)):
            assert "at most 0 s" in reason
        case Success():
            pytest.fail("it played")


prices = st.integers(1, 98).map(lambda cents: Price(cents * CENT))
counts = st.integers(1, 500).map(Count)
legs = st.sampled_from(Leg)
flows = st.one_of(
    st.builds(Withdraw, legs, prices, counts),
    st.builds(Take, legs, prices, counts),
    st.builds(Arrive, legs, prices, counts),
)


@given(st.lists(flows, max_size=30))
def test_without_us_a_pit_holds_the_book_that_the_tape_says(drawn: list[Flow]) -> None:
    """Arrivals that would cross are left out: a tape has none."""
    pit, shown = crowd.seed(OPENING.yes, OPENING.no, Rules()), OPENING
    for number, flow in enumerate(drawn):
        facing = shown.bids(flow.leg.other()) if isinstance(flow, Arrive) else ()
        if facing and isinstance(flow, Arrive) and facing[0][0] + flow.price >= DOLLAR:
            continue
        at = Micros(number)
        shown = after(shown, Event(at, flow))
        pit, _ = play(pit, flow, at)
        assert book(pit, at) == shown
        assert best_first(shown.yes) == shown.yes


def test_books_are_those_between_the_events() -> None:
    played = tape((1, Take(Leg.YES, Price(5_200), Count(300))), (2, Arrive(Leg.NO, Price(4_800), Count(100))))
    assert [shown.no[0] for shown in books(played)] == [(4_800, 300), (4_500, 1_000), (4_800, 100)]


@given(st.lists(st.integers(0, 90 * SECOND), max_size=6).map(sorted), st.integers(1, 1_000_000))
def test_a_hastened_tape_is_the_same_flow_at_other_times(instants: list[int], permille: int) -> None:
    flows = [Withdraw(Leg.YES, Price(CENT), Count(number)) for number, _ in enumerate(instants, 1)]
    events = tuple(Event(Micros(at), flow) for at, flow in zip(instants, flows, strict=True))
    tape = Tape("T", CENT_GRID, Book((), (), Micros(0)), events, Micros(90 * SECOND))
    sooner = hastened(tape, permille)
    assert [event.flow for event in sooner.events] == flows
    assert [event.at for event in sooner.events] == [at * 1_000 // permille for at in instants]
    assert sooner.span == 90 * SECOND * 1_000 // permille
