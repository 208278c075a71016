"""One market of the paper exchange: its pit, the tape that plays into it, its life cycle and its public trades."""

from dataclasses import dataclass
from typing import Final

from depthwalker.core import crowd, matching
from depthwalker.core.answer import MarketStatus, TradePrint
from depthwalker.core.crossing import Step
from depthwalker.core.fees import FeeRates, Precision
from depthwalker.core.grid import PriceGrid
from depthwalker.core.pit import Rules, with_rules
from depthwalker.core.reports import EndReason, Event
from depthwalker.core.tape import Tape, play
from depthwalker.core.units import MILLION, SECOND, Micros

_DAY: Final = Micros(86_400 * SECOND)
_TAKER, _MAKER = 70_000, 17_500  # parts per million (fact sheet, section 8)
MAKER_FEES: Final = "quadratic_with_maker_fees"


@dataclass(frozen=True, slots=True)
class Listing:
    """A market to open: its tape, fees, shard, and how long after the exchange's start it closes (default: a day)."""

    tape: Tape
    fee_type: str = "quadratic"
    fee_multiplier: int = MILLION  # parts per million
    closes_after: Micros = _DAY
    shard: int = 0

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
    def rates(self) -> FeeRates:
        """Return the fee rates that type and multiplier amount to."""
        maker = _MAKER if self.fee_type == MAKER_FEES else 0
        return FeeRates(_TAKER * self.fee_multiplier // MILLION, maker * self.fee_multiplier // MILLION)


class Floor:
    """A market at work. Its own clock is the instants that it is handed; they never go back."""

    def __init__(self, listing: Listing, start: Micros, precision: Precision) -> None:
        tape = listing.tape
        self.listing = listing
        self.start = start
        self.close_time = Micros(start + listing.closes_after)
        self.inactive = False
        self.pit = crowd.seed(tape.opening.yes, tape.opening.no, Rules(tape.grid, listing.rates, precision))
        self.trades: list[TradePrint] = []
        self._played = 0
        self._swept = False

    def status(self, now: Micros) -> MarketStatus:
        """Return where the market is in its life."""
        if now >= self.close_time:
            return MarketStatus.CLOSED
        return MarketStatus.INACTIVE if self.inactive else MarketStatus.ACTIVE

    def due(self) -> Micros | None:
        """Return when something next happens by itself, or None where nothing will."""
        if self._swept:
            return None
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

    def _next(self, at: Micros) -> Step:
        if at >= self.close_time:
            self._swept = True
            return matching.sweep(self.pit, EndReason.CLOSED)
        if self.pit.soonest <= at:
            return matching.expire(self.pit, at)
        event = self.listing.tape.events[self._played]
        self._played += 1
        return play(self.pit, event.flow, at)
