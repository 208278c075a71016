"""The order book as an immutable value, and the one function that turns it into *our* two ladders.

Kalshi lists bids only, of both legs (fact sheet, section 4): a bid for NO at p is an offer of YES at 1 - p. The core always
*buys a leg*: buying YES and selling NO acquire the YES leg, buying NO and selling YES the NO leg. `ladders` gives the
queue we would join and the offers we could take, both best first and in the price of the leg we acquire; after it nothing
in the core says yes or no.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, assert_never

from depthwalker.core.units import DOLLAR, Count, Micros, Price

Level: TypeAlias = tuple[Price, Count]  # a plain tuple: a hundred of them are built a message
Ladder: TypeAlias = tuple[Level, ...]  # best first, no price twice, every count positive


class Leg(Enum):
    """The leg of the binary contract that an order acquires."""

    YES = "yes"
    NO = "no"

    def other(self) -> "Leg":
        """Return the opposite leg."""
        return Leg.NO if self is Leg.YES else Leg.YES

    def framed(self, price: Price) -> Price:
        """Return a price of this leg on the scale of YES, and the other way round."""
        return price if self is Leg.YES else Price(DOLLAR - price)


@dataclass(frozen=True, slots=True)
class Book:
    """Resting bids of both legs, best (highest) first, as of `at`."""

    yes: Ladder
    no: Ladder
    at: Micros

    def bids(self, leg: Leg) -> Ladder:
        """Return the resting bids for a leg."""
        return self.yes if leg is Leg.YES else self.no


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole book anew; levels in any order."""

    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    at: Micros


@dataclass(frozen=True, slots=True)
class Delta:
    """A change of the count resting at one price of one leg."""

    leg: Leg
    price: Price
    change: Count
    at: Micros


BookMessage: TypeAlias = Snapshot | Delta


@dataclass(frozen=True, slots=True)
class Gap:
    """The message does not fit the book: the book is wrong and must be read again."""

    reason: str


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """What one order of our account may rest in the book: the leg it acquires, its price there, its count."""

    leg: Leg
    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Ladders:
    """Our two ladders in the price of the leg we acquire: `queue` descends from the best bid, `offers` ascend."""

    queue: Ladder
    offers: Ladder

    def crossed(self) -> bool:
        """Return whether the best bid meets the best offer, which no live book does."""
        return bool(self.queue and self.offers) and self.queue[0][0] >= self.offers[0][0]

    def spread(self) -> Price | None:
        """Return best offer less best bid, or None where a side is missing."""
        return Price(self.offers[0][0] - self.queue[0][0]) if self.queue and self.offers else None

    def twice_mid(self) -> Price | None:
        """Return best bid plus best offer (the mid, doubled so that it stays a whole number)."""
        return Price(self.offers[0][0] + self.queue[0][0]) if self.queue and self.offers else None


EMPTY: Final = Book((), (), Micros(0))


def apply(book: Book, message: BookMessage) -> Book | Gap:
    """Return the book after a message, or the gap that it reveals."""
    match message:
        case Snapshot(yes, no, at):
            return Book(best_first(yes), best_first(no), at)
        case Delta(Leg.YES, price, change, at):
            levels = _changed(book.yes, price, change)
            return levels if isinstance(levels, Gap) else Book(levels, book.no, at)
        case Delta(_, price, change, at):
            levels = _changed(book.no, price, change)
            return levels if isinstance(levels, Gap) else Book(book.yes, levels, at)
        case _ as never:
            assert_never(never)


def best_first(levels: Iterable[Level]) -> Ladder:
    """Return bids sorted from the highest price down, without empty levels."""
    return tuple(sorted((level for level in levels if level[1] > 0), reverse=True))


def ladders(book: Book, leg: Leg) -> Ladders:
    """Return the queue we would join and the offers we could take when we acquire `leg`."""
    return Ladders(book.bids(leg), complement(book.bids(leg.other())))


def complement(bids: Ladder) -> Ladder:
    """Return the offers that the other leg's bids amount to: 1 - p, best first on either side."""
    return tuple([(Price(DOLLAR - price), count) for price, count in bids])


def without(book: Book, own: Iterable[OwnOrder]) -> Book:
    """Return the book with our own orders taken out; a level never goes below zero."""
    yes, no = book.yes, book.no
    for order in own:
        if order.leg is Leg.YES:
            yes = _reduced(yes, order.price, order.count)
        else:
            no = _reduced(no, order.price, order.count)
    return Book(yes, no, book.at)


def within(ladder: Ladder, distance: Price) -> Count:
    """Return how many contracts rest within `distance` of the ladder's best price, that distance included."""
    if not ladder:
        return Count(0)
    best = ladder[0][0]

    def away(level: Level) -> int:
        return abs(level[0] - best)

    return Count(sum([count for _, count in ladder[: bisect_right(ladder, int(distance), key=away)]]))


def _place(bids: Ladder, price: Price) -> int:
    return bisect_left(bids, -price, key=_descending)


def _descending(level: Level) -> int:
    return -level[0]


def _changed(bids: Ladder, price: Price, change: Count) -> Ladder | Gap:
    index = _place(bids, price)
    found = index < len(bids) and bids[index][0] == price
    count = (bids[index][1] if found else 0) + change
    if count < 0:
        return Gap(f"a delta of {change} leaves {count} at {price}")
    level: Ladder = ((price, Count(count)),) if count else ()
    return bids[:index] + level + bids[index + found :]


def _reduced(bids: Ladder, price: Price, count: Count) -> Ladder:
    index = _place(bids, price)
    if index == len(bids) or bids[index][0] != price:
        return bids
    left = max(0, bids[index][1] - count)
    level: Ladder = ((price, Count(left)),) if left else ()
    return bids[:index] + level + bids[index + 1 :]
