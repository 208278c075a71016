"""What others did, read from what the book became: nothing is subtracted twice, nothing crosses, and back again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.book import Delta, Ladder, Leg, Snapshot
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.recording import PATIENCE, Body, Line, Print, lines_of, tape_of
from depthwalker.core.tape import (
    Arrive,
    Event,
    Flow,
    Replace,
    Take,
    Tape,
    Unplayable,
    Withdraw,
    books,
    hastened,
    window,
)
from depthwalker.core.units import CENT, DOLLAR, SECOND, Count, Micros, Price

START = Micros(1_700_000_000 * SECOND)


def at(moment: int) -> Micros:
    return Micros(START + moment)


def snapshot(moment: int, yes: int = 300, no: int = 300) -> Snapshot:
    return Snapshot(((Price(4_700), Count(yes)),), ((Price(4_800), Count(no)),), at(moment))


def delta(moment: int, change: int, price: int = 4_800, leg: Leg = Leg.NO) -> Delta:
    return Delta(leg, Price(price), Count(change), at(moment))


def trade(moment: int, count: int, price: int = 5_200, taker: Leg | None = Leg.YES) -> Print:
    return Print(Price(price), Count(count), taker, at(moment))


def read(*bodies: Body) -> Tape:
    return numbered(*((body, None) for body in bodies))


def numbered(*bodies: tuple[Body, int | None]) -> Tape:
    match tape_of("T", [Line(body, seq) for body, seq in bodies]):
        case Success(tape):
            return tape
        case Failure(reason):
            raise AssertionError(reason)


def flows(tape: Tape) -> list[Flow]:
    return [event.flow for event in tape.events]


def refusal(*bodies: Body) -> str:
    match tape_of("T", [Line(body, None) for body in bodies]):
        case Failure(Unplayable(reason)):
            return reason
        case Success():
            raise AssertionError("it played")


TAKE = Take(Leg.YES, Price(5_200), Count(100))


class TestTakes:
    def test_a_trade_and_the_delta_that_reports_it_are_one_take(self) -> None:
        tape = numbered((snapshot(0), None), (delta(1, -100), 7), (trade(1, 100), 7))
        assert flows(tape) == [TAKE]

    def test_what_a_numbered_delta_takes_beyond_its_trade_is_withdrawn(self) -> None:
        tape = numbered((snapshot(0), None), (delta(1, -150), 7), (trade(1, 100), 7))
        assert flows(tape) == [TAKE, Withdraw(Leg.NO, Price(4_800), Count(50))]

    @pytest.mark.parametrize("taker", [Leg.YES, None])
    def test_a_trade_stamped_later_than_the_delta_that_it_names_is_one_take_when_that_came(
        self, taker: Leg | None
    ) -> None:
        late = trade(SECOND, 100, taker=taker)
        tape = numbered((snapshot(0), None), (delta(1, -100), 7), (delta(5, -20), 8), (snapshot(9), None), (late, 7))
        assert tape.events[0] == Event(Micros(1), TAKE)
        assert flows(tape)[1:] == [
            Withdraw(Leg.NO, Price(4_800), Count(20)),
            Replace(snapshot(9).yes, snapshot(9).no),
        ]

    def test_a_trade_without_a_number_is_owed_by_what_follows_and_not_by_what_went_before(self) -> None:
        tape = read(snapshot(0), delta(1, -100), trade(9, 100), delta(12, -100))
        assert tape.events == (Event(Micros(1), Withdraw(Leg.NO, Price(4_800), Count(100))), Event(Micros(9), TAKE))

    @pytest.mark.parametrize("told", [True, False])
    @pytest.mark.parametrize("taker", list(Leg))
    def test_a_sweep_meets_the_levels_best_first_however_its_message_lists_the_trades(
        self, taker: Leg, told: bool
    ) -> None:
        bids = tuple((Price(price), Count(300)) for price in (4_600, 4_700))
        met, prices = taker.other(), (4_600, 4_700) if taker is Leg.NO else (5_400, 5_300)
        sweep = [
            trade(1, count, price, taker if told else None) for count, price in zip((50, 300), prices, strict=True)
        ]
        emptied = [delta(1, -50, 4_600, met), delta(1, -300, 4_700, met)]
        tape = read(Snapshot(bids, bids, at(0)), *emptied, *sweep)
        assert flows(tape) == [Take(taker, Price(5_300), Count(300)), Take(taker, Price(5_400), Count(50))]

    def test_later_trades_of_one_delta_take_together_what_it_took(self) -> None:
        late = ((trade(9, 40), 7), (trade(9, 60), 7))
        tape = numbered((snapshot(0), None), (delta(1, -110), 7), *late)
        taken = [Take(Leg.YES, Price(5_200), Count(count)) for count in (40, 60)]
        assert flows(tape) == [*taken, Withdraw(Leg.NO, Price(4_800), Count(10))]
        assert {event.at for event in tape.events} == {1}

    def test_one_number_may_stand_for_several_levels(self) -> None:
        lower = ((Price(4_800), Count(300)), (Price(4_700), Count(300)))
        deltas = ((delta(1, -300), 7), (delta(1, -50, 4_700), 7))
        opening = Snapshot(((Price(4_700), Count(300)),), lower, at(0))
        tape = numbered((opening, None), *deltas, (trade(9, 300), 7), (trade(9, 50, 5_300), 7))
        assert tape.events == (
            Event(Micros(1), Take(Leg.YES, Price(5_200), Count(300))),
            Event(Micros(1), Take(Leg.YES, Price(5_300), Count(50))),
        )

    def test_a_trade_that_names_a_delta_before_the_first_book_is_left_out_with_it(self) -> None:
        tape = numbered((delta(0, -100), 7), (snapshot(1), None), (trade(2, 100), 7), (delta(3, 5), 8))
        assert flows(tape) == [Arrive(Leg.NO, Price(4_800), Count(5))]

    @pytest.mark.parametrize(
        ("change", "trades"),
        [
            (-100, (trade(9, 101),)),  # more than it took
            (-100, (trade(9, 100), trade(9, 1))),
            (-100, (trade(9, 100, 5_300),)),  # at another price
            (-100, (trade(9, 100, taker=Leg.NO),)),  # of another side
            (100, (trade(9, 100),)),
        ],
    )
    def test_a_trade_that_its_delta_does_not_report_happens_when_it_says(
        self, change: int, trades: tuple[Print, ...]
    ) -> None:
        tape = numbered((snapshot(0), None), (delta(1, change), 7), *((one, 7) for one in trades))
        last = trades[-1]
        assert last.taker is not None
        limit = last.yes_price if last.taker is Leg.YES else Price(DOLLAR - last.yes_price)
        assert tape.events[-1] == Event(Micros(9), Take(last.taker, limit, last.count))

    @pytest.mark.parametrize("bodies", [(trade(1, 100), delta(1, -100)), (delta(1, -100), trade(1, 100))])
    def test_a_trade_in_the_message_of_its_delta_is_subtracted_once(self, bodies: tuple[Body, ...]) -> None:
        assert flows(read(snapshot(0), *bodies)) == [TAKE]

    def test_a_trade_before_its_delta_is_owed_until_then(self) -> None:
        tape = read(snapshot(0), trade(1, 100), delta(9, -60), delta(10, -60))
        assert flows(tape) == [TAKE, Withdraw(Leg.NO, Price(4_800), Count(20))]

    def test_two_debts_at_a_level_are_paid_oldest_first(self) -> None:
        tape = read(snapshot(0), trade(1, 100), trade(2, 50), delta(9, -120), delta(10, -30))
        assert flows(tape) == [TAKE, Take(Leg.YES, Price(5_200), Count(50))]

    def test_a_debt_is_paid_by_its_own_level_only(self) -> None:
        tape = read(snapshot(0), trade(1, 100), delta(2, -50, 4_700, Leg.YES))
        assert flows(tape)[1] == Withdraw(Leg.YES, Price(4_700), Count(50))

    def test_what_is_not_paid_in_time_returns_to_its_level(self) -> None:
        tape = read(snapshot(0), trade(1, 100), delta(1 + PATIENCE, 5, 100))
        assert flows(tape)[1:] == [Arrive(Leg.NO, Price(4_800), Count(100)), Arrive(Leg.NO, CENT, Count(5))]

    def test_what_returned_returns_once(self) -> None:
        tape = read(snapshot(0), trade(1, 100), delta(1 + PATIENCE, 5, 100), delta(1 + 2 * PATIENCE, 5, 100))
        assert flows(tape)[1:] == [
            Arrive(Leg.NO, Price(4_800), Count(100)),
            Arrive(Leg.NO, CENT, Count(5)),
            Arrive(Leg.NO, CENT, Count(5)),
        ]

    def test_what_was_paid_in_full_does_not_return(self) -> None:
        tape = read(snapshot(0), trade(1, 100), delta(2, -100), delta(1 + PATIENCE, 5, 100))
        assert flows(tape)[1:] == [Arrive(Leg.NO, CENT, Count(5))]

    def test_a_snapshot_settles_every_debt(self) -> None:
        tape = read(snapshot(0), trade(1, 100), snapshot(1, no=200), delta(9, -200))
        replaced = Replace(((Price(4_700), Count(300)),), ((Price(4_800), Count(200)),))
        assert flows(tape) == [TAKE, replaced, Withdraw(Leg.NO, Price(4_800), Count(200))]

    @pytest.mark.parametrize(("price", "taker"), [(5_200, Leg.YES), (5_300, Leg.YES), (4_700, Leg.NO), (4_600, Leg.NO)])
    def test_an_unknown_taker_is_read_from_the_side_that_was_hit(self, price: int, taker: Leg) -> None:
        (take,) = flows(read(snapshot(0), trade(1, 100, price, None)))
        assert take == Take(taker, Price(price if taker is Leg.YES else DOLLAR - price), Count(100))

    def test_an_unknown_taker_inside_the_spread_is_skipped(self) -> None:
        assert flows(read(snapshot(0), trade(1, 100, 5_000, None))) == []

    def test_an_unknown_taker_in_an_empty_book_is_skipped(self) -> None:
        assert flows(read(snapshot(0), Snapshot((), (), at(1)), trade(2, 100, 5_000, None)))[1:] == []


class TestMessages:
    def test_deltas_become_arrivals_and_withdrawals_in_their_order(self) -> None:
        tape = read(snapshot(0), delta(1, 50), delta(2, -350), delta(2, 10))
        assert [(event.at, event.flow) for event in tape.events] == [
            (1, Arrive(Leg.NO, Price(4_800), Count(50))),
            (2, Withdraw(Leg.NO, Price(4_800), Count(350))),
            (2, Arrive(Leg.NO, Price(4_800), Count(10))),
        ]

    @pytest.mark.parametrize("price", [5_200, 5_300])
    def test_what_crosses_within_a_message_waits_for_its_end(self, price: int) -> None:
        tape = read(snapshot(0), delta(1, 70, price, Leg.YES), delta(1, -300))
        assert flows(tape) == [
            Withdraw(Leg.NO, Price(4_800), Count(300)),
            Arrive(Leg.YES, Price(price), Count(70)),
        ]

    def test_of_what_waits_the_decreases_come_first(self) -> None:
        tape = read(snapshot(0), delta(1, 1, 5_300, Leg.YES), delta(1, -350), delta(1, 50))
        assert flows(tape) == [
            Arrive(Leg.NO, Price(4_800), Count(50)),
            Withdraw(Leg.NO, Price(4_800), Count(350)),
            Arrive(Leg.YES, Price(5_300), Count(1)),
        ]

    @pytest.mark.parametrize("numbers", [(1, 2), (None, 1)])
    def test_another_number_is_another_message(self, numbers: tuple[int | None, int]) -> None:
        crossing, clearing = delta(1, 70, 5_300, Leg.YES), delta(1, -300)
        lines = [Line(snapshot(0), None), Line(crossing, numbers[0]), Line(clearing, numbers[1])]
        assert tape_of("T", lines) == Failure(Unplayable("its book is crossed 0 s after its start"))

    def test_a_delta_of_nothing_is_nothing_and_one_of_a_hundredth_is_flow(self) -> None:
        tape = read(snapshot(0), delta(1, 0), delta(2, 1), delta(3, -1))
        assert flows(tape) == [
            Arrive(Leg.NO, Price(4_800), Count(1)),
            Withdraw(Leg.NO, Price(4_800), Count(1)),
        ]

    def test_a_bid_may_stand_at_the_lowest_and_the_highest_price_that_there_is(self) -> None:
        lowest, highest = Price(1), Price(DOLLAR - 1)
        tape = read(
            Snapshot(((lowest, Count(5)),), ((lowest, Count(5)),), at(0)), Snapshot(((highest, Count(5)),), (), at(1))
        )
        assert (tape.opening.yes, flows(tape)) == (((lowest, 5),), [Replace(((highest, Count(5)),), ())])

    def test_what_waits_and_leaves_again_never_was(self) -> None:
        tape = read(snapshot(0), delta(1, 70, 5_300, Leg.YES), delta(1, -70, 5_300, Leg.YES), delta(2, 5))
        assert flows(tape) == [Arrive(Leg.NO, Price(4_800), Count(5))]

    def test_lines_of_the_first_moment_are_part_of_the_opening(self) -> None:
        tape = read(snapshot(0), delta(0, 50), delta(1, 1))
        assert tape.opening.no == ((4_800, 350),)
        assert len(tape.events) == 1
        assert (tape.span, tape.grid, tape.ticker) == (1, CENT_GRID, "T")

    def test_lines_before_the_first_book_are_left_out(self) -> None:
        assert flows(read(trade(0, 1), delta(1, 5), snapshot(2), delta(3, 5))) == [
            Arrive(Leg.NO, Price(4_800), Count(5))
        ]


class TestRefusals:
    def test_an_empty_recording(self) -> None:
        assert refusal() == "it is empty"

    def test_trades_without_a_book(self) -> None:
        assert refusal(trade(0, 1), trade(1, 1)) == "there is no book in it, only trades"

    def test_a_book_that_never_has_both_sides(self) -> None:
        assert refusal(snapshot(0, no=0), delta(1, 5, 4_600, Leg.YES)) == "its book never has both sides"

    @pytest.mark.parametrize("body", [snapshot(0, yes=-1), trade(1, -5)])
    def test_a_negative_size(self, body: Body) -> None:
        assert refusal(snapshot(0), body) == "it has a negative size"

    @pytest.mark.parametrize("leg", list(Leg))
    def test_a_level_told_twice(self, leg: Leg) -> None:
        level, twice = (Price(4_700), Count(1)), (Price(4_800), Count(3))
        told = {leg: (twice, level, twice), leg.other(): (level,)}
        assert refusal(Snapshot(told[Leg.YES], told[Leg.NO], at(0))) == "it has a book with two sizes at one price"

    def test_a_level_driven_below_zero(self) -> None:
        where = "the no bid at 0.4800, where 3.00 rest: a negative size"
        assert refusal(snapshot(0), delta(3 * SECOND, -400)) == f"3 s after its start it takes 4.00 from {where}"

    @pytest.mark.parametrize("price", [0, 10_000, -100])
    def test_a_price_that_no_market_has(self, price: int) -> None:
        assert "not between 0 and 1" in refusal(snapshot(0), delta(1, 5, price))

    def test_a_book_that_stays_crossed(self) -> None:
        assert refusal(snapshot(0), delta(SECOND, 1, 5_300, Leg.YES)) == "its book is crossed 1 s after its start"

    def test_a_snapshot_that_is_crossed(self) -> None:
        crossed = Snapshot(((Price(6_000), Count(1)),), ((Price(4_000), Count(1)),), at(0))
        assert refusal(crossed) == "its book is crossed 0 s after its start"


counts = st.integers(1, 400).map(Count)
tidy = st.one_of(
    st.builds(Arrive, st.sampled_from(Leg), st.sampled_from([Price(4_600), Price(4_700)]), counts),
    st.builds(Withdraw, st.sampled_from(Leg), st.sampled_from([Price(4_600), Price(4_700)]), counts),
    st.builds(Take, st.sampled_from(Leg), st.sampled_from([Price(5_300), Price(5_400)]), counts),
    st.builds(
        Replace,
        st.just(((Price(4_700), Count(300)),)),
        st.just(((Price(4_800), Count(300)), (Price(4_700), Count(20)))),
    ),
)


@given(st.lists(st.tuples(st.integers(0, 3 * SECOND), tidy), max_size=25))
def test_a_tape_written_down_and_read_again_has_the_same_book_at_every_instant(drawn: list[tuple[int, Flow]]) -> None:
    moment = Micros(0)
    events: list[Event] = []
    for gap, flow in drawn:
        moment = Micros(moment + gap)
        events.append(Event(moment, flow))
    opening = read(snapshot(0), delta(0, 50)).opening
    tape = Tape("T", CENT_GRID, opening, tuple(events), moment)
    match tape_of("T", lines_of(tape, START)):
        case Success(again):
            assert states(again) == states(tape)
        case Failure(reason):
            pytest.fail(reason.reason)


def test_what_is_not_known_of_the_takers_is_counted() -> None:
    told, inferred = trade(1, 100), replace(trade(2, 50), inferred=True)
    by_the_book, inside = trade(3, 10, taker=None), trade(4, 10, 5_000, None)
    for bodies, guessed, untold in (
        ((told,), 0, 0),
        ((told, inferred, by_the_book, inside), 2, 1),
        ((inside, inside), 0, 2),
        ((replace(inside, inferred=True),), 0, 1),
    ):
        tape = read(snapshot(0), *bodies)
        assert (tape.guessed, tape.untold) == (guessed, untold)
        assert len(tape.events) == len(bodies) - untold
        assert (window(tape, Micros(0), tape.span).guessed, hastened(tape, 2_000).untold) == (guessed, untold)
    reported = numbered((snapshot(0), None), (delta(1, -100), 7), (replace(trade(9, 100, taker=None)), 7))
    assert (reported.guessed, reported.untold) == (0, 0), "its delta tells its side"


def test_a_tape_is_written_as_numbered_lines_a_trade_with_its_delta() -> None:
    book = read(snapshot(0), delta(0, 50)).opening
    arrival = Arrive(Leg.YES, Price(4_600), Count(5))
    tape = Tape("T", CENT_GRID, book, (Event(Micros(1), TAKE), Event(Micros(2), arrival)), Micros(2))
    assert list(lines_of(tape, START)) == [
        Line(Snapshot(book.yes, book.no, START), None),
        Line(delta(1, -100), 1),
        Line(trade(1, 100), 1),
        Line(delta(2, 5, 4_600, Leg.YES), 2),
    ]


def states(tape: Tape) -> dict[Micros, tuple[Ladder, Ladder]]:
    """Return the book at the end of each instant at which it changes."""
    times = [Micros(0), *(event.at for event in tape.events)]
    last = {moment: (book.yes, book.no) for moment, book in zip(times, books(tape), strict=True)}
    befores = [None, *last.values()]
    return {moment: state for (moment, state), before in zip(last.items(), befores, strict=False) if state != before}
