"""Lives an accelerated week of paper trading, and says what came of it: `python -m tests.paper_week [--seed N] [--keep]`."""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.paper_week.page import keep, shown
from tests.paper_week.week import Broken, Week


def main() -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.paper_week")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/paper-week.md")
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="depthwalker-week-"))
    folder.chmod(0o755)
    try:
        figures = asyncio.run(Week(folder, seed).run())
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
