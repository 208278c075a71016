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
    """A command in the list: what it does, lines to try, its operands in the usage line, and the extra that it needs."""

    text: str
    examples: tuple[str, ...]
    operands: str = "[OPTION ...]"
    extra: str = ""


class Command(Protocol):
    """A module of this folder."""

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, given: argparse.Namespace) -> int: ...


TABLE: Final[Mapping[str, Entry]] = {
    "demo": Entry(
        "execute the same parent orders with both algorithms on paper exchanges",
        ("demo", "demo --seed 7 --plain --save market.jsonl.gz", "demo --data market-thin.jsonl.gz"),
    ),
    "execute": Entry(
        "execute one parent order on the exchange that the settings name",
        (
            "execute SYN-THIN-1 --outcome yes --action buy --count 50 --target 0.45 --algorithm dynamic_depth_walker",
            "execute SYN-THIN-1 --outcome no --action buy --count 10 --target 0.52 --method method.toml --json",
            "execute SYN-THIN-1 --outcome yes --action sell --count 5 --target 0.40 --key exit-17",
        ),
        "TICKER OPTION ...",
    ),
    "worker": Entry(
        "execute what is queued, until Ctrl-C; as many workers as you like share one queue",
        ("worker", "worker --slots 4 --drain --json"),
    ),
    "exchange": Entry(
        "run a paper exchange until Ctrl-C, to try `execute` against",
        (
            "exchange --profile thin --seed 1",
            "exchange --data A.jsonl B.jsonl.gz --speed 10",
            "exchange --fault create:answer_lost --port 8790 --json",
        ),
    ),
    "backtest": Entry(
        "execute parents sampled from recordings by every algorithm",
        (
            "backtest thin --count 10 --count 100",
            "backtest market-thin.jsonl.gz --html backtest.html --json > backtest.json",
        ),
        "DATA ... [OPTION ...]",
        "lab",
    ),
    "sweep": Entry(
        "search policies on some markets, and judge them on others",
        (
            "sweep thin moderate --judge liquid --space space.toml",
            "sweep A.jsonl.gz --judge B.jsonl.gz --space space.toml --dask",
        ),
        "DATA ... --judge DATA ... --space FILE [OPTION ...]",
        "lab",
    ),
    "record": Entry(
        "keep a market's book and trades in the backtest's format",
        ("record SYN-THIN-1 --seconds 600", "record SYN-THIN-1 SYN-LIQUID-2 --out recordings --json"),
        "TICKER ... [OPTION ...]",
    ),
    "recover": Entry(
        "take up what a dead process left: unfinished executions, orders that belong to nothing",
        ("recover", "recover --wind-down --cancel-strays --json"),
    ),
    "assess": Entry(
        "judge by your trades whether an advanced algorithm is worth it",
        ("assess", "assess --since 30d --profitable yes --json"),
    ),
    "replay": Entry(
        "recompute the decisions of executions from their journals",
        ("replay 17", "replay --all --json"),
        "EXECUTION_ID ...|--all [OPTION ...]",
    ),
    "report": Entry(
        "write a report as a page, a picture or JSON",
        ("report 17", "report --since 24h --html day.html", "report --backtest backtest.json --png backtest.png"),
        "EXECUTION_ID|--since SPAN|--backtest FILE [OPTION ...]",
    ),
    "serve": Entry(
        "show executions as they work on a page of this machine, with the kill switch, until Ctrl-C",
        ("serve", "serve --port 0 --json"),
    ),
    "paper": Entry(
        "execute a schedule of parents on paper: on an exchange of our own, or by live market data with simulated fills",
        (
            "paper --algorithm dynamic_depth_walker --every 60 --parents 100",
            "paper --run week --method method.toml --html week.html",
            "paper KXHIGHNY-26JUN11-T80 --venue feed --every 30 --json",
        ),
        "[TICKER ...] [OPTION ...]",
    ),
    "rollout": Entry(
        "roll a walker out by stages beside a control, or stop it",
        ("rollout status --json", "rollout advance --reason 'a week of paper is through'", "rollout stop"),
        "status|advance|hold|stop [OPTION ...]",
    ),
    "stop": Entry(
        "pull the kill switch: everything cancels what rests and ends, and nothing new begins",
        ("stop --reason 'the feed looks wrong'", "stop --release"),
    ),
    "doctor": Entry(
        "check Python, database, key, clock, exchange and budget, and say how to mend each",
        ("doctor", "doctor --json"),
    ),
    "db": Entry(
        "the database: $DATABASE_URL, or the embedded server",
        ("db start", "db load", "db url --json", "db rebuild", "db retain --dry-run"),
        "start|url|shell|load|measure|rebuild|retain",
    ),
    "completion": Entry(
        "print what completes this program's words in a shell",
        ("completion bash > ~/.local/share/bash-completion/completions/depthwalker", "completion zsh"),
        "bash|zsh [OPTION ...]",
        "completion",
    ),
}


def command(name: str) -> Command:
    """Return a command of the table. Raises ModuleNotFoundError where what it needs is not installed."""
    return cast(Command, import_module(f"{__name__}.{name.replace('-', '_')}"))
