"""Run the measurements, print their tables, and keep them if asked to: `python -m bench --help`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench import page
from bench.measure import QUICK, USUAL, Effort, Table, text_table

PARTS = ("core", "database", "wire", "client", "startup")
ON_DEMAND = ("snapshots",)  # takes minutes and gigabytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats: a look, not a measurement")
    parser.add_argument(
        "--only", choices=(*PARTS, *ON_DEMAND), action="append", help="measure this part alone; may be repeated"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables to FILE")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the tables between the markers in FILE")
    chosen = parser.parse_args(arguments)
    run(QUICK if chosen.quick else USUAL, tuple(chosen.only or PARTS), chosen.json, chosen.write)
    return 0


def run(
    effort: Effort, parts: tuple[str, ...], json_file: Path | None, page_file: Path | None, *, dsn: str = ""
) -> tuple[Table, ...]:
    """Measure, print each part as soon as it is there, and write the files asked for.

    The database is one of the run's own, with its usual durable settings, or that of `dsn`.
    """
    print(page.machine(), end="\n\n")
    found: list[Table] = []
    for part in parts:
        for table in measured(part, effort, dsn):
            print(text_table(table), end="\n\n", flush=True)
            found.append(table)
    if json_file is not None:
        page.write_json(json_file, found)
    if page_file is not None:
        page.write_page(page_file, found)
    return tuple(found)


def measured(part: str, effort: Effort, dsn: str) -> tuple[Table, ...]:
    """Return the tables of one part. The shell is imported late: the core's memory is measured without it."""
    if part == "core":
        from bench import core

        return core.tables(effort)
    if part == "database":
        from bench import database

        return database.tables(effort, dsn)
    if part == "snapshots":
        from bench import snapshots

        return snapshots.tables(effort, dsn)
    if part == "wire":
        from bench import wire

        return wire.tables(effort, dsn)
    if part == "startup":
        from bench import startup

        return startup.tables(effort)
    from bench import client

    return client.tables(effort)


if __name__ == "__main__":
    raise SystemExit(main())
