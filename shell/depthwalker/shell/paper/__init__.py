"""A paper exchange: the matching of the core behind the exchange's own HTTP contract, on a loopback port."""

from depthwalker.shell.paper.faults import (
    FRAME,
    HANDSHAKE,
    Answered,
    Blow,
    Cut,
    Delayed,
    Duplicated,
    Fault,
    Faults,
    Held,
    Lost,
    Side,
)
from depthwalker.shell.paper.floor import Listing
from depthwalker.shell.paper.ledger import Account
from depthwalker.shell.paper.notices import Notice, Notices
from depthwalker.shell.paper.options import Options
from depthwalker.shell.paper.reply import Reply
from depthwalker.shell.paper.server import PaperExchange

__all__ = [
    "FRAME",
    "HANDSHAKE",
    "Account",
    "Answered",
    "Blow",
    "Cut",
    "Delayed",
    "Duplicated",
    "Fault",
    "Faults",
    "Held",
    "Listing",
    "Lost",
    "Notice",
    "Notices",
    "Options",
    "PaperExchange",
    "Reply",
    "Side",
]
