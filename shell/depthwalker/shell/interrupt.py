"""Ctrl-C, SIGTERM and a terminal that is gone while orders work: the first asks to stop, the second leaves at once and says what it leaves."""

import asyncio
import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

CODE: Final = 130
ASKED: Final = {signal.SIGINT, signal.SIGTERM}  # heard even where they were ignored; `nohup` means what it says
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def until_interrupted() -> asyncio.Event:
    """Return what is set by Ctrl-C, SIGTERM or a terminal that is closed, within a running event loop."""
    stopped = asyncio.Event()
    for number in _heard():
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _heard() -> list[signal.Signals]:
    return [number for number in SIGNALS if number in ASKED or signal.getsignal(number) != signal.SIG_IGN]


class Interrupts:
    """`with Interrupts(stop, leave)` inside an event loop; `count` tells how many have come.

    The second ends the process from inside the handler: nothing that hangs can hold it up, and the database server, which
    counts its users by locks that the kernel drops, follows by itself.
    """

    def __init__(self, stop: Callable[[], None], leave: Callable[[], None]) -> None:
        self.count = 0
        self._stop = stop
        self._leave = leave
        self._heard = _heard()

    def __enter__(self) -> Self:
        for number in self._heard:
            received = self.stop if number == signal.SIGHUP else self._received  # a closing terminal sends it twice
            asyncio.get_running_loop().add_signal_handler(number, received)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number in self._heard:
            asyncio.get_running_loop().remove_signal_handler(number)
        for number in self._heard:
            signal.signal(number, signal.default_int_handler)

    def stop(self) -> None:
        """Ask to stop as the first signal does; more of this changes nothing."""
        if not self.count:
            self._received()

    def _received(self) -> None:
        self.count += 1
        if self.count == 1:
            self._stop()
            return
        try:
            self._leave()
        finally:
            os._exit(CODE)
