"""The websocket's commands, read; and the errors with which they are answered (fact sheet, section 7.2)."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

Params: TypeAlias = Mapping[str, object]

OVERFLOW: Final = 25
ERRORS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    OVERFLOW: "Subscription buffer overflow",
}


class Wrong(Exception):
    """A command cannot be carried out, for the reason that the code names."""

    def __init__(self, code: int, ticker: str = "") -> None:
        super().__init__(ERRORS[code])
        self.code = code
        self.ticker = ticker


def decoded(text: str | bytes) -> Params:
    """Return a command; raises Wrong where it is no object."""
    try:
        command: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Wrong(1) from error
    if not isinstance(command, dict):
        raise Wrong(1)
    return command


def number_of(command: Params) -> int:
    """Return a command's id, which is positive; raises Wrong."""
    number = command.get("id")
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise Wrong(1)
    return number


def listed(params: Params, name: str, code: int) -> list[object]:
    """Return a list of which there must be something; raises Wrong with the code that says what is missing."""
    found = params.get(name)
    if not isinstance(found, list) or not found:
        raise Wrong(code)
    return found


def texts(params: Params, name: str) -> list[str]:
    """Return the texts, one or a list of them, that a parameter holds; raises Wrong for anything else."""
    found = params.get(name)
    named = found if isinstance(found, list) else [] if found is None else [found]
    found_texts = [text for text in named if isinstance(text, str)]
    if len(found_texts) < len(named):
        raise Wrong(11)
    return found_texts
