"""How a command ends: the exit codes, the same for all, and how a command says that it has no result."""

from typing import Final

OK: Final = 0
FAILED: Final = 1  # nothing filled, or refused by the market
REFUSED: Final = 2  # usage or bad input: the same words will never do
UNRESOLVED: Final = 3  # the end of an execution could not be confirmed
INTERRUPTED: Final = 130
UNREAD: Final = 141

EXIT_CODES: Final = {
    OK: "done; so ends as well, by Ctrl-C, what runs until Ctrl-C (exchange, record, serve, db start)",
    FAILED: "failed: nothing was filled, the market, the exchange or the database refused, or something is to be mended",
    REFUSED: "the command line, a setting or a file that they name is wrong",
    UNRESOLVED: "an execution is not confirmed ended: the message says what may be filled",
    INTERRUPTED: "interrupted by Ctrl-C or SIGTERM: what rested is cancelled",
    UNREAD: "whoever read the output has gone, as `head` does: what rested is cancelled",
}
EXPLAINED: Final = "\n".join(("exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())))


class Ended(Exception):
    """A command has no result: its exit code, and in words what is wrong and what to do."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Wrong(Ended):
    """Something on the command line, or in what it names, that will never do; the text says what would."""

    def __init__(self, text: str) -> None:
        super().__init__(REFUSED, text)
