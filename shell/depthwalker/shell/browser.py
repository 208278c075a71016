"""A picture of a page, taken by the Chromium or Chrome that is on the machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
VARIABLE: Final = "CHROMIUM"
PATIENCE_S: Final = 60
WIDTH, HEIGHT = 1000, 4200


class NoPicture(Exception):
    """No picture could be taken; the text says why and what to do."""


def find_browser() -> str | None:
    """Return the path of a browser: $CHROMIUM, or the first of the usual names."""
    named = os.environ.get(VARIABLE)
    return shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)


def flags(profile: Path) -> list[str]:
    """Return how a browser is started without a window, in a profile of its own, without asking anybody anything."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # it refuses to run as root otherwise
    return [
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        *sandbox,
    ]


def picture(page: Path, out: Path, *, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Write a PNG of a page's first `height` pixels. Raises NoPicture."""
    browser = find_browser()
    if browser is None:
        raise NoPicture(
            "a picture needs Chromium or Chrome: install it (Debian, Ubuntu: apt-get install chromium), or name it in "
            f"{VARIABLE}; the page itself can be printed from any browser"
        )
    taken = out.resolve()
    taken.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="depthwalker-", ignore_cleanup_errors=True) as profile:
        asked = [f"--screenshot={taken}", f"--window-size={width},{height}", page.resolve().as_uri()]
        try:
            done = subprocess.run(
                [browser, *flags(Path(profile)), *asked], capture_output=True, timeout=PATIENCE_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoPicture(f"{browser} took no picture: {error}") from error
    if done.returncode or not taken.exists():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoPicture(f"{browser} took no picture: {said[-1] if said else f'exit code {done.returncode}'}")
