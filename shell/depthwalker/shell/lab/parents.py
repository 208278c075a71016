"""Parent orders sampled from a tape: every so many seconds, for both outcomes, at prices taken from the book of that instant.

A target is told of the outcome that is bought or sold: a purchase could be filled at once at its offer, a sale at its bid.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import Ladders, Leg, complement, within
from depthwalker.core.config import ExecutionConfig
from depthwalker.core.depth import BAND, RECORDED_THRESHOLDS, Liquidity, categorize, reach
from depthwalker.core.fees import STANDARD, FeeRates
from depthwalker.core.grid import PriceGrid
from depthwalker.core.hindsight import AFTERWARDS
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action, Holding, Identity, Parent, Ticket, admit
from depthwalker.core.units import SECOND, Count, Micros, Price
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.market import ORIGIN

WIND_DOWN: Final = Micros(4 * SECOND)
_FAR: Final = Micros(1 << 61)


@dataclass(frozen=True, slots=True)
class Aim:
    """Where a target lies: `base` is bid, mid or offer of the ticket's own outcome, and so many ticks above it."""

    base: str
    ticks: int


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which parents are drawn. `every` and `offset` in microseconds."""

    counts: tuple[Count, ...]
    outcomes: tuple[Leg, ...]
    action: Action
    aim: Aim
    every: Micros
    offset: Micros
    config: ExecutionConfig
    rates: FeeRates = STANDARD


@dataclass(frozen=True, slots=True)
class Sampled:
    """A parent with the market it met: twice the mid, its class, and whether its count was on offer under its cap."""

    parent: Parent
    twice_mid: int
    liquidity: Liquidity
    reachable: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why an instant gave no parent."""

    reason: str


def sample(index: Index, wanted: Sampling) -> Iterator[Sampled | LeftOut]:
    """Yield the parents of a tape in time order, and what was left out."""
    for at in instants(index.end(), wanted):
        yield from drawn(index, wanted, at)


def instants(end: Micros, wanted: Sampling) -> Iterator[Micros]:
    """Yield when parents arrive on a tape that ends then."""
    at, last = Micros(ORIGIN + wanted.offset), end - wanted.config.timeout - AFTERWARDS
    while at <= last:
        yield at
        at = Micros(at + wanted.every)


def drawn(index: Index, wanted: Sampling, at: Micros) -> Iterator[Sampled | LeftOut]:
    """Yield the parents that arrive at an instant, and what was left out."""
    for outcome, count in product(wanted.outcomes, wanted.counts):
        yield _parent(index, wanted, outcome, count, at)


def _parent(index: Index, wanted: Sampling, outcome: Leg, count: Count, at: Micros) -> Sampled | LeftOut:
    leg = outcome if wanted.action is Action.BUY else outcome.other()
    events = index.before(at)
    ladders = Ladders(index.sides[leg].ladder(events), complement(index.sides[leg.other()].ladder(events)))
    mid = ladders.twice_mid()
    if mid is None:
        return LeftOut("no mid at arrival")
    if index.unrecorded(at, Micros(at + wanted.config.timeout)):
        return LeftOut("a gap in the recording")
    columns = index.columns
    grid = columns.grid.of(leg)
    target = _target(ladders, mid, grid, wanted.aim if wanted.action is Action.BUY else mirrored(wanted.aim))
    if target is None:
        return LeftOut("no price at the target")
    market = Market(columns.ticker, "", MarketStatus.ACTIVE, columns.grid, _FAR, 0)
    ticket = Ticket(outcome, wanted.action, count, Price(0))
    ticket = replace(ticket, target=ticket.framed(target))
    identity = Identity("00000000", f"{events:032x}")
    config = replace(wanted.config, opens_short=True)
    nothing = Holding(Count(0), Count(0))
    admitted = admit(ticket, market, wanted.rates, config, nothing, identity, at, WIND_DOWN)
    if not isinstance(admitted, Success):
        return LeftOut(admitted.failure().kind.value)
    parent = admitted.unwrap()
    near = within(ladders.queue, BAND), within(ladders.offers, BAND)
    liquidity = categorize(*near, RECORDED_THRESHOLDS)
    return Sampled(parent, mid, liquidity, reach(ladders.offers, parent.cap) >= count)


def mirrored(aim: Aim) -> Aim:
    """Return the same aim on the scale of the other outcome's prices."""
    return Aim({"bid": "offer", "mid": "mid", "offer": "bid"}[aim.base], -aim.ticks)


def _target(ladders: Ladders, mid: int, grid: PriceGrid, aim: Aim) -> Price | None:
    base = {"bid": ladders.queue[0][0], "mid": mid // 2, "offer": ladders.offers[0][0]}[aim.base]
    price = grid.floor(base)
    for _ in range(abs(aim.ticks)):
        if price is None:
            return None
        price = grid.up(price) if aim.ticks > 0 else grid.down(price)
    return price
