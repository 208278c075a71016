"""Facts that could not be journalled, kept in a local file until the store is back."""

import os
from dataclasses import dataclass
from pathlib import Path

from depthwalker.core.fact import Fact
from depthwalker.shell.codec import decode, encode


@dataclass(frozen=True, slots=True)
class Seat:
    """The right to write one execution's journal: its number, the lease's epoch, the number of the next entry."""

    execution_id: int
    epoch: int
    next_seq: int


class Spool:
    """One file an execution, replaced whole each time, so that a crash leaves the old one or the new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, seat: Seat, facts: tuple[Fact, ...]) -> None:
        """Keep the facts that follow the seat's last entry."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._file(seat.execution_id).with_suffix(".new")
        head = f"{seat.execution_id} {seat.epoch} {seat.next_seq}".encode()
        with draft.open("wb") as file:
            file.write(b"\n".join((head, *(encode(fact) for fact in facts))))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file(seat.execution_id))

    def drop(self, execution_id: int) -> None:
        """Forget an execution's facts: the journal has them."""
        self._file(execution_id).unlink(missing_ok=True)

    def kept(self) -> tuple[tuple[Seat, tuple[Fact, ...]], ...]:
        """Return everything that waits to be journalled. Raises codec.Unreadable for a damaged file."""
        return tuple(_read(file) for file in sorted(self._folder.glob("*.jsonl")))

    def _file(self, execution_id: int) -> Path:
        return self._folder / f"{execution_id}.jsonl"


def _read(file: Path) -> tuple[Seat, tuple[Fact, ...]]:
    head, *lines = file.read_bytes().split(b"\n")
    execution_id, epoch, next_seq = (int(number) for number in head.split())
    return Seat(execution_id, epoch, next_seq), tuple(decode(line) for line in lines)
