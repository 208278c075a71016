"""How a command ends: the exit codes, the same for all."""

from typing import Final

OK: Final = 0
FAILED: Final = 1  # nothing filled, or refused by the market
REFUSED: Final = 2  # usage or bad input: the same words will never do
UNRESOLVED: Final = 3  # the end of an execution could not be confirmed
INTERRUPTED: Final = 130

EXIT_CODES: Final = {
    OK: "done",
    FAILED: "failed: nothing was filled, or the market or the exchange refused",
    REFUSED: "the command line or a file it names is wrong",
    UNRESOLVED: "an execution is not confirmed ended: the message says what may be filled",
    INTERRUPTED: "interrupted: what rested is cancelled",
}
EXPLAINED: Final = "\n".join(("exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())))
