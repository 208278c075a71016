"""Seeded worlds in which the network, the store, processes and markets fail: the exchange's books never disagree with ours."""

import subprocess
import sys
from pathlib import Path

from tests.simulation.circumstances import SCRIPTS
from tests.simulation.world import World

SEEDS = ("--seeds", "2000")  # drawn anew each time; a failure says which
KILLS = ("--crash", "--stride", "11")  # from a step drawn anew each time
SCRIPT = SCRIPTS["a walker rests, walks and takes the rest"]
REGRESSIONS = Path(__file__).with_name("regressions")


def test_a_world_without_faults_executes_its_parent() -> None:
    world = World(1, SCRIPT)
    world.run()
    assert world.executions == 1
    assert world.trace
    assert not world.met


def test_a_seed_does_the_same_again() -> None:
    first, second = World(1, SCRIPT), World(1, SCRIPT)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert first.met == second.met


def test_an_order_that_never_came_before_its_market_was_over_lapses_and_one_that_comes_when_it_opens_again_is_found() -> (
    None
):
    never, again = (World(1, script) for name, script in SCRIPTS.items() if name.startswith("a create is lost, "))
    never.run()
    again.run()
    assert (never.lapsed, again.lapsed) == (1, 0)
    assert any("201" in line for line in again.trace)


def test_fresh_seeds_and_kills_at_some_of_the_steps_hold_the_invariants() -> None:
    for given in (SEEDS, KILLS):
        ran = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *given], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout


def test_seeds_that_failed_once_hold_the_invariants() -> None:
    for line in REGRESSIONS.read_text("ascii").split():
        given = ("--seeds", "1", "--first", line)
        ran = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *given], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout
