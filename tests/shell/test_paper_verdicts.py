"""The paper exchange answers as the real one was recorded to, and the page that says so is made, not typed."""

from pathlib import Path

import pytest
from tools import verdicts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page(shared: Path) -> str:
    return verdicts.page(shared)


def test_no_recorded_answer_differs(page: str) -> None:
    assert [line for line in page.splitlines() if "DIFFERS" in line] == []
    assert page.count("| same ") + page.count("| gone since") == 57


def test_the_page_is_current(page: str) -> None:
    assert (ROOT / "docs" / "recordings_verdicts.md").read_text(encoding="utf-8") == page
