"""How a command ends: the exit codes, the same for all."""

from typing import Final

OK: Final = 0
FAILED: Final = 1  # nothing filled, or refused by the market
REFUSED: Final = 2  # usage or bad input: the same words will never do
UNRESOLVED: Final = 3  # the end of an execution could not be confirmed
INTERRUPTED: Final = 130

EXPLAINED: Final = """\
exit codes: 0 done; 1 failed: nothing was filled, or the market or the exchange refused; 2 the command line or a file it
names is wrong; 3 an execution is not confirmed ended: the message says what may be filled; 130 interrupted: what rested is
cancelled"""
