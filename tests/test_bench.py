"""`make bench` runs: every table is there and filled. No timing is asserted anywhere."""

import json
from pathlib import Path

import pytest
from bench import __main__ as bench
from bench import page
from bench.measure import TINY, Table, deep_bytes, markdown_table, text_table

TABLE = Table("Name", "What it shows.", ("call", "median"), (("decide", "12.3"),))


def filled(tables: tuple[Table, ...]) -> None:
    for table in tables:
        assert table.rows, table.name
        assert all(len(row) == len(table.columns) for row in table.rows), table.name


def test_the_core_is_measured_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, shown = tmp_path / "bench.json", tmp_path / "performance.md"
    shown.write_text(f"# Before\n\n{page.BEGIN}\nstale figures\n{page.END}\n\nAfter\n", encoding="utf-8")
    tables = bench.run(TINY, ("core",), kept, shown)
    filled(tables)
    assert [table.name for table in tables] == [one["name"] for one in json.loads(kept.read_text("utf-8"))["tables"]]
    text = shown.read_text("utf-8")
    assert text.startswith("# Before\n")
    assert text.endswith(f"{page.END}\n\nAfter\n")
    assert "stale figures" not in text
    printed = capsys.readouterr().out
    assert all(f"### {table.name}" in text and table.name in printed for table in tables)


@pytest.mark.parametrize("part", ["database", "wire", "client", "snapshots"])
def test_the_shell_is_measured(part: str, postgres: str) -> None:
    filled(bench.run(TINY, (part,), None, None, dsn=postgres))


def test_a_page_without_markers_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("nothing to replace\n", encoding="utf-8")
    with pytest.raises(ValueError, match="bench: begin"):
        page.write_page(file, [TABLE])
    assert file.read_text("utf-8") == "nothing to replace\n"


def test_figures_stand_to_the_right_and_pages_are_markdown() -> None:
    assert text_table(TABLE).splitlines()[-1] == "decide    12.3"
    assert markdown_table(TABLE).splitlines()[-1] == "| decide | 12.3 |"


def test_memory_counts_each_object_once() -> None:
    inner = (1_000_000, 2_000_000)
    assert deep_bytes((inner, inner)) == deep_bytes((inner,)) + 8
