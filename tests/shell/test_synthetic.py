"""Drawn markets look like the measured ones: what they were calibrated on, within stated factors, for any seed."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from statistics import median

import pytest

from depthwalker.core.book import Leg, within
from depthwalker.core.recording import lines_of, tape_of
from depthwalker.core.tape import Arrive, Replace, Take, Tape, Withdraw, books, hit
from depthwalker.core.units import CENT, CONTRACT, DOLLAR, MILLION, SECOND, Count, Micros, Price
from depthwalker.shell.profiles import LIQUID, MODERATE, PROFILES, THIN, Profile
from depthwalker.shell.synthetic import synthesize

SEEDS = range(4)
SECONDS = 600
BAND = Price(5 * CENT)
MINUTE = 60 * SECOND


@dataclass
class Measured:
    """Time-weighted shares in parts per million, and counts of what happened."""

    spread: Counter[int] = field(default_factory=Counter)  # cents
    weaker: Counter[str] = field(default_factory=Counter)  # class of the weaker side's band
    together: int = 0  # share of time with at least 60 contracts in both bands
    takes: list[Count] = field(default_factory=list)
    same_side: list[bool] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    moves: list[int] = field(default_factory=list)  # of twice the mid, a minute
    events: int = 0


def class_of(weaker: Count) -> str:
    """The rule of the calibration's cross-section: thin < 100 <= moderate < 3000 <= liquid."""
    return "thin" if weaker < 100 * CONTRACT else "moderate" if weaker < 3_000 * CONTRACT else "liquid"


@cache
def measured(name: str) -> Measured:
    found = Measured()
    for seed in SEEDS:
        tape = synthesize(PROFILES[name], seed, SECONDS)
        measure(tape, found)
    return found


def measure(tape: Tape, found: Measured) -> None:
    times = [Micros(0), *(event.at for event in tape.events), tape.span]
    mids: dict[int, int] = {}
    for (start, end), book in zip(pairwise(times), books(tape), strict=True):
        share = (end - start) * MILLION // (tape.span * len(SEEDS))
        found.spread[(DOLLAR - book.yes[0][0] - book.no[0][0]) // CENT] += share
        sides = within(book.yes, BAND), within(book.no, BAND)
        found.weaker[class_of(min(sides))] += share
        found.together += share if sum(sides) >= 60 * CONTRACT else 0
        mids[start // MINUTE] = book.yes[0][0] + DOLLAR - book.no[0][0]
    takes = [(event.flow, book) for event, book in zip(tape.events, books(tape), strict=False)]
    found.events += len(takes)
    sides_taken: list[Leg] = []
    for flow, book in takes:
        if isinstance(flow, Take):
            found.takes.append(flow.count)
            found.levels.append(len(hit(book, flow)))
            sides_taken.append(flow.leg)
    found.same_side += [one is other for one, other in pairwise(sides_taken)]
    found.moves += [after - before for before, after in pairwise(mids.values())]


@pytest.mark.parametrize("name", PROFILES)
class TestEveryProfile:
    def test_the_same_seed_draws_the_same_market(self, name: str) -> None:
        profile = PROFILES[name]
        assert synthesize(profile, 5, 30) == synthesize(profile, 5, 30)
        assert synthesize(profile, 5, 30).events != synthesize(profile, 6, 30).events

    def test_it_is_never_crossed_nor_one_sided_nor_off_the_grid(self, name: str) -> None:
        for seed in range(8):
            tape = synthesize(PROFILES[name], seed, 120)
            for book in books(tape):
                assert book.yes
                assert book.no
                assert book.yes[0][0] + book.no[0][0] < DOLLAR
                assert all(tape.grid.valid(price) for price, _ in book.yes + book.no)

    def test_its_flow_is_what_a_book_can_bear(self, name: str) -> None:
        """Withdrawals find what they take, takers find what they pay for, and times never go back."""
        tape = synthesize(PROFILES[name], 2, 120)
        last = Micros(0)
        for event, book in zip(tape.events, books(tape), strict=False):
            assert last <= event.at <= tape.span
            last = event.at
            match event.flow:
                case Withdraw(leg, price, count):
                    assert 0 < count <= dict(book.bids(leg))[price]
                case Take(count=count) as take:
                    assert sum(taken for _, taken in hit(book, take)) == count > 0
                case Arrive(count=count):
                    assert count > 0
                case Replace():
                    pytest.fail("a synthetic market has no recorder")

    def test_it_can_be_written_down(self, name: str) -> None:
        tape = synthesize(PROFILES[name], 2, 60)
        again = tape_of(tape.ticker, lines_of(tape, Micros(0))).unwrap()
        assert again.opening == tape.opening
        assert list(books(again))[-1] == list(books(tape))[-1]

    def test_its_depth_is_of_its_class_most_of_the_time(self, name: str) -> None:
        assert measured(name).weaker[name] > 850_000

    def test_takers_come_at_their_rate(self, name: str) -> None:
        hour = len(measured(name).takes) * 3_600 // (SECONDS * len(SEEDS))
        assert PROFILES[name].takes_per_hour * 5 // 10 < hour < PROFILES[name].takes_per_hour * 15 // 10

    def test_takers_sizes_are_the_measured_ones(self, name: str) -> None:
        _, low, _, high, *_ = PROFILES[name].takes
        assert low * 7 // 10 <= median(measured(name).takes) <= high

    def test_the_fair_value_moves_as_measured(self, name: str) -> None:
        """Root mean square change of the mid in a minute; thin books add the jumps of their own wide spreads."""
        moves = measured(name).moves
        square = sum(move * move for move in moves) * 2_500 // len(moves)  # of the mid, in the fair value's unit
        assert (PROFILES[name].fair_minute // 2) ** 2 < square < (PROFILES[name].fair_minute * 3) ** 2

    def test_events_come_at_the_measured_pace(self, name: str) -> None:
        touches = PROFILES[name].touches
        pace = 2 * (touches.improve + sum(touches.behind) + touches.deep) * SECONDS * len(SEEDS) // MILLION
        assert pace * 5 // 10 < measured(name).events < pace * 12 // 10


class TestThin:
    def test_spreads_are_several_cents_and_both_sides_together_hold_sixty(self) -> None:
        found = measured("thin")
        assert sum(share for cents, share in found.spread.items() if cents >= 3) > 950_000
        assert sum(share for cents, share in found.spread.items() if cents <= 12) > 850_000
        assert found.together > 950_000

    def test_something_happens_within_forty_seconds(self) -> None:
        assert all(len(synthesize(THIN, seed, 40).events) >= 6 for seed in range(10))


class TestModerate:
    def test_spreads_are_one_to_four_cents(self) -> None:
        found = measured("moderate")
        assert sum(share for cents, share in found.spread.items() if cents <= 4) > 750_000
        assert found.spread[1] < 600_000


class TestLiquid:
    def test_spreads_are_mostly_a_cent(self) -> None:
        found = measured("liquid")
        assert max(found.spread, key=lambda cents: found.spread[cents]) == 1
        assert found.spread[1] + found.spread[2] > 750_000

    def test_thousands_of_trades_an_hour_some_of_them_sweeping(self) -> None:
        found = measured("liquid")
        assert len(found.takes) * 3_600 // (SECONDS * len(SEEDS)) > 1_800

    def test_takers_sides_have_memory(self) -> None:
        same = sum(measured("liquid").same_side) * MILLION // len(measured("liquid").same_side)
        assert abs(2 * same - MILLION - LIQUID.sign_memory) < 80_000

    def test_a_third_of_the_sizes_are_fractional(self) -> None:
        takes = measured("liquid").takes
        fractional = sum(1 for count in takes if count % CONTRACT) * MILLION // len(takes)
        assert abs(fractional - LIQUID.fractional) < 60_000
        assert all(count % CONTRACT == 0 for count in measured("moderate").takes)


@pytest.mark.parametrize("profile", [THIN, MODERATE, LIQUID], ids=PROFILES)
def test_a_profiles_numbers_are_ordered(profile: Profile) -> None:
    for sizes in (profile.adds, profile.removes, profile.takes):
        assert list(sizes) == sorted(sizes)
    assert all(low < high for low, high in profile.bands)
