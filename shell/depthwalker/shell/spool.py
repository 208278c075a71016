"""Facts that could not be journalled, kept in a local file until the store is back."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from depthwalker.core.fact import Fact
from depthwalker.shell.codec import Unreadable, decode, encode
from depthwalker.shell.private import make_folder, opener

LOG: Final = logging.getLogger("depthwalker")


@dataclass(frozen=True, slots=True)
class Seat:
    """The right to write one execution's journal: its number, the lease's epoch, the number of the next entry."""

    execution_id: int
    epoch: int
    next_seq: int

    @property
    def taken_up(self) -> bool:
        """Return whether another may have had it before."""
        return self.epoch > 1


@dataclass(frozen=True, slots=True)
class Spooled:
    """The facts of one execution, named by its uuid, since numbers start again with every new database."""

    uuid: str
    seat: Seat
    facts: tuple[Fact, ...]


class Spool:
    """One file an execution, replaced whole each time, so that a crash leaves the old one or the new one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, uuid: str, seat: Seat, facts: tuple[Fact, ...]) -> None:
        """Keep the facts of an execution that follow the seat's last entry."""
        make_folder(self._folder)
        draft = self._file(uuid).with_suffix(".new")
        head = f"{seat.execution_id} {seat.epoch} {seat.next_seq}".encode()
        with open(draft, "wb", opener=opener) as file:
            file.write(b"\n".join((head, *(encode(fact) for fact in facts))))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file(uuid))

    def drop(self, uuid: str) -> None:
        """Forget an execution's facts: the journal has them."""
        self._file(uuid).unlink(missing_ok=True)

    def kept(self) -> tuple[Spooled, ...]:
        """Return everything that waits to be journalled; a damaged file is named in the log, and stays."""
        read = (_read_or_not(file) for file in sorted(self._folder.glob("*.jsonl")))
        return tuple(spooled for spooled in read if spooled is not None)

    def _file(self, uuid: str) -> Path:
        return self._folder / f"{uuid}.jsonl"


def _read_or_not(file: Path) -> Spooled | None:
    try:
        return _read(file)
    except FileNotFoundError:
        return None  # another process has journalled it meanwhile
    except (OSError, ValueError, Unreadable) as damaged:
        LOG.warning("%s cannot be read (%s): its facts stay there", file, damaged)
        return None


def _read(file: Path) -> Spooled:
    head, *lines = file.read_bytes().split(b"\n")
    execution_id, epoch, next_seq = (int(number) for number in head.split())
    return Spooled(file.stem, Seat(execution_id, epoch, next_seq), tuple(decode(line) for line in lines))
