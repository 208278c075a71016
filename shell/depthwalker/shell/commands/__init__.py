"""The commands of the program, by name. Each is a module of this folder; only the one that is called is imported.

A command's module has `arguments(parser)`, which adds its arguments, and `run(given)`, which returns an exit code. What is
heavy it imports inside `run`: help and mistakes are answered at once.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, cast


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the list: what it does, its operands in the usage line, and the extra that it needs."""

    text: str
    operands: str = "[OPTION ...]"
    extra: str = ""


class Command(Protocol):
    """A module of this folder."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


TABLE: Final[Mapping[str, Entry]] = {
    "demo": Entry("execute the same parent orders with both algorithms on paper exchanges"),
    "execute": Entry("execute one parent order on the exchange that the settings name", "TICKER OPTION ..."),
    "worker": Entry("execute what is queued, until Ctrl-C; as many workers as you like share one queue"),
    "exchange": Entry("run a paper exchange until Ctrl-C, to try `execute` against"),
    "backtest": Entry("execute parents sampled from recordings by every algorithm", "DATA ... [OPTION ...]", "lab"),
    "record": Entry("keep a market's book and trades in the backtest's format", "TICKER ... [OPTION ...]"),
    "recover": Entry("take up what a dead process left: unfinished executions, orders that belong to nothing"),
    "assess": Entry("judge by your trades whether an advanced algorithm is worth it"),
    "replay": Entry("recompute the decisions of executions from their journals", "EXECUTION ...|--all [OPTION ...]"),
    "report": Entry(
        "write a report as a page, a picture or JSON", "EXECUTION_ID|--since SPAN|--backtest JSON [OPTION ...]"
    ),
    "serve": Entry("show executions as they work on a page of this machine, with the kill switch, until Ctrl-C"),
    "rollout": Entry(
        "roll a walker out by stages beside a control, or stop it", "status|advance|hold|stop [OPTION ...]"
    ),
    "stop": Entry("pull the kill switch: everything cancels what rests and ends, and nothing new begins"),
    "doctor": Entry("check Python, database, key, clock, exchange and budget, and say how to mend each"),
    "db": Entry("the database: $DATABASE_URL, or the embedded server", "start|url|shell|load|measure|retain"),
}


def command(name: str) -> Command:
    """Return a command of the table. Raises ModuleNotFoundError where what it needs is not installed."""
    return cast(Command, import_module(f"{__name__}.{name.replace('-', '_')}"))
