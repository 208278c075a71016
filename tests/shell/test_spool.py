"""The spool: facts that could not be journalled survive, whole, until they can."""

from pathlib import Path

import pytest

from depthwalker.core.fact import LookupStarted, StopRequested
from depthwalker.core.units import Micros
from depthwalker.shell.spool import Seat, Spool, Spooled

UUID = "0" * 31 + "1"
OTHER = "0" * 31 + "2"
SEAT = Seat(execution_id=7, epoch=2, next_seq=5)
FACTS = (StopRequested("enough", Micros(1)), LookupStarted(Micros(2)))


def test_what_is_kept_is_read_back_with_its_seat(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "not" / "yet")
    assert spool.kept() == ()
    spool.keep(UUID, SEAT, FACTS)
    spool.keep(OTHER, SEAT, ())
    assert spool.kept() == (Spooled(UUID, SEAT, FACTS), Spooled(OTHER, SEAT, ()))


def test_keeping_again_replaces_the_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(UUID, SEAT, FACTS)
    spool.keep(UUID, Seat(7, 2, 6), FACTS[1:])
    assert spool.kept() == (Spooled(UUID, Seat(7, 2, 6), FACTS[1:]),)
    assert [file.name for file in tmp_path.iterdir()] == [f"{UUID}.jsonl"]


def test_what_is_dropped_is_gone_and_may_be_dropped_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.keep(UUID, SEAT, FACTS)
    spool.drop(UUID)
    spool.drop(UUID)
    assert spool.kept() == ()


def test_an_unfinished_draft_is_not_read(tmp_path: Path) -> None:
    (tmp_path / f"{UUID}.new").write_text("7 2")
    assert Spool(tmp_path).kept() == ()


@pytest.mark.parametrize("text", ["", "7 2", "a b c", "7 2 5\n{", '7 2 5\n{"fact": "Nothing", "at": 1}'])
def test_a_damaged_file_is_named_and_stays_and_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    spool = Spool(tmp_path)
    spool.keep(OTHER, SEAT, FACTS)
    (tmp_path / f"{UUID}.jsonl").write_text(text)
    assert [spooled.uuid for spooled in spool.kept()] == [OTHER]
    assert UUID in caplog.text
    assert (tmp_path / f"{UUID}.jsonl").exists()
