"""What a parent cost: implementation shortfall against the mid at arrival, fees in, the rest completed at the horizon.

All whole numbers (DESIGN section 7): money in microdollars, shortfall doubled because a mid may lie between two prices.
"""

from dataclasses import dataclass

from depthwalker.core.answer import FillRecord
from depthwalker.core.book import complement
from depthwalker.core.budget import CANCEL_COST, CREATE_COST
from depthwalker.core.execution import total_walks
from depthwalker.core.quality import MARKOUTS, complete
from depthwalker.core.units import Count, Micros, Money
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.market import Exchange, QueueModel
from depthwalker.shell.lab.parents import Sampled
from depthwalker.shell.lab.players import Player
from depthwalker.shell.lab.replay import Replay, Run


@dataclass(frozen=True, slots=True)
class Markout:
    """Twice what the fills gained until so long after each, and how many contracts had a mid then."""

    gained: int
    count: int


@dataclass(frozen=True, slots=True)
class Result:
    """One parent by one algorithm, as it stood at the horizon: what is filled later is part of the completion.

    Money in microdollars; `value` and `fees` of the fills, `completion` with its fees; spans in microseconds from arrival.
    """

    algorithm: str
    model: QueueModel
    sampled: Sampled
    filled: Count
    value: Money
    fees: Money
    completion: Money
    first: Micros | None
    last: Micros | None
    walks: int
    calls: int
    tokens: int
    decisions: int
    markouts: tuple[Markout, ...]

    @property
    def twice_shortfall(self) -> int:
        """Return twice the implementation shortfall in microdollars."""
        return twice_shortfall(self.sampled, Money(self.value + self.fees + self.completion))

    @property
    def full(self) -> bool:
        """Return whether all of the parent was filled."""
        return self.filled >= self.sampled.parent.count


def twice_shortfall(sampled: Sampled, cost: Money) -> int:
    """Return twice what a parent cost more than its mid at arrival."""
    return 2 * cost - sampled.twice_mid * sampled.parent.count


def measure(exchange: Exchange, index: Index, sampled: Sampled, player: Player, latency: Micros) -> Result:
    """Execute a parent and return what it cost."""
    run = Replay(exchange, player.policy, player.strategy_of, latency).run()
    return cost(run, exchange, index, sampled, player.name)


def cost(run: Run, exchange: Exchange, index: Index, sampled: Sampled, name: str) -> Result:
    """Return what a parent cost that was executed on this exchange; `name` is the algorithm's."""
    parent = sampled.parent
    fills = tuple(fill for fill in run.fills if fill.at <= parent.deadline)
    filled = Count(sum(fill.count for fill in fills))
    left = Count(parent.count - filled)
    return Result(
        algorithm=name,
        model=exchange.model,
        sampled=sampled,
        filled=filled,
        value=Money(sum(fill.price * fill.count for fill in fills)),
        fees=Money(sum(fill.fee for fill in fills)),
        completion=complete(exchange.closing(), left, parent.rates, parent.grid.highest()),
        first=Micros(fills[0].at - parent.started) if fills else None,
        last=Micros(fills[-1].at - parent.started) if fills else None,
        walks=total_walks(run.state),
        calls=run.state.calls,
        tokens=run.state.calls * CREATE_COST - run.cancels * (CREATE_COST - CANCEL_COST),
        decisions=run.decisions,
        markouts=tuple(_markout(index, sampled, fills, span) for span in MARKOUTS),
    )


def _markout(index: Index, sampled: Sampled, fills: tuple[FillRecord, ...], span: Micros) -> Markout:
    gained = counted = 0
    leg = sampled.parent.leg
    for fill in fills:
        events = index.before(Micros(fill.at + span))
        queue, facing = index.sides[leg].ladder(events), complement(index.sides[leg.other()].ladder(events)[:1])
        if queue and facing:
            gained += (queue[0][0] + facing[0][0] - 2 * fill.price) * fill.count
            counted += fill.count
    return Markout(gained, counted)
