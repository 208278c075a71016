"""The documents say what the code says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_of_caps_is_what_admission_computes() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "caps.py")], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "caps.md").read_text(encoding="utf-8") == printed
