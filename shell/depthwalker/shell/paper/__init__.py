"""A paper exchange: the matching of the core behind the exchange's own HTTP contract, on a loopback port."""

from depthwalker.shell.paper.faults import Answered, Delayed, Fault, Faults, Lost
from depthwalker.shell.paper.floor import Listing
from depthwalker.shell.paper.ledger import Account
from depthwalker.shell.paper.reply import Reply
from depthwalker.shell.paper.server import Options, PaperExchange

__all__ = ["Account", "Answered", "Delayed", "Fault", "Faults", "Listing", "Lost", "Options", "PaperExchange", "Reply"]
