"""Where a sweep keeps what it found, so that one that was stopped goes on: a Parquet file, or the database.

A Parquet file cannot be appended to: while a sweep runs, what each task found is a file of its own in a folder beside it
(OUT.parts), and they become one when it ends.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import msgspec
import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier, Placeholder

from depthwalker.shell.ending import Wrong
from depthwalker.shell.lab.parquet import Broken, note, rows, write
from depthwalker.shell.lab.sweep import COLUMNS, Found, Search

Key: TypeAlias = tuple[str, str, int]
NOTE: Final = "depthwalker.sweep"
POLICIES: Final = "depthwalker.policies"
_NAMES: Final = SQL(", ").join(map(Identifier, COLUMNS))
_INSERT: Final = SQL("INSERT INTO sweep_results (sweep_key, {}) VALUES ({}) ON CONFLICT DO NOTHING").format(
    _NAMES, SQL(", ").join([Placeholder()] * (1 + len(COLUMNS)))
)
_SELECT: Final = SQL("SELECT {} FROM sweep_results WHERE sweep_key = %s").format(_NAMES)


class Kept(Protocol):
    """What was found so far."""

    def keep(self, found: Sequence[Found]) -> None: ...

    def all(self) -> list[Found]: ...

    def close(self) -> None: ...


def done(found: Sequence[Found]) -> set[Key]:
    """Return the tasks whose rows these are."""
    return {row.task for row in found}


class ParquetKept:
    """A Parquet file. Raises Wrong where it holds something else."""

    def __init__(self, path: Path, search: Search) -> None:
        self._path, self._parts = path, path.with_name(f"{path.name}.parts")
        self._notes = {NOTE: search.key, POLICIES: json.dumps(_policies(search))}
        for file in self._files():
            try:
                said = note(file, NOTE)
            except Broken as broken:
                raise Wrong(f"{file} cannot be read: {broken}") from broken
            if said != search.key:
                raise Wrong(
                    f"{file} is not of this sweep, or of another version: name another file with --out, or move it away"
                )

    def keep(self, found: Sequence[Found]) -> None:
        """Keep what a task found."""
        if not found:
            return
        first = found[0]
        self._parts.mkdir(exist_ok=True)
        self._write(self._parts / f"{first.digest}-{first.queue_model}-{first.block}.parquet", found)

    def all(self) -> list[Found]:
        """Return everything that was found."""
        return list(
            {(*row.task, row.liquidity, row.policy): row for file in self._files() for row in _read(file)}.values()
        )

    def close(self) -> None:
        """Make one file of the parts."""
        if self._parts.is_dir():
            self._write(self._path, self.all())
            for part in self._parts.iterdir():
                part.unlink()
            self._parts.rmdir()

    def _files(self) -> list[Path]:
        whole = [self._path] if self._path.exists() else []
        return [*whole, *sorted(self._parts.glob("*.parquet"))]

    def _write(self, path: Path, found: Sequence[Found]) -> None:
        write(path, {name: [getattr(row, name) for row in found] for name in COLUMNS}, self._notes)


class PostgresKept:
    """The tables `sweeps` and `sweep_results`. Raises psycopg.Error."""

    def __init__(self, connection: psycopg.Connection, search: Search) -> None:
        self._connection, self._key = connection, search.key
        connection.execute(
            "INSERT INTO sweeps (sweep_key, policies) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (search.key, json.dumps(_policies(search))),
        )

    def keep(self, found: Sequence[Found]) -> None:
        """Keep what a task found."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(_INSERT, [(self._key, *asdict(row).values()) for row in found])

    def all(self) -> list[Found]:
        """Return everything that was found."""
        with self._connection.cursor(row_factory=class_row(Found)) as cursor:
            return cursor.execute(_SELECT, (self._key,)).fetchall()

    def close(self) -> None:
        """Do nothing: every task is committed."""


def _read(file: Path) -> Iterator[Found]:
    try:
        for row in rows(file):
            yield msgspec.convert(row, Found)
    except (Broken, msgspec.ValidationError) as wrong:
        raise Wrong(f"{file} is damaged ({wrong}): move it away, and what it held is done again") from wrong


def _policies(search: Search) -> list[str]:
    return [variant.varied for variant in search.variants]
