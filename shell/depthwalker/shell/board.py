"""The lanes of one engine's executions: those in flight, and the last that ended as long as there is room for them."""

from typing import Final

from depthwalker.core.execution import State
from depthwalker.core.parent import Ticket
from depthwalker.core.view import View
from depthwalker.shell.api import Trade
from depthwalker.shell.follow import Follower
from depthwalker.shell.lane import Lane

SHOWN: Final = 4


class Board:
    """Hand `turn` to the engine as its `on_turn`. An execution finds its lane by what it was asked for."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._waiting: list[tuple[str, Ticket, Lane]] = []
        self._lanes: dict[str, Lane] = {}  # by the execution's uuid

    def head(self, text: str) -> None:
        """Have this stand above the lanes from now on."""
        self._follower.heading = text

    def begin(self, name: str, ticker: str, ticket: Ticket) -> Lane:
        """Return a new lane, in the place of one that has ended where there are many."""
        ended = [lane for lane in self._follower.lanes if lane.ended()]
        for lane in ended[: max(0, len(self._follower.lanes) - SHOWN + 1)]:
            self._follower.forget(lane)
        lane = self._follower.lane(name)
        self._waiting.append((ticker, ticket, lane))
        return lane

    def turn(self, state: State, view: View) -> None:
        """Take in what the engine knows now of one of its executions."""
        execution = state.parent.execution
        if execution not in self._lanes:
            wanted = (state.parent.ticker, state.parent.ticket)
            found = next((one for one in self._waiting if one[:2] == wanted), None)
            if found is None:
                return
            self._waiting.remove(found)
            self._lanes[execution] = found[2]
        self._lanes[execution].turn(state, view)

    def end(self, lane: Lane, end: Trade | str) -> None:
        """Take in how it ended, or why it did not come to that."""
        if isinstance(end, str):
            lane.fail(end, self._follower.now())
        else:
            lane.end(end, self._follower.now())
        self._waiting = [one for one in self._waiting if one[2] is not lane]
        self._lanes = {uuid: other for uuid, other in self._lanes.items() if other is not lane}
