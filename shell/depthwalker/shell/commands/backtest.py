"""`depthwalker backtest`: the laboratory's command."""

from depthwalker.shell.lab.command import arguments
from depthwalker.shell.lab.command import run_backtest as run

__all__ = ["arguments", "run"]
