"""A picture of a page, taken by the Chromium or Chrome that is on the machine."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
VARIABLE: Final = "CHROMIUM"
PATIENCE_S: Final = 60
WIDTH, HEIGHT, HIGHEST = 1000, 4200, 16_000
POLICY: Final = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE: Final = (
    '<i id="high"></i><script>document.getElementById("high").title = document.documentElement.scrollHeight</script>'
)
MEASURED: Final = re.compile(r'<i id="high" title="(\d+)">')


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


def picture(page: str, out: Path) -> None:
    """Write a PNG of a whole page, given as HTML; what is there stays until one is taken. Raises NoPicture and OSError."""
    browser = find_browser()
    if browser is None:
        raise NoPicture(
            "a picture needs Chromium or Chrome: install it (Debian, Ubuntu: apt-get install chromium), or name it in "
            f"{VARIABLE}; the page itself can be printed from any browser"
        )
    with tempfile.TemporaryDirectory(prefix="depthwalker-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        taken = folder / "page.png"
        file = folder / "page.html"
        file.write_text(page, encoding="utf-8")
        height = _height(browser, folder, page)
        size = f"--window-size={WIDTH},{height}"
        said = _run([browser, *flags(folder / "profile"), f"--screenshot={taken}", size, file.as_uri()])
        if not taken.exists():
            raise NoPicture(f"{browser} took no picture: {said}")
        shutil.copyfile(taken, out)


def _height(browser: str, folder: Path, page: str) -> int:
    """Return how high a page is: a copy of it, without its policy, tells it by a script."""
    copy = folder / "measured.html"
    copy.write_text(POLICY.sub("", page) + MEASURE, encoding="utf-8")
    said = _run([browser, *flags(folder / "profile"), "--dump-dom", f"--window-size={WIDTH},800", copy.as_uri()])
    found = MEASURED.search(said)
    return min(HIGHEST, int(found[1])) if found else HEIGHT


def _run(command: list[str]) -> str:
    """Return what a browser wrote. Raises NoPicture."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPicture(f"{command[0]} took no picture: {error}") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoPicture(f"{command[0]} took no picture: {told[-1] if told else f'exit code {done.returncode}'}")
    return done.stdout.decode(errors="replace")
