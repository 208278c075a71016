"""`depthwalker sweep`: the laboratory's search for a policy."""

import argparse
from pathlib import Path
from typing import Final

from depthwalker.shell.commands.arguments import output_to, target_file, whole
from depthwalker.shell.commands.backtest import parents

JOBS: Final = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("data", nargs="+", metavar="DATA", help="recordings or synthetic markets to choose a policy on")
    parser.add_argument(
        "--judge", action="extend", nargs="+", required=True, metavar="DATA", help="others, of other days"
    )
    parser.add_argument(
        "--space",
        type=Path,
        required=True,
        metavar="FILE",
        help="what is tried, as .toml or .json: docs/guides/policy.md",
    )
    parser.add_argument(
        "--most",
        type=whole(1, 100_000),
        metavar="N",
        help="try so many of the policies, drawn by --seed (default: all)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--out",
        type=target_file,
        default=Path("sweep.parquet"),
        metavar="FILE",
        help="a Parquet file (default: sweep.parquet)",
    )
    where.add_argument("--database", action="store_true", help="keep the results in the settings' database instead")
    parser.add_argument("--jobs", type=whole(1, 1_024), default=JOBS, metavar="N", help=f"processes (default: {JOBS})")
    parser.add_argument(
        "--dask",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="on a Dask cluster: this machine's, or that of a scheduler",
    )
    parents(parser)
    output_to(parser, "the report")


def run(given: argparse.Namespace) -> int:
    """Run the command and return its exit code."""
    from depthwalker.shell.lab.sweep_command import run_sweep

    return run_sweep(given)
