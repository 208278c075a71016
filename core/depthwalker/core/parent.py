"""The parent order, and its admission: everything that is refused before the first request goes out.

A parent says outcome and action in its own words; admitted, it acquires a leg up to a cap, and the core sees only that
(DESIGN section 3, invariant 2). Whatever must be rounded is rounded toward safety: the core never buys above it.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import Leg
from depthwalker.core.config import ExecutionConfig
from depthwalker.core.fees import FeeRates, estimate
from depthwalker.core.grid import PriceGrid
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import (
    CONTRACT,
    DOLLAR,
    MILLION,
    SECOND,
    Count,
    Micros,
    Money,
    Price,
    ceil_div,
    format_count,
    format_money,
    format_price,
    value,
)


class Action(Enum):
    """What the parent does with its outcome."""

    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A parent order as its user states it: prices in its own outcome."""

    outcome: Leg
    action: Action
    count: Count
    target: Price

    def leg(self) -> Leg:
        """Return the leg it acquires: selling an outcome acquires the other one."""
        return self.outcome if self.action is Action.BUY else self.outcome.other()

    def framed(self, price: Price) -> Price:
        """Return a price of its own outcome on the scale of the leg it acquires, and the other way round."""
        return price if self.action is Action.BUY else Price(DOLLAR - price)


@dataclass(frozen=True, slots=True)
class Parent:
    """An admitted parent order. Prices are those of the leg it acquires; `bound` is the exact cap, `cap` the grid's.

    From `wind_down` on it cancels and confirms; `deadline` is when its user wants it over; `expires` (whole seconds) is
    the dead man's switch on every resting order.
    """

    execution: str
    installation: str
    ticker: str
    ticket: Ticket
    leg: Leg
    count: Count
    target: Price
    bound: Price
    cap: Price
    grid: PriceGrid
    rates: FeeRates
    started: Micros
    wind_down: Micros
    deadline: Micros
    expires: Micros
    notes: tuple[str, ...]


class RefusalKind(Enum):
    """Why a parent order was not admitted."""

    NO_SUCH_MARKET = "no_such_market"
    MARKET_NOT_OPEN = "market_not_open"
    INVALID_COUNT = "invalid_count"
    INVALID_TARGET = "invalid_target"
    NO_CAP_PRICE = "no_cap_price"
    EXCEEDS_POSITION = "exceeds_position"
    CLOSES_TOO_SOON = "closes_too_soon"
    INVALID_CONFIG = "invalid_config"
    KEY_TAKEN = "key_taken"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused parent: the kind, and a sentence that names the value and what would be valid."""

    kind: RefusalKind
    message: str


@dataclass(frozen=True, slots=True)
class Holding:
    """The confirmed position in the ticket's outcome, and what other open sell parents may still sell of it."""

    position: Count
    promised: Count


@dataclass(frozen=True, slots=True)
class Identity:
    """Who executes: installation (8 hex) and execution (32 hex)."""

    installation: str
    execution: str


LARGEST: Final = Count(99_999_999_999_999)  # in hundredths of a contract: what the tables hold (target_quantity)
WIND_DOWN_GRACE = Micros(5 * SECOND)  # DESIGN section 4, dead man's switch
TARGET_SNAPPED: Final = "target_snapped"
TARGET_LOWERED: Final = "target_lowered"
NO_ROOM_TO_WALK: Final = "no_room_to_walk"


def admit(
    ticket: Ticket,
    market: Market,
    rates: FeeRates,
    config: ExecutionConfig,
    holding: Holding,
    identity: Identity,
    now: Micros,
    wind_down: Micros,
) -> Outcome[Parent, Refusal]:
    """Return the parent that the ticket asks for, or the first reason against it.

    `wind_down` is how long before the deadline winding down starts (micros); it is shortened to a quarter of a short
    time-out.
    """
    refusal = _refusal(ticket, market, config, holding, now)
    if refusal is not None:
        return Failure(refusal)
    leg = ticket.leg()
    grid = market.grid.of(leg)
    bound = ticket.framed(_bound(ticket, config))
    highest = grid.floor(bound)
    cap = _affordable(highest, grid, rates, config.max_cost)
    if cap is None:
        message = _no_price(ticket, market, bound) if highest is None else _no_cost(grid.lowest(), rates, config)
        return Failure(Refusal(RefusalKind.NO_CAP_PRICE, message))
    # No price at or below the target, but one under the cap: that one, for only a cap without a price is an error.
    target = grid.floor(ticket.framed(ticket.target)) or grid.lowest()
    deadline = Micros(now + config.timeout)
    unlike = TARGET_LOWERED if target > cap else TARGET_SNAPPED
    notes = (() if min(target, cap) == ticket.framed(ticket.target) else (unlike,)) + (
        (NO_ROOM_TO_WALK,) if (grid.up(target) or DOLLAR) > cap else ()
    )
    return Success(
        Parent(
            execution=identity.execution,
            installation=identity.installation,
            ticker=market.ticker,
            ticket=ticket,
            leg=leg,
            count=ticket.count,
            target=min(target, cap),
            bound=bound,
            cap=cap,
            grid=grid,
            rates=rates,
            started=now,
            wind_down=Micros(deadline - min(wind_down, config.timeout // 4)),
            deadline=deadline,
            expires=Micros(ceil_div(deadline + wind_down + WIND_DOWN_GRACE, SECOND) * SECOND),
            notes=notes,
        )
    )


def in_words(reason: str, parent: Parent) -> str:
    """Return a reason, or a plan's with the notes of admission behind it, with the notes in the words of its user."""
    words = {
        TARGET_SNAPPED: f"target {format_price(parent.ticket.target)} snapped to "
        f"{format_price(parent.ticket.framed(parent.target))}",
        TARGET_LOWERED: f"target {format_price(parent.ticket.target)} lowered to {format_price(parent.target)}: above it a "
        "contract and its fee cost more than max_cost_per_contract",
        NO_ROOM_TO_WALK: "no room to walk: the next price is past the cap",
    }
    return "; ".join(words.get(part, part) for part in reason.split("; "))


def shifted(parent: Parent, by: int) -> Parent:
    """Return the parent with all its instants so many microseconds later; earlier where `by` is negative."""
    return replace(
        parent,
        started=Micros(parent.started + by),
        wind_down=Micros(parent.wind_down + by),
        deadline=Micros(parent.deadline + by),
        expires=Micros(parent.expires + by),
    )


def recap(parent: Parent, grid: PriceGrid, rates: FeeRates, max_cost: Price | None) -> Price | None:
    """Return the parent's cap on another grid and under other fees, snapped toward safety, or None where no price is under it."""
    return _affordable(grid.floor(parent.cap), grid, rates, max_cost)


def _refusal(ticket: Ticket, market: Market, config: ExecutionConfig, holding: Holding, now: Micros) -> Refusal | None:
    status = market.status.value
    if status != MarketStatus.ACTIVE.value:
        return Refusal(RefusalKind.MARKET_NOT_OPEN, f"market {market.ticker} is {status}; orders need an active market")
    if market.close_time <= now + config.timeout:
        return Refusal(
            RefusalKind.CLOSES_TOO_SOON,
            f"market {market.ticker} closes in {max(0, (market.close_time - now) // SECOND)} s; "
            f"order_timeout_seconds is {config.timeout // SECOND} and must be shorter than that",
        )
    if not 0 < ticket.count <= LARGEST:
        bound = "at least 0.01 contracts" if ticket.count <= 0 else f"at most {format_count(LARGEST)} contracts"
        return Refusal(RefusalKind.INVALID_COUNT, f"count {format_count(ticket.count)}: it must be {bound}")
    if not 0 < ticket.target < DOLLAR:
        return Refusal(
            RefusalKind.INVALID_TARGET,
            f"target price {format_price(ticket.target)}: it must lie between 0.0001 and 0.9999 dollars",
        )
    if config.slippage_ppm is None and config.slippage_dollars is None:
        return Refusal(
            RefusalKind.INVALID_CONFIG, "no slippage cap: give max_slippage_percent or max_slippage_dollars, or both"
        )
    if config.max_cost is not None and ticket.action is Action.SELL:
        return Refusal(RefusalKind.INVALID_CONFIG, "max_cost_per_contract bounds a buy; remove it for a sell")
    free = Count(max(0, holding.position - holding.promised))
    if ticket.action is Action.SELL and not config.opens_short and ticket.count > free:
        return Refusal(
            RefusalKind.EXCEEDS_POSITION,
            f"cannot sell {format_count(ticket.count)} {ticket.outcome.value} contracts of {market.ticker}: "
            f"{format_count(free)} are free to sell (position {format_count(holding.position)}, promised to other "
            f"sells {format_count(holding.promised)}); set opens_short to go short",
        )
    return None


def _bound(ticket: Ticket, config: ExecutionConfig) -> Price:
    """Return the exact cap in the ticket's own outcome, to 1e-4 dollar toward safety."""
    buys = ticket.action is Action.BUY
    bounds: list[int] = []
    if config.slippage_ppm is not None:
        bounds.append(
            ticket.target * (MILLION + config.slippage_ppm) // MILLION
            if buys
            else ceil_div(ticket.target * (MILLION - config.slippage_ppm), MILLION)
        )
    if config.slippage_dollars is not None:
        bounds.append(ticket.target + config.slippage_dollars if buys else ticket.target - config.slippage_dollars)
    return Price(min([*bounds, DOLLAR - 1]) if buys else max([*bounds, 1]))


def _affordable(cap: Price | None, grid: PriceGrid, rates: FeeRates, max_cost: Price | None) -> Price | None:
    """Return the highest price up to the cap that with its taker fee costs at most `max_cost` a contract."""
    while cap is not None and max_cost is not None:
        if _taken(cap, rates) <= value(max_cost, CONTRACT):
            break
        cap = grid.down(cap)
    return cap


def _taken(price: Price, rates: FeeRates) -> Money:
    """Return what one contract taken at `price` costs with its fee."""
    return Money(value(price, CONTRACT) + estimate(rates, taker=True, price=price, count=CONTRACT))


def _no_price(ticket: Ticket, market: Market, bound: Price) -> str:
    buys = ticket.action is Action.BUY
    grid = market.grid.of(ticket.outcome)
    return (
        f"target {format_price(ticket.target)} allows {'at most' if buys else 'at least'} "
        f"{format_price(ticket.framed(bound))} a contract, and market {market.ticker} has no such price: its "
        f"{ticket.outcome.value} prices run from {format_price(grid.lowest())} to {format_price(grid.highest())}; "
        f"{'raise' if buys else 'lower'} the target or widen the slippage cap"
    )


def _no_cost(lowest: Price, rates: FeeRates, config: ExecutionConfig) -> str:
    return (
        f"max_cost_per_contract {format_price(config.max_cost or Price(0))} is less than a contract costs at the lowest "
        f"price, {format_price(lowest)}, with its fee: {format_money(_taken(lowest, rates))}; it must be at least that"
    )
