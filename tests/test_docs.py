"""The documents say what the code says."""

import ast
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


def test_the_table_of_caps_says_where_a_sell_has_other_room() -> None:
    """Ten per cent above 0.95 ends at 0.99, ten per cent below it at 0.86."""
    assert "| 0.95 | 0 | 2 | 4 | 4 (sells 9) |" in (ROOT / "docs" / "caps.md").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="argparse words its help otherwise in other versions")
@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    text = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert text == PAGES[name]().rstrip() + "\n", "make docs-figures writes it anew"


def test_every_page_is_in_the_sites_list() -> None:
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "tools" / "site" / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert set(listed) == pages


@pytest.mark.parametrize("layer", ["core", "shell"])
def test_every_module_has_its_place_on_the_map_and_nothing_else_has(layer: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    core, shell = page.split("## The shell\n")
    rows = re.findall(r"^\| `.*$", {"core": core, "shell": shell}[layer], re.MULTILINE)
    folder = ROOT / layer / "depthwalker" / layer
    modules = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")}
    packages = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    named, first = (
        set(re.findall(r"`([a-z_]+/?)`", " ".join(cells)))
        for cells in (rows, [row.partition(" | ")[0] for row in rows])
    )
    assert modules | packages <= named
    assert first <= modules | packages


LINK = re.compile(r"github\.com/[\w./-]*\w")


def scenarios() -> dict[str, set[str]]:
    """Return the links that each scenario's docstring names."""
    modules = [(ROOT / "tests" / part / "test_accidents.py").read_text(encoding="utf-8") for part in ("core", "shell")]
    return {
        node.name: set(LINK.findall(ast.get_docstring(node) or ""))
        for module in modules
        for node in ast.parse(module).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_accident_names_scenarios_that_are_there_and_they_name_its_links() -> None:
    page, found = (ROOT / "docs" / "accidents.md").read_text(encoding="utf-8"), scenarios()
    survived, impossible = page.split("## Cannot happen here")
    listed: set[str] = set()
    for row in re.findall(r"^\| .* \|$", survived, re.MULTILINE):
        names, links = re.findall(r"`(test_\w+)`", row), set(LINK.findall(row))
        assert row.startswith("| accident") or names, row
        assert set(names) <= found.keys(), row
        assert links <= set().union(*(found[name] for name in names)), row
        listed |= links
    assert listed == set().union(*found.values())
    assert not listed & set(LINK.findall(impossible))
