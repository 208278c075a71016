"""The parents of a paper run: in turn over markets and outcomes, at the offer, and on where they were left."""

from depthwalker.core.book import Book, Leg
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.schedule import Schedule, due, place, ticket_at
from depthwalker.core.units import SECOND, Count, Micros, Price

MARKETS = ("A", "B", "C")
MINUTE = Micros(60 * SECOND)


def test_one_parent_is_due_after_the_other_from_where_the_process_began() -> None:
    schedule = Schedule(10, MINUTE, Count(500))
    assert [due(schedule, number, 7, Micros(1_000)) - 1_000 for number in (7, 8, 10)] == [0, MINUTE, 3 * MINUTE]


def test_the_markets_take_turns_in_one_outcome_and_then_in_the_other() -> None:
    assert [place(number, MARKETS) for number in range(1, 8)] == [
        ("A", Leg.YES),
        ("B", Leg.YES),
        ("C", Leg.YES),
        ("A", Leg.NO),
        ("B", Leg.NO),
        ("C", Leg.NO),
        ("A", Leg.YES),
    ]


def test_a_parent_buys_at_the_best_offer_of_its_outcome() -> None:
    book = Book(((Price(4_400), Count(100)),), ((Price(5_300), Count(200)),), Micros(1))
    assert ticket_at(book, Leg.YES, Count(500)) == Ticket(Leg.YES, Action.BUY, Count(500), Price(4_700))
    assert ticket_at(book, Leg.NO, Count(500)) == Ticket(Leg.NO, Action.BUY, Count(500), Price(5_600))


def test_where_nothing_is_offered_there_is_no_parent() -> None:
    book = Book(((Price(4_400), Count(100)),), (), Micros(1))
    assert ticket_at(book, Leg.YES, Count(500)) is None
    assert ticket_at(book, Leg.NO, Count(500)) is not None
