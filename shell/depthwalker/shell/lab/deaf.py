"""Loaded by each worker of a sweep's own Dask cluster: Ctrl-C is for the sweep, which ends its workers itself.

A terminal sends it to all of them, and each would tell at length how it was torn from its work.
"""

import logging
import signal


def dask_setup(_worker: object) -> None:
    """Hear no Ctrl-C, and do not warn of what the sweep's end cuts off; Dask calls this in a worker that begins."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("distributed.worker.state_machine").setLevel(logging.ERROR)
