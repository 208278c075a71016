"""What an endpoint of the contract is: its method and path, its price, the scope that it needs, and what answers it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from multidict import MultiMapping

from depthwalker.shell.paper.reply import Reply
from depthwalker.shell.paper.tariff import Price

PREFIX: Final = "/trade-api/v2"
READ, TRADE, TRANSFER, BALANCE = "read", "write::trade", "write::transfer", "read::portfolio_balance"
PUBLIC: Final = ""  # no signature is needed


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the handlers see it; `account` is empty where none was needed."""

    account: str
    part: str
    query: MultiMapping[str]
    body: bytes

    @property
    def shard(self) -> int | None:
        """Return the shard that the query names, or None."""
        text = self.query.get("exchange_index", "")
        return int(text) if text.isascii() and text.isdigit() else None


Act: TypeAlias = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One request of the contract; `kind` is its name in plans and counts, `{part}` stands for whatever it is about."""

    method: str
    path: str
    kind: str
    scope: str
    price: Price
    act: Act
