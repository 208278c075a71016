"""The exchange's clock: bounded by what its answers show, narrowed by each, and never followed too far."""

from hypothesis import given
from hypothesis import strategies as st

from depthwalker.core.skew import UNKNOWN_SKEW, WIDEST, Sighting, Skew, correction, sighted
from depthwalker.core.units import SECOND, Micros

NOW = Micros(1_781_159_360_000_000)
OFFSETS = st.integers(-WIDEST, WIDEST)
DELAYS = st.integers(0, 5 * SECOND)
GRAINS = st.sampled_from((1_000, int(SECOND)))


def sighting(offset: int, *, out: int = 0, back: int = 0, grain: int = SECOND, at: int = NOW) -> Sighting:
    """Return what an answer shows that took `out` there and `back` again, from a clock `offset` ahead of ours."""
    shown = at + out + offset
    return Sighting(Micros(shown - shown % grain), Micros(grain), Micros(at), Micros(at + out + back))


def test_nothing_seen_corrects_nothing() -> None:
    assert correction(UNKNOWN_SKEW) == 0


def test_a_clock_that_may_be_right_is_left_alone() -> None:
    assert correction(sighted(UNKNOWN_SKEW, sighting(300_000, out=200_000, back=200_000))) == 0


def test_a_clock_that_is_behind_is_moved_on_by_no_more_than_is_proved() -> None:
    skew = sighted(UNKNOWN_SKEW, sighting(30 * SECOND, out=100_000, back=100_000))

    assert correction(skew) == skew.low
    assert skew.low <= 30 * SECOND <= skew.high
    assert skew.high - skew.low == SECOND + 200_000


def test_a_clock_that_is_ahead_is_moved_back() -> None:
    skew = sighted(UNKNOWN_SKEW, sighting(-30 * SECOND))

    assert correction(skew) == skew.high <= -29 * SECOND


def test_a_millisecond_stamp_narrows_what_whole_seconds_left_open() -> None:
    coarse = sighted(UNKNOWN_SKEW, sighting(10 * SECOND + 400_000))

    assert sighted(coarse, sighting(10 * SECOND + 400_000, grain=1_000)) == Skew(Micros(10_400_000), Micros(10_401_000))


def test_a_clock_that_was_set_is_known_anew_from_the_first_reading_after() -> None:
    before = sighted(UNKNOWN_SKEW, sighting(0, grain=1_000))

    assert sighted(before, sighting(60 * SECOND, grain=1_000)) == Skew(Micros(60 * SECOND), Micros(60_001_000))


def test_bounds_that_meet_are_exact_and_no_contradiction() -> None:
    exact = Sighting(NOW, Micros(0), NOW, NOW)
    assert sighted(UNKNOWN_SKEW, exact) == Skew(Micros(0), Micros(0))
    assert sighted(Skew(Micros(-1_000), Micros(0)), sighting(0, grain=1_000)) == Skew(Micros(0), Micros(0))


def test_a_clock_is_followed_just_as_far_as_the_bound() -> None:
    ahead, behind = sighting(WIDEST), Sighting(Micros(NOW - WIDEST - SECOND), SECOND, NOW, NOW)
    assert correction(sighted(UNKNOWN_SKEW, ahead)) == WIDEST
    assert correction(sighted(UNKNOWN_SKEW, behind)) == -WIDEST


def test_a_reading_of_another_age_changes_nothing() -> None:
    known = sighted(UNKNOWN_SKEW, sighting(SECOND))

    for offset in (WIDEST + 2 * SECOND, -WIDEST - 2 * SECOND):
        assert sighted(known, sighting(offset)) == known


def test_a_reading_during_which_our_own_clock_was_set_back_changes_nothing() -> None:
    impossible = Sighting(NOW, SECOND, NOW, Micros(NOW - 2 * SECOND))

    assert sighted(UNKNOWN_SKEW, impossible) == UNKNOWN_SKEW


@given(OFFSETS, st.lists(st.tuples(DELAYS, DELAYS, GRAINS, st.integers(0, 3_600 * SECOND)), min_size=1, max_size=8))
def test_readings_of_one_clock_only_narrow_and_always_hold_the_truth(
    offset: int, seen: list[tuple[int, int, int, int]]
) -> None:
    skew = UNKNOWN_SKEW
    for out, back, grain, later in seen:
        before = skew
        skew = sighted(skew, sighting(offset, out=out, back=back, grain=grain, at=NOW + later))

        assert before.low <= skew.low <= offset <= skew.high <= before.high
        assert abs(correction(before)) <= abs(correction(skew)) <= abs(offset)


@given(st.lists(st.builds(sighting, OFFSETS, out=DELAYS, back=DELAYS, grain=GRAINS), max_size=8))
def test_no_reading_ever_moves_the_clock_further_than_the_bound(seen: list[Sighting]) -> None:
    skew = UNKNOWN_SKEW
    for one in seen:
        skew = sighted(skew, one)

        assert skew.low <= skew.high
        assert abs(correction(skew)) <= WIDEST
