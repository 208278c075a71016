"""Loads real workers at two tiers' budgets, and says what came of it: `python -m tests.load [--parents N] [--tiers ...] [--keep]`."""

import argparse
import asyncio
import logging
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.killing.ground import Broken
from tests.load.load import Figures, run
from tests.load.page import keep, shown


def main() -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("--parents", type=int, default=200)
    parser.add_argument("--tiers", nargs="+", default=["prime", "basic"])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/load.md")
    given = parser.parse_args()
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    logging.disable(logging.CRITICAL)
    runs: list[Figures] = []
    for tier in given.tiers:
        folder = Path(tempfile.mkdtemp(prefix="depthwalker-load-"))
        folder.chmod(0o755)
        try:
            runs.append(asyncio.run(run(folder, tier, given.parents, seed)))
        except Broken as broken:
            print(f"broken at {tier}, with seed {seed}: {broken}")
            return 1
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    print(*shown(runs), sep="\n")
    if given.keep:
        keep(runs)
    return 0 if all(one.holds for one in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
