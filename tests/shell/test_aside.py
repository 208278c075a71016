"""Threads of our own: in a forked process, and once the main thread has ended."""

import subprocess
import sys

import pytest

FORKED = """
import asyncio, os
from depthwalker.shell.aside import Aside
aside = Aside(1, "aside")
asyncio.run(aside.run(lambda: None))
if os.fork() == 0:
    print(asyncio.run(asyncio.wait_for(aside.run(lambda: "done"), 5)), flush=True)
    os._exit(0)
os.wait()
"""

ENDED = """
import asyncio, threading
from depthwalker.shell.aside import Aside
aside = Aside(1, "aside")
def late():
    threading.main_thread().join()
    print(asyncio.run(aside.run(lambda: "done")), flush=True)
asyncio.run(aside.run(lambda: None))
threading.Thread(target=late).start()
"""


@pytest.mark.parametrize("program", [pytest.param(FORKED, id="forked"), pytest.param(ENDED, id="main thread ended")])
def test_what_is_asked_for_is_done(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "done", done.stderr
