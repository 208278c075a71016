"""Real processes killed at random: `make kill` does it hundreds of times, this a few."""

import asyncio
from pathlib import Path

import pytest
from tests.killing.page import shown
from tests.killing.siege import Siege


def test_whoever_is_killed_nothing_is_bought_twice_and_nothing_forgotten(
    open_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    folder = open_folder / "siege"
    folder.mkdir(mode=0o755)
    figures = asyncio.run(Siege(folder, 20, 2).run(8))
    assert figures.kills.total() == 8
    assert len(figures.kills) == 3, "each kind"
    assert figures.orders > 0
    assert any(line.startswith("| all | 8 | ") for line in shown(figures))
