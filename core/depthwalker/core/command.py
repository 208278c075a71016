"""What is to be done, in the imperative: returned by `decide`, carried out by the shell, never performed here.

`intents` gives the facts that are journalled before a command is acted on. Only `Place` and `Amend` can raise exposure, so
only they wait for that journal entry to be durable (DESIGN section 4, write-ahead).
"""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from depthwalker.core.config import Algorithm
from depthwalker.core.depth import reach
from depthwalker.core.fact import (
    AmendIntended,
    CapChanged,
    Fact,
    Finished,
    GridChanged,
    Held,
    Lapsed,
    LookupStarted,
    MarketOver,
    PlaceIntended,
    Planned,
    Requested,
    Status,
    Viewed,
    WindingDown,
)
from depthwalker.core.grid import PriceGrid
from depthwalker.core.ledger import Kind, OrderKey, Style
from depthwalker.core.split import Split
from depthwalker.core.units import Count, Micros, Price
from depthwalker.core.view import View


@dataclass(frozen=True, slots=True)
class Tick:
    """Record the view: a walk interval has passed."""

    held: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Remember, between two ticks, why splits wait, or that what they waited for is over (no reason)."""

    held: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Run this algorithm with these splits."""

    algorithm: Algorithm
    reason: str
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Send a new order; a resting one is post-only and expires at `expires`, a taking one is immediate-or-cancel."""

    key: OrderKey
    price: Price
    count: Count
    style: Style
    ahead: Count
    reason: str


@dataclass(frozen=True, slots=True)
class Amend:
    """Change a live order to this price and total under the next revision of its client id."""

    key: OrderKey
    order_id: str
    current: int
    revision: int
    price: Price
    total: Count
    style: Style
    ahead: Count
    walk: bool
    momentum: int
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a live order."""

    key: OrderKey
    order_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Send an order of unknown outcome again, with the same id and body: its outcome is known afterwards."""

    key: OrderKey
    price: Price
    count: Count
    style: Style


@dataclass(frozen=True, slots=True)
class Burn:
    """Spend the id of an order of unknown outcome that is not wanted any more: 0.01 contract at the grid's far end."""

    key: OrderKey
    price: Price


@dataclass(frozen=True, slots=True)
class Lookup:
    """Read our orders in this market, and their fills where the counts call for them."""


@dataclass(frozen=True, slots=True)
class Regrid:
    """Adopt the market's new price grid."""

    grid: PriceGrid


@dataclass(frozen=True, slots=True)
class Recap:
    """Adopt the cap that the fees as they are now leave."""

    cap: Price


@dataclass(frozen=True, slots=True)
class MarkOver:
    """Remember since when the market takes no order any more."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """Give up an order that can fill no more: it never came, or the exchange has lost it, and its market is over."""

    key: OrderKey


@dataclass(frozen=True, slots=True)
class WindDown:
    """Place nothing more: cancel, confirm, complete."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """End the execution: nothing of it rests."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True)
class OfferAt:
    """Wake when at least `count` is offered at or below `price`."""

    price: Price
    count: Count


@dataclass(frozen=True, slots=True)
class Fresh:
    """Wake when a book newer than this has been read."""

    than: Micros


@dataclass(frozen=True, slots=True)
class Passed:
    """Wake when trades after `since` went past a split's place in the queue, by more than `beyond` contracts in all."""

    split: int
    beyond: Count
    since: Micros


Wake: TypeAlias = OfferAt | Fresh | Passed


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Decide again at this instant, or earlier when one of the wakes holds; a fact of the execution always wakes."""

    at: Micros
    wakes: tuple[Wake, ...]


Command: TypeAlias = (
    Tick
    | Hold
    | Plan
    | Place
    | Amend
    | Cancel
    | Claim
    | Burn
    | Lookup
    | Regrid
    | Recap
    | MarkOver
    | Lapse
    | WindDown
    | Finish
    | WaitUntil
)


def raises_exposure(command: Command) -> bool:
    """Return whether the command must wait until its intent is durable."""
    return isinstance(command, Place | Amend)


def intents(commands: tuple[Command, ...], view: View) -> tuple[Fact, ...]:
    """Return the facts to journal before the commands are acted on: the view first, if anything acts on it."""
    facts = tuple(fact for command in commands for fact in _intent(command, view.now))
    ticks = any(isinstance(command, Tick) for command in commands)
    acts = any(not isinstance(fact, LookupStarted) for fact in facts)
    return (Viewed(view, ticks, view.now), *facts) if acts or ticks else facts


def woken(wakes: tuple[Wake, ...], view: View) -> bool:
    """Return whether any of the wakes holds in the view."""
    return any([_holds(wake, view) for wake in wakes])  # noqa: C419 - a generator costs twice as much for so few


def _holds(wake: Wake, view: View) -> bool:
    match wake:
        case OfferAt(price, count):
            return reach(view.ladders.offers, price) >= count
        case Fresh(than):
            return view.book_at > than
        case Passed(split, beyond, since):
            return any(seen.split == split and seen.count > beyond and seen.at > since for seen in view.passages)
        case _ as never:
            assert_never(never)


def _intent(command: Command, at: Micros) -> tuple[Fact, ...]:
    match command:
        case Tick(held):
            return (Held(held, at),) if held else ()
        case Hold(held):
            return (Held(held, at),)
        case Plan(algorithm, reason, splits):
            return (Planned(algorithm, reason, splits, at),)
        case Place(key, price, count, style, ahead, reason):
            return (PlaceIntended(key, price, count, style, ahead, reason, at),)
        case Amend(key, _, _, revision, price, total, style, ahead, walk, momentum, reason):
            return (AmendIntended(key, revision, price, total, style, ahead, walk, momentum, reason, at),)
        case Cancel(key, _):
            return (Requested(key, Kind.CANCEL, at),)
        case Claim(key, _, _, _):
            return (Requested(key, Kind.CLAIM, at),)
        case Burn(key, _):
            return (Requested(key, Kind.BURN, at),)
        case Lookup():
            return (LookupStarted(at),)
        case Regrid(grid):
            return (GridChanged(grid, at),)
        case Recap(cap):
            return (CapChanged(cap, at),)
        case MarkOver():
            return (MarketOver(at),)
        case Lapse(key):
            return (Lapsed(key, at),)
        case WindDown(reason):
            return (WindingDown(reason, at),)
        case Finish(status, reason):
            return (Finished(status, reason, at),)
        case WaitUntil():
            return ()
        case _ as never:
            assert_never(never)
