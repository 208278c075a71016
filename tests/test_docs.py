"""The documents say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.reference import PAGES

ROOT = Path(__file__).parents[1]


def test_the_table_of_caps_is_what_admission_computes() -> None:
    printed = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "caps.py")], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    assert (ROOT / "docs" / "caps.md").read_text(encoding="utf-8") == printed


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help otherwise in other versions")
@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    text = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert text == PAGES[name]().rstrip() + "\n", "make docs-figures writes it anew"


def test_every_page_is_in_the_sites_list() -> None:
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "tools" / "site" / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert set(listed) == pages
