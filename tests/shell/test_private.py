"""What is kept on disk is its owner's alone, whatever the umask: a planted fact would be journalled, a held lock stops `stop`."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from depthwalker.core.fact import StopRequested
from depthwalker.core.units import Micros
from depthwalker.shell.postgres import Cluster
from depthwalker.shell.private import make_folder
from depthwalker.shell.settings import kept_installation
from depthwalker.shell.spool import Seat, Spool

OTHERS_MAY = 0o055 if os.geteuid() == 0 else 0  # enter root's folders: its database runs as somebody else


@pytest.fixture(params=[0o022, 0o000, 0o077], ids=oct, autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def for_others(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) & 0o077


def test_a_folder_is_made_with_those_it_lies_in_and_one_that_is_there_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    make_folder(tmp_path / "state" / "spool")
    make_folder(tmp_path / "state" / "spool")

    assert for_others(tmp_path) == 0o070
    assert {for_others(tmp_path / name) for name in ("state", "state/spool")} == {OTHERS_MAY}


def test_nobody_else_reads_or_adds_to_spooled_facts(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "state" / "spool")
    spool.keep("0" * 32, Seat(1, 1, 2), (StopRequested("enough", Micros(1)),))

    assert for_others(tmp_path / "state" / "spool") == OTHERS_MAY
    assert for_others(tmp_path / "state" / "spool" / f"{'0' * 32}.jsonl") == 0


def test_nobody_else_changes_the_installation(tmp_path: Path) -> None:
    kept_installation(tmp_path / "state")

    assert for_others(tmp_path / "state") == OTHERS_MAY
    assert not for_others(tmp_path / "state" / "installation") & 0o033


@pytest.mark.parametrize("umask", [0], indirect=True)
def test_nobody_else_holds_the_locks_of_the_embedded_database(open_folder: Path) -> None:
    folder = open_folder / "locks"
    with Cluster(folder):
        assert {for_others(folder / name) for name in ("users", "start", "server", "log", "data", "socket")} == {0}
