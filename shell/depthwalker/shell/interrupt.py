"""Ctrl-C and SIGTERM while orders work: the first asks to stop, the second leaves at once and says what it leaves."""

import asyncio
import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

CODE: Final = 130
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """`with Interrupts(stop, leave)` inside an event loop; `count` tells how many have come.

    The second ends the process from inside the handler: nothing that hangs can hold it up, and the database server, which
    counts its users by locks that the kernel drops, follows by itself.
    """

    def __init__(self, stop: Callable[[], None], leave: Callable[[], None]) -> None:
        self.count = 0
        self._stop = stop
        self._leave = leave

    def __enter__(self) -> Self:
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._received)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGTERM, signal.default_int_handler)

    def _received(self) -> None:
        self.count += 1
        if self.count == 1:
            self._stop()
            return
        try:
            self._leave()
        finally:
            os._exit(CODE)
