"""No guard of the order protocol's judge stands unwatched."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_some_test_fails_when_a_guard_of_reconcile_is_broken() -> None:
    command = [sys.executable, str(ROOT / "tools" / "guards.py"), "reconcile"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_a_guard_that_no_test_watches_is_named() -> None:
    command = [sys.executable, str(ROOT / "tools" / "guards.py"), "split", "tests/core/test_ids.py"]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 1
    assert "no test notices: line" in run.stdout
