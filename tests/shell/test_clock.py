"""The machine's own clock and chance."""

import asyncio

from depthwalker.core.units import MILLION, SECOND, Micros
from depthwalker.shell.clock import SystemChance, SystemClock
from depthwalker.shell.ports import Chance, Clock


async def test_a_sleep_ends_at_its_time_and_not_before() -> None:
    clock: Clock = SystemClock()
    when = Micros(clock.now() + 20_000)

    await clock.sleep_until(when)

    assert clock.now() >= when


async def test_a_sleep_lasts_its_span_when_the_wall_clock_is_stepped_back_meanwhile() -> None:
    wall, steady = iter((10 * SECOND, 4 * SECOND)), iter((0, SECOND // 2 + 1))
    clock = SystemClock(lambda: 1_000 * next(wall), lambda: 1_000 * next(steady))

    await clock.sleep_until(Micros(10 * SECOND + SECOND // 2))

    assert not list(wall)


async def test_a_sleep_ends_at_once_when_the_wall_clock_is_stepped_past_it() -> None:
    wall, steady = iter((10 * SECOND, 14 * SECOND)), iter((0, 1))
    clock = SystemClock(lambda: 1_000 * next(wall), lambda: 1_000 * next(steady))

    await clock.sleep_until(Micros(13 * SECOND))

    assert not list(wall)


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
