"""`depthwalker rollout`: explicit moves, each journalled with what was known, advised by the evidence and never past the gate."""

import json

import psycopg
import pytest
from tests.shell.arms import evidence, moved, parents

from depthwalker.core.rollout import Move, Stage
from depthwalker.shell.cli import main

ACCOUNT = "default"


@pytest.fixture
def database(postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", postgres)
    return postgres


def test_it_begins_with_a_week_of_paper_that_nobody_can_shorten(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollout", "status"]) == 0
    shown = capsys.readouterr().out
    until = "where money is real a method that takes part in one runs simple_limit, any other as configured"
    assert shown.startswith(f"no rollout has begun: {until}\nadvice: advance (not begun")
    assert main(["rollout", "hold"]) == 1
    assert "`depthwalker rollout advance` begins it" in capsys.readouterr().err
    assert main(["rollout", "advance", "--reason", "let us see"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("stage paper, since ")
    assert "50 % of the edges have the walker on paper or a demo exchange, none where money is real" in shown
    assert "advice: wait (the paper stage lasts a week at least: 168 hours are left)" in shown
    assert "advance -> paper, " in shown
    for more in ([], ["--anyway"]):
        assert main(["rollout", "advance", *more]) == 1
        assert "a week at least" in capsys.readouterr().err
    assert [why for _, why, _ in evidence(database, ACCOUNT)] == ["let us see"]


def test_the_evidence_advises_and_is_kept_with_the_move(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    moved(database, ACCOUNT, Stage.PAPER, 8)
    assert main(["rollout", "advance", "--anyway"]) == 1
    assert "0 walker's and 0 control's parents on 0 common days: 30 of each and 5 days are needed" in (
        capsys.readouterr().err
    )
    parents(database, ACCOUNT, range(1, 7), walker="1.2", control="1.5", markets=6)
    assert main(["rollout", "advance"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("stage 10 %, since ")
    assert "10 % of the edges have the walker" in shown
    ((_, _, nothing), (_, _, known)) = evidence(database, ACCOUNT)
    assert nothing == {}
    assert (known["walkers"], known["controls"], known["days"]) == (36, 36, 6)
    assert known["difference"] == {"mean": -3_000, "low": -3_000, "high": -3_000}
    assert known["gain"] == {"mean": 12_000, "low": 12_000, "high": 12_000}


def test_what_the_guard_would_trip_on_is_told_and_a_stop_is_for_the_walker_only(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(database, ACCOUNT, Stage.TENTH, 8)
    parents(database, ACCOUNT, range(1, 7), walker="2.5", control="1.5", markets=6)
    assert main(["rollout", "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["stage"], found["advice"], found["stopped"]) == ("10 %", "stop", "")
    assert found["guard"].startswith("dearer than control on three days running")
    assert main(["rollout", "status"]) == 0
    shown = capsys.readouterr().out
    assert "walker less control, paired by day: 1.00 (1.00 to 1.00) cents a contract" in shown
    assert "better than simple_limit on the same tape by 1.20 % of the target" in shown
    assert "the guard would disable it: dearer" in shown
    assert main(["rollout", "hold", "--reason", "fair"]) == 0
    assert "held: fair" in capsys.readouterr().out
    assert main(["rollout", "stop", "--reason", "dear"]) == 0
    shown = capsys.readouterr().out
    assert "stopped: dear; all are control" in shown
    assert "the guard would" not in shown, "there is nothing left to disable"
    assert main(["rollout", "stop"]) == 1
    assert "stopped already: dear" in capsys.readouterr().err
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM kill_switch").fetchone() == (0,)
    assert main(["rollout", "advance"]) == 0
    assert "stage paper, since " in capsys.readouterr().out


def test_costs_are_rounded_as_in_the_advice(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    moved(database, ACCOUNT, Stage.TENTH, 8)
    parents(database, ACCOUNT, range(1, 7), walker="1.2332", control="1.5", markets=6)
    assert main(["rollout", "status"]) == 0
    shown = capsys.readouterr().out
    assert "on 6 common days: 1.26 and 1.53 cents a contract" in shown  # of 1.2582 and 1.525
    assert "paired by day: -0.27 (-0.27 to -0.27) cents a contract" in shown  # of -0.2668
    assert "cheaper by 0.27 cents a contract" in shown


def test_the_journal_is_only_ever_added_to(database: str) -> None:
    moved(database, ACCOUNT, Stage.PAPER, 1, Move.ADVANCE)
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in ("UPDATE rollout_journal SET reason = 'other'", "DELETE FROM rollout_journal"):
            with pytest.raises(psycopg.Error, match="only ever added to"):
                connection.execute(statement.encode())


def test_what_is_wrong_is_said(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rollout", "stop", "--reason", " "]) == 2
    assert "say why" in capsys.readouterr().err
    monkeypatch.setenv("DEPTHWALKER_MAX_CONCURRENT", "none")
    assert main(["rollout", "status"]) == 2
    assert "max_concurrent" in capsys.readouterr().err
