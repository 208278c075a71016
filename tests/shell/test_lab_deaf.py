"""A worker of a sweep's own cluster: what the sweep's end cuts off is not told, what says how the worker fares is."""

import subprocess
import sys

WORKER = """
import logging
from depthwalker.shell.lab.deaf import dask_setup

class Client:
    def __del__(self):
        raise RuntimeError("IOLoop is closed")

logging.basicConfig()
dask_setup(None)
logging.getLogger("distributed.worker").error("Failed to communicate with scheduler during heartbeat.")
logging.getLogger("distributed.worker.state_machine").warning("Async instruction was cancelled")
logging.getLogger("distributed.worker.memory").warning("Worker is at 80% memory usage. Pausing worker.")
Client()
"""


def test_a_worker_that_is_cut_off_tells_nothing_but_of_its_memory() -> None:
    """The heartbeat and the client of one that ended had been told in some of ten interrupted sweeps."""
    ended = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines() == [
        "WARNING:distributed.worker.memory:Worker is at 80% memory usage. Pausing worker."
    ]
