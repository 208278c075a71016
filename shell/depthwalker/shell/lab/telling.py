"""How the laboratory's commands tell their reports: as lines, as JSON, or as lines with the JSON in a file."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from depthwalker.shell.commands.arguments import STANDARD
from depthwalker.shell.voice import say


def tell(report: Mapping[str, object], lines: Iterable[str], to: Path | None) -> None:
    """Tell a report; `to` is where its JSON goes, None where nobody asked for it. Raises OSError."""
    if to is None:
        say(*lines)
        return
    text = json.dumps(report, indent=1, allow_nan=False)
    if to == STANDARD:
        say(text)
        return
    try:
        to.write_text(f"{text}\n", encoding="utf-8")
    finally:
        say(*lines)  # a disk that is full by now costs the file alone
