"""An embedded PostgreSQL: started by its first user, shared by the others, stopped when the last one leaves.

`Cluster` keeps a folder with `data`, `log`, the socket and three lock files, and the kernel keeps the count, so that no
killed process can leave a wrong one behind:

* `users` is locked shared by everyone who uses the server. A supervisor process waits for it exclusively; when it gets
  it, nobody is left, and it stops the server.
* `server` is locked by the supervisor, the server and its backends. Whether a server lives is asked of this lock, never of
  `postmaster.pid`, which outlives a power cut and may name somebody else's process.
* `start` is held by the one who starts; the others wait and attach. Settings are those of the one who started.

Traps, each met in practice:

* PR_SET_PDEATHSIG follows the *thread* that forked. The server is therefore the child of the supervisor's main thread, and
  `Cluster.start` may be called from any thread. The supervisor has a session of its own: Ctrl-C does not reach it.
* initdb that is killed leaves a folder that looks initialised: it works beside `data` and is renamed when done.
* PostgreSQL refuses root. Root therefore runs it as the owner of the data, $DEPTHWALKER_PG_USER, postgres or nobody; where
  that user cannot reach the binaries (a checkout in root's home) they are copied into the folder.
* A socket's path has at most 107 bytes, and a comma in it separates two: such folders get theirs in the temporary folder.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn
from urllib.parse import quote

from depthwalker.shell import postmaster
from depthwalker.shell.postmaster import (
    PART,
    STOP_S,
    PostgresUnavailable,
    find_binaries,
    give,
    initialise,
    own,
    reachable_binaries,
    unprivileged,
)
from depthwalker.shell.private import make_folder, opener

__all__ = ["Cluster", "PostgresUnavailable", "connect_string", "default_folder", "find_binaries", "schema_path"]

POLL_S: Final = 0.003
PORT: Final = 5432  # names the socket; the server does not listen on TCP


@contextlib.contextmanager
def connect_string(folder: Path) -> Iterator[str]:
    """Give $DATABASE_URL where it is set, else that of the embedded server in `folder`, which runs meanwhile."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with Cluster(folder) as cluster:
        yield cluster.dsn()


def default_folder() -> Path:
    """Return where state is kept unless the settings say otherwise: /var/lib for root, else $XDG_STATE_HOME or ~/.local/state.

    A user without a home gets one in the temporary folder.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/depthwalker")  # PostgreSQL's unprivileged user must be able to reach it
    try:
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "depthwalker"
        make_folder(state)
    except (OSError, RuntimeError):  # the latter of Path.home(), for a number without a name as containers have it
        return own(Path(tempfile.gettempdir()) / f"depthwalker-{os.geteuid()}", None)
    return state


def schema_path() -> Path:
    """Return schema.sql: beside this module in an installed wheel, at the top of a checkout."""
    packaged = Path(__file__).with_name("schema.sql")
    return packaged if packaged.exists() else Path(__file__).parents[3] / "schema.sql"


def schema_mark() -> str:
    """Return what a database is marked with that has this very schema.sql."""
    return f"schema.sql {hashlib.sha256(schema_path().read_bytes()).hexdigest()}"


def schema_marking() -> bytes:
    """Return the statement that marks a database as having this very schema.sql."""
    return f"COMMENT ON TABLE depthwalker_installation IS '{schema_mark()}'".encode()


class Cluster:
    """A server over one folder, reached by a Unix socket only.

    `start` and `stop` block for up to a second: an event loop calls them in a thread.
    """

    def __init__(
        self, folder: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self._binaries = binaries
        self._settings = dict(settings or {})
        self._users: int | None = None
        self._supervisor: int | None = None
        short = re.fullmatch(r"[\w/. +-]{1,80}", str(self.folder), re.ASCII)
        name = f"depthwalker-pg-{os.geteuid()}-{hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:10]}"
        self._socket = self.folder / "socket" if short else Path(tempfile.gettempdir()) / name

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection string of a database of this server."""
        return f"postgresql://postgres@/{quote(database)}?host={quote(str(self._socket), safe='')}&port={PORT}"

    def start(self, timeout_s: float = 30.0) -> str:
        """Start the server or attach to it; return its connection string. Raises PostgresUnavailable."""
        if self._users is None:
            make_folder(self.folder)
            self._users = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._users, fcntl.LOCK_SH)  # waits for a supervisor that is just stopping the server
            with open(self.folder / "start", "a", opener=opener) as start:
                fcntl.flock(start, fcntl.LOCK_EX)
                self._serve(time.monotonic() + timeout_s)
        except BaseException:
            self.stop()
            raise
        return self.dsn()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Leave the server; the last one to leave returns when it has stopped."""
        if self._users is None:
            return
        users, self._users = self._users, None
        fcntl.flock(users, fcntl.LOCK_UN)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if _locked(users, fcntl.LOCK_EX):
                if not self._lives():
                    break
                fcntl.flock(users, fcntl.LOCK_UN)  # nobody is left: the supervisor wants it
            elif _locked(users, fcntl.LOCK_SH):
                break  # others use the server
            time.sleep(POLL_S)
        os.close(users)
        self._reap()

    def _lives(self) -> bool:
        with open(self.folder / "server", "a", opener=opener) as server:
            return not _locked(server.fileno(), fcntl.LOCK_EX)

    def _serve(self, deadline: float) -> None:
        launched = False
        while time.monotonic() < deadline:
            with open(self.folder / "server", "a", opener=opener) as server:
                if _locked(server.fileno(), fcntl.LOCK_EX):
                    if launched:
                        self._fail("PostgreSQL did not start")
                    self._launch(server.fileno())
                    launched = True
            if self._answers():
                return
            time.sleep(POLL_S)
        self._fail("PostgreSQL was not ready in time")

    def _fail(self, what: str) -> NoReturn:
        log = self.folder / "log"
        tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
        raise PostgresUnavailable("\n  ".join([f"{what}; the end of {log}:", *tail]))

    def _answers(self) -> bool:
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
            if len(lines) < 8 or lines[7].strip() != "ready":
                return False
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self._socket / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
        return True

    def _launch(self, server: int) -> None:
        """Start a supervisor that inherits the lock `server`; whoever holds it knows that no server lives."""
        data = self.folder / "data"
        user = unprivileged(data)
        binaries = reachable_binaries((self._binaries or find_binaries()).resolve(), self.folder, user)
        for leftover in self.folder.glob(f"{PART}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if data.exists():
            give(data, user)
            (data / "postmaster.pid").unlink(missing_ok=True)
        else:
            initialise(binaries, data, user)
        own(self._socket, user)
        settings = [text for key, value in self._settings.items() for text in ("-c", f"{key}={value}")]
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(self._socket), "-h", "", "-p", str(PORT)]
        identity = f"{user.pw_uid}:{user.pw_gid}" if user else ""
        os.set_inheritable(server, True)
        self._supervise([str(self.folder), str(server), identity, *command, *settings])

    def _supervise(self, arguments: list[str]) -> None:
        log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Not subprocess: its object would warn when we leave a server that others still use.
            self._supervisor = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", postmaster.__file__, *arguments],
                dict(os.environ),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGINT, signal.SIGQUIT),  # a job in the background may have been told to ignore them
            )
        finally:
            os.close(log)

    def _reap(self) -> None:
        if self._supervisor is not None and not self._lives():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._supervisor, 0)
            self._supervisor = None


def _locked(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
