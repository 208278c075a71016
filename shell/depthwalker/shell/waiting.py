"""What a terminal shows while something takes its time; where there is none, nothing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from depthwalker.shell.voice import plain


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Show what is waited for, on standard error if that is a terminal; what is given shows something else instead."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.text import Text

    spinner = Spinner("dots", Text(plain(text)))
    with Live(spinner, console=Console(stderr=True), transient=True, redirect_stdout=False):
        yield lambda other: spinner.update(text=Text(plain(other)))
