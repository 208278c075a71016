"""The question that every engine answers: parents that rest at the touch, go after it at a cadence, and take what is left.

A parent buys `CONTRACTS` of YES within `HORIZON_US`. It joins the best bid, post-only; at every `every_us` it moves to the best
bid, if that is elsewhere, and to the back of the queue there; `take_before_us` before the end it takes the rest at any price.
Requests arrive `LATENCY_US` after they are sent. Plain numbers only: every engine imports this, in its own environment.
"""

from dataclasses import dataclass
from typing import Final

EVENTS: Final = 1_000_000
SEED: Final = 7
PARENTS: Final = 10
POLICIES: Final = 1_000
CONTRACTS: Final = 1_000
HORIZON_US: Final = 40_000_000
LATENCY_US: Final = 1_000
FIRST_US, LEAVE_US = 150_000_000, 120_000_000  # of the tape, before the first parent and after the last
HIGHEST: Final = 99  # cents


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a parent looks, and how long before its end it takes, in microseconds."""

    every_us: int
    take_before_us: int


USUAL: Final = Policy(4_000_000, 2_000_000)


def starts(end_us: int, parents: int) -> list[int]:
    """Return when the parents begin on a tape of this length: evenly, none before the one before has ended."""
    each = (end_us - FIRST_US - LEAVE_US) // parents
    if each < HORIZON_US:
        raise ValueError(f"{parents} parents do not fit")
    return [FIRST_US + each * place for place in range(parents)]


def policies(count: int) -> list[Policy]:
    """Return up to 1,000 different policies, the usual one first: looks every 2 to 9.8 s, takes 1 to 10 s before the end."""
    grid = [
        Policy(2_000_000 + 200_000 * every, 1_000_000 + 375_000 * before) for every in range(40) for before in range(25)
    ]
    return [USUAL, *(one for one in grid if one != USUAL)][:count]
