"""Text for people and pipes: what was asked for to standard output, everything else to standard error."""

import sys
from contextlib import suppress
from typing import Final

CONTROLS: Final = {code: f"\\u{code:04x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """Return a text with what a terminal would obey written out, as JSON has it too: it may be a recording's, a file's name."""
    return text.translate(CONTROLS)


class Unwritten(OSError):
    """Standard output takes nothing, as on a full disk. What it was to take is on standard error instead."""


def say(*lines: str) -> None:
    """Write lines to standard output, at once. Raises BrokenPipeError where nobody reads it any more, and Unwritten."""
    try:
        sys.stdout.write(plain("".join(f"{line}\n" for line in lines)))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(*lines)  # what an execution bought must not be lost with the disk
        raise Unwritten(error.errno, error.strerror, "standard output") from error


def complain(*lines: str) -> None:
    """Write lines to standard error; whoever does not read it any more misses nothing that was asked for."""
    with suppress(OSError):
        sys.stderr.write(plain("".join(f"{line}\n" for line in lines)))
        sys.stderr.flush()
