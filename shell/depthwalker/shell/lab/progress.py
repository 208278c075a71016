"""How far something is that takes long: a bar on a terminal, else a line for every tenth."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from depthwalker.shell.voice import complain


class Progress:
    """Told on standard error, so that results can be piped."""

    def __init__(self, whole: int) -> None:
        self._whole, self._done, self._since = whole, 0, time.monotonic()
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            self._bar = Bar(BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True))
            self._task = self._bar.add_task("", total=whole)

    def __enter__(self) -> "Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.advance(self._task)
        elif self._done * 10 // self._whole > (self._done - 1) * 10 // self._whole:
            complain(f"{self._done} of {self._whole} done, {time.monotonic() - self._since:.0f} s")
