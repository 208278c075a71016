"""Who decides has a name, also where the machine knows none."""

import os
import pwd
import socket
from typing import NoReturn

import pytest

from depthwalker.shell.somebody import somebody


def test_a_user_is_named_with_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    assert somebody() == f"ann@{socket.gethostname()}"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_number_without_a_name_can_pull_the_kill_switch_too(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_: int) -> NoReturn:
        raise error("getpwuid(): uid not found")

    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert somebody() == f"{os.getuid()}@{socket.gethostname()}"
