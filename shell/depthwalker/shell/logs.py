"""What is told in logs: a trouble that lasts once, and all of it as one JSON object a line, where that is asked for.

Each line carries the number of the execution that it is of (null where it is of none).
`DEPTHWALKER_LOG=json` has the command line write them to standard error; an engine that imports the package gives
`Structured()` to a handler of its own. Nothing that is logged holds a key, a signature or a balance.
"""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

executing: Final[ContextVar[int | None]] = ContextVar("executing", default=None)


class Lasting:
    """A trouble that may last for hours: told once, and while it goes on to whoever debugs. Repeated it would bury all others."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told = False

    def tell(self, text: str, *values: object) -> None:
        """Tell that it is there, or there still."""
        self._log.log(logging.DEBUG if self._told else logging.WARNING, text, *values)
        self._told = True

    def over(self) -> None:
        """Have it told anew when it comes back."""
        self._told = False


class Structured(logging.Formatter):
    """Writes a record as one line of JSON: at, level, logger, execution_id, message, and where it failed."""

    def format(self, record: logging.LogRecord) -> str:  # type: ignore[explicit-override]  # typing has it from 3.12 on
        """Return the line; a message that cannot be put together is shown as it was given."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "execution_id": executing.get(),
            "message": message,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def structured_logs() -> None:
    """Write everything from INFO on to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Structured())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
