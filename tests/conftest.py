"""Fixtures that several tests share. Nothing heavy is imported until a test asks for it."""

import itertools
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parent.parent
JOURNALS = "SELECT execution_id, body::text FROM execution_journal ORDER BY execution_id, seq"

# The same examples every time, however slow the machine is; HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
# The same again, for who asks only whether some test fails, many times in one process (tools/guards.py): a failing example
# is not made smaller, and that a method is called for another instance of its class, or slowly, is no failure.
hasty = settings(
    settings.get_profile("steady"),
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=(HealthCheck.differing_executors, HealthCheck.too_slow),
)
settings.register_profile("hasty", hasty)
# A quarter of them, for another Python than the one that has drawn them all: what it cannot do shows at once.
settings.register_profile("few", settings.get_profile("steady"), max_examples=25)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user can enter: root runs PostgreSQL as somebody else."""
    with entered_by_all() as folder:
        yield folder


@contextmanager
def entered_by_all(where: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder that every user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="depthwalker-test-", dir=where))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def memory() -> Path | None:
    """Return a folder that is in memory, if there is one with room.

    A database is some 300 files: on ext4, which looks past every inode that was freed in the last seconds, making one after
    hundreds were dropped takes ten times as long.
    """
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2 << 30 else None


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Make a fresh database with schema.sql in it and return its connection string: some 20 ms each."""
    import psycopg

    from depthwalker.shell.postgres import Cluster, schema_path

    hasty = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "max_wal_size": "256MB"}
    with (
        entered_by_all(memory()) as folder,
        Cluster(folder / "postgres", settings=hasty) as cluster,
        psycopg.connect(cluster.dsn(), autocommit=True) as admin,
    ):
        admin.execute("CREATE DATABASE template_depthwalker")
        if schema_path().exists():
            with psycopg.connect(cluster.dsn("template_depthwalker"), autocommit=True) as template:
                template.execute(schema_path().read_bytes())
        numbers = itertools.count(1)

        def create() -> str:
            name = f"test_{next(numbers)}"
            admin.execute(f"CREATE DATABASE {name} TEMPLATE template_depthwalker STRATEGY FILE_COPY".encode())
            return cluster.dsn(name)

        yield create
        left = admin.execute("SELECT datname FROM pg_database WHERE datname ~ '^test_'").fetchall()
        replay_everything(cluster.dsn(name) for (name,) in left)


def replay_everything(databases: Iterable[str]) -> None:
    """Replay every execution of these databases that are still there, each decision as it is journalled; no invariant is broken."""
    import psycopg

    from depthwalker.core.replay import Difference, replay
    from depthwalker.shell import codec

    for dsn in databases:
        with (
            suppress(psycopg.OperationalError, psycopg.errors.UndefinedTable),
            psycopg.connect(dsn, autocommit=True) as connection,
        ):
            facts: defaultdict[int, list[str]] = defaultdict(list)
            for execution, body in connection.execute(JOURNALS):
                facts[execution].append(body)
            broken = connection.execute("SELECT * FROM broken_invariants").fetchall()
            assert not broken, f"{dsn}: {broken}"
            for execution, lines in facts.items():
                read = replay(tuple(map(codec.decode, lines)))
                assert not isinstance(read, Difference), f"execution {execution} in {dsn}: {read}"


@pytest.fixture
def postgres(new_database: Callable[[], str]) -> Iterator[str]:
    """The connection string of a fresh database of this test's own, with schema.sql loaded; dropped afterwards.

    Hundreds of databases left behind would make the server flush them all when it stops.
    """
    dsn = new_database()
    yield dsn
    replay_everything([dsn])
    drop(dsn)


def drop(dsn: str) -> None:
    """Drop a database."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    name = conninfo_to_dict(dsn)["dbname"]
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the checkout; not everybody has it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no reference material at {folder}")
    return folder
