"""The parents of a paper run: which is due when, in which market, of which outcome and at what price.

Numbered from 1, so that a run that was stopped goes on with the number after the last one that began.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from depthwalker.core.book import Book, Leg, ladders
from depthwalker.core.parent import Action, Ticket
from depthwalker.core.units import Count, Micros


@dataclass(frozen=True, slots=True)
class Schedule:
    """So many parents in all, one `every` so often, each of `count` contracts."""

    parents: int
    every: Micros
    count: Count


def due(schedule: Schedule, number: int, first: int, begun: Micros) -> Micros:
    """Return when a parent is due in a process that began with number `first` at `begun`."""
    return Micros(begun + (number - first) * schedule.every)


def place(number: int, markets: Sequence[str]) -> tuple[str, Leg]:
    """Return a parent's market and outcome: the markets in turn, then the same in the other outcome."""
    turn, market = divmod(number - 1, len(markets))
    return markets[market], (Leg.YES, Leg.NO)[turn % 2]


def ticket_at(book: Book, leg: Leg, count: Count) -> Ticket | None:
    """Return the parent that buys at the best offer of this book, or None where nothing is offered."""
    offers = ladders(book, leg).offers
    return Ticket(leg, Action.BUY, count, offers[0][0]) if offers else None
