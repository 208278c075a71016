"""The kill switch in virtual time: wherever the pull falls between two looks, nothing rests a second later."""

import pytest
from tests.shell.rig import simple, walker
from tests.simulation.circumstances import Circumstances, Parent
from tests.simulation.loop import outside
from tests.simulation.world import ME, World
from typing_extensions import override

from depthwalker.core.units import SECOND, Micros
from depthwalker.shell.journal import Pulled
from depthwalker.shell.paper import Reply
from depthwalker.shell.ports import HttpRequest

LONG = Circumstances((Parent(5, simple(60)), Parent(5, walker(60, interval=4))), second_worker=True)


class Stopped(World):
    """A world in which somebody pulls the switch while orders rest, and sees when they are gone."""

    after: float = 0.0
    rested = 0
    pulled: Micros | None = None
    gone: Micros | None = None

    @override
    def _interrupt(self) -> None:
        outside(self.after, self._pull)

    def _pull(self) -> None:
        self.pulled = self._clock.now()
        self.rested = len(self._paper.resting(ME))
        self._store.pulled = Pulled(1, "a test", "me", self.pulled)

    @override
    def _heard(self, request: HttpRequest, reply: Reply) -> None:
        super()._heard(request, reply)
        if self.pulled is not None and self.gone is None and not self._paper.resting(ME):
            self.gone = self._clock.now()


@pytest.mark.parametrize("fifth", range(10))
def test_a_second_after_the_switch_was_pulled_nothing_rests_any_more(fifth: int) -> None:
    world = Stopped(fifth, LONG)
    world.after = 5 + fifth / 5
    world.run()
    assert world.rested >= len(LONG.parents), "both had orders that would rest for a minute"
    assert world.pulled is not None
    assert world.gone is not None
    assert world.gone - world.pulled <= SECOND
