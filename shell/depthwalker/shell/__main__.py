"""The program: `depthwalker`, or `python -m depthwalker.shell`. Ctrl-C is quiet from the first import to the last line."""

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType

INTERRUPTED = 130  # as in `ending`, which is yet to be imported


def program() -> int:
    """Run the command line and return its exit code."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not so in the background
    if interruptible:
        signal.signal(signal.SIGINT, _leave)
    _open_what_is_closed()
    if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is written as standard error writes it
        sys.stdout.reconfigure(errors="backslashreplace")
    from depthwalker.shell.cli import main

    try:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said and done: a late one changes neither
    if code == INTERRUPTED:
        # Where it struck a string that was evaluated Python would end by SIGINT (CPython's exit_sigint), which one more
        # string makes it forget.
        exec("")  # noqa: S102 - a constant
    return code


def _open_what_is_closed() -> None:
    """Let a standard stream that was closed (`2>&-`) lead nowhere: Python has None for it, and files would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8", errors="backslashreplace"))


def _leave(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(program())
