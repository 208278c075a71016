"""Which fees a market pays: its event's override, or else its series' (fact sheet, section 8)."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from depthwalker.core.fees import STANDARD, WITH_MAKER_FEES, FeeRates
from depthwalker.core.outcome import Failure, Outcome, Success
from depthwalker.core.units import ceil_div
from depthwalker.shell.bodies import EventBody, SeriesBody
from depthwalker.shell.exact import FINEST_EXPONENT
from depthwalker.shell.reading import Unreadable, reading

# At a multiplier of one (fact sheet, section 8).
RATES: Final = {
    "quadratic": STANDARD,
    "quadratic_with_maker_fees": WITH_MAKER_FEES,
    "quadratic_with_combo_maker_fees": FeeRates(taker=70_000, maker=35_000),
    "flat": FeeRates(taker=35_000, maker=0),
}


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """A fee type and its multiplier, as a series or an event names them."""

    fee_type: str
    multiplier: Decimal


@dataclass(frozen=True, slots=True)
class EventFees:
    """The series that an event belongs to, and the event's own fees where they override the series'."""

    series_ticker: str
    override: FeeSchedule | None


def read_event_fees(body: bytes) -> Outcome[EventFees, Unreadable]:
    """Return an event's series and fee override from GET /events/{event_ticker}."""

    def convert(found: EventBody) -> EventFees:
        event = found.event
        if event.fee_type_override is None or event.fee_multiplier_override is None:
            return EventFees(event.series_ticker, None)
        return EventFees(event.series_ticker, FeeSchedule(event.fee_type_override, event.fee_multiplier_override))

    return reading("event", EventBody, body, convert)


def read_series_fees(body: bytes) -> Outcome[FeeSchedule, Unreadable]:
    """Return a series' fees from GET /series/{series_ticker}."""
    return reading(
        "series", SeriesBody, body, lambda found: FeeSchedule(found.series.fee_type, found.series.fee_multiplier)
    )


def fee_rates(schedule: FeeSchedule) -> Outcome[FeeRates, Unreadable]:
    """Return the rates that a fee type and multiplier amount to, rounded up to a part per million."""
    if schedule.fee_type not in RATES:
        return Failure(Unreadable("fee type", f"{schedule.fee_type!r} is none of {', '.join(RATES)}"))
    if not _plain(schedule.multiplier):
        return Failure(Unreadable("fee multiplier", "it is not between 0 and 10, with at most 30 decimals"))
    rates = RATES[schedule.fee_type]
    return Success(FeeRates(_scaled(rates.taker, schedule.multiplier), _scaled(rates.maker, schedule.multiplier)))


def _plain(multiplier: Decimal) -> bool:
    """Return whether a multiplier is one; 1E-999999999 is a short text, and a fraction that takes hours to write out."""
    exponent = multiplier.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= FINEST_EXPONENT and 0 <= multiplier <= 10


def _scaled(rate: int, multiplier: Decimal) -> int:
    numerator, denominator = multiplier.as_integer_ratio()
    return ceil_div(rate * numerator, denominator)
