"""The machine's own clock and chance."""

import asyncio

import pytest

from depthwalker.core.units import MILLION, SECOND, Micros
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.ports import Chance, Clock


async def test_a_sleep_ends_at_its_time_and_not_before() -> None:
    clock: Clock = SystemClock()
    when = Micros(clock.now() + 20_000)

    await clock.sleep_until(when)

    assert clock.now() >= when


def shown(*readings: tuple[float, float]) -> SystemClock:
    """Return a clock of which the wall shows one, and the steady one the other, of these seconds at each reading."""
    wall, steady = iter([one for one, _ in readings]), iter([other for _, other in readings])
    return SystemClock(lambda: round(next(wall) * 1e9), lambda: round(next(steady) * 1e9))


def test_a_wall_clock_that_is_stepped_back_is_not_followed_time_goes_on() -> None:
    clock = shown((1_000, 5), (400, 6), (401, 7), (1_010, 8), (1_000, 9))

    assert [clock.now() / SECOND for _ in range(5)] == [1_000, 1_001, 1_002, 1_010, 1_011]


def test_a_wall_clock_that_jumps_forward_is_followed_as_after_a_sleep_of_the_machine() -> None:
    clock = shown((1_000, 5), (4_600, 5.5), (4_601, 6.5))

    assert [clock.now() / SECOND for _ in range(3)] == [1_000, 4_600, 4_601]


async def test_a_sleep_lasts_its_span_when_the_wall_clock_is_stepped_back_meanwhile() -> None:
    clock = shown((10, 0), (4, 0.49), (4, 0.5), (4, 0.75))
    began = clock.now()

    await clock.sleep_until(Micros(began + SECOND // 2))

    assert clock.now() - began == 750_000, "it slept until its span had passed, and looked no further"


async def test_a_sleep_ends_within_a_nap_when_the_wall_clock_is_stepped_past_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("depthwalker.shell.clock.LONGEST_NAP", SECOND // 100)
    clock = shown((10, 0), (10, 0), (14, 0.01), (14, 1.01))
    began = clock.now()

    async with asyncio.timeout(1):
        await clock.sleep_until(Micros(began + 3 * SECOND))

    assert clock.now() - began == 5 * SECOND, "it looked at the clock after one nap, and no further"


async def test_a_time_that_has_passed_still_lets_others_run() -> None:
    clock = SystemClock()
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    task = asyncio.create_task(other())
    await clock.sleep_until(Micros(0))

    assert ran == ["other"]
    await task


def test_chance_draws_the_digits_and_the_range_asked_for() -> None:
    chance: Chance = SystemChance()

    assert [len(chance.hex(digits)) for digits in (0, 1, 7, 8)] == [0, 1, 7, 8]
    assert all(0 <= chance.jitter() < MILLION for _ in range(100))
