"""Fixtures of the shell's tests."""

from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.simulation.store import SimulatedStore

    from depthwalker.shell.journal import Store
    from depthwalker.shell.ports import Clock


def simulated(clock: "Clock | None" = None) -> "SimulatedStore":
    """Return the simulation's store, without faults; by the machine's clock unless another is given."""
    from tests.simulation.store import SimulatedStore

    from depthwalker.shell.clock import SystemClock

    return SimulatedStore(clock or SystemClock(), Random(1), odds=0.0, met=Counter(), touched=set())


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database on a busy machine is slow, not away, by a hurried clock above all: for a store that hangs there is `impatient`."""
    from depthwalker.core.units import SECOND

    monkeypatch.setattr("depthwalker.shell.writer.STORE_PATIENCE", 60 * SECOND)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, patience: None) -> None:
    """A store is waited for as long as anywhere else."""
    from depthwalker.core.units import SECOND

    monkeypatch.setattr("depthwalker.shell.writer.STORE_PATIENCE", 2 * SECOND)


@pytest.fixture(params=["postgres", "simulated"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator["Store"]:
    """A store, PostgreSQL's and the simulation's: what is promised of one holds for the other."""
    from depthwalker.shell.store import PostgresStore

    if request.param == "simulated":
        yield simulated()
        return
    async with PostgresStore(request.getfixturevalue("postgres")) as opened:
        yield opened
