"""Text for people and pipes: what was asked for to standard output, everything else to standard error."""

import sys
from contextlib import suppress


def say(*lines: str) -> None:
    """Write lines to standard output, at once. Raises BrokenPipeError where nobody reads it any more."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def complain(*lines: str) -> None:
    """Write lines to standard error; whoever does not read it any more misses nothing that was asked for."""
    with suppress(OSError):
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
