"""Every parent by every algorithm under every queue model, on one market after the other."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from depthwalker.core.tape import Replace, Take, Tape
from depthwalker.core.units import Micros
from depthwalker.shell.lab.bound import Way, bound, single_switch
from depthwalker.shell.lab.columns import columns_of, flattened, silences
from depthwalker.shell.lab.cost import Result, measure, twice_shortfall
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.indexed import Indexed
from depthwalker.shell.lab.market import ORIGIN, QueueModel
from depthwalker.shell.lab.parents import LeftOut, Sampled, Sampling, sample
from depthwalker.shell.lab.players import Player

TRADED = "tape: trades at or through our price, less the queue, and offers that arrive at it"
UNTRADED = (
    "lower bound: the recording holds no trades, so an order at rest fills only where an offer arrives at its price"
)
SAMPLED = "sampled, the book is known at its snapshots only; "
PARTIAL = "; the trades may be a sample, too"
GUESSED = "; the taker's side of some or all of the trades is inferred"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One result beside what it is compared with: twice the shortfall of the bound and of the best single switch, and its way."""

    file: str
    fill_model: str
    block: int
    result: Result
    bound: int
    bound_filled: int
    switch: int
    way: Way

    @property
    def key(self) -> tuple[str, Micros, str, int, QueueModel]:
        """Return what makes results of different algorithms comparable."""
        parent = self.result.sampled.parent
        return self.file, parent.started, parent.leg.value, parent.count, self.result.model


@dataclass(frozen=True, slots=True)
class Trades:
    """How many trades of a recording are played, of how many of those the taker's side is inferred, and how many tell none."""

    played: int
    guessed: int
    untold: int


@dataclass(slots=True)
class Measured:
    """What an experiment found on all its markets."""

    outcomes: list[Outcome] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    fill_models: dict[str, str] = field(default_factory=dict)
    trades: dict[str, Trades] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Design:
    """Who competes, on which parents, under which queue models. `block` in microseconds, at least ten horizons."""

    players: tuple[Player, ...]
    sampling: Sampling
    models: tuple[QueueModel, ...]
    latency: Micros
    block: Micros


def indexed(tape: Tape) -> Index:
    """Return a tape ready to be looked up."""
    return Index(columns_of(flattened(tape)), silences(tape))


def fill_model(tape: Tape) -> str:
    """Return what the fills of a market stand on."""
    kinds = {type(event.flow) for event in tape.events}
    sampled = kinds - {Take} == {Replace}
    traded = TRADED + (PARTIAL if sampled else "") + (GUESSED if tape.guessed else "")
    return (SAMPLED if sampled else "") + (traded if Take in kinds else UNTRADED)


def experiment(
    markets: Iterable[tuple[str, Tape]], design: Design, tell: Callable[[str], None] | None = None
) -> Measured:
    """Return what every algorithm made of every parent; `tell` hears of each market that is done.

    Raises ValueError where two markets have one name: the parents of both would be taken for the same.
    """
    measured = Measured()
    for name, tape in markets:
        if name in measured.fill_models:
            raise ValueError(f"two markets are called {name}")
        index, stands_on = indexed(tape), fill_model(tape)
        measured.fill_models[name] = stands_on
        measured.trades[name] = Trades(index.trades(), tape.guessed, tape.untold)
        for drawn in sample(index, design.sampling):
            if isinstance(drawn, LeftOut):
                measured.left_out[drawn.reason] += 1
            else:
                measured.outcomes.extend(_parent(name, stands_on, index, drawn, design))
        if tell is not None:
            tell(f"{name}: {len(measured.outcomes)} executions so far")
    return measured


def _parent(name: str, stands_on: str, index: Index, sampled: Sampled, design: Design) -> list[Outcome]:
    block = (sampled.parent.started - ORIGIN) // design.block
    found: list[Outcome] = []
    for model in design.models:
        least = bound(index, sampled, model)
        switch = single_switch(index, sampled, model)
        for player in design.players:
            exchange = Indexed(index, sampled.parent, model)
            found.append(
                Outcome(
                    file=name,
                    fill_model=stands_on,
                    block=block,
                    result=measure(exchange, index, sampled, player, design.latency),
                    bound=twice_shortfall(sampled, least.cost),
                    bound_filled=least.filled,
                    switch=twice_shortfall(sampled, switch.cost),
                    way=switch.way,
                )
            )
    return found
