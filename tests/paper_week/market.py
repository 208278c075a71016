"""The markets of the week: synthetic ones of each profile, and on the harmful day ones that do harm to whoever waits."""

from collections.abc import Iterator
from zlib import crc32

from depthwalker.core.book import Book, Leg
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.tape import Arrive, Event, Tape, Withdraw
from depthwalker.core.units import CENT, CONTRACT, SECOND, Count, Micros, Price
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.synthetic import synthesize

A_BURST = 12  # parents an hour, one after the other
EVERY_S = (
    20  # on the harmful day near levels are back at 19 to 22 and 39 to 42 s: not when the rest is taken, from 26 to 36
)
EVERY = Micros(EVERY_S * SECOND)
SPAN_S = A_BURST * EVERY_S + 60
GONE_AFTER = Micros(2 * SECOND)  # a parent that takes what is offered has taken it by then
BACK_BEFORE = Micros(SECOND)  # the next one
NEAR, FAR = (46, 45, 44, 43), (40, 39, 38)  # bids in cents, the same for both legs: 46 bid, 54 offered, then 40 and 60


def tapes(run: str, session: int, *, harmful: bool) -> tuple[Tape, ...]:
    """Return the markets of an hour."""
    if harmful:
        return tuple(_harmful(f"PAPER-{name.upper()}-{session}", size) for name, size in SIZES.items())
    seed = crc32(f"{run} {session}".encode())
    return tuple(
        synthesize(profile, seed, SPAN_S, f"PAPER-{name.upper()}-{session}") for name, profile in PROFILES.items()
    )


SIZES = {"thin": 15, "moderate": 200, "liquid": 1_000}  # contracts a level


def _harmful(ticker: str, size: int) -> Tape:
    """Return a market whose near levels go soon after each parent has come, and are back for the next one."""
    count = Count(size * CONTRACT)
    ladder = tuple((Price(cents * CENT), count) for cents in (*NEAR, *FAR))
    events = tuple(_goings(count))
    return Tape(ticker, CENT_GRID, Book(ladder, ladder, Micros(0)), events, Micros(SPAN_S * SECOND))


def _goings(count: Count) -> Iterator[Event]:
    levels: list[tuple[Leg, Price]] = [(leg, Price(cents * CENT)) for leg in Leg for cents in NEAR]
    for begin in range(0, SPAN_S * SECOND, EVERY):
        yield from (Event(Micros(begin + GONE_AFTER), Withdraw(leg, price, count)) for leg, price in levels)
        back = Micros(begin + EVERY - BACK_BEFORE)
        yield from (Event(back, Arrive(leg, price, count)) for leg, price in levels)
