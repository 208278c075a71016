"""The demo plays whole markets with both algorithms, on what the seed or a recording gives, and shows what came of it."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from depthwalker.core.book import Leg, ladders, within
from depthwalker.core.config import Algorithm
from depthwalker.core.depth import BAND
from depthwalker.core.outcome import Failure, Success
from depthwalker.core.tape import window
from depthwalker.core.units import CENT, CONTRACT, SECOND, Micros
from depthwalker.shell.cli import main
from depthwalker.shell.postgres import Cluster
from depthwalker.shell.recording import save
from depthwalker.shell.scene import Scene, job, recorded_scene, save_scenes, synthetic_scenes
from depthwalker.shell.spool import Spool

PROGRAM = [sys.executable, "-m", "depthwalker.shell"]
SEEDS = range(12)


@pytest.fixture
def home(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for the demo's embedded server, which must be down after each test."""
    made = open_folder / "demo"
    monkeypatch.setenv("DEPTHWALKER_STATE_DIRECTORY", str(made))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    yield made
    assert not Cluster(made / "postgres")._lives(), "the demo left a server behind"


# Scenes


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_gives_three_orders_with_room_to_walk(seed: int) -> None:
    scenes = synthetic_scenes(seed, 6)

    assert [scene.name for scene in scenes] == ["thin", "moderate", "liquid"]
    for scene in scenes:
        leg = scene.ticket.outcome
        seen = ladders(window(scene.tape, scene.history, Micros(0)).opening, leg)
        grid = scene.tape.grid.of(leg)
        nearest = seen.offers[0][0]
        assert grid.valid(scene.ticket.target)
        assert scene.ticket.target < nearest <= scene.ticket.target + scene.slippage
        assert 6 * CENT <= scene.slippage <= 10 * CENT
        assert 10 * CONTRACT <= scene.ticket.count <= max(10 * CONTRACT, within(seen.offers, BAND) // 2)


def test_the_market_has_traded_before_the_order_comes() -> None:
    for scene in synthetic_scenes(7, 6):
        assert scene.history == 120 * SECOND
        assert scene.listing.opens_after == -scene.history
        assert scene.tape.span >= scene.history + 6 * SECOND


def test_a_seed_repeats_its_markets_exactly() -> None:
    assert synthetic_scenes(7, 6) == synthetic_scenes(7, 6)
    assert synthetic_scenes(7, 6) != synthetic_scenes(8, 6)


def test_both_outcomes_are_played() -> None:
    assert {scene.ticket.outcome for seed in SEEDS for scene in synthetic_scenes(seed, 6)} == {Leg.YES, Leg.NO}


def test_a_job_is_the_specifications_method_but_for_cap_and_pace() -> None:
    scene = synthetic_scenes(1, 40)[0]

    asked = job(scene, Algorithm.DYNAMIC_DEPTH_WALKER, 40, "key").config

    assert (asked.timeout, asked.walker.walk_interval) == (40_000_000, 4_000_000)
    assert (asked.slippage_ppm, asked.slippage_dollars) == (None, scene.slippage)
    assert job(scene, Algorithm.DYNAMIC_DEPTH_WALKER, 6, "key").config.walker.walk_interval == 600_000


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_a_saved_market_can_be_played_again(tmp_path: Path, ending: str) -> None:
    scenes = synthetic_scenes(3, 40)

    files = save_scenes(scenes, tmp_path / f"market.{ending}")

    assert [file.name for file in files] == [f"market-{name}.{ending}" for name in ("thin", "moderate", "liquid")]
    for file, scene in zip(files, scenes, strict=True):
        found = recorded_scene(file, 1, 40)
        assert isinstance(found, Success), (file, found)
        assert found.unwrap().tape.ticker == scene.tape.ticker
        assert found.unwrap().history == scene.history


def test_a_recording_too_short_for_a_history_is_played_without_one(tmp_path: Path) -> None:
    scene = synthetic_scenes(3, 40)[0]
    file = tmp_path / "short.jsonl"
    save(window(scene.tape, Micros(0), Micros(100 * SECOND)), file)

    found = recorded_scene(file, 1, 40)

    assert isinstance(found, Success)
    assert (found.unwrap().history, found.unwrap().tape.span) == (0, 45 * SECOND)


def test_a_saved_recording_keeps_its_name(tmp_path: Path) -> None:
    assert save_scenes(synthetic_scenes(3, 6)[:1], tmp_path / "one.jsonl") == (tmp_path / "one.jsonl",)


def test_every_recording_is_played_or_refused_with_the_reason(shared: Path) -> None:
    reasons = set()
    for file in sorted((shared / "data").glob("*.jsonl.gz")):
        match recorded_scene(file, 1, 40):
            case Success(Scene(ticket=ticket, tape=tape)):
                assert ticket.count >= 10 * CONTRACT
                assert tape.opening.yes
                assert tape.opening.no
            case Failure(unplayable):
                reasons.add(unplayable.reason.partition(" (")[0])
    assert reasons == {
        "it is a cross-section of several markets",
        "it holds several markets",
        "its book never has both sides",
        "there is no book in it, only trades",
    }


# The command


@pytest.fixture
def spools(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The folders that engines spool to."""
    folders: set[Path] = set()

    def spool(folder: Path) -> Spool:
        folders.add(folder)
        return Spool(folder)

    monkeypatch.setattr("depthwalker.shell.conduct.Spool", spool)
    return folders


def test_the_demo_runs_from_end_to_end(
    home: Path, spools: set[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, report = tmp_path / "demo.svg", tmp_path / "demo.html"

    code = main(["demo", "--plain", "--seconds", "6", "--seed", "1", "--picture", str(picture), "--html", str(report)])

    seen = capsys.readouterr().out
    assert code == 0
    assert spools == {home / "spool"}
    assert "seed 1: --seed 1 (of make demo, SEED=1) repeats the markets" in seen
    for lane in ("thin/simple", "thin/walker", "moderate/simple", "moderate/walker", "liquid/simple", "liquid/walker"):
        sent = [
            line for line in seen.splitlines() if line.startswith(lane) and (" placed " in line or " taking " in line)
        ]
        assert sent, lane
        assert any(line.startswith(lane) and " finished " in line for line in seen.splitlines()), lane
    assert any(line.startswith("thin/walker") and " walked " in line for line in seen.splitlines())
    assert "db shell" in seen
    assert "FROM execution_state e" in seen
    assert f"the one that walked most, is {report}" in seen
    assert "<h2>Prices, orders and fills</h2>" in report.read_text()
    svg = picture.read_text()
    assert len(svg) < 150_000
    assert "thin/walker" in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")


def play_a_saved_market(dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn)
    (file,) = save_scenes(synthetic_scenes(5, 6)[:1], folder / "thin.jsonl.gz")
    assert main(["demo", "--data", str(file), "--seconds", "5", "--seed", "2", "--json"]) == 0


def test_the_demo_as_json_plays_a_saved_recording(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_a_saved_market(postgres, tmp_path, monkeypatch)

    seen = json.loads(capsys.readouterr().out)
    assert seen["seed"] == 2
    assert [row["execution"] for row in seen["executions"]] == ["recorded/simple", "recorded/walker"]
    assert all(int(row["calls"]) > 0 for row in seen["executions"])


def test_what_the_demo_executes_is_on_paper_and_no_trade_of_the_users(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play_a_saved_market(postgres, tmp_path, monkeypatch)
    capsys.readouterr()

    assert main(["assess", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trades"] == 0
    assert main(["assess", "--paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trades"] == 2
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM execution_comparison").fetchone() == (0,)


def test_a_file_that_cannot_be_played_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()

    assert main(["demo", "--data", str(empty)]) == 2
    assert f"{empty} cannot be replayed: it is empty" in capsys.readouterr().err
    assert main(["demo", "--data", str(tmp_path / "absent")]) == 2
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--save", str(tmp_path / "absent" / "market.jsonl")]) == 2
    assert "cannot be written: there is no folder" in capsys.readouterr().err


def test_an_interrupted_demo_cancels_what_rests_and_leaves_no_process(home: Path, tmp_path: Path) -> None:
    report = str(tmp_path / "demo.html")
    with subprocess.Popen(
        [*PROGRAM, "demo", "--plain", "--seed", "1", "--html", report],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            # Seconds after the first orders these rest, and are not merely about to be sent; a walk may come at once.
            assert any("/walker" in line and " walked " in line and " 0." not in line[:24] for line in process.stdout)

            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=15)
        finally:
            process.kill()

    assert process.returncode == 130
    assert "stopping: cancelling what rests" in said
    assert "records confirm that nothing rests" in said
    assert "cancelled split 1" in said
