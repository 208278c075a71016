"""Prints docs/caps.md: how many cents of walking a slippage cap leaves, computed by the core's own admission."""

from dataclasses import replace

from depthwalker.core.answer import Market, MarketStatus
from depthwalker.core.book import Leg
from depthwalker.core.config import DEFAULT_EXECUTION
from depthwalker.core.fees import STANDARD
from depthwalker.core.grid import CENT_GRID
from depthwalker.core.outcome import Success
from depthwalker.core.parent import Action, Holding, Identity, Ticket, admit
from depthwalker.core.units import CENT, MILLION, SECOND, Count, Micros, Price, format_price

TARGETS = tuple(Price(cents * CENT) for cents in (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95))
PERCENTAGES = (10_000, 25_000, 50_000, 100_000)
MARKET = Market("T", "E", MarketStatus.ACTIVE, CENT_GRID, Micros(10**15), 0)
HEAD = """# How much a slippage cap lets walk

A cap in percent of the target leaves little on cheap contracts. The table shows, for buying on a cent grid, by how many
cents a price may go up from the target under `max_slippage_percent`; 0 means that nothing can walk, which is journalled as
`no_room_to_walk`. `max_slippage_dollars` caps in dollars a contract instead (set `max_slippage_percent` to null) or beside it
(the tighter holds). For sells the table reads downward, and says where they have other room. Made by `python tools/caps.py`.
"""


def room(action: Action, target: Price, percentage: int) -> int:
    """Return the cents from the target to the cap that admission computes."""
    config = replace(DEFAULT_EXECUTION, slippage_ppm=percentage, slippage_dollars=None)
    ticket = Ticket(Leg.YES, action, Count(100), target)
    holding, identity = Holding(ticket.count, Count(0)), Identity("0" * 8, "0" * 32)
    match admit(ticket, MARKET, STANDARD, config, holding, identity, SECOND, SECOND):
        case Success(parent):
            return (parent.cap - parent.target) // CENT
        case refused:
            raise AssertionError(refused)


def cell(target: Price, percentage: int) -> str:
    """Return what the table says of a target and a percentage."""
    buys, sells = (room(action, target, percentage) for action in Action)
    return f"{buys}" if buys == sells else f"{buys} (sells {sells})"


def page() -> str:
    """Return the whole page."""
    percents = [f"{share * 100 / MILLION:g} %" for share in PERCENTAGES]
    rows = [
        f"| {format_price(target)[:4]} | " + " | ".join(cell(target, share) for share in PERCENTAGES) + " |"
        for target in TARGETS
    ]
    return "\n".join([HEAD, "| target | " + " | ".join(percents) + " |", "|---" * 5 + "|", *rows, ""])


if __name__ == "__main__":
    print(page(), end="")
