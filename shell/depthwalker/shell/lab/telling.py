"""How the laboratory's commands tell their reports: as lines, as JSON, or as lines with the JSON in a file."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from depthwalker.shell.commands.arguments import STANDARD
from depthwalker.shell.ending import FAILED, OK
from depthwalker.shell.voice import complain, say


def tell(report: Mapping[str, object], lines: Iterable[str], to: Path | None) -> int:
    """Tell a report and return the exit code; `to` is where its JSON goes, None where nobody asked for it."""
    if to is None:
        say(*lines)
        return OK
    text = json.dumps(report, indent=1, allow_nan=False)
    if to == STANDARD:
        say(text)
        return OK
    code = keep(f"{text}\n", to)
    say(*lines)
    return code


def keep(text: str, file: Path) -> int:
    """Write a file and return the exit code: where it cannot be written that is said, and costs the file alone."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        complain(f"{file}: {error.strerror}")
        return FAILED
    return OK
