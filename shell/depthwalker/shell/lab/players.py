"""Who competes: the algorithms a method may name, the specification's letter, and what a trader would do otherwise.

`bid` and `offer` in a name are of the leg acquired: where it would queue, and where it takes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from depthwalker.core.algorithms import opponents
from depthwalker.core.algorithms.strategy import Strategy
from depthwalker.core.algorithms.table import production
from depthwalker.core.config import Algorithm, ExecutionConfig, PolicyName, usual_ratios
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.units import SECOND, Micros

WALKER: Final = "dynamic_depth_walker"
TAKE_NOW: Final = "take_now"
# The walker takes the rest sooner, so that there is time for it: that is not to cost an opponent.
LATE: Final = Micros(2 * SECOND)


@dataclass(frozen=True, slots=True)
class Player:
    """An algorithm as it competes: its name, its policy, and the table from which `decide` takes it."""

    name: str
    policy: Policy
    strategy_of: Callable[[Algorithm], Strategy] = production


def players(config: ExecutionConfig) -> dict[str, Player]:
    """Return everyone by name; `config` says how long they have and what the walker's parameters are."""
    simple = policy_for(replace(config, algorithm=Algorithm.SIMPLE_LIMIT))
    letter = replace(config.walker, policy=PolicyName.SPEC, split_ratios=usual_ratios(PolicyName.SPEC))
    named = {algorithm: policy_for(replace(config, algorithm=algorithm)) for algorithm in Algorithm}
    everyone = (
        Player(TAKE_NOW, simple, _only(opponents.TAKE_NOW)),
        Player("simple_limit_bid", simple, _only(opponents.LIMIT_BID)),
        Player("simple_limit_mid", simple, _only(opponents.LIMIT_MID)),
        Player("simple_limit_offer", simple, _only(opponents.LIMIT_OFFER)),
        Player("chase", simple, _only(opponents.CHASE)),
        Player("twap", named[Algorithm.TWAP]),
        Player("adaptive_limit", named[Algorithm.ADAPTIVE_LIMIT]),
        Player("static_split", replace(simple, take_before=LATE), _only(opponents.STATIC_SPLIT)),
        Player("spec", policy_for(replace(config, algorithm=Algorithm.DYNAMIC_DEPTH_WALKER, walker=letter))),
        Player(WALKER, named[Algorithm.DYNAMIC_DEPTH_WALKER]),
    )
    return {player.name: player for player in everyone}


def selectable(config: ExecutionConfig) -> dict[str, Player]:
    """Return everyone by name, and simple_limit as a method names it: at the bid or the offer as its target it is one of them."""
    algorithm = Algorithm.SIMPLE_LIMIT
    simple = Player(algorithm.value, policy_for(replace(config, algorithm=algorithm)))
    return {**players(config), simple.name: simple}


def _only(strategy: Strategy) -> Callable[[Algorithm], Strategy]:
    def strategy_of(_: Algorithm) -> Strategy:
        return strategy

    return strategy_of
