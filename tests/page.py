"""Figures on the pages of docs/: put there by the command that found them, with the commit that it ran at."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def commit() -> str:
    """Return the commit that the files are of; where they are not, a run cannot be kept (SystemExit)."""
    changed = _git("status", "--porcelain", "--", "core", "shell", "tests")
    if changed:
        raise SystemExit(f"a run is kept under its commit, and these are not committed:\n{changed}")
    return _git("rev-parse", "--short=7", "HEAD")


def put(page: Path, name: str, lines: Iterable[str]) -> None:
    """Write lines between a page's marks of a name, instead of what is there."""
    begin, end = _marks(name)
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    text = "\n".join(lines)
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def kept(page: Path, name: str) -> list[str]:
    """Return the lines between a page's marks of a name."""
    begin, end = _marks(name)
    return page.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0].strip().splitlines()


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=DOCS, capture_output=True, text=True, check=True).stdout.strip()
