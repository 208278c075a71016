"""Where the tables go: the terminal's heading, a JSON file, the page in docs between its markers."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.measure import Table, markdown_table

BEGIN: Final = "<!-- bench: begin -->"
END: Final = "<!-- bench: end -->"


def machine() -> str:
    """Return what kind of machine this is, without its name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} shared cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def write_json(file: Path, tables: Sequence[Table]) -> None:
    """Write the tables with the machine that they were measured on."""
    record = {"machine": machine(), "tables": [asdict(table) for table in tables]}
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def write_page(file: Path, tables: Sequence[Table]) -> None:
    """Put the tables between the markers of a page. Raises ValueError where it has none."""
    before, begun, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{file} has no lines {BEGIN} and {END}")
    body = "\n\n".join([f"Measured on {machine()}, by one run.", *(markdown_table(table) for table in tables)])
    file.write_text(f"{before}{BEGIN}\n\n{body}\n\n{END}{after}", encoding="utf-8")
