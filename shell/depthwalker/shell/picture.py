"""A picture of a demo: its screen at one moment and the table below it, as an SVG that needs no font from elsewhere."""

import asyncio
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme

from depthwalker.core.units import Micros
from depthwalker.shell.lane import Lane
from depthwalker.shell.screen import picture

WIDTH, HEIGHT = 141, 31
DARK: Final = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (22, 27, 34),
        (255, 123, 114),
        (126, 231, 135),
        (242, 204, 96),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (201, 209, 217),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (126, 231, 135),
        (242, 204, 96),
        (121, 192, 255),
        (210, 168, 255),
        (118, 227, 234),
        (255, 255, 255),
    ],
)
_REMOTE: Final = re.compile(r"@font-face\s*\{[^}]*\}\s*|<!--.*?-->\s*", re.DOTALL)


class Picture:
    """Records what `take_after` saw, what `add` adds, and writes it."""

    def __init__(self, heading: str, lanes: Sequence[Lane]) -> None:
        self._heading = heading
        self._lanes = lanes
        self._console = Console(
            record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )

    async def take_after(self, seconds: float, now: Callable[[], Micros]) -> None:
        """Take the screen so many seconds from now."""
        await asyncio.sleep(seconds)
        self._console.print(picture(self._heading, self._lanes, now(), WIDTH, HEIGHT), height=HEIGHT)

    def add(self, shown: RenderableType) -> None:
        """Add something below."""
        self._console.print()
        self._console.print(shown)

    def save(self, file: Path) -> None:
        """Write the SVG. Raises OSError."""
        svg = self._console.export_svg(title="make demo", theme=DARK, unique_id="depthwalker")
        file.write_text(_REMOTE.sub("", svg), encoding="utf-8")
