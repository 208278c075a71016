"""Folders and files of our user alone, whatever the umask: nobody else reads what is traded, adds facts to it, or holds its locks."""

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and those that it lies in; what is there already stays as it is."""
    mode = 0o755 if os.geteuid() == 0 else 0o700  # root's database runs as somebody who must get in
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        path.mkdir(mode, exist_ok=True)
        path.chmod(mode)


def opener(path: str, flags: int) -> int:
    """Open a file as `open` is told to; a new one is its owner's alone."""
    return os.open(path, flags, 0o600)
