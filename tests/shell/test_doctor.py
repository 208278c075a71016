"""`depthwalker doctor`: each piece that does not hold is named with what mends it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests.shell.command_line import Venue, trading_at

from depthwalker.core.skew import UNKNOWN_SKEW, Skew
from depthwalker.core.units import Micros
from depthwalker.shell.cli import main
from depthwalker.shell.doctor import Verdict, _clock, _python, _schema, _status


@pytest.fixture
def venue(tmp_path: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    with trading_at(tmp_path, monkeypatch, new_database()) as started:
        yield started


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str, str]]:
    found = json.loads(capsys.readouterr().out)
    return {one["piece"]: (one["verdict"], one["found"], one["remedy"]) for one in found}


def test_where_everything_holds_it_says_so(venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "load"]) == 0
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 0
    found = told(capsys)
    assert list(found) == ["python", "settings", "database", "schema", "key", "exchange", "clock", "budget"]
    assert {verdict for verdict, _, _ in found.values()} == {"ok"}
    assert found["exchange"] == ("ok", "reached, and trading", "")
    assert "write tokens a second" in found["budget"][1]


def test_a_pulled_kill_switch_is_told(venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "--reason", "rehearsal"]) == 0
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 1
    verdict, found, remedy = told(capsys)["switch"]
    assert (verdict, found.partition(": ")[2]) == ("bad", "rehearsal")
    assert "depthwalker stop --release" in remedy


def test_in_words_each_piece_is_a_line_and_its_remedy_another(
    venue: Venue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEPTHWALKER_KEY_ID")
    monkeypatch.delenv("DEPTHWALKER_KEY_FILE")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["bad", "key", "none"] for line in lines)
    assert any("-> set DEPTHWALKER_KEY_ID" in line for line in lines)


def test_what_cannot_be_looked_at_is_named_too(
    venue: Venue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "http://127.0.0.1:9/trade-api/v2")
    assert main(["doctor", "--json"]) == 1
    found = told(capsys)
    assert [found[piece][:2] for piece in ("clock", "budget")] == [
        ("note", "not known: the exchange was not reached")
    ] * 2


@pytest.mark.parametrize(
    ("name", "value", "piece", "remedy"),
    [
        ("DEPTHWALKER_BASE_URL", "http://127.0.0.1:9/trade-api/v2", "exchange", "check the network"),
        ("DATABASE_URL", "postgresql://127.0.0.1:9/nothing", "database", "correct DATABASE_URL"),
        ("DEPTHWALKER_KEY_FILE", "/nowhere.pem", "key", "name a file that you own"),
        ("DEPTHWALKER_KEY_ID", "unknown", "budget", "check that the key belongs to this exchange"),
    ],
)
def test_what_is_wrong_is_named_with_what_mends_it(
    name: str,
    value: str,
    piece: str,
    remedy: str,
    venue: Venue,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["doctor", "--json"]) == 1
    verdict, _, says = told(capsys)[piece]
    assert verdict == "bad"
    assert remedy in says


def test_a_database_that_cannot_hold_every_text_is_told(
    venue: Venue, new_database: Callable[[], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = new_database()
    with psycopg.connect(named, autocommit=True) as admin:
        name = admin.info.dbname
        admin.execute(f"CREATE DATABASE {name}_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
    monkeypatch.setenv("DATABASE_URL", named.replace(name, f"{name}_latin"))
    assert main(["doctor", "--json"]) == 1
    verdict, found, remedy = told(capsys)["database"]
    assert verdict == "bad"
    assert "encoded in LATIN1" in found
    assert "ENCODING 'UTF8'" in remedy


def test_wrong_settings_end_the_search(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHWALKER_BASE_URL", "nonsense")
    assert main(["doctor", "--json"]) == 1
    assert list(told(capsys)) == ["python", "settings"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-100, 900, Verdict.GOOD), (2_000, 2_900, Verdict.NOTE), (-9_000, -8_100, Verdict.BAD)],
)
def test_a_clock_is_judged_by_what_a_signature_tolerates(low: int, high: int, verdict: Verdict) -> None:
    assert _clock(Skew(Micros(low * 1_000), Micros(high * 1_000))).verdict is verdict


def test_pieces_by_themselves() -> None:
    assert _clock(UNKNOWN_SKEW).verdict is Verdict.NOTE
    assert _python((3, 10)).verdict is Verdict.BAD
    assert _status(trades=False).verdict is Verdict.NOTE
    assert _schema("schema.sql of old", named=True).verdict is Verdict.NOTE
    assert _schema(None, named=True).verdict is Verdict.BAD
    assert _schema(None, named=False).verdict is Verdict.NOTE
