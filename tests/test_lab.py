"""`make lab`: the fixed protocol, its two halves, its page and its figures."""

import gzip
import json
import tomllib
from pathlib import Path

import pytest
from tools import ablation
from tools.lab import Task, design, main, sources

from depthwalker.core.units import SECOND, Micros, Price
from depthwalker.shell.lab.market import QueueModel


def test_the_protocol_is_that_of_the_issue() -> None:
    drawn = design()
    sampling = drawn.sampling

    assert [count // 100 for count in sampling.counts] == [10, 100]
    assert {leg.value for leg in sampling.outcomes} == {"yes", "no"}
    assert (sampling.aim.base, sampling.aim.ticks, sampling.action.value) == ("offer", 0, "buy")
    assert (sampling.every, sampling.config.timeout, drawn.latency) == (30 * SECOND, 40 * SECOND, SECOND // 10)
    assert (sampling.config.slippage_ppm, sampling.config.slippage_dollars) == (25_000, Price(300))
    assert drawn.models == tuple(QueueModel)
    assert drawn.block == 400 * SECOND


def test_a_market_that_the_policy_was_chosen_on_never_judges_it() -> None:
    halves = {name: Task(f"somewhere/{name}.jsonl.gz", Micros(SECOND)).half for name in NAMES}

    assert halves == {NAMES[0]: "tuning", NAMES[1]: "judging", NAMES[2]: "judging"}


NAMES = ("kalshi_INXD-23APR10-ATM", "kalshi_INXD-23APR14-ATM", "mine")


def test_recordings_are_named_or_found_in_folders(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl.gz").touch()
    (tmp_path / "a.jsonl.gz").touch()
    (tmp_path / "a.parquet").touch()
    (tmp_path / "notes.txt").touch()

    assert sources([tmp_path, Path("c.jsonl.gz")]) == [
        *(str(tmp_path / name) for name in ("a.jsonl.gz", "a.parquet", "b.jsonl.gz")),
        "c.jsonl.gz",
    ]


def test_paths_may_hold_spaces_and_several_may_come_as_one_word(tmp_path: Path) -> None:
    spaced = tmp_path / "my recordings"
    spaced.mkdir()
    (spaced / "a.jsonl").touch()

    assert sources([spaced]) == [str(spaced / "a.jsonl")]
    assert sources([Path("a.jsonl.gz b.parquet")]) == ["a.jsonl.gz", "b.parquet"]


def test_a_run_writes_a_page_and_its_figures(tmp_path: Path) -> None:
    out = tmp_path / "lab.md"

    assert main(["moderate", "--out", str(out), "--every", "600", "--jobs", "1"]) == 0

    text, figures = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    assert list(figures) == ["judging"]
    rows = figures["judging"]["rows"]
    assert {row["queue_model"] for row in rows} == {"worst", "prorata"}
    for row in rows:
        if row["file"] == "all":
            assert f"| {row['algorithm']} | {row['parents']:,} | {row['shortfall_cents']:.3f} |" in text
    calls = next(
        row["calls"] for row in rows if (row["algorithm"], row["liquidity"]) == ("dynamic_depth_walker", "moderate")
    )
    verdict = "met" if calls <= 8 else "**missed**"
    assert f"| moderate: calls, mean | at most 8 | {calls:.1f} | {verdict} |" in text
    ends = figures["judging"]["above_the_bound"]
    assert sum(end["share_of_excess"] for end in ends if end["parents"]) == pytest.approx(1, abs=0.001)
    assert sum(end["parents"] for end in ends) == sum(
        row["parents"]
        for row in rows
        if (row["algorithm"], row["file"], row["queue_model"]) == ("dynamic_depth_walker", "all", "worst")
        and row["liquidity"] != "all"
    )
    assert all(end["cents"] >= 0 for end in ends if end["parents"])
    assert {pair["a"] for pair in figures["judging"]["paired"]} == {"dynamic_depth_walker"}


def test_what_cannot_be_played_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.jsonl.gz"
    wrong.write_bytes(gzip.compress(b"no recording\n"))

    assert main([str(wrong), "--out", str(tmp_path / "lab.md"), "--jobs", "1"]) == 2

    assert "nothing could be played: wrong: " in capsys.readouterr().err
    assert not (tmp_path / "lab.md").exists()

    assert main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "lab.md"), "--jobs", "1"]) == 2

    assert "none.jsonl cannot be read: No such file or directory" in capsys.readouterr().err


def test_what_each_part_is_worth_is_a_table_of_changes_made_alone(tmp_path: Path) -> None:
    out = tmp_path / "ablation.md"

    assert ablation.main(["--tune", "moderate", "--judge", "thin", "--every", "600", "--out", str(out)]) == 0

    lines = out.read_text().splitlines()
    changes = tomllib.loads(ablation.SPACE.read_text())["alone"]
    for change in (*changes, *dict(ablation.OTHERWISE)):
        assert any(line.startswith(f"| {change} | ") for line in lines), change
