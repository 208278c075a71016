"""Who decides, as the journals of the kill switch and of a rollout name a person."""

import getpass
import os
import socket


def somebody() -> str:
    """Return the user at this machine; a number where it has no name, as containers have it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
