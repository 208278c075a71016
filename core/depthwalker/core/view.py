"""One consistent, bounded look at the world, with our own orders taken out: all that a decision may see.

It is journalled with each decision that acts, so it holds ten levels a side and aggregates instead of the whole book.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

from depthwalker.core.book import Book, Ladder, Ladders, Leg, Level, OwnOrder, complement, within, without
from depthwalker.core.depth import BAND
from depthwalker.core.fees import FeeRates
from depthwalker.core.flow import Flow, History, flow, supplied
from depthwalker.core.grid import PriceGrid
from depthwalker.core.units import DOLLAR, Count, Micros, Price

LEVELS: Final = 10
NOTHING: Final = Count(0)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What bears on a decision besides the book: grid and fees in force (acquired leg), budget, load, recent slippage.

    `troubles` are requests that failed or were never answered within the last minute: this process's, and those of others.
    `over`: the market takes no order any more, for good.
    """

    grid: PriceGrid
    rates: FeeRates
    tokens: int
    walkers: int
    max_walkers: int
    ema_slippage: int
    open: bool
    troubles: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order of this execution in its queue: `ahead` of it stood so many contracts when it joined at `since`."""

    split: int
    price: Price
    ahead: Count
    since: Micros


@dataclass(frozen=True, slots=True)
class Passage:
    """Contracts that traded past the queue before a split's order, so that it should have them; `at` the latest trade."""

    split: int
    count: Count
    at: Micros


@dataclass(frozen=True, slots=True)
class View:
    """The market at `now`, in prices of the leg we acquire; `book_at` is when the book was read (0: never).

    `queue_near` and `offers_near` count the contracts within five cents of the best, `reach` the offers up to the cap;
    all three from the whole book. `ahead` estimates, by split, the contracts still before our order in its queue;
    `passages` what went by it since it joined. An order at `own_offer` or above would meet one of the account's own, after it
    has taken the `own_after` contracts of others that came before that one at its price; `own_waits`: another execution of the
    account waits until our orders have gone.
    """

    now: Micros
    book_at: Micros
    ladders: Ladders
    queue_near: Count
    offers_near: Count
    reach: Count
    flow: Flow
    conditions: Conditions
    ahead: tuple[tuple[int, Count], ...]
    passages: tuple[Passage, ...] = ()
    own_offer: Price | None = None
    own_after: Count = NOTHING
    own_waits: bool = False

    def best_bid(self) -> Price | None:
        """Return the best price that others bid for our leg."""
        return self.ladders.queue[0][0] if self.ladders.queue else None

    def best_offer(self) -> Price | None:
        """Return the best price at which our leg is offered."""
        return self.ladders.offers[0][0] if self.ladders.offers else None

    def before(self, split: int, price: Price) -> Count:
        """Return the contracts of others that a split's order at `price` waits for: at better prices, and before it in its queue."""
        better = sum(count for level, count in self.ladders.queue if level > price)
        return Count(better + dict(self.ahead).get(split, queue_at(self.ladders.queue, price)))

    def trouble(self, stale_after: Micros) -> str:
        """Return why this book must neither be taken nor walked on, or nothing."""
        if self.book_at == 0:
            return "no book yet"
        if self.now - self.book_at > stale_after:
            return "stale book"
        return "crossed book" if self.ladders.crossed() else ""


def look(
    book: Book,
    history: History,
    leg: Leg,
    cap: Price,
    own: tuple[OwnOrder, ...],
    waiting: tuple[Waiting, ...],
    conditions: Conditions,
    now: Micros,
    standing: tuple[Waiting, ...] = (),
    *,
    own_waits: bool = False,
) -> View:
    """Return the view of one execution. `own` are all orders of the account in that market, at every price they may have.

    `standing` and `own_waits` are what `siblings` says of the account's other executions.
    """
    seen = without(book, own)
    queue, bids = seen.bids(leg), seen.bids(leg.other())  # offers are those bids at 1 - p: only what is shown is turned
    passed = [(order, supplied(history, leg, order.price, order.since)) for order in waiting]
    return View(
        now=now,
        book_at=book.at,
        ladders=Ladders(queue[:LEVELS], complement(bids[:LEVELS])),
        queue_near=within(queue, BAND),
        offers_near=within(bids, BAND),
        reach=_reach(bids, cap),
        flow=flow(history, leg, now),
        conditions=conditions,
        ahead=tuple([(order.split, _ahead(order, count, queue)) for order, count in passed]),
        passages=tuple([passage for order, count in passed for passage in _passages(order, count, history)]),
        own_offer=own_offer(standing),
        own_after=_own_after(standing, history, leg.other(), bids) if standing else NOTHING,
        own_waits=own_waits,
    )


def own_offer(standing: tuple[Waiting, ...]) -> Price | None:
    """Return the lowest price at which one of these orders for the other leg is an offer of ours, or None."""
    return Price(DOLLAR - max([order.price for order in standing])) if standing else None


def queue_at(queue: Ladder, price: Price) -> Count:
    """Return the contracts of others that rest at exactly `price`: what an order that joins now has to wait for."""
    place = bisect_left(queue, -price, key=_descending)
    return queue[place][1] if place < len(queue) and queue[place][0] == price else Count(0)


def _reach(bids: Ladder, cap: Price) -> Count:
    """Return what `depth.reach` finds in the offers that the other leg's bids amount to."""
    return Count(sum([count for _, count in bids[: bisect_right(bids, cap - DOLLAR, key=_descending)]]))


def _descending(level: Level) -> int:
    return -level[0]


def _ahead(order: Waiting, passed: Count, queue: Ladder) -> Count:
    """Return the queue before an order, pessimistically: trades at its price shorten it, cancels only to what is there."""
    return Count(max(0, min(order.ahead - passed, queue_at(queue, order.price))))


def _own_after(standing: tuple[Waiting, ...], history: History, leg: Leg, queue: Ladder) -> Count:
    """Return the contracts of others that come before the first of our orders for that leg at the highest of their prices."""
    highest = max([order.price for order in standing])
    first = [order for order in standing if order.price == highest]
    return min([_ahead(order, supplied(history, leg, highest, order.since), queue) for order in first])


def _passages(order: Waiting, passed: Count, history: History) -> tuple[Passage, ...]:
    past = Count(passed - order.ahead)
    return (Passage(order.split, past, history.trades[-1].at),) if past > 0 else ()
