"""Sessions: what a market shares with others of its event and day, and how many of them a result stands on."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.shell.lab_tapes import drawn_tape

from depthwalker.core.tape import Tape
from depthwalker.core.units import DAY, SECOND, Micros
from depthwalker.shell.lab.session import Session, repeated, session_of, standing_on
from depthwalker.shell.recording import save


@pytest.fixture
def tape() -> Tape:
    return drawn_tape(3)


@pytest.mark.parametrize("name", ["r.jsonl.gz", "r.jsonl", "r.parquet"])
@pytest.mark.parametrize(
    ("ticker", "event"),
    [
        ("INXD-23AUG31-B4487", "INXD-23AUG31"),
        ("BF-1.181223995-1451045", "BF-1.181223995"),
        ("KXX-26JAN01-T-5", "KXX-26JAN01"),
        ("KXX-26JAN01", "KXX-26JAN01"),
        ("T", "T"),
    ],
)
def test_a_recordings_session_is_its_event_and_when_it_was_recorded(
    tape: Tape, tmp_path: Path, name: str, ticker: str, event: str
) -> None:
    start = Micros(1_693_494_000 * SECOND)
    save(replace(tape, ticker=ticker), tmp_path / name, start)

    session = session_of(str(tmp_path / name), tape=replace(tape, ticker=ticker))

    assert session is not None
    assert session == Session(ticker, start, Micros(start + tape.span))
    assert session.event == event


def test_a_synthetic_market_has_none(tape: Tape) -> None:
    assert session_of("thin", tape) is None


def test_markets_have_a_day_in_common_whatever_their_events_are() -> None:
    one = Session("E-1", Micros(10 * DAY), Micros(11 * DAY))  # to the first instant of the next day

    def common(first: int, last: int) -> date | None:
        other = Session("F-2", Micros(first), Micros(last))
        assert one.common_day(other) == other.common_day(one)
        return one.common_day(other)

    assert one.common_day(one) == date(1970, 1, 11)
    assert common(11 * DAY + 1, 12 * DAY) == date(1970, 1, 12)
    assert common(9 * DAY, 10 * DAY) == date(1970, 1, 11)
    assert common(12 * DAY, 13 * DAY) is None
    assert common(8 * DAY, 10 * DAY - 1) is None
    assert common(0, 10 * DAY) is None, "drawn and saved: of no day"


def test_a_market_repeats_where_its_time_is_another_recordings_too() -> None:
    one = Session("E-1-A", Micros(DAY), Micros(2 * DAY))

    assert one.repeats(one)
    assert one.repeats(Session("E-1-A", Micros(2 * DAY - 1), Micros(3 * DAY)))
    assert one.repeats(Session("E-1-A", Micros(1), Micros(DAY + 1)))
    assert not one.repeats(Session("E-1-A", Micros(2 * DAY), Micros(3 * DAY)))  # the next part of a split recording
    assert not one.repeats(Session("E-1-A", Micros(1), Micros(DAY)))
    assert not one.repeats(replace(one, ticker="E-1-B"))
    drawn = Session("E-1-A", Micros(0), Micros(2 * DAY))  # and saved: it is of no time
    assert not drawn.repeats(one)
    assert not one.repeats(drawn)
    assert repeated(one, [("thin", None), ("first", one)]) == (
        "it is of E-1-A at a time at which first is too: each parent counts once"
    )
    assert repeated(one, [("thin", None), ("first", replace(one, ticker="E-1-B"))]) is None
    assert repeated(None, [("first", one)]) is None


def test_markets_of_an_event_and_day_count_once_and_less_than_five_days_are_descriptive() -> None:
    def on(event: str, day: int, days: int = 0) -> Session:
        return Session(event, Micros(day * DAY + 7), Micros((day + days) * DAY + 8))

    assert standing_on([]) == standing_on([None]) == {"sessions": 0, "days": [], "descriptive": True}
    assert standing_on([on("E", 0), on("E", 0), on("F", 0), on("E", 1), None]) == {
        "sessions": 3,
        "days": ["1970-01-01", "1970-01-02"],
        "descriptive": True,
    }
    assert standing_on([on("E", 0), on("F", 1), on("E", 2), on("E", 3), on("E", 4)])["descriptive"] is False
    assert standing_on([on("E", 0, days=4)]) == {
        "sessions": 5,
        "days": [f"1970-01-0{day}" for day in range(1, 6)],
        "descriptive": False,
    }
    assert standing_on([on(event, 0) for event in "ABCDEFG"])["descriptive"] is True
