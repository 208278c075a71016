"""Runs work while the terminal follows it: a live view, or plain lines where there is no terminal.

Ctrl-C asks what runs to cancel what rests and to confirm it; a second one leaves, and says what may still rest. Whoever reads
the lines and goes, as `head` does, asks for the same as the first.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from typing import Final, TypeVar

from rich.console import Console

from depthwalker.core.units import Micros
from depthwalker.shell.clock import SystemClock
from depthwalker.shell.figures import seconds
from depthwalker.shell.happening import Happening
from depthwalker.shell.interrupt import Interrupts
from depthwalker.shell.lane import Lane
from depthwalker.shell.screen import Screen
from depthwalker.shell.terminal import show_lines
from depthwalker.shell.voice import complain

T = TypeVar("T")

ENDS: Final = {"finished", "failed"}
STOPPING: Final = "stopping: cancelling what rests, then confirming it; Ctrl-C again leaves at once"


class Follower:
    """Shows lanes on `console`, live where `live`, else as lines to `lines` (a console too)."""

    def __init__(self, heading: str, console: Console, *, live: bool, brief: bool = False) -> None:
        """`brief`: without a terminal only how executions end is told."""
        self.lanes: list[Lane] = []
        self.heading = heading
        self._console = console
        self._live = live
        self._brief = brief
        self._clock = SystemClock()
        self._interrupts: Interrupts | None = None
        self._width = 0
        self._told = False
        self._cancelled = 0

    def lane(self, name: str) -> Lane:
        """Return a new lane that is followed."""
        lane = Lane(name, self._tell)
        self.lanes.append(lane)
        self._width = max(self._width, len(name))
        return lane

    def forget(self, lane: Lane) -> None:
        """Follow a lane no longer; what it cancelled still counts."""
        self.lanes.remove(lane)
        self._cancelled += lane.cancelled

    def now(self) -> Micros:
        """Return the time by which it shows."""
        return self._clock.now()

    def interrupted(self) -> bool:
        """Return whether somebody wants it to stop."""
        return self._interrupts is not None and self._interrupts.count > 0

    async def run(self, work: Coroutine[None, None, T], stop: Callable[[], object]) -> T:
        """Return what the work returns; an interrupt calls `stop`, and the work is expected to end soon after."""

        def stopping() -> None:
            self._say(STOPPING)
            stop()

        if self._brief:  # the first line may be long in coming
            self._head()
        with ExitStack() as stack:
            self._interrupts = stack.enter_context(Interrupts(stopping, lambda: self._leave(stack)))
            drawing: asyncio.Task[None] | None = None
            if self._live:
                screen = stack.enter_context(Screen(self._console, self._headline, self.lanes, self._clock.now))
                drawing = asyncio.create_task(screen.run())
            try:
                return await work
            finally:
                if drawing is not None:
                    drawing.cancel()
                    with suppress(asyncio.CancelledError):
                        await drawing

    def after_interrupt(self) -> str:
        """Return what became of what rested; every order of an execution that has ended is closed by its own record."""
        open_still = [text for lane in self.lanes for text in lane.resting()]
        cancelled = self._cancelled + sum(lane.cancelled for lane in self.lanes)
        if open_still:
            return "\n".join(("interrupted; not confirmed, and may still rest:", *(f"  {text}" for text in open_still)))
        return f"interrupted: {cancelled} resting orders cancelled, and the exchange's own records confirm that nothing rests"

    def _headline(self) -> str:
        return STOPPING if self.interrupted() else self.heading

    def _tell(self, lane: Lane, happening: Happening) -> None:
        if self._live or (self._brief and happening.kind not in ENDS):
            return
        self._head()
        span = Micros(happening.at - (lane.started() or happening.at))
        self._show(f"{lane.name:{self._width}} {seconds(span):>5} {happening.kind:9} {happening.text}")

    def _head(self) -> None:
        """Say once what this is, where nothing is drawn."""
        if not self._told:
            self._told = True
            self._say(self.heading)

    def _say(self, text: str) -> None:
        if not self._live:
            self._show(text)

    def _show(self, text: str) -> None:
        """Print a line; where its reader has gone, nobody watches the orders any more, and they are stopped."""
        try:
            show_lines(self._console, text)
        except OSError:  # a pipe, or a terminal that is gone
            if self._interrupts is not None:
                self._interrupts.stop()

    def _leave(self, shown: ExitStack) -> None:
        self._live = False
        with suppress(Exception):
            shown.close()  # gives the terminal back
        left = [text for lane in self.lanes for text in lane.resting()]
        still = "this may still rest:" if left else "nothing of this process was resting"
        complain(f"left before the end was confirmed; {still}", *(f"  {text}" for text in left))


def is_live(console: Console, *, plain: bool) -> bool:
    """Return whether the live view is wanted and possible."""
    return console.is_terminal and not console.is_dumb_terminal and not plain
