"""What simulated worlds came to: the fault by command matrix, and the figures that `docs/simulation.md` keeps of every run."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from tests.page import DOCS, put
from tests.simulation.circumstances import MOST_PARENTS
from tests.simulation.line import SOCKET, FrameFault
from tests.simulation.store import FALLS
from tests.simulation.wire import WRITING, Fault

PAGE = DOCS / "simulation.md"
FIGURES = PAGE.with_suffix(".json")
REQUESTS = ("create", "amend", "cancel", "orders", "fills", "book", "trades", "market", "series", "event")
GROUPS = ("group_create", "group_delete", "group_trigger")
STORE = (
    *("begin", "append", "load", "claim", "renew", "find", "trade", "unfinished", "walkers", "snapshot"),
    *("refused", "recent_slippages", "lease_tokens", "switch", "keep_group", "groups", "spent_groups", "forget_group"),
)
STOPS = ("trading pause", "exchange pause", "reactivation sweep", "market closed")
WORLD = ("two workers", "called again", "caller gives up")
ENOUGH = 2_000  # seeds, from which on an empty cell is a fault of the simulation

Met = Counter[tuple[str, str]]


@dataclass
class Run:
    """What seeds from `first` on came to, with at most so many parents at once.

    `between` are executions that met a fault between an intent and its answer.
    """

    commit: str
    first: int
    seeds: int = 0
    executions: int = 0
    between: int = 0
    failed: int = 0
    seconds: int = 0
    parents: int = MOST_PARENTS


@dataclass
class Tally:
    """All runs that are kept, and how often each fault met each command in them."""

    runs: list[Run] = field(default_factory=list)
    met: Met = field(default_factory=Met)


def cells() -> Iterator[tuple[str, str]]:
    """Give every fault with every command that it can meet; a market that stops or a process that dies matters to orders."""
    for fault in (one.value for one in Fault):
        yield from ((fault, command) for command in (*REQUESTS, *GROUPS))
    yield from ((fault, command) for fault in FALLS for command in STORE)
    yield from ((fault.value, SOCKET) for fault in FrameFault)
    yield "not connected", SOCKET
    yield from ((stop, command) for stop in STOPS for command in sorted(WRITING))
    yield from (("process killed", kind) for kind in ("place", "amend", "cancel", "claim", "burn"))
    yield from ((what, "execute") for what in WORLD)


def empty(met: Met) -> list[str]:
    """Return the cells of the matrix in which nothing happened."""
    return [f"{fault} x {command}" for fault, command in cells() if not met[fault, command]]


def matrix(met: Met) -> str:
    """Return the matrix as Markdown, a table a kind of command."""
    faults = [one.value for one in Fault]
    frames = ["not connected", *(one.value for one in FrameFault)]
    tables = [
        _table("fault at a request", faults, REQUESTS, met),
        _table("fault at an order group's request", faults, GROUPS, met),
        _table("store", list(FALLS), STORE, met, turned=True),
        _table("websocket", frames, (SOCKET,), met),
        _table("the market stands still, and what arrives", list(STOPS), tuple(sorted(WRITING)), met),
        _table("killed while it waited for", ["process killed"], ("place", "amend", "cancel", "claim", "burn"), met),
        _table("caller and workers", list(WORLD), ("execute",), met),
    ]
    return "\n\n".join(tables)


def _table(title: str, rows: list[str], columns: Iterable[str], met: Met, *, turned: bool = False) -> str:
    shown = list(columns)
    if turned:
        lines = [[command, *(f"{met[fault, command]:,}" for fault in rows)] for command in shown]
        shown = rows
    else:
        lines = [[fault, *(f"{met[fault, command]:,}" for command in shown)] for fault in rows]
    head = [f"| {' | '.join([title, *shown])} |", f"| --- |{' ---: |' * len(shown)}"]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in lines)])


class Keeper:
    """Keeps a run among the others, again and again while it goes on: what was done when it is killed stays done."""

    EVERY_S = 60

    def __init__(self, run: Run) -> None:
        self.run = run
        self._kept = read()
        self._next = time.monotonic() + self.EVERY_S

    def keep(self, met: Met, *, now: bool = False) -> None:
        """Write the run's figures, if it is time."""
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self.EVERY_S
        write(Tally([*self._kept.runs, self.run], self._kept.met + met))


def read() -> Tally:
    """Return what is kept."""
    if not FIGURES.exists():
        return Tally()
    found = json.loads(FIGURES.read_text())
    met = Met({(fault, command): times for fault, command, times in found["met"]})
    return Tally([Run(**run) for run in found["runs"]], met)


def write(tally: Tally) -> None:
    """Keep a tally, as figures and on the page."""
    met = sorted([fault, command, times] for (fault, command), times in tally.met.items())
    lines = ",\n  ".join(json.dumps(one) for one in met)
    runs = ",\n  ".join(json.dumps(asdict(run)) for run in tally.runs)
    FIGURES.write_text(f'{{"runs": [\n  {runs}\n], "met": [\n  {lines}\n]}}\n')
    put(PAGE, "simulation", [shown(tally)])


def shown(tally: Tally) -> str:
    """Return the page's part about a tally."""
    runs = tally.runs
    executions, between = sum(run.executions for run in runs), sum(run.between for run in runs)
    seeds, failed = sum(run.seeds for run in runs), sum(run.failed for run in runs)
    share = f"{100 * between / executions:.0f} %" if executions else "none"
    told = (
        f"**{executions:,} executions in {seeds:,} worlds; {between:,} of them ({share}) met a fault between an intent and its"
        f" answer; {failed} worlds failed.**"
    )
    lines = [
        told,
        "",
        "| commit | first seed | parents at once | worlds | executions | fault between intent and answer | failed | executions a second |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for run in runs:
        rate = run.executions / run.seconds if run.seconds else 0
        lines.append(
            f"| {run.commit} | {run.first} | {run.parents} | {run.seeds:,} | {run.executions:,} | {run.between:,} "
            f"| {run.failed} | {rate:.0f} |"
        )
    missing = empty(tally.met)
    lines += ["", f"Cells without an entry: {', '.join(missing) if missing else 'none'}.", "", matrix(tally.met)]
    return "\n".join(lines)
