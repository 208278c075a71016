"""What the core is measured on: a book of 100 levels a leg, two busy minutes of history, a parent order in its midst."""

from dataclasses import replace
from typing import Final

from depthwalker.core.answer import Market, MarketStatus, TradePrint
from depthwalker.core.book import Book, Leg
from depthwalker.core.config import DEFAULT_EXECUTION, Algorithm, ExecutionConfig, PolicyName
from depthwalker.core.depth import RECORDED_THRESHOLDS
from depthwalker.core.execution import START, State, evolve
from depthwalker.core.fact import Started
from depthwalker.core.fees import STANDARD
from depthwalker.core.flow import NO_HISTORY, History, Sample, gather, observe
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action, Holding, Identity, Parent, Ticket, admit
from depthwalker.core.policy import Policy, policy_for
from depthwalker.core.structure import STRUCTURES
from depthwalker.core.units import CENT, CONTRACT, SECOND, Count, Micros, Price
from depthwalker.core.view import Conditions

LEVELS: Final = 100
NOW: Final = Micros(1_760_000_000 * SECOND)
COUNT: Final = Count(1_000 * CONTRACT)
TICKER: Final = "BENCH"
GRID: Final = dict(STRUCTURES)["deci_cent"]
TICK: Final = 10
BEST_YES: Final = Price(45 * CENT)
BEST_NO: Final = Price(53 * CENT)  # the offer of YES is at 47 cents
WIND_DOWN: Final = Micros(4 * SECOND)
SAMPLES: Final = 120  # two minutes of a feed that reads the book every second
TRADES: Final = 200

MARKET: Final = Market(TICKER, "BENCH-EVENT", MarketStatus.ACTIVE, GRID, Micros(4_000_000_000 * SECOND), 0)
CONDITIONS: Final = Conditions(
    grid=GRID, rates=STANDARD, tokens=40, walkers=0, max_walkers=5, ema_slippage=0, open=True
)


def book(levels: int = LEVELS, at: Micros = NOW) -> Book:
    """Return a book with so many levels of each leg, 5 to 35 contracts at each."""
    yes = tuple((Price(BEST_YES - rank * TICK), _size(rank)) for rank in range(levels))
    no = tuple((Price(BEST_NO - rank * TICK), _size(rank + 3)) for rank in range(levels))
    return Book(yes, no, at)


def history(end: Micros = NOW) -> History:
    """Return a full window: a sample every second, and a trade every 0.6 seconds."""
    seen = observe(NO_HISTORY, book(), Micros(0)).samples[0]
    samples = tuple(
        Sample(Micros(end - (SAMPLES - 1 - n) * SECOND), seen.yes_near, Count(seen.no_near - n * 100), seen.total)
        for n in range(SAMPLES)
    )
    trades = tuple(
        TradePrint(
            f"t{n}",
            Leg.YES if n % 3 else Leg.NO,
            Price(BEST_YES + n % 5 * TICK),
            _size(n),
            Micros(end - (TRADES - n) * 600_000),
        )
        for n in range(TRADES)
    )
    return gather(samples, trades)


def config(policy: PolicyName, timeout: Micros = DEFAULT_EXECUTION.timeout) -> ExecutionConfig:
    """Return the walker's usual configuration with room to walk: up to three cents above the target."""
    walker = replace(DEFAULT_EXECUTION.walker, policy=policy)
    return replace(
        DEFAULT_EXECUTION,
        algorithm=Algorithm.DYNAMIC_DEPTH_WALKER,
        walker=walker,
        slippage_ppm=None,
        slippage_dollars=Price(3 * CENT),
        timeout=timeout,
    )


def policy(name: PolicyName) -> Policy:
    """Return the policy in force under `config`; the story that is measured makes more calls than a parent would."""
    return replace(policy_for(config(name), RECORDED_THRESHOLDS), sparing_from=1_000)


def parent(name: PolicyName, at: Micros = NOW) -> Parent:
    """Return a parent that buys a thousand YES at 46 cents, or up to three cents more."""
    ticket = Ticket(Leg.YES, Action.BUY, COUNT, Price(46 * CENT))
    identity = Identity("0" * 8, "ab" * 16)
    nothing = Holding(Count(0), Count(0))
    admitted = admit(ticket, MARKET, STANDARD, config(name), nothing, identity, at, WIND_DOWN)
    assert isinstance(admitted, Success)
    return admitted.unwrap()


def started(name: PolicyName, at: Micros = NOW) -> Started:
    """Return the first fact of that parent's journal."""
    return Started(parent(name, at), policy(name), at)


def begun(name: PolicyName, at: Micros = NOW) -> State:
    """Return the state after it."""
    return evolve(START, started(name, at))


def _size(rank: int) -> Count:
    return Count((5 + rank * 7 % 31) * CONTRACT)
