"""The sweep: which policies are tried, that each costs what it costs alone, and that a sweep which was stopped goes on."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self, cast

import dask.config
import psycopg
import pytest
from distributed import LocalCluster
from tests.shell.test_lab_command import long_tape
from typing_extensions import override

from depthwalker.core.algorithms.table import production
from depthwalker.core.book import Leg
from depthwalker.core.config import Algorithm
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action
from depthwalker.core.policy import policy_for
from depthwalker.core.units import CONTRACT, DAY, SECOND, Count, Micros, Price
from depthwalker.shell.cli import main
from depthwalker.shell.ending import Wrong
from depthwalker.shell.lab.cost import measure
from depthwalker.shell.lab.experiment import TRADED, indexed
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import QueueModel
from depthwalker.shell.lab.parents import Aim, Sampled, Sampling, sample
from depthwalker.shell.lab.parquet import note, write
from depthwalker.shell.lab.players import Player
from depthwalker.shell.lab.progress import Progress
from depthwalker.shell.lab.session import Session
from depthwalker.shell.lab.space import Frame, variants
from depthwalker.shell.lab.sweep import Found, Half, Market, Search, tasks, tried
from depthwalker.shell.lab.sweep_command import halves
from depthwalker.shell.lab.sweep_report import ranked, shown, sweep_report
from depthwalker.shell.lab.sweep_store import NOTE, ParquetKept, done
from depthwalker.shell.recording import load, save

SPACE = """
[execution_config]
max_slippage_dollars = 0.05

[vary]
"policy.take_before_seconds" = [1, 3]
"dynamic_depth_walker.max_walks" = [0, 5]
"""
FRAME = Frame(Micros(8 * SECOND), "0.03")
ASKED = ("--horizon", "8", "--every", "7", "--count", "5", "--jobs", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings a and b of different markets, and a space of five policies."""
    made = tmp_path_factory.mktemp("sweep")
    for seed, name in enumerate("ab"):
        save(replace(long_tape(seed + 3), ticker=name), made / f"{name}.jsonl.gz")
    (made / "space.toml").write_text(SPACE)
    return made


def sweep(folder: Path, out: Path, *words: str) -> int:
    with out.open("w", encoding="utf-8") as file, redirect_stdout(file):
        return main([*asked(folder, *words), "--json"])


def asked(folder: Path, *words: str) -> list[str]:
    a, b = (str(folder / f"{name}.jsonl.gz") for name in "ab")
    return ["sweep", a, "--judge", b, "--space", str(folder / "space.toml"), *ASKED, *words]


def rows_of(path: Path) -> list[dict[str, object]]:
    found = json.loads(path.read_text())["rows"]
    assert isinstance(found, list)
    return found


class TestSpace:
    def test_the_first_is_the_configuration_as_it_stands_and_the_others_every_combination(self, folder: Path) -> None:
        first, *others = variants(folder / "space.toml", FRAME, None, 0)
        assert first.varied == ""
        assert (first.policy.config.slippage_dollars, first.policy.config.timeout) == (Price(300), 8 * SECOND)
        assert first.policy == replace(policy_for(first.policy.config), config=first.policy.config)
        assert {each.policy.config.algorithm for each in (first, *others)} == {Algorithm.DYNAMIC_DEPTH_WALKER}
        assert [other.varied for other in others] == [
            f"take_before_seconds {seconds}, max_walks {walks}" for seconds in (1, 3) for walks in (0, 5)
        ]
        assert [(other.policy.take_before // SECOND, other.policy.config.walker.max_walks) for other in others] == [
            (seconds, walks) for seconds in (1, 3) for walks in (0, 5)
        ]

    def test_the_cap_and_the_time_out_are_the_files_unless_the_command_line_gives_others(self, folder: Path) -> None:
        configs = [
            variants(folder / "space.toml", frame, None, 0)[0].policy.config for frame in (FRAME, Frame(None, None))
        ]
        assert [(config.slippage_ppm, config.slippage_dollars, config.timeout) for config in configs] == [
            (None, 300, 8 * SECOND),
            (25_000, 500, 40 * SECOND),
        ]

    @pytest.mark.parametrize(
        "varied",
        [
            "[vary]\nmax_slippage_dollars = [0.0, 0.01]",
            "[vary]\nmax_slippage_percent = [0.0, 0.01]",
            "[vary]\norder_timeout_seconds = [10, 40]",
            "[alone]\ndear = {max_cost_per_contract = 0.5}",
        ],
    )
    def test_what_admits_a_parent_is_not_varied(self, tmp_path: Path, varied: str) -> None:
        (tmp_path / "space.toml").write_text(varied)
        with pytest.raises(Wrong, match="is the same for all policies of a sweep: write it under"):
            variants(tmp_path / "space.toml", FRAME, None, 0)

    def test_changes_may_be_tried_each_alone(self, tmp_path: Path) -> None:
        (tmp_path / "space.toml").write_text(
            "[alone]\n'no walk' = {'dynamic_depth_walker.max_walks' = 0}\n'all late' = {'policy.take_before_seconds' = 0}"
        )
        first, *others = variants(tmp_path / "space.toml", FRAME, None, 0)
        assert [other.varied for other in others] == ["no walk", "all late"]
        assert [other.policy.config.walker.max_walks for other in others] == [0, first.policy.config.walker.max_walks]
        assert [other.policy.take_before for other in others] == [first.policy.take_before, 0]

    def test_a_policy_is_told_as_its_file_has_it(self, tmp_path: Path) -> None:
        (tmp_path / "space.toml").write_text(
            "[vary]\n'dynamic_depth_walker.split_ratios' = [[1], [0.6, 0.4]]\n'dynamic_depth_walker.enabled' = [true]"
        )
        _, *others = variants(tmp_path / "space.toml", FRAME, None, 0)
        assert [one.varied for one in others] == [
            f"split_ratios {ratios}, enabled true" for ratios in ("[1]", "[0.6, 0.4]")
        ]

    def test_a_draw_keeps_as_many_as_wanted_and_the_same_ones_for_a_seed(self, folder: Path) -> None:
        drawn = [variants(folder / "space.toml", FRAME, 2, seed) for seed in (1, 1, 2, 3, 4, 5)]
        everyone = variants(folder / "space.toml", FRAME, None, 0)
        assert drawn[0] == drawn[1]
        assert len(set(drawn)) > 1
        assert all(len(some) == 3 and set(some) <= set(everyone) for some in drawn)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("[vary]", "varies nothing: write [vary]"),
            ("[vary]\nmax_walks = [1]", "max_walks"),
            ("[vary]\n'policy.patience' = [1]", "policy.patience"),
            ("[vary]\n'policy.take_before_seconds' = [-1]", "policy.take_before_seconds: "),
            ("[vary]\n'order_timeout_seconds.x' = [1]", "order_timeout_seconds"),
            ("[vary]\n'algorithm.x.y' = [1]", "algorithm is no table"),
            ("[vary]\n'dynamic_depth_walker.max_walks' = 3", "should be a list of the values to try"),
            (
                "[vary]\n'dynamic_depth_walker.max_walks' = [1.5]",
                "max_walks: 1.5 is not allowed; allowed is a whole number",
            ),
            ("[varied]\nx = [1]", "varied: there are the tables execution_config, vary and alone"),
            ("vary = 3", "vary is no table"),
            ("[alone]\nnothing = 3", "nothing is no table"),
            ("[alone]\nless = {'policy.above_microprice_dollars' = 2}", "policy.above_microprice_dollars: "),
            ("[vary", "is not TOML"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, text: str, reason: str) -> None:
        (tmp_path / "space.toml").write_text(text)
        with pytest.raises(Wrong) as caught:
            variants(tmp_path / "space.toml", FRAME, None, 0)
        assert reason in str(caught.value)

    def test_too_many_are_refused_unless_some_are_drawn(self, tmp_path: Path) -> None:
        values = ", ".join(str(number) for number in range(400))
        (tmp_path / "space.toml").write_text(
            f"[vary]\n'dynamic_depth_walker.max_walks' = [{values}]\n'dynamic_depth_walker.max_total_walks' = [{values}]"
        )
        with pytest.raises(Wrong, match="160,000 policies: --most N draws"):
            variants(tmp_path / "space.toml", FRAME, None, 0)
        assert len(variants(tmp_path / "space.toml", FRAME, 7, 0)) == 8

    def test_a_draw_of_a_space_that_nobody_could_enumerate_is_made_at_once(self, tmp_path: Path) -> None:
        paths = ("max_walks", "max_total_walks", "walk_interval_seconds", "momentum_threshold")
        lines = [f"'dynamic_depth_walker.{path}' = [{', '.join(str(n) for n in range(1, 11))}]" for path in paths]
        lines += [f"'dynamic_depth_walker.min_volume_threshold' = [{', '.join(str(n) for n in range(1, 40_000))}]"]
        lines += [f"'twap.slices' = [{', '.join(['1', '2', '3'] * 10_000)}]"]
        (tmp_path / "space.toml").write_text("\n".join(["[vary]", *lines]))
        assert len(variants(tmp_path / "space.toml", FRAME, 5, 0)) == 6
        more = [f"'adaptive_limit.urgency' = [{', '.join(['1'] * 100_000)}]", lines[-1].replace("slices", "patience")]
        (tmp_path / "space.toml").write_text("\n".join(["[vary]", *lines, *more]))
        with pytest.raises(Wrong, match="more policies than can be drawn from"):
            variants(tmp_path / "space.toml", FRAME, 5, 0)


def search_of(folder: Path) -> tuple[Search, tuple[Market, ...]]:
    found = variants(folder / "space.toml", FRAME, None, 0)
    every = Micros(7 * SECOND)
    counts = (Count(5 * CONTRACT),)
    sampling = Sampling(counts, tuple(Leg), Action.BUY, Aim("offer", 0), every, every, found[0].policy.config)
    markets = tuple(
        Market(str(folder / f"{name}.jsonl.gz"), 0, half, name * 16, name, Micros(300 * SECOND), None, TRADED)
        for name, half in zip("ab", Half, strict=True)
    )
    return Search(found, sampling, tuple(QueueModel), Micros(100_000), Micros(80 * SECOND)), markets


def test_every_policy_costs_what_it_costs_alone(folder: Path) -> None:
    search, markets = search_of(folder)
    rows = [row for task in tasks(search, markets[:1]) for row in tried(search, task)]
    tape = load(Path(markets[0].source))
    assert isinstance(tape, Success)
    index = indexed(tape.unwrap())
    parents = [found for found in sample(index, search.sampling) if isinstance(found, Sampled)]
    assert len(parents) > 30
    for place, variant in enumerate(search.variants):
        player = Player("", variant.policy, production)
        for model in QueueModel:
            results = [
                measure(Indexed(index, one.parent, model), index, one, player, search.latency) for one in parents
            ]
            mine = [row for row in rows if (row.policy, row.queue_model) == (place, model.value)]
            assert sum(row.parents for row in mine) == len(parents)
            assert sum(row.cents for row in mine) == pytest.approx(
                sum(
                    result.twice_shortfall / (200 * one.parent.count)
                    for result, one in zip(results, parents, strict=True)
                )
            )
            assert sum(row.calls for row in mine) == sum(result.calls for result in results)
            assert max(row.most_calls for row in mine) == max(result.calls for result in results)
            assert sum(row.full for row in mine) == sum(result.full for result in results)


def test_both_halves_are_reported_and_the_choice_is_the_tuning_halfs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "r.json"
    assert sweep(folder, out, "--out", str(tmp_path / "s.parquet")) == 0
    found = json.loads(out.read_text())
    tuned = {
        row["policy"]: row["cents"]
        for row in found["rows"]
        if (row["half"], row["queue_model"], row["liquidity"]) == ("tuning", "worst", "all")
    }
    assert len(tuned) == found["policies"] == 5
    assert tuned[found["chosen"]] == min(tuned.values())
    assert {row["half"] for row in found["rows"]} == {"tuning", "judging"}
    assert found["fill_model"] == {str(folder / f"{name}.jsonl.gz"): TRADED for name in "ab"}
    assert main(asked(folder, "--out", str(tmp_path / "s.parquet"))) == 0
    shown = capsys.readouterr().out
    assert "as it stands" in shown
    assert " judging " in shown
    assert f"fill model of {folder / 'b.jsonl.gz'}: {TRADED}\n" in shown


def test_a_sweep_that_was_stopped_goes_on_and_ends_the_same(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(folder, tmp_path / "whole.json", "--out", str(tmp_path / "whole.parquet")) == 0
    told = capsys.readouterr().err
    search, _ = search_of(folder)
    whole = ParquetKept(tmp_path / "whole.parquet", _same(tmp_path / "whole.parquet", search)).all()
    kept = ParquetKept(tmp_path / "half.parquet", _same(tmp_path / "whole.parquet", search))
    some = list(islice(_by_task(whole), 3))  # of eight blocks: as files beside, as a killed process leaves them
    for rows in some:
        kept.keep(rows)

    assert sweep(folder, tmp_path / "half.json", "--out", str(tmp_path / "half.parquet")) == 0

    assert f"{len(done(whole))} blocks of markets" in told
    assert f"blocks of markets, {len(some)} of them done before" in capsys.readouterr().err
    assert json.loads((tmp_path / "half.json").read_text()) == json.loads((tmp_path / "whole.json").read_text())
    assert not (tmp_path / "half.parquet.parts").exists()


@pytest.mark.parametrize("where", ["file", "database"])
def test_what_is_kept_is_of_the_half_and_queue_that_are_asked_for_now(
    where: str, folder: Path, tmp_path: Path, new_database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The markets of an earlier run, exchanged: what judged then is tuned on now."""
    assert callable(new_database)
    monkeypatch.setenv("DATABASE_URL", str(new_database()))
    to = ("--database",) if where == "database" else ("--out", str(tmp_path / "s.parquet"))
    a, b = (str(folder / f"{name}.jsonl.gz") for name in "ab")
    other = ("--space", str(folder / "space.toml"), *ASKED, "--queue", "worst", "--json")
    assert sweep(folder, tmp_path / "first.json", *to) == 0

    assert main(["sweep", b, "--judge", a, *other, str(tmp_path / "again.json"), *to]) == 0
    assert main(["sweep", b, "--judge", a, *other, str(tmp_path / "new.json"), "--out", str(tmp_path / "new")]) == 0

    again, new = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("again", "new"))
    assert (again["chosen"], again["leaders"]) == (new["chosen"], new["leaders"])
    assert rows_of(tmp_path / "again.json") == _close(rows_of(tmp_path / "new.json"))


def _same(path: Path, search: Search) -> Search:
    """Return the search of a file, whatever wrote it: the command's differs from ours in nothing that is asked here."""

    class Same:
        key = note(path, NOTE)
        variants = search.variants

    return cast(Search, Same)


def _by_task(rows: list[Found]) -> Iterator[list[Found]]:
    for key in sorted(done(rows)):
        yield [row for row in rows if (row.digest, row.queue_model, row.block) == key]


@pytest.mark.parametrize("cluster", [(), ("--dask",)], ids=["joblib", "dask"])
def test_ctrl_c_keeps_what_was_done(cluster: tuple[str, ...], folder: Path, tmp_path: Path) -> None:
    """A terminal sends it to every process of the sweep. What Dask tells of its end is its own: a word less or more each time."""
    words = [sys.executable, "-m", "depthwalker.shell", "sweep", str(folder / "a.jsonl.gz"), "--judge"]
    words += [str(folder / "b.jsonl.gz"), "--space", str(folder / "space.toml"), "--horizon", "2", "--every", "1"]
    words += ["--count", "5", "--queue-model", "worst", "--out", str(tmp_path / "s.parquet"), *cluster]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background hear none
    try:
        process = subprocess.Popen(
            words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stderr is not None
    while " done, " not in process.stderr.readline():  # the first blocks are done
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted: the same command goes on from here" in said.splitlines()
    assert cluster or not re.search("warning|traceback", said, re.IGNORECASE), said
    again = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "of them done before" in again.stderr
    assert "as it stands" in again.stdout


def test_what_another_version_found_is_of_another_sweep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search, _ = search_of(folder)
    now = search.key
    monkeypatch.setattr("depthwalker.shell.lab.sweep.version", lambda _package: "99.0.0")
    assert search.key != now


def test_another_sweeps_file_is_not_touched(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "s.parquet"
    assert sweep(folder, tmp_path / "r.json", "--out", str(out)) == 0
    before = out.read_bytes()
    assert sweep(folder, tmp_path / "r.json", "--out", str(out), "--latency", "7") == 2
    assert "is not of this sweep, or of another version: name another file with --out" in capsys.readouterr().err
    assert out.read_bytes() == before
    key = note(out, NOTE)
    assert key is not None
    write(out, {"digest": ["d"], "policy": [1]}, {NOTE: key})
    assert sweep(folder, tmp_path / "r.json", "--out", str(out)) == 2
    assert f"{out} is damaged" in capsys.readouterr().err
    out.write_bytes(b"something else")
    assert sweep(folder, tmp_path / "r.json", "--out", str(out)) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_the_database_keeps_the_same(
    folder: Path, tmp_path: Path, new_database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(new_database)
    dsn = str(new_database())
    monkeypatch.setenv("DATABASE_URL", dsn)
    assert sweep(folder, tmp_path / "file.json", "--out", str(tmp_path / "s.parquet")) == 0
    assert sweep(folder, tmp_path / "database.json", "--database") == 0
    assert rows_of(tmp_path / "database.json") == _close(rows_of(tmp_path / "file.json"))
    with psycopg.connect(dsn) as connection:
        (policies,) = connection.execute("SELECT jsonb_array_length(policies) FROM sweeps").fetchone() or (0,)
        connection.execute("DELETE FROM sweep_results WHERE block > 1")
    assert policies == 5
    assert sweep(folder, tmp_path / "again.json", "--database") == 0
    assert rows_of(tmp_path / "again.json") == _close(rows_of(tmp_path / "file.json"))


def _close(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return rows that others equal whose sums were made in another order."""
    return [
        {key: pytest.approx(value) if isinstance(value, float) else value for key, value in row.items()} for row in rows
    ]


def test_a_dask_cluster_finds_the_same_whoever_has_its_usual_port_and_takes_no_work_of_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []

    class Noted(LocalCluster):
        @override
        def __enter__(self) -> Self:
            reached.append(self.scheduler_address)
            return super().__enter__()

    monkeypatch.setattr("distributed.LocalCluster", Noted)
    assert sweep(folder, tmp_path / "joblib.json", "--out", str(tmp_path / "a.parquet")) == 0
    with socket.socket() as somebody:
        with suppress(OSError):  # somebody else has it already
            somebody.bind(("127.0.0.1", 8787))
        assert sweep(folder, tmp_path / "dask.json", "--out", str(tmp_path / "b.parquet"), "--dask") == 0
    assert rows_of(tmp_path / "dask.json") == _close(rows_of(tmp_path / "joblib.json"))
    assert [address.partition("://")[0] for address in reached] == ["tls"], (
        "whoever reaches a scheduler has it run anything"
    )


def test_a_cluster_that_is_not_there_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = ("--out", str(tmp_path / "s.parquet"), "--dask", "tcp://127.0.0.1:1")
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert sweep(folder, tmp_path / "r.json", *nowhere) == 2
    assert "--dask tcp://127.0.0.1:1: no scheduler answers there" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert sweep(folder, tmp_path / "r.json", "--out", str(tmp_path / "s.parquet"), "--dask") == 2
    assert "pip install 'depthwalker[lab,dask]'" in capsys.readouterr().err


def test_a_market_never_judges_what_was_chosen_on_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "copy.jsonl"
    tape = load(folder / "a.jsonl.gz")
    assert isinstance(tape, Success)
    save(tape.unwrap(), copied, Micros(3600 * SECOND))
    assert sweep(folder, tmp_path / "r.json", "--judge", str(copied)) == 2
    assert f"{copied} is the market a, which" in capsys.readouterr().err


def test_a_day_never_judges_what_was_chosen_on_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = load(folder / "a.jsonl.gz").unwrap()
    strikes = {name: tmp_path / f"{name}.jsonl" for name in ("INXD-23AUG31-B4487", "KXETH-23AUG31-T4425")}
    for name, file in strikes.items():
        save(replace(tape, ticker=name), file, Micros(1_693_494_000 * SECOND))
    tuned, judging = map(str, strikes.values())
    words = ["sweep", tuned, "--judge", judging, "--space", str(folder / "space.toml"), *ASKED]

    assert main([*words, "--out", str(tmp_path / "s.parquet")]) == 2

    told = capsys.readouterr().err
    assert f"{judging} was recorded on 2023-08-31, as was {tuned}, which is tuned on: give all markets of a day" in told
    assert "judge on another day" in told
    assert not (tmp_path / "s.parquet").exists()


def test_other_days_of_an_event_and_synthetic_markets_may_judge() -> None:
    def market(ticker: str, half: Half, session: Session | None) -> Market:
        return Market(ticker, 0, half, ticker, ticker, Micros(SECOND), session, TRADED)

    monday, tuesday = (Micros(day * DAY + 5) for day in (4, 5))
    tuned = market("E-1-A", Half.TUNING, Session("E-1", monday, monday))
    synthetic = market("thin", Half.TUNING, None)
    judging = (
        market("E-1-B", Half.JUDGING, Session("E-1", tuesday, tuesday)),
        market("thin 1", Half.JUDGING, None),
    )
    assert halves((tuned, synthetic), judging) == (tuned, synthetic, *judging)
    for event, began in (
        ("E-1", Micros(monday - DAY)),
        ("E-1", monday),
        ("E-2", monday),
    ):  # from Sunday on, or on Monday
        with pytest.raises(Wrong, match="give all markets of a day to one half"):
            halves((tuned,), (market("E-1-B", Half.JUDGING, Session(event, began, tuesday)),))


def test_a_copy_of_a_market_tunes_and_judges_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tape = load(folder / "a.jsonl.gz").unwrap()
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    for file in (plain, packed):
        save(tape, file, Micros(1_693_494_000 * SECOND))
    other, space = str(folder / "b.jsonl.gz"), str(folder / "space.toml")
    for words in ((str(plain), str(packed), "--judge", other), (other, "--judge", str(plain), str(packed))):
        assert main(["sweep", *words, "--space", space, *ASKED, "--out", str(tmp_path / "s.parquet")]) == 2
        told = capsys.readouterr().err
        assert f"{packed} cannot be used: it is of a at a time at which {plain} is too: each parent counts once" in told


def test_markets_too_short_for_a_parent_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(folder, tmp_path / "r.json", "--horizon", "600", "--out", str(tmp_path / "s.parquet")) == 2
    told = capsys.readouterr().err
    assert (
        "no parent could be sampled on the tuning half: give longer markets, or a shorter --every or --horizon" in told
    )


def came_to(half: str, policy: int, cents: float, block: int = 0) -> Found:
    return Found("d", "m", half, "worst", block, "thin", policy, 1, cents, 1, 1, 1, 1, 1, 0, 1, 1)


def test_the_choice_is_made_on_the_tuning_half_alone() -> None:
    told = [("tuning", 0, 2.0), ("tuning", 1, 1.0), ("judging", 0, 0.0), ("judging", 1, 9.0)]
    assert ranked([came_to(*one) for one in told]) == [1, 0]


def test_what_the_file_names_is_shown_however_dear_it_is(tmp_path: Path) -> None:
    space = (
        "[execution_config]\nmax_slippage_dollars = 0.05\n[vary]\n'policy.take_before_seconds' = [1, 2, 3, 4, 5, 6]\n"
        "[alone.'never walks']\n'dynamic_depth_walker.max_walks' = 0\n'policy.take_before_seconds' = 0\n"
    )
    (tmp_path / "space.toml").write_text(space)
    found = variants(tmp_path / "space.toml", FRAME, None, 0)
    rows = [
        came_to(half.value, place, float(place), block)
        for place in range(len(found))
        for half in Half
        for block in range(5)
    ]

    report = sweep_report(rows, found) | {"fill_model": {}}
    lines = list(shown(report))

    assert (report["leaders"], report["named"]) == ([0, 1, 2, 3, 4, 5, 6, 7], [7])
    assert lines[0].startswith("the best 5 of 8 policies on the tuning half, those that the file names, and policy 0")
    assert [line.split()[0] for line in lines if line.strip()[:1].isdigit()] == ["0", "1", "2", "3", "4", "7"]
    assert "     7 never walks" in lines


def test_progress_without_a_terminal_is_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(40) as progress:
        for _ in range(40):
            progress.advance()
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in told] == [f"{number} of 40 done" for number in range(4, 41, 4)]
