"""What trading costs and from when: a series' fees, an event's override of them, and the changes to come.

Source: fact sheet, section 8. The override counts while there is one; a change takes effect at its instant, not before.
"""

from dataclasses import dataclass
from typing import Final

from depthwalker.core.fees import FeeRates
from depthwalker.core.units import MILLION, Micros

PLAIN, WITH_MAKER, FLAT = "quadratic", "quadratic_with_maker_fees", "flat"
_RATES: Final = {  # taker and maker, in parts per million of count x price x (1 - price)
    PLAIN: FeeRates(70_000, 0),
    WITH_MAKER: FeeRates(70_000, 17_500),
    "quadratic_with_combo_maker_fees": FeeRates(70_000, 35_000),
    FLAT: FeeRates(35_000, 0),
}


@dataclass(frozen=True, slots=True)
class Fees:
    """A type of the exchange's and its multiplier in parts per million; a type not known charges as the plain one."""

    kind: str = PLAIN
    multiplier: int = MILLION

    @property
    def rates(self) -> FeeRates:
        """Return what they amount to."""
        rates = _RATES.get(self.kind, _RATES[PLAIN])
        return FeeRates(rates.taker * self.multiplier // MILLION, rates.maker * self.multiplier // MILLION)

    @staticmethod
    def of(rates: FeeRates) -> "Fees":
        """Return the type and multiplier that amount to these rates, or the plain one's nearest where none does."""
        each = [Fees(kind, rates.taker * MILLION // known.taker) for kind, known in _RATES.items()]
        return next((fees for fees in each if fees.rates == rates), each[0])


@dataclass(frozen=True, slots=True)
class FeeChange:
    """A change of a series' fees, or of an event's override of them (None ends it)."""

    change_id: str
    series_ticker: str
    event_ticker: str  # empty where the whole series changes
    fees: Fees | None
    at: Micros


class FeeSchedule:
    """The fees in force and the changes, past and to come."""

    def __init__(self) -> None:
        self.changes: list[FeeChange] = []
        self._series: dict[str, Fees] = {}
        self._overrides: dict[str, Fees] = {}
        self._pending: list[FeeChange] = []

    def plan(self, change: FeeChange) -> None:
        """Note a change to come; `take_due` puts it in force."""
        self.changes.append(change)
        self._pending.append(change)

    def take_due(self, now: Micros) -> list[FeeChange]:
        """Put in force what is due by now, and return it, earliest first."""
        due = sorted((change for change in self._pending if change.at <= now), key=lambda change: change.at)
        self._pending = [change for change in self._pending if change.at > now]
        for change in due:
            if change.event_ticker:
                self._overrides.pop(change.event_ticker, None)
                self._overrides |= {} if change.fees is None else {change.event_ticker: change.fees}
            elif change.fees is not None:
                self._series[change.series_ticker] = change.fees
        return due

    def of_series(self, series_ticker: str, listed: Fees) -> Fees:
        """Return a series' fees, given those that it was listed with."""
        return self._series.get(series_ticker, listed)

    def override(self, event_ticker: str) -> Fees | None:
        """Return an event's own fees, or None where its series' count."""
        return self._overrides.get(event_ticker)
