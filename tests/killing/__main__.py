"""Besieges real workers, and says what came of it: `python -m tests.killing [--kills N] [--seed N] [--workers N] [--keep]`."""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.killing.ground import Broken
from tests.killing.page import keep, shown
from tests.killing.siege import Siege


def main() -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.killing")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/killing.md")
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    logging.disable(logging.CRITICAL)  # our own pool complains of the database that is away
    folder = Path(tempfile.mkdtemp(prefix="depthwalker-siege-"))
    folder.chmod(0o755)
    try:
        figures = asyncio.run(Siege(folder, seed, given.workers).run(given.kills))
    except Broken as broken:
        print(f"broken, with seed {seed}: {broken}")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(*shown(figures), sep="\n")
    if given.keep:
        keep(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
