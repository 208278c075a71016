"""The tutorial's commands run as they stand, one after another, in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PATIENCE = 600  # seconds, for what hangs: sixteen commands, each a process of its own, take as long as the machine does


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_the_tutorial_runs_as_it_stands(tmp_path: Path, new_database: Callable[[], str]) -> None:
    script = "set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(
        COMMANDS.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEPTHWALKER_")}
    environment |= {
        "DATABASE_URL": new_database(),
        "DEPTHWALKER_STATE_DIRECTORY": str(tmp_path / "state"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "decisions come out as journalled" in done.stdout
    assert "trading may go on" in done.stdout
    assert "too few trades" in done.stdout
    assert "buy 20 yes of SYN-MODERATE-3" in (tmp_path / "first.html").read_text(encoding="utf-8")
    pages = {"first.html", "backtest.html"}
    assert pages <= {path.name for path in tmp_path.iterdir()}
    assert all((tmp_path / page).read_text(encoding="utf-8").startswith("<!doctype html>") for page in pages)
