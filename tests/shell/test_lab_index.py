"""Looking up a tape gives what stepping through it gives: every book, every level's history, every window of flow."""

import random
from copy import copy, deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shell.lab_tapes import drawn_tape

from depthwalker.core.book import Book, Leg
from depthwalker.core.flow import NO_HISTORY, WINDOW, Flow, flow, observe
from depthwalker.core.tape import Arrive, Replace, Take, Tape, books, resting
from depthwalker.core.units import DOLLAR, Count, Micros, Price
from depthwalker.shell.lab.columns import columns_of, flattened
from depthwalker.shell.lab.index import Index, Unread
from depthwalker.shell.lab.market import ORIGIN

SEEDS = st.integers(0, 10**6)


def drawn(seed: int) -> tuple[Tape, tuple[Book, ...], Index]:
    tape = flattened(drawn_tape(seed, events=200))
    return tape, tuple(books(tape)), Index(columns_of(tape))


@given(SEEDS)
def test_a_flattened_tape_has_the_same_books_and_no_snapshot(seed: int) -> None:
    tape = drawn_tape(seed)
    flat = flattened(tape)
    assert not any(isinstance(event.flow, Replace) for event in flat.events)
    last = {event.at: (book.yes, book.no) for event, book in zip(tape.events, tuple(books(tape))[1:], strict=True)}
    again = {event.at: (book.yes, book.no) for event, book in zip(flat.events, tuple(books(flat))[1:], strict=True)}
    assert all(again.get(at, book) == book for at, book in last.items())
    assert flattened(flat) is flat


@given(SEEDS)
def test_the_book_after_any_event(seed: int) -> None:
    tape, stepped, index = drawn(seed)
    for number, book in enumerate(stepped):
        for leg in Leg:
            assert index.sides[leg].ladder(number) == book.bids(leg)
    assert index.before(Micros(ORIGIN - 1)) == 0
    assert index.before(index.end()) == len(tape.events)


@given(SEEDS)
def test_the_history_of_a_level(seed: int) -> None:
    _, stepped, index = drawn(seed)
    chance = random.Random(seed)
    for leg in Leg:
        side = index.sides[leg]
        for price in (*(level[0] for level in stepped[0].bids(leg)), Price(100)):
            counts = [resting(book, leg, price) for book in stepped]
            since = chance.randrange(len(counts))
            until = chance.randrange(since, len(counts))
            assert side.count(price, until) == counts[until]
            assert side.lowest(price, since, until) == min(counts[since : until + 1])
            steps = side.steps(price, since, until)
            assert (steps[0], steps[-1]) == (counts[since], counts[until])
            assert len(steps) == 1 + sum(
                resting(stepped[n], leg, price) != resting(stepped[n + 1], leg, price) for n in range(since, until)
            )


@given(SEEDS)
def test_additions_and_takers(seed: int) -> None:
    tape, stepped, index = drawn(seed)
    flows = [event.flow for event in tape.events]
    assert index.trades() == sum(isinstance(one, Take) for one in flows)
    for leg in Leg:
        side = index.sides[leg]
        arrived = [(n, f.price, f.count) for n, f in enumerate(flows) if isinstance(f, Arrive) and f.leg is leg]
        assert side.added(0, 0, len(flows)) == arrived
        assert side.added(4_700, 10, 60) == [row for row in arrived if row[1] >= 4_700 and 10 <= row[0] < 60]
        takers = [
            (n, f.count, DOLLAR - f.limit) for n, f in enumerate(flows) if isinstance(f, Take) and f.leg is not leg
        ]
        assert [(taken.event, taken.count, taken.floor) for taken in side.taken(DOLLAR, 0, len(flows))] == takers
        for taken in side.taken(DOLLAR, 0, len(flows)):
            before, after = stepped[taken.event], stepped[taken.event + 1]
            assert taken.hits == tuple(
                (price, count - resting(after, leg, price))
                for price, count in before.bids(leg)
                if count != resting(after, leg, price)
            )


def test_a_market_without_events_can_be_looked_up() -> None:
    tape = Tape("T", drawn_tape(1).grid, Book((), ((Price(4_000), Count(5)),), Micros(0)), (), Micros(10))
    index = Index(columns_of(tape))
    assert index.sides[Leg.YES].ladder(0) == ()
    assert index.sides[Leg.NO].ladder(0) == ((Price(4_000), Count(5)),)
    assert index.trades() == 0
    assert index.last_trade(index.end()) == 0
    empty = observe(NO_HISTORY, tape.opening, ORIGIN)
    assert index.flow(Leg.NO, index.end()) == flow(empty, Leg.NO, index.end())
    late = Micros(index.end() + WINDOW)
    assert index.flow(Leg.YES, late) == flow(empty, Leg.YES, late)


def test_a_window_is_worked_out_when_it_is_first_read() -> None:
    told: list[Flow] = []

    def work_out() -> Flow:
        told.append(Flow(Count(1), Count(2), Count(3), Count(4), Count(5), Count(6), (Count(7),)))
        return told[-1]

    unread = Unread(work_out)
    assert not told
    assert (unread.suppliers, unread.volumes, unread.rivals) == (2, (7,), 1)
    assert len(told) == 1
    assert unread == told[0] == unread
    assert unread != replace(told[0], rivals=Count(9))
    assert hash(unread) == hash(told[0])


def test_a_copy_of_a_window_is_a_plain_one() -> None:
    flow = Flow(Count(1), Count(2), Count(3), Count(4), Count(5), Count(6), (Count(7),))
    unread = Unread(lambda: flow)
    assert type(copy(unread)) is type(deepcopy(unread)) is Flow
    assert copy(unread) == deepcopy(unread) == flow
    with pytest.raises(AttributeError):
        _ = unread.price
