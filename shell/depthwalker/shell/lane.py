"""One execution as the terminal follows it: its latest state and view, and what happened, told as it happens."""

from collections import deque
from collections.abc import Callable
from typing import Final

from depthwalker.core.execution import START, State
from depthwalker.core.fact import Finished, Status
from depthwalker.core.units import Micros
from depthwalker.core.view import View
from depthwalker.shell.api import Trade
from depthwalker.shell.figures import seconds, short_count, short_price
from depthwalker.shell.frame import Frame, frame
from depthwalker.shell.happening import Happening, happenings, resting

KEPT: Final = 50


class Lane:
    """Hand `turn` to the engine as its `on_turn`; `tell` gets every happening, `events` keeps the last of them."""

    def __init__(self, name: str, tell: Callable[["Lane", Happening], None]) -> None:
        self.name = name
        self.events: deque[Happening] = deque(maxlen=KEPT)
        self._tell = tell
        self._state: State = START
        self._view: View | None = None
        self._end = ""
        self._ended_at = Micros(0)
        self.cancelled = 0

    def turn(self, state: State, view: View) -> None:
        """Take in what the engine knows now."""
        before, self._state, self._view = self._state, state, view
        self._note(*happenings(before, state, view.now))

    def end(self, trade: Trade, now: Micros) -> None:
        """Take in how it ended: the engine may show no state after its last decision."""
        finished = Finished(Status(trade.result.status), trade.result.reason, now)
        if self._state.finished is None:
            self._note(Happening(now, "finished", f"{finished.status.value}: {finished.reason}"))
        self._end, self._ended_at = finished.status.value, now

    def fail(self, reason: str, now: Micros) -> None:
        """Take in why it could not be executed, or not to an end."""
        self._note(Happening(now, "failed", reason))
        self._end, self._ended_at = "failed", now

    def note(self, kind: str, text: str, now: Micros) -> None:
        """Take in something that concerns this execution from elsewhere."""
        self._note(Happening(now, kind, text))

    def frame(self, now: Micros) -> Frame | None:
        """Return what is shown at `now`, the last of it once it has ended, or None before the first decision."""
        return None if self._view is None else frame(self._state, self._view, self._ended_at or now)

    def ended(self) -> str:
        """Return how it ended, or nothing while it runs."""
        return self._end

    def started(self) -> Micros:
        """Return when the parent was admitted, or 0."""
        return self._state.parent.started

    def resting(self) -> tuple[str, ...]:
        """Return in words what may still rest at the exchange."""
        parent = self._state.parent
        left = Micros(parent.expires - (self._view.now if self._view else 0))
        drops = f"which the exchange drops in {seconds(left)} s at most" if left > 0 else "whose expiration has passed"
        return tuple(
            f"{parent.ticker}: up to {short_count(count)} at {short_price(price)}, {drops}"
            for _, price, count in resting(self._state)
        )

    def _note(self, *told: Happening) -> None:
        for happening in told:
            self.events.append(happening)
            self.cancelled += happening.kind == "cancelled"
            self._tell(self, happening)
