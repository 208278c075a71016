"""What a market shares with others: its event, its days, or its very hours. DESIGN section 7 counts these sessions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from depthwalker.core.tape import Tape
from depthwalker.core.units import DAY, Micros
from depthwalker.shell.lab.report import Row
from depthwalker.shell.profiles import PROFILES
from depthwalker.shell.recording import began

LEAST_DAYS: Final = 5  # with fewer whatever is found is only descriptive
EVENT_PARTS: Final = 2  # of a ticker: INXD-23APR14-ATM is a market of INXD-23APR14
_FIRST: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Session:
    """A market and when it was recorded, in microseconds since 1970, 0 where a drawn one was saved; days are UTC's."""

    ticker: str
    began: Micros
    ended: Micros

    @property
    def event(self) -> str:
        """Return the event whose market it is."""
        return "-".join(self.ticker.split("-")[:EVENT_PARTS])

    def common_day(self, other: "Session") -> date | None:
        """Return the first day on which both were recorded, None where there is none: what was drawn and saved has no day."""
        first, last = max(self.began, other.began) // DAY, min(self.ended, other.ended) // DAY
        drawn = not self.began or not other.began
        return None if drawn or first > last else _FIRST + timedelta(days=first)

    def repeats(self, other: "Session") -> bool:
        """Return whether both tell of one market at one time, so that a parent of it would count twice."""
        together = 0 < self.began < other.ended and 0 < other.began < self.ended
        return self.ticker == other.ticker and together

    def days(self) -> tuple[date, ...]:
        """Return the day on which it began, and one more for each whole day that it lasted."""
        first = _FIRST + timedelta(days=self.began // DAY)
        return tuple(first + timedelta(days=day) for day in range(1 + (self.ended - self.began) // DAY))


def session_of(source: str, tape: Tape) -> Session | None:
    """Return a recording's session; a synthetic market has none."""
    if source in PROFILES:
        return None
    start = began(Path(source))
    return Session(tape.ticker, start, Micros(start + tape.span))


def repeated(session: Session | None, before: Iterable[tuple[str, Session | None]]) -> str | None:
    """Return why a recording does not count beside those before it, each with its name; None where it does.

    Nothing else keeps a packed and a plain copy in one folder, or what two recorders wrote at once, from counting twice: the
    intervals would rest on half of what they claim.
    """
    if session is None:
        return None
    first = next((name for name, other in before if other is not None and session.repeats(other)), None)
    return (
        None
        if first is None
        else f"it is of {session.ticker} at a time at which {first} is too: each parent counts once"
    )


def standing_on(sessions: Iterable[Session | None]) -> Row:
    """Return on how many sessions and which days a result stands, and whether that is enough for more than a description."""
    found = {(session.event, day) for session in sessions if session is not None for day in session.days()}
    days = sorted({day for _, day in found})
    return {
        "sessions": len(found),
        "days": [day.isoformat() for day in days],
        "descriptive": len(days) < LEAST_DAYS,
    }
