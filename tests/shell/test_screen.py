"""The live view fits the terminal, whatever its size, and says in words what its colours say."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.core.scenes import WALKING

from depthwalker.core.answer import OrderStatus
from depthwalker.core.book import Book, Leg
from depthwalker.core.config import Algorithm
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import (
    Accepted,
    Amended,
    AmendIntended,
    Burned,
    Deferred,
    Fact,
    Filled,
    Held,
    Lapsed,
    Observed,
    OutcomeUnknown,
    PlaceIntended,
    Planned,
    Refused,
    Requested,
    Started,
    StopRequested,
    WindingDown,
)
from depthwalker.core.fees import FeeRates
from depthwalker.core.flow import NO_HISTORY
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.ledger import Fill, Kind, OrderKey, Style
from depthwalker.core.parent import Action, Parent, Ticket
from depthwalker.core.policy import policy_for
from depthwalker.core.projection import project
from depthwalker.core.siblings import AGAINST
from depthwalker.core.split import Split
from depthwalker.core.units import SECOND, Count, Micros, Money, Price
from depthwalker.core.view import Conditions, View, look
from depthwalker.shell.frame import Frame, Rung, frame
from depthwalker.shell.happening import Happening, happenings
from depthwalker.shell.lane import Lane
from depthwalker.shell.screen import fitting_columns, picture, shares, visible
from depthwalker.shell.terminal import show_lines

NOW = Micros(1_000 * SECOND)
FIRST, SECOND_SPLIT = OrderKey(1, 0), OrderKey(2, 0)
HALF = [("t1", 5_100, 199), ("t2", 5_200, 1)]  # 0.51005 in the leg acquired, 0.48995 in the outcome sold
SIZES = [(80, 24), (140, 40), (60, 20), (200, 60), (40, 12)]


def parent(action: Action = Action.BUY) -> Parent:
    ticket = Ticket(Leg.YES, action, Count(6_000), Price(4_800))
    buys = action is Action.BUY
    return Parent(
        execution="e" * 32,
        installation="a" * 8,
        ticker="SYN-THIN-1",
        ticket=ticket,
        leg=ticket.leg(),
        count=ticket.count,
        target=ticket.framed(ticket.target),
        bound=Price(5_600 if buys else 6_000),
        cap=Price(5_600 if buys else 6_000),
        grid=CENT_GRID,
        rates=FeeRates(70_000, 0),
        started=NOW,
        wind_down=Micros(NOW + 36 * SECOND),
        deadline=Micros(NOW + 40 * SECOND),
        expires=Micros(NOW + 49 * SECOND),
        notes=(),
    )


def facts(action: Action = Action.BUY) -> tuple[Fact, ...]:
    """Two splits placed, the first walked once and half filled."""
    owned = parent(action)
    low, lower, high = (Price(owned.target - less) for less in (200, 300, 100))
    return (
        Started(owned, policy_for(WALKING), NOW),
        Planned(
            Algorithm.DYNAMIC_DEPTH_WALKER,
            "configured",
            (Split(1, low, Count(3_600)), Split(2, lower, Count(2_400))),
            NOW,
        ),
        PlaceIntended(FIRST, low, Count(3_600), Style.REST, Count(0), "placed", NOW),
        PlaceIntended(SECOND_SPLIT, lower, Count(2_400), Style.REST, Count(0), "placed", NOW),
        Accepted(FIRST, "one", Count(0), NOW),
        Accepted(SECOND_SPLIT, "two", Count(0), NOW),
        AmendIntended(FIRST, 1, high, Count(3_600), Style.REST, Count(0), True, 0, "behind schedule", NOW),
        Amended(FIRST, 1, Count(0), NOW),
        Filled(Fill("one", "t1", high, Count(1_800), Money(0), False, NOW), NOW),
        Held(((1, "on schedule"), (2, "momentum below the threshold")), NOW),
    )


def folded(*told: Fact) -> State:
    state = START
    for fact in told:
        state = evolve(state, fact)
    return state


def view(book: Book, leg: Leg = Leg.YES) -> View:
    conditions = Conditions(CENT_GRID, FeeRates(70_000, 0), 100, 0, 5, 10_000, True)
    return look(book, NO_HISTORY, leg, Price(5_600), (), (), conditions, NOW)


def levels(*pairs: tuple[int, int]) -> tuple[tuple[Price, Count], ...]:
    return tuple((Price(price), Count(count)) for price, count in pairs)


BOOK = Book(
    yes=levels((4_600, 12_000), (4_500, 8_000), (4_300, 100_000)),
    no=levels((4_900, 4_000), (4_800, 2_225), (4_600, 120_000_000)),
    at=NOW,
)
EMPTY_BOOK = Book((), (), NOW)


def shown(action: Action = Action.BUY, book: Book = BOOK) -> Frame:
    state = folded(*facts(action))
    return frame(state, view(book, state.parent.leg), Micros(NOW + 10 * SECOND))


def lane(name: str, *told: Fact, book: Book = BOOK) -> Lane:
    made = Lane(name, lambda _lane, _happening: None)
    if told:
        state = folded(*told)
        made.turn(state, view(book, state.parent.leg))
    return made


def lines(lanes: list[Lane], width: int, height: int, *, colour: bool = False) -> list[str]:
    output = io.StringIO()
    console = Console(
        file=output, width=width, height=height, force_terminal=colour, color_system="truecolor" if colour else None
    )
    console.print(picture("depthwalker demo, seed 1", lanes, Micros(NOW + 10 * SECOND), width, height), height=height)
    return output.getvalue().splitlines()


def test_a_frame_tells_how_far_an_execution_is() -> None:
    seen = shown()

    assert (seen.filled, seen.count, seen.average) == (1_800, 6_000, 4_700)
    assert (seen.left, seen.walks, seen.calls, seen.stage) == (30 * SECOND, 1, 3, "working")
    assert [(one.split, one.price, one.phase, one.walks) for one in seen.children] == [
        (1, 4_700, "resting", 1),
        (2, 4_500, "resting", 0),
    ]
    assert seen.children[1].note == "momentum below the threshold"


def test_a_frame_shows_our_orders_in_the_book_beside_those_of_others() -> None:
    seen = shown()

    assert seen.bids == (
        Rung(Price(4_700), Count(0), Count(1_800)),
        Rung(Price(4_600), Count(12_000), Count(0)),
        Rung(Price(4_500), Count(8_000), Count(2_400)),
        Rung(Price(4_300), Count(100_000), Count(0)),
    )
    assert [one.price for one in seen.offers] == [5_100, 5_200, 5_400]


def test_a_sell_is_shown_in_its_own_outcome() -> None:
    seen = shown(Action.SELL)

    assert (seen.target, seen.cap) == (4_800, 4_000)
    assert seen.average == 4_900
    assert [one.price for one in seen.children] == [4_900, 5_100]
    assert [(one.price, one.own) for one in seen.offers][:2] == [(4_900, 1_800), (5_100, 2_400)]
    assert [one.price for one in seen.bids] == [4_600, 4_500, 4_300]


def test_a_sells_average_of_a_half_is_shown_as_it_is_kept() -> None:
    begun = folded(*facts(Action.SELL)[:8])
    fills = (Fill("one", trade, Price(price), Count(count), Money(0), False, NOW) for trade, price, count in HALF)
    sold = evolve(evolve(begun, Filled(next(fills), NOW)), Filled(next(fills), NOW))

    assert frame(sold, view(BOOK, Leg.NO), NOW).average == project(sold).execution.bought.average == 4_900
    assert [one.text for one in happenings(begun, sold, NOW)] == ["split 1 2 at 0.49"]


@pytest.mark.parametrize(
    ("fact", "stage"),
    [
        (WindingDown("time-out", NOW), "winding down"),
        (StopRequested("interrupted", NOW), "stopping"),
    ],
)
def test_a_frame_names_the_stage(fact: Fact, stage: str) -> None:
    state = folded(*facts(), fact)

    assert frame(state, view(BOOK), NOW).stage == stage


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("number", [1, 2, 6])
def test_the_picture_fills_the_terminal_and_no_more(width: int, height: int, number: int) -> None:
    lanes = [lane(f"market{index}/walker", *facts()) for index in range(number)]

    drawn = lines(lanes, width, height)

    assert len(drawn) == height
    assert all(len(line) <= width for line in drawn)


@pytest.mark.parametrize("book", [EMPTY_BOOK, replace(BOOK, yes=()), replace(BOOK, no=())])
def test_a_side_that_is_missing_is_said_to_be_missing(book: Book) -> None:
    state = folded(facts()[0])
    made = Lane("one", lambda _lane, _happening: None)
    made.turn(state, view(book))

    drawn = "\n".join(lines([made], 80, 24))

    assert ("no bid" in drawn) is (not book.yes)
    assert ("no offer" in drawn) is (not book.no)


def test_a_lane_that_has_not_started_says_so() -> None:
    assert any("waiting for the first look" in line for line in lines([lane("one")], 80, 24))


def test_the_smallest_usual_terminal_shows_what_matters_of_six() -> None:
    lanes = [lane(f"market{index}/walker", *facts()) for index in range(6)]

    drawn = "\n".join(lines(lanes, 80, 24))

    for text in ("18/60 30 %", "at 0.47", "30.0 s left", "*18", "s1 0.47 18/36 resting 1w", "s2 0.45 0/24 resting"):
        assert drawn.count(text) == 6, text


def test_a_large_terminal_shows_the_reasons() -> None:
    drawn = "\n".join(lines([lane("thin/walker", *facts())], 140, 40))

    for text in ("buy yes 0.48 cap 0.56", "walks 1, calls 3", "(on schedule)", "0.51", "walked s1 0.46 -> 0.47"):
        assert text in drawn, text


def test_colours_carry_nothing_alone() -> None:
    lanes = [lane("thin/walker", *facts())]

    assert [_bare(line) for line in lines(lanes, 80, 24, colour=True)] == lines(lanes, 80, 24)


@pytest.mark.parametrize(
    ("number", "width", "columns"), [(6, 80, 2), (6, 140, 3), (6, 60, 1), (2, 80, 2), (2, 200, 2), (1, 200, 1)]
)
def test_panels_stand_side_by_side_where_rows_come_out_full(number: int, width: int, columns: int) -> None:
    assert fitting_columns(number, width) == columns


def test_shares_sum_to_the_whole() -> None:
    assert shares(23, 3) == [8, 8, 7]


def told(before: State, after: State) -> list[str]:
    return [f"{one.kind} {one.text}" for one in happenings(before, after, NOW)]


def test_everything_that_happened_is_told_once() -> None:
    assert told(START, folded(*facts())) == [
        "planned dynamic_depth_walker, 2 splits: 36 at 0.47, 24 at 0.45, at most 0.56 (configured)",
        "walked split 1 0.46 -> 0.47: behind schedule",
        "placed split 1 36 at 0.47",
        "filled split 1 18 at 0.47",
        "placed split 2 24 at 0.45",
    ]
    assert told(folded(*facts()), folded(*facts())) == []


def test_a_plan_names_the_cap_in_the_words_of_the_order() -> None:
    (planned,) = told(START, folded(*facts(Action.SELL)[:2]))

    assert planned.endswith("at least 0.40 (configured)"), planned


def test_a_move_that_is_no_walk_is_told_too() -> None:
    before = folded(*facts())
    followed = AmendIntended(FIRST, 2, Price(4_600), Count(3_600), Style.REST, Count(0), False, 0, "it came to us", NOW)
    held = Held(((1, "it came to us"), (2, "momentum below the threshold")), NOW)

    assert told(before, evolve(evolve(before, followed), held)) == ["moved split 1 0.47 -> 0.46: it came to us"]


def test_that_an_order_of_the_account_stands_against_a_split_is_told_as_it_begins() -> None:
    before = folded(*facts())
    opposed = evolve(before, Held(((1, AGAINST),), NOW))

    assert told(before, opposed) == ["waiting split 1: an order of this account stands against it"]
    assert told(START, opposed)[2] == "waiting split 1: an order of this account stands against it"
    assert told(opposed, evolve(opposed, Held(((1, AGAINST), (2, "quiet")), NOW))) == []


def test_a_fill_is_told_once_its_price_is_known() -> None:
    before = folded(*facts())
    seen = evolve(before, Observed(FIRST, "one", 1, OrderStatus.RESTING, Price(4_700), Count(2_000), Count(1_600), NOW))
    itemised = evolve(seen, Filled(Fill("one", "t2", Price(4_650), Count(200), Money(0), True, NOW), NOW))

    assert told(before, seen) == []
    assert told(seen, itemised) == ["filled split 1 2 at 0.465"]


def test_why_an_execution_ends_is_one_phrase() -> None:
    before = folded(*facts())

    assert told(before, evolve(before, WindingDown("time-out", NOW))) == ["ending time-out"]


def test_the_end_of_an_order_is_told() -> None:
    before = folded(*facts())
    closed = Observed(FIRST, "one", 1, OrderStatus.CANCELED, Price(4_700), Count(1_800), Count(0), NOW)

    assert told(before, evolve(before, closed)) == ["cancelled split 1 18 unfilled"]


def test_an_order_that_the_exchange_has_lost_is_told_as_such() -> None:
    before = folded(*facts())

    assert told(before, evolve(before, Lapsed(FIRST, NOW))) == ["cancelled split 1 lost by the exchange, 18 unfilled"]


def test_a_refusal_is_told_with_the_exchanges_words() -> None:
    before = folded(*facts()[:3])
    refused = Refused(FIRST, Kind.PLACE, "insufficient_balance", "", NOW)

    assert told(before, evolve(before, refused)) == ["refused split 1: insufficient_balance"]


def test_an_order_is_placed_once_the_exchange_has_it() -> None:
    asked = folded(*facts()[:3])
    accepted = evolve(asked, Accepted(FIRST, "one", Count(0), NOW))

    assert told(folded(*facts()[:2]), asked) == []
    assert told(asked, accepted) == ["placed split 1 36 at 0.46"]


def test_an_order_that_never_arrived_is_not_placed() -> None:
    asked = folded(*facts()[:3])
    refused = Refused(FIRST, Kind.PLACE, "authentication_error", "INCORRECT_API_KEY_SIGNATURE", NOW)
    lost = evolve(asked, OutcomeUnknown(FIRST, Kind.PLACE, "no answer", NOW))

    assert told(asked, evolve(asked, refused)) == ["refused split 1: authentication_error INCORRECT_API_KEY_SIGNATURE"]
    assert told(lost, evolve(lost, Burned(FIRST, "burn", Count(0), NOW))) == [
        "cancelled split 1 never reached the exchange"
    ]


def test_what_was_not_applied_is_told_as_deferred_with_its_reason() -> None:
    asked, working = folded(*facts()[:3]), folded(*facts())
    cancelling = evolve(working, Requested(FIRST, Kind.CANCEL, NOW))
    higher = AmendIntended(FIRST, 2, Price(4_800), Count(3_600), Style.REST, Count(0), False, 0, "up", NOW)
    moved = evolve(working, higher)

    assert told(asked, evolve(asked, Deferred(FIRST, Kind.PLACE, "429 too_many_requests", NOW))) == [
        "deferred split 1: 429 too_many_requests"
    ]
    assert told(moved, evolve(moved, Deferred(FIRST, Kind.AMEND, "not sent: refused", NOW))) == [
        "deferred split 1: not sent: refused"
    ]
    assert told(cancelling, evolve(cancelling, Deferred(FIRST, Kind.CANCEL, "401 authentication_error", NOW))) == [
        "deferred split 1: its cancel was not applied and goes out again"
    ]


def test_what_may_still_rest_is_told_with_its_expiry() -> None:
    assert lane("thin/walker", *facts()).resting() == (
        "SYN-THIN-1: up to 18 at 0.47, which the exchange drops in 49.0 s at most",
        "SYN-THIN-1: up to 24 at 0.45, which the exchange drops in 49.0 s at most",
    )


def test_a_lane_tells_each_happening_to_its_listener() -> None:
    heard: list[Happening] = []
    made = Lane("one", lambda _lane, happening: heard.append(happening))

    made.turn(folded(*facts()[:2]), view(BOOK))
    made.turn(folded(*facts()), view(BOOK))

    assert [one.kind for one in heard] == ["planned", "walked", "placed", "filled", "placed"]
    assert list(made.events) == heard


def _bare(line: str) -> str:
    from rich.text import Text

    return Text.from_ansi(line).plain


def test_our_orders_are_shown_however_far_behind_they_are() -> None:
    side = tuple(Rung(Price(5_000 - 100 * tick), Count(100), Count(200 if tick == 6 else 0)) for tick in range(8))

    assert [one.price for one in visible(side, 3)] == [5_000, 4_900, 4_400]
    assert [one.price for one in visible(side, 1)] == [4_400]
    assert visible(side[:2], 5) == side[:2]


def test_what_is_named_is_neither_markup_nor_obeyed() -> None:
    drawn = "\n".join(lines([lane("[/x]\x1b[2J"), lane("[red]b[/red]", *facts())], 140, 40))

    assert r"[/x]\u001b[2J" in drawn
    assert "[red]b[/red]" in drawn
    assert "\x1b" not in drawn


@pytest.mark.parametrize(("quiet", "written"), [(False, "[a line] of it\n"), (True, "")])
def test_lines_are_written_as_they_are_and_not_on_a_quiet_console(quiet: bool, written: str) -> None:
    output = io.StringIO()
    show_lines(Console(file=output, quiet=quiet), "[a line] of it")
    assert output.getvalue() == written


def test_a_line_moves_no_cursor() -> None:
    output = io.StringIO()
    show_lines(Console(file=output, force_terminal=True), "refused: \x1b]0;title\x07 \x9b2J\r\tend")
    assert output.getvalue() == r"refused: \u001b]0;title\u0007 \u009b2J\u000d" + "\tend\n"
