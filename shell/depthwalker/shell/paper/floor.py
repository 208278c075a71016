"""One market of the paper exchange: its pit, the tape that plays into it, its life cycle and its public trades."""

from dataclasses import dataclass
from functools import reduce

from depthwalker.core import crowd, matching
from depthwalker.core.answer import MarketStatus, TradePrint
from depthwalker.core.book import Book
from depthwalker.core.crossing import Step
from depthwalker.core.fees import FeeRates, Precision
from depthwalker.core.grid import PriceGrid
from depthwalker.core.pit import Pit, Rules, with_rules
from depthwalker.core.reports import EndReason, Event
from depthwalker.core.tape import Tape, after, play
from depthwalker.core.units import DAY, MILLION, Count, Micros, Price
from depthwalker.shell.paper.fee_schedule import Fees


@dataclass(frozen=True, slots=True)
class Listing:
    """A market to open: its tape, fees, shard, and how long after the exchange's start it opens and closes (a day).

    One that opened before (`opens_after` below zero) has played its tape since.
    """

    tape: Tape
    fee_type: str = "quadratic"
    fee_multiplier: int = MILLION  # parts per million
    closes_after: Micros = DAY
    shard: int = 0
    opens_after: Micros = Micros(0)  # noqa: RUF009 - an int

    @property
    def ticker(self) -> str:
        """Return the market's ticker."""
        return self.tape.ticker

    @property
    def event_ticker(self) -> str:
        """Return the ticker of the market's event: the market's without its last part."""
        return self.ticker.rpartition("-")[0] or self.ticker

    @property
    def series_ticker(self) -> str:
        """Return the ticker of the market's series: its first part."""
        return self.ticker.partition("-")[0]

    @property
    def fees(self) -> Fees:
        """Return the fees that it is listed with."""
        return Fees(self.fee_type, self.fee_multiplier)

    @property
    def rates(self) -> FeeRates:
        """Return the fee rates that type and multiplier amount to."""
        return self.fees.rates


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a market came out: yes, no or scalar, and what a YES contract pays."""

    result: str
    value: Price
    at: Micros


class Floor:
    """A market at work. Its own clock is the instants that it is handed; they never go back."""

    def __init__(self, listing: Listing, start: Micros, precision: Precision) -> None:
        self.listing = listing
        self.listed = start
        self.start = Micros(start + listing.opens_after)  # when the market opens and its tape begins
        self.close_time = Micros(start + listing.closes_after)
        self.updated = start
        self.inactive = False
        self.halted = False  # trading is paused on its shard or everywhere: the flow is held back
        self.verdict: Verdict | None = None
        self.settled_at: Micros | None = None
        self.contested: MarketStatus | None = None  # disputed or amended, after it was determined
        self.trades: list[TradePrint] = []
        self.volume = Count(0)
        rules = Rules(listing.tape.grid, listing.rates, precision)
        opening = listing.tape.opening
        self.pit = Pit(rules) if listing.opens_after > 0 else crowd.seed(opening.yes, opening.no, rules)
        self._unopened = listing.opens_after > 0
        self._played = 0
        self._swept = False

    def status(self, now: Micros) -> MarketStatus:
        """Return where the market is in its life."""
        if self.settled_at is not None:
            return MarketStatus.FINALIZED
        if self.verdict is not None:
            return self.contested or MarketStatus.DETERMINED
        if now >= self.close_time:
            return MarketStatus.CLOSED
        if now < self.start:
            return MarketStatus.INITIALIZED
        return MarketStatus.INACTIVE if self.inactive else MarketStatus.ACTIVE

    def due(self) -> Micros | None:
        """Return when something next happens by itself, or None where nothing will."""
        if self._swept:
            return None
        if self._unopened:
            return min(self.start, self.close_time)
        events = self.listing.tape.events[self._played : self._played + 1]
        return min(self.close_time, self.pit.soonest, *(Micros(self.start + event.at) for event in events))

    def advance(self, now: Micros) -> list[tuple[Micros, tuple[Event, ...]]]:
        """Let happen what is due by `now`, and return it with its instants."""
        happened: list[tuple[Micros, tuple[Event, ...]]] = []
        while (at := self.due()) is not None and at <= now:
            happened.append((at, self.do(self._next(at))))
        return happened

    def do(self, step: Step) -> tuple[Event, ...]:
        """Take the pit that a verb returned, and return what happened."""
        self.pit, events = step
        return events

    def regrid(self, grid: PriceGrid) -> None:
        """Change the price grid; resting orders are carried over."""
        self.pit = with_rules(self.pit, Rules(grid, self.pit.rules.rates, self.pit.rules.precision))

    def charge(self, rates: FeeRates) -> None:
        """Change the fee rates for the trades to come."""
        self.pit = with_rules(self.pit, Rules(self.pit.rules.grid, rates, self.pit.rules.precision))

    def print(self, trade: TradePrint) -> None:
        """Add a public trade."""
        self.trades.append(trade)
        self.volume = Count(self.volume + trade.count)

    def refill(self, now: Micros) -> Step:
        """Return the pit with the crowd as the tape has it by now: it traded elsewhere while the market stood still."""
        shown = self._tape_book()
        return crowd.replace(self.pit, shown.yes, shown.no, now)

    def move_close(self, to: Micros, now: Micros) -> Step:
        """Close at another instant, also after the market had closed: it then opens again, with the tape's crowd."""
        self.close_time = to
        if not self._swept or to <= now:
            return self.pit, ()
        self._swept = False
        while self._played < len(self.listing.tape.events) and self._flow_at(self._played) <= now:
            self._played += 1
        return self.refill(now)

    def _flow_at(self, index: int) -> Micros:
        return Micros(self.start + self.listing.tape.events[index].at)

    def _tape_book(self) -> Book:
        tape = self.listing.tape
        return reduce(after, tape.events[: self._played], tape.opening)

    def _next(self, at: Micros) -> Step:
        if at >= self.close_time:
            self._swept = True
            return matching.sweep(self.pit, EndReason.CLOSED)
        if self._unopened:
            self._unopened = False
            return self.refill(at)
        if self.pit.soonest <= at:
            return matching.expire(self.pit, at)
        event = self.listing.tape.events[self._played]
        self._played += 1
        if self.halted or self.inactive:
            return self.pit, ()
        return play(self.pit, event.flow, at)
