"""Small tapes for the laboratory's tests: drawn at random from a seed, busy enough that something happens to an order."""

import random
from dataclasses import replace
from typing import Final

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import Book, Leg, best_first
from depthwalker.core.config import DEFAULT_EXECUTION, ExecutionConfig
from depthwalker.core.fees import STANDARD
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.parent import Action, Holding, Identity, Parent, Ticket, admit
from depthwalker.core.tape import Arrive, Event, Flow, Replace, Take, Tape, Withdraw, after
from depthwalker.core.units import CENT, CONTRACT, DOLLAR, SECOND, Count, Micros, Price
from depthwalker.shell.lab.market import ORIGIN

SPAN: Final = Micros(60 * SECOND)
START: Final = Micros(ORIGIN + 5 * SECOND)
IDENTITY: Final = Identity("0badcafe", "0123456789abcdef" * 2)


def drawn_tape(seed: int, events: int = 120, *, sizes: int = 40, spread: int = 3) -> Tape:
    """Return a minute of a market around 50 cents, with every kind of flow, fractions of contracts and shared instants."""
    chance = random.Random(seed)
    yes = tuple((Price((48 - n) * CENT), _size(chance, sizes)) for n in range(5))
    no = tuple((Price((100 - 48 - spread - n) * CENT), _size(chance, sizes)) for n in range(5))
    opening = Book(best_first(yes), best_first(no), Micros(0))
    book, found, at = opening, list[Event](), 0
    for _ in range(events):
        at += chance.choice((0, 1, SPAN // events, SPAN // events, 2 * SPAN // events))
        if at > SPAN:
            break
        event = Event(Micros(at), _flow(chance, book, sizes))
        book = after(book, event)
        found.append(event)
    return Tape("T", CENT_GRID, opening, tuple(found), SPAN)


def _size(chance: random.Random, sizes: int) -> Count:
    return Count(chance.randrange(1, sizes) * CONTRACT + chance.choice((0, 0, 0, 37)))


def _flow(chance: random.Random, book: Book, sizes: int) -> Flow:
    leg = chance.choice((Leg.YES, Leg.NO))
    bids, facing = book.bids(leg), book.bids(leg.other())
    ceiling = DOLLAR - CENT - (facing[0][0] if facing else 40 * CENT)
    kind = chance.randrange(100)
    if kind < 45 or len(bids) < 2:
        top = min(ceiling, (bids[0][0] if bids else 45 * CENT) + 2 * CENT)
        return Arrive(leg, Price(max(CENT, top - chance.randrange(6) * CENT)), _size(chance, sizes))
    if kind < 75:
        price, _ = chance.choice(bids)
        return Withdraw(leg, price, _size(chance, sizes))
    if kind < 97:
        floor = bids[min(len(bids) - 1, chance.choice((0, 0, 0, 1, 2)))][0]
        return Take(leg.other(), Price(DOLLAR - floor), _size(chance, 2 * sizes))
    kept = tuple((price, _size(chance, sizes)) for price, _ in bids[1:])
    return Replace(kept, book.no) if leg is Leg.YES else Replace(book.yes, kept)


def parent_of(
    leg: Leg = Leg.YES,
    count: int = 20,
    target: int = 51,
    config: ExecutionConfig = DEFAULT_EXECUTION,
    start: Micros = START,
) -> Parent:
    """Return an admitted parent that may pay 3 cents above its target."""
    market = Market("T", "", MarketStatus.ACTIVE, CENT_GRID, Micros(1 << 61), 0)
    ticket = Ticket(leg, Action.BUY, Count(count * CONTRACT), Price(target * CENT))
    wide = replace(config, slippage_ppm=None, slippage_dollars=Price(3 * CENT))
    admitted = admit(ticket, market, STANDARD, wide, Holding(Count(0), Count(0)), IDENTITY, start, Micros(4 * SECOND))
    return admitted.unwrap()
