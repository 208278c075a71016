"""What is shown on a console, rich text and plain."""

from rich.console import Console, RenderableType

from depthwalker.shell.voice import plain


def show(console: Console, *shown: RenderableType) -> None:
    """Draw tables. Raises BrokenPipeError where nobody reads it any more: rich would end the process, with orders at rest."""
    with console.capture() as drawn:
        console.print(*shown)
    console.file.write(drawn.get())
    console.file.flush()


def show_lines(console: Console, *lines: str) -> None:
    """Write lines as they are, whatever brackets or control characters they hold, on a console that is not quiet.

    Raises OSError where nobody reads them any more.
    """
    if console.quiet:
        return
    console.file.write(plain("".join(f"{line}\n" for line in lines)))
    console.file.flush()
