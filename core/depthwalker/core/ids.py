"""Client order ids that prove whose order it is: `dw-<installation>-<execution>-<split>-<revision>`.

Ids are permanent on the exchange (fact sheet, section 5.2), so a retry reuses one and a new intent never does. The longest
is under 64 characters and holds only letters, digits and hyphens.
"""

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "dw"
INSTALLATION_DIGITS: Final = 8
EXECUTION_DIGITS: Final = 32
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ClientId:
    """Installation (8 hex), execution (32 hex), split number from 1, revision from 0 within the split."""

    installation: str
    execution: str
    split: int
    revision: int

    def text(self) -> str:
        """Return the id as the exchange sees it."""
        return f"{PREFIX}-{self.installation}-{self.execution}-{self.split}-{self.revision}"


def parse_client_id(text: str) -> ClientId | None:
    """Return the parts of one of our ids, exactly as `text` writes them, or None for anybody else's."""
    parts = text.split("-")
    if len(parts) != 5 or parts[0] != PREFIX:
        return None
    _, installation, execution, split, revision = parts
    if not (_is_hex(installation, INSTALLATION_DIGITS) and _is_hex(execution, EXECUTION_DIGITS)):
        return None
    if not (_is_number(split) and _is_number(revision)):
        return None
    return ClientId(installation, execution, int(split), int(revision))


def _is_hex(text: str, digits: int) -> bool:
    return len(text) == digits and _HEX.issuperset(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6 and (text == "0" or not text.startswith("0"))
