"""Many policies on many markets: a task is a block of one market under one queue model, and all policies go through it at once.

Blocks are also what intervals are drawn from, so what a task finds is kept as one row a class of liquidity and policy.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from typing import Final

from depthwalker.core.depth import Liquidity
from depthwalker.core.policy import VERSION
from depthwalker.core.units import CENT, SECOND, Micros
from depthwalker.shell.lab.asked import tape_of
from depthwalker.shell.lab.cost import Result, cost
from depthwalker.shell.lab.experiment import indexed
from depthwalker.shell.lab.index import Index
from depthwalker.shell.lab.market import ORIGIN, Exchange, QueueModel
from depthwalker.shell.lab.parents import Sampled, Sampling, drawn, instants
from depthwalker.shell.lab.replay import Run
from depthwalker.shell.lab.session import Session
from depthwalker.shell.lab.space import Variant
from depthwalker.shell.lab.together import replay_all


class Half(Enum):
    """What a market is there for: a policy is chosen on some, and judged on others."""

    TUNING = "tuning"
    JUDGING = "judging"


@dataclass(frozen=True, slots=True)
class Market:
    """A recording, or a synthetic market by its name and without a session; `digest` tells its content."""

    source: str
    seed: int
    half: Half
    digest: str
    ticker: str
    span: Micros
    session: Session | None
    fill_model: str


@dataclass(frozen=True, slots=True)
class Search:
    """What is tried on which parents. `latency` and `block` in microseconds."""

    variants: tuple[Variant, ...]
    sampling: Sampling
    models: tuple[QueueModel, ...]
    latency: Micros
    block: Micros

    @property
    def key(self) -> str:
        """Return what tells this search from every other one, and from itself under another version: 32 hexadecimal digits."""
        variants = tuple((variant.policy, variant.strategy_of.__qualname__) for variant in self.variants)
        told = repr((version("depthwalker"), VERSION, variants, self.sampling, self.latency, self.block))
        return sha256(told.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Task:
    """A block of a market under a queue model."""

    market: Market
    model: QueueModel
    block: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Return what tells the task from the others of its search."""
        return self.market.digest, self.model.value, self.block


@dataclass(frozen=True, slots=True)
class Found:
    """What a policy came to in a block, for one class of liquidity: sums over its parents.

    `half` is what the market was there for when this was found; another run may give the market to the other one.
    `cents` sums their shortfalls in cents a contract, `filled` their fill rates, `filled_in_reach` those of the `in_reach`
    parents whose count was on offer under the cap at arrival, `seconds` the times to the full fill of the `full` ones.
    """

    digest: str
    market: str
    half: str
    queue_model: str
    block: int
    liquidity: str
    policy: int
    parents: int
    cents: float
    filled: float
    in_reach: int
    filled_in_reach: float
    full: int
    seconds: float
    walks: int
    calls: int
    most_calls: int

    @property
    def task(self) -> tuple[str, str, int]:
        """Return the key of the task that found it."""
        return self.digest, self.queue_model, self.block


COLUMNS: Final = tuple(field.name for field in fields(Found))


def tasks(search: Search, markets: tuple[Market, ...]) -> Iterator[Task]:
    """Yield all there is to do, a market after the other."""
    for market in markets:
        end = Micros(ORIGIN + market.span)
        blocks = sorted({_block(search, at) for at in instants(end, search.sampling)})
        for model in search.models:
            yield from (Task(market, model, block) for block in blocks)


def tried(search: Search, task: Task) -> list[Found]:
    """Return what every policy came to in a block."""
    index = _index(task.market.source, task.market.seed, task.market.digest)
    sums: dict[tuple[Liquidity, int], Found] = {}
    for at in instants(index.end(), search.sampling):
        if _block(search, at) == task.block:
            for sampled in drawn(index, search.sampling, at):
                if isinstance(sampled, Sampled):
                    for policy, result in enumerate(_results(index, search, sampled, task.model)):
                        key = sampled.liquidity, policy
                        one = _found(task, sampled, policy, result)
                        sums[key] = _sum(sums[key], one) if key in sums else one
    return list(sums.values())


def _results(index: Index, search: Search, sampled: Sampled, model: QueueModel) -> list[Result]:
    def told(run: Run, exchange: Exchange) -> Result:
        return cost(run, exchange, index, sampled, "")

    found: dict[int, Result] = {}
    for strategy_of in dict.fromkeys(variant.strategy_of for variant in search.variants):
        places = [place for place, variant in enumerate(search.variants) if variant.strategy_of is strategy_of]
        policies = [search.variants[place].policy for place in places]
        results = replay_all(index, sampled.parent, model, policies, strategy_of, search.latency, told)
        found |= zip(places, results, strict=True)
    return [found[place] for place in range(len(search.variants))]


def _found(task: Task, sampled: Sampled, policy: int, result: Result) -> Found:
    count = sampled.parent.count
    full = result.full and result.last is not None
    return Found(
        digest=task.market.digest,
        market=task.market.ticker,
        half=task.market.half.value,
        queue_model=task.model.value,
        block=task.block,
        liquidity=sampled.liquidity.value,
        policy=policy,
        parents=1,
        cents=result.twice_shortfall / (2 * CENT * count),
        filled=result.filled / count,
        in_reach=int(sampled.reachable),
        filled_in_reach=result.filled / count if sampled.reachable else 0.0,
        full=int(full),
        seconds=(result.last or 0) / SECOND if full else 0.0,
        walks=result.walks,
        calls=result.calls,
        most_calls=result.calls,
    )


def _sum(one: Found, other: Found) -> Found:
    return replace(
        one,
        parents=one.parents + other.parents,
        cents=one.cents + other.cents,
        filled=one.filled + other.filled,
        in_reach=one.in_reach + other.in_reach,
        filled_in_reach=one.filled_in_reach + other.filled_in_reach,
        full=one.full + other.full,
        seconds=one.seconds + other.seconds,
        walks=one.walks + other.walks,
        calls=one.calls + other.calls,
        most_calls=max(one.most_calls, other.most_calls),
    )


def _block(search: Search, at: Micros) -> int:
    return (at - ORIGIN) // search.block


@lru_cache(maxsize=2)
def _index(source: str, seed: int, _digest: str) -> Index:
    return indexed(tape_of(source, seed))
