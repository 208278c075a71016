"""The documents say what the code says."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_table_of_caps_is_what_admission_computes() -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import caps
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "caps.md").read_text(encoding="utf-8") == caps.page()
