"""Facts that could not be journalled, kept in a local file until the store is back."""

import json
import os
from pathlib import Path

from depthwalker.core.fact import Fact
from depthwalker.shell.codec import decode, encode
from depthwalker.shell.journal import Seat


class Spool:
    """One file an execution, written whole each time and replaced at once, so that a crash leaves the old or the new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, seat: Seat, facts: tuple[Fact, ...]) -> None:
        """Keep the facts that follow the seat's last entry."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._file(seat.execution_id).with_suffix(".new")
        lines = [json.dumps([seat.execution_id, seat.epoch, seat.next_seq]), *(json.dumps(encode(f)) for f in facts)]
        with draft.open("w", encoding="utf-8") as file:
            file.write("\n".join(lines))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file(seat.execution_id))

    def drop(self, execution_id: int) -> None:
        """Forget an execution's facts: the journal has them."""
        self._file(execution_id).unlink(missing_ok=True)

    def kept(self) -> tuple[tuple[Seat, tuple[Fact, ...]], ...]:
        """Return everything that waits to be journalled."""
        return tuple(self._read(file) for file in sorted(self._folder.glob("*.jsonl")))

    def _read(self, file: Path) -> tuple[Seat, tuple[Fact, ...]]:
        head, *lines = file.read_text(encoding="utf-8").splitlines()
        execution_id, epoch, next_seq = json.loads(head)
        return Seat(execution_id, epoch, next_seq), tuple(decode(json.loads(line)) for line in lines)

    def _file(self, execution_id: int) -> Path:
        return self._folder / f"{execution_id}.jsonl"
