"""What keeps Ctrl-C in a sweep on Dask readable: it is for the sweep, which ends its workers itself.

A terminal sends it to all of them, and each would tell at length how it was torn from its work. Each worker of the sweep's own
cluster loads this module.
"""

import logging
import signal
import sys


def dask_setup(_worker: object) -> None:
    """Hear no Ctrl-C, and do not tell of what the sweep's end cuts off; Dask calls this in a worker that begins.

    What a task raises comes to the sweep by itself, and what becomes of a worker its cluster tells.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed.worker").disabled = True  # of a heartbeat; that of memory, below it, is heard
    logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
    sys.unraisablehook = _ignored


def hush() -> None:
    """Log nothing more in a sweep that was interrupted: Dask tells of every connection that closes under what it was at."""
    logging.disable()


def _ignored(_raised: object) -> None:
    """Say nothing of what is ignored, such as that a client that goes as the process ends finds its loop closed."""
